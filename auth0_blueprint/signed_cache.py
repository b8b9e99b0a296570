"""Signed entries in the shared cache: JSON text that is believed only if a process with our secret wrote it."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from itsdangerous import BadData, Serializer

from auth0_blueprint.cache import SharedCache

logger = logging.getLogger("auth0_blueprint")

# Processes whose entries have another form never meet either. To be changed with the form.
_FORM = "2"


class SignedCache:
    """The entries that the processes of one app share about one issuer.

    Without a *secret* nothing is read or written: an unsigned entry could be anybody's.

    Args:
        cache: where they are.
        secret: signs them.
        names: whatever tells these entries from those of other apps, stages and tenants on the same cache.

    Attributes:
        ignored: how many entries were not believed.
    """

    def __init__(self, cache: SharedCache, *, secret: str | None, names: tuple[str, ...]) -> None:
        self._cache = cache
        self._secret = secret
        self._digest = hashlib.sha256("\0".join((_FORM, *names, secret or "")).encode()).hexdigest()[:32]
        self._ignored_kinds: set[str] = set()
        self.ignored = 0

    @property
    def is_readable(self) -> bool:
        """Whether asking has a chance: there is a secret, a cache, and it can be reached."""
        return self._secret is not None and self._cache.has_backend and self._cache.is_reachable

    def read(self, kind: str) -> Any:
        """Return the value of the entry *kind*; ``None`` if there is none that can be believed."""
        if self._secret is None or (text := self._cache.get(self._key(kind))) is None:
            return None
        try:
            value = self._serializer(kind).loads(text) if isinstance(text, str) else None
        except (BadData, ValueError, RecursionError):
            value = None
        if value is None:
            self.ignore(kind)
        else:
            self._ignored_kinds.discard(kind)
        return value

    def write(self, kind: str, value: dict[str, Any], seconds: int) -> None:
        """Store *value* as the entry *kind*, for a number of *seconds*."""
        if self._secret is not None:
            self._cache.set(self._key(kind), self._signed(kind, value), seconds)

    def add(self, kind: str, value: dict[str, Any], seconds: int) -> bool:
        """Store *value* unless there is an entry *kind*. ``False`` only if there is."""
        return self._secret is None or self._cache.add(self._key(kind), self._signed(kind, value), seconds)

    def delete(self, kind: str) -> None:
        """Remove the entry *kind*."""
        if self._secret is not None:
            self._cache.delete(self._key(kind))

    def ignore(self, kind: str) -> None:
        """Count an entry that is not believed; log the first of a row."""
        self.ignored += 1
        if kind not in self._ignored_kinds:
            self._ignored_kinds.add(kind)
            logger.warning("a %s in the shared cache is not ours, broken, or out of date: ignored", kind)

    def _key(self, kind: str) -> str:
        return f"auth0-{kind}-{self._digest}"

    def _signed(self, kind: str, value: dict[str, Any]) -> str:
        return str(self._serializer(kind).dumps(value))

    def _serializer(self, kind: str) -> Serializer[str]:
        # The salt holds the kind: an entry put under another key is nobody's.
        salt = f"auth0_blueprint.{kind}.{self._digest}"
        return Serializer(self._secret or "", salt=salt, signer_kwargs={"digest_method": hashlib.sha256})
