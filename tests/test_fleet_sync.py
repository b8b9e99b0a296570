"""The board that each process looks at once in a while: when it looks, who waits for that, and what faults cost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import MovableClock
from servers import complete
from shared_sources import SECRET, DictBackend
from waits import Waits

from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError, SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache

INTERVAL = 5


class Backend(DictBackend):
    """A cache that is away for as long as a test says, and slow while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def get(self, key: str) -> Any:
        self._fail()
        return super().get(key)

    def get_many(self, *keys: str) -> Any:
        self.is_asked.set()
        self.may_answer.wait(5)
        self._fail()
        return super().get_many(*keys)

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self._fail()
        return super().set(key, value, timeout)

    def _fail(self) -> None:
        if self.is_away:
            raise ConnectionError


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def waits(clock: MovableClock) -> Waits:
    return Waits(clock)


MakeFleetSync = Callable[..., FleetSync]


@pytest.fixture
def make_fleet_sync(clock: MovableClock, backend: Backend, waits: Waits) -> MakeFleetSync:
    """Return a factory of boards, each as one more process sees it, which look while somebody waits."""

    def make(
        interval_seconds: float = INTERVAL,
        single_flight: SingleFlight | None = None,
        make_entries: Callable[..., SignedCache] = SignedCache,
    ) -> FleetSync:
        cache = SharedCache(
            lambda: backend, clock=clock, pause_seconds=1, call_within=lambda _seconds, operation: operation()
        )
        return FleetSync(
            make_entries(cache, secret=SECRET, names=("fleet",)),
            interval_seconds=interval_seconds,
            clock=clock,
            single_flight=single_flight or waits.single_flight,
        )

    return make


@pytest.fixture
def fleet_sync(make_fleet_sync: MakeFleetSync) -> FleetSync:
    """A board that was never looked at."""
    return make_fleet_sync()


@pytest.fixture
def heard(fleet_sync: FleetSync) -> list[Any]:
    """What a subscriber has been told at each look."""
    heard: list[Any] = []
    fleet_sync.subscribe("name", heard.append)
    return heard


# When


def test_what_was_posted_is_heard_at_the_next_look(
    fleet_sync: FleetSync, heard: list[Any], make_fleet_sync: MakeFleetSync, clock: MovableClock
) -> None:
    """And who subscribes hears of nothing, too."""
    fleet_sync.sync_if_due()
    make_fleet_sync().post("name", {"it": "happened"}, 60)
    clock.move(INTERVAL)
    fleet_sync.sync_if_due()
    assert heard == [None, {"it": "happened"}]


def test_each_look_is_told_with_whether_it_has_worked(
    fleet_sync: FleetSync, backend: Backend, clock: MovableClock
) -> None:
    """One that fails as well; not a request that looks for none."""
    told: list[bool] = []
    fleet_sync.subscribe_to_outcomes(told.append)
    for is_away in (False, True, False):
        backend.is_away = is_away
        clock.move(2 * INTERVAL)
        fleet_sync.sync_if_due()
        fleet_sync.sync_if_due()
    assert told == [True, False, True]


def test_each_subscriber_hears_what_is_meant_for_it(fleet_sync: FleetSync) -> None:
    """All in one read."""
    heard: dict[str, list[Any]] = {"one": [], "two": []}
    for name in heard:
        fleet_sync.post(name, {"name": name}, 60)
        fleet_sync.subscribe(name, heard[name].append)
    fleet_sync.sync_now()
    assert heard == {"one": [{"name": "one"}], "two": [{"name": "two"}]}


def test_nobody_looks_again_before_the_interval_is_over(
    fleet_sync: FleetSync, heard: list[Any], clock: MovableClock
) -> None:
    """However many requests there are."""
    for seconds, looks in ((0, 1), (INTERVAL - 0.5, 1), (0.25, 1), (0.25, 2), (0, 2)):
        clock.move(seconds)
        fleet_sync.sync_if_due()
        assert len(heard) == looks


def test_with_an_interval_of_0_each_request_looks(make_fleet_sync: MakeFleetSync, clock: MovableClock) -> None:
    """Also two that come in the same moment."""
    fleet_sync, heard = make_fleet_sync(interval_seconds=0), list[Any]()
    fleet_sync.subscribe("name", heard.append)
    for looks, seconds in enumerate((0, 0, 1), start=1):
        clock.move(seconds)
        fleet_sync.sync_if_due()
        assert len(heard) == looks


def test_an_operator_looks_whatever_the_interval_says(fleet_sync: FleetSync, heard: list[Any]) -> None:
    """What was posted before the call is known after it."""
    fleet_sync.sync_if_due()
    fleet_sync.sync_now()
    assert len(heard) == 2


def test_the_age_is_that_of_the_last_look_that_worked(fleet_sync: FleetSync, clock: MovableClock) -> None:
    """It counts from when the look began: what came after that it may not have seen."""
    assert fleet_sync.age_seconds == float("inf")
    fleet_sync.subscribe("name", lambda _value: clock.move(2))
    fleet_sync.sync_if_due()
    assert fleet_sync.age_seconds == 2


# Who waits


def test_a_request_waits_3_seconds_for_the_first_look_and_1_for_another(
    fleet_sync: FleetSync, waits: Waits, clock: MovableClock
) -> None:
    """At most: the first one knows nothing yet."""
    for _ in range(2):
        fleet_sync.sync_if_due()
        clock.move(INTERVAL)
    assert waits.max_wait == [3, 1]


@pytest.mark.parametrize(("seconds", "looks"), [(INTERVAL - 0.5, 1), (INTERVAL, 2), (INTERVAL + 0.5, 2)])
def test_a_look_under_way_is_enough_unless_it_began_too_early(
    make_fleet_sync: MakeFleetSync, backend: Backend, clock: MovableClock, seconds: float, looks: int
) -> None:
    """Whoever joins it waits for another one then."""
    fleet_sync, heard = make_fleet_sync(single_flight=SingleFlight()), list[Any]()
    fleet_sync.subscribe("name", heard.append)
    backend.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fleet_sync.sync_if_due)
        assert backend.is_asked.wait(5)
        clock.move(seconds)
        second = pool.submit(fleet_sync.sync_if_due)
        backend.may_answer.set()
        first.result(10)
        second.result(10)
    complete()
    assert len(heard) == looks


def test_nobody_waits_for_a_look_under_way_before_the_interval_is_over(fleet_sync: FleetSync, waits: Waits) -> None:
    """It was begun for an operator."""
    fleet_sync.sync_if_due()
    waits.takes_seconds = 2
    fleet_sync.sync_now()
    fleet_sync.sync_if_due()
    assert (waits.max_wait, len(waits.begun)) == ([3, 1], 1)


def test_nobody_who_waits_for_a_look_waits_for_what_is_left_to_do(fleet_sync: FleetSync, waits: Waits) -> None:
    """It is done when the look has landed; a subscriber need not leave anything."""
    under_way: list[object] = []
    fleet_sync.subscribe("nothing", lambda _value: None)
    fleet_sync.subscribe("something", lambda _value: lambda: under_way.append(waits.single_flight.current))
    fleet_sync.sync_now()
    assert under_way == [None]


# Faults


def test_nobody_waits_for_looks_that_fail_but_for_the_first_after_a_quiet_time(
    fleet_sync: FleetSync, backend: Backend, waits: Waits, clock: MovableClock
) -> None:
    """A cache that is back is noticed by the first request of a process that had nothing to do meanwhile."""
    fleet_sync.subscribe("name", lambda _value: None)
    assert not fleet_sync.is_failing
    backend.is_away = True
    fleet_sync.sync_if_due()
    assert (len(waits.max_wait), fleet_sync.is_failing) == (1, True)
    for seconds in (1, 1, 5.9):
        clock.move(seconds)
        fleet_sync.sync_if_due()
        assert (len(waits.max_wait), len(waits.begun)) == (1, 1)
        waits.begun.pop()()
        assert fleet_sync.is_failing
    backend.is_away = False
    clock.move(6)
    fleet_sync.sync_if_due()
    assert (len(waits.max_wait), fleet_sync.is_failing, fleet_sync.age_seconds) == (2, False, 0)


def test_a_look_that_failed_is_made_again_after_a_second(
    fleet_sync: FleetSync, backend: Backend, waits: Waits, clock: MovableClock
) -> None:
    """Not at each request, and not only after the interval; an operator waits no less."""
    fleet_sync.subscribe("name", lambda _value: None)
    backend.is_away = True
    fleet_sync.sync_if_due()
    clock.move(0.9)
    fleet_sync.sync_if_due()
    fleet_sync.sync_now()
    assert waits.begun == []
    clock.move(0.1 + 1e-6)
    fleet_sync.sync_if_due()
    assert len(waits.begun) == 1


def test_looks_are_waited_for_again_once_one_has_worked(
    make_fleet_sync: MakeFleetSync, backend: Backend, waits: Waits, clock: MovableClock
) -> None:
    """However lately another one has failed."""
    fleet_sync = make_fleet_sync(interval_seconds=1)
    fleet_sync.subscribe("name", lambda _value: None)
    backend.is_away = True
    fleet_sync.sync_if_due()
    backend.is_away = False
    clock.move(1)
    fleet_sync.sync_if_due()
    waits.begun.pop()()
    clock.move(1)
    fleet_sync.sync_if_due()
    assert (waits.max_wait, waits.begun) == ([3, 1], [])


def away(_value: Any) -> None:
    raise CacheUnavailableError


def broken(_value: Any) -> None:
    raise LookupError("SPY")


def left_broken(_value: Any) -> Callable[[], None]:
    return lambda: broken(None)


@pytest.mark.parametrize(("on_change", "is_logged"), [(away, False), (broken, True), (left_broken, True)])
def test_a_subscriber_that_fails_is_asked_again_after_a_second(
    fleet_sync: FleetSync,
    waits: Waits,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
    on_change: Any,
    is_logged: bool,
) -> None:
    """Nobody else hears of it; what it has not expected is in the log."""
    fleet_sync.subscribe("name", on_change)
    fleet_sync.sync_now()
    assert fleet_sync.is_failing
    told = [("auth0_blueprint", logging.ERROR)] if is_logged else []
    assert [(record.name, record.levelno) for record in caplog.records] == told
    fleet_sync.sync_now()
    assert waits.begun == []
    clock.move(1)
    fleet_sync.sync_now()
    assert len(waits.begun) == 1


def test_a_cache_that_answers_for_too_few_is_away(
    make_fleet_sync: MakeFleetSync, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no telling what is meant for whom."""

    class TooFew(SignedCache):
        def read_many(self, kind: str, names: list[str]) -> list[Any]:
            return super().read_many(kind, names)[1:]

    fleet_sync = make_fleet_sync(make_entries=TooFew)
    fleet_sync.subscribe("name", lambda _value: None)
    fleet_sync.sync_now()
    assert (fleet_sync.is_failing, len(caplog.records)) == (True, 1)


# One name, right now


def test_processes_of_two_releases_have_one_board(fleet_sync: FleetSync, backend: Backend) -> None:
    """It stays where it is."""
    fleet_sync.post("name", {}, 60)
    assert backend.only_key.startswith("auth0-board-name-")


def test_what_stands_under_a_name_can_be_read_right_now(
    fleet_sync: FleetSync, backend: Backend, make_fleet_sync: MakeFleetSync
) -> None:
    """Or an exception says that the cache is unavailable; the same for what is posted."""
    assert fleet_sync.read("name") is None
    make_fleet_sync().post("name", {"it": "happened"}, 60)
    assert fleet_sync.read("name") == {"it": "happened"}
    backend.is_away = True
    with pytest.raises(CacheUnavailableError):
        fleet_sync.read("name")
    with pytest.raises(CacheUnavailableError):
        fleet_sync.post("name", {}, 60)
