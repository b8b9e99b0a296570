"""A Redis that pauses, or accepts connections and never answers: nobody touched anything, and nothing piles up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import AppFactory, MovableClock, bearer
from processes import eventually
from servers import RawServer, complete, drip

from auth0_blueprint.testing import LocalIssuer

from .members import INTERVAL_SECONDS, Fleet
from .redis_server import RedisServer
from .servers import SECRET

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_a_pause_makes_nobody_suspect_a_forgery(
    fleet: Fleet, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Each process fetches for itself meanwhile; what it finds afterwards is older than its own, and nobody's doing."""
    fleet.clock = clock = Everything(time.time())
    members = fleet.start(2, AUTH0_JWKS_TTL=60, AUTH0_JWKS_REFRESH_AHEAD=58)
    assert fleet.issuer.fetch_count == 1
    redis.pause()
    clock.move(4)
    for member in members:
        assert member.ask(fleet.issuer.token()).status_code == 200
        complete()
    redis.resume()
    eventually(lambda: bool(redis.client.ping()))
    assert fleet.issuer.fetch_count == 3
    for _ in range(20):  # beyond the time for which the cache is left alone
        clock.move(3)
        for member in members:
            member.state.key_sources[fleet.issuer.issuer]._shared.read()
            assert member.ask(fleet.issuer.token()).status_code == 200
            complete()
    assert "entry in the shared cache" not in caplog.text
    assert {member.health()["checks"]["cache"]["ignored"] for member in members} == {0}
    assert {member.health()["status"] for member in members} == {"pass"}


class Everything(MovableClock):
    """Moves both times."""

    @property
    def monotonic_only(self) -> MovableClock:
        return self


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are accepted, and nothing is said."""
    with RawServer(drip(b"", b"")) as server:
        yield server.server_address[1]


@pytest.mark.parametrize("by", ["url", "host"])
def test_one_that_hangs_leaves_no_threads_behind(
    make_app: AppFactory, issuer: LocalIssuer, clock: MovableClock, silent_port: int, by: str
) -> None:
    """However often it is tried again."""
    address: dict[str, Any] = (
        {"CACHE_REDIS_URL": f"redis://127.0.0.1:{silent_port}/0"}
        if by == "url"
        else {"CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": silent_port}
    )
    settings = {"CACHE_TYPE": "RedisCache", "AUTH0_CACHE_SECRET": SECRET, "AUTH0_SYNC_INTERVAL": INTERVAL_SECONDS}
    settings["AUTH0_REVOCATION_MAX_STALE"] = INTERVAL_SECONDS
    app = make_app(clock=clock.monotonic_only, AUTH0_HEALTH_DETAILS="always", **settings, **address)
    client, token, most = app.test_client(), issuer.token(), 0
    for number in range(6):
        # At first it may only be slow.
        assert client.get("/auth/me", headers=bearer(token)).status_code == (200 if number else 503)
        client.get("/auth/health")
        most = max(most, len(waiting()))
        clock.move(31)
    # At most one for reads and one for writes of each of the two stores, and one for the cache.
    assert most <= 5
    complete()
    eventually(lambda: not waiting(), 3)


def waiting() -> list[threading.Thread]:
    """Return the threads of operations that have not ended."""
    return [thread for thread in threading.enumerate() if thread.name == "auth0-blueprint-call"]
