"""The thumbprint of a key, to which tokens are bound (RFC 7638). Which keys are read at all: test_key_set.py."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth0_blueprint.jose.jwk import parse_jwk

RFC_7638_3_1 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4"
    "n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZH"
    "zu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
    "wapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_8037_A_3 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC_9449_4_2 = {
    "kty": "EC",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    "crv": "P-256",
}


@pytest.mark.parametrize(
    ("jwk", "thumbprint"),
    [
        pytest.param(RFC_7638_3_1, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", id="RSA"),
        pytest.param(RFC_8037_A_3, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", id="Ed25519"),
        pytest.param(RFC_9449_4_2, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", id="EC"),
    ],
)
def test_thumbprints_are_those_of_the_rfcs(jwk: dict[str, Any], thumbprint: str) -> None:
    """RFC 7638 §3.1, RFC 8037 A.3, RFC 9449 §6.1."""
    assert parse_jwk(jwk).thumbprint == thumbprint
    assert parse_jwk({**jwk, "use": "sig", "kid": "another", "x5t": "y", "ext": True}).thumbprint == thumbprint


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: str(curve.name))
def test_a_coordinate_that_begins_with_zeros_keeps_its_length(curve: ec.EllipticCurve) -> None:
    """RFC 7518 §6.2.1.2: else one key in a hundred would have another thumbprint here than at the issuer."""
    length = (curve.key_size + 7) // 8
    while True:
        numbers = ec.generate_private_key(curve).public_key().public_numbers()
        x, y = numbers.x.to_bytes(length, "big"), numbers.y.to_bytes(length, "big")
        if x[:2] == b"\0\0" or (curve.key_size != 521 and x[0] == 0):
            break
    spelled = {name: base64.urlsafe_b64encode(number).rstrip(b"=").decode() for name, number in (("x", x), ("y", y))}
    crv = {256: "P-256", 384: "P-384", 521: "P-521"}[curve.key_size]
    text = f'{{"crv":"{crv}","kty":"EC","x":"{spelled["x"]}","y":"{spelled["y"]}"}}'
    expected = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    assert parse_jwk({"kty": "EC", "crv": crv, **spelled}).thumbprint == expected
