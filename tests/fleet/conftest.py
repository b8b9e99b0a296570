"""Fixtures: a key set that may misbehave, and a Redis that may fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from auth0_blueprint.testing import LocalIssuer

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
