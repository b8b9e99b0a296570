"""Reads a JSON Web Key as a public key for verifying signatures (RFC 7517); its thumbprint (RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from auth0_blueprint.jose import base64url
from auth0_blueprint.jose.algorithms import ALGORITHMS, Algorithm

MAX_KEY_ID_CHARACTERS = 256
MIN_RSA_BITS = 2048
# OpenSSL refuses to verify with larger ones, but only raises when they are used.
MAX_RSA_BITS = 16384
MAX_RSA_EXPONENT_BITS = 64

_READERS = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}
_WRITERS: dict[str, Any] = {"RSA": RSAAlgorithm.to_jwk, "EC": ECAlgorithm.to_jwk, "OKP": OKPAlgorithm.to_jwk}
_KINDS: tuple[tuple[str, str | None], ...] = (
    ("RSA", None),
    ("EC", "P-256"),
    ("EC", "P-384"),
    ("EC", "P-521"),
    ("OKP", "Ed25519"),
)
_PUBLIC_NUMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class UnusableKeyError(ValueError):
    """A JWK that cannot verify signatures. The text is fixed and safe to log."""


class VerificationKey(NamedTuple):
    """A public key, and what it may be used for.

    Attributes:
        key_id: ``kid``, if it has one.
        key_type: ``kty``.
        curve: ``crv``, for EC and OKP keys.
        algorithm: the one that ``alg`` restricts the key to; without it the key serves every algorithm of its type.
        material: what `Algorithm.verify` needs: a public key of ``cryptography``; for HS256, `SharedSecrets`.
        fingerprint: SHA-256 of the SubjectPublicKeyInfo; equal for equal keys.
    """

    key_id: str | None
    key_type: str
    curve: str | None
    algorithm: Algorithm | None
    material: Any
    fingerprint: str

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638 §3), with SHA-256, as base64url."""
        jwk = _WRITERS[self.key_type](self.material, as_dict=True)
        required = {name: jwk[name] for name in ("kty", "crv", *_PUBLIC_NUMBERS[self.key_type]) if name in jwk}
        text = json.dumps(required, separators=(",", ":"), sort_keys=True)
        return base64url.encode(hashlib.sha256(text.encode()).digest())

    def fits(self, algorithm: Algorithm) -> bool:
        """Return whether this key may verify signatures of *algorithm*."""
        if self.algorithm is not None:
            return self.algorithm is algorithm
        return (self.key_type, self.curve) == (algorithm.key_type, algorithm.curve)


def is_key_id(value: object) -> bool:
    """Return whether *value* can be a key id: a string that is not too long."""
    return isinstance(value, str) and len(value) <= MAX_KEY_ID_CHARACTERS


def parse_jwk(jwk: Any) -> VerificationKey:
    """Read *jwk*, a JSON value.

    Raises:
        UnusableKeyError: it is not a public key for signatures, or is too weak or too large.
    """
    if not isinstance(jwk, dict):
        raise UnusableKeyError("not a JSON object")
    if not _SECRET_MEMBERS.isdisjoint(jwk):
        raise UnusableKeyError("holds secret material")
    if jwk.get("use", "sig") != "sig":
        raise UnusableKeyError("not for signatures")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKeyError("not for verification")
    key_id = jwk.get("kid")
    if key_id is not None and not is_key_id(key_id):
        raise UnusableKeyError("key id is not a string of acceptable length")
    key_type, curve = _key_type_and_curve(jwk)
    algorithm = _restricted_to(jwk, key_type, curve)
    public_key = _public_key(jwk, key_type)
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return VerificationKey(key_id, key_type, curve, algorithm, public_key, hashlib.sha256(spki).hexdigest())


def _key_type_and_curve(jwk: dict[str, Any]) -> tuple[str, str | None]:
    key_type = jwk.get("kty")
    claimed = (key_type, None if key_type == "RSA" else jwk.get("crv"))
    for kind in _KINDS:
        if kind == claimed:
            return kind
    raise UnusableKeyError("unknown key type or curve")


def _restricted_to(jwk: dict[str, Any], key_type: str, curve: str | None) -> Algorithm | None:
    if "alg" not in jwk:
        return None
    name = jwk["alg"]
    algorithm = ALGORITHMS.get(name) if isinstance(name, str) else None
    if algorithm is None or (algorithm.key_type, algorithm.curve) != (key_type, curve):
        raise UnusableKeyError("algorithm is not a known signature algorithm of its key type")
    return algorithm


def _public_key(jwk: dict[str, Any], key_type: str) -> Any:
    try:
        for number in _PUBLIC_NUMBERS[key_type]:
            base64url.decode(jwk[number].encode("ascii"))
        public_key = _READERS[key_type](jwk)
    except (KeyError, ValueError, AttributeError, InvalidKeyError, UnsupportedAlgorithm) as exc:
        raise UnusableKeyError("key material cannot be read") from exc
    if isinstance(public_key, RSAPublicKey):
        if not MIN_RSA_BITS <= public_key.key_size <= MAX_RSA_BITS:
            raise UnusableKeyError("RSA modulus is too short or too long")
        if public_key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS:
            raise UnusableKeyError("RSA exponent is too long")
    return public_key
