"""The cache that processes share, as a thing that never fails: without it only the sharing is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from auth0_blueprint.concurrency.after_fork import reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.errors import ConfigurationError

logger: logging.Logger = logging.getLogger("auth0_blueprint")

OPERATION_TIMEOUT_SECONDS = 1.0
PAUSE_AFTER_FAILURE_SECONDS = 30.0

#: What `SharedCache.get` returns for an entry that the backend cannot read: a text that nobody has signed.
UNREADABLE = ""

T = TypeVar("T")


class CacheBackend(Protocol):
    """What is used of a flask-caching backend."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def get_many(self, *keys: str) -> Any:
        """Return the value, or ``None``, for each of *keys*."""

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        """Store *value* for *timeout* seconds. ``False`` says that it was not."""

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        """Store *value* unless there is one; tell whether it was stored."""

    def delete(self, key: str) -> Any:
        """Remove the value, if there is one."""


class Outage:
    """Whether a cache is away, as far as the log has been told: once for each change, whoever notices it first."""

    def __init__(self) -> None:
        self._is_told = False

    def begin(self, exc: Exception) -> None:
        """Say that the cache has failed. The error's own text may hold an address or a password."""
        if not self._is_told:
            self._is_told = True
            logger.warning(
                "the shared cache failed (%s): left alone for a while, and nothing is shared meanwhile",
                type(exc).__name__,
            )

    def end(self) -> None:
        """Say that the cache works again."""
        if self._is_told:
            self._is_told = False
            logger.info("the shared cache works again")


class SharedCache:
    """A flask-caching backend whose every operation is caught and bounded, and which is left alone after a failure.

    Args:
        open_backend: finds the backend at first use: hosts initialise their cache late, and some backends connect. It
            returns ``None`` where there is nothing to share.
        clock: tells the time.
        call_within: runs an operation within a number of seconds.
        pause_seconds: how long it is left alone after a failure.
        outage: what the log has been told, where several of these have one backend.
    """

    def __init__(
        self,
        open_backend: Callable[[], CacheBackend | None],
        clock: Clock = SYSTEM_CLOCK,
        call_within: Callable[[float, Callable[[], Any]], Any] = call_within,
        pause_seconds: float = PAUSE_AFTER_FAILURE_SECONDS,
        outage: Outage | None = None,
    ) -> None:
        self._outage = Outage() if outage is None else outage
        self._pause_seconds = pause_seconds
        self._open_backend = open_backend
        self._clock = clock
        self._call_within = call_within
        self._backend: CacheBackend | None = None
        self._is_open = False
        self._lock = threading.Lock()
        reset_in_children(self)
        self._left_alone_until = float("-inf")
        self._has_failed = False
        self._of_this_thread = threading.local()

    @property
    def is_reachable(self) -> bool:
        """Whether it may be asked: the last operation worked, or none was tried yet, or the pause is over."""
        return self._clock.monotonic() >= self._left_alone_until

    @property
    def has_failed(self) -> bool:
        """Whether the last operation failed, however long ago."""
        return self._has_failed

    @property
    def has_failed_here(self) -> bool:
        """Whether the last operation of this thread failed, or was not tried, whatever other threads saw meanwhile."""
        return bool(getattr(self._of_this_thread, "has_failed", False))

    @property
    def has_backend(self) -> bool:
        """Whether there is something to share through, as far as is known."""
        return not self._is_open or self._backend is not None

    def open(self) -> CacheBackend | None:
        """Return the backend; ``None`` also while it cannot be reached.

        Raises:
            ConfigurationError: the host's cache cannot be used safely, or was never initialised.
        """
        if not self._is_open:
            self._guarded(self._open_once, None)
        return self._backend

    def open_now(self) -> CacheBackend | None:
        """Return the backend, or raise what opening it raises, also while this cache is left alone."""
        if not self._is_open:
            self._open_once()
        return self._backend

    def get(self, key: str) -> Any:
        """Return the value, ``None`` if there is none or the cache is away, `UNREADABLE` if it makes no sense."""
        return self._attempt(lambda backend: _get_one(backend, key), None)

    def get_many(self, keys: list[str]) -> list[Any]:
        """Return what `get` does, for each of *keys*, in one operation."""

        def read(backend: CacheBackend) -> list[Any]:
            try:
                return list(backend.get_many(*keys))
            except (ValueError, RecursionError):
                # One that makes no sense must not hide the others.
                return [_get_one(backend, key) for key in keys]

        return self._attempt(read, [None] * len(keys))

    def set(self, key: str, value: str, timeout_seconds: int) -> None:
        """Store *value*, if the cache can be reached."""

        def write(backend: CacheBackend) -> None:
            # FileSystemCache swallows its errors.
            if backend.set(key, value, timeout=timeout_seconds) is False:
                raise OSError("the backend has not stored the value")

        self._attempt(write, None)

    def add(self, key: str, value: str, timeout_seconds: int) -> bool:
        """Store *value* unless there is one. ``False`` only if there is: without a cache nobody else can have one."""
        return self._attempt(lambda backend: bool(backend.add(key, value, timeout=timeout_seconds)), True)

    def delete(self, key: str) -> None:
        """Remove the value, if the cache can be reached."""
        self._attempt(lambda backend: backend.delete(key), None)

    def try_again(self) -> None:
        """Find out whether a cache that has failed works again, unless it is to be left alone."""
        if self._has_failed:
            self.get("auth0-probe")

    def reset_after_fork(self) -> None:
        """Replace the lock, which a fork may have copied while it was held."""
        self._lock = threading.Lock()

    def _open_once(self) -> None:
        with self._lock:
            if not self._is_open:
                self._backend = self._open_backend()
                self._is_open = True

    def _attempt(self, operation: Callable[[CacheBackend], T], otherwise: T) -> T:
        self._of_this_thread.has_failed = False
        backend = self.open()
        return otherwise if backend is None else self._guarded(lambda: operation(backend), otherwise)

    def _guarded(self, operation: Callable[[], T], otherwise: T) -> T:
        self._of_this_thread.has_failed = True
        if not self.is_reachable:
            return otherwise
        try:
            outcome: T = self._call_within(OPERATION_TIMEOUT_SECONDS, operation)
        except ConfigurationError:
            raise
        except Exception as exc:  # noqa: BLE001 - each backend has its own errors, and none may reach a request
            self._left_alone_until = self._clock.monotonic() + self._pause_seconds
            self._has_failed = True
            self._outage.begin(exc)
            return otherwise
        self._of_this_thread.has_failed = False
        self._has_failed = False
        self._outage.end()
        return outcome


def _get_one(backend: CacheBackend, key: str) -> Any:
    try:
        return backend.get(key)
    except (ValueError, RecursionError):
        return UNREADABLE
