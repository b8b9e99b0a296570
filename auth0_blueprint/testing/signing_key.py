"""The keys that a local issuer or a client signs with, generated on demand."""

from __future__ import annotations

import json
import secrets
from functools import cache
from typing import Any, NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS, PyJWTError
from jwt.algorithms import OKPAlgorithm, get_default_algorithms

_JWS = PyJWS()
_JWS.register_algorithm("Ed25519", OKPAlgorithm())  # RFC 9864: another name of EdDSA

#: Its keys are secrets, which nobody publishes.
HS256 = "HS256"
_CURVES: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


class SigningKey(NamedTuple):
    """A private key or a secret, and the one algorithm that it signs with.

    Attributes:
        algorithm: RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519; or HS256.
        private_key: an object of ``cryptography``; the secret for HS256.
    """

    algorithm: str
    private_key: Any

    @classmethod
    def make(cls, algorithm: str) -> Self:
        """Generate a key for *algorithm*."""
        if algorithm == HS256:
            return cls(algorithm, secrets.token_urlsafe(32).encode())
        if algorithm in _CURVES:
            return cls(algorithm, ec.generate_private_key(_CURVES[algorithm]()))
        if algorithm in {"EdDSA", "Ed25519"}:
            return cls(algorithm, ed25519.Ed25519PrivateKey.generate())
        return cls(algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, as a JWK with only its key material (RFC 7517)."""
        implementation: Any = get_default_algorithms()["EdDSA" if self.algorithm == "Ed25519" else self.algorithm]
        members: dict[str, Any] = implementation.to_jwk(self.private_key.public_key(), as_dict=True)
        members.pop("key_ops", None)
        return members

    def sign(self, claims: dict[str, Any], headers: dict[str, Any]) -> str:
        """Return *claims* as a signed JWT, with *headers* added to its JOSE header."""
        return _JWS.encode(json.dumps(claims).encode(), self.private_key, algorithm=self.algorithm, headers=headers)

    def claims_of(self, token: str) -> dict[str, Any] | None:
        """Return the claims of *token*, if it was signed with this key."""
        key = self.private_key if self.algorithm == HS256 else self.private_key.public_key()
        try:
            claims: dict[str, Any] = json.loads(_JWS.decode(token, key, algorithms=[self.algorithm]))
        except PyJWTError:
            return None
        return claims

    def sign_again(self, token: str) -> str:
        """Return *token* with the same header and claims, signed with this key."""
        signed = _JWS.decode_complete(token, options={"verify_signature": False})
        headers = {name: value for name, value in signed["header"].items() if name != "alg"}
        return _JWS.encode(signed["payload"], self.private_key, algorithm=self.algorithm, headers=headers)


#: Signs nothing: its tokens have an empty signature (RFC 7519 §6).
UNSIGNED = SigningKey("none", None)


@cache
def strangers_key(algorithm: str) -> SigningKey:
    """Return a key for *algorithm* that no issuer publishes. Cached, because generating RSA keys is slow."""
    return SigningKey.make(algorithm)
