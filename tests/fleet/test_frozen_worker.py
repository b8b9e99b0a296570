"""A worker that is stopped as soon as it has answered, as AWS Lambda freezes processes: real signals, real time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from socket import socket
from threading import Event

import pytest

from .servers import KeySetServer, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

TTL, MAX_STALE, FROZEN = (60.0, 240.0, 10.0) if os.environ.get("AUTH0_TESTS_FULL") else (2.0, 20.0, 1.5)
TIMEOUT = 0.3
SETTINGS = {
    "AUTH0_JWKS_TTL": str(TTL),
    "AUTH0_JWKS_REFRESH_AHEAD": str(TTL / 2),
    "AUTH0_JWKS_MAX_STALE": str(MAX_STALE),
    "AUTH0_JWKS_TIMEOUT": str(TIMEOUT),
    "AUTH0_TOKEN_CACHE_SIZE": "0",
}


def test_a_withdrawn_key_is_trusted_for_the_ttl_and_not_until_max_stale(
    key_set_server: KeySetServer, tmp_path: Path
) -> None:
    """Attempts that it begins behind a request end after it has been frozen; the next request has them made again."""
    issuer = key_set_server.issuer
    (withdrawn_key,) = issuer.key_ids
    issuer.rotate()
    withdrawn, good = issuer.token(key_id=withdrawn_key), issuer.token()
    is_frozen = Event()

    def answer_who_is_awake(connection: socket) -> None:
        Event().wait(TIMEOUT / 2)
        if not is_frozen.is_set():  # else nobody takes the answer before the connection is given up
            key_set_server.publish(connection)

    with workers(tmp_path, {**key_set_server.settings, **SETTINGS}, number=1) as fleet:
        worker = int(fleet.ask(good).worker)
        key_set_server.behave = answer_who_is_awake
        statuses, withdrawn_at, refused_at = [], time.monotonic(), float("inf")
        issuer.remove_key(withdrawn_key)
        while time.monotonic() < withdrawn_at + 3 * TTL + FROZEN:
            statuses.append(fleet.ask(good).status)
            if fleet.ask(withdrawn).status == 401:
                refused_at = min(refused_at, time.monotonic())
            is_frozen.set()
            os.kill(worker, signal.SIGSTOP)
            Event().wait(FROZEN)  # nothing is waited for: this is the freeze
            is_frozen.clear()
            os.kill(worker, signal.SIGCONT)
        assert set(statuses) == {200}
        assert refused_at - withdrawn_at < TTL + FROZEN + 1
        assert "cannot be fetched" not in fleet.log()
