"""Parses a JWK Set (RFC 7517) into the keys that may verify access tokens, and selects among them."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterable
from typing import ClassVar

from auth0_blueprint.jose import strict_json
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.jose.jwk import UnusableKeyError, VerificationKey, parse_jwk

MAX_KEYS = 64


class KeySetError(ValueError):
    """The document is not a JWK Set, or holds no usable key. The text is made of fixed ones, and safe to log.

    Attributes:
        code: why, a key of ``descriptions``.
        skipped: why each of its keys cannot be used, one fixed text each.
    """

    descriptions: ClassVar[dict[str, str]] = {
        "not_json": "the answer is not JSON of the required form",
        "not_a_key_set": "the answer is not a JWK Set",
        "no_usable_key": "the key set holds no usable key",
    }

    def __init__(self, code: str, skipped: tuple[str, ...] = ()) -> None:
        self.code = code
        self.skipped = skipped
        super().__init__(code)

    def __str__(self) -> str:
        reasons = "; ".join(sorted(set(self.skipped)))
        return f"{self.descriptions[self.code]} ({reasons})" if reasons else self.descriptions[self.code]


class KeySet:
    """An immutable set of usable keys, from one answer of the issuer.

    Attributes:
        keys: the usable ones.
        key_ids: their key ids.
        skipped: why the other members are not used, one fixed text each.
        identity: differs exactly when key material, key ids or algorithms differ.
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
        self.keys: tuple[VerificationKey, ...] = tuple(key for named in by_key_id.values() for key in named)
        self.key_ids: frozenset[str] = frozenset(key_id for key_id in by_key_id if key_id is not None)
        self.skipped: tuple[str, ...] = tuple(skipped)
        self.identity: str = hashlib.sha256(
            repr(
                sorted(repr((k.key_id, k.fingerprint, k.algorithm.name if k.algorithm else None)) for k in self.keys)
            ).encode()
        ).hexdigest()

    def select(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey | None:
        """Return the one key with *key_id* that fits *algorithm*; without a key id, the only one that fits."""
        named = self.keys if key_id is None else self._by_key_id.get(key_id, ())
        found: VerificationKey | None = None
        for key in named:
            if key.fits(algorithm):
                if found is not None and found.fingerprint != key.fingerprint:
                    return None
                found = key
        return found

    def why_none(self, key_id: str | None, algorithm: Algorithm) -> str:
        """Return why `select` returns none: a reason of `UnknownKeyError`."""
        return "no_key_id" if key_id is None and any(key.fits(algorithm) for key in self.keys) else "unknown_key"


def parse_key_set(document: bytes) -> KeySet:
    """Parse a JWK Set.

    Unusable members are skipped one by one, so that one odd key does not lock everybody out. A byte order mark at the
    start is ignored, as RFC 8259 §8.1 permits; in tokens it is not.

    Raises:
        KeySetError: it is not a JWK Set in strict JSON, or holds no usable key.
    """
    try:
        members = strict_json.loads_object(document.removeprefix(codecs.BOM_UTF8)).get("keys")
    except strict_json.StrictJSONError as exc:
        raise KeySetError("not_json") from exc
    if not isinstance(members, list):
        raise KeySetError("not_a_key_set")
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for member in members:
        try:
            key = parse_jwk(member)
        except UnusableKeyError as exc:
            skipped.append(str(exc))
        else:
            keys.append(key)
    if len(keys) > MAX_KEYS:
        skipped.append(f"more than {MAX_KEYS} keys")
    key_set = KeySet(keys[:MAX_KEYS], skipped)
    if not key_set.keys:
        raise KeySetError("no_usable_key", key_set.skipped)
    return key_set


def _differ(keys: list[VerificationKey]) -> bool:
    return len({key.fingerprint for key in keys}) > 1
