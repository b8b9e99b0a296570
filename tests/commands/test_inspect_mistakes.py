"""The usual mistakes that ``flask auth0 inspect`` names: each in a token that shows it, and in none that does not."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from refusals import by_hand, header_of, segment

from auth0_blueprint.cli.inspection.inspected_token import InspectedToken
from auth0_blueprint.cli.inspection.mistakes import MISTAKES, FoundMistake, mistakes_in
from auth0_blueprint.cli.inspection.unverified import take_apart
from auth0_blueprint.errors import (
    BindingMismatchError,
    InvalidSignatureError,
    UnknownKeyError,
    UnsupportedAlgorithmError,
)
from auth0_blueprint.guards.requirements import Requirement
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.access_token import AccessToken

NOW = 1_800_000_000
TENANT = "https://example.eu.auth0.com/"
API = "https://api.example.com"
SETTINGS: dict[str, Any] = {"AUTH0_DOMAIN": "example.eu.auth0.com", "AUTH0_AUDIENCE": API}
GOOD: dict[str, Any] = {"iss": TENANT, "sub": "auth0|a", "aud": API, "azp": "a", "iat": NOW, "exp": NOW + 3600}


def token_of(claims: dict[str, Any] | None = None, signature: bytes = bytes(256), **header: Any) -> str:
    """Return a token with good content but for what is given. Mistakes are looked for in what nobody has verified."""
    header = {"alg": "RS256", "typ": "JWT", "kid": "a", **header}
    return ".".join(map(segment, (header, GOOD | (claims or {}), signature)))


def found_in(token: str, *, settings: dict[str, Any] | None = None, **case: Any) -> list[FoundMistake]:
    loaded = load_settings({**SETTINGS, **(settings or {})}, {})
    return mistakes_in(InspectedToken(take_apart(token, loaded.max_token_bytes), loaded, NOW, **case))


def names_in(token: str, **options: Any) -> list[str]:
    return [found.mistake for found in found_in(token, **options)]


def token_with(payload: str, alg: str = "RS256") -> str:
    """Return a token with that text for its payload, whatever it is."""
    return ".".join([segment({"alg": alg}), payload, segment(bytes(256))])


#: Segments that cannot be decoded, or hold the beginning of a JSON object.
CUT_PAYLOADS = [
    "eyJzdWIiOi", "eyJzdWIiO", "", segment(b"{"), segment(b'{"a": 1'), segment(b'{"a": tru'), segment(b'{"a": "b'),
    segment(b'{"a": "\\u12'), segment(b'{"a": {"b": 1}'), segment(b'{"a": "\xc3'), segment(b'{"a": {} '),
]  # fmt: skip
#: Those that have another fault.
WHOLE_PAYLOADS = [
    b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": 1e400}', b'{"a": ' + b"1" * 5000 + b"}", b"[]", b"7", b"text", b'["a"',
    b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"a": "\\ud800"}',
    b'{"a": 1} {}', b"{'a': 1}", b"\xff\xfe",
]  # fmt: skip


def having(**settings: Any) -> dict[str, Any]:
    return {"settings": settings}


SCOPES: dict[str, Any] = {"scopes": frozenset({"read:messages", "write:messages"})}
ORGANIZATION = having(AUTH0_ORGANIZATION="org_a")
DPOP = having(AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL=API)
CERTIFICATE = having(AUTH0_MTLS_CERT="environ:SSL_CLIENT_CERT")
SECRET = having(AUTH0_SIGNING_SECRET="a-secret-of-the-api-that-is-long-enough")
CUSTOM = having(AUTH0_DOMAIN="login.example.com")
AN_HOUR = having(AUTH0_MAX_TOKEN_LIFETIME=3600)
UNSUPPORTED = {"error": UnsupportedAlgorithmError()}


def encrypted(alg: str) -> str:
    header = {"alg": alg, "enc": "A256GCM", "iss": TENANT}
    return ".".join([segment(header), "" if alg == "dir" else "a2V5", "aXY", "Y2lwaGVydGV4dA", "dGFn"])


TRUNCATED = "is truncated, or was damaged in transit"
NO_TOKENS = ("undefined", "null", "None", "$TOKEN", "${TOKEN}", "<your token>", "[object Object]")
REFUSAL = '{"error": "invalid_client", "error_description": "access_token"}'
WHOLE = (token_of(), token_of(signature=bytes(64), alg="ES256"))
SOMEBODY = {"aud": "client", "azp": "other"}
#: Members that only an ID token has.
OF_ID_TOKENS = {
    "at_hash": "x", "c_hash": "x", "auth_time": NOW, "sid": "x", "email_verified": False,
    "updated_at": "2026-01-01T00:00:00.000Z",
}  # fmt: skip
USERINFO = {"aud": ["https://other.example.com", f"{TENANT}userinfo"]}
TWO = f'"{TENANT}userinfo", but AUTH0_AUDIENCE is "{API}", "https://b.example.com"'
ONLY_A_PERMISSION = {"permissions": ["read:messages"]}
ONLY_THERE = "but the token has it only in permissions"
FOR_WEEKS = "valid for 3456000 s, but AUTH0_MAX_TOKEN_LIFETIME is 2592000"
ES256_OR_PS256 = {**UNSUPPORTED, **having(AUTH0_ALGORITHMS="ES256,PS256")}

#: name, token, what else there is to know, and a part of the sentence.
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("whole answer", json.dumps({"access_token": token_of(), "scope": "a b"}), {}, "whole JSON response"),
    ("whole answer", '{\n  "expires_in": 1,\n  "access_token" : "' + "x" * 20_000, {}, "contains the token"),
    *[("not a token", text, {}, "not a token") for text in NO_TOKENS],
    ("not a token", REFUSAL, {}, "returned something else"),
    ("not a token", "<!doctype html>\n" + "x" * 20_000, {}, "returned something else"),
    ("too long", "x" * 20_000, {}, "longer than 16384 bytes"),
    ("line break", token_of()[:100] + "\n" + token_of()[100:], {}, "line break"),
    ("refresh token", "v1.MXg5", {}, "a refresh token"),
    ("refresh token", "v1.MXg5-_.x", {}, "a refresh token"),
    ("opaque", "T3bY9sLx0", {}, "requests no audience"),
    ("opaque", "T3bY9sLx0.T3b", {}, "requests no audience"),
    ("opaque", encrypted("dir"), {}, "requests no audience"),
    ("encrypted", encrypted("RSA-OAEP-256"), {}, "encrypted"),
    ("encrypted", token_of(enc="A256GCM"), {}, "encrypted"),
    ("cut off", token_of().partition(".")[0], {}, TRUNCATED),
    ("cut off", token_of().rpartition(".")[0], {}, TRUNCATED),
    ("cut off", token_of().rpartition(".")[0] + ".", {}, TRUNCATED),
    ("cut off", token_of(signature=bytes(255)), {}, TRUNCATED),
    ("cut off", token_of(signature=bytes(255), alg="PS512"), {}, TRUNCATED),
    *[("cut off", token_with(payload), {}, TRUNCATED) for payload in CUT_PAYLOADS],
    *[("cut off", token, {}, TRUNCATED) for whole in WHOLE for token in (whole[:-1], f"{whole}x", f"{whole}=")],
    ("HS256", token_of(alg="HS256", signature=bytes(32)), {}, "signed with a shared secret"),
    ("HS256", token_of(alg="HS512", signature=bytes(64)), {}, "signed with a shared secret"),
    ("no secret", token_of(), {"error": UnsupportedAlgorithmError(), **SECRET}, 'signed with "RS256"'),
    ("no secret", token_of(alg="HS384"), {"error": UnsupportedAlgorithmError(), **SECRET}, "for HS256 only"),
    ("other secret", token_of(alg="HS256"), {"error": InvalidSignatureError(), **SECRET}, "with another secret"),
    ("no certificate", token_of(), {"error": BindingMismatchError("certificate_required")}, "AUTH0_MTLS is required"),
    ("unknown key", token_of(kid="old"), {"error": UnknownKeyError()}, 'no key that fits kid "old"'),
    (
        "unknown key",
        token_with(segment(GOOD)),
        {"error": UnknownKeyError()},
        'no kid, and the issuer publishes no key for "RS256"',
    ),
    (
        "no key id",
        token_with(segment(GOOD)),
        {"error": UnknownKeyError("no_key_id")},
        'publishes several keys for "RS256"',
    ),
    ("ID token", token_of({"aud": "client", "azp": "client"}), {}, "an ID token"),
    ("ID token", token_of({"aud": ["client"], "azp": "other", "nonce": "x"}), {}, "an ID token"),
    *[("ID token", token_of({**SOMEBODY, name: value}), {}, "an ID token") for name, value in OF_ID_TOKENS.items()],
    ("ID token", token_of({"aud": "client"}), having(AUTH0_CLIENT_ID="client"), "an ID token"),
    ("audience spelling", token_of({"aud": "https://api.example.com/"}), {}, "https://api.example.com/"),
    ("audience spelling", token_of({"aud": ["x", "https://API.example.com"]}), {}, "https://API.example.com"),
    ("audience spelling", token_of(), having(AUTH0_AUDIENCE=f"{API}/"), f'AUTH0_AUDIENCE is "{API}/"'),
    ("other audience", token_of(USERINFO), having(AUTH0_AUDIENCE=[API, "https://b.example.com"]), TWO),
    ("issuer spelling", token_of({"iss": TENANT.removesuffix("/")}), {}, "example.eu.auth0.com"),
    ("issuer spelling", token_of({"iss": TENANT.replace("https", "http")}), {}, "http://example.eu"),
    ("issuer spelling", token_of({"iss": "example.eu.auth0.com"}), {}, f'this app trusts "{TENANT}"'),
    ("custom domain", token_of({"iss": "https://login.example.com/"}), {}, "the other's custom domain"),
    ("custom domain", token_of(), CUSTOM, "the other's custom domain"),
    ("other tenant", token_of({"iss": "https://other.eu.auth0.com/"}), {}, "https://other.eu.auth0.com/"),
    ("other tenant", token_of({"iss": "https://auth.example.com/"}), CUSTOM, "https://auth.example.com/"),
    ("other tenant", token_of({"iss": "https://["}), CUSTOM, "https://["),
    ("clock", token_of({"iat": NOW + 6}), {}, "was issued 6 s in the future; 5 s are tolerated"),
    ("clock", token_of({"nbf": NOW + 400}), {}, "becomes valid 7 min in the future"),
    ("clock", token_of({"exp": NOW - 5}), {}, "expired 5 s ago; 5 s are tolerated"),
    ("clock", token_of({"exp": NOW - 65}), {}, "expired 65 s ago"),
    ("expired", token_of({"exp": NOW - 66}), {}, "66 s ago"),
    ("expired", token_of({"exp": 0}), {}, "20833 d ago"),
    ("scope as permission", token_of(ONLY_A_PERMISSION), SCOPES, '"read:messages" in scope'),
    ("scope as permission", token_of({**ONLY_A_PERMISSION, "scope": "a"}), SCOPES, ONLY_THERE),
    ("other algorithm", token_of(alg="PS256"), UNSUPPORTED, "with PS256, but"),
    ("other algorithm", token_of(), ES256_OR_PS256, "with RS256, but AUTH0_ALGORITHMS is ES256,PS256"),
    ("DPoP", token_of({"cnf": {"jkt": "x"}}), {}, "AUTH0_DPOP is disabled"),
    ("client certificate", token_of({"cnf": {"x5t#S256": "x"}}), {}, "but AUTH0_MTLS_CERT is not set"),
    ("lifetime", token_of({"exp": NOW + 3601}), AN_HOUR, "valid for 3601 s, but AUTH0_MAX_TOKEN_LIFETIME is 3600"),
    ("lifetime", token_of({"exp": NOW + 3_456_000}), {}, FOR_WEEKS),
    ("other organization", token_of(), ORGANIZATION, 'for no organization, but AUTH0_ORGANIZATION is "org_a"'),
    ("other organization", token_of({"org_id": "org_b"}), ORGANIZATION, 'for "org_b", but'),
    ("other organization", token_of({"org_id": ["org_a"]}), ORGANIZATION, 'for ["org_a"], but'),
]


@pytest.mark.parametrize(("name", "token", "options", "cause"), CASES)
def test_a_mistake_is_named_with_its_cause(name: str, token: str, options: dict[str, Any], cause: str) -> None:
    (found,) = found_in(token, **options)
    assert found.mistake == name
    assert cause in found.cause
    for sentence in (found.cause, found.remedy):
        assert re.fullmatch(r"[A-Z][^\n]*[^.]\.", sentence)


@pytest.mark.parametrize(
    ("token", "options"),
    [
        (token_of(), {}),
        (token_of(signature=bytes(64), alg="ES256"), {}),
        (token_of(kid="a"), {"error": InvalidSignatureError()}),
        (token_of({"iat": NOW + 5, "nbf": NOW + 5}), {}),
        (token_of({"exp": NOW - 4}), {}),
        (token_of({"iat": 10**400, "nbf": 10**400, "exp": -(10**400)}), {}),
        (token_of({"iat": "x", "nbf": None, "exp": True}), {}),
        (token_of({"iss": 7, "aud": 7, "azp": [], "scope": 7, "permissions": 7}), SCOPES),
        (token_of({"iss": None, "aud": [[], {}], "azp": {}, "scope": {}, "permissions": [[]]}), SCOPES),
        (token_of({"aud": []}), {}),
        (token_of({"sid": "x", "email_verified": True, "updated_at": "x"}), {}),
        (token_of(alg="none"), UNSUPPORTED),
        (token_of(alg=["PS256"]), UNSUPPORTED),
        (token_of(alg="PS256"), having(AUTH0_ALGORITHMS="PS256")),
        (token_of({"cnf": {"jkt": "x"}}), DPOP),
        (token_of({"cnf": {"x5t#S256": "x"}}), CERTIFICATE),
        (token_of({"cnf": "jkt"}), {}),
        (token_of({"exp": NOW + 3600}), AN_HOUR),
        (token_of({"org_id": "org_a"}), ORGANIZATION),
        ("a.b.c", ORGANIZATION),
        (token_of({"aud": [API, "a"], "nonce": "x"}), {}),
        (token_of({"aud": ["https://api.example.com/", API]}), {}),
        (token_of({"permissions": ["read:messages"], "scope": "write:messages read:messages"}), SCOPES),
        (token_of({"permissions": ["read:messages"], "scope": ["read:messages"]}), SCOPES),
        (token_of({"permissions": ["read:messages"]}), {}),
        *[(token_with(segment(payload)), {}) for payload in WHOLE_PAYLOADS],
        ("nullx.undefined.none", {}),
        ("a.b.c", {}),
        ("a.b.c.d", {}),
        ("a.b.c.d.e", {}),
        (".", having(AUTH0_MAX_TOKEN_BYTES=512)),
    ],
)
def test_no_other_token_is_accused(token: str, options: dict[str, Any]) -> None:
    """Good ones, those that are wrong in another way, and those with anything in the place of a claim."""
    expected = ["opaque"] if token == "." else []
    assert names_in(token, **options) == expected


def test_every_mistake_is_tried() -> None:
    """And has a name of its own. Two take a route, two a key, and one a request: see the command."""
    tried = {name for name, *_ in CASES}
    names = [mistake.name for mistake in MISTAKES]
    assert len(set(names)) == len(names)
    with_more = {"permission as scope", "not granted", "undecryptable", "not encrypted", "issuer not accepted"}
    assert set(names) - tried == with_more


def test_a_token_of_the_issuer_shows_no_mistake(issuer: LocalIssuer) -> None:
    settings = load_settings(issuer.settings, {})
    for token in (issuer.token(), by_hand(issuer, {**header_of(issuer.token()), "typ": "at+jwt"})):
        assert mistakes_in(InspectedToken(take_apart(token, 16_384), settings, time.time())) == []


def test_no_terminal_obeys_a_demand_that_is_quoted() -> None:
    """Its label is the app's own text."""
    token = AccessToken(GOOD, {}, scopes=frozenset({"\x1b[31m"}))
    requirement = Requirement("permission", ("\x1b[31m",))
    (mistake,) = found_in(token_of(), access_token=token, requirements=(requirement,))
    assert mistake.cause == r"The route requires 'permission \x1b[31m', but the token has it only in scope."
