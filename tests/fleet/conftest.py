"""Fixtures: a key set that may misbehave, and a Redis that may fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import AppFactory

from auth0_blueprint.testing import LocalIssuer

from .members import Fleet
from .proxy import Proxy
from .redis_server import RedisServer, needed_redis_server
from .servers import KeySetServer


@pytest.fixture
def key_set_server(issuer: LocalIssuer) -> Iterator[KeySetServer]:
    """The key set of the issuer of these tests."""
    with KeySetServer(issuer) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The redis-server program."""
    return needed_redis_server()


@pytest.fixture
def redis(redis_server: str, tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis."""
    with RedisServer(redis_server, tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def module_redis(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for all tests of a module that leave it as it is, but for its contents."""
    with RedisServer(redis_server, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def clean_redis(module_redis: RedisServer) -> RedisServer:
    """That one, empty."""
    module_redis.client.flushall()
    return module_redis


@pytest.fixture
def fleet(make_app: AppFactory, issuer: LocalIssuer, redis: RedisServer) -> Fleet:
    """Processes on a Redis of their own."""
    return Fleet(make_app, issuer, redis.settings)


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[Proxy]:
    """An address in front of that Redis."""
    with Proxy(redis.port) as proxy:
        yield proxy


@pytest.fixture
def proxied_fleet(make_app: AppFactory, issuer: LocalIssuer, proxy: Proxy) -> Fleet:
    """Processes that share through that address."""
    return Fleet(make_app, issuer, {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0"})
