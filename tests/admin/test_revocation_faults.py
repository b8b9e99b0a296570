"""Revocations while a process starts, is out of touch, or shares with processes of the release before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MovableClock
from fleet_of_revokers import STALE, FragileStore, Process, RevokerFleet

from auth0_blueprint.errors import RevocationUnavailableError
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.revocation.previous_log import TAKEOVER_INTERVAL_SECONDS, TAKEOVER_SECONDS


@pytest.fixture
def fleet(clock: MovableClock) -> RevokerFleet:
    return RevokerFleet(clock)


def answer(process: Process, token_id: str) -> str:
    """Return what a request gets: ``admitted``, ``revoked``, or why it gets 503."""
    try:
        return "admitted" if process.lets_in(token_id) else "revoked"
    except RevocationUnavailableError as exc:
        return str(exc.reason) if exc.retry_after_seconds == 1 else "without Retry-After"


# Starting up


def slow(store: FragileStore) -> None:
    store.is_slow = True


def hanging(store: FragileStore) -> None:
    store.is_hanging = True


@pytest.mark.parametrize("is_denying", [False, True])
@pytest.mark.parametrize("fault", [slow, hanging])
def test_nobody_is_admitted_before_the_set_is_loaded(
    fleet: RevokerFleet, fault: Callable[[FragileStore], None], is_denying: bool
) -> None:
    """While the store can be reached, however slow it is: 503, for as long as that may be so. Then never again."""
    fleet.process().revoke("a")
    newcomer = fleet.process(is_denying=is_denying)
    fault(fleet.store)
    assert not newcomer.revocations.status().is_loaded
    for _ in range(STALE + 1):
        assert answer(newcomer, "a") == answer(newcomer, "b") == "loading"
        fleet.clock.move(1)
    fleet.store.mend()
    assert (answer(newcomer, "a"), answer(newcomer, "b")) == ("revoked", "admitted")
    assert newcomer.revocations.status().is_loaded
    fault(fleet.store)
    fleet.clock.move(STALE)
    assert (answer(newcomer, "a"), answer(newcomer, "b")) == ("revoked", "admitted")


def test_a_store_that_is_slow_for_too_long_counts_as_away(fleet: RevokerFleet) -> None:
    """After the time for which a process may be out of touch, `allow` admits."""
    fleet.process().revoke("a")
    newcomer = fleet.process()
    fleet.store.is_hanging = True
    assert answer(newcomer, "b") == "loading"
    fleet.clock.move(STALE)
    assert answer(newcomer, "b") == "loading"
    fleet.clock.move(1)
    assert answer(newcomer, "b") == "admitted"
    fleet.store.mend()
    fleet.clock.move(1)
    assert (answer(newcomer, "a"), answer(newcomer, "b")) == ("revoked", "admitted")


@pytest.mark.parametrize(("is_denying", "expected"), [(False, "admitted"), (True, "out_of_touch")])
def test_a_process_that_has_never_reached_the_store_does_as_it_is_told(
    fleet: RevokerFleet, is_denying: bool, expected: str
) -> None:
    """From its first request, and until it has."""
    fleet.process().revoke("a")
    process = fleet.process(is_denying=is_denying)
    fleet.store.is_away = True
    assert answer(process, "a") == expected
    status = process.revocations.status()
    assert (status.age_seconds, status.is_current, status.is_loaded) == (None, False, False)
    fleet.store.mend()
    fleet.clock.move(1)
    assert (answer(process, "a"), answer(process, "b")) == ("revoked", "admitted")


def test_a_process_before_its_first_sync_admits_nobody(fleet: RevokerFleet) -> None:
    """Nothing has failed, and nothing is known."""
    process = fleet.process()
    process.fleet_sync.sync_if_due = lambda: None  # type: ignore[method-assign]
    assert answer(process, "a") == "loading"


def test_a_process_that_shares_with_nobody_asks_nobody(fleet: RevokerFleet) -> None:
    """It is ready at once, and knows what it was told; the store is not touched."""
    process = fleet.process(is_alone=True)
    process.revoke("a")
    fleet.pass_interval(process, times=20)
    assert (answer(process, "a"), answer(process, "b")) == ("revoked", "admitted")
    assert process.lift("a")
    assert not process.lift("b")
    assert answer(process, "a") == "admitted"
    status = process.revocations.status()
    assert (status.reach, status.is_loaded, status.is_current) == ("process", True, True)
    assert fleet.store.asked == []


# Out of touch


def test_a_process_that_was_cut_off_for_an_hour_goes_on_and_catches_up(fleet: RevokerFleet) -> None:
    """With what it knew; health warns meanwhile."""
    process, other = fleet.process(), fleet.process()
    process.revoke("a")
    fleet.pass_interval(process, other)
    fleet.store.is_away = True
    for _ in range(360):
        fleet.clock.move(10)
        assert not other.lets_in("a")
        assert other.lets_in("b")
    assert not other.revocations.status().is_current
    fleet.store.is_away = False
    process.lets_in("x")
    process.revoke("b")
    fleet.clock.move(1)
    other.lets_in("x")
    assert not other.lets_in("b")
    assert other.revocations.status().is_current


def test_a_process_told_to_deny_refuses_once_it_is_out_of_touch(fleet: RevokerFleet) -> None:
    """Not before, and not after the store is back."""
    process = fleet.process(is_denying=True)
    assert process.lets_in("a")
    fleet.store.is_away = True
    fleet.clock.move(60)
    assert process.lets_in("a")
    fleet.clock.move(1)
    with pytest.raises(RevocationUnavailableError) as refused:
        process.lets_in("a")
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("out_of_touch", 1)
    fleet.store.is_away = False
    fleet.clock.move(1)
    assert process.lets_in("a")


def test_a_store_that_takes_no_writes_keeps_nobody_out_of_touch(fleet: RevokerFleet) -> None:
    """All that there is can be read, also by a process told to deny."""
    process = fleet.process(is_denying=True)
    process.revoke("a")
    fleet.pass_interval(process)
    fleet.store.flush()
    fleet.store.refuses_writes = True
    for _ in range(30):
        fleet.pass_interval(process)
        assert (answer(process, "a"), answer(process, "b")) == ("revoked", "admitted")
    assert process.revocations.status().is_current
    assert process.store.writes.code == "read_only"


def test_a_lifting_that_cannot_be_looked_up_is_not_answered_by_404(fleet: RevokerFleet) -> None:
    """There may be one to lift, which this process has not seen."""
    process, newcomer = fleet.process(), fleet.process()
    process.revoke("a")
    fleet.store.is_away = True
    with pytest.raises(RevocationUnavailableError):
        newcomer.lift("a")


# Processes of the release before


class Predecessor:
    """A process of the release before: it appends to a log of its own layout, in the cache."""

    def __init__(self, fleet: RevokerFleet, epoch: str = "e") -> None:
        self._fleet = fleet
        self._entries = fleet.previous_entries()
        self._epoch = epoch
        self._next = 0

    def revoke(self, *values: str, seconds: float = 3600, **members: Any) -> None:
        now = self._fleet.clock.now
        for value in values:
            made = Revocation("jti", value, None, now + seconds, now)._replace(**members)
            self._entries.write("revocation", made._asdict(), 99, name=f"{self._epoch}-{self._next}")
            self._next += 1
        manifest = {"epoch": self._epoch, "first": 0, "next": self._next, "filled_at": 0}
        self._entries.write("board", manifest, 99, name="revocations")


def test_what_the_release_before_has_revoked_is_taken_over(
    fleet: RevokerFleet, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, by whoever is first, and for all: also once the earlier log is gone."""
    predecessor = Predecessor(fleet)
    predecessor.revoke(*(f"old-{number}" for number in range(450)))
    predecessor.revoke("old-7", is_lifted=True, changed_at=fleet.clock.now + 1)
    predecessor.revoke("expired", seconds=0)
    first, second = fleet.process(), fleet.process()
    with caplog.at_level(logging.INFO, logger="auth0_blueprint"):
        assert answer(first, "old-449") == "revoked"
    assert "took over 450 revocations from an earlier release" in caplog.text
    assert "lost" not in caplog.text
    version = fleet.store.head.version
    for process in (first, second, fleet.process()):
        assert [answer(process, value) for value in ("old-0", "old-7", "expired", "new")] == [
            "revoked",
            "admitted",
            "admitted",
            "admitted",
        ]
    assert fleet.store.head.version == version
    fleet.cache.values.clear()
    assert answer(fleet.process(), "old-448") == "revoked"
    fleet.pass_interval(first)
    assert len(first.changed) == len(first.known) == 450


def test_what_it_revokes_later_is_taken_over_within_a_minute(fleet: RevokerFleet) -> None:
    """For an hour after this process has started; then there are none of that release any more."""
    predecessor = Predecessor(fleet)
    process = fleet.process()
    process.lets_in("x")
    for number in range(3):
        predecessor.revoke(str(number))
        fleet.pass_interval(process)
        assert answer(process, str(number)) == "admitted"
        fleet.clock.move(TAKEOVER_INTERVAL_SECONDS)
        assert answer(process, str(number)) == "revoked"
        assert answer(fleet.process(), str(number)) == "revoked"
    calls = fleet.cache.calls
    process.fleet_sync.sync_now()
    assert fleet.cache.calls == calls
    predecessor = Predecessor(fleet, "another log")
    predecessor.revoke("of another log")
    fleet.clock.move(TAKEOVER_INTERVAL_SECONDS)
    assert answer(process, "of another log") == "revoked"
    fleet.clock.move(TAKEOVER_SECONDS)
    predecessor.revoke("too late")
    fleet.pass_interval(process)
    assert answer(process, "too late") == "admitted"


def test_the_later_change_counts_in_both_releases(fleet: RevokerFleet) -> None:
    """A revocation that was lifted here does not come back from there."""
    predecessor, process = Predecessor(fleet), fleet.process()
    predecessor.revoke("a", "b")
    assert answer(process, "a") == "revoked"
    fleet.clock.move(1)
    process.lift("a")
    assert answer(fleet.process(), "a") == "admitted"
    fleet.clock.move(TAKEOVER_INTERVAL_SECONDS)
    predecessor.revoke("a")
    assert answer(process, "a") == "revoked"


def test_nobody_is_admitted_before_the_earlier_log_is_read(fleet: RevokerFleet) -> None:
    """The new one alone does not say it all."""
    Predecessor(fleet).revoke("a")
    process, answers = fleet.process(), list[str]()
    get = fleet.cache.get

    def get_while_a_request_comes(key: str) -> Any:
        answers.append(answer(process, "a"))
        return get(key)

    fleet.cache.get = get_while_a_request_comes  # type: ignore[method-assign]
    process.fleet_sync.sync_now()
    assert answers == ["loading"]
    assert answer(process, "a") == "revoked"


@pytest.mark.parametrize("fault", ["refuses_writes", "loses_replies"])
def test_what_was_taken_over_is_published_once_it_can_be(fleet: RevokerFleet, fault: str) -> None:
    """It binds here at once."""
    Predecessor(fleet).revoke("a", "b")
    process = fleet.process()
    setattr(fleet.store, fault, True)
    assert answer(process, "a") == "revoked"
    assert not process.fleet_sync.is_failing
    fleet.store.mend()
    fleet.cache.values.clear()
    fleet.pass_interval(process, times=2)
    assert answer(fleet.process(), "b") == "revoked"


def test_a_cache_that_is_away_keeps_nobody_from_starting(fleet: RevokerFleet) -> None:
    """The earlier log is read as soon as it can be."""
    Predecessor(fleet).revoke("a")
    process = fleet.process()
    get = fleet.cache.get

    def fail(key: str) -> Any:
        raise ConnectionError(key)

    fleet.cache.get = fail  # type: ignore[method-assign]
    assert answer(process, "a") == "admitted"
    fleet.cache.get = get  # type: ignore[method-assign]
    fleet.clock.move(31)
    assert answer(process, "a") == "revoked"


@pytest.mark.parametrize("tamper", ["forged", "of another number", "gone"])
def test_an_entry_of_the_earlier_log_that_is_not_ours_hides_no_other(fleet: RevokerFleet, tamper: str) -> None:
    """An entry belongs to its number."""
    Predecessor(fleet).revoke("a", "b", "c")
    values = fleet.cache.values
    first, second, _third = sorted(key for key in values if "-revocation-" in key)
    if tamper == "gone":
        del values[second]
    else:
        values[second] = values[first] if tamper == "of another number" else values[second].replace("jti", "ijt")
    process = fleet.process()
    assert [answer(process, value) for value in "abc"] == ["revoked", "admitted", "revoked"]
