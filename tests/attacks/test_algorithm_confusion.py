"""The header says how a token is to be verified, and attackers write headers (RFC 8725 §2.1)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
import refusals
from conftest import AppFactory
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from jwt.algorithms import get_default_algorithms
from refusals import answer_to, by_hand, claims_of, guarded, header_of, passes, segment, unsegment

from auth0_blueprint.testing import LocalIssuer

SPKI, PKCS1 = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1
PUBLIC_KEY_AS_SECRET: dict[str, Callable[[RSAPublicKey, dict[str, Any]], bytes]] = {
    "PEM": lambda key, jwk: key.public_bytes(Encoding.PEM, SPKI),
    "PEM without the last newline": lambda key, jwk: key.public_bytes(Encoding.PEM, SPKI).rstrip(),
    "PEM of PKCS #1": lambda key, jwk: key.public_bytes(Encoding.PEM, PKCS1),
    "DER": lambda key, jwk: key.public_bytes(Encoding.DER, SPKI),
    "DER of PKCS #1": lambda key, jwk: key.public_bytes(Encoding.DER, PKCS1),
    "JWK": lambda key, jwk: json.dumps(jwk).encode(),
    "compact JWK": lambda key, jwk: json.dumps(jwk, separators=(",", ":")).encode(),
    "modulus as text": lambda key, jwk: str(jwk["n"]).encode(),
    "modulus": lambda key, jwk: unsegment(jwk["n"]),
    "nothing": lambda key, jwk: b"",
}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return guarded(app)


@pytest.mark.parametrize("form", PUBLIC_KEY_AS_SECRET)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(
    client: FlaskClient, issuer: LocalIssuer, algorithm: str, form: str
) -> None:
    """An HMAC over what everybody knows proves nothing, in whichever form of the key."""
    [jwk] = issuer.key_set["keys"]
    secret = PUBLIC_KEY_AS_SECRET[form](issuer.signing_key().public_key(), jwk)
    header = {**header_of(issuer.token()), "alg": algorithm}
    signing_input = f"{segment(header)}.{segment(claims_of(issuer.token()))}"
    digest = hmac.new(secret, signing_input.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    assert answer_to(client, f"{signing_input}.{segment(digest)}") == refusals.UNSUPPORTED_ALGORITHM
    assert issuer.fetch_count == 0


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", ""])
@pytest.mark.parametrize("signature", [b"", b"\0", bytes(256)])
def test_an_unsecured_token_is_refused(client: FlaskClient, issuer: LocalIssuer, name: str, signature: bytes) -> None:
    """No spelling of none is an algorithm, with or without something in place of the signature."""
    header = {**header_of(issuer.token()), "alg": name}
    token = f"{segment(header)}.{segment(claims_of(issuer.token()))}.{segment(signature)}"
    assert answer_to(client, token) == refusals.UNSUPPORTED_ALGORITHM
    assert issuer.fetch_count == 0


@pytest.mark.parametrize(
    "name",
    [
        *(None, 0, 256, True, 1.5, [], ["RS256"], {}, {"RS256": "RS256"}, "rs256", " RS256", "RS256\0"),
        *("RS256\r\nSet-Cookie: session=stolen", 'RS256", error="none', "<script>alert(1)</script>", "\u202eRS256"),
        "RS256" * 1000,
    ],
)
def test_an_odd_algorithm_is_refused_and_not_reflected(client: FlaskClient, issuer: LocalIssuer, name: object) -> None:
    """Whatever stands under alg, the answer is the same fixed sentence."""
    token = by_hand(issuer, {**header_of(issuer.token()), "alg": name})
    assert answer_to(client, token) == refusals.UNSUPPORTED_ALGORITHM
    assert issuer.fetch_count == 0


def test_a_token_that_names_no_algorithm_is_refused(client: FlaskClient, issuer: LocalIssuer) -> None:
    """The key's own algorithm does not stand in for it."""
    header = header_of(issuer.token())
    del header["alg"]
    assert answer_to(client, by_hand(issuer, header)) == refusals.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_published_key_serves_no_algorithm_but_its_own(
    make_app: AppFactory, issuer: LocalIssuer, algorithm: str
) -> None:
    """A good signature under another allowed algorithm is refused: the key is published for RS256."""
    client = guarded(make_app(AUTH0_ALGORITHMS=["RS256", algorithm]))
    header = {**header_of(issuer.token()), "alg": algorithm}
    signing_input = f"{segment(header)}.{segment(claims_of(issuer.token()))}"
    signature = get_default_algorithms()[algorithm].sign(signing_input.encode(), issuer.signing_key())
    assert answer_to(client, f"{signing_input}.{segment(signature)}") == refusals.UNKNOWN_KEY
    assert passes(client, issuer.token())


def test_a_key_of_another_type_is_not_tried(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """A token that is signed by a curve and names an RSA key finds no key."""
    client = guarded(make_app(AUTH0_ALGORITHMS=["RS256", "ES256"]))
    header = {**header_of(issuer.token()), "alg": "ES256"}
    signing_input = f"{segment(header)}.{segment(claims_of(issuer.token()))}"
    signature = get_default_algorithms()["ES256"].sign(signing_input.encode(), ec.generate_private_key(ec.SECP256R1()))
    assert answer_to(client, f"{signing_input}.{segment(signature)}") == refusals.UNKNOWN_KEY


@pytest.mark.parametrize("signature", [b"", b"\0", bytes(64), bytes(256), bytes(10_000)])
def test_a_blank_signature_is_refused(client: FlaskClient, issuer: LocalIssuer, signature: bytes) -> None:
    """Zeros are nobody's signature, however many (CVE-2022-21449)."""
    signing_input = issuer.token().rpartition(".")[0]
    assert answer_to(client, f"{signing_input}.{segment(signature)}") == refusals.INVALID_SIGNATURE


def test_a_blank_signature_on_a_curve_is_refused(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Two zeros are nobody's signature on a curve either (CVE-2022-21449)."""
    key_id = issuer.rotate("ES256")
    client = guarded(make_app(AUTH0_ALGORITHMS="ES256"))
    signing_input = issuer.token(key_id=key_id).rpartition(".")[0]
    assert answer_to(client, f"{signing_input}.{segment(bytes(64))}") == refusals.INVALID_SIGNATURE
