"""Whoever can write to Redis can neither have a key believed nor code run, and is seen."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from itsdangerous import Serializer
from processes import eventually
from servers import complete, respond

from auth0_blueprint.testing import LocalIssuer

from .redis_server import RedisServer
from .servers import SECRET, KeySetServer

KINDS = ("key-set", "lease", "failure")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._mark),)


class Process:
    """What is one process to the others: an app with a memory of its own."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def ask(self, token: str) -> int:
        """Ask with *token*; return when all that it causes has ended."""
        status = self._client.get("/auth/me", headers=bearer(token)).status_code
        complete()
        return status

    def checks(self) -> dict[str, Any]:
        """Return the details of its health."""
        return dict(self._client.get("/auth/health").get_json()["checks"])


MakeProcess = Callable[[], Process]


@pytest.fixture
def make_process(make_app: AppFactory, key_set_server: KeySetServer, redis: RedisServer) -> MakeProcess:
    """Return what starts one more cold process of the fleet."""
    settings = {"AUTH0_CACHE_SECRET": SECRET, "AUTH0_HEALTH_DETAILS": "always", "AUTH0_JWKS_COOLDOWN": 0}
    return lambda: Process(make_app(**{**key_set_server.settings, **redis.settings, **settings}))


@pytest.fixture
def entries(
    make_process: MakeProcess, key_set_server: KeySetServer, redis: RedisServer, issuer: LocalIssuer
) -> dict[str, tuple[str, bytes]]:
    """Each entry that the package puts into Redis, by its kind: key and value. Redis is empty again."""
    client, found = redis.client, {}

    def look(connection: Any) -> None:
        found.update({key.decode(): client.get(key) for key in client.scan_iter("*")})  # the lease, while it is held
        key_set_server.publish(connection)

    key_set_server.behave = look
    assert make_process().ask(issuer.token()) == 200
    key_set_server.behave = respond("500 Internal Server Error")
    make_process().ask(issuer.token(headers={"kid": "unknown"}))
    found.update({key.decode(): client.get(key) for key in client.scan_iter("*")})
    client.flushall()
    key_set_server.behave = key_set_server.publish
    key_set_server.heads.clear()
    by_kind = {
        kind: (key, value)
        for kind in KINDS
        for key, value in found.items()
        if f"auth0-{kind}-" in key or key.endswith(f":{kind}")
    }
    assert len(by_kind) == len(found) == len(KINDS), found
    return by_kind


def as_redis_value(text: str, kind: str = "key-set") -> bytes:
    """Return *text* as the package writes it: what goes through flask-caching as JSON, the lease as it is."""
    return text.encode() if kind == "lease" else json.dumps(text).encode()


def signed_text(value: bytes, kind: str) -> str:
    """Return the text that `as_redis_value` has written."""
    text: str = value.decode() if kind == "lease" else json.loads(value)
    return text


def planted_garbage(entries: dict[str, tuple[str, bytes]], kind: str, mark: Path) -> Iterator[bytes]:
    """Make values that none of ours would write under the key of *kind*."""
    value = entries[kind][1]
    text = signed_text(value, kind)
    another = next(other for other in KINDS if other != kind)
    other = as_redis_value(signed_text(entries[another][1], another), kind)
    yield b"!" + pickle.dumps(Bomb(mark))  # as cachelib writes pickles to Redis
    yield pickle.dumps(Bomb(mark))
    yield value[: len(value) // 2]
    yield b""
    yield b"\xff\x00garbage"
    yield b"[" * 100_000
    yield as_redis_value(text[:-1], kind)
    yield as_redis_value(text.replace("{", "{ ", 1), kind)
    yield as_redis_value(text.rpartition(".")[0], kind)
    yield json.dumps({"document": "{}", "fetched_at": 1e12, "until": 1e12, "holder": "", "retry_at": 1e12}).encode()
    yield as_redis_value(Serializer("another secret").dumps(json.loads(text.rpartition(".")[0])), kind)
    yield other


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_planted_in_redis_is_never_run_nor_believed(
    entries: dict[str, tuple[str, bytes]],
    make_process: MakeProcess,
    redis: RedisServer,
    key_set_server: KeySetServer,
    issuer: LocalIssuer,
    tmp_path: Path,
    kind: str,
) -> None:
    """Pickles, pieces and forgeries under each key in use: the keys come from the issuer, and it is counted."""
    mark, client, token = tmp_path / "mark", redis.client, issuer.token()
    key = entries[kind][0]
    for value in planted_garbage(entries, kind, mark):
        client.flushall()
        client.set(key, value)
        key_set_server.heads.clear()
        process = make_process()

        assert process.ask(token) == 200, value[:100]
        assert key_set_server.fetches == 1, value[:100]
        cache = process.checks()["cache"]
        assert cache["ignored"] >= 1, value[:100]
        assert (cache["status"], cache["reachable"]) == ("pass", True), value[:100]
    assert not mark.exists()


def test_a_key_set_that_an_attacker_signed_is_never_used(
    entries: dict[str, tuple[str, bytes]],
    make_process: MakeProcess,
    redis: RedisServer,
    key_set_server: KeySetServer,
    issuer: LocalIssuer,
) -> None:
    """Keys of one's own, in the right form under the right key: tokens signed with them stay refused."""
    key, value = entries["key-set"]
    entry = json.loads(json.loads(value).rpartition(".")[0])
    _, members = entry
    with LocalIssuer(issuer.audience) as attacker:
        token = attacker.token(iss=issuer.issuer, headers={"kid": "attackers"})
        members["document"] = json.dumps({"keys": [{**attacker.key_set["keys"][-1], "kid": "attackers"}]})
        members["fetched_at"] += 1
        for text in (Serializer("a guess").dumps(entry), json.dumps(entry)):
            redis.client.set(key, as_redis_value(str(text)))
            process = make_process()
            assert process.ask(token) == 401
            assert process.ask(issuer.token()) == 200
            assert process.checks()["cache"]["ignored"] >= 1


def test_a_key_set_older_than_one_seen_is_not_used_again(
    make_process: MakeProcess, redis: RedisServer, key_set_server: KeySetServer, issuer: LocalIssuer
) -> None:
    """Who puts back what was there before a key was withdrawn does not bring it back where the newer one was seen."""
    process, client = make_process(), redis.client
    old_key_id, old_token = issuer.key_ids[-1], issuer.token()
    assert process.ask(old_token) == 200
    (key,) = client.keys("*key-set*")
    old_value = client.get(key)

    issuer.rotate()
    issuer.remove_key(old_key_id)
    assert process.ask(issuer.token()) == 200
    assert process.ask(old_token) == 401
    before = process.checks()["cache"]["ignored"]

    key_set_server.behave = respond("503 Service Unavailable")
    client.set(key, old_value)
    assert process.ask(old_token) in {401, 503}
    assert process.ask(issuer.token()) == 200
    assert process.checks()["cache"]["ignored"] > before


def test_a_lease_that_somebody_holds_for_ever_stops_nobody(
    entries: dict[str, tuple[str, bytes]],
    make_app: AppFactory,
    redis: RedisServer,
    key_set_server: KeySetServer,
    issuer: LocalIssuer,
) -> None:
    """A genuine lease, put back again and again by who can write to Redis, costs two fetch times at most."""
    key, value = entries["lease"]
    settings = {**key_set_server.settings, **redis.settings, "AUTH0_CACHE_SECRET": SECRET, "AUTH0_JWKS_TIMEOUT": 0.5}
    client = redis.client
    process = Process(make_app(**settings))

    def is_answered_though_the_lease_is_there() -> bool:
        client.set(key, value)
        return process.ask(issuer.token()) == 200

    eventually(is_answered_though_the_lease_is_there, 5)
    assert key_set_server.fetches == 1
