"""Run a blocking call with a timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from auth0_blueprint.concurrency.observation import carried

T = TypeVar("T")


class Deadline:
    """The end of a call, which moves on while the call waits for something that has a time of its own.

    Args:
        timeout_seconds: for the call, not counting such waits.
        longest_wait_seconds: how much of such waits does not count, in all.
    """

    def __init__(self, timeout_seconds: float, longest_wait_seconds: float = 0) -> None:
        self._ends_at = time.monotonic() + timeout_seconds
        self._longest_wait_seconds = longest_wait_seconds
        # How long the waits that are over have taken, and when the present one began. One tuple, so that the thread
        # which watches the deadline sees both change at once.
        self._waits: tuple[float, float | None] = (0, None)

    def remaining_seconds(self) -> float:
        """Return how much of the time is left; negative after the end."""
        return self._ends_at + self.waited_seconds() - time.monotonic()

    def waited_seconds(self) -> float:
        """Return how much of the time until now does not count."""
        waited, since = self._waits
        return min(waited + (0 if since is None else time.monotonic() - since), self._longest_wait_seconds)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Do not count the time inside the block, as far as it is allowed."""
        waited, _ = self._waits
        since = time.monotonic()
        self._waits = (waited, since)
        try:
            yield
        finally:
            self._waits = (waited + time.monotonic() - since, None)


def call_within(limit: float | Deadline, function: Callable[[], T]) -> T:
    """Return what *function* returns, or raise what it raises, before the time is up.

    It runs in a daemon thread of its own. After the deadline that thread is abandoned and its result is lost: some
    waits (name resolution, a socket without timeout) cannot be interrupted.

    Args:
        limit: how many seconds it may take, or its deadline.
        function: the call.

    Raises:
        TimeoutError: *function* has not returned in time, or no thread could be started for it.
    """
    deadline = limit if isinstance(limit, Deadline) else Deadline(limit)
    outcome: list[T] = []
    failure: list[BaseException] = []
    ended = threading.Event()
    function = carried(function)

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as exc:  # noqa: BLE001 - whatever it is, the caller gets it
            failure.append(exc)
        finally:
            ended.set()

    try:
        threading.Thread(target=run, name="auth0-blueprint-call", daemon=True).start()
    except RuntimeError as exc:
        raise TimeoutError("no thread could be started") from exc
    while not ended.wait(max(0.0, deadline.remaining_seconds())):
        if deadline.remaining_seconds() <= 0:
            raise TimeoutError("the deadline has passed")
    if failure:
        raise failure[0]
    return outcome[0]
