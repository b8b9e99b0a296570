"""Tokens for the API's own calls, on a Redis that processes share: one request for all, and nothing to read there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from processes import eventually
from werkzeug.test import TestResponse

from auth0_blueprint import exchange_token, requires_auth
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.token_requests.shared_tokens import SharedTokens

from .redis_server import RedisServer
from .servers import SECRET, KeySetServer, workers

BILLING = "https://billing.example"
CLIENT = {"AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": "the secret of the API itself"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

MakeProcess = Callable[..., Flask]


@pytest.fixture(autouse=True)
def client(issuer: LocalIssuer) -> None:
    issuer.add_client("own", CLIENT["AUTH0_CLIENT_SECRET"])
    issuer.token_endpoint.add_api(BILLING)


@pytest.fixture
def make_process(make_app: AppFactory, clean_redis: RedisServer) -> MakeProcess:
    """Return what makes a process of one fleet."""

    def make(**settings: Any) -> Flask:
        app = make_app(**{"AUTH0_CACHE_SECRET": SECRET, **CLIENT, **clean_redis.settings, **settings})

        @app.get("/call")
        @requires_auth
        def view() -> str:
            return exchange_token(BILLING).access_token

        return app

    return make


def ask(process: Flask, token: str) -> TestResponse:
    return process.test_client().get("/call", headers=bearer(token))


def hold_until(issuer: LocalIssuer, is_so: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the endpoint answer only when *is_so*, or after 2 s."""
    answer, pause = issuer.token_endpoint.answer, threading.Event()

    def answer_late(request: Any) -> Any:
        until = time.monotonic() + 2
        while not is_so() and time.monotonic() < until:
            pause.wait(0.05)
        return answer(request)

    monkeypatch.setattr(issuer.token_endpoint, "answer", answer_late)


@pytest.mark.usefixtures("unmeasured")
def test_two_processes_make_one_request_for_each_caller(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 16 requests at once, which all wait for an endpoint that answers late."""
    issuer, path = key_set_server.issuer, "/on-behalf"
    tokens = [issuer.token(sub=subject) for subject in ("auth0|ada", "auth0|bob")]
    with workers(tmp_path, {**key_set_server.settings, **redis.settings, **CLIENT}, number=2) as fleet:
        hold_until(issuer, lambda: fleet.are_all_asked(path), monkeypatch)
        answers = fleet.load(tokens * 8, clients=16, path=path)
        later = [fleet.ask_every_worker(token, path) for token in tokens]
        assert answers.are_all_ok
        for token, more in zip(tokens, later, strict=True):
            assert len({answer.body for answer in [*answers.with_token(token).all, *more.all]}) == 1
        assert issuer.token_endpoint.requests == [EXCHANGE] * 2
        assert not any(part in fleet.log() for answer in answers.all for part in answer.body.decode().split("."))


def test_nobody_can_read_a_token_in_the_store(
    make_process: MakeProcess, issuer: LocalIssuer, clean_redis: RedisServer
) -> None:
    """Nor whose it is."""
    token = issuer.token(sub="auth0|ada")
    text = ask(make_process(), token).text
    stored = b"".join(key + (clean_redis.client.get(key) or b"") for key in issued(clean_redis))
    assert stored
    for secret in (text, *text.split("."), token, "auth0|ada", BILLING, CLIENT["AUTH0_CLIENT_SECRET"]):
        assert secret.encode() not in stored
    assert all(0 < clean_redis.client.ttl(key) <= 3610 for key in issued(clean_redis))


def issued(redis: RedisServer) -> list[bytes]:
    return [key for key in redis.client.scan_iter("*") if b"issued-" in key]


def test_only_the_secret_opens_an_entry(
    make_process: MakeProcess, issuer: LocalIssuer, clean_redis: RedisServer
) -> None:
    """Also for who knows its name, and reads the very same store."""
    process = make_process()
    text, store = ask(process, issuer.token()).text, process.extensions["auth0"].store
    (name,) = [key.decode().partition("issued-")[2] for key in issued(clean_redis)]
    for secret, expected in ((SECRET, text), ("another secret of the same length", None)):
        found = SharedTokens(store, secret, attempt_seconds=5, clock=SYSTEM_CLOCK).find(name)
        assert (found and found.token and found.token.access_token) == expected


@pytest.mark.parametrize("how", ["another secret", "another name", "cut", "garbage"])
def test_an_entry_that_is_not_what_it_says_is_ignored(
    make_process: MakeProcess, issuer: LocalIssuer, clean_redis: RedisServer, how: str
) -> None:
    """An entry of one caller that is copied to another's name, for example."""
    token, other, redis = issuer.token(sub="auth0|ada"), issuer.token(sub="auth0|bob"), clean_redis.client
    mine, theirs = ask(make_process(), token), None
    (key,) = issued(clean_redis)
    if how == "another name":
        theirs = ask(make_process(), other)
        (other_key,) = set(issued(clean_redis)) - {key}
        redis.set(key, redis.get(other_key) or b"", px=60_000)
    elif how != "another secret":
        redis.set(key, (redis.get(key) or b"")[:-4] if how == "cut" else b"!", px=60_000)
    settings = {"AUTH0_CACHE_SECRET": "o" * 32} if how == "another secret" else {}
    answer = ask(make_process(**settings), token)
    assert answer.status_code == 200
    assert theirs is None or answer.text != theirs.text
    assert mine.status_code == 200
    assert len(issuer.token_endpoint.requests) == (3 if theirs else 2)


SHORT = {"AUTH0_CACHE_SECRET": "short"}


@pytest.mark.parametrize(
    ("settings", "requests"),
    [
        ({}, 1), (SHORT, 2), ({"CACHE_REDIS_URL": "redis://127.0.0.1:1/0"}, 2),
        ({"CACHE_TYPE": "FileSystemCache"}, 1), ({"CACHE_TYPE": "FileSystemCache", **SHORT}, 2),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_safely_is_not(
    make_process: MakeProcess, issuer: LocalIssuer, settings: dict[str, str], requests: int, tmp_path: Path
) -> None:
    """Without a store, or with a secret that can be guessed, each process asks for itself: also on one machine."""
    token, settings = issuer.token(), {"CACHE_DIR": str(tmp_path / "cache"), **settings}
    assert [ask(make_process(**settings), token).status_code for _ in "12"] == [200, 200]
    assert len(issuer.token_endpoint.requests) == requests


@pytest.mark.parametrize(("status", "answered", "later"), [(403, 502, 200), (503, 503, 503)])
def test_a_failure_is_told_to_all_who_wait(
    make_process: MakeProcess,
    issuer: LocalIssuer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    answered: int,
    later: int,
) -> None:
    """A refusal to nobody later; an endpoint in trouble is left alone by both."""
    token, asked = issuer.token(), threading.Barrier(3)
    processes = [make_process(), make_process()]

    def ask_at_once(process: Flask) -> int:
        asked.wait(10)
        return ask(process, token).status_code

    hold_until(issuer, lambda: asked.n_waiting == 0 and time.monotonic() > began_at + 0.5, monkeypatch)
    began_at = time.monotonic()
    with issuer.token_endpoint.failing(status, "access_denied"), ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask_at_once, process) for process in processes]
        asked.wait(10)
        assert [answer.result() for answer in answers] == [answered, answered]
    assert len(issuer.token_endpoint.requests) == 1
    assert [ask(process, token).status_code for process in processes] == [later, later]
    assert len(issuer.token_endpoint.requests) == (2 if later == 200 else 1)


def test_what_fails_at_once_counts_once_in_each_process(
    make_process: MakeProcess, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one moment of trouble would stop all calls for half a minute."""
    processes, tokens = [make_process(), make_process()], [issuer.token(sub=name) for name in "abcd"]
    began_at = time.monotonic()
    hold_until(issuer, lambda: time.monotonic() > began_at + 1, monkeypatch)
    with issuer.token_endpoint.failing(503), ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, process, token) for process in processes for token in tokens]
        assert {answer.result().status_code for answer in answers} == {503}
    assert len(issuer.token_endpoint.requests) == 4
    for process in processes:
        (backoff,) = process.extensions["auth0"].token_requests()._backoffs.values()
        assert backoff.failures == 1


def test_what_was_obtained_before_a_revocation_is_not_taken_over(
    make_process: MakeProcess, issuer: LocalIssuer
) -> None:
    """Also if the revocation was lifted since."""
    token = issuer.token(sub="auth0|ada", iat=int(time.time()) - 60)
    first, second = make_process(AUTH0_SYNC_INTERVAL=0), make_process(AUTH0_SYNC_INTERVAL=0)
    assert ask(first, token).status_code == 200
    with second.app_context():
        revocations = second.extensions["auth0"].revocations
        revocations.revoke("subject", "auth0|ada", None)
        eventually(lambda: ask(first, token).status_code == 401)
        revocations.lift("subject", "auth0|ada")
    assert ask(second, token).status_code == 200
    assert len(issuer.token_endpoint.requests) == 2
    eventually(lambda: ask(first, token).status_code == 200)
    assert len(issuer.token_endpoint.requests) == 3
