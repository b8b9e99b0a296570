"""The issuer is away for longer than its keys may be used: calm refusals, and recovery by itself."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import pytest
from processes import eventually
from servers import Answer, drip, respond

from .redis_server import RedisServer
from .servers import Answers, KeySetServer, Workers, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

#: The longest backoff, and one fetch.
RECOVERY_SECONDS = 35

SHORT_LIVED = {
    "AUTH0_JWKS_TTL": "0.6",
    "AUTH0_JWKS_REFRESH_AHEAD": "0.2",
    "AUTH0_JWKS_MAX_STALE": "0.8",
    "AUTH0_JWKS_COOLDOWN": "0.1",
    "AUTH0_JWKS_TIMEOUT": "0.5",
}

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


def reset(connection: socket.socket) -> None:
    """Say nothing, and have the client's system say that the connection was reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


MISBEHAVIOUR: dict[str, Answer] = {
    "drips its head": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "drips its body": drip(HEAD + b"\r\n", b" "),
    "hangs": drip(b"", b""),
    "resets": reset,
    "redirects": respond("302 Found", Location="http://127.0.0.1:9/jwks.json"),
    "asks for patience": respond("429 Too Many Requests", Retry_After="2"),
    "serves a web page": respond(body=b"<!doctype html><title>Sorry</title>", Content_Type="text/html"),
}


def test_every_outage_ends_in_503_and_then_in_recovery(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path
) -> None:
    """Whatever the issuer does instead of answering, two processes refuse calmly, fetch seldom, and recover."""
    token = key_set_server.issuer.token()
    settings = {**key_set_server.settings, **redis.settings, **SHORT_LIVED}
    with workers(tmp_path, settings, number=2) as fleet:
        for what, behaviour in MISBEHAVIOUR.items():
            eventually(lambda: fleet.ask_every_worker(token).are_all_ok, RECOVERY_SECONDS)
            key_set_server.behave = behaviour
            assert_calm_outage(fleet, token, key_set_server, what)
            key_set_server.behave = key_set_server.publish
        eventually(lambda: fleet.ask_every_worker(token).are_all_ok, RECOVERY_SECONDS)


def assert_calm_outage(fleet: Workers, token: str, key_set_server: KeySetServer, what: str) -> None:
    """See both processes refuse, and that no request makes them ask more often."""

    def is_expired_everywhere() -> bool:
        answers = fleet.ask_every_worker(token)
        assert set(answers.statuses) <= {200, 503}, what
        return set(answers.statuses) == {503}

    eventually(is_expired_everywhere)
    before = key_set_server.fetches
    answers = fleet.load([token] * 200, clients=16)
    assert set(answers.statuses) == {503}, what
    assert key_set_server.fetches <= before + 2, what
    assert_each_says_when_to_come_back(answers, what)


def assert_each_says_when_to_come_back(answers: Answers, what: str) -> None:
    """Check the body, and ``Retry-After`` within the bounds of the backoff."""
    for answer in answers.all:
        assert json.loads(answer.body)["code"] == "key_set_unavailable", what
        assert "WWW-Authenticate" not in answer.headers, what
        assert 1 <= int(answer.headers["Retry-After"]) <= 30, what
        assert answer.seconds < 4, what
