"""When the issuer may be asked again after a failure."""

from __future__ import annotations

import pytest
from conftest import MovableClock

from auth0_blueprint.keysets.backoff import Backoff


@pytest.fixture
def backoff(clock: MovableClock) -> Backoff:
    return Backoff(clock)


def test_full_jitter_lies_between_none_and_the_limit(backoff: Backoff, clock: MovableClock) -> None:
    for delay in (1, 2, 4, 8, *[15] * 2000):
        backoff.failed("HTTP status 503", 0)
        assert backoff.retry_after_seconds() == delay
        clock.move(delay - 0.001)
        assert backoff.is_in_backoff
        clock.move(0.001)
        assert not backoff.is_in_backoff


def test_a_success_ends_the_backoff_and_what_the_issuer_has_asked_for(backoff: Backoff, clock: MovableClock) -> None:
    """Whoever got the keys elsewhere need not wait; the next failure begins with the shortest delay."""
    clock.uniform = max
    for _ in range(5):
        backoff.failed("HTTP status 503", 300)
    backoff.succeeded()
    assert not backoff.is_in_backoff
    assert backoff.retry_after_seconds() == 1
    backoff.failed("HTTP status 503", 0)
    assert backoff.retry_after_seconds() == 2


@pytest.mark.parametrize(("later", "seconds"), [(0, 17), (0.5, 17), (16, 1), (16.9, 1), (17, 1), (500, 1)])
def test_retry_after_is_what_is_left_in_whole_seconds(
    backoff: Backoff, clock: MovableClock, later: float, seconds: int
) -> None:
    """Rounded up, so that nobody comes too early; never zero."""
    clock.uniform = min
    backoff.failed("HTTP status 503", 17)
    clock.move(later)
    assert backoff.retry_after_seconds() == seconds


@pytest.mark.parametrize("clocks", [("now",), ("uptime",), ("now", "uptime")])
def test_a_backoff_ends_by_the_clock_that_is_ahead(
    backoff: Backoff, clock: MovableClock, clocks: tuple[str, ...]
) -> None:
    """Monotonic time may stand still in a process that is frozen between its requests."""
    backoff.failed("HTTP status 503", 300)
    for name in clocks:
        setattr(clock, name, getattr(clock, name) + 300)
    assert (backoff.is_in_backoff, backoff.retry_after_seconds()) == (False, 1)


def test_the_failure_of_another_process_holds_us_up_for_5_minutes_at_most(
    backoff: Backoff, clock: MovableClock
) -> None:
    backoff.attempted(clock.uptime - 10)
    backoff.follow_failure(3600, 3, "HTTP status 429")
    assert (backoff.failures, backoff.last_error, backoff.retry_after_seconds()) == (3, "HTTP status 429", 290)


def test_nothing_holds_up_the_first_attempt(backoff: Backoff) -> None:
    assert not backoff.is_in_backoff


def test_the_last_attempt_is_told_from_an_older_one_and_from_itself(backoff: Backoff) -> None:
    assert [backoff.attempted(at) for at in (10.0, 10.0, 9.0, 10.001)] == [True, False, False, True]
