"""The app's own cache on Redis, which pickles: the package shares through the same Redis, and never unpickles."""

from __future__ import annotations

import logging
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from cached_apps import (
    Bomb,
    add_cached_views,
    assert_nobody_gets_what_is_not_theirs,
    log_as_an_earlier_release,
)
from cachelib.serializers import JSONSerializer
from conftest import AppFactory, bearer
from flask import Flask, Response
from flask_caching import Cache
from servers import complete

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

from .members import ADMIN, Member
from .redis_server import RedisServer
from .servers import SECRET

pytestmark = pytest.mark.usefixtures("unmeasured")


class Host:
    """Makes apps that have a cache of their own on one Redis, and pass it to the blueprint.

    Attributes:
        cache: that of the latest one.
    """

    def __init__(self, issuer: LocalIssuer, redis: RedisServer) -> None:
        self._settings = {**issuer.settings, **redis.settings, "AUTH0_CACHE_SECRET": SECRET, "AUTH0_SYNC_INTERVAL": 0}

    def app(self, *, is_late: bool = False, cache_config: dict[str, Any] | None = None, **settings: Any) -> Flask:
        """Make one; its cache is initialised before the blueprint is registered, or after."""
        self.cache = Cache(config=cache_config)
        app = Flask("host", static_folder=None)
        app.config.update({**self._settings, "AUTH0_HEALTH_DETAILS": "always", **settings})
        if not is_late:
            self.cache.init_app(app)
        app.register_blueprint(Auth0Blueprint(cache=self.cache))
        if is_late:
            self.cache.init_app(app)
        return app


@pytest.fixture
def host(issuer: LocalIssuer, clean_redis: RedisServer) -> Host:
    return Host(issuer, clean_redis)


@pytest.mark.parametrize("is_late", [False, True])
def test_cached_views_keep_their_answers_and_nobody_gets_another_callers(
    host: Host, issuer: LocalIssuer, clean_redis: RedisServer, caplog: pytest.LogCaptureFixture, is_late: bool
) -> None:
    """Status and headers too, in debug mode as well; the log stays quiet, and no key is in the host's way."""
    caplog.set_level(logging.DEBUG)
    app = host.app(is_late=is_late, DEBUG=True)
    add_cached_views(app, host.cache)
    assert_nobody_gets_what_is_not_theirs(app, issuer)
    complete()
    assert [record.message for record in caplog.records if record.name == "root"] == []
    with app.app_context():
        host.cache.clear()
    keys = clean_redis.client.keys()
    assert any(key.endswith(b":log") for key in keys)
    assert all(key.startswith(b"auth0_blueprint_") for key in keys)
    late = host.app(is_late=is_late)
    assert (
        late.test_client()
        .get("/auth/me", headers=bearer(issuer.token(sub="ada", iat=int(time.time()) - 60)))
        .status_code
        == 401
    )
    check = late.test_client().get("/auth/health").get_json()["checks"]["cache"]
    assert (check["status"], check["type"], check["reach"], check["notes"]) == ("pass", "RedisCache", "fleet", [])


def test_a_host_that_stores_json_and_apps_without_a_cache_of_their_own_share_too(
    make_app: AppFactory, host: Host, issuer: LocalIssuer, clean_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the host's serializer and prefix, the entries are the same. Nothing of ours is a warning."""
    settings = {"AUTH0_CACHE_SECRET": SECRET, "AUTH0_SYNC_INTERVAL": 0, **clean_redis.settings}
    apps = [
        host.app(CACHE_SERIALIZER=JSONSerializer, CACHE_KEY_PREFIX="mine_"),
        host.app(cache_config={"CACHE_KEY_PREFIX": "other_", "CACHE_OPTIONS": {"socket_timeout": 2}}),
        make_app(**settings),
    ]
    members = [Member(app, issuer) for app in apps]
    for number, member in enumerate(members):
        member.revoke(f"subject-{number}")
    for member in members:
        assert not any(member.admits_subject(f"subject-{number}") for number in range(3))
    complete()
    assert issuer.fetch_count == 1
    assert [record.message for record in caplog.records if record.name == "root"] == []


def test_a_pickle_planted_under_our_keys_is_never_run(
    host: Host, issuer: LocalIssuer, clean_redis: RedisServer, tmp_path: Path
) -> None:
    """CVE-2021-33026: though the host's own serializer would run it."""
    crater = tmp_path / "crater"
    client = clean_redis.client
    first = Member(host.app(), issuer)
    first.revoke("before")
    keys = client.keys("auth0_blueprint_*")
    assert keys
    for key in keys:
        client.set(key, b"!" + pickle.dumps(Bomb(crater)), keepttl=True)
    member = Member(host.app(), issuer)
    assert member.admits_subject("bystander")
    assert member.health()["status"] in {"pass", "warn"}
    assert not first.admits_subject("before")
    complete()
    assert not crater.exists()


def test_what_was_revoked_among_the_hosts_own_entries_stays_revoked(
    host: Host, issuer: LocalIssuer, clean_redis: RedisServer, tmp_path: Path
) -> None:
    """A host that stored JSON lent its prefix to earlier releases. A pickle there is never run."""
    own: dict[str, Any] = {"CACHE_KEY_PREFIX": "mine_"}
    host.app(CACHE_SERIALIZER=JSONSerializer, **own)
    stored = log_as_an_earlier_release(host.cache.cache, issuer, SECRET, "eve", "mallory")
    assert sorted(clean_redis.client.keys("mine_*")) == sorted(f"mine_{key}".encode() for key in stored)
    crater = tmp_path / "crater"
    clean_redis.client.set(f"mine_{stored[1]}", pickle.dumps(Bomb(crater)))
    first = Member(host.app(**own), issuer)
    assert [first.admits_subject(subject) for subject in ("eve", "mallory", "ada")] == [False, True, True]
    clean_redis.client.delete(*clean_redis.client.keys("mine_*"))
    assert not Member(host.app(CACHE_KEY_PREFIX="other_"), issuer).admits_subject("eve")
    assert not crater.exists()


def test_two_apis_of_a_tenant_are_two_fleets_though_they_share_all_else(
    make_app: AppFactory, issuer: LocalIssuer, clean_redis: RedisServer
) -> None:
    """One Redis, one secret, one issuer: an admin of one neither revokes nor lifts anything at the other."""
    settings = {"AUTH0_CACHE_SECRET": SECRET, "AUTH0_SYNC_INTERVAL": 0, **clean_redis.settings}
    orders, again, stock = (
        make_app(AUTH0_AUDIENCE=[audience, "https://both.example.com"], **settings).test_client()
        for audience in ("https://orders.example.com", "https://orders.example.com", "https://stock.example.com")
    )
    admin = bearer(issuer.token(aud="https://both.example.com", **ADMIN))
    thief = bearer(issuer.token(aud="https://both.example.com", sub="thief", iat=int(time.time()) - 300))
    path = "/auth/admin/revocations"
    for client in (orders, stock):
        assert client.post(path, json={"subject": "thief"}, headers=admin).get_json()["reach"] == "fleet"
    assert stock.delete(f"{path}/subject/thief", headers=admin).status_code == 200
    assert [client.get("/auth/me", headers=thief).status_code for client in (orders, again, stock)] == [401, 401, 200]
    assert stock.delete(f"{path}/subject/thief", headers=admin).status_code == 404
    assert [client.get("/auth/me", headers=thief).status_code for client in (orders, again, stock)] == [401, 401, 200]
    assert len(clean_redis.client.keys("*:log")) == 2
    complete()
    assert issuer.fetch_count == 1  # the key set is the issuer's, and shared by both


@pytest.mark.parametrize("has_own_cache", [False, True])
@pytest.mark.parametrize("key", ["AUTH0_CACHE_SECRET", "SECRET_KEY"])
@pytest.mark.parametrize("secret", ["dev", "x" * 31, b"\x00" * 31, "ä" * 15])
def test_a_short_secret_signs_nothing_that_leaves_the_machine(
    make_app: AppFactory,
    host: Host,
    issuer: LocalIssuer,
    clean_redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    has_own_cache: bool,
    key: str,
    secret: Any,
) -> None:
    """Redis stays empty; the log says so at startup, and the answers to operators say how far a revocation reaches."""
    settings = {**clean_redis.settings, "AUTH0_CACHE_SECRET": None, "AUTH0_HEALTH_DETAILS": "always", key: secret}
    app = host.app(is_late=True, **settings) if has_own_cache else make_app(**settings)
    warning = f"{key} is shorter than 32 bytes: nothing is shared beyond this machine. Set AUTH0_CACHE_SECRET to"
    assert sum(message.startswith(warning) for message in caplog.messages) == 1
    first = app.test_client().get("/auth/health", environ_overrides={"wsgi.multiprocess": True})
    assert "CACHE_TYPE=RedisCache" not in first.text + caplog.text  # which it is already
    member = Member(app, issuer)
    assert member.try_to_revoke("thief").get_json()["reach"] == "process"
    assert not member.admits_subject("thief")
    health = member.health()
    check = health["checks"]["cache"]
    assert (health["status"], check["reach"], check["type"], len(check["notes"])) == ("warn", "process", None, 1)
    assert check["notes"][0].startswith("The secret is shorter than 32 bytes")
    assert clean_redis.client.keys() == []


@pytest.mark.parametrize("secret", ["x" * 32, b"\x00" * 32, "ä" * 16])
def test_a_secret_of_32_bytes_signs_it(
    make_app: AppFactory, issuer: LocalIssuer, clean_redis: RedisServer, secret: Any, caplog: pytest.LogCaptureFixture
) -> None:
    member = Member(make_app(SECRET_KEY=secret, **clean_redis.settings), issuer)
    member.revoke("thief")
    assert clean_redis.client.keys("*:log")
    assert "shorter than" not in caplog.text


def test_a_response_of_a_view_is_cached_also_where_it_is_no_json(host: Host, issuer: LocalIssuer) -> None:
    """What cachelib's JSONSerializer, as a host's own, would refuse."""
    app = host.app(DEBUG=True)
    app.add_url_rule("/bytes", "bytes", host.cache.cached(timeout=60)(lambda: Response(b"\xff\x00", 203)))
    for _ in range(2):
        answer = app.test_client().get("/bytes")
        assert (answer.status_code, answer.data) == (203, b"\xff\x00")
