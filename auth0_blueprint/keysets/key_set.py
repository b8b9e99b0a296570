"""JWK Set text to the keys that may verify an access token, and the choice among them (RFC 7517)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from auth0_blueprint import base64url, strict_json
from auth0_blueprint.algorithms import ALGORITHMS, Algorithm

MAX_KEYS = 64
MAX_KEY_ID_CHARACTERS = 256
MIN_RSA_BITS = 2048
# OpenSSL refuses to verify with larger ones, by an error at the time of use.
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


class KeySetError(ValueError):
    """The document is not a JWK Set, or holds no key that can be used. The text is fixed and safe to log."""


class UnusableKeyError(ValueError):
    """One member of a key set cannot verify access tokens. The text is fixed and safe to log."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and what it may be used for.

    Attributes:
        key_id: ``kid``, if it has one.
        key_type: ``kty``.
        curve: ``crv``, for EC and OKP keys.
        algorithm: the one that ``alg`` restricts the key to; without it the key serves every algorithm of its type.
        public_key: the object of ``cryptography``.
        fingerprint: SHA-256 of the SubjectPublicKeyInfo: two keys are the same when these are.
    """

    key_id: str | None
    key_type: str
    curve: str | None
    algorithm: Algorithm | None
    public_key: Any
    fingerprint: str

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638 §3), by SHA-256, as base64url."""
        jwk = _WRITERS[self.key_type](self.public_key, as_dict=True)
        required = {name: jwk[name] for name in ("kty", "crv", *_PUBLIC_NUMBERS[self.key_type]) if name in jwk}
        text = json.dumps(required, separators=(",", ":"), sort_keys=True)
        return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()

    def fits(self, algorithm: Algorithm) -> bool:
        """Tell whether this key may verify signatures of *algorithm*."""
        if self.algorithm is not None:
            return self.algorithm is algorithm
        return (self.key_type, self.curve) == (algorithm.key_type, algorithm.curve)


class KeySet:
    """An immutable set of usable keys, made whole from one answer of the issuer.

    Attributes:
        keys: the usable ones.
        key_ids: their key ids.
        skipped: why the other members are not used, one fixed text for each.
        identity: changes exactly when key material, key ids or algorithms change.
    """

    __slots__ = ("_by_key_id", "identity", "key_ids", "keys", "skipped")

    def __init__(self, keys: Iterable[VerificationKey], skipped: Iterable[str] = ()) -> None:
        by_key_id: dict[str | None, list[VerificationKey]] = {}
        for key in keys:
            by_key_id.setdefault(key.key_id, []).append(key)
        skipped = list(skipped)
        for key_id in [key_id for key_id, named in by_key_id.items() if key_id is not None and _differ(named)]:
            skipped.append("different keys share one key id")
            del by_key_id[key_id]
        self._by_key_id = by_key_id
        self.keys = tuple(key for named in by_key_id.values() for key in named)
        self.key_ids = frozenset(key_id for key_id in by_key_id if key_id is not None)
        self.skipped = tuple(skipped)
        self.identity = hashlib.sha256(
            repr(
                sorted(repr((k.key_id, k.fingerprint, k.algorithm.name if k.algorithm else None)) for k in self.keys)
            ).encode()
        ).hexdigest()

    def select(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey | None:
        """Return the one key for *key_id* that fits *algorithm*; without a key id, the only one that fits, if any."""
        named = self.keys if key_id is None else self._by_key_id.get(key_id, ())
        found: VerificationKey | None = None
        for key in named:
            if key.fits(algorithm):
                if found is not None and found.fingerprint != key.fingerprint:
                    return None
                found = key
        return found


def is_key_id(value: object) -> bool:
    """Tell whether *value* can be a key id: a text that is not too long."""
    return isinstance(value, str) and len(value) <= MAX_KEY_ID_CHARACTERS


def parse_key_set(document: bytes) -> KeySet:
    """Read a JWK Set.

    Members that cannot be used are skipped one by one, so that one odd key does not lock everybody out.

    Raises:
        KeySetError: it is not a JWK Set in strict JSON, or no key in it can be used.
    """
    try:
        members = strict_json.loads_object(document).get("keys")
    except strict_json.StrictJSONError as exc:
        raise KeySetError("the answer is not JSON of the required form") from exc
    if not isinstance(members, list):
        raise KeySetError("the answer is not a JWK Set")
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for member in members:
        try:
            key = _parse_key(member)
        except UnusableKeyError as exc:
            skipped.append(str(exc))
        else:
            keys.append(key)
    if len(keys) > MAX_KEYS:
        skipped.append(f"more than {MAX_KEYS} keys")
    key_set = KeySet(keys[:MAX_KEYS], skipped)
    if not key_set.keys:
        raise KeySetError("the key set holds no usable key")
    return key_set


def _parse_key(jwk: Any) -> VerificationKey:
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
        raise UnusableKeyError("key id is not a text of acceptable length")
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


def _differ(keys: list[VerificationKey]) -> bool:
    return len({key.fingerprint for key in keys}) > 1
