"""A client that holds a key and makes DPoP proofs with it, good ones and any other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms
from refusals import ABSENT, changed, segment

JSONObject = dict[str, Any]

_CURVES: JSONObject = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def new_key(algorithm: str, rsa_bits: int = 2048) -> Any:
    """Make a private key for *algorithm*."""
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm]())
    if algorithm in {"EdDSA", "Ed25519"}:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)


def hash_of(access_token: str) -> str:
    """Return the ``ath`` of *access_token* (RFC 9449 §4.2)."""
    return segment(hashlib.sha256(access_token.encode("ascii")).digest())


class DPoPClient:
    """Holds one key.

    Args:
        algorithm: with which it signs.
        key: its private key; without it a new one.
    """

    _numbers = itertools.count()

    def __init__(self, algorithm: str, key: Any = None) -> None:
        self.algorithm = algorithm
        self.key = key or new_key(algorithm)
        self._implementation: Any = get_default_algorithms()["EdDSA" if algorithm == "Ed25519" else algorithm]
        self.jwk = self._jwk_of(self.key.public_key())

    def _jwk_of(self, key: Any) -> JSONObject:
        return changed(self._implementation.to_jwk(key, as_dict=True), {"key_ops": ABSENT})

    @property
    def private_jwk(self) -> JSONObject:
        """The key with all its members."""
        return self._jwk_of(self.key)

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint, written out by hand."""
        members = {name: self.jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in self.jwk}
        text = "{" + ",".join(f'"{name}":"{value}"' for name, value in members.items()) + "}"
        return segment(hashlib.sha256(text.encode()).digest())

    @property
    def confirmation(self) -> JSONObject:
        """What ``cnf`` of a token that is bound to the key says."""
        return {"jkt": self.thumbprint}

    def header(self, **changes: Any) -> JSONObject:
        """Return the JOSE header of a good proof, with *changes*."""
        return changed({"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk}, changes)

    def claims(self, method: str, uri: str, access_token: str, issued_at: float, **changes: Any) -> JSONObject:
        """Return the claims of a good proof, with *changes*. Each has a ``jti`` of its own."""
        claims = {
            "jti": f"proof-{next(self._numbers)}",
            "htm": method,
            "htu": uri,
            "iat": issued_at,
            "ath": hash_of(access_token),
        }
        return changed(claims, changes)

    def sign(self, header: Any, claims: Any) -> str:
        """Return a proof of whatever is given: bytes as they are, anything else as JSON. The signature is genuine."""
        signing_input = f"{segment(header)}.{segment(claims)}"
        return f"{signing_input}.{segment(self._implementation.sign(signing_input.encode(), self.key))}"


def signed_with_secret(header: JSONObject, claims: JSONObject, secret: bytes) -> str:
    """Return an HS256 proof."""
    signing_input = f"{segment(header)}.{segment(claims)}"
    return f"{signing_input}.{segment(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


def json_with(members: JSONObject, name: str, text: str) -> bytes:
    """Return *members* as JSON, with one more member whose value is *text* as it is."""
    return f'{json.dumps(members)[:-1]}, "{name}": {text}}}'.encode()


def padded(text: str) -> str:
    """Return base64url *text* as encoders write it that know no better."""
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(text + "==")).decode()
