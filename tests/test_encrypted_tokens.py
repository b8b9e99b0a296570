"""Encrypted access tokens (RFC 7516): what is decrypted, what is refused, and that nobody learns why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from flask import Flask
from flask.testing import FlaskClient
from known_keys import KnownKeys
from refusals import (
    ENCRYPTED,
    EXPIRED,
    INVALID_SIGNATURE,
    NOT_ENCRYPTED,
    OPAQUE,
    OTHER_AUDIENCE,
    REVOKED,
    TOO_LONG,
    UNDECRYPTABLE,
    answer_to,
    answer_unread,
    guarded,
    passes,
    segment,
    unsegment,
)

from auth0_blueprint import ConfigurationError, MalformedTokenError, verify_token
from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS, KEY_ENCRYPTIONS, DecryptionKey
from auth0_blueprint.settings import load_settings
from auth0_blueprint.settings.decryption_keys import Encryption
from auth0_blueprint.testing import DPoPKey, EncryptionKey, LocalIssuer
from auth0_blueprint.verification.token_cache import TokenCache
from auth0_blueprint.verification.verifier import Verifier

Mint = Callable[[LocalIssuer, EncryptionKey], str]


@pytest.fixture(scope="module")
def key() -> EncryptionKey:
    return EncryptionKey()


@pytest.fixture(scope="module")
def other_key() -> EncryptionKey:
    return EncryptionKey()


@pytest.fixture
def decrypting(make_app: AppFactory, key: EncryptionKey) -> FlaskClient:
    return guarded(make_app(**key.settings))


def using(key: EncryptionKey, **changes: Any) -> EncryptionKey:
    names = {"algorithm": key.algorithm, "encryption": key.encryption, "private_key": key.private_key}
    return EncryptionKey(**{**names, **changes})


@pytest.mark.parametrize("encryption", CONTENT_ENCRYPTIONS)
@pytest.mark.parametrize("algorithm", KEY_ENCRYPTIONS)
def test_a_token_passes_new_and_seen_before(
    decrypting: FlaskClient, issuer: LocalIssuer, key: EncryptionKey, algorithm: str, encryption: str
) -> None:
    token = issuer.token(encrypted_for=using(key, algorithm=algorithm, encryption=encryption))
    assert [passes(decrypting, token), passes(decrypting, token)] == [True, True]
    assert passes(decrypting, issuer.token())


@pytest.mark.parametrize(
    "headers",
    [
        *({"cty": cty} for cty in (None, "at+jwt", "jwt", "AT+JWT", "application/at+jwt", "application/jwt")),
        *({"typ": typ} for typ in ("JWT", "at+jwt", "application/AT+jwt")),
        {"iss": "iss", "sub": "sub", "aud": "aud", "exp": 1, "x5t": "x", "jku": "https://evil.example/"},
        {"kid": "any"},
    ],
)
def test_a_header_may_say_what_changes_nothing(
    decrypting: FlaskClient, issuer: LocalIssuer, key: EncryptionKey, headers: dict[str, Any]
) -> None:
    """Auth0 and oidc-provider write different ones. Issuer, subject and audience are those of the token inside."""
    same = {"iss": issuer.issuer, "sub": "auth0|local-user", "aud": issuer.audience}
    members = {name: same.get(name, value) for name, value in headers.items()}
    assert passes(decrypting, key.encrypt(issuer.token(), members))


def with_segment(number: int, change: Callable[[bytes], bytes], encryption: str = "A256GCM") -> Mint:
    def mint(issuer: LocalIssuer, key: EncryptionKey) -> str:
        segments = issuer.token(encrypted_for=using(key, encryption=encryption)).split(".")
        segments[number] = segment(change(unsegment(segments[number])))
        return ".".join(segments)

    return mint


def with_headers(**members: Any) -> Mint:
    return lambda issuer, key: key.encrypt(issuer.token(), members)


def with_text(change: Callable[[str], str]) -> Mint:
    return lambda issuer, key: change(issuer.token(encrypted_for=key))


def first_bit(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def with_content_key(length: int) -> Mint:
    """A key of another length, correctly encrypted."""

    def mint(issuer: LocalIssuer, key: EncryptionKey) -> str:
        segments = issuer.token(encrypted_for=key).split(".")
        encrypted = key.private_key.public_key().encrypt(bytes(length), KEY_ENCRYPTIONS["RSA-OAEP-256"])
        return ".".join([segments[0], segment(encrypted), *segments[2:]])

    return mint


def inside(text: str) -> Mint:
    return lambda issuer, key: key.encrypt(text.replace("TOKEN", issuer.token()))


def twice(issuer: LocalIssuer, key: EncryptionKey) -> str:
    return key.encrypt(issuer.token(encrypted_for=key))


def header_twice(issuer: LocalIssuer, key: EncryptionKey) -> str:
    header = b'{"alg": "RSA-OAEP-256", "enc": "A256GCM", "enc": "A256GCM"}'
    return key.encrypt_under(header, issuer.token())


ALGORITHMS_OF_OTHERS: list[Any] = ["RSA-OAEP", "RSA1_5", "dir", "A256KW", "none", "", 7, ["x"]]
ENCRYPTIONS_OF_OTHERS: list[Any] = ["A192GCM", "A192CBC-HS384", "a256gcm", "", 7, {}]

#: Refused before any operation with the private key.
CHEAP: dict[str, Mint] = {
    **{f"alg {alg}": with_headers(alg=alg) for alg in ALGORITHMS_OF_OTHERS},
    **{f"enc {enc}": with_headers(enc=enc) for enc in ENCRYPTIONS_OF_OTHERS},
    "no alg": with_headers(alg=None),
    "no enc": with_headers(enc=None),
    "zip": with_headers(zip="DEF"),
    "crit": with_headers(crit=["exp"]),
    "b64": with_headers(b64=False),
    "kid is no text": with_headers(kid=7),
    "kid too long": with_headers(kid="x" * 257),
    **{f"cty {cty}": with_headers(cty=cty) for cty in ("json", "", 7)},
    **{f"typ {typ}": with_headers(typ=typ) for typ in ("dpop+jwt", "logout+jwt", 7)},
    "header twice": header_twice,
    "header no JSON": with_segment(0, lambda _: b"[]"),
    "key empty": with_segment(1, lambda _: b""),
    "key cut": with_segment(1, lambda data: data[:-1]),
    "key longer": with_segment(1, lambda data: bytes(1) + data),
    "iv cut": with_segment(2, lambda data: data[:-1]),
    "iv longer": with_segment(2, lambda data: data + bytes(4)),
    "no content": with_segment(3, lambda _: b""),
    "no whole block": with_segment(3, lambda data: data[:-1], "A128CBC-HS256"),
    "tag cut": with_segment(4, lambda data: data[:-1]),
    "tag cut in CBC": with_segment(4, lambda data: data[:-1], "A256CBC-HS512"),
    "no tag": with_segment(4, lambda _: b""),
    "padding": with_text(lambda text: text + "="),
    "other alphabet": with_text(lambda text: text[:-2] + "+/"),
    "white space": with_text(lambda text: text.replace(".", ".\v", 1)),
    "nothing inside": inside(""),
    "unused bits": with_text(lambda text: text[:-1] + chr(ord(text[-1]) + 1)),
}

#: Refused after it.
COSTLY: dict[str, Mint] = {
    **{f"bit of part {number}": with_segment(number, first_bit) for number in (1, 2, 3, 4)},
    **{f"bit of part {n} in CBC": with_segment(n, last_bit, "A256CBC-HS512") for n in (1, 2, 3, 4)},
    "header changed": with_text(lambda text: text.replace(text.partition(".")[0], changed_header(text))),
    "other hash": with_headers(alg="RSA-OAEP-384"),
    "other enc": with_headers(enc="A128GCM"),
    "block left out": with_segment(3, lambda data: data[16:], "A128CBC-HS256"),
    "content cut": with_segment(3, lambda data: data[:-1]),
    "key of nothing": with_content_key(0),
    "key too short": with_content_key(16),
    "key too long": with_content_key(64),
    "key beyond the modulus": with_segment(1, lambda data: b"\xff" * len(data)),
    "key zero": with_segment(1, lambda data: bytes(len(data))),
    "random": with_segment(1, lambda data: b"\x00" + os.urandom(len(data) - 1)),
    "nested twice": twice,
    "opaque inside": inside("opaque"),
    "four parts inside": inside("TOKEN.x"),
}

#: Refused after it, by the token inside, and before a key is looked up.
REPEATED: dict[str, Mint] = {
    "other iss": with_headers(iss="https://other.example/"),
    "iss without slash": lambda issuer, key: key.encrypt(issuer.token(), {"iss": issuer.issuer.rstrip("/")}),
    "other sub": with_headers(sub="auth0|other"),
    "sub of none": lambda issuer, key: key.encrypt(issuer.token(without=("sub",)), {"sub": "x"}),
    "other aud": with_headers(aud="https://other.example"),
    "aud as a list": lambda issuer, key: key.encrypt(issuer.token(), {"aud": [issuer.audience]}),
    "aud of fewer": lambda issuer, key: key.encrypt(
        issuer.token(aud=[issuer.audience, "x"]), {"aud": [issuer.audience]}
    ),
}


def changed_header(token: str) -> str:
    return segment({**json.loads(unsegment(token.partition(".")[0])), "x": 1})


@pytest.mark.parametrize("case", [*CHEAP, *COSTLY, *REPEATED])
def test_whatever_is_wrong_has_one_answer(
    decrypting: FlaskClient, issuer: LocalIssuer, key: EncryptionKey, case: str
) -> None:
    """Nothing is looked up for it, neither."""
    token = {**CHEAP, **COSTLY, **REPEATED}[case](issuer, key)
    assert answer_unread(decrypting, issuer, token) == UNDECRYPTABLE


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_token_for_another_key_has_the_same_answer(decrypting: FlaskClient, issuer: LocalIssuer, bits: int) -> None:
    other = EncryptionKey(private_key=rsa.generate_private_key(65537, bits))
    assert answer_unread(decrypting, issuer, issuer.token(encrypted_for=other)) == UNDECRYPTABLE


class CountingKey:
    """A private key that counts how often it is used."""

    def __init__(self, private_key: rsa.RSAPrivateKey) -> None:
        self._private_key = private_key
        self.key_size = private_key.key_size
        self.uses = 0

    def decrypt(self, data: bytes, padding: Any) -> bytes:
        self.uses += 1
        return self._private_key.decrypt(data, padding)


class Counted:
    """A verifier whose keys count their uses."""

    def __init__(self, issuer: LocalIssuer, **keys: EncryptionKey) -> None:
        self.keys = {name: CountingKey(key.private_key) for name, key in keys.items()}
        accepted = tuple(DecryptionKey(keys[name].key_id, key) for name, key in self.keys.items())  # type: ignore[arg-type]
        settings = replace(load_settings(issuer.settings, {}), encryption=Encryption(accepted, False))
        known = KnownKeys(*issuer.key_set["keys"])
        self.verifier = Verifier(settings, {issuer.issuer: known}, remembered=TokenCache(8))

    def uses(self, *tokens: str) -> dict[str, int]:
        for token in tokens:
            with suppress(MalformedTokenError):
                self.verifier.prove(token)
        return {name: key.uses for name, key in self.keys.items()}


@pytest.mark.parametrize("case", CHEAP)
def test_the_private_key_is_not_used_for_what_can_be_refused_without(
    issuer: LocalIssuer, key: EncryptionKey, case: str
) -> None:
    assert Counted(issuer, a=key).uses(CHEAP[case](issuer, key)) == {"a": 0}


@pytest.mark.parametrize("case", COSTLY)
def test_each_key_is_used_once_at_most(issuer: LocalIssuer, key: EncryptionKey, case: str) -> None:
    assert Counted(issuer, a=key).uses(COSTLY[case](issuer, key)) == {"a": 1}


def test_a_token_seen_before_is_not_decrypted_again(issuer: LocalIssuer, key: EncryptionKey) -> None:
    token = issuer.token(encrypted_for=key)
    assert Counted(issuer, a=key).uses(token, token, token) == {"a": 1}


def test_the_key_is_chosen_by_kid_and_length(issuer: LocalIssuer, key: EncryptionKey, other_key: EncryptionKey) -> None:
    """Without `kid`, or with one that no key has, keys without one are tried in order."""
    named, long = using(other_key, key_id="b"), EncryptionKey(private_key=rsa.generate_private_key(65537, 3072))
    keys = {"a": key, "b": named, "c": long}
    uses = {
        "named": Counted(issuer, **keys).uses(issuer.token(encrypted_for=named)),
        "unnamed": Counted(issuer, **keys).uses(issuer.token(encrypted_for=other_key)),
        "unknown kid": Counted(issuer, **keys).uses(key.encrypt(issuer.token(), {"kid": "x"})),
        "long": Counted(issuer, **keys).uses(issuer.token(encrypted_for=long)),
        "other kid": Counted(issuer, b=named).uses(other_key.encrypt(issuer.token(), {"kid": "x"})),
    }
    assert uses == {
        "named": {"a": 0, "b": 1, "c": 0},
        "unnamed": {"a": 1, "b": 1, "c": 0},
        "unknown kid": {"a": 1, "b": 0, "c": 0},
        "long": {"a": 0, "b": 0, "c": 1},
        "other kid": {"b": 0},
    }


def test_the_token_inside_is_verified_as_any_other(
    decrypting: FlaskClient, issuer: LocalIssuer, key: EncryptionKey
) -> None:
    assert answer_to(decrypting, issuer.token(encrypted_for=key, expires_in=-60)) == EXPIRED
    assert answer_to(decrypting, issuer.token(encrypted_for=key, aud="https://other.example")) == OTHER_AUDIENCE
    assert answer_to(decrypting, key.encrypt(issuer.forged_token())) == INVALID_SIGNATURE
    assert answer_to(decrypting, issuer.token(encrypted_for=key, filling="x" * 12_000)) == TOO_LONG


def test_without_keys_an_encrypted_token_is_refused_as_ever(
    app: Flask, issuer: LocalIssuer, key: EncryptionKey
) -> None:
    assert answer_unread(guarded(app), issuer, issuer.token(encrypted_for=key)) == ENCRYPTED


def test_where_encryption_is_required_a_signed_token_is_refused(
    make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey
) -> None:
    """Also the one inside a token that has passed."""
    client, signed = guarded(make_app(**key.settings, AUTH0_ENCRYPTION="required")), issuer.token()
    assert answer_unread(client, issuer, signed) == NOT_ENCRYPTED
    assert passes(client, key.encrypt(signed))
    assert answer_to(client, signed) == NOT_ENCRYPTED
    assert answer_to(client, "opaque") == OPAQUE


@pytest.mark.parametrize("revoked", ["inner", "outer", "other"])
def test_what_is_revoked_is_the_token_inside(
    make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey, revoked: str
) -> None:
    """In clear, and in whatever encryption it comes."""
    app = make_app(**key.settings)
    client, signed = guarded(app), issuer.token()
    texts = {"inner": signed, "outer": key.encrypt(signed), "other": key.encrypt(signed)}
    assert all(passes(client, text) for text in texts.values())
    state = app.extensions["auth0"]
    with app.app_context():
        state.revocations.revoke_token(state.sequence.prove(texts[revoked]), texts[revoked], None)
    assert [answer_to(client, text) for text in (*texts.values(), key.encrypt(signed))] == [REVOKED] * 4
    assert passes(client, issuer.token(encrypted_for=key, jti="another"))
    (found,) = state.revocations.matching(state.sequence.prove(texts["outer"]), texts["outer"])
    assert found.kind == "token"


def test_the_view_sees_the_token_inside(make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey) -> None:
    signed = issuer.token()
    with make_app(**key.settings).app_context():
        outer, inner = verify_token(key.encrypt(signed)), verify_token(signed)
        assert (outer.claims, outer.header) == (inner.claims, inner.header)
        assert outer.__caching_id__() == inner.__caching_id__()


def test_operators_may_use_encrypted_tokens(make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey) -> None:
    """Introspection and health read them as well, and the settings show no key."""
    client, rights = make_app(**key.settings).test_client(), ["introspect:tokens", "manage:auth0"]
    headers = bearer(issuer.token(encrypted_for=key, scope=" ".join(rights), permissions=rights))
    asked = {"token": issuer.token(encrypted_for=key)}
    told = client.post("/auth/introspect", data=asked, headers=headers).get_json()
    assert (told["active"], told["sub"]) == (True, "auth0|local-user")
    assert "checks" in client.get("/auth/health", headers=headers).get_json()
    config = client.get("/auth/admin/config", headers=headers)
    assert config.status_code == 200
    assert "PRIVATE" not in config.text
    assert '"***"' in config.text


def test_a_proof_is_for_the_token_as_presented(make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey) -> None:
    """`ath` is a digest of the encrypted text (RFC 9449 §4.2)."""
    api = "https://api.example.com"
    client = guarded(make_app(**key.settings, AUTH0_DPOP="required", AUTH0_PUBLIC_URL=api))
    dpop = DPoPKey()
    signed = issuer.token(cnf=dpop.confirmation)
    outer = key.encrypt(signed)
    for_outer, for_inner = (dpop.headers("GET", f"{api}/ours", text) for text in (outer, signed))
    assert client.get("/ours", headers=for_outer).status_code == 200
    assert client.get("/ours", headers={**for_inner, "Authorization": f"DPoP {outer}"}).status_code == 401


def pem_of(private_key: Any, encryption: Any = None) -> str:
    encryption = encryption or NoEncryption()
    pem: bytes = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem.decode()


class TestSettings:
    @pytest.fixture
    def path(self, tmp_path: Path, key: EncryptionKey) -> Path:
        path = tmp_path / "key.pem"
        path.write_text(key.pem)
        return path

    def test_keys_are_texts_or_files_of_pem(
        self, issuer: LocalIssuer, key: EncryptionKey, other_key: EncryptionKey, path: Path
    ) -> None:
        pem, other = key.pem, other_key.pem
        forms: list[tuple[Any, list[Any]]] = [
            *((form, [None]) for form in (pem, pem.encode(), pem.replace("\n", "\\n"), path, str(path), [path])),
            *((form, [None, None]) for form in (pem + other, [pem, other], (str(path), other), f"{path}, {path}")),
            *((form, ["a"]) for form in ({"a": pem}, {"a": path}, [{"a": pem}], json.dumps({"a": str(path)}))),
            ([{"a": pem}, other], ["a", None]),
        ]
        for form, key_ids in forms:
            settings = load_settings({**issuer.settings, "AUTH0_DECRYPTION_KEYS": form}, {})
            keys = settings.encryption.keys
            assert [one.key_id for one in keys] == key_ids
            assert keys[0].private_key.private_numbers() == key.private_key.private_numbers()
            assert "Key object" in repr(keys[0])

    def wrong_keys(self, tmp_path: Path, key: EncryptionKey) -> Iterator[tuple[Any, str]]:
        short = rsa.generate_private_key(65537, 1024)
        yield pem_of(short), "key 1 must have 2048 to 8192 bits"
        yield [key.pem, pem_of(ec.generate_private_key(ec.SECP256R1()))], "key 2 is not an RSA key"
        yield key.public_pem, "key 1 is not a private key in PEM format"
        yield pem_of(key.private_key, BestAvailableEncryption(b"pass")), "is protected by a passphrase"
        yield key.pem.replace("MII", "AAA"), "cannot be read as a private key"
        yield key.pem.replace("-----END", ""), "key 1 cannot be read"
        yield str(tmp_path / "none.pem"), "is neither PEM text nor a file that can be read (No such file or directory)"
        yield tmp_path, "is neither PEM text nor a file that can be read"
        yield "\0", "is neither PEM text nor a file that can be read"
        yield 7, "must be PEM texts or paths"
        yield {"a": 7}, "key 1 is neither PEM text nor a path"
        yield "{", "must be PEM texts or paths"
        yield {7: key.pem}, "must have kids that are strings"
        yield {"": key.pem}, "must have kids that are strings"
        yield [{"a": key.pem}, {"a": key.pem}], "must not name a kid twice"
        yield [key.pem] * 5, "must be 1 to 4 keys"
        (tmp_path / "long").write_bytes(b"x" * 70_000)
        yield tmp_path / "long", "is in a file of more than 65536 bytes"

    def test_a_wrong_key_is_named_by_its_number(self, issuer: LocalIssuer, key: EncryptionKey, tmp_path: Path) -> None:
        """Neither its text nor its path is shown, also not in what a debugger would find of the error."""
        for value, problem in self.wrong_keys(tmp_path, key):
            with pytest.raises(ConfigurationError) as caught:
                load_settings({**issuer.settings, "AUTH0_DECRYPTION_KEYS": value}, {})
            text = caught.value.problems["AUTH0_DECRYPTION_KEYS"]
            assert problem in text
            assert text.endswith("(got ***)")
            assert str(tmp_path) not in str(caught.value)

    def test_required_needs_a_key(self, issuer: LocalIssuer) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings({**issuer.settings, "AUTH0_ENCRYPTION": "required"}, {})
        assert caught.value.problems["AUTH0_ENCRYPTION"].startswith("needs AUTH0_DECRYPTION_KEYS")
