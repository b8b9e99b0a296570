"""A Redis that answers reads and refuses writes, for a moment or for good; and one whose replies get lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers import complete
from werkzeug.test import TestResponse

from auth0_blueprint.keysets.lease import _LEASE
from auth0_blueprint.sharing.redis_store import _APPEND, _SHA1

from .members import Fleet, Member
from .proxy import Proxy
from .redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("unmeasured")


def code(response: TestResponse) -> tuple[int, str | None]:
    """Return status and code of an answer."""
    return response.status_code, (response.get_json() or {}).get("code")


REPLAYED = (401, "invalid_dpop_proof")


@contextmanager
def replica_only(redis: RedisServer, directory: Path) -> Iterator[None]:
    """It has become the replica of another one."""
    with RedisServer(redis.program, directory) as other:
        other.follow(redis)
        other.lead()
        redis.follow(other)
        yield
        redis.lead()


@contextmanager
def full(redis: RedisServer, _directory: Path) -> Iterator[None]:
    """It has no room."""
    redis.fill_up()
    yield
    redis.make_room()


@contextmanager
def without_replicas(redis: RedisServer, _directory: Path) -> Iterator[None]:
    """It wants a replica, and has none."""
    redis.need_replicas(1)
    yield
    redis.need_replicas(0)


Fault = Callable[[RedisServer, Path], AbstractContextManager[None]]
FAULTS = {
    "replica": (replica_only, "Redis accepts no writes: this is a read-only replica"),
    "full": (full, "Redis is full and accepts no writes (maxmemory)"),
    "no replicas": (without_replicas, "Redis accepts no writes: too few replicas are in sync (min-replicas-to-write)"),
}


@pytest.fixture(params=FAULTS.values(), ids=list(FAULTS))
def fault(request: pytest.FixtureRequest) -> tuple[Fault, str]:
    """What is wrong with Redis, and how health says it."""
    found: tuple[Fault, str] = request.param
    return found


@pytest.mark.parametrize(("on_error", "status"), [("allow", 200), ("deny", 503)])
def test_a_replica_that_has_nothing_does_not_say_so_for_certain(
    fleet: Fleet, redis: RedisServer, tmp_path: Path, on_error: str, status: int
) -> None:
    """With ``deny`` a process that starts waits for the primary."""
    with RedisServer(redis.program, tmp_path) as other:
        redis.follow(other)
        late = fleet.start_cold(AUTH0_REVOCATION_ON_ERROR=on_error)
        late.ask(fleet.issuer.token())
        complete()
        assert late.ask(fleet.issuer.token()).status_code == status
        redis.lead()
        fleet.pass_interval()
        assert late.ask(fleet.issuer.token()).status_code == 200


@pytest.mark.parametrize(
    ("settings", "proofs", "status"),
    [
        ({}, 200, "warn"),
        ({"AUTH0_REVOCATION_ON_ERROR": "deny"}, 503, "warn"),
        ({"AUTH0_REVOCATION_ON_ERROR": "deny", "AUTH0_DPOP": "required"}, 503, "fail"),
    ],
    ids=["allow", "deny", "deny and required"],
)
def test_a_redis_that_refuses_writes_is_in_health_within_two_intervals(
    fleet: Fleet,
    redis: RedisServer,
    fault: tuple[Fault, str],
    tmp_path: Path,
    settings: dict[str, Any],
    proofs: int,
    status: str,
) -> None:
    """With its reason; nothing is half done, what is known stays in force, and all of it recovers by itself."""
    fails, reason = fault
    dpop_only = settings.get("AUTH0_DPOP") == "required"
    (operator,) = fleet.start()
    first, second = fleet.start(2, **settings)
    operator.revoke("before")
    fleet.pass_interval()
    assert {member.health()["status"] for member in fleet.members} == {"pass"}

    with fails(redis, tmp_path):
        for _ in range(2):
            fleet.pass_interval()
            answers = [member.health() for member in (first, second)]
        for answer in answers:
            check = answer["checks"]["cache"]
            assert (answer["status"], check["reachable"], check["writable"]) == (status, True, False)
            assert check["notes"] == [f"Writes fail: {reason}."]
        fleet.clock.move(2)
        proof = fleet.proof()
        assert first.prove(proof).status_code == proofs
        assert code(first.prove(proof)) == REPLAYED
        if not dpop_only:  # else no unbound token is good
            assert code(first.try_to_revoke("meanwhile")) == (503, "revocation_unavailable")
            assert not second.admits_subject("before")
            assert second.admits_subject("meanwhile")
            (late,) = fleet.start(**settings)
            assert not late.admits_subject("before")
            assert late.admits_subject("bystander")
        assert fleet.issuer.fetch_count == 1  # key sets are shared as before

    fleet.clock.move(2)
    assert first.prove(fleet.proof()).status_code == 200
    operator.revoke("after")
    fleet.pass_interval()
    assert second.known == 2
    assert {member.health()["status"] for member in fleet.members} == {"pass"}


class TestFailoverBehindOneAddress:
    """The pooled connections stay with the former primary, which is a replica now."""

    @pytest.fixture
    def replica(self, redis: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
        with RedisServer(redis.program, tmp_path) as replica:
            replica.follow(redis)
            yield replica

    @pytest.fixture
    def members(self, proxied_fleet: Fleet) -> list[Member]:
        members = proxied_fleet.start(2, AUTH0_REVOCATION_ON_ERROR="deny")
        members[0].revoke("before")
        for member in members:
            assert member.prove(proxied_fleet.proof()).status_code == 200
        proxied_fleet.pass_interval()
        return members

    def fail_over(self, redis: RedisServer, replica: RedisServer, proxy: Proxy) -> None:
        replica.lead()
        redis.follow(replica)
        proxy.target = replica.port

    def test_proofs_and_revocations_go_on(
        self, proxied_fleet: Fleet, members: list[Member], redis: RedisServer, replica: RedisServer, proxy: Proxy
    ) -> None:
        """Without one refusal, as the connections are dialled again at once."""
        self.fail_over(redis, replica, proxy)
        proof = proxied_fleet.proof()
        assert members[0].prove(proof).status_code == 200
        assert code(members[1].prove(proof)) == REPLAYED
        members[1].revoke("after")
        proxied_fleet.pass_interval()
        assert not any(member.admits_subject(subject) for member in members for subject in ("before", "after"))
        assert {member.health()["status"] for member in members} == {"pass"}

    def test_who_only_reads_notices_as_well(
        self, proxied_fleet: Fleet, members: list[Member], redis: RedisServer, replica: RedisServer, proxy: Proxy
    ) -> None:
        """Although the former primary answers, and does not hear of anything any more."""
        self.fail_over(redis, replica, proxy)
        redis.lose_primary()
        members[0].revoke("after")
        proxied_fleet.pass_interval()
        assert not members[1].admits_subject("after")


class TestLostReplies:
    """The server has done it, the connection ended before the reply, and the client sent the command again."""

    def test_a_fresh_proof_is_no_replay(self, proxied_fleet: Fleet, proxy: Proxy) -> None:
        """One's own first use is told from another's."""
        first, second = proxied_fleet.start(2)
        proof = proxied_fleet.proof()
        proxy.lose_reply_to(b":proof:")
        assert first.prove(proof).status_code == 200
        assert proxy.losses == 1
        assert code(second.prove(proof)) == REPLAYED

    def test_a_lease_is_held_by_its_taker(self, proxied_fleet: Fleet, proxy: Proxy, redis: RedisServer) -> None:
        """And not by nobody, so that the others wait for its fetch."""
        proxy.lose_reply_to(f":{_LEASE}".encode())
        proxied_fleet.start()
        assert proxy.losses == 1
        assert proxied_fleet.issuer.fetch_count == 1
        assert not redis.client.keys(f"*:{_LEASE}")  # given back

    def test_a_revocation_counts_once(self, proxied_fleet: Fleet, proxy: Proxy) -> None:
        """However often it was appended; and lifting it lifts it."""
        first, second = proxied_fleet.start(2)
        first.revoke("another")
        proxy.lose_reply_to(_SHA1[_APPEND].encode())
        first.revoke("stolen")
        assert proxy.losses == 1
        proxied_fleet.pass_interval()
        assert [member.known for member in (first, second)] == [2, 2]
        assert first.state.revocations.lift("subject", "stolen") is not None
        proxied_fleet.pass_interval()
        assert [member.known for member in (first, second)] == [1, 1]
        assert second.admits_subject("stolen")


def test_a_dead_redis_is_in_health_within_an_interval(fleet: Fleet, redis: RedisServer) -> None:
    """Whatever has worked until then, and without a request that fails."""
    first, second = fleet.start(2)
    assert {member.health()["status"] for member in (first, second)} == {"pass"}
    redis.kill()
    fleet.pass_interval()
    for member in (first, second):
        health = member.health()
        check = health["checks"]["cache"]
        assert (health["status"], check["status"]) == ("warn", "warn")
        assert (check["reachable"], check["writable"]) == (False, False)
        assert check["notes"][0] == "Reads fail: Redis cannot be reached."
        assert member.ask(fleet.issuer.token()).status_code == 200
    redis.start()
    fleet.clock.move(31)
    fleet.pass_interval()
    complete()
    assert {member.health()["status"] for member in (first, second)} == {"pass"}
