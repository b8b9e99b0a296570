"""Turns to ask the issuer: one process of a fleet at a time has the lease, and a dead one holds nobody up."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import pytest
from conftest import MovableClock
from memory_store import MemoryStore
from servers import ScriptedIssuer, complete, document
from shared_sources import ATTEMPT, DictBackend, Fleet

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import KeySetUnavailableError


@pytest.fixture
def fleet(clock: MovableClock) -> Fleet:
    clock.sleep = lambda _seconds: None
    return Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)


def take_lease(fleet: Fleet) -> Any:
    """Return the lease that one more process gets, which it has to get at once."""
    turns = fleet.shared().fleet.wait_for_turn()
    assert next(turns) is None
    lease = next(turns)
    assert lease is not None
    return lease


def test_the_first_to_ask_gets_the_lease_at_once_and_once(fleet: Fleet) -> None:
    """It looks for news, and once more when it has the lease: the news may have come just before."""
    none, lease = islice(fleet.shared().fleet.wait_for_turn(), 100)
    assert none is None
    assert lease is not None


@pytest.mark.parametrize("seconds", [0.1, ATTEMPT - 0.1])
def test_a_lease_in_force_is_waited_for(fleet: Fleet, clock: MovableClock, seconds: float) -> None:
    """Another process may be asking the issuer right now."""
    take_lease(fleet)
    clock.move(seconds)
    turns = fleet.shared().fleet.wait_for_turn()
    assert [next(turns), next(turns), next(turns)] == [None, None, None]


@pytest.mark.parametrize("kept_seconds", [ATTEMPT, 3600])
def test_a_lease_ends_by_itself(fleet: Fleet, clock: MovableClock, kept_seconds: float) -> None:
    """A holder that has died costs nobody more than the time of one fetch, however long the store keeps its lease."""
    take_lease(fleet)
    fleet.store.put("lease", str(fleet.store.value_of("lease")), kept_seconds)
    clock.move(ATTEMPT)
    take_lease(fleet)


def test_a_lease_that_was_overtaken_is_waited_for_again(fleet: Fleet, clock: MovableClock) -> None:
    """Not all processes that waited for a dead holder ask at once."""
    take_lease(fleet)
    late = fleet.shared().fleet.wait_for_turn()
    assert [next(late), next(late)] == [None, None]
    clock.move(ATTEMPT)
    take_lease(fleet)
    assert next(late) is None


def test_nobody_waits_for_ever(fleet: Fleet, clock: MovableClock) -> None:
    """When leases come and go without news, a process asks by itself."""
    clock.sleep = clock.move
    began = clock.now
    for turn in islice(fleet.shared().fleet.wait_for_turn(), 100):
        if turn is None:
            text = fleet.shared().fleet._signer.sign("lease", "", {"holder": "x", "until": clock.now + ATTEMPT})
            fleet.store.put("lease", text, ATTEMPT)
    assert turn is not None
    assert 0 <= clock.now - began - 2 * ATTEMPT <= 1  # one pause at most


def test_who_has_waited_for_two_attempts_does_not_wait_for_a_third(fleet: Fleet, clock: MovableClock) -> None:
    """The time of one that died, and of one that took over. The lease stays with whoever has it."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.move(ATTEMPT)
        take_lease(fleet)

    take_lease(fleet)
    clock.sleep = pause
    *_, last = fleet.shared().fleet.wait_for_turn()
    assert len(pauses) == 2
    assert last is not None
    last.release()
    assert fleet.store.value_of("lease")


@pytest.mark.parametrize("text", ["", "garbage", '{"holder": "x", "until": 9999999999}.forged', 17, {"a": []}])
def test_a_lease_that_is_not_ours_is_overwritten(fleet: Fleet, text: Any) -> None:
    """It holds nobody up."""
    take_lease(fleet)
    fleet.store.put("lease", text, ATTEMPT)
    take_lease(fleet)
    assert fleet.store.value_of("lease") != text


def test_a_lease_from_the_far_future_is_overwritten(fleet: Fleet, clock: MovableClock) -> None:
    """Clocks may differ by 5 s. More would make everybody wait for too long."""
    clock.move(5)
    take_lease(fleet)
    clock.move(-5)
    turns = fleet.shared().fleet.wait_for_turn()
    assert [next(turns), next(turns)] == [None, None]
    clock.move(-0.1)
    take_lease(fleet)


def test_the_pause_between_two_looks_is_that_of_today(
    fleet: Fleet, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gevent replaces `time.sleep`, and may do so after the package was imported."""
    pauses: list[float] = []
    clock.sleep = Clock().sleep
    take_lease(fleet)
    turns = fleet.shared().fleet.wait_for_turn()
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert [next(turns), next(turns), next(turns)] == [None, None, None]
    assert len(pauses) == 2


def test_a_store_that_says_there_is_a_lease_and_has_none_holds_nobody_up(fleet: Fleet, clock: MovableClock) -> None:
    """It has expired, or was given back, in between."""

    class Forgetful(MemoryStore):
        def take(self, name: str, value: str, seconds: float) -> bool:
            return False

    fleet.store = Forgetful(clock)
    take_lease(fleet)
    assert fleet.store.value_of("lease")


def test_a_store_that_is_away_holds_nobody_up(fleet: Fleet) -> None:
    """Nobody else can have the lease either."""
    take_lease(fleet)
    fleet.store.is_away = True
    take_lease(fleet).release()


def test_who_cannot_read_what_others_fetch_does_not_wait_for_them(
    fleet: Fleet, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is asked again a second after a failure, the cache after thirty."""
    take_lease(fleet)
    shared = fleet.shared()
    with monkeypatch.context() as patched:
        patched.setattr(fleet.backend, "get", lambda _key: 1 / 0)
        assert shared.read() is None
    _, *turns = islice(shared.fleet.wait_for_turn(), 2)
    assert turns != [None]
    clock.move(30)
    fleet.store.flush()
    take_lease(fleet)
    assert list(islice(shared.fleet.wait_for_turn(), 3)) == [None] * 3


def test_who_shares_a_cache_without_a_store_has_each_turn(fleet: Fleet) -> None:
    """As in the memory of one process."""
    for _ in range(2):
        _, lease = fleet.shared(store=None).fleet.wait_for_turn()
        assert lease is not None
        lease.release()
    assert fleet.store.value_of("lease") is None


def test_who_waits_for_a_turn_looks_ever_more_seldom(fleet: Fleet, clock: MovableClock) -> None:
    """A thousand processes that wait for an issuer that hangs are many for one cache."""
    take_lease(fleet)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        clock.move(seconds)

    clock.sleep, clock.uniform = pause, max
    *_, lease = fleet.shared().fleet.wait_for_turn()
    assert waits == [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1]
    assert lease is not None


def test_two_who_wait_for_a_turn_seldom_look_at_the_same_time(fleet: Fleet, clock: MovableClock) -> None:
    """Each pause is drawn between a quarter of the longest and the longest."""
    take_lease(fleet)
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    clock.sleep, clock.uniform = clock.move, draw
    list(fleet.shared().fleet.wait_for_turn())
    assert drawn
    assert all(low == high / 4 for low, high in drawn)


# Giving it back


def test_the_lease_is_given_back(fleet: Fleet) -> None:
    """The next attempt does not have to wait for its end."""
    fleet.warm_process()
    assert fleet.store.value_of("lease") is None


def test_the_lease_of_another_is_not_given_back(fleet: Fleet, clock: MovableClock) -> None:
    """Whoever was overtaken leaves the lease to whoever has it now."""
    fleet.scripted.hold()
    with pytest.raises(KeySetUnavailableError):
        fleet.process().snapshot(max_wait_seconds=0)
    assert fleet.scripted.is_still_answering()
    clock.move(ATTEMPT)
    lease = take_lease(fleet)
    fleet.scripted.release()
    complete()
    assert fleet.store.value_of("lease")
    lease.release()
    assert fleet.store.value_of("lease") is None
