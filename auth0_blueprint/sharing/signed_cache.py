"""Signed entries in the shared cache: JSON text that is believed only if a process with our secret wrote it."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from typing import Any

from itsdangerous import BadData, Serializer

from auth0_blueprint.sharing.shared_cache import SharedCache

logger: logging.Logger = logging.getLogger("auth0_blueprint")

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
        self._secret = secret or ""
        self._digest = hashlib.sha256("\0".join((_FORM, *names, self._secret)).encode()).hexdigest()
        self._serializers: dict[str, Serializer[str]] = {}
        self._ignored_kinds: set[str] = set()
        self.ignored: int = 0

    @property
    def is_readable(self) -> bool:
        """Whether asking has a chance: there is a secret, a cache, and it can be reached."""
        return bool(self._secret) and self._cache.has_backend and self._cache.is_reachable

    @property
    def is_away(self) -> bool:
        """Whether the last operation of this thread failed, so that it has said nothing."""
        return self._cache.has_failed_here

    def read(self, kind: str, name: str = "") -> Any:
        """Return the value of an entry; ``None`` if there is none that can be believed."""
        if not self._secret:
            return None
        return self._believed(kind, name, self._cache.get(self._key(kind, name)))

    def read_many(self, kind: str, names: list[str]) -> list[Any]:
        """Return what `read` does, for each of *names*, in one operation of the cache."""
        if not self._secret:
            return [None] * len(names)
        texts = self._cache.get_many([self._key(kind, name) for name in names])
        return [self._believed(kind, name, text) for name, text in zip(names, texts, strict=True)]

    def write(self, kind: str, value: dict[str, Any], seconds: int, name: str = "") -> None:
        """Store *value* as an entry, for a number of *seconds*."""
        if self._secret:
            self._cache.set(self._key(kind, name), self._signed(kind, name, value), seconds)

    def add(self, kind: str, value: dict[str, Any], seconds: int, name: str = "") -> bool:
        """Store *value* unless there is such an entry. ``False`` only if there is."""
        return not self._secret or self._cache.add(self._key(kind, name), self._signed(kind, name, value), seconds)

    def delete(self, kind: str) -> None:
        """Remove the entry *kind*."""
        if self._secret:
            self._cache.delete(self._key(kind, ""))

    def ignore(self, kind: str) -> None:
        """Count an entry that is not believed; log the first of a row."""
        self.ignored += 1
        if kind not in self._ignored_kinds:
            self._ignored_kinds.add(kind)
            logger.warning("a %s in the shared cache is not ours, broken, or out of date: ignored", kind)

    def _believed(self, kind: str, name: str, text: Any) -> Any:
        if text is None:
            return None
        # ValueError: a text that cannot be encoded.
        with suppress(BadData, ValueError):
            signed_name, value = self._serializer(kind).loads(text) if isinstance(text, str) else (None, None)
            # An entry that was put under the key of another is nobody's.
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
            # The salt holds the kind, for the same reason as the name is signed.
            salt = f"auth0_blueprint.{kind}.{self._digest}"
            self._serializers[kind] = Serializer(
                self._secret, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
            )
        return self._serializers[kind]
