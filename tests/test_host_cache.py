"""A cache of the app's own, passed to the blueprint: the package makes a safe backend on its engine, or refuses it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from cached_apps import add_cached_views, assert_nobody_gets_what_is_not_theirs, log_as_an_earlier_release
from cachelib.redis import RedisCache as CachelibRedisCache
from cachelib.serializers import BaseSerializer, JSONSerializer
from conftest import AppFactory, bearer
from flask import Flask
from flask_caching import Cache
from flask_caching.backends import NullCache, RedisCache, RedisSentinelCache, SimpleCache
from flask_caching.backends.base import BaseCache
from servers import complete

from auth0_blueprint import Auth0Blueprint, ConfigurationError
from auth0_blueprint.extension.own_backend import QuietJSONSerializer, earlier_backend_on, own_backend_on
from auth0_blueprint.testing import LocalIssuer

SECRET = "a secret of the fleet, long enough"


class LikeMemcached(BaseCache):
    """A backend without a serializer."""


class Pickling(BaseCache):
    """One that reads entries in its own way, which may or may not be through the serializer."""

    serializer = BaseSerializer()

    def get(self, key: str) -> Any:
        return None


class OfRedis(RedisCache):
    """A host's own, derived from flask-caching's; here what it reads would be somebody else's."""

    def get(self, key: str) -> Any:
        raise AssertionError(key)


def named(backend_class: type[Any]) -> str:
    return f"{__name__}.{backend_class.__name__}"


def test_files_of_a_host_that_pickles_are_shared_beside_them(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is found at first use, and two apps on it cause one fetch; their views keep what they return."""
    caplog.set_level(logging.DEBUG)
    settings = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "CACHE_THRESHOLD": 3}
    for _ in range(2):
        cache = Cache()
        app = make_app(Auth0Blueprint(cache=cache), AUTH0_CACHE_SECRET=SECRET, AUTH0_SYNC_INTERVAL=0, **settings)
        cache.init_app(app)
        client = app.test_client()
        assert client.get("/auth/me", headers=bearer(issuer.token(sub="eve"))).status_code == 200
        complete()
    assert issuer.fetch_count == 1
    cache = Cache(config={"CACHE_THRESHOLD": 500})
    app = make_app(Auth0Blueprint(cache=cache), AUTH0_CACHE_SECRET=SECRET, AUTH0_SYNC_INTERVAL=0, **settings)
    cache.init_app(app)
    add_cached_views(app, cache)
    assert_nobody_gets_what_is_not_theirs(app, issuer)
    with app.app_context():
        cache.clear()
    token = issuer.token(sub="ada", iat=int(time.time()) - 60)
    assert client.get("/auth/me", headers=bearer(token)).status_code == 401  # revoked by the other app
    assert [record.message for record in caplog.records if record.name == "root"] == []


def test_what_was_revoked_in_the_hosts_own_folder_stays_revoked(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """A host that stored JSON lent its folder to earlier releases. Nothing is written there."""
    settings = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "AUTH0_CACHE_SECRET": SECRET}
    before = Flask("before")
    earlier = Cache(before, config={**settings, "CACHE_SERIALIZER": JSONSerializer})
    log_as_an_earlier_release(before.extensions["cache"][earlier], issuer, SECRET, "eve")
    files = set((tmp_path / "cache").iterdir())
    cache = Cache()
    app = make_app(Auth0Blueprint(cache=cache), **settings)
    cache.init_app(app)
    client = app.test_client()
    tokens = [issuer.token(sub=name, iat=int(time.time()) - 60) for name in ("eve", "ada")]  # before the revocation
    assert [client.get("/auth/me", headers=bearer(token)).status_code for token in tokens] == [401, 200]
    complete()
    assert set((tmp_path / "cache").iterdir()) == files


@pytest.mark.parametrize(
    "host",
    [
        RedisCache("localhost", key_prefix="host_"),
        OfRedis("localhost", key_prefix="host_"),
        RedisSentinelCache([("localhost", 1)], key_prefix="host_"),
    ],
    ids=lambda host: type(host).__name__,
)
def test_on_redis_ours_has_the_client_of_the_host_and_a_serializer_and_prefix_of_its_own(host: Any) -> None:
    """It is of flask-caching's own class, and reads from the primary. The host's stays as it is."""
    own: Any = own_backend_on(host)
    assert type(own).__module__.startswith("flask_caching.")
    assert own.get.__func__.__module__.startswith("cachelib.")
    assert own._read_client is own._write_client is host._write_client
    assert (own.key_prefix, host.key_prefix) == ("auth0_blueprint_", "host_")
    assert isinstance(own.serializer, QuietJSONSerializer)
    earlier: Any = earlier_backend_on(host)
    assert (type(earlier), earlier._read_client, earlier.key_prefix) == (type(own), own._read_client, "host_")
    assert isinstance(earlier.serializer, QuietJSONSerializer)
    assert not isinstance(host.serializer, JSONSerializer)


@pytest.mark.parametrize("host", [SimpleCache(), NullCache()], ids=lambda host: type(host).__name__)
def test_in_memory_ours_is_another_of_the_same_type(host: Any) -> None:
    own: Any = own_backend_on(host)
    assert (type(own), own is host) == (type(host), False)
    own.set("key", "text", timeout=60)
    assert own.get("key") == ("text" if isinstance(host, SimpleCache) else None)
    assert host.get("key") is None
    assert earlier_backend_on(host) is None


def test_a_class_that_reads_by_cachelib_gets_another_serializer() -> None:
    """Without a change of the host's, as for uWSGI's, MongoDB's and DynamoDB's."""
    host = CachelibRedisCache("localhost", key_prefix="host_")
    own: Any = own_backend_on(host)
    assert type(own) is CachelibRedisCache
    assert isinstance(own.serializer, QuietJSONSerializer)
    assert not isinstance(host.serializer, JSONSerializer)


def test_a_class_of_the_hosts_own_is_trusted_with_json_alone() -> None:
    host: Any = Pickling()
    host.serializer = JSONSerializer()
    assert isinstance(own_backend_on(host).serializer, QuietJSONSerializer)  # type: ignore[attr-defined]


REFUSED = [
    (LikeMemcached, r"cache: LikeMemcached may unpickle what its server sends: .* on Redis, or none"),
    (Pickling, r"CACHE_SERIALIZER: Pickling uses pickle, .* cachelib\.serializers\.JSONSerializer, or pass no cache"),
]


@pytest.mark.parametrize(("backend_class", "text"), REFUSED, ids=["LikeMemcached", "Pickling"])
def test_a_host_cache_that_may_unpickle_is_refused_where_it_is_seen(
    make_app: AppFactory, issuer: LocalIssuer, backend_class: type[Any], text: str
) -> None:
    """At registration, else at the first request."""
    app = Flask("host", static_folder=None)
    app.config.update(issuer.settings, CACHE_TYPE=named(backend_class))
    with pytest.raises(ConfigurationError, match=text):
        app.register_blueprint(Auth0Blueprint(cache=Cache(app)))
    assert "auth0" not in app.extensions
    cache = Cache()
    late = make_app(Auth0Blueprint(cache=cache), TESTING=True)
    cache.init_app(late, {"CACHE_TYPE": named(backend_class)})
    with pytest.raises(ConfigurationError, match=text):
        late.test_client().get("/auth/health")


def test_settings_show_a_cache_without_a_serializer_before_it_is_initialised(make_app: AppFactory) -> None:
    for cache, settings in (
        (Cache(config={"CACHE_TYPE": named(LikeMemcached)}), {}),
        (Cache(), {"CACHE_TYPE": named(LikeMemcached)}),
    ):
        with pytest.raises(ConfigurationError, match="may unpickle"):
            make_app(Auth0Blueprint(cache=cache), **settings)
    make_app(Auth0Blueprint(cache=Cache()), CACHE_TYPE="NullCache")


@pytest.mark.parametrize("cache", [Cache(), Cache(Flask("other"), config={"CACHE_TYPE": "SimpleCache"})])
def test_a_host_cache_that_was_never_initialised_is_refused_at_the_first_request(
    make_app: AppFactory, cache: Cache
) -> None:
    """Also one that was, for another app. The error says what to call, and where."""
    app = make_app(Auth0Blueprint(cache=cache), TESTING=True)
    with pytest.raises(ConfigurationError, match=r"cache: .*init_app"):
        app.test_client().get("/auth/health")


def test_nothing_is_left_of_a_private_cache_in_the_extensions_of_the_app(make_app: AppFactory, tmp_path: Path) -> None:
    """It is nobody else's business, and a refused registration leaves no trace."""
    app = make_app(CACHE_TYPE="RedisCache", CACHE_REDIS_URL="redis://127.0.0.1:1/0", AUTH0_CACHE_SECRET=SECRET)
    assert "cache" not in app.extensions
    host = Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)})
    app.test_client().get("/auth/health/live")
    assert list(app.extensions["cache"]) == [host]
