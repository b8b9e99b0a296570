"""Processes of one fleet, without the processes: key sources with one cache, one clock and one issuer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from conftest import MovableClock
from servers import ScriptedIssuer, complete, document

from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.shared import SharedEntry, SharedKeySet
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.sharing.shared_cache import SharedCache

TTL, AHEAD, MAX_STALE, COOLDOWN, ATTEMPT = 600, 120, 3600, 30, 5
DUE = TTL - AHEAD
ISSUER = "https://issuer.example/"
URL = "https://issuer.example/.well-known/jwks.json"
SECRET = "a secret of the fleet"
EDDSA = ALGORITHMS["EdDSA"]


class DictBackend:
    """A cache backend whose entries a test can read, plant and break."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.calls = 0

    def get(self, key: str) -> Any:
        self.calls += 1
        return self.values.get(key)

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self.calls += 1
        self.values[key] = value
        return True

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        return key not in self.values and self.set(key, value, timeout)

    def get_many(self, *keys: str) -> Any:
        self.calls += 1
        return [self.values.get(key) for key in keys]

    def delete(self, key: str) -> Any:
        self.calls += 1
        return self.values.pop(key, None) is not None

    @property
    def only_key(self) -> str:
        (key,) = self.values
        return key


class LockedBackend(DictBackend):
    """Adds atomically, as Redis does."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        with self._lock:
            return super().add(key, value, timeout)

    def key_of(self, kind: str) -> str:
        (key,) = (key for key in self.values if f"-{kind}-" in key)
        return key


class Fleet:
    """Processes with one cache, one clock and one issuer."""

    def __init__(self, backend: DictBackend, scripted: ScriptedIssuer, clock: MovableClock) -> None:
        self.backend = backend
        self.scripted = scripted
        self.clock = clock
        #: What a process does between two looks for news.
        self.pause: Callable[[float], None] = time.sleep

    def shared(
        self, *, issuer: str = ISSUER, url: str = URL, secret: str | None = SECRET, **changes: Any
    ) -> SharedKeySet:
        """Return the shared copy as one more process sees it."""
        cache = SharedCache(lambda: self.backend, monotonic=self.clock)
        arguments: dict[str, Any] = {
            "issuer": issuer,
            "url": url,
            "secret": secret,
            "keep_seconds": MAX_STALE,
            "attempt_seconds": ATTEMPT,
            "clock": self.clock,
            "monotonic": self.clock,
            "pause": lambda seconds: self.pause(seconds),
        }
        return SharedKeySet(cache, **{**arguments, **changes})

    def process(self, **listeners: Any) -> KeySource:
        """Return the source of one more process."""
        return KeySource(
            ISSUER,
            **listeners,
            ttl_seconds=TTL,
            refresh_ahead_seconds=AHEAD,
            max_stale_seconds=MAX_STALE,
            cooldown_seconds=COOLDOWN,
            fetch=self.scripted,
            shared=self.shared(),
            clock=self.clock,
            monotonic=self.clock,
            uniform=lambda low, high: (low + high) / 2,
        )

    def warm_process(self) -> KeySource:
        """Return the source of a process that has fetched, or adopted, a key set just now."""
        process = self.process()
        process.snapshot()
        complete()
        return process

    def entry(self, *key_ids: str, seconds_ago: float = 0) -> SharedEntry:
        """Return an entry as it was fetched some time ago."""
        return SharedEntry(document(*key_ids).decode(), self.clock() - seconds_ago)
