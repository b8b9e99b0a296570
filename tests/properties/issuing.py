"""A tenant's keys, good and bad ones, and tokens that are signed byte by byte with any of them."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from refusals import segment

NOW = 1_800_000_000
DOMAIN = "tenant.example"
ISSUER = f"https://{DOMAIN}/"
#: Of Auth0's own events.
SECRET = "a-secret-for-arbitrary-bodies-of-events"
AUDIENCE = "https://api.example.com"
ALGORITHMS = ("EdDSA", "ES256", "RS256", "PS256")
_EDDSA = frozenset({"EdDSA", "Ed25519"})
_PSS = PSS(MGF1(SHA256()), salt_length=32)


@dataclass(frozen=True)
class PublishedKey:
    """A key in the tenant's key set.

    Attributes:
        serves: the algorithms that the contract lets it verify, of those that the app accepts; none if it is unusable.
    """

    key_id: str
    private_key: Any
    jwk: dict[str, Any]
    serves: frozenset[str]


@functools.cache
def published_keys() -> tuple[PublishedKey, ...]:
    rsa_2048, rsa_pinned, rsa_short = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024))
    p256, p256_leaked = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    nothing = frozenset[str]()
    return (
        _published("ed", _ed(), _EDDSA, alg="EdDSA", use="sig"),
        _published("ed-2", _ed(), _EDDSA),
        _published("ec", p256, frozenset({"ES256"}), alg="ES256", key_ops=["verify"]),
        _published("rsa", rsa_2048, frozenset({"RS256", "PS256"})),
        _published("rsa-pinned", rsa_pinned, frozenset({"RS256"}), alg="RS256"),
        _published("rsa-short", rsa_short, nothing),
        _published("leaked", p256_leaked, nothing, d=segment(p256_leaked.private_numbers().private_value.to_bytes(32))),
        _published("encrypts", _ed(), nothing, use="enc"),
        _published("signs-only", _ed(), nothing, key_ops=["sign"]),
        _published("twice", _ed(), nothing),
        _published("twice", _ed(), nothing),
        # The app does not accept the only algorithm of this one.
        _published("ec-384", ec.generate_private_key(ec.SECP384R1()), nothing),
    )


def _ed() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def _published(key_id: str, private_key: Any, serves: frozenset[str], **members: Any) -> PublishedKey:
    kind: Any = OKPAlgorithm
    if isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        kind = RSAAlgorithm if isinstance(private_key, rsa.RSAPrivateKey) else ECAlgorithm
    jwk = kind.to_jwk(private_key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return PublishedKey(key_id, private_key, {**jwk, "kid": key_id, **members}, serves)


def sign(private_key: Any, algorithm: object, data: bytes) -> bytes:
    """Return the signature of *algorithm*, or where that does not suit the key, of the one that does (RFC 7518 §3)."""
    if isinstance(private_key, ed25519.Ed25519PrivateKey):
        return private_key.sign(data)
    if isinstance(private_key, rsa.RSAPrivateKey):
        return private_key.sign(data, _PSS if algorithm == "PS256" else PKCS1v15(), SHA256())
    size = private_key.curve.key_size // 8
    r, s = decode_dss_signature(private_key.sign(data, ec.ECDSA(SHA256())))
    return bytes(r.to_bytes(size) + s.to_bytes(size))


def is_signature(private_key: Any, algorithm: str, signature: bytes, data: bytes) -> bool:
    public_key = private_key.public_key()
    try:
        if algorithm in _EDDSA:
            public_key.verify(signature, data)
        elif algorithm == "ES256":
            if len(signature) != 64:
                return False
            der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            public_key.verify(der, data, ec.ECDSA(SHA256()))
        else:
            public_key.verify(signature, data, _PSS if algorithm == "PS256" else PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def signed(header: bytes, claims: bytes, key_id: object = "ed", algorithm: object = "EdDSA") -> str:
    """Return a token of exactly these bytes, with a genuine signature of the key of *key_id*, or else of ``ed``."""
    keys = {key.key_id: key.private_key for key in reversed(published_keys())}
    private_key = keys.get(key_id, keys["ed"]) if isinstance(key_id, str) else keys["ed"]
    signing_input = f"{segment(header)}.{segment(claims)}"
    return f"{signing_input}.{segment(sign(private_key, algorithm, signing_input.encode()))}"


_KEY_FOR = {"ES256": "ec", "RS256": "rsa", "PS256": "rsa"}


def genuine(header: bytes, claims: bytes) -> str:
    """Return a token that is really signed by the key which *header* asks for, as far as there is one."""
    try:
        members = json.loads(header)
    except (ValueError, RecursionError):
        members = {}
    members = members if isinstance(members, dict) else {}
    algorithm = str(members.get("alg"))
    return signed(header, claims, members.get("kid", _KEY_FOR.get(algorithm)), algorithm)


GOOD_HEADER: dict[str, Any] = {"alg": "EdDSA", "kid": "ed", "typ": "JWT"}
GOOD_CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "auth0|user",
    "aud": [AUDIENCE, f"{ISSUER}userinfo"],
    "azp": "client",
    "scope": "read:messages",
    "permissions": ["read:messages"],
    "iat": NOW - 60,
    "exp": NOW + 3600,
}


@functools.cache
def good_tokens() -> tuple[str, ...]:
    """Return a token that has to be accepted for each key and algorithm that may be used."""
    claims = json.dumps(GOOD_CLAIMS).encode()
    return tuple(
        signed(json.dumps({**GOOD_HEADER, "alg": name, "kid": key.key_id}).encode(), claims, key.key_id, name)
        for key in published_keys()
        for name in sorted(key.serves)
    )
