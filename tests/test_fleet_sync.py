"""What each process looks at once in a while: when it looks, who waits for that, and what faults cost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import MovableClock
from memory_store import MemoryStore, shared
from servers import complete
from shared_sources import SECRET
from waits import Waits

from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.store import Head, StoreError

INTERVAL = 5


class SlowStore(MemoryStore):
    """A store that is slow while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def look(self, notices: list[str]) -> tuple[Head | None, list[str | None]]:
        self.is_asked.set()
        self.may_answer.wait(5)
        return super().look(notices)


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def waits(clock: MovableClock) -> Waits:
    return Waits(clock)


MakeFleetSync = Callable[..., FleetSync]


@pytest.fixture
def make_fleet_sync(clock: MovableClock, store: SlowStore, waits: Waits) -> MakeFleetSync:
    """Return a factory of what each further process syncs by, which does so while somebody waits."""

    def make(
        interval_seconds: float = INTERVAL,
        single_flight: SingleFlight | None = None,
        store: MemoryStore | None = store,
        secret: str = SECRET,
    ) -> FleetSync:
        return FleetSync(
            shared(store, clock),
            EntrySigner(secret, "fleet"),
            interval_seconds=interval_seconds,
            clock=clock,
            single_flight=single_flight or waits.single_flight,
        )

    return make


@pytest.fixture
def fleet_sync(make_fleet_sync: MakeFleetSync) -> FleetSync:
    """One that has never looked."""
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
    make_fleet_sync().post("name", {"it": "happened"})
    clock.move(INTERVAL)
    fleet_sync.sync_if_due()
    assert heard == [None, {"it": "happened"}]


def test_each_look_is_told_with_whether_it_has_worked(
    fleet_sync: FleetSync, store: SlowStore, clock: MovableClock
) -> None:
    """One that fails as well; not a request that looks for none."""
    told: list[bool] = []
    fleet_sync.subscribe_to_outcomes(told.append)
    for is_away in (False, True, False):
        store.is_away = is_away
        clock.move(2 * INTERVAL)
        fleet_sync.sync_if_due()
        fleet_sync.sync_if_due()
    assert told == [True, False, True]


def test_each_subscriber_hears_what_is_meant_for_it(fleet_sync: FleetSync) -> None:
    """All in one read."""
    heard: dict[str, list[Any]] = {"one": [], "two": []}
    for name in heard:
        fleet_sync.post(name, {"name": name})
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
    make_fleet_sync: MakeFleetSync, store: SlowStore, clock: MovableClock, seconds: float, looks: int
) -> None:
    """Whoever joins it waits for another one then."""
    fleet_sync, heard = make_fleet_sync(single_flight=SingleFlight()), list[Any]()
    fleet_sync.subscribe("name", heard.append)
    store.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fleet_sync.sync_if_due)
        assert store.is_asked.wait(5)
        clock.move(seconds)
        second = pool.submit(fleet_sync.sync_if_due)
        store.may_answer.set()
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


def test_nobody_who_waits_for_a_look_waits_for_what_is_left_to_do(
    fleet_sync: FleetSync, waits: Waits, clock: MovableClock
) -> None:
    """It is done when the look has landed; there need not be anything."""
    under_way: list[object] = []
    left: list[Any] = [None, lambda: under_way.append(waits.single_flight.current)]
    fleet_sync.follow_log(lambda _head: left.pop())
    fleet_sync.sync_now()
    assert under_way == [None]
    clock.move(1)
    assert fleet_sync.sync_now()


# The log


def test_whoever_follows_the_log_hears_where_it_stands_at_each_look(
    fleet_sync: FleetSync, store: SlowStore, clock: MovableClock
) -> None:
    """In the one round trip that reads the notices, after their subscribers; also that there is none."""
    heard: list[Any] = []
    fleet_sync.follow_log(heard.append)
    fleet_sync.subscribe("name", heard.append)
    fleet_sync.sync_now()
    store.begin("log", ["a"], 60)
    clock.move(INTERVAL)
    fleet_sync.sync_if_due()
    assert (heard, store.looks) == ([None, None, None, store.contents_now.head], 2)
    assert isinstance(heard[-1], Head)


def test_nothing_is_looked_at_that_is_shared_with_nobody(make_fleet_sync: MakeFleetSync) -> None:
    """Subscribers and the log hear so, nothing is posted, and no look fails."""
    fleet_sync, heard = make_fleet_sync(store=None), list[Any]()
    fleet_sync.subscribe("name", heard.append)
    fleet_sync.follow_log(heard.append)
    fleet_sync.post("name", {"it": "happened"})
    assert fleet_sync.sync_now()
    assert (heard, fleet_sync.read("name"), fleet_sync.is_failing) == ([None, None], None, False)


def test_a_sync_says_whether_all_is_known(
    make_fleet_sync: MakeFleetSync, store: SlowStore, waits: Waits, clock: MovableClock
) -> None:
    """Not if it failed, if one that has just failed is not made again, or if it takes too long."""
    fleet_sync = make_fleet_sync()
    assert fleet_sync.sync_now()
    store.is_away = True
    assert not fleet_sync.sync_now()
    store.is_away = False
    assert not fleet_sync.sync_now()
    clock.move(10)
    assert fleet_sync.sync_now()
    clock.move(1)
    waits.takes_seconds = 2
    assert not fleet_sync.sync_now()


def test_why_a_look_failed_is_known_if_the_store_says_so(
    fleet_sync: FleetSync, store: SlowStore, clock: MovableClock
) -> None:
    """By its code."""
    assert fleet_sync.failure_code is None
    store.is_away = True
    fleet_sync.sync_now()
    assert fleet_sync.failure_code == "unreachable"
    store.is_away = False
    clock.move(10)
    fleet_sync.follow_log(broken)
    fleet_sync.sync_now()
    assert fleet_sync.failure_code is None


# Faults


def test_nobody_waits_for_looks_that_fail_but_for_the_first_after_a_quiet_time(
    fleet_sync: FleetSync, store: SlowStore, waits: Waits, clock: MovableClock
) -> None:
    """A cache that is back is noticed by the first request of a process that had nothing to do meanwhile."""
    fleet_sync.subscribe("name", lambda _value: None)
    assert not fleet_sync.is_failing
    store.is_away = True
    fleet_sync.sync_if_due()
    assert (len(waits.max_wait), fleet_sync.is_failing) == (1, True)
    for seconds in (1, 1, 5.9):
        clock.move(seconds)
        fleet_sync.sync_if_due()
        assert (len(waits.max_wait), len(waits.begun)) == (1, 1)
        waits.begun.pop()()
        assert fleet_sync.is_failing
    store.is_away = False
    clock.move(6)
    fleet_sync.sync_if_due()
    assert (len(waits.max_wait), fleet_sync.is_failing, fleet_sync.age_seconds) == (2, False, 0)


def test_a_look_that_failed_is_made_again_after_a_second(
    fleet_sync: FleetSync, store: SlowStore, waits: Waits, clock: MovableClock
) -> None:
    """Not at each request, and not only after the interval; an operator waits no less."""
    fleet_sync.subscribe("name", lambda _value: None)
    store.is_away = True
    fleet_sync.sync_if_due()
    clock.move(0.9)
    fleet_sync.sync_if_due()
    fleet_sync.sync_now()
    assert waits.begun == []
    clock.move(0.1 + 1e-6)
    fleet_sync.sync_if_due()
    assert len(waits.begun) == 1


def test_looks_are_waited_for_again_once_one_has_worked(
    make_fleet_sync: MakeFleetSync, store: SlowStore, waits: Waits, clock: MovableClock
) -> None:
    """However lately another one has failed."""
    fleet_sync = make_fleet_sync(interval_seconds=1)
    fleet_sync.subscribe("name", lambda _value: None)
    store.is_away = True
    fleet_sync.sync_if_due()
    store.is_away = False
    clock.move(1)
    fleet_sync.sync_if_due()
    waits.begun.pop()()
    clock.move(1)
    fleet_sync.sync_if_due()
    assert (waits.max_wait, waits.begun) == ([3, 1], [])


def away(_value: Any) -> None:
    raise StoreError("unreachable", "it is away")


def broken(_value: Any) -> None:
    raise LookupError("SPY")


def left_broken(_value: Any) -> Callable[[], None]:
    return lambda: broken(None)


@pytest.mark.parametrize(("on_head", "is_logged"), [(away, False), (broken, True), (left_broken, True)])
def test_whoever_follows_and_fails_is_asked_again_after_a_second(
    fleet_sync: FleetSync,
    waits: Waits,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
    on_head: Any,
    is_logged: bool,
) -> None:
    """Nobody else hears of it; what it has not expected is in the log."""
    fleet_sync.follow_log(on_head)
    fleet_sync.sync_now()
    assert fleet_sync.is_failing
    told = [("auth0_blueprint", logging.ERROR)] if is_logged else []
    assert [(record.name, record.levelno) for record in caplog.records] == told
    fleet_sync.sync_now()
    assert waits.begun == []
    clock.move(1)
    fleet_sync.sync_now()
    assert len(waits.begun) == 1


def test_a_subscriber_that_fails_is_asked_again_after_a_second(fleet_sync: FleetSync, waits: Waits) -> None:
    """As well."""
    fleet_sync.subscribe("name", broken)
    assert not fleet_sync.sync_now()
    assert fleet_sync.is_failing
    fleet_sync.sync_now()
    assert waits.begun == []


def test_a_store_that_answers_for_too_few_is_away(
    fleet_sync: FleetSync,
    heard: list[Any],
    store: SlowStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There is no telling what is meant for whom."""
    monkeypatch.setattr(store, "look", lambda _notices: (None, []))
    assert not fleet_sync.sync_now()
    assert (fleet_sync.is_failing, heard, len(caplog.records)) == (True, [], 1)


# One name, right now


def test_what_stands_under_a_name_can_be_read_right_now(
    fleet_sync: FleetSync, store: SlowStore, make_fleet_sync: MakeFleetSync
) -> None:
    """Or an exception says that the store is unavailable; the same for what is posted."""
    assert fleet_sync.read("name") is None
    make_fleet_sync().post("name", {"it": "happened"})
    assert fleet_sync.read("name") == {"it": "happened"}
    store.is_away = True
    with pytest.raises(StoreError):
        fleet_sync.read("name")
    with pytest.raises(StoreError):
        fleet_sync.post("name", {})


def test_a_notice_is_believed_of_the_fleet_alone_and_under_its_own_name(
    fleet_sync: FleetSync, heard: list[Any], make_fleet_sync: MakeFleetSync, store: SlowStore
) -> None:
    """Not one of another secret, copied from another name, or of anybody; the others are heard all the same."""
    other: list[Any] = []
    fleet_sync.subscribe("other", other.append)
    fleet_sync.post("other", {"it": "happened"})
    for planted in ("garbage", store.contents_now.notices["other"]):
        store.contents_now.notices["name"] = planted
        fleet_sync.sync_now()
    make_fleet_sync(secret="another").post("name", {"it": "happened"})
    fleet_sync.sync_now()
    assert (heard, other) == ([None] * 3, [{"it": "happened"}] * 3)


def test_who_subscribes_while_a_sync_is_under_way_does_not_disturb_it(store: SlowStore, clock: MovableClock) -> None:
    """Key sets come and go where a function says which issuers are ours."""
    sync = FleetSync(shared(store), EntrySigner(SECRET, "store"), interval_seconds=INTERVAL, clock=clock)
    heard: list[str] = []
    sync.subscribe("first", lambda _value: heard.append("first"))
    sync.subscribe("gone", lambda _value: heard.append("gone"))
    store.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        synced = threads.submit(sync.sync_now)
        assert store.is_asked.wait(5)
        sync.subscribe("second", lambda _value: heard.append("second"))
        sync.unsubscribe("gone")
        store.may_answer.set()
        assert synced.result(5)
    assert heard == ["first", "gone"]
    heard.clear()
    assert sync.sync_now()
    assert heard == ["first", "second"]
