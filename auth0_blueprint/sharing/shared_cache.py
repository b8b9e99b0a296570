"""Wraps the shared cache backend: no operation hangs, and every failure is the same exception.

The caller decides what a `CacheUnavailableError` means. For most callers the app only loses sharing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from auth0_blueprint.concurrency.after_fork import ProcessLock, reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.errors import ConfigurationError

logger: logging.Logger = logging.getLogger("auth0_blueprint")

OPERATION_TIMEOUT_SECONDS = 1.0
PAUSE_AFTER_FAILURE_SECONDS = 30.0

#: What `SharedCache.get` returns for an entry that the backend cannot parse. No text that we sign is empty.
UNREADABLE = ""

T = TypeVar("T")


class CacheUnavailableError(Exception):
    """The shared cache failed, timed out, or is not asked because it failed moments ago.

    Nothing was read; whether something was written is not certain.
    """


class CacheBackend(Protocol):
    """The part of a flask-caching backend that is used."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def get_many(self, *keys: str) -> Any:
        """Return the value, or ``None``, for each of *keys*."""

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        """Store *value* for *timeout* seconds; ``False`` means that it was not stored."""

    def delete(self, key: str) -> Any:
        """Remove the value, if there is one."""


class Outage:
    """Logs that a cache became unavailable, or available again: once for each change, by the first one to notice."""

    def __init__(self) -> None:
        self._is_logged = False

    def begin(self, exc: Exception, pause_seconds: float) -> None:
        """Log a failure, without the error's own text: it may contain an address or a password."""
        if not self._is_logged:
            self._is_logged = True
            logger.warning(
                "shared cache unavailable (%s): not retried for %g s; nothing is shared until then",
                type(exc).__name__,
                pause_seconds,
            )

    def end(self) -> None:
        """Log that the cache works again."""
        if self._is_logged:
            self._is_logged = False
            logger.info("shared cache available again")


class SharedCache:
    """A flask-caching backend with a deadline for every operation, which gets a pause after each failure.

    Every operation raises `CacheUnavailableError` if it fails, or if the pause is not over. Where there is no backend,
    nothing fails: reads find nothing, and writes have no effect.

    Args:
        open_backend: returns the backend, at first use: hosts initialise their cache late, and some backends connect.
            ``None`` means that there is nothing to share.
        clock: tells the time.
        call_within: runs an operation with a timeout in seconds.
        pause_seconds: how long the backend is not asked after a failure.
        outage: logs failures; shared by all caches on the same backend.
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
        self._opening: Future[None] | None = None
        self._lock = ProcessLock()
        reset_in_children(self)
        self._paused_until = float("-inf")
        self._has_failed = False

    @property
    def is_reachable(self) -> bool:
        """Whether the backend may be asked: it has not failed, or the pause is over."""
        return self._clock.monotonic() >= self._paused_until

    @property
    def has_failed(self) -> bool:
        """Whether the latest operation of this process failed, however long ago. For health, not for its caller."""
        return self._has_failed

    @property
    def has_backend(self) -> bool:
        """Whether there is something to share through, as far as is known."""
        return not self._is_open or self._backend is not None

    @property
    def backend(self) -> CacheBackend | None:
        """The backend; ``None`` if there is none, or if it was not opened yet."""
        return self._backend

    def open(self) -> CacheBackend | None:
        """Return the backend; ``None`` if there is nothing to share.

        Raises:
            CacheUnavailableError: it cannot be opened now.
            ConfigurationError: the host's cache cannot be used safely, or was never initialised.
        """
        if not self._is_open:
            self._guarded(self._open_once)
        return self._backend

    def open_now(self) -> CacheBackend | None:
        """Return the backend, also during a pause, or raise what opening it raises."""
        if not self._is_open:
            self._open_once()
        return self._backend

    def probe(self) -> None:
        """Bring `has_failed` and `backend` up to date: open the cache, and ask one that failed, unless it is paused."""
        with suppress(CacheUnavailableError):
            self.open()
            if self._has_failed:
                self.get("auth0-probe")

    def get(self, key: str) -> Any:
        """Return the value, ``None`` if there is none, or `UNREADABLE`."""
        return self._run(lambda backend: _get_one(backend, key), without_backend=None)

    def get_many(self, keys: list[str]) -> list[Any]:
        """Return what `get` does, for each of *keys*, in one operation."""

        def read(backend: CacheBackend) -> list[Any]:
            try:
                return list(backend.get_many(*keys))
            except (ValueError, RecursionError):
                # One unreadable entry must not hide the others.
                return [_get_one(backend, key) for key in keys]

        return self._run(read, without_backend=[None] * len(keys))

    def set(self, key: str, value: str, timeout_seconds: int) -> None:
        """Store *value*."""

        def write(backend: CacheBackend) -> None:
            # FileSystemCache swallows its errors.
            if backend.set(key, value, timeout=timeout_seconds) is False:
                raise OSError("the backend has not stored the value")

        self._run(write, without_backend=None)

    def delete(self, key: str) -> None:
        """Remove the value, if there is one."""
        self._run(lambda backend: backend.delete(key), without_backend=None)

    def reset_after_fork(self) -> None:
        """Open the backend anew: a client of the parent has its connections and locks."""
        self._backend, self._is_open, self._opening = None, False, None

    def _open_once(self) -> None:
        with self._lock():
            opening, ours = self._opening, Future[None]()
            if opening is None:
                self._opening = ours
        if opening is not None:
            opening.result()
            return
        # Not under the lock: the client of a Redis Cluster connects when it is made.
        try:
            if not self._is_open:
                self._backend = self._open_backend()
                self._is_open = True
        except BaseException as exc:
            ours.set_exception(exc)
            raise
        else:
            ours.set_result(None)
        finally:
            self._opening = None

    def _run(self, operation: Callable[[CacheBackend], T], *, without_backend: T) -> T:
        backend = self.open()
        return without_backend if backend is None else self._guarded(lambda: operation(backend))

    def _guarded(self, operation: Callable[[], T]) -> T:
        if not self.is_reachable:
            raise CacheUnavailableError("not asked again so soon after a failure")
        try:
            outcome: T = self._call_within(OPERATION_TIMEOUT_SECONDS, operation)
        except ConfigurationError:
            raise
        except Exception as exc:  # noqa: BLE001 - each backend has its own errors
            self._paused_until = self._clock.monotonic() + self._pause_seconds
            self._has_failed = True
            self._outage.begin(exc, self._pause_seconds)
            # Not chained, so that no traceback shows the text of the backend's error: see Outage.begin().
            raise CacheUnavailableError(type(exc).__name__) from None
        self._has_failed = False
        self._outage.end()
        return outcome


def _get_one(backend: CacheBackend, key: str) -> Any:
    try:
        return backend.get(key)
    except (ValueError, RecursionError):
        return UNREADABLE
    except Exception as exc:
        # A value of another Redis type under our name must not stand for a cache that is away: it is overwritten.
        if "WRONGTYPE" in str(exc):
            return UNREADABLE
        raise
