"""The store of a fleet, as callers use it: every operation ends in time, and fails with `StoreError` alone.

Reads and writes fail apart: a replica, a full Redis or one that lacks replicas answers reads and refuses writes. Health
knows what the last of each did.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from auth0_blueprint.concurrency.after_fork import reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.sharing.store import LayoutChangedError, Store, StoreError

logger: logging.Logger = logging.getLogger("auth0_blueprint")

T = TypeVar("T")

OPERATION_TIMEOUT_SECONDS = 1.0
#: How long the store is not asked after a failure.
PAUSE_SECONDS = 1.0

_PROBE = "probe"


class OperationStatus(NamedTuple):
    """How reads, or writes, last ended. Times on the monotonic clock.

    Attributes:
        succeeded_at: when the last one succeeded.
        reason: why the last one failed; ``None`` once one has succeeded.
        code: the same as a word.
    """

    succeeded_at: float = -math.inf
    reason: str | None = None
    code: str | None = None


class _Operations:
    """Reads, or writes: how they last ended, and whether they may be tried now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = OperationStatus()
        self.paused_until = -math.inf
        # Set once the last operation that outlasted its time has ended.
        self.hanging: threading.Event | None = None


class SharedStore:
    """The store of one fleet.

    Args:
        open_store: returns the engine at first use; may raise whatever connecting raises.
        reach: tells who shares it: ``process`` (nobody), ``machine`` or ``fleet``.
        clock: tells the time.
        call_within: runs an operation with a timeout in seconds.
    """

    def __init__(
        self,
        open_store: Callable[[], Store | None],
        *,
        reach: Callable[[], str],
        clock: Clock = SYSTEM_CLOCK,
        call_within: Callable[[float, Callable[[], Any]], Any] = call_within,
    ) -> None:
        self._open_store = open_store
        self.reach: Callable[[], str] = reach
        self._clock = clock
        self._call_within = call_within
        self._reads, self._writes = _Operations("reads"), _Operations("writes")
        reset_in_children(self)

    @property
    def reads(self) -> OperationStatus:
        """How reads last ended."""
        return self._reads.status

    @property
    def writes(self) -> OperationStatus:
        """How writes last ended."""
        return self._writes.status

    def read(self, operation: Callable[[Store], T], timeout_seconds: float = OPERATION_TIMEOUT_SECONDS) -> T:
        """Return what *operation*, which only reads, returns.

        Raises:
            StoreError: it failed, took too long, or is not tried so soon after a failure.
        """
        return self._run(self._reads, operation, timeout_seconds)

    def write(self, operation: Callable[[Store], T], timeout_seconds: float = OPERATION_TIMEOUT_SECONDS) -> T:
        """Return what *operation*, which writes, returns.

        Raises:
            StoreError: as for `read`; whether anything was written is not certain.
        """
        return self._run(self._writes, operation, timeout_seconds)

    def probe_writes(self, max_age_seconds: float) -> None:
        """Write something, unless a write has succeeded within *max_age_seconds*: `writes` then says how that ended."""
        if self._clock.monotonic() - self._writes.status.succeeded_at <= max_age_seconds:
            return
        try:
            self.write(lambda store: store.put(_PROBE, "", 60))
        except StoreError as exc:
            logger.debug("the probe of the store failed: %s", exc.code)

    def reset_after_fork(self) -> None:
        """Forget operations that only the parent process has."""
        self._reads.hanging = self._writes.hanging = None

    def _run(self, operations: _Operations, operation: Callable[[Store], T], timeout_seconds: float) -> T:
        now = self._clock.monotonic()
        if operations.hanging is not None and not operations.hanging.is_set():
            # It may go on for long, and each further one would leave another thread behind.
            raise StoreError("timeout", "an earlier operation still waits for the store")
        if now < operations.paused_until:
            raise StoreError(
                operations.status.code or "failed", operations.status.reason or "the store failed just now"
            )
        try:
            outcome = self._bounded(operations, operation, timeout_seconds)
        except StoreError as exc:
            self._note_failure(operations, exc.code, str(exc))
            raise
        except TimeoutError:
            self._note_failure(operations, "timeout", "the store did not answer in time")
            raise StoreError("timeout", "the store did not answer in time") from None
        except (ConfigurationError, LayoutChangedError):
            raise
        except Exception as exc:  # noqa: BLE001 - each engine has its own errors, and none may reach a request
            # Connecting may raise anything. Its text may hold an address or a password.
            self._note_failure(operations, "unreachable", f"the store cannot be opened ({type(exc).__name__})")
            raise StoreError("unreachable", f"the store cannot be opened ({type(exc).__name__})") from None
        if operations.status.reason is not None:
            logger.info("%s of the shared store work again", operations.name)
        operations.status = OperationStatus(self._clock.monotonic())
        return outcome

    def _bounded(self, operations: _Operations, operation: Callable[[Store], T], timeout_seconds: float) -> T:
        ended = threading.Event()

        def run() -> T:
            try:
                store = self._open_store()
                if store is None:
                    raise StoreError("unreachable", "there is no store to share through")
                return operation(store)
            finally:
                ended.set()

        try:
            outcome: T = self._call_within(timeout_seconds, run)
        except TimeoutError as exc:
            if exc.__cause__ is None:  # else no thread could be started, and none will ever end
                operations.hanging = ended
            raise
        return outcome

    def _note_failure(self, operations: _Operations, code: str, reason: str) -> None:
        if operations.status.reason is None:
            logger.warning("%s of the shared store fail: %s", operations.name, reason)
        operations.status = operations.status._replace(reason=reason, code=code)
        operations.paused_until = self._clock.monotonic() + PAUSE_SECONDS
