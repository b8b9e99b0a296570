"""Arbitrary input that is near enough to good input to get past the first check.

JSON is generated as text, member by member: a dict could not hold two members of one name, nor ``NaN`` or ``1e400``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from properties.issuing import ALGORITHMS, AUDIENCE, GOOD_CLAIMS, GOOD_HEADER, ISSUER, NOW, published_keys

Members = list[tuple[str, str]]  # names, and values as JSON text
_TWICE, _LEFT_OUT, _ANYTHING = 17, 18, 19
_OFTEN = {"exp", "iat", "nbf", "aud", "kid"}  # what has most ways to be wrong

LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=30)  # what WSGI can carry

_KEY_IDS = ("ed", "ed-2", "ec", "rsa", "rsa-pinned", "rsa-short", "leaked", "encrypts", "signs-only", "twice", "ec-384")

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)

#: Values that a reader has to refuse, or that readers differ about.
_ODD_TEXTS = st.sampled_from([
    "NaN", "-Infinity", "1e400", "-1e400", "9" * 400, "9" * 5000, "-0", "-0.0", "1.0", "01",
    '"\\ud800"', '"\\ud83d\\ude00"', '{"\\udc00": 1}', '{"a": 1, "a": 1}', '{"a": 1, "\\u0061": 2}',
    *("[" * depth + "]" * depth for depth in (30, 31, 32, 3000)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (31, 32)),
    '"' + "x" * 12_500 + '"',  # more than a token may have
    "'a'", '"\t"', "", "tru",
])  # fmt: skip


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _any_value() -> st.SearchStrategy[str]:
    return st.builds(json.dumps, ANY_JSON, ensure_ascii=st.booleans()) | _ODD_TEXTS


def _one_of(*values: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([json.dumps(value) for value in values])


def _times(*offsets: float) -> st.SearchStrategy[str]:
    """Return times around the limits, mostly, and what is no time."""
    odd = (0, -1, 1e-300, True, False, None, str(NOW), [NOW], 253_402_300_799, 253_402_300_800, 1e18, 2**64)
    return _one_of(*(NOW + offset for offset in offsets)) | _one_of(*odd)


_TEXT_OR_NOT = _one_of("client", "", " ", "\u0000", "é", None, 1, True, ["client"], {"client": 1})

_HEADER_VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "alg": _one_of(
        *(*ALGORITHMS, "Ed25519", "none", "None", "HS256", "eddsa", "ES384", "RS512"),
        *("EdDSA ", "RS256\r\n", "", None, 0, ["EdDSA"], {"EdDSA": 1}),
    ),
    "kid": _one_of(*_KEY_IDS, "", "no", "ED", "ed ", "e" * 256, "e" * 257, None, 1, ["ed"], {"kid": "ed"}),
    "typ": _one_of(
        "JWT",
        "jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "application/jwt",
        "Application/JWT",
        "JWT ",
        "id+jwt",
        "",
        None,
        1,
        ["JWT"],
    ),
    "crit": _one_of([], ["b64"], ["exp"], None, "exp", False),
    "b64": _one_of(False, True, None),
    "cty": _TEXT_OR_NOT,
    "jku": _one_of("https://evil.example/jwks", "http://127.0.0.1:1/"),
    "jwk": st.deferred(lambda: st.sampled_from([json.dumps(key.jwk) for key in published_keys()])),
    "x5u": _one_of("https://evil.example/x5u"),
    "x5c": _one_of(["MIIB"], []),
    "zip": _one_of("DEF"),
}

_CLAIM_VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "iss": _one_of(ISSUER, ISSUER[:-1], f"{ISSUER}x", ISSUER.upper(), [ISSUER], {ISSUER: 1}, "", None, 1),
    "aud": _one_of(
        *(AUDIENCE, [AUDIENCE], ["other", AUDIENCE], f"{AUDIENCE}/", f"x {AUDIENCE}", AUDIENCE[:-1], ["other"]),
        *([], "", [[AUDIENCE]], [AUDIENCE, 1], [AUDIENCE, None], {AUDIENCE: 1}, None),
    ),
    "sub": _TEXT_OR_NOT,
    "exp": _times(-3600, -6, -5.000001, -5, -4.999999, 0, 2_591_940, 2_591_940.001, 2_600_000),
    "iat": _times(-2_588_400, -2_588_401, 0, 5, 5.000001, 6, 3600),
    "nbf": _times(-1, 0, 4.999999, 5, 5.000001, 6, 3600),
    "scope": _one_of("a b", "", "  ", [], ["a", "b"], ["a", 1], [None], 1, 0, True, {}, None),
    "permissions": _one_of([], ["a", "b"], ["a", 1], [None], "admin", "", 1, {}, None),
    "cnf": _one_of({}, {"jkt": "x"}, {"x5t#S256": "x"}, {"jwk": {}}, "x", [], None, 0),
    **dict.fromkeys(("jti", "azp", "client_id", "org_id", "gty"), _TEXT_OR_NOT),
    # What flask-jwt-extended reads in tokens of its own making.
    "type": _one_of("access", "refresh", "", None, 1),
    "fresh": _one_of(True, False, 0, NOW, "x"),
    "csrf": _TEXT_OR_NOT,
}


@st.composite
def _changed(draw: st.DrawFn, good: Mapping[str, Any], near: Mapping[str, st.SearchStrategy[str]]) -> Members:
    """Return the members of *good*, of which one or some are near-valid, any JSON, left out, or named twice.

    Mostly it is one alone: with several wrong, a check that is missing would hide behind another.
    """
    members = [(name, json.dumps(value)) for name, value in good.items()]
    for _ in range(draw(st.sampled_from((1, 1, 1, 1, 1, 1, 2, 2, 3, 0)))):
        name, kind = draw(st.sampled_from([*sorted(near), *sorted(_OFTEN & near.keys())])), draw(st.integers(0, 19))
        if kind != _TWICE:
            members = [member for member in members if member[0] != name]
        if kind != _LEFT_OUT:
            members.append((name, draw(_any_value() if kind == _ANYTHING else near[name])))
    if draw(st.integers(0, 19)) == 0:
        members.append((draw(st.text(max_size=4)), draw(_any_value())))
    return members


def json_object(members: Members) -> bytes:
    """Return the JSON text that has exactly *members*, in their order."""
    texts = [f"{json.dumps(name)}: {value}" for name, value in members]
    return _encoded(f"{{{', '.join(texts)}}}")


def _or_anything(objects: st.SearchStrategy[Members]) -> st.SearchStrategy[bytes]:
    """Return texts of *objects*, and now and then of another JSON value, or no text at all."""
    texts = objects.map(json_object)
    odd = _any_value().map(_encoded) | st.binary(max_size=20)
    wrapped = st.builds(bytes.__add__, st.sampled_from([b"\xef\xbb\xbf", b" ", b"\n", b"[", b"\xff"]), texts)
    return st.integers(0, 19).flatmap(lambda n: odd if n == 0 else wrapped if n == 1 else texts)


def objects_near(good: Mapping[str, Any], near: Mapping[str, st.SearchStrategy[str]]) -> st.SearchStrategy[bytes]:
    """Return JSON texts: mostly of *good* with something changed, to anything or to one of *near*; some of others."""
    return _or_anything(_changed(good, near))


#: JOSE headers and claims: mostly near-valid, of any shape.
HEADERS = _or_anything(_changed(GOOD_HEADER, _HEADER_VALUES))
CLAIMS = _or_anything(_changed(GOOD_CLAIMS, _CLAIM_VALUES))

_SUBJECTS = _one_of(
    *({"format": "iss_sub", "iss": issuer, "sub": "auth0|ada"} for issuer in (ISSUER, "https://evil.example/", None)),
    *(
        {"format": name}
        for name in ("iss_sub", "opaque", "email", "aliases", "complex", "phone_number", None, ["email"])
    ),
    *({"format": "opaque", "id": value} for value in ("s-1", "", None, "x" * 1025)),
    *({"format": "email", "email": value} for value in ("ada@example.com", "", 1)),
    {"format": "jwt_id", "iss": ISSUER, "jti": "j-1"},
    {
        "format": "aliases",
        "identifiers": [{"format": "opaque", "id": "a"}, {"format": "email", "email": "b@example.com"}],
    },
    {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": []}]},
    {"format": "complex", "user": {"format": "opaque", "id": "u"}, "device": {"format": "opaque", "id": "d"}},
    {"session": {"format": "opaque", "id": "s-2"}, "tenant": {"format": "opaque", "id": "t"}},
    {"format": "complex", "tenant": {"format": "opaque", "id": "org_a1"}},
    *(None, "auth0|ada", ["auth0|ada"], {}),
)
_FAMILY = "https://schemas.openid.net/secevent"
_ODD_PAYLOADS: list[Any] = [None, "", [], {"event_timestamp": NOW - 60}]
_LOGOUT_PAYLOADS: list[Any] = [{}, {"a": 1}, None, [], True]
_EVENTS = _one_of(
    *(
        {f"{_FAMILY}/caep/event-type/{name}": {}}
        for name in ("credential-change", "assurance-level-change", "unheard-of")
    ),
    *({f"{_FAMILY}/risc/event-type/{name}": {}} for name in ("account-disabled", "account-enabled", "account-purged")),
    *({f"{_FAMILY}/caep/event-type/session-revoked": value} for value in _ODD_PAYLOADS),
    *({f"{_FAMILY}/caep/event-type/session-revoked": {"event_timestamp": value}} for value in (NOW * 1000, "now", -1)),
    {f"{_FAMILY}/ssf/event-type/verification": {"state": "x"}},
    *({"http://schemas.openid.net/event/backchannel-logout": value} for value in _LOGOUT_PAYLOADS),
    *({}, None, [], "backchannel-logout", ["http://schemas.openid.net/event/backchannel-logout"]),
)

#: Members of tokens that tell of events, besides those of any token.
EVENT_CLAIM_VALUES: Mapping[str, st.SearchStrategy[str]] = {
    **{name: value for name, value in _CLAIM_VALUES.items() if name not in {"type", "fresh", "csrf", "gty", "azp"}},
    "iat": _times(-7 * 86_400 + 1, -7 * 86_400 - 1, 0, 5, 5.000001, 6, 3600),
    "jti": _TEXT_OR_NOT | _one_of("j" * 256, "j" * 257),
    "sid": _TEXT_OR_NOT | _one_of("s" * 1024, "s" * 1025),
    "nonce": _TEXT_OR_NOT,
    "toe": _times(-3600, 0, 3600),
    "sub_id": _SUBJECTS,
    "events": _EVENTS,
}
EVENT_HEADER_VALUES: Mapping[str, st.SearchStrategy[str]] = {
    **_HEADER_VALUES,
    "typ": _one_of(
        *("logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "secevent+jwt", "application/secevent+jwt", "JWT"),
        *("global-token-revocation+jwt", "at+jwt", "id+jwt", "", None, 1, ["logout+jwt"]),
    ),
}
#: Bodies that name a subject.
SUBJECT_BODIES = objects_near(
    {"sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "auth0|ada"}}, {"sub_id": _SUBJECTS}
)

_JWK_VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "kty": _one_of("RSA", "EC", "OKP", "oct", "rsa", "", None, 1, ["RSA"]),
    "crv": _one_of("P-256", "P-384", "P-521", "Ed25519", "Ed448", "X25519", "secp256k1", "p-256", None, ["P-256"], {}),
    "alg": _one_of(
        "EdDSA", "Ed25519", "ES256", "ES384", "RS256", "PS512", "RSA-OAEP", "HS256", "none", "", None, 1, ["RS256"], {}
    ),
    "use": _one_of("sig", "enc", "SIG", "", None, 1, ["sig"]),
    "key_ops": _one_of(["verify"], ["sign", "verify"], ["sign"], [], "verify", None, [["verify"]], {"verify": 1}),
    "kid": _one_of("ed", "ec", "rsa", "twice", "", "k" * 256, "k" * 257, None, 1, ["ed"], {}),
    "d": _one_of("AA", "", None, 1),
    "k": _one_of("AA", "", None),
    "p": _one_of("AA"),
    "oth": _one_of([]),
    "x5c": _one_of(["MIIB"]),
    "x5t": _one_of("AA"),
    "ext": _one_of(True),
}


def _material() -> st.SearchStrategy[str]:
    numbers = [key.jwk[name] for key in published_keys() for name in ("n", "x", "y", "e") if name in key.jwk]
    nearly = [*(text + "A" for text in numbers), *(text + "=" for text in numbers), *(text[:-1] for text in numbers)]
    text = ("", "AA", "AQ", "AQAB", "AAEAAQ", "_" * 43, "A" * 43, "_" * 342, "A" * 3000)
    return _one_of(*numbers, *nearly, *text, None, 3, ["AQAB"], {})


@functools.cache
def _jwk_values() -> dict[str, st.SearchStrategy[str]]:
    return {**_JWK_VALUES, **dict.fromkeys(("n", "e", "x", "y"), _material())}


#: Usable keys more often than others, and the one that signs most of the tokens most often.
_KEYS = st.deferred(lambda: st.sampled_from([published_keys()[0]] * 4 + [*published_keys()[:5], *published_keys()]))


@st.composite
def _key_lists(draw: st.DrawFn) -> list[bytes]:
    members: list[bytes] = []
    for _ in range(draw(st.sampled_from((1, 1, 2, 2, 3, 4, 0)))):
        kind, key = draw(st.integers(0, 9)), draw(_KEYS)
        if kind < 3:
            members.append(json.dumps(key.jwk).encode())
        elif kind < 4:
            members.append(json.dumps({**key.jwk, "kid": draw(st.sampled_from(("ed", "ec")))}).encode())
        elif kind < 9:
            members.append(json_object(draw(_changed(key.jwk, _jwk_values()))))
        else:
            members.append(_encoded(draw(_any_value())))
    return members * draw(st.sampled_from([1] * 19 + [40]))


def _key_set(keys: list[bytes], others: Members) -> bytes:
    listed = b'"keys": [' + b", ".join(keys) + b"]"
    return b"{" + b", ".join([listed, json_object(others)[1:-1]] if others else [listed]) + b"}"


_NOTHING: st.SearchStrategy[Members] = st.just([])
_A_MEMBER = st.lists(st.tuples(st.sampled_from(["keys", "Keys", "issuer"]), _any_value()), max_size=1)
_KEY_SETS = st.builds(_key_set, _key_lists(), _NOTHING | _NOTHING | _NOTHING | _A_MEMBER)
_ODD_DOCUMENTS = {
    0: st.binary(max_size=40),
    1: _any_value().map(_encoded),
    2: ANY_JSON.map(lambda value: json.dumps({"keys": value}).encode()),
    3: _KEY_SETS.map(b"\xef\xbb\xbf".__add__),
}

#: Key set documents: mostly near-valid, of any shape.
KEY_SETS = st.integers(0, 19).flatmap(lambda n: _ODD_DOCUMENTS.get(n, _KEY_SETS))
