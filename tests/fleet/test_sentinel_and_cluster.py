"""Redis behind Sentinel, and Redis Cluster: shared as through one Redis, and as cheap to lose."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from conftest import AppFactory, MovableClock, bearer
from flask import Flask
from flask_caching import Cache
from processes import eventually
from servers import RawServer, complete, drip

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.extension.cache_backend import backend_opener
from auth0_blueprint.sharing.shared_cache import PAUSE_AFTER_FAILURE_SECONDS, CacheUnavailableError, SharedCache
from auth0_blueprint.testing import LocalIssuer

from .members import Fleet
from .redis_server import RedisServer
from .servers import SECRET

Settings = dict[str, Any]


@pytest.fixture(autouse=True)
def what_redis_py_leaves_open_is_not_ours() -> Iterator[None]:
    """Let its connections go here, where nobody is warned: a cluster client that fails to start does not close them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def sentinel(program: str, directory: Path) -> Iterator[tuple[Settings, RedisServer]]:
    """Run a Redis, and a Sentinel that watches it."""
    with RedisServer(program, directory) as master, watching(master, directory) as server:
        yield sentinel_settings(server.port), server


@contextmanager
def watching(master: RedisServer, directory: Path) -> Iterator[RedisServer]:
    """Run a Sentinel that watches *master*."""
    configuration = directory / "sentinel.conf"
    configuration.write_text(f"sentinel monitor watched 127.0.0.1 {master.port} 1\n")
    with RedisServer(master.program, directory, str(configuration), "--sentinel") as server:
        yield server


class Watched(NamedTuple):
    """A primary, its replica, and the Sentinel that watches them."""

    primary: RedisServer
    replica: RedisServer
    sentinel: RedisServer


@pytest.fixture
def watched(redis_server: str, tmp_path: Path) -> Iterator[Watched]:
    """All three, which know each other."""
    with RedisServer(redis_server, tmp_path) as primary, RedisServer(redis_server, tmp_path) as replica:
        replica.follow(primary)
        with watching(primary, tmp_path) as watcher:
            eventually(lambda: len(watcher.client.sentinel_slaves("watched")) == 1)
            yield Watched(primary, replica, watcher)


def sentinel_settings(port: int) -> Settings:
    return {
        "CACHE_TYPE": "RedisSentinelCache",
        "CACHE_REDIS_SENTINELS": [("127.0.0.1", port)],
        "CACHE_REDIS_SENTINEL_MASTER": "watched",
    }


@contextmanager
def cluster(program: str, directory: Path) -> Iterator[tuple[Settings, RedisServer]]:
    """Run a cluster of one node that has all slots."""
    with RedisServer(program, directory, "--cluster-enabled", "yes") as server:
        give_all_slots(server)
        yield cluster_settings(server.port), server


def give_all_slots(server: RedisServer) -> None:
    """Make a cluster of *server* alone."""
    server.client.execute_command("CLUSTER ADDSLOTS", *range(16384))
    eventually(lambda: server.client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")


def cluster_settings(port: int) -> Settings:
    return {"CACHE_TYPE": "RedisClusterCache", "CACHE_REDIS_CLUSTER": f"127.0.0.1:{port}"}


def ask(app: Flask, token: str) -> int:
    response = app.test_client().get("/auth/me", headers=bearer(token), environ_overrides={"wsgi.multiprocess": True})
    complete()
    return response.status_code


@pytest.mark.parametrize("run", [sentinel, cluster])
def test_processes_share_through_it(
    redis_server: str, tmp_path: Path, make_app: AppFactory, issuer: LocalIssuer, run: Any
) -> None:
    """The first process fetches, the others adopt; all call it a fleet, also with a cache of the app's own."""
    with run(redis_server, tmp_path) as (settings, _):
        for cache in (None, None, Cache(), Cache()):
            app = make_app(
                Auth0Blueprint(cache=cache), AUTH0_CACHE_SECRET=SECRET, AUTH0_HEALTH_DETAILS="always", **settings
            )
            if cache is not None:
                cache.init_app(app)
            assert ask(app, issuer.token()) == 200
            check = app.test_client().get("/auth/health").get_json()["checks"]["cache"]
            assert (check["status"], check["type"], check["reach"]) == ("pass", settings["CACHE_TYPE"], "fleet")
        assert issuer.fetch_count == 1


@pytest.mark.parametrize("run", [sentinel, cluster])
def test_revocations_and_proofs_bind_all(
    redis_server: str, tmp_path: Path, make_app: AppFactory, issuer: LocalIssuer, run: Any
) -> None:
    """Scripts and all: in one process, in the others, and in those that start later; also after all was lost."""
    with run(redis_server, tmp_path) as (settings, server):
        fleet = Fleet(make_app, issuer, settings)
        first, second = fleet.start(2, AUTH0_REVOCATION_ON_ERROR="deny")
        first.revoke("stolen")
        proof = fleet.proof()
        assert first.prove(proof).status_code == 200
        assert second.prove(proof).get_json()["code"] == "invalid_dpop_proof"
        fleet.pass_interval()
        first.state.store.write(lambda store: store.check())
        (late,) = fleet.start(AUTH0_REVOCATION_ON_ERROR="deny")
        assert not any(member.admits_subject("stolen") for member in (first, second, late))
        assert {member.health()["status"] for member in (first, second, late)} == {"pass"}

        data_of(server).flushall()
        fleet.pass_interval()
        fleet.pass_interval()
        (later,) = fleet.start(AUTH0_REVOCATION_ON_ERROR="deny")
        assert not any(member.admits_subject("stolen") for member in (first, second, late, later))


def data_of(server: RedisServer) -> Any:
    """Return a client of the Redis that has the data: *server*, or what it watches."""
    if "--sentinel" not in server.arguments:
        return server.client
    (watched,) = server.client.sentinel_masters().values()
    return redis.Redis(port=watched["port"])


@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_a_revocation_binds_all_although_a_replica_behind_sentinel_does_not_hear_of_it(
    watched: Watched, make_app: AppFactory, issuer: LocalIssuer, on_error: str
) -> None:
    """Its link is broken, and Sentinel still names it as one to read from."""
    fleet = Fleet(make_app, issuer, sentinel_settings(watched.sentinel.port))
    first, second = fleet.start(2, AUTH0_REVOCATION_ON_ERROR=on_error)
    first.revoke("before")
    assert watched.primary.client.wait(1, 5000) == 1
    fleet.pass_interval()

    watched.replica.lose_primary()
    first.revoke("stolen")
    fleet.pass_interval()
    assert not second.admits_subject("stolen")
    (late,) = fleet.start(AUTH0_REVOCATION_ON_ERROR=on_error)
    assert not late.admits_subject("stolen")
    (slave,) = watched.sentinel.client.sentinel_slaves("watched")
    assert not slave["is_sdown"]
    assert not slave["is_odown"]


def test_after_a_failover_of_sentinel_all_agree(watched: Watched, make_app: AppFactory, issuer: LocalIssuer) -> None:
    """As soon as the former primary is told; until then it takes what nobody else hears of, and this is not lost."""
    fleet = Fleet(make_app, issuer, sentinel_settings(watched.sentinel.port))
    first, second = fleet.start(2)
    first.revoke("before")
    assert watched.primary.client.wait(1, 5000) == 1

    eventually(lambda: has_failed_over(watched))
    first.revoke("after")
    eventually(lambda: watched.primary.client.info("replication")["role"] == "slave", 30)
    fleet.clock.move(31)
    fleet.pass_interval()
    fleet.pass_interval()
    (late,) = fleet.start()
    assert not any(member.admits_subject(one) for member in (first, second, late) for one in ("before", "after"))
    proof = fleet.proof()
    assert first.prove(proof).status_code == 200
    assert second.prove(proof).get_json()["code"] == "invalid_dpop_proof"
    assert {member.health()["checks"]["cache"]["status"] for member in fleet.members} == {"pass"}


def has_failed_over(watched: Watched) -> bool:
    """Tell whether the replica is the primary now; if not, ask for it again."""
    if watched.replica.client.info("replication")["role"] == "master":
        return True
    with suppress(redis.ResponseError):  # not yet seen as good, or under way
        watched.sentinel.client.execute_command("SENTINEL", "FAILOVER", "watched")
    return False


@pytest.mark.parametrize("settings_for", [sentinel_settings, cluster_settings])
@pytest.mark.parametrize("is_silent", [False, True], ids=["refuses", "is silent"])
def test_one_that_is_dead_at_the_start_costs_only_the_sharing(
    make_app: AppFactory, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, settings_for: Any, is_silent: bool
) -> None:
    """Neither an error nor a long wait: the process fetches for itself, and health says why."""
    with RawServer(drip(b"", b"")) as server:  # which drips nothing
        port = server.server_address[1] if is_silent else 9
        app = make_app(AUTH0_CACHE_SECRET=SECRET, AUTH0_HEALTH_DETAILS="always", **settings_for(port))
        token, started = issuer.token(), time.monotonic()
        assert ask(app, token) == 200
        assert time.monotonic() - started < 3
        health = app.test_client().get("/auth/health", environ_overrides={"wsgi.multiprocess": True})
    assert health.status_code == 200
    check = health.get_json()["checks"]["cache"]
    assert (check["status"], check["reachable"], check["writable"]) == ("warn", False, False)
    assert check["notes"][0].startswith("Reads fail: ")
    assert issuer.fetch_count == 1
    (message,) = [message for message in caplog.messages if "cache" in message]
    assert message.startswith("shared cache unavailable (")
    # What was given up ends by itself, soon: nothing piles up.
    eventually(lambda: all(thread.name != "auth0-blueprint-call" for thread in threading.enumerate()), 2)


def test_a_cluster_that_comes_up_later_is_found(
    redis_server: str, tmp_path: Path, make_app: AppFactory, clock: MovableClock
) -> None:
    """Connecting is tried again when the pause after a failure is over."""
    server = RedisServer(redis_server, tmp_path, "--cluster-enabled", "yes")
    cache = SharedCache(backend_opener(make_app(**cluster_settings(server.port)), None), clock=clock)
    with pytest.raises(CacheUnavailableError):
        cache.get("shared")
    assert cache.has_failed
    with server:
        give_all_slots(server)
        clock.move(PAUSE_AFTER_FAILURE_SECONDS)
        cache.set("shared", "now", 60)
        assert cache.get("shared") == "now"
