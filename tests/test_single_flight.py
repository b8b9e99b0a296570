"""One piece of work under way at a time, in the background: who joins it, who starts the next, who waits how long."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
from conftest import MovableClock
from servers import complete, in_a_child_process
from waits import Waits

from auth0_blueprint.concurrency.single_flight import Call, SingleFlight


def waits_for(event: threading.Event) -> Callable[[Call], None]:
    """Return work that ends when *event* is set."""

    def work(_call: Call) -> None:
        event.wait(5)

    return work


def start(flight: SingleFlight, work: Callable[[Call], None]) -> Call:
    """Return the call that does *work*, or that is under way."""
    call = flight.join_or_start(work, lambda: True)
    assert call is not None
    return call


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_breaks_lets_the_next_flight_start() -> None:
    single_flight = SingleFlight()
    worked: list[Call] = []

    def break_down(_call: Call) -> None:
        raise RuntimeError("broken work")

    first = start(single_flight, break_down)
    first.wait(5)
    assert first.is_complete
    complete()
    second = start(single_flight, worked.append)
    complete()
    assert worked == [second]


def test_landing_an_old_flight_does_not_end_the_current_one() -> None:
    """A flight that landed early lands once more when its thread ends."""
    single_flight = SingleFlight()
    may_end, current_may_end = threading.Event(), threading.Event()

    def land_early(call: Call) -> None:
        single_flight.complete(call)
        may_end.wait(5)

    first = start(single_flight, land_early)
    first.wait(5)
    second = start(single_flight, waits_for(current_may_end))
    assert second is not first
    single_flight.complete(first)
    assert single_flight.current is second
    may_end.set()
    current_may_end.set()


def test_whoever_comes_during_a_flight_joins_it() -> None:
    single_flight = SingleFlight()
    may_end = threading.Event()
    first = start(single_flight, waits_for(may_end))
    assert start(single_flight, waits_for(may_end)) is first
    may_end.set()


def test_permission_is_asked_for_once_more_under_the_lock() -> None:
    """Who comes just after a flight has landed does not start a second one."""
    single_flight = SingleFlight()
    assert single_flight.join_or_start(lambda _call: None, lambda: False) is None
    assert single_flight.current is None


def test_a_flight_has_landed_when_its_outcome_is_known() -> None:
    call = Call()
    assert not call.is_complete
    call.complete()
    assert call.is_complete


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
    call = Call(lambda: Recorded(waited))
    call.wait_for_progress(2)
    call.notify_progress()
    call.wait_for_progress(2)
    call.wait(1)
    assert waited == [("still to come", 2), ("happened", 2), ("still to come", 1)]


def test_the_outcome_wakes_up_who_waits_for_news_or_for_it(waited: Waited) -> None:
    call = Call(lambda: Recorded(waited))
    call.complete()
    call.wait_for_progress(2)
    call.wait(1)
    assert waited == [("happened", 2), ("happened", 1)]


def test_a_flight_that_cannot_take_off_wakes_up_who_waits_and_has_no_outcome(waited: Waited) -> None:
    """There is no thread left; the next one may find some."""
    no_threads = True

    def start_if_possible(work: Callable[[], None]) -> None:
        if no_threads:
            raise RuntimeError("can't start new thread")
        work()

    single_flight = SingleFlight(start_if_possible, lambda: Recorded(waited))
    call = start(single_flight, lambda _call: None)
    call.wait(1)
    assert (waited, call.is_complete, single_flight.current) == ([("happened", 1)], False, None)
    no_threads = False
    assert start(single_flight, lambda _call: None).is_complete


def test_no_flight_keeps_the_interpreter_from_going_down() -> None:
    seen: list[threading.Thread] = []
    start(SingleFlight(), lambda _call: seen.append(threading.current_thread()))
    complete()
    (thread,) = seen
    assert thread.daemon


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_in_mid_flight_can_start_its_own() -> None:
    """The parent's thread would never land there, nor let go of the lock."""
    single_flight = SingleFlight()
    may_end = threading.Event()
    start(single_flight, waits_for(may_end))

    def fly() -> str:
        done: list[str] = []
        start(single_flight, lambda _call: done.append("done")).wait(5)
        return "".join(done)

    with single_flight._lock():
        assert in_a_child_process(fly) == "done"
    may_end.set()


def works(done: list[str], name: str) -> Callable[[Call], None]:
    """Return work that says when it is done."""
    return lambda _call: done.append(name)


class TestJoiningAndStarting:
    @pytest.mark.parametrize(("others", "max_wait"), [([], [5]), (["other"], [5, 3])], ids=["alone", "after another"])
    def test_work_is_begun_once_nothing_is_under_way(
        self, clock: MovableClock, others: list[str], max_wait: list[float]
    ) -> None:
        """What is under way may have been for another reason. The patience is for both."""
        waits, done = Waits(clock, takes_seconds=2), list[str]()
        for name in others:
            start(waits.single_flight, works(done, name))
        call = waits.single_flight.join_then_start(works(done, "own"), lambda: True, 5)
        assert call is not None
        assert (call.is_complete, done, waits.max_wait) == (True, [*others, "own"], max_wait)

    @pytest.mark.parametrize(
        ("takes_seconds", "done", "begun", "max_wait"), [(0, ["other"], 0, [3]), (4, [], 1, [3, 0])]
    )
    def test_no_work_is_begun_where_the_flight_under_way_was_enough_or_takes_too_long(
        self, clock: MovableClock, takes_seconds: float, done: list[str], begun: int, max_wait: list[float]
    ) -> None:
        """Permission is asked for when it has landed, and it is what was waited for."""
        waits, seen = Waits(clock, takes_seconds), list[str]()
        other = start(waits.single_flight, works(seen, "other"))
        assert waits.single_flight.join_then_start(works(seen, "own"), lambda: not seen, 3) is other
        assert (seen, len(waits.begun), waits.max_wait) == (done, begun, max_wait)

    def test_who_would_need_no_more_does_not_join_the_next_flight(self, clock: MovableClock) -> None:
        """Another one may have begun it in the same moment."""
        waits, done = Waits(clock), list[str]()

        def is_followed(call: Call) -> None:
            waits.single_flight.complete(call)
            start(waits.single_flight, works(done, "next"))

        first = start(waits.single_flight, is_followed)
        assert waits.single_flight.join_then_start(works(done, "own"), lambda: False, 3) is first
        assert (done, waits.max_wait) == ([], [3])

    def test_nobody_waits_for_less_than_no_time(self, clock: MovableClock) -> None:
        """A flight may land later than the wait for it was to end: events need not know negative times."""
        waits, done = Waits(clock), list[str]()
        start(waits.single_flight, lambda _call: clock.move(7))
        assert waits.single_flight.join_then_start(works(done, "own"), lambda: True, 3) is not None
        assert waits.max_wait == [3, 0]

    def test_nobody_waits_where_nothing_is_under_way_and_nothing_may_begin(self, clock: MovableClock) -> None:
        waits, done = Waits(clock), list[str]()
        assert waits.single_flight.join_then_start(works(done, "own"), lambda: False, 3) is None
        assert (done, waits.max_wait) == ([], [])
