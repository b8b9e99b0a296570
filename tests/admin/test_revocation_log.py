"""Revocations that a whole fleet learns of through one cache: when, at what cost, and from whoever writes."""

from __future__ import annotations

import threading

import pytest
from conftest import MovableClock
from fleet_of_revokers import LEEWAY, LIFETIME, RevokerFleet

from auth0_blueprint.revocation import log
from auth0_blueprint.revocation.index import Revocation


@pytest.fixture
def fleet(clock: MovableClock) -> RevokerFleet:
    return RevokerFleet(clock)


def test_everybody_learns_of_a_revocation_within_the_interval(fleet: RevokerFleet) -> None:
    """And of its lifting; whoever made it knows at once."""
    first, *others = (fleet.process() for _ in range(4))
    assert all(process.lets_in("a") for process in (first, *others))
    first.revoke("a")
    assert not first.lets_in("a")
    assert all(process.lets_in("a") for process in others)
    fleet.pass_interval()
    assert not any(process.lets_in("a") for process in others)
    assert all(process.lets_in("b") for process in (first, *others))
    assert others[0].lift("a")
    fleet.pass_interval()
    assert all(process.lets_in("a") for process in (first, *others))


def test_a_process_that_starts_knows_all_at_its_first_request(fleet: RevokerFleet) -> None:
    """It waits for that."""
    fleet.process().revoke("a", "b")
    assert not fleet.process().lets_in("b")


def test_nothing_new_costs_one_read_per_interval(fleet: RevokerFleet) -> None:
    """However many requests there are, and however much is revoked."""
    process = fleet.process()
    process.revoke(*(f"r{number}" for number in range(50)))
    for _ in range(3):
        fleet.pass_interval()
        process.lets_in("x")  # takes note of what itself has written
    fleet.backend.calls = 0
    for _ in range(4):
        fleet.pass_interval()
        for _ in range(250):
            assert process.lets_in("x")
            fleet.clock.move(0.001)
    assert fleet.backend.calls == 4


def test_an_interval_of_zero_has_each_request_look(clock: MovableClock) -> None:
    """The dearest setting, and the safest: nobody is ever let in after the answer to the admin."""
    fleet = RevokerFleet(clock, interval=0)
    first, second = fleet.process(), fleet.process()
    assert second.lets_in("a")
    fleet.backend.calls = 0
    for _ in range(10):
        assert second.lets_in("a")
    assert fleet.backend.calls == 10
    first.revoke("a")
    assert not second.lets_in("a")


def test_an_admin_sees_at_once_what_another_process_has_done(fleet: RevokerFleet) -> None:
    """Or the Location of the answer would lead to a 404 half of the time."""
    first, second = fleet.process(), fleet.process()
    second.lets_in("a")
    first.revoke("a")
    assert second.revocations.find("jti", "a") is not None
    assert second.lift("a")
    assert first.revocations.find("jti", "a") is None


@pytest.mark.parametrize("ahead", [-30, 30])
def test_the_later_change_counts_whatever_the_clocks_say(fleet: RevokerFleet, ahead: float) -> None:
    """Machines differ by seconds, and admins see the order of what they do."""
    first, second = fleet.process(), fleet.process(ahead_seconds=ahead)
    for _ in range(2):
        first.revoke("a")
        fleet.clock.move(1)
        assert second.lift("a")
        assert second.lets_in("a")
        fleet.clock.move(1)
        first.revoke("a")
        assert not first.lets_in("a")
        fleet.pass_interval()
        assert not second.lets_in("a")
        fleet.clock.move(1)
        second.lift("a")


def test_revoking_again_by_a_slow_clock_lets_nobody_in(fleet: RevokerFleet) -> None:
    """The later of the two seconds counts."""
    slow, process = fleet.process(ahead_seconds=-30), fleet.process()
    process.revocations.revoke("subject", "s", None)
    assert not process.lets_in("x")
    again = slow.revocations.revoke("subject", "s", None)
    assert again.issued_up_to == int(fleet.clock.now)
    fleet.pass_interval()
    assert not process.lets_in("x", iat=int(fleet.clock.now) - 5)
    assert process.lets_in("x", iat=int(fleet.clock.now) - 4)


def test_listeners_hear_of_each_change_once(fleet: RevokerFleet) -> None:
    """In each process."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    second.lift("a")
    for _ in range(3):
        fleet.pass_interval()
        first.lets_in("a")
        second.lets_in("a")
    for process in (first, second):
        assert [(said.value, said.is_lifted) for said in process.changed] == [("a", False), ("a", True)]


def test_a_process_that_knows_nothing_may_revoke_after_another(fleet: RevokerFleet) -> None:
    """It writes behind what is there."""
    fleet.process().revoke("a")
    fleet.process().revoke("b")
    assert len(fleet.backend.entries()) == 2
    newcomer = fleet.process()
    assert not newcomer.lets_in("a")
    assert not newcomer.lets_in("b")


def test_admins_in_many_threads_lose_nothing(fleet: RevokerFleet) -> None:
    """Whoever is second for a number takes the next."""
    processes = [fleet.process() for _ in range(4)]
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        processes[number].revoke(*(f"{number}-{n}" for n in range(50)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fleet.pass_interval()
    newcomer = fleet.process()
    for process in (*processes, newcomer):
        assert not any(process.lets_in(f"{number}-{n}") for number in range(4) for n in range(50))


def test_a_head_written_late_hides_no_entry_of_another(fleet: RevokerFleet) -> None:
    """Whoever writes one looks whether there is more beyond it."""
    first, second = fleet.process(), fleet.process()

    def let_second_in_between(_key: str) -> None:
        fleet.backend.before_setting = lambda _key: None
        second.revoke("b", "c")

    first.revoke("to begin with")
    fleet.backend.before_setting = let_second_in_between
    first.revoke("a")
    newcomer = fleet.process()
    assert not any(newcomer.lets_in(token_id) for token_id in "abc")


@pytest.mark.parametrize("witness_looks", [False, True])
def test_two_who_are_both_told_that_they_have_added_lose_nothing(fleet: RevokerFleet, witness_looks: bool) -> None:
    """As on a file system. Also where others have read the one that was written over."""
    first, second, witness = fleet.process(), fleet.process(), fleet.process()
    for process in (first, second, witness):
        process.lets_in("x")

    def let_second_in_between(_key: str) -> None:
        fleet.backend.before_adding = lambda _key: None
        second.revoke("b")
        if witness_looks:
            fleet.pass_interval()
            assert not witness.lets_in("b")

    first.revoke("to begin with")
    fleet.backend.before_adding = let_second_in_between
    first.revoke("a")
    for _ in range(3):
        fleet.pass_interval()
        for process in (first, second, witness):
            process.lets_in("x")
    for process in (first, second, witness, fleet.process()):
        assert not process.lets_in("a")
        assert not process.lets_in("b")


def test_what_could_not_be_written_again_is_tried_at_the_next_look(fleet: RevokerFleet) -> None:
    """A cache that goes away in the middle of it loses nothing."""
    first, second = fleet.process(), fleet.process()

    def let_second_in_between(_key: str) -> None:
        fleet.backend.before_adding = lambda _key: None
        second.revoke("b")

    first.revoke("to begin with")
    fleet.backend.before_adding = let_second_in_between
    first.revoke("a")
    for operations in range(6):
        fleet.backend.is_away, fleet.backend.dies_after = False, operations
        fleet.pass_interval()
        second.lets_in("x")
    fleet.backend.is_away, fleet.backend.dies_after = False, None
    for _ in range(3):
        fleet.pass_interval()
        second.lets_in("x")
    newcomer = fleet.process()
    assert not newcomer.lets_in("a")
    assert not newcomer.lets_in("b")


def test_what_was_read_counts_though_writing_failed_afterwards(fleet: RevokerFleet) -> None:
    """It is not read a second time."""
    first, second = fleet.process(), fleet.process()
    second.revoke("own")  # to be confirmed at the next look
    first.revoke("a", "b")
    for operations in range(2, 5):
        fleet.backend.is_away, fleet.backend.dies_after = False, operations
        fleet.pass_interval()
        second.lets_in("a")
    fleet.backend.is_away, fleet.backend.dies_after = False, None
    for _ in range(2):
        fleet.pass_interval()
        second.lets_in("x")
    assert not second.lets_in("a")
    assert not second.lets_in("b")


def test_entries_live_as_long_as_any_token_that_they_could_match(fleet: RevokerFleet) -> None:
    """A token may be issued a leeway ahead, and is taken a leeway after its end."""
    process = fleet.process()
    process.revoke("a")
    found = process.revocations.find("jti", "a")
    assert found is not None
    assert found.expires_at == fleet.clock.now + LIFETIME + 2 * LEEWAY


def test_many_revocations_are_read_in_batches(fleet: RevokerFleet) -> None:
    """And none is lost at the seams."""
    count = 2 * log._BATCH + 1
    writer = fleet.process()
    for number in range(count):
        writer.revocations._log.append([Revocation("jti", str(number), None, fleet.clock.now + 99, fleet.clock.now)])
    newcomer = fleet.process()
    fleet.backend.calls = 0
    assert not any(newcomer.lets_in(str(number)) for number in range(count))
    assert (fleet.backend.calls, newcomer.revocations.status().known) == (1 + 3, count)


def test_none_of_twenty_thousand_is_lost(fleet: RevokerFleet) -> None:
    """A process that starts knows all of them; so does one that starts after the cache was emptied."""
    now = fleet.clock.now
    many = [Revocation("subject", f"s{number}", int(now), now + 999, now) for number in range(20_000)]
    writer = fleet.process()
    writer.revocations._log.append(many)
    for _ in range(2):
        newcomer = fleet.process()
        newcomer.lets_in("x")
        assert newcomer.revocations.status().known == 20_000
        assert set(newcomer.revocations._index) == set(many)
        fleet.backend.values.clear()
        fleet.pass_interval()
        newcomer.lets_in("x")
