"""Waiting for a turn that another process has: asked for again and again, ever more slowly."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from auth0_blueprint.concurrency.clock import Clock

T = TypeVar("T")


def poll(
    take: Callable[[], T | None], *, max_wait_seconds: float, first_seconds: float, max_seconds: float, clock: Clock
) -> Generator[None, None, T | None]:
    """Yield at once, and after each pause, so that the caller can look for a result; return what *take* gives.

    Args:
        take: takes the turn; ``None`` while another process has it.
        max_wait_seconds: how long to go on; ``None`` is returned then.
        first_seconds: the longest that the first pause may be. Pauses are random, and double.
        max_seconds: the longest that any may be.
        clock: tells the time.
    """
    yield
    give_up_at = clock.monotonic() + max_wait_seconds
    longest_pause = first_seconds
    taken = take()
    while taken is None and clock.monotonic() < give_up_at:
        clock.sleep(clock.uniform(longest_pause / 4, longest_pause))
        longest_pause = min(2 * longest_pause, max_seconds)
        yield
        taken = take()
    return taken
