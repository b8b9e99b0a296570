"""When the issuer may be asked again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import middle

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.keysets.backoff import Backoff


def make_backoff(uniform: Callable[[float, float], float] = middle) -> Backoff:
    return Backoff(cooldown_seconds=30, clock=Clock(uniform=uniform))


def test_full_jitter_lies_between_none_and_the_limit() -> None:
    backoff = make_backoff()
    for delay in (1, 2, 4, 8, *[15] * 2000):
        backoff.failed(1000.0, "HTTP status 503", 0)
        assert backoff.retry_after_seconds(1000.0) == delay
        assert backoff.is_in_backoff(1000.0 + delay - 0.001)
        assert not backoff.is_in_backoff(1000.0 + delay)


def test_a_success_ends_the_backoff_and_what_the_issuer_has_asked_for() -> None:
    """Whoever got the keys elsewhere need not wait; the next failure begins with the shortest delay."""
    backoff = make_backoff(max)
    for _ in range(5):
        backoff.failed(1000.0, "HTTP status 503", 300)
    backoff.succeeded()
    assert not backoff.is_in_backoff(1000.0)
    assert backoff.retry_after_seconds(1000.0) == 1
    backoff.failed(1000.0, "HTTP status 503", 0)
    assert backoff.retry_after_seconds(1000.0) == 2


@pytest.mark.parametrize(("later", "seconds"), [(0, 17), (0.5, 17), (16, 1), (16.9, 1), (17, 1), (500, 1)])
def test_retry_after_is_what_is_left_in_whole_seconds(later: float, seconds: int) -> None:
    """Rounded up, so that nobody comes too early; never zero."""
    backoff = make_backoff(min)
    backoff.failed(1000.0, "HTTP status 503", 17)
    assert backoff.retry_after_seconds(1000.0 + later) == seconds


@pytest.mark.parametrize(("jitter", "seconds"), [(min, 30), (middle, 32.5), (max, 35)])
@pytest.mark.parametrize("is_own", [True, False])
def test_a_search_that_failed_waits_up_to_5_s_longer_than_the_cooldown(
    jitter: Callable[[float, float], float], seconds: float, is_own: bool
) -> None:
    """Those who were refused together do not come back together; a success begins anew."""
    backoff = make_backoff(jitter)
    backoff.attempted(1000.0)
    if is_own:
        backoff.failed(1000.0, "HTTP status 429", 0)
    else:
        backoff.follow_failure(1001.0, 1, "HTTP status 429")
    assert backoff.is_in_cooldown(1000.0 + seconds - 0.001)
    assert not backoff.is_in_cooldown(1000.0 + seconds)
    backoff.attempted(2000.0)
    backoff.succeeded()
    assert backoff.is_in_cooldown(2029.999)
    assert not backoff.is_in_cooldown(2030.0)


def test_nothing_holds_up_the_first_attempt() -> None:
    backoff = make_backoff()
    assert (backoff.is_in_cooldown(0.0), backoff.is_in_backoff(0.0)) == (False, False)


def test_the_last_attempt_is_told_from_an_older_one_and_from_itself() -> None:
    backoff = make_backoff()
    assert [backoff.attempted(at) for at in (10.0, 10.0, 9.0, 10.001)] == [True, False, False, True]
