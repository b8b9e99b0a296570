"""Key sets in the shared cache: signed JSON text, believed only if a process with our secret wrote it."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadData, Serializer

from auth0_blueprint.cache import SharedCache

logger = logging.getLogger("auth0_blueprint")

MAX_FUTURE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SharedEntry:
    """A key set document, and when the issuer gave it (Unix time)."""

    document: str
    fetched_at: float


class SharedKeySet:
    """The shared copy of one issuer's key set.

    Without a *secret* nothing is read or written: an unsigned entry could be anybody's.

    Attributes:
        ignored: how many entries were not believed.
    """

    def __init__(
        self,
        cache: SharedCache,
        *,
        issuer: str,
        url: str,
        secret: str | None,
        keep_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._keep_seconds = math.ceil(keep_seconds)
        self._newest_seen = 0.0
        self.ignored = 0
        self.is_signed = secret is not None
        if secret is not None:
            # Apps, stages and tenants on one cache never meet: each has its own key and its own signature.
            digest = hashlib.sha256("\0".join((issuer, url, secret)).encode()).hexdigest()[:32]
            self._key = f"auth0-key-set-{digest}"
            self._serializer = Serializer(
                secret, salt=f"auth0_blueprint.key_set.{digest}", signer_kwargs={"digest_method": hashlib.sha256}
            )

    @property
    def is_readable(self) -> bool:
        """Whether asking has a chance: there is a secret, a cache, and it can be reached."""
        return self.is_signed and self._cache.has_backend and self._cache.is_reachable

    def read(self) -> SharedEntry | None:
        """Return the entry, if there is one that can be believed and is not older than one seen before."""
        if not self.is_signed:
            return None
        text = self._cache.get(self._key)
        if text is None:
            return None
        entry = self._believed(text)
        if entry is None:
            self.ignored += 1
            logger.warning("a key set in the shared cache is not ours, broken, or out of date: ignored")
        return entry

    def write(self, entry: SharedEntry) -> None:
        """Share *entry* with the fleet."""
        if self.is_signed:
            self._newest_seen = max(self._newest_seen, entry.fetched_at)
            text = self._serializer.dumps({"document": entry.document, "fetched_at": entry.fetched_at})
            self._cache.set(self._key, str(text), self._keep_seconds)

    def _believed(self, text: object) -> SharedEntry | None:
        if not isinstance(text, str):
            return None
        try:
            value = self._serializer.loads(text)
        except (BadData, ValueError, RecursionError):
            return None
        entry = SharedEntry(str(value["document"]), float(value["fetched_at"]))
        if not self._newest_seen <= entry.fetched_at <= self._clock() + MAX_FUTURE_SECONDS:
            return None
        self._newest_seen = entry.fetched_at
        return entry
