"""The cache that processes share, as a thing that never fails: without it only the sharing is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from auth0_blueprint.deadline import call_within
from auth0_blueprint.forks import reset_in_children

logger = logging.getLogger("auth0_blueprint")

OPERATION_TIMEOUT_SECONDS = 1.0
PAUSE_AFTER_FAILURE_SECONDS = 30.0


class CacheBackend(Protocol):
    """What is used of a flask-caching backend."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        """Store *value* for *timeout* seconds."""


class SharedCache:
    """A flask-caching backend whose every operation is caught and bounded, and which is left alone after a failure.

    Args:
        open_backend: finds the backend at first use: hosts initialise their cache late. It returns ``None`` where there
            is nothing to share.
        monotonic: seconds that never go back.
    """

    def __init__(
        self, open_backend: Callable[[], CacheBackend | None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_backend = open_backend
        self._monotonic = monotonic
        self._backend: CacheBackend | None = None
        self._is_open = False
        self._lock = threading.Lock()
        reset_in_children(self)
        self._left_alone_until = float("-inf")

    @property
    def is_reachable(self) -> bool:
        """Whether the last operation worked (or none was tried yet)."""
        return self._monotonic() >= self._left_alone_until

    @property
    def has_backend(self) -> bool:
        """Whether there is something to share through, as far as is known."""
        return not self._is_open or self._backend is not None

    def open(self) -> CacheBackend | None:
        """Return the backend.

        Raises:
            ConfigurationError: the host's cache cannot be used safely, or was never initialised.
        """
        with self._lock:
            if not self._is_open:
                self._backend = self._open_backend()
                self._is_open = True
            return self._backend

    def get(self, key: str) -> Any:
        """Return the value, or ``None`` if there is none or the cache is away."""
        return self._attempt(lambda backend: backend.get(key))

    def set(self, key: str, value: str, timeout_seconds: int) -> None:
        """Store *value*, if the cache can be reached."""
        self._attempt(lambda backend: backend.set(key, value, timeout=timeout_seconds))

    def reset_after_fork(self) -> None:
        """Replace the lock, which a fork may have copied while it was held."""
        self._lock = threading.Lock()

    def _attempt(self, operation: Callable[[CacheBackend], Any]) -> Any:
        if not self.is_reachable:
            return None
        try:
            backend = self.open()
            return None if backend is None else call_within(OPERATION_TIMEOUT_SECONDS, lambda: operation(backend))
        except Exception as exc:  # noqa: BLE001 - each backend has its own errors, and none may reach a request
            self._left_alone_until = self._monotonic() + PAUSE_AFTER_FAILURE_SECONDS
            logger.warning(
                "the shared cache failed (%s); left alone for %d s", type(exc).__name__, PAUSE_AFTER_FAILURE_SECONDS
            )
            return None
