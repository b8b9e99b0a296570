"""One piece of work under way at a time, in the background: who joins it, who starts the next, who waits how long."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
from conftest import MovableClock
from servers import in_a_child_process, land
from waits import Waits

from auth0_blueprint.flight import Flight, SingleFlight


def waits_for(event: threading.Event) -> Callable[[Flight], None]:
    """Return work that ends when *event* is set."""

    def work(_flight: Flight) -> None:
        event.wait(5)

    return work


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_breaks_lets_the_next_flight_start() -> None:
    """A flight lands whatever happens in it."""
    flights = SingleFlight()
    worked: list[Flight] = []

    def break_down(_flight: Flight) -> None:
        raise RuntimeError("broken work")

    first = flights.join_or_start(break_down, lambda: True)
    assert first is not None
    first.wait(5)
    assert first.has_landed
    land()
    second = flights.join_or_start(worked.append, lambda: True)
    land()
    assert worked == [second]


def test_landing_an_old_flight_does_not_end_the_current_one() -> None:
    """A flight that landed early lands once more when its thread ends."""
    flights = SingleFlight()
    may_end = threading.Event()

    def land_early(flight: Flight) -> None:
        flights.land(flight)
        may_end.wait(5)

    first = flights.join_or_start(land_early, lambda: True)
    assert first is not None
    first.wait(5)
    current_may_end = threading.Event()
    second = flights.join_or_start(waits_for(current_may_end), lambda: True)
    assert second is not first
    flights.land(first)
    assert flights.current is second
    may_end.set()
    current_may_end.set()


def test_whoever_comes_during_a_flight_joins_it() -> None:
    """No second flight, whatever the permission says."""
    flights = SingleFlight()
    may_end = threading.Event()
    first = flights.join_or_start(waits_for(may_end), lambda: True)
    assert flights.join_or_start(waits_for(may_end), lambda: True) is first
    may_end.set()


def test_permission_is_asked_for_once_more_under_the_lock() -> None:
    """Who comes just after a flight has landed does not start a second one."""
    flights = SingleFlight()
    assert flights.join_or_start(lambda _flight: None, lambda: False) is None
    assert flights.current is None


def test_a_flight_has_landed_when_its_outcome_is_known() -> None:
    """Not before."""
    flight = Flight()
    assert not flight.has_landed
    flight.land()
    assert flight.has_landed


Waited = list[tuple[str, float | None]]


class Recorded(threading.Event):
    """Says whether it had happened when it was waited for, and does not wait."""

    def __init__(self, waited: Waited) -> None:
        super().__init__()
        self._waited = waited

    def wait(self, timeout: float | None = None) -> bool:
        self._waited.append(("happened" if self.is_set() else "still to come", timeout))
        return self.is_set()


@pytest.fixture
def waited() -> Waited:
    """What has been waited for, and for how long."""
    return []


def test_news_wakes_up_who_waits_for_news_only(waited: Waited) -> None:
    """The outcome is still to come."""
    flight = Flight(lambda: Recorded(waited))
    flight.wait_for_news(2)
    flight.tell_news()
    flight.wait_for_news(2)
    flight.wait(1)
    assert waited == [("still to come", 2), ("happened", 2), ("still to come", 1)]


def test_the_outcome_wakes_up_who_waits_for_news_or_for_it(waited: Waited) -> None:
    """There will be no news any more."""
    flight = Flight(lambda: Recorded(waited))
    flight.land()
    flight.wait_for_news(2)
    flight.wait(1)
    assert waited == [("happened", 2), ("happened", 1)]


def test_a_flight_that_cannot_take_off_wakes_up_who_waits_and_has_no_outcome(waited: Waited) -> None:
    """There is no thread left; the next one may find some."""
    no_threads = True

    def start(work: Callable[[], None]) -> None:
        if no_threads:
            raise RuntimeError("can't start new thread")
        work()

    flights = SingleFlight(start, lambda: Recorded(waited))
    flight = flights.join_or_start(lambda _flight: None, lambda: True)
    assert flight is not None
    flight.wait(1)
    assert (waited, flight.has_landed, flights.current) == ([("happened", 1)], False, None)
    no_threads = False
    flight = flights.join_or_start(lambda _flight: None, lambda: True)
    assert flight is not None
    assert flight.has_landed


def test_no_flight_keeps_the_interpreter_from_going_down() -> None:
    """Nobody waits for what it may bring."""
    seen: list[threading.Thread] = []
    SingleFlight().join_or_start(lambda _flight: seen.append(threading.current_thread()), lambda: True)
    land()
    (thread,) = seen
    assert thread.daemon


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_in_mid_flight_can_start_its_own() -> None:
    """The parent's thread would never land there, nor let go of the lock."""
    flights = SingleFlight()
    may_end = threading.Event()
    flights.join_or_start(waits_for(may_end), lambda: True)

    def fly() -> str:
        done: list[str] = []
        flight = flights.join_or_start(works(done, "done"), lambda: True)
        assert flight is not None
        flight.wait(5)
        return "".join(done)

    with flights._lock:
        assert in_a_child_process(fly) == "done"
    may_end.set()


# Joining one, and starting another


def works(done: list[str], name: str) -> Callable[[Flight], None]:
    """Return work that says when it is done."""
    return lambda _flight: done.append(name)


def test_work_is_begun_at_once_where_nothing_is_under_way(clock: MovableClock) -> None:
    """And waited for."""
    waits, done = Waits(clock, takes_seconds=2), list[str]()
    flight = waits.flights.join_then_start(works(done, "own"), lambda: True, 3)
    assert flight is not None
    assert (flight.has_landed, done, waits.patience) == (True, ["own"], [3])


def test_work_is_begun_once_the_flight_under_way_has_landed(clock: MovableClock) -> None:
    """It may have been for another reason. The patience is for both."""
    waits, done = Waits(clock, takes_seconds=2), list[str]()
    waits.flights.join_or_start(works(done, "other"), lambda: True)
    flight = waits.flights.join_then_start(works(done, "own"), lambda: True, 5)
    assert flight is not None
    assert (flight.has_landed, done, waits.patience) == (True, ["other", "own"], [5, 3])


def test_no_work_is_begun_where_the_flight_under_way_was_enough(clock: MovableClock) -> None:
    """Permission is asked for when it has landed, and it is what was waited for."""
    waits, done = Waits(clock), list[str]()
    other = waits.flights.join_or_start(works(done, "other"), lambda: True)
    assert waits.flights.join_then_start(works(done, "own"), lambda: not done, 3) is other
    assert (done, waits.begun, waits.patience) == (["other"], [], [3])


def test_who_would_need_no_more_does_not_join_the_next_flight(clock: MovableClock) -> None:
    """Another one may have begun it in the same moment."""
    waits, done = Waits(clock), list[str]()

    def is_followed(flight: Flight) -> None:
        waits.flights.land(flight)
        waits.flights.join_or_start(works(done, "next"), lambda: True)

    first = waits.flights.join_or_start(is_followed, lambda: True)
    assert waits.flights.join_then_start(works(done, "own"), lambda: False, 3) is first
    assert (done, waits.patience) == ([], [3])


def test_a_flight_that_takes_too_long_is_not_doubled(clock: MovableClock) -> None:
    """Whoever has waited for as long as they would sees that it has not landed."""
    waits, done = Waits(clock, takes_seconds=4), list[str]()
    other = waits.flights.join_or_start(works(done, "other"), lambda: True)
    assert waits.flights.join_then_start(works(done, "own"), lambda: True, 3) is other
    assert (done, len(waits.begun), waits.patience) == ([], 1, [3, 0])


def test_nobody_waits_for_less_than_no_time(clock: MovableClock) -> None:
    """A flight may land later than the wait for it was to end: events need not know negative times."""
    waits, done = Waits(clock), list[str]()
    waits.flights.join_or_start(lambda _flight: clock.move(7), lambda: True)
    assert waits.flights.join_then_start(works(done, "own"), lambda: True, 3) is not None
    assert waits.patience == [3, 0]


def test_nobody_waits_where_nothing_is_under_way_and_nothing_may_begin(clock: MovableClock) -> None:
    """There is nothing to wait for."""
    waits, done = Waits(clock), list[str]()
    assert waits.flights.join_then_start(works(done, "own"), lambda: False, 3) is None
    assert (done, waits.patience) == ([], [])
