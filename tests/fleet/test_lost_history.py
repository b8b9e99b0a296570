"""A Redis that loses what it had: from an older snapshot, by a failover to a lagging replica, or all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from processes import eventually
from servers import complete

from auth0_blueprint.revocation import shared_set
from auth0_blueprint.revocation.index import Revocation

from .members import Fleet, Member
from .proxy import Proxy
from .redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("unmeasured")

LOST = "The shared store lost revocations; this process restored those it knew. Check that none is missing."


@pytest.mark.parametrize("new", [0, 1, 3, 5], ids=["none new", "fewer new", "as many new", "more new"])
def test_after_a_restart_from_an_older_snapshot_all_agree_within_an_interval(
    fleet: Fleet, redis: RedisServer, caplog: pytest.LogCaptureFixture, new: int
) -> None:
    """Those who run and those who start later, however many were revoked since under the numbers of those lost."""
    first, second, third = fleet.start(3)
    for number in range(2):
        first.revoke(f"kept|{number}")
    fleet.pass_interval()
    redis.save()
    for number in range(3):
        second.revoke(f"lost|{number}")
    fleet.pass_interval()
    redis.restart()
    # Who starts now knows the snapshot only, and is the first to revoke something.
    (late,) = fleet.start()
    for number in range(new):
        late.revoke(f"new|{number}")

    fleet.pass_interval()  # in which one of those who knew restores what was lost, and then the others see it
    subjects = [f"kept|{number}" for number in range(2)] + [f"lost|{number}" for number in range(3)]
    subjects += [f"new|{number}" for number in range(new)]
    fleet.pass_interval()
    (later,) = fleet.start()
    for member in (first, second, third, late, later):
        assert [subject for subject in subjects if member.admits_subject(subject)] == []
        assert member.known == len(subjects)
    said = [member.health()["checks"]["revocations"] for member in (first, second, third)]
    assert ("warn", [LOST]) in [(check["status"], check["notes"]) for check in said]
    assert "the shared store had lost 3 revocations; this process restored them" in caplog.text


def test_after_a_failover_to_a_lagging_replica_all_agree_within_an_interval(
    proxied_fleet: Fleet, proxy: Proxy, redis: RedisServer, redis_server: str, tmp_path: Path
) -> None:
    """The replica had not heard of the newest revocations when it became the primary."""
    fleet = proxied_fleet
    with RedisServer(redis_server, tmp_path) as replica:
        first, second = fleet.start(2)
        first.revoke("kept")
        replica.follow(redis)
        replica.lose_primary()
        first.revoke("lost")
        fleet.pass_interval()
        assert not second.admits_subject("lost")

        replica.lead()
        proxy.target = replica.port
        redis.kill()
        proxy.cut()
        fleet.pass_interval()
        fleet.pass_interval()
        (late,) = fleet.start()
        late.revoke("new")
        fleet.pass_interval()
        for member in fleet.members:
            assert not any(map(member.admits_subject, ("kept", "lost", "new")))
            assert member.admits_subject("bystander")


def test_what_a_redis_that_comes_back_empty_knew_is_written_back_by_one(fleet: Fleet, redis: RedisServer) -> None:
    """All at once, by one process; the others find it there."""
    first, *_ = fleet.start(4)
    revoke_many(first, 20_000)
    fleet.pass_interval()
    assert [member.known for member in fleet.members] == [20_000] * 4

    redis.client.flushall()
    redis.client.config_resetstat()
    fleet.clock.move(2)
    together([partial(member.ask, fleet.issuer.token()) for member in fleet.members])
    complete()
    written = redis.client.info("commandstats")
    assert written["cmdstat_rename"]["calls"] == 1
    size = sum(redis.client.memory_usage(key) for key in redis.client.keys("*{*}:log"))
    fleet.pass_interval()
    (late,) = fleet.start()
    assert [member.known for member in fleet.members] == [20_000] * 5
    assert not late.admits_subject("auth0|19999")
    assert sum(redis.client.memory_usage(key) for key in redis.client.keys("*{*}:log")) < 1.1 * size


def test_who_starts_during_the_write_back_admits_no_revoked_token(
    fleet: Fleet, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits, with 503 and when to come back, until the set is there."""
    (first,) = fleet.start()
    first.revoke("stolen")
    token = fleet.issuer.token(sub="stolen", iat=int(time.time()) - 300)
    redis.client.flushall()
    begun, go_on = threading.Event(), threading.Event()
    write = shared_set.SharedSet._write_log

    def write_later(*arguments: object) -> bool:
        begun.set()
        assert go_on.wait(10)
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shared_set.SharedSet, "_write_log", write_later)
    fleet.clock.move(3)
    writer = threading.Thread(target=first.ask, args=(fleet.issuer.token(),))
    writer.start()
    assert begun.wait(10)
    late = fleet.start_cold()
    refused = late.ask(token)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "revocation_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    assert late.ask(fleet.issuer.token()).status_code == 503  # nor anything else, as it cannot know
    go_on.set()
    writer.join()
    complete()
    fleet.clock.move(3)
    eventually(lambda: late.ask(token).get_json()["code"] == "token_revoked")  # and never admitted
    assert late.ask(fleet.issuer.token()).status_code == 200


def test_a_writer_that_dies_holds_nobody_up_for_long(fleet: Fleet, redis: RedisServer) -> None:
    """Redis forgets that it has begun."""
    (first,) = fleet.start()
    first.revoke("stolen")
    (log,) = redis.client.keys("*{*}:log")
    redis.client.delete(log)
    writer = log.decode().removesuffix("log") + "writer"
    redis.client.set(writer, "of another process", px=300_000)
    fleet.pass_interval()
    late = fleet.start_cold()
    assert late.ask(fleet.issuer.token()).status_code == 503
    assert not redis.client.exists(log)
    redis.client.delete(writer)
    fleet.pass_interval()
    assert redis.client.exists(log)
    assert 0 < redis.client.pttl(writer) <= 2100
    fleet.pass_interval()
    assert not late.admits_subject("stolen")


def revoke_many(member: Member, number: int) -> None:
    """Have so many published at once."""
    revocations = member.state.revocations
    found = [Revocation("subject", f"auth0|{one}", 2_000_000_000, 4e9, 1e9) for one in range(number)]
    revocations._index.apply("subject", [(one.value, one.entry) for one in found])
    revocations._shared_set.publish(found)


def together(calls: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
