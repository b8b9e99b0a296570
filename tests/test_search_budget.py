"""How often unknown key ids may make a fleet ask its issuer, whatever becomes of the store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MovableClock, middle
from memory_store import MemoryStore
from shared_sources import COOLDOWN, DictBackend, make_shared

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.keysets.search_budget import SearchBudget

Make = Callable[..., SearchBudget]


@pytest.fixture
def store(clock: MovableClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def make(clock: MovableClock, store: MemoryStore) -> Make:
    """Make the budget of one more process."""
    backend: Any = DictBackend()

    def make(is_sharing: bool = True, cooldown: float = COOLDOWN, clock: Clock = clock) -> SearchBudget:
        shared = make_shared(clock, lambda: backend, store=store) if is_sharing else make_shared(clock, secret=None)
        return SearchBudget(shared.fleet, cooldown_seconds=cooldown, clock=clock)

    return make


def spent_by(budgets: list[SearchBudget], clock: MovableClock, seconds: float = 4 * COOLDOWN) -> list[float]:
    """Spend whatever there is, in turn, every tenth of a second; return when each search was made."""
    began, at = clock.now, list[float]()
    while clock.now < began + seconds:
        for budget in budgets:
            while budget.may_have_any and budget.spend():
                at.append(clock.now - began)
        clock.move(0.1)
    return at


@pytest.mark.parametrize(("is_sharing", "number"), [(False, 1), (True, 1), (True, 5)])
def test_three_searches_at_once_and_then_one_in_each_third_of_a_cooldown(
    make: Make, clock: MovableClock, is_sharing: bool, number: int
) -> None:
    """The first four are apart as the slots are; never are there more than three in a cooldown."""
    at = spent_by([make(is_sharing) for _ in range(number)], clock)
    assert at[:3] == [0, 0, 0]
    # Whoever finds a slot still taken comes again after a second.
    assert at[3:6] == [pytest.approx(due + 0.5, abs=0.7) for due in (30, 40, 50)]
    assert all(later - earlier >= COOLDOWN - 1e-3 for earlier, later in zip(at, at[3:], strict=False))
    assert len(at) >= 9


def test_a_store_that_goes_away_leaves_a_budget_to_each_process(
    make: Make, clock: MovableClock, store: MemoryStore
) -> None:
    """No process makes more than three by itself, whether the store is away, comes back, or has lost everything."""
    first, second = make(), make()
    assert [first.spend(), first.spend()] == [True, True]
    store.is_away = True
    assert [second.spend() for _ in range(4)] == [True, True, True, False]
    assert [first.spend(), first.spend()] == [True, False]
    store.is_away = False
    store.flush()
    clock.move(2)
    assert not first.spend()


@pytest.mark.parametrize("text", ["", "{}", "null", "garbage.signature"])
def test_whoever_can_write_to_the_store_cannot_stop_the_searches(
    make: Make, store: MemoryStore, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody of the fleet has signed is overwritten, and said once."""
    for number in range(3):
        store.put(f"search-{number}", text, 1e9)
    assert make().spend()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_slot_that_was_kept_too_long_is_taken_over(make: Make, clock: MovableClock, store: MemoryStore) -> None:
    """A store that forgets no expiry, or somebody who puts a slot of the fleet back, holds up nobody for ever."""
    first = make()
    for _ in range(3):
        first.spend()
    for number in range(3):
        store.put(f"search-{number}", str(store.value_of(f"search-{number}")), 1e9)
    clock.move(2 * COOLDOWN)
    assert make().spend()


@pytest.mark.parametrize("seconds", [-4.9, 4.9])
def test_clocks_that_differ_end_no_slot_early(make: Make, clock: MovableClock, seconds: float) -> None:
    other = MovableClock(clock.now + seconds)
    budget = make()
    assert [budget.spend() for _ in range(3)] == [True] * 3
    for moved in (0, 24, 5):
        for one in (clock, other):
            one.move(moved)
        assert not make(clock=other).spend()


@pytest.mark.parametrize(("uniform", "seconds"), [(min, 0), (middle, 2.5), (max, 5)])
def test_slots_come_back_apart_in_processes_that_were_refused_together(
    make: Make, clock: MovableClock, uniform: Callable[[float, float], float], seconds: float
) -> None:
    """Without a store: a slot of a search that failed is kept up to 5 s longer, at random, and only once."""
    clock.uniform = uniform
    budget = make(is_sharing=False)
    budget.spread()
    for _ in range(3):
        budget.spend()
        budget.spread()
        budget.spread()
    assert spent_by([budget], clock, COOLDOWN + 6)[0] == pytest.approx(COOLDOWN + seconds, abs=0.11)


def test_a_cooldown_of_0_forbids_nothing(make: Make) -> None:
    budget = make(cooldown=0)
    assert all(budget.may_have_any and budget.spend() for _ in range(100))


def test_one_at_a_time_asks_the_store_little(make: Make, store: MemoryStore) -> None:
    """Slots that are known to be taken are not asked for again."""
    first, second = make(), make()
    for _ in range(3):
        first.spend()
    assert [second.spend(), second.may_have_any] == [False, False]
