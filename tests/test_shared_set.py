"""The set of revocations that a fleet shares: who learns of what, when, at what cost, and after which losses."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MovableClock
from fleet_of_revokers import FLEET, LEEWAY, LIFETIME, Process, RevokerFleet
from servers import in_a_child_process
from shared_sources import SECRET

from auth0_blueprint.errors import RevocationUnavailableError
from auth0_blueprint.revocation.blobs import BlobSigner
from auth0_blueprint.revocation.index import Entry, Origin, Revocation
from auth0_blueprint.revocation.shared_set import RECENT_CHANGES, WRITER_SECONDS
from auth0_blueprint.sharing.store import StoreError


@pytest.fixture
def fleet(clock: MovableClock) -> RevokerFleet:
    return RevokerFleet(clock)


@pytest.fixture
def small(clock: MovableClock) -> RevokerFleet:
    """A fleet whose log is rearranged early: 4 recent changes, and 6 in a blob."""
    return RevokerFleet(clock, recent_changes=4, max_changes=6)


def revocation(fleet: RevokerFleet, value: str, seconds: float = LIFETIME, kind: str = "jti") -> Revocation:
    return Revocation(kind, value, None, fleet.clock.now + seconds, fleet.clock.now)


def publish(process: Process, *values: str, seconds: float = LIFETIME) -> None:
    """Publish a change for each of *values*, and know it, as an admin's call does."""
    for value in values:
        made = revocation(process.fleet, value, seconds)
        process.shared_set.publish([made])
        process.index.apply("jti", [(value, made.entry)])


def all_agree_on(fleet: RevokerFleet, *processes: Process, revoked: str, others: str = "") -> None:
    """Assert it of *processes* and of one that starts now."""
    for number, process in enumerate((*processes, fleet.process())):
        for token_id in revoked + others:
            assert process.lets_in(token_id) is (token_id in others), (number, token_id)


# Following


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


def test_nothing_new_costs_one_look_per_interval(fleet: RevokerFleet) -> None:
    """However many requests there are, and however much is revoked."""
    process = fleet.process()
    process.revoke(*(f"r{number}" for number in range(50)))
    fleet.pass_interval(process)
    fleet.store.asked.clear()
    for _ in range(4):
        fleet.pass_interval()
        for _ in range(250):
            assert process.lets_in("x")
            fleet.clock.move(0.001)
    assert fleet.store.asked == ["look"] * 4


def test_what_is_new_is_read_and_nothing_else(fleet: RevokerFleet) -> None:
    """A change costs one more round trip, not the whole set."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a", "b")
    fleet.pass_interval(first, second)
    first.revoke("c", "d")
    fleet.store.asked.clear()
    fleet.pass_interval(first, second)
    assert fleet.store.asked == ["look", "look", "changes"]
    all_agree_on(fleet, first, second, revoked="abcd")


@pytest.mark.parametrize(("count", "operation"), [(RECENT_CHANGES, "changes"), (RECENT_CHANGES + 1, "contents")])
def test_a_process_that_stood_far_behind_reads_the_whole_set(fleet: RevokerFleet, count: int, operation: str) -> None:
    """What it would have to read on through may have been merged."""
    writer, reader = fleet.process(), fleet.process()
    publish(writer, "a")
    fleet.pass_interval(reader)
    publish(writer, *map(str, range(count)))
    fleet.store.asked.clear()
    fleet.pass_interval(reader)
    assert operation in fleet.store.asked
    assert len(reader.known) == count + 1


def test_an_interval_of_zero_has_each_request_look(clock: MovableClock) -> None:
    """The dearest setting, and the safest: nobody is ever let in after the answer to the admin."""
    fleet = RevokerFleet(clock, interval=0)
    first, second = fleet.process(), fleet.process()
    assert second.lets_in("a")
    looks = fleet.store.looks
    for _ in range(10):
        assert second.lets_in("a")
    assert fleet.store.looks == looks + 10
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


def test_two_who_revoke_the_same_at_once_agree(fleet: RevokerFleet) -> None:
    """Though neither has seen the other's change, and both are as late: the one that revokes more counts."""
    slow, slower = fleet.process(ahead_seconds=-30), fleet.process(ahead_seconds=-60)
    process = fleet.process()
    process.revocations.revoke("subject", "s", None)
    process.revocations.lift("subject", "s")
    slow.fleet_sync.sync_now()
    fleet.store.before["append"] = lambda: slow.revocations.revoke("subject", "s", None)
    slower.revocations.revoke("subject", "s", None)
    fleet.pass_interval(slow, slower, process)
    assert slow.known == slower.known == process.known == fleet_known(fleet)


def fleet_known(fleet: RevokerFleet) -> set[Revocation]:
    """Return what a process knows that starts now."""
    newcomer = fleet.process()
    newcomer.lets_in("x")
    return newcomer.known


def test_listeners_hear_of_each_change_once(fleet: RevokerFleet) -> None:
    """In each process."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    second.lift("a")
    fleet.pass_interval(first, second, times=3)
    for process in (first, second):
        assert [(said.value, said.is_lifted) for said in process.changed] == [("a", False), ("a", True)]


def test_a_process_that_knows_nothing_may_revoke_after_another(fleet: RevokerFleet) -> None:
    """It writes behind what is there."""
    fleet.process().revoke("a")
    fleet.process().revoke("b")
    assert fleet.store.head.version == 2
    all_agree_on(fleet, revoked="ab")


def test_admins_in_many_threads_lose_nothing(fleet: RevokerFleet) -> None:
    """Each process has several, and follows meanwhile."""
    processes = [fleet.process() for _ in range(2)]
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        for n in range(25):
            processes[number % 2].revoke(f"{number}-{n}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fleet.pass_interval(*processes)
    expected = {f"{number}-{n}" for number in range(4) for n in range(25)}
    for process in (*processes, fleet.process()):
        process.lets_in("x")
        assert {one.value for one in process.known} == expected


def test_entries_live_as_long_as_any_token_that_they_could_match(fleet: RevokerFleet) -> None:
    """A token may be issued a leeway ahead, and is taken a leeway after its end."""
    process = fleet.process()
    process.revoke("a")
    found = process.revocations.find("jti", "a")
    assert found is not None
    assert found.expires_at == fleet.clock.now + LIFETIME + 2 * LEEWAY


@pytest.mark.usefixtures("unmeasured")
def test_none_of_twenty_thousand_is_lost(fleet: RevokerFleet) -> None:
    """A process that starts knows all of them; so does one that starts after the store was emptied."""
    now = fleet.clock.now
    many = [Revocation("subject", f"s{number}", int(now), now + 999, now) for number in range(20_000)]
    fleet.process().shared_set.publish(many)
    for _ in range(2):
        newcomer = fleet.process()
        newcomer.lets_in("x")
        assert newcomer.revocations.status().known == 20_000
        assert newcomer.known == set(many)
        assert len(fleet.store.blobs_now) == 20
        fleet.store.flush()
        fleet.pass_interval(newcomer)


# After a loss


@pytest.mark.parametrize("new_ones", range(4), ids=lambda count: f"{count} new")
def test_after_a_restore_from_an_older_snapshot_all_agree(fleet: RevokerFleet, new_ones: int) -> None:
    """Fewer new changes than were lost, as many, or more: none is taken for another, and none is lost for good."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    snapshot = fleet.store.snapshot()
    second.revoke("b")
    first.revoke("c")
    fleet.pass_interval(first, second)
    fleet.store.restore(snapshot)
    newcomer = fleet.process()
    assert newcomer.lets_in("b")
    newcomer.revoke(*"def"[:new_ones])
    fleet.pass_interval(first)
    all_agree_on(fleet, first, revoked="abc" + "def"[:new_ones])
    fleet.pass_interval(second, newcomer)
    all_agree_on(fleet, first, second, newcomer, revoked="abc" + "def"[:new_ones])


def test_what_was_lifted_after_the_snapshot_stays_lifted(fleet: RevokerFleet) -> None:
    """The later change counts, and not the one that comes back."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a", "b")
    snapshot = fleet.store.snapshot()
    first.lift("a")
    fleet.pass_interval(first, second)
    fleet.store.restore(snapshot)
    fleet.pass_interval(second, first)
    all_agree_on(fleet, first, second, revoked="b", others="a")


@pytest.mark.parametrize("is_grown", [False, True])
def test_a_change_written_behind_another_that_was_not_read_is_not_lost_with_it(
    fleet: RevokerFleet, is_grown: bool
) -> None:
    """Where the store then goes back to where this process stood, it has seen all of it, but for its own change."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    snapshot = fleet.store.snapshot()
    fleet.store.before["append"] = lambda: second.revoke("b")
    first.revoke("c")
    fleet.store.restore(snapshot)
    if is_grown:
        fleet.process().revoke("d", "e")
    fleet.pass_interval(first, second)
    fleet.pass_interval(first, second)
    all_agree_on(fleet, first, second, revoked="abc" + "de" * is_grown)


def test_a_change_written_behind_another_is_read_with_it(fleet: RevokerFleet) -> None:
    """Where nothing was lost, the whole set is not read for it."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    fleet.store.before["append"] = lambda: second.revoke("b")
    first.revoke("c")
    fleet.store.asked.clear()
    fleet.pass_interval(first, times=2)
    assert fleet.store.asked == ["look", "changes", "look"]
    all_agree_on(fleet, first, second, revoked="abc")


def test_a_log_of_another_incarnation_is_merged_both_ways(fleet: RevokerFleet) -> None:
    """As after a loss that another process has noticed first."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    first.revoke("b")
    second.revoke("c")
    fleet.store.flush()
    fleet.process().revoke("d")
    fleet.pass_interval(first, second)
    fleet.pass_interval(first, second)
    all_agree_on(fleet, first, second, revoked="abcd")


def test_a_lost_log_is_written_again_by_one(fleet: RevokerFleet, caplog: pytest.LogCaptureFixture) -> None:
    """The others find nothing lacking. Revoked tokens stay out; log and health say so for a while."""
    first, *others = (fleet.process() for _ in range(4))
    first.revoke(*"abc")
    first.lift("b")
    fleet.pass_interval(first, *others)
    fleet.store.flush()
    fleet.store.asked.clear()
    with caplog.at_level(logging.WARNING):
        fleet.pass_interval(first, *others, times=3)
    assert (fleet.store.asked.count("begin"), fleet.store.asked.count("append")) == (1, 0)
    assert "the shared store had lost 3 revocations; this process restored them" in caplog.text
    newcomer = fleet.process()
    all_agree_on(fleet, first, *others, newcomer, revoked="ac", others="b")
    restored = [process.revocations.status().was_restored for process in (first, *others, newcomer)]
    assert restored == [True, False, False, False, False]
    fleet.clock.move(600)
    assert not first.revocations.status().was_restored


def test_two_who_restore_at_once_lose_nothing(fleet: RevokerFleet) -> None:
    """Each knows something that the other does not. Whoever is second finds the log of the first."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    publish(first, "b")
    publish(second, "c")
    for operation in ("take", "begin", "append", "contents"):
        fleet.store.flush()
        fleet.pass_interval()
        fleet.store.before[operation] = lambda: second.lets_in("x")
        first.lets_in("x")
        fleet.store.before.clear()
        fleet.pass_interval(first, second)
        all_agree_on(fleet, first, second, revoked="abc")


def test_who_dies_while_restoring_is_replaced(fleet: RevokerFleet) -> None:
    """By whoever else knows."""
    first, second = fleet.process(), fleet.process()
    first.revoke(*"abc")
    fleet.pass_interval(first, second)
    for operations in range(1, 4):
        fleet.store.flush()
        fleet.store.dies_after = operations
        fleet.pass_interval(first)
        fleet.store.mend()
        fleet.pass_interval(second)
        all_agree_on(fleet, second, revoked="abc")


def test_a_process_that_starts_while_another_restores_is_not_ready(fleet: RevokerFleet) -> None:
    """There is no log, and still there is something to know."""
    process = fleet.process()
    process.revoke("a")
    fleet.store.flush()
    newcomer = fleet.process()
    answers = list[type[Exception]]()

    def ask() -> None:
        with pytest.raises(RevocationUnavailableError) as refused:
            newcomer.lets_in("a")
        answers.append(type(refused.value))

    fleet.store.before["begin"] = ask
    fleet.pass_interval(process)
    assert answers == [RevocationUnavailableError]
    fleet.clock.move(1)
    assert not newcomer.lets_in("a")


def test_a_process_that_starts_does_not_wait_for_one_that_has_ended(fleet: RevokerFleet) -> None:
    """Which was to write all that it knew, and knew only what is lost now."""
    process = fleet.process()
    process.revoke("a")
    fleet.store.flush()
    fleet.store.dies_after = 2
    fleet.pass_interval(process)
    assert fleet.store.asked[-2:] == ["take", "begin"]
    fleet.store.mend()
    newcomer = fleet.process()
    with pytest.raises(RevocationUnavailableError) as refused:
        newcomer.lets_in("a")
    assert refused.value.reason == "loading"
    fleet.clock.move(WRITER_SECONDS + 1)
    assert newcomer.lets_in("a")


def test_what_cannot_be_restored_now_is_restored_later(fleet: RevokerFleet) -> None:
    """A store that takes no writes is still read, and whoever knows goes on; once it does, all is there again."""
    first, second = fleet.process(), fleet.process()
    first.revoke(*"ab")
    snapshot = fleet.store.snapshot()
    first.revoke(*"cd")
    fleet.pass_interval(first, second)
    for is_lost in (False, True):
        fleet.store.flush() if is_lost else fleet.store.restore(snapshot)
        fleet.store.refuses_writes = True
        for _ in range(3):
            fleet.store.asked.clear()
            fleet.pass_interval(first, second)
            assert not any(first.lets_in(token_id) or second.lets_in(token_id) for token_id in "abcd")
            assert not first.fleet_sync.is_failing
            assert first.store.writes.code == "read_only"
        assert "contents" not in fleet.store.asked  # once was enough
        fleet.store.refuses_writes = False
        fleet.pass_interval(first)
        all_agree_on(fleet, first, revoked="abcd")
        fleet.pass_interval(second, first)


def test_much_that_is_lacking_is_written_in_parts(fleet: RevokerFleet) -> None:
    """Those that were written are not written again when another one fails."""
    fleet.max_changes = 2
    first = fleet.process()
    publish(first, "a")
    snapshot = fleet.store.snapshot()
    publish(first, *map(str, range(100)))
    fleet.store.restore(snapshot)
    fleet.pass_interval()
    fleet.store.before["append"] = lambda: setattr(fleet.store, "dies_after", 1)
    first.lets_in("x")
    version = fleet.store.head.version
    assert version == 1 + 20
    fleet.store.mend()
    fleet.pass_interval(first)
    assert fleet.store.head.version == 1 + 50
    assert len(fleet_known(fleet)) == 101


def test_a_clock_that_was_set_back_forgets_nothing(fleet: RevokerFleet) -> None:
    """What had expired by it is in force again, and others know it."""
    first, second = fleet.process(), fleet.process()
    publish(first, "a", seconds=3600)
    fleet.pass_interval(first, second)
    second.ahead_seconds = 7200
    fleet.pass_interval(second)
    assert second.known == set()
    second.ahead_seconds = 0
    fleet.pass_interval(second)
    assert not second.lets_in("a")
    third = fleet.process(ahead_seconds=7200)
    third.lets_in("x")
    third.ahead_seconds = 0
    fleet.pass_interval(third)
    assert not third.lets_in("a")


def test_a_clock_that_is_corrected_a_little_costs_nothing(fleet: RevokerFleet) -> None:
    """As machines do many times a day."""
    process = fleet.process()
    process.revoke("a")
    fleet.pass_interval(process)
    fleet.store.asked.clear()
    process.ahead_seconds = -INTERVAL - 1
    fleet.pass_interval(process)
    assert fleet.store.asked == ["look"]
    process.ahead_seconds -= INTERVAL + 1.001
    fleet.pass_interval(process)
    assert fleet.store.asked == ["look", "look", "contents"]


INTERVAL = 5


# While it is read


def test_a_log_rearranged_while_it_is_read_is_read_again(small: RevokerFleet) -> None:
    """Nothing is missed, and listeners hear of each change once."""
    writer = small.process()
    publish(writer, *map(str, range(40)))
    newcomer = small.process()
    small.store.before["the next part"] = writer.shared_set.tidy
    newcomer.lets_in("x")
    assert newcomer.known == writer.known
    assert sorted(int(one.value) for one in newcomer.changed) == list(range(40))
    assert small.store.head.layout == 1


def test_a_log_rearranged_all_the_time_is_not_believed_to_be_read(small: RevokerFleet) -> None:
    """The sync has failed, and is made again; what was learned meanwhile is told once it has worked."""
    writer = small.process()
    publish(writer, *map(str, range(200)))
    newcomer, store = small.process(), small.store

    def rearrange_in_between() -> None:
        store.before["contents"] = rearrange_in_between
        store.before["the next part"] = lambda: store.merge(store.head, [min(store.blobs_now)], None)

    rearrange_in_between()
    with pytest.raises(StoreError, match="again and again"):
        newcomer.shared_set.follow(store.head)
    assert newcomer.changed == []
    store.before.clear()
    newcomer.lets_in("x")
    assert len(newcomer.changed) == len(newcomer.known) > 190


def test_a_log_that_vanishes_while_it_is_read_is_not_believed_to_be_read(fleet: RevokerFleet) -> None:
    """There may be another one in the next moment."""
    fleet.process().revoke(*"abc")
    newcomer = fleet.process()
    fleet.store.before["contents"] = fleet.store.flush
    with pytest.raises(StoreError):
        newcomer.shared_set.follow(fleet.store.head)
    assert not newcomer.shared_set.is_loaded


def test_a_log_restored_between_look_and_read_is_read_whole(fleet: RevokerFleet) -> None:
    """What was read is another history than the one that was seen."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    snapshot = fleet.store.snapshot()
    first.revoke("b", "c")
    fleet.pass_interval()

    def restore() -> None:
        fleet.store.restore(snapshot)
        publish(fleet.process(), "d", "e")

    fleet.store.before["changes"] = restore
    second.lets_in("x")
    fleet.pass_interval(first, second)
    fleet.pass_interval(first, second)
    all_agree_on(fleet, first, second, revoked="abcde")


def test_a_process_that_has_appended_since_the_look_looks_again(fleet: RevokerFleet) -> None:
    """Its log is not shorter than it was: the look came before."""
    process = fleet.process()
    process.revoke("a")
    head = fleet.store.head
    process.revoke("b")
    fleet.store.asked.clear()
    process.shared_set.follow(head)
    assert fleet.store.asked == ["look"]


# What is not of the fleet


def unsigned(fleet: RevokerFleet) -> str:
    return json.dumps({"jti": [["b", None, fleet.clock.now + 99, fleet.clock.now]]})


def signed(fleet: RevokerFleet, secret: str = SECRET, name: str = FLEET, incarnation: str = "") -> str:
    signer = BlobSigner(secret, name)
    (blob,) = signer.write(incarnation or fleet.store.head.incarnation, [revocation(fleet, "b")])
    return blob


FORGED: list[Callable[[RevokerFleet], str]] = [
    lambda _: "garbage",
    lambda _: "",
    lambda _: "\ufffd",
    unsigned,
    lambda fleet: unsigned(fleet) + "." + signed(fleet).rpartition(".")[2],
    lambda fleet: signed(fleet, secret="another"),
    lambda fleet: signed(fleet, name="another"),
    lambda fleet: signed(fleet, incarnation="another"),
]


@pytest.mark.parametrize("count", [1, 300])
@pytest.mark.parametrize("forge", FORGED)
def test_what_is_not_of_the_fleet_is_ignored_and_hides_nothing(
    fleet: RevokerFleet, caplog: pytest.LogCaptureFixture, forge: Callable[[RevokerFleet], str], count: int
) -> None:
    """Whoever reads on and whoever starts counts each, and the log says it once."""
    process, reader = fleet.process(), fleet.process()
    process.revoke("a")
    fleet.pass_interval(process, reader)
    fleet.store.plant(*[forge(fleet)] * count)
    process.revoke("c")
    fleet.pass_interval(process, reader)
    newcomer = fleet.process()
    for one in (process, reader, newcomer):
        assert [one.lets_in(token_id) for token_id in "abc"] == [False, True, False]
        assert one.signer.ignored == count
    told = [record for record in caplog.records if "forged, damaged or outdated" in record.message]
    assert len(told) == 3


def test_a_good_blob_of_the_fleet_is_believed(fleet: RevokerFleet) -> None:
    """So the forged ones above are refused for what they are."""
    fleet.process().revoke("a")
    fleet.store.plant(signed(fleet))
    all_agree_on(fleet, revoked="ab")


def test_what_a_later_release_has_written_is_left_to_it(small: RevokerFleet) -> None:
    """What is known of it counts; it is not merged, and not dropped either."""
    process = small.process()
    process.revoke("a")
    signer = process.signer._signer(small.store.head.incarnation)
    soon = small.clock.now + 60
    later = [
        signer.sign(json.dumps(rows)).decode()
        for rows in (
            {"device": [["s", None, soon, small.clock.now]]},
            {"jti": [["b", None, soon, small.clock.now, None, False, None, "more"]]},
            {"jti": [["d", None, soon, small.clock.now, None, False, ["admin", None, "who", "more"]]]},
            {"jti": [["c", None, soon, small.clock.now]], "device": []},
        )
    ]
    small.store.plant(*later)
    small.pass_interval(process)
    assert not any(process.lets_in(token_id) for token_id in "abcd")
    assert process.index.find("jti", "d") == Revocation(
        *("jti", "d", None, soon, soon - 60), origin=Origin("admin", None, "who")
    )
    small.clock.move(4000)
    for number in range(60):
        publish(process, f"n{number}", seconds=60)
        small.pass_interval(process)
        small.clock.move(700)
    assert small.store.head.layout > 3
    assert set(later) <= set(small.store.blobs_now.values())


@pytest.mark.parametrize("kind", ["token", "jti", "subject", "client_id"])
@pytest.mark.parametrize("value", ["plain", "", "ü\U0001f600", 'a"b\\', "\0", "a.b"])
@pytest.mark.parametrize(("reason", "is_lifted"), [(None, False), (None, True), ("", False), ("why", True)])
def test_a_change_is_read_as_it_was_written(kind: str, value: str, reason: str | None, is_lifted: bool) -> None:
    """To the last fraction of a second, and with where it came from, if that is known."""
    signer = BlobSigner(SECRET, FLEET)
    for issued_up_to, origin in ((None, None), (1_800_000_000, Origin("logout", "id", "iss")), (1, Origin("admin"))):
        made = Revocation(kind, value, issued_up_to, 1_800_000_000.123456, 1.1e9 / 3, reason, is_lifted, origin)
        (blob,) = signer.write("i", [made])
        read = signer.read("i", blob)
        assert read is not None
        assert (read.changes, read.is_understood) == ({kind: [(value, made.entry)]}, True)


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        (["v", None, 9, 8], (None, 9, 8, None, False, None)),
        (["v", 7, 9, 8, "why"], (7, 9, 8, "why", False, None)),
        (["v", 7, 9, 8, "why", True], (7, 9, 8, "why", True, None)),
        (["v", 7, 9, 8, None, False, ["admin"]], (7, 9, 8, None, False, Origin("admin"))),
    ],
)
def test_what_an_earlier_release_has_written_is_read(row: list[Any], entry: Entry) -> None:
    """It knew of no origins."""
    signer = BlobSigner(SECRET, FLEET)
    read = signer.read("i", signer._signer("i").sign(json.dumps({"jti": [row]})).decode())
    assert (read, signer.ignored) == (({"jti": [("v", entry)]}, True), 0)


@pytest.mark.parametrize("origin", ["who", {}, 1, [], False])
def test_what_is_no_origin_is_not_taken_for_one(origin: Any) -> None:
    """Whoever has the secret has written something else."""
    signer = BlobSigner(SECRET, FLEET)
    rows = {"jti": [["v", None, 9, 8, None, False, origin]]}
    assert signer.read("i", signer._signer("i").sign(json.dumps(rows)).decode()) is None


def test_a_change_without_an_origin_is_as_short_as_ever() -> None:
    """Of most there is nothing but value and times to be stored."""
    (blob,) = BlobSigner(SECRET, FLEET).write("i", [Revocation("jti", "v", None, 9, 8)])
    assert blob.startswith('{"jti":[["v",null,9,8]]}.')


# Publishing


def test_the_first_change_begins_a_log(fleet: RevokerFleet) -> None:
    """Nobody has to set one up."""
    process = fleet.process()
    assert process.lets_in("a")
    process.revoke("a")
    assert fleet.store.head.version == 1
    all_agree_on(fleet, process, revoked="a")


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "replaced"])
def test_a_change_goes_into_the_log_that_is_there(fleet: RevokerFleet, is_lost: bool) -> None:
    """Also where that was lost, or replaced, since the process last looked; with all that it knew."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)

    def lose() -> None:
        fleet.store.flush()
        if not is_lost:
            second.revoke("b")

    fleet.store.before["append"] = lose
    first.revoke("c")
    assert not fleet.process().lets_in("c")
    fleet.pass_interval(first, second)
    fleet.pass_interval(first)
    all_agree_on(fleet, first, second, revoked="ac" if is_lost else "abc")


def test_a_log_that_is_replaced_again_and_again_takes_no_change(fleet: RevokerFleet) -> None:
    """Rather than try for ever."""
    process = fleet.process()
    process.revoke("a")

    def replace() -> None:
        fleet.store.flush()
        publish(fleet.process(), "b")
        fleet.store.before["append"] = replace

    replace()
    with pytest.raises(RevocationUnavailableError) as refused:
        process.revoke("c")
    assert refused.value.reason == "not_stored"


@pytest.mark.parametrize("fault", ["is_away", "refuses_writes"])
@pytest.mark.parametrize("is_known", [False, True])
def test_what_cannot_be_shared_is_refused_and_changes_nothing(fleet: RevokerFleet, is_known: bool, fault: str) -> None:
    """Neither a revocation nor its lifting."""
    process = fleet.process()
    if is_known:
        process.revoke("a")
    process.lets_in("x")
    setattr(fleet.store, fault, True)
    known = process.known
    with pytest.raises(RevocationUnavailableError) as refused:
        process.lift("a") if is_known else process.revoke("a")
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("not_stored", 1)
    assert (process.lets_in("a"), process.known) == (not is_known, known)
    fleet.store.mend()
    fleet.pass_interval(process, times=3)
    assert process.lets_in("a") is not is_known


def test_a_change_by_a_process_that_could_not_look_is_refused(fleet: RevokerFleet) -> None:
    """What it has not seen may be later by another clock, and would count instead."""
    fast, process = fleet.process(ahead_seconds=30), fleet.process()
    process.revoke("a")
    fleet.pass_interval(fast, process)
    fleet.store.is_away = True
    fleet.pass_interval(process)
    fleet.store.mend()
    fast.lift("a")
    fleet.clock.move(0.5)  # the failed look is made again after a second
    with pytest.raises(RevocationUnavailableError):
        process.revoke("a")
    with pytest.raises(RevocationUnavailableError):
        process.lift("b")
    fleet.clock.move(0.5)
    process.revoke("a")
    fleet.pass_interval(fast, process)
    all_agree_on(fleet, fast, process, revoked="a")


@pytest.mark.parametrize("operations", range(5))
def test_a_store_that_dies_in_the_middle_of_it_leaves_nothing_in_force_here(
    fleet: RevokerFleet, operations: int
) -> None:
    """Wherever it dies. Made again, it holds everywhere."""
    process, other = fleet.process(), fleet.process()
    process.revoke("before")
    fleet.pass_interval(process, other, times=3)
    fleet.store.dies_after = operations
    try:
        process.revoke("a")
        was_told = True
    except RevocationUnavailableError:
        was_told = False
        assert process.lets_in("a")
    assert was_told is (operations >= 2)
    fleet.store.mend()
    fleet.clock.move(1)
    if not was_told:
        process.revoke("a")
    fleet.pass_interval(process, other, times=2)
    for one in (process, other, fleet.process()):
        assert not one.lets_in("a")
        assert not one.lets_in("before")


def test_a_change_whose_reply_was_lost_binds_all_or_nobody(fleet: RevokerFleet) -> None:
    """The admin is told that it is not certain; once it is read it holds, here as everywhere. Sent twice, it is one."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    fleet.store.loses_replies = True
    with pytest.raises(RevocationUnavailableError):
        first.revoke("b")
    assert first.lets_in("b")
    fleet.store.mend()
    fleet.clock.move(1)
    first.revoke("b")
    fleet.pass_interval(first, second)
    assert len(first.known) == 2
    all_agree_on(fleet, first, second, revoked="ab")


def test_the_same_blobs_sent_twice_are_harmless(fleet: RevokerFleet) -> None:
    """As clients do when a reply was lost."""
    first, second = fleet.process(), fleet.process()
    first.revoke("a")
    fleet.pass_interval(first, second)
    append = fleet.store.append
    fleet.store.append = lambda *arguments: (append(*arguments), append(*arguments))[1]  # type: ignore[method-assign]
    first.revoke("b")
    fleet.store.append = append  # type: ignore[method-assign]
    fleet.pass_interval(first, second)
    assert fleet.store.head.version == 3
    assert first.known == second.known == fleet_known(fleet)


# Tidying


def rounds(fleet: RevokerFleet, *processes: Process, count: int, seconds: float = LIFETIME, each: int = 1) -> None:
    """Revoke something in each of *processes* in turn, and have all of them sync."""
    for number in range(count):
        publish(processes[number % len(processes)], *(f"{number}-{one}" for one in range(each)), seconds=seconds)
        fleet.pass_interval(*processes)


def full(fleet: RevokerFleet, count: int = 40, seconds: float = LIFETIME) -> Process:
    """Return a process that has published *count* changes, which nobody has tidied yet."""
    process = fleet.process()
    publish(process, "0", seconds=seconds)
    process.fleet_sync.sync_now()
    publish(process, *map(str, range(1, count)), seconds=seconds)
    return process


def test_small_changes_are_merged_and_none_is_lost(fleet: RevokerFleet) -> None:
    """Into blobs of a thousand, but for the newest 500."""
    process = fleet.process()
    publish(process, *map(str, range(3000)))
    fleet.pass_interval(process, times=5)
    assert len(fleet.store.blobs_now) == RECENT_CHANGES + 3
    recent = range(3000 - RECENT_CHANGES + 1, 3001)
    assert set(recent) <= fleet.store.blobs_now.keys()
    assert fleet_known(fleet) == process.known
    assert len(process.known) == 3000


def test_few_changes_stay_as_they_are(fleet: RevokerFleet) -> None:
    """Merging is worth it for many."""
    process = fleet.process()
    publish(process, *map(str, range(999)))
    fleet.pass_interval(process, times=3)
    assert fleet.store.head.layout == 0
    publish(process, "one more")
    fleet.pass_interval(process)
    assert fleet.store.head.layout == 1


@pytest.mark.parametrize("kinds", ["one process", "several"])
def test_the_log_stays_small_however_much_expires(small: RevokerFleet, kinds: str) -> None:
    """By what is in force: its blobs are bounded, and so is what a process notes of them."""
    processes = [small.process() for _ in range(1 if kinds == "one process" else 3)]
    for process in processes:
        process.lets_in("x")
    sizes = set()
    for number in range(40):
        rounds(small, *processes, count=10, seconds=60)
        small.clock.move(1300)
        if number > 5:
            small.pass_interval(*processes, times=3)
            sizes.add(len(small.store.blobs_now))
    assert max(sizes) <= 2 * small.recent_changes
    for process in processes:
        assert len(process.index) == process.revocations.status().known == 0
        layout = process.shared_set._layout
        assert layout is None or len(layout) <= 2 * small.recent_changes


def test_what_expired_is_dropped_from_among_what_has_not(small: RevokerFleet) -> None:
    """A blob that was merged holds both; it does not stay as large as it was until the last of them has expired."""
    process = small.process()
    for _ in range(30):
        rounds(small, process, count=5, seconds=60)
        publish(process, f"for long {small.clock.now}", seconds=LIFETIME)
        small.clock.move(1300)
    small.pass_interval(process, times=10)
    assert len(process.known) == 30
    assert rows_in(small, process) <= 2 * 30 + 2 * small.max_changes + small.recent_changes
    assert fleet_known(small) == process.known


def rows_in(fleet: RevokerFleet, process: Process) -> int:
    """Return how many changes the log holds."""
    blobs = [process.signer.read(fleet.store.head.incarnation, text) for text in fleet.store.blobs_now.values()]
    return sum(len(rows) for blob in blobs if blob is not None for rows in blob.changes.values())


def test_what_is_revoked_again_and_again_is_kept_once(small: RevokerFleet) -> None:
    """The log grows with what is in force, and not with how often that was changed."""
    process, rows = small.process(), []
    for number in range(60):
        publish(process, *map(str, range(20)))
        small.clock.move(60)
        small.pass_interval(process, times=5)
        if number > 20:
            rows.append(rows_in(small, process))
    assert len(fleet_known(small)) == 20
    assert max(rows) <= 4 * 20 + 4 * small.max_changes


@pytest.mark.parametrize("count", [1, 7])
def test_what_was_prolonged_does_not_keep_what_expired(small: RevokerFleet, count: int) -> None:
    """Nor is it lost with it."""
    process = small.process()
    for one in range(count):
        process.shared_set.publish([revocation(small, f"{one}-{number}", 60) for number in range(6)])
    small.clock.move(5)
    for one in range(count):
        process.shared_set.publish([revocation(small, f"{one}-{number}") for number in range(6)])
    publish(process, *"abcd")
    small.clock.move(1300)
    small.pass_interval(process, times=5)
    assert rows_in(small, process) == 6 * count + 4
    assert len(fleet_known(small)) == 6 * count + 4


@pytest.mark.parametrize("tidier", [0, 1, 2])
def test_tidying_neither_loses_nor_revives_anything(small: RevokerFleet, tidier: int) -> None:
    """Whoever of them does it, as the others and newcomers see it."""
    processes = [small.process() for _ in range(3)]
    for number in range(60):
        process = processes[number % 3]
        process.revoke(f"{number}", f"{number % 7}")
        if number % 3 == 0:
            process.lift(f"{number // 2}")
        if number % 5 == 0:
            publish(process, f"short {number}", seconds=60 * number)
        small.clock.move(30)
        known = fleet_known(small)
        processes[tidier].shared_set.tidy()
        assert fleet_known(small) == known
    small.pass_interval(*processes)
    assert processes[0].known == processes[1].known == processes[2].known == fleet_known(small)
    assert small.store.head.layout > 3


def test_what_another_clock_may_still_count_is_not_dropped(small: RevokerFleet) -> None:
    """For ten minutes: not a moment less, and not much longer."""
    process = small.process()
    rounds(small, process, count=12, seconds=60)
    small.clock.now = small.clock.now // 600 * 600 + 1000.0
    publish(process, "last", seconds=0.5)
    small.store.plant("garbage", "garbage", "garbage", "garbage")
    last = small.store.head.version - 4
    small.clock.now += 600 + 0.4
    small.pass_interval(process, times=0)
    process.fleet_sync.sync_now()
    assert last in small.store.blobs_now
    small.clock.now += 0.1
    process.fleet_sync.sync_now()
    assert last not in small.store.blobs_now


def test_of_two_who_tidy_at_once_one_does(small: RevokerFleet) -> None:
    """And the set is what it was."""
    first, second = small.process(), small.process()
    publish(first, *map(str, range(40)))
    second.lets_in("x")
    known = fleet_known(small)
    first.fleet_sync.sync_now()
    layout = small.store.head.layout
    small.store.before["merge"] = second.shared_set.tidy
    first.shared_set.tidy()
    assert small.store.head.layout == layout + 1
    small.pass_interval(first, second, times=5)
    assert fleet_known(small) == first.known == second.known == known


def test_a_process_does_not_tidy_twice_at_once(small: RevokerFleet) -> None:
    """Syncs follow each other closely where each request makes one."""
    process = full(small)
    small.store.asked.clear()
    small.store.before["merge"] = process.shared_set.tidy
    process.shared_set.tidy()
    assert small.store.asked.count("merge") == 1


def test_who_does_not_know_what_is_where_does_not_tidy(small: RevokerFleet) -> None:
    """It would merge, or drop, what it thinks is there: and it does not ask again and again."""
    first, second = small.process(), small.process()
    publish(first, *(f"short {number}" for number in range(40)), seconds=60)
    second.lets_in("x")
    rounds(small, first, count=40)
    small.clock.move(1300)
    first.fleet_sync.sync_now()
    assert small.store.head.layout > 0
    known = fleet_known(small)
    small.store.asked.clear()
    small.pass_interval(second)
    small.pass_interval(second, times=3)
    assert {"merge", "blobs"}.isdisjoint(small.store.asked)
    assert fleet_known(small) == second.known == known


def test_a_store_restored_under_a_tidier_loses_nothing(small: RevokerFleet) -> None:
    """The log is arranged otherwise under the same number by then: it is what is there that counts."""
    first = full(small, 20, seconds=60)
    snapshot = small.store.snapshot()
    small.clock.move(1300)
    first.shared_set.tidy()
    assert small.store.head.layout == 1
    small.store.restore(snapshot)
    # As long and of the same history as the one that the first knows, rearranged by another process as often.
    merged = next(iter(first.signer.write(small.store.head.incarnation, [revocation(small, "merged")])))
    small.store.merge(small.store.head, [1, 2, 3, 20], merged)
    rounds(small, first, count=20, seconds=60)
    small.clock.move(1300)
    small.pass_interval(first, times=5)
    assert [one.value for one in fleet_known(small)] == ["merged"]


def test_when_the_tidier_has_ended_another_process_takes_over(small: RevokerFleet) -> None:
    """It learns what is where once so much was appended that somebody would have tidied."""
    first, second = small.process(), small.process()
    rounds(small, first, second, count=60)
    layout = small.store.head.layout
    assert layout > 0
    tidier = [process for process in (first, second) if process.shared_set._layout.is_of(small.store.head)]  # type: ignore[union-attr]
    (other,) = {first, second} - set(tidier)
    small.store.asked.clear()
    rounds(small, other, count=60)
    assert small.store.head.layout > layout
    assert small.store.asked.count("contents") == 1
    assert fleet_known(small) == other.known


@pytest.mark.parametrize("gone", ["missing", "garbage"])
def test_what_somebody_took_away_does_not_keep_the_rest_from_being_tidied(small: RevokerFleet, gone: str) -> None:
    """Whoever can write to the store can do that, and no more."""
    process = full(small)
    changes = small.store.contents_now.changes
    for version in (1, 2, 3):
        if gone == "missing":
            del changes[version]
        else:
            changes[version] = (changes[version][0], "garbage")
    small.pass_interval(process, times=20)
    assert len(small.store.blobs_now) < 20
    assert len(fleet_known(small)) == 37


def test_a_store_that_takes_no_writes_does_not_fail_the_sync(small: RevokerFleet) -> None:
    """Tidying is only put off."""
    process = full(small)
    small.store.refuses_writes = True
    small.pass_interval(process)
    assert "merge" in small.store.asked
    assert not process.fleet_sync.is_failing
    small.store.mend()
    small.pass_interval(process)
    assert small.store.head.layout == 1


def test_a_child_can_follow_whatever_its_parent_was_doing(small: RevokerFleet) -> None:
    """Locks that were held when it was forked are not held by anybody."""
    process = full(small)

    def follow() -> str:
        small.pass_interval(process)
        process.revoke("a")
        return str(small.store.head.layout > 0)

    with process.shared_set._lock(), process.shared_set._tidying():
        assert in_a_child_process(follow) == "True"
