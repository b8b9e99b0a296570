"""The header says how a token is to be verified, and attackers write headers (RFC 8725 §2.1)."""

from __future__ import annotations

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
from jwt.algorithms import get_default_algorithms
from refusals import ABSENT, answer_to, answer_unread, guarded, passes, unsegment, with_header, with_signature

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


@pytest.mark.parametrize("form", PUBLIC_KEY_AS_SECRET)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(app: Flask, issuer: LocalIssuer, algorithm: str, form: str) -> None:
    [jwk] = issuer.key_set["keys"]
    secret = PUBLIC_KEY_AS_SECRET[form](issuer.signing_key().public_key(), jwk)
    token = with_header(issuer, alg=algorithm)
    digest = hmac.digest(secret, token.rpartition(".")[0].encode(), f"sha{algorithm[2:]}")
    assert answer_unread(guarded(app), issuer, with_signature(token, digest)) == refusals.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", ""])
@pytest.mark.parametrize("signature", [b"", b"\0", bytes(256)])
def test_an_unsecured_token_is_refused(app: Flask, issuer: LocalIssuer, name: str, signature: bytes) -> None:
    token = with_signature(with_header(issuer, alg=name), signature)
    assert answer_unread(guarded(app), issuer, token) == refusals.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize(
    "name",
    [
        *(None, 0, 256, True, 1.5, [], ["RS256"], {}, {"RS256": "RS256"}, "rs256", " RS256", "RS256\0"),
        *("RS256\r\nSet-Cookie: session=stolen", 'RS256", error="none', "<script>alert(1)</script>", "\u202eRS256"),
        "RS256" * 1000,
    ],
)
def test_an_odd_algorithm_is_refused_and_not_reflected(app: Flask, issuer: LocalIssuer, name: object) -> None:
    assert answer_unread(guarded(app), issuer, with_header(issuer, alg=name)) == refusals.UNSUPPORTED_ALGORITHM


def test_a_token_that_names_no_algorithm_is_refused(app: Flask, issuer: LocalIssuer) -> None:
    """The key's own algorithm does not stand in for it."""
    assert answer_to(guarded(app), with_header(issuer, alg=ABSENT)) == refusals.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512", "ES256"])
def test_a_published_key_serves_no_algorithm_but_its_own(
    make_app: AppFactory, issuer: LocalIssuer, algorithm: str
) -> None:
    """A good signature under another allowed algorithm is refused: the key is published for RS256, and is no curve."""
    client = guarded(make_app(AUTH0_ALGORITHMS=["RS256", algorithm]))
    key = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else issuer.signing_key()
    token = with_header(issuer, alg=algorithm)
    signature = get_default_algorithms()[algorithm].sign(token.rpartition(".")[0].encode(), key)
    assert answer_to(client, with_signature(token, signature)) == refusals.UNKNOWN_KEY
    assert passes(client, issuer.token())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("size", [0, 1, 64, 256, 10_000])
def test_a_blank_signature_is_refused(make_app: AppFactory, issuer: LocalIssuer, algorithm: str, size: int) -> None:
    """Zeros are nobody's signature, however many, nor on a curve (CVE-2022-21449)."""
    if algorithm == "ES256":
        issuer.rotate(algorithm)
    client = guarded(make_app(AUTH0_ALGORITHMS=algorithm))
    assert answer_to(client, with_signature(issuer.token(), bytes(size))) == refusals.INVALID_SIGNATURE
