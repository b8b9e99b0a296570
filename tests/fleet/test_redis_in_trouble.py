"""A Redis that dies, sleeps, forgets or comes back costs nothing but the sharing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import AppFactory, MovableClock, bearer
from processes import eventually
from servers import complete

from auth0_blueprint.extension.cache_backend import backend_opener
from auth0_blueprint.sharing.shared_cache import PAUSE_AFTER_FAILURE_SECONDS, CacheUnavailableError, SharedCache
from auth0_blueprint.testing import LocalIssuer

from .redis_server import RedisServer
from .servers import SECRET, KeySetServer, workers

#: Keys are due, and so Redis is asked, about twice a second.
OFTEN_DUE = {"AUTH0_JWKS_TTL": "60", "AUTH0_JWKS_REFRESH_AHEAD": "59.5"}

#: ``AUTH0_REVOCATION_MAX_STALE``, where it is not set.
DEFAULT_MAX_STALE_SECONDS = 60

TROUBLE: dict[str, Callable[[RedisServer], object]] = {
    "killed": RedisServer.kill,
    "restarted": RedisServer.start,
    "paused": RedisServer.pause,
    "resumed": RedisServer.resume,
    "emptied": lambda redis: redis.client.flushall(),
}


def has_fewer_fetches(key_set_server: KeySetServer, number: int) -> bool:
    return key_set_server.fetches < number


def test_no_request_suffers_from_redis(key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path) -> None:
    """Killed, restarted, paused, resumed and emptied under load: each answer is 200, and within a second."""
    token = key_set_server.issuer.token()
    settings = {**key_set_server.settings, **redis.settings, **OFTEN_DUE}
    with workers(tmp_path, settings) as fleet:
        assert fleet.ask_every_worker(token).statuses.keys() == {200}

        for what, happens in TROUBLE.items():
            happens(redis)
            # Long enough for each worker to refresh, with this Redis or without it.
            enough = key_set_server.fetches + 4
            answers = fleet.load_while(partial(has_fewer_fetches, key_set_server, enough), token, clients=8)
            assert answers.statuses.keys() == {200}, what
            assert answers.slowest < 1, what

        health = fleet.health()
        assert {worker["status"] for worker in health.values()} <= {"pass", "warn"}


@pytest.mark.parametrize("fails", [RedisServer.kill, RedisServer.pause], ids=["killed", "paused"])
def test_a_redis_that_failed_is_used_again_after_30_seconds(
    redis: RedisServer, make_app: AppFactory, clock: MovableClock, fails: Callable[[RedisServer], None]
) -> None:
    """It is left alone for so long by the clock of the process, and then it works as before."""
    app = make_app(AUTH0_CACHE_SECRET=SECRET, **redis.settings)
    cache = SharedCache(backend_opener(app, None), clock=clock)
    cache.set("shared", "before", 60)
    assert cache.get("shared") == "before"

    fails(redis)
    with pytest.raises(CacheUnavailableError):
        cache.get("shared")
    redis.resume() if fails is RedisServer.pause else redis.start()

    clock.move(PAUSE_AFTER_FAILURE_SECONDS - 0.1)
    with pytest.raises(CacheUnavailableError):
        cache.set("shared", "in the pause", 60)
    assert redis.client.get("auth0_blueprint_shared") != b'"in the pause"'
    with pytest.raises(CacheUnavailableError):
        cache.get("shared")
    clock.move(0.2)
    cache.set("shared", "after", 60)
    assert cache.get("shared") == "after"
    assert not cache.has_failed


def test_a_cold_process_starts_without_redis(
    redis: RedisServer, make_app: AppFactory, issuer: LocalIssuer, clock: MovableClock
) -> None:
    """One that does not answer may only be slow: for as long as revocations may be outdated, nobody is admitted."""
    redis.pause()
    settings = {"AUTH0_CACHE_SECRET": SECRET, "AUTH0_HEALTH_DETAILS": "always", **redis.settings}
    client = make_app(clock=clock.monotonic_only, **settings).test_client()

    refused = client.get("/auth/me", headers=bearer(issuer.token()))
    assert (refused.status_code, refused.get_json()["code"]) == (503, "revocation_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    complete()
    clock.move(DEFAULT_MAX_STALE_SECONDS + 1)
    assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    complete()
    check = client.get("/auth/health").get_json()["checks"]["cache"]
    assert (check["status"], check["type"], check["reachable"]) == ("warn", "RedisCache", False)
    assert issuer.fetch_count == 1


def test_a_process_that_gave_redis_up_fetches_for_itself(
    redis: RedisServer, make_app: AppFactory, issuer: LocalIssuer
) -> None:
    """Two cold processes without Redis: two fetches; with it again, a third process adopts."""
    settings = {"AUTH0_CACHE_SECRET": SECRET, **redis.settings}

    def ask() -> int:
        status: int = make_app(**settings).test_client().get("/auth/me", headers=bearer(issuer.token())).status_code
        complete()
        return status

    redis.kill()
    assert [ask(), ask()] == [200, 200]
    assert issuer.fetch_count == 2

    redis.start()
    assert [ask(), ask()] == [200, 200]
    assert issuer.fetch_count == 3


def test_the_log_tells_of_redis_once_a_change_and_never_its_password(
    redis: RedisServer, key_set_server: KeySetServer, tmp_path: Path
) -> None:
    """One line in each process that noticed, whatever the number of requests and refreshes."""
    url = redis.url.replace("redis://", "redis://:" + "swordfish@")
    settings = {**key_set_server.settings, **redis.settings, **OFTEN_DUE, "CACHE_REDIS_URL": url}
    redis.client.config_set("requirepass", "swordfish")
    token = key_set_server.issuer.token()
    with workers(tmp_path, settings, number=1) as fleet:
        assert fleet.ask(token).status == 200
        redis.kill()

        def has_refreshed_a_few_times() -> bool:
            assert fleet.load([token] * 8, clients=8).statuses.keys() == {200}
            return key_set_server.fetches >= 5

        eventually(has_refreshed_a_few_times)
        log = fleet.log()
    assert log.count("shared cache unavailable (ConnectionError)") == 1
    assert "swordfish" not in log
