"""Run a blocking call with a timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def call_within(timeout_seconds: float, function: Callable[[], T]) -> T:
    """Return what *function* returns, or raise what it raises, within *timeout_seconds*.

    It runs in a daemon thread of its own. After the deadline that thread is abandoned and its result is lost: some
    waits (name resolution, a socket without timeout) cannot be interrupted.

    Raises:
        TimeoutError: *function* has not returned in time, or no thread could be started for it.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []
    ended = threading.Event()

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
    if not ended.wait(timeout_seconds):
        raise TimeoutError("the deadline has passed")
    if failure:
        raise failure[0]
    return outcome[0]
