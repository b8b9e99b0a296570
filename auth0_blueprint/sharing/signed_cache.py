"""Signed entries in the shared cache: JSON text that is trusted only if a process with our secret wrote it."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from typing import Any

from itsdangerous import BadData, Serializer

from auth0_blueprint.sharing.shared_cache import SharedCache

logger: logging.Logger = logging.getLogger("auth0_blueprint")

# Part of every key, so processes that write another form never read each other's entries. Raise it with the form.
_FORM = "2"


class SignedCache:
    """The entries that the processes of one app share.

    Without a *secret* nothing is read or written, as anybody could have written an unsigned entry. Every operation
    raises `CacheUnavailableError` if the cache cannot be used.

    Args:
        cache: stores the entries.
        secret: signs them.
        names: separate these entries from those of other apps, stages and tenants on the same cache.

    Attributes:
        ignored: how many entries were rejected.
    """

    def __init__(self, cache: SharedCache, *, secret: str | None, names: tuple[str, ...]) -> None:
        self._cache = cache
        self._secret = secret or ""
        self._digest = hashlib.sha256("\0".join((_FORM, *names, self._secret)).encode()).hexdigest()
        self._serializers: dict[str, Serializer[str]] = {}
        self._ignored_kinds: set[str] = set()
        self.ignored: int = 0

    @property
    def is_readable(self) -> bool:
        """Whether a read makes sense: there is a secret and a cache, and the cache is not paused after a failure."""
        return bool(self._secret) and self._cache.has_backend and self._cache.is_reachable

    def read(self, kind: str, name: str = "") -> Any:
        """Return the value of an entry; ``None`` if there is none that can be trusted."""
        if not self._secret:
            return None
        return self._verified(kind, name, self._cache.get(self._key(kind, name)))

    def read_many(self, kind: str, names: list[str]) -> list[Any]:
        """Return what `read` does, for each of *names*, in one operation of the cache."""
        if not self._secret:
            return [None] * len(names)
        texts = self._cache.get_many([self._key(kind, name) for name in names])
        return [self._verified(kind, name, text) for name, text in zip(names, texts, strict=True)]

    def write(self, kind: str, value: dict[str, Any], seconds: int, name: str = "") -> None:
        """Store *value* as an entry, for a number of *seconds*."""
        if self._secret:
            self._cache.set(self._key(kind, name), self._signed(kind, name, value), seconds)

    def add(self, kind: str, value: dict[str, Any], seconds: int, name: str = "") -> bool:
        """Store *value* unless there is such an entry; ``False`` only if there is."""
        return not self._secret or self._cache.add(self._key(kind, name), self._signed(kind, name, value), seconds)

    def delete(self, kind: str) -> None:
        """Remove the entry *kind*."""
        if self._secret:
            self._cache.delete(self._key(kind, ""))

    def ignore(self, kind: str) -> None:
        """Count a rejected entry; log the first of several in a row."""
        self.ignored += 1
        if kind not in self._ignored_kinds:
            self._ignored_kinds.add(kind)
            logger.warning("ignored a forged, damaged or outdated entry in the shared cache (%s)", kind)

    def _verified(self, kind: str, name: str, text: Any) -> Any:
        if text is None:
            return None
        # ValueError: a text that cannot be encoded.
        with suppress(BadData, ValueError):
            signed_name, value = self._serializer(kind).loads(text) if isinstance(text, str) else (None, None)
            # The name is signed as well: an entry copied to the key of another one is rejected.
            if signed_name == name:
                self._ignored_kinds.discard(kind)
                return value
        self.ignore(kind)
        return None

    def _key(self, kind: str, name: str) -> str:
        return f"auth0-{kind}-{name}-{self._digest}" if name else f"auth0-{kind}-{self._digest}"

    def _signed(self, kind: str, name: str, value: dict[str, Any]) -> str:
        return str(self._serializer(kind).dumps([name, value]))

    def _serializer(self, kind: str) -> Serializer[str]:
        if kind not in self._serializers:
            # The salt contains the kind, so an entry of one kind is never accepted as another.
            salt = f"auth0_blueprint.{kind}.{self._digest}"
            self._serializers[kind] = Serializer(
                self._secret, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
            )
        return self._serializers[kind]
