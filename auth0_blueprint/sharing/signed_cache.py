"""Signed entries in the shared cache: JSON text that is trusted only if a process with our secret wrote it."""

from __future__ import annotations

from typing import Any

from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_cache import SharedCache


class SignedCache:
    """The entries that the processes of one app share.

    Without a *secret* nothing is read or written, as anybody could have written an unsigned entry. Every operation
    raises `CacheUnavailableError` if the cache cannot be used.

    Args:
        cache: stores the entries.
        secret: signs them.
        names: separate these entries from those of other apps, stages and tenants on the same cache.
    """

    def __init__(self, cache: SharedCache, *, secret: str | None, names: tuple[str, ...]) -> None:
        self._cache = cache
        self._has_secret = bool(secret)
        self._signer = EntrySigner(secret or "", *names)

    @property
    def ignored(self) -> int:
        """How many entries were rejected."""
        return self._signer.ignored

    @property
    def is_readable(self) -> bool:
        """Whether a read makes sense: there is a secret and a cache, and the cache is not paused after a failure."""
        return self._has_secret and self._cache.has_backend and self._cache.is_reachable

    def read(self, kind: str, name: str = "") -> Any:
        """Return the value of an entry; ``None`` if there is none that can be trusted."""
        if not self._has_secret:
            return None
        return self._signer.verify(kind, name, self._cache.get(self._key(kind, name)))

    def read_many(self, kind: str, names: list[str]) -> list[Any]:
        """Return what `read` does, for each of *names*, in one operation of the cache."""
        if not self._has_secret:
            return [None] * len(names)
        texts = self._cache.get_many([self._key(kind, name) for name in names])
        return [self._signer.verify(kind, name, text) for name, text in zip(names, texts, strict=True)]

    def write(self, kind: str, value: dict[str, Any], seconds: int, name: str = "") -> None:
        """Store *value* as an entry, for a number of *seconds*."""
        if self._has_secret:
            self._cache.set(self._key(kind, name), self._signer.sign(kind, name, value), seconds)

    def ignore(self, kind: str) -> None:
        """Count a rejected entry; log the first of several in a row."""
        self._signer.ignore(kind)

    def _key(self, kind: str, name: str) -> str:
        digest = self._signer.digest
        return f"auth0-{kind}-{name}-{digest}" if name else f"auth0-{kind}-{digest}"
