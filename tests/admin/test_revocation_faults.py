"""Revocations while the shared cache is away, empty, torn or forged."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from conftest import MovableClock
from fleet_of_revokers import Process, RevokerFleet

from auth0_blueprint.errors import RevocationUnavailableError


@pytest.fixture
def fleet(clock: MovableClock) -> RevokerFleet:
    return RevokerFleet(clock)


def let_pass(fleet: RevokerFleet, *processes: Process, intervals: int = 3) -> None:
    """Let time go by, with requests in each of *processes*."""
    for _ in range(intervals):
        fleet.pass_interval()
        for process in processes:
            process.lets_in("x")


def test_an_emptied_cache_is_filled_by_whoever_knows(fleet: RevokerFleet, caplog: pytest.LogCaptureFixture) -> None:
    """Revoked tokens stay out, also of a process that starts afterwards; log and health say so for a while."""
    process = fleet.process()
    process.revoke("a", "b")
    process.lift("b")
    fleet.backend.values.clear()
    with caplog.at_level(logging.WARNING):
        let_pass(fleet, process, intervals=1)
    assert "the shared cache lost its revocations; this process restored those it knew" in caplog.text
    assert process.revocations.status().was_restored
    assert not process.lets_in("a")
    newcomer = fleet.process()
    assert (newcomer.lets_in("a"), newcomer.lets_in("b")) == (False, True)
    assert not newcomer.revocations.status().was_restored
    fleet.clock.move(600)
    assert not process.revocations.status().was_restored


@pytest.mark.parametrize("garbage", ["garbage", "", 7, None, '["revocations", {}]'])
def test_a_head_that_is_gone_or_forged_is_written_anew(fleet: RevokerFleet, garbage: Any) -> None:
    """Whatever lies there instead."""
    process = fleet.process()
    process.revoke("a", "b")
    let_pass(fleet, process)
    fleet.backend.values[fleet.backend.head_key] = garbage
    let_pass(fleet, process, intervals=1)
    newcomer = fleet.process()
    assert not newcomer.lets_in("a")
    assert not newcomer.lets_in("b")
    newcomer.revoke("c")
    let_pass(fleet, process)
    assert not process.lets_in("c")


def test_two_who_fill_an_emptied_cache_at_once_lose_nothing(fleet: RevokerFleet) -> None:
    """Each knows something that the other does not."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    let_pass(fleet, first, second)
    first.revoke("only the first")
    second.revocations._apply([_ for _ in first.revocations._index if _.value == "a"])
    fleet.backend.values.clear()
    second.revoke("only the second")

    def let_second_fill_in_between(_key: str) -> None:
        fleet.backend.before_adding = lambda _key: None
        second.lets_in("x")

    fleet.backend.before_adding = let_second_fill_in_between
    let_pass(fleet, first, second)
    for process in (first, second, fleet.process()):
        for token_id in ("a", "only the first", "only the second"):
            assert not process.lets_in(token_id), token_id


def test_who_dies_while_filling_is_replaced(fleet: RevokerFleet) -> None:
    """By whoever else knows, once it would have been done."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a", "b", "c")
    let_pass(fleet, first, second)
    fleet.backend.values.clear()
    fleet.backend.dies_after = 3
    fleet.pass_interval()
    first.lets_in("x")  # begins, and dies
    fleet.backend.dies_after, fleet.backend.is_away = None, False
    let_pass(fleet, second, intervals=8)
    newcomer = fleet.process()
    assert not any(newcomer.lets_in(token_id) for token_id in "abc")


def test_an_older_head_put_back_hides_nothing_for_longer_than_an_interval(fleet: RevokerFleet) -> None:
    """A process that has seen more writes the later one again."""
    process = fleet.process()
    process.revoke("a")
    older = fleet.backend.values[fleet.backend.head_key]
    process.revoke("b")
    let_pass(fleet, process)
    fleet.backend.values[fleet.backend.head_key] = older
    assert not process.lets_in("b")
    let_pass(fleet, process, intervals=1)
    assert not fleet.process().lets_in("b")


def test_a_head_of_an_older_log_put_back_is_filled_up(fleet: RevokerFleet) -> None:
    """With whatever that log lacks."""
    process = fleet.process()
    process.revoke("a")
    old_values = dict(fleet.backend.values)
    fleet.backend.values.clear()
    let_pass(fleet, process)
    process.revoke("b")
    let_pass(fleet, process)
    fleet.backend.values.update(old_values)
    let_pass(fleet, process)
    newcomer = fleet.process()
    assert not newcomer.lets_in("a")
    assert not newcomer.lets_in("b")


@pytest.mark.parametrize("tamper", ["forged", "swapped", "missing", "of another kind"])
def test_an_entry_that_is_not_ours_is_ignored_and_hides_no_other(fleet: RevokerFleet, tamper: str) -> None:
    """Who has read the true one keeps it. An entry belongs to its number."""
    process = fleet.process()
    process.revoke("a", "b", "c")
    _, second, third = fleet.backend.entries()
    values = fleet.backend.values
    if tamper == "forged":
        values[second] = values[second].replace("jti", "ijt")
    elif tamper == "swapped":
        values[second] = values[third]
    elif tamper == "of another kind":
        values[second] = values[fleet.backend.head_key]
    else:
        del values[second]
    newcomer = fleet.process()
    assert [newcomer.lets_in(token_id) for token_id in "abc"] == [False, True, False]
    assert newcomer.entries.ignored == (0 if tamper == "missing" else 1)
    let_pass(fleet, process)
    assert not process.lets_in("b")
    newcomer.revoke("d")
    let_pass(fleet, process)
    assert not process.lets_in("d")


def test_the_entries_of_another_log_are_not_those_of_this_one(fleet: RevokerFleet) -> None:
    """Under the same numbers."""
    process = fleet.process()
    process.revoke("a")
    process.lift("a")
    first, _ = fleet.backend.entries()
    old = fleet.backend.values[first]
    fleet.backend.values.clear()
    let_pass(fleet, process, intervals=1)
    (only,) = fleet.backend.entries()
    fleet.backend.values[only] = old
    newcomer = fleet.process()
    assert newcomer.lets_in("a")
    assert newcomer.entries.ignored == 1


@pytest.mark.parametrize("is_known", [False, True])
def test_what_cannot_be_shared_is_refused_and_changes_nothing(fleet: RevokerFleet, is_known: bool) -> None:
    """Neither a revocation nor its lifting."""
    process = fleet.process()
    if is_known:
        process.revoke("a")
    process.lets_in("x")
    fleet.backend.is_away = True
    with pytest.raises(RevocationUnavailableError) as refused:
        process.lift("a") if is_known else process.revoke("a")
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("not_stored", 1)
    assert process.lets_in("a") is not is_known
    fleet.backend.is_away = False
    let_pass(fleet, process)
    assert process.lets_in("a") is not is_known


@pytest.mark.parametrize("operations", range(1, 8))
def test_a_cache_that_dies_in_the_middle_of_it_leaves_nothing_in_force_here(
    fleet: RevokerFleet, operations: int
) -> None:
    """Wherever it dies. Made again, it holds everywhere."""
    process, other = fleet.process(), fleet.process()
    process.revoke("before")
    let_pass(fleet, process, other)
    fleet.backend.dies_after = operations
    try:
        process.revoke("a")
        was_told = True
    except RevocationUnavailableError:
        was_told = False
        assert process.lets_in("a")
    fleet.backend.is_away, fleet.backend.dies_after = False, None
    fleet.clock.move(1)
    if not was_told:
        process.revoke("a")
    let_pass(fleet, process, other)
    for one in (process, other, fleet.process()):
        assert not one.lets_in("a")
        assert not one.lets_in("before")


def test_a_process_that_was_cut_off_for_an_hour_goes_on_and_catches_up(fleet: RevokerFleet) -> None:
    """With what it knew; health warns meanwhile."""
    process, other = fleet.process(), fleet.process()
    process.revoke("a")
    let_pass(fleet, process, other)
    cache, fleet.backend.is_away = fleet.backend.values, True
    for _ in range(360):
        fleet.clock.move(10)
        assert not other.lets_in("a")
        assert other.lets_in("b")
    assert not other.revocations.status().is_current
    fleet.backend.is_away = False
    process.lets_in("x")
    process.revoke("b")
    fleet.clock.move(1)
    other.lets_in("x")
    assert not other.lets_in("b")
    assert other.revocations.status().is_current
    assert cache is fleet.backend.values


def test_a_process_told_to_deny_refuses_once_it_is_out_of_touch(fleet: RevokerFleet) -> None:
    """Not before, and not after the cache is back."""
    process = fleet.process(is_denying=True)
    assert process.lets_in("a")
    fleet.backend.is_away = True
    fleet.clock.move(60)
    assert process.lets_in("a")
    fleet.clock.move(1)
    with pytest.raises(RevocationUnavailableError) as refused:
        process.lets_in("a")
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("out_of_touch", 1)
    fleet.backend.is_away = False
    fleet.clock.move(1)
    assert process.lets_in("a")


@pytest.mark.parametrize("is_denying", [False, True])
def test_a_process_that_has_never_reached_the_store_does_as_it_is_told(fleet: RevokerFleet, is_denying: bool) -> None:
    """From its first request."""
    process = fleet.process(is_denying=is_denying)
    fleet.backend.is_away = True
    if is_denying:
        with pytest.raises(RevocationUnavailableError):
            process.lets_in("a")
    else:
        assert process.lets_in("a")
    assert process.revocations.status().age_seconds is None
    assert not process.revocations.status().is_current


def test_one_unreadable_text_does_not_hide_the_others(fleet: RevokerFleet) -> None:
    """A backend may raise for all when one of them makes no sense to it."""
    process = fleet.process()
    process.revoke("a", "b", "c")
    unreadable = fleet.backend.entries()[1]
    get_many, get = fleet.backend.get_many, fleet.backend.get

    def get_or_raise(key: str) -> Any:
        if key == unreadable:
            raise RecursionError
        return get(key)

    def get_many_or_raise(*keys: str) -> Any:
        if unreadable in keys:
            raise RecursionError
        return get_many(*keys)

    fleet.backend.get, fleet.backend.get_many = get_or_raise, get_many_or_raise  # type: ignore[method-assign]
    newcomer = fleet.process()
    assert [newcomer.lets_in(token_id) for token_id in "abc"] == [False, True, False]
