"""A refresh ahead of time happens behind the back of the requests, however long it takes."""

from __future__ import annotations

from pathlib import Path
from socket import socket
from threading import Event

import pytest
from processes import eventually

from .redis_server import RedisServer
from .servers import Answers, KeySetServer, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

#: Keys are due after 0.9 to 1.1 s, and current for a minute.
SOON_DUE = {"AUTH0_JWKS_TTL": "60", "AUTH0_JWKS_REFRESH_AHEAD": "59"}


def test_nobody_waits_for_a_key_set_server_that_hangs(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path
) -> None:
    """For 2 s the issuer does not answer while keys are due: each known token is accepted, and none has to wait."""
    token, has_answered = key_set_server.issuer.token(), Event()

    def hang(connection: socket) -> None:
        key_set_server.publish_after(2)(connection)
        has_answered.set()

    settings = {**key_set_server.settings, **redis.settings, **SOON_DUE}
    with workers(tmp_path, settings) as fleet:
        assert fleet.ask_every_worker(token).statuses.keys() == {200}
        key_set_server.behave = hang
        before = key_set_server.fetches  # on a busy machine keys are due before all have answered
        eventually(lambda: fleet.ask(token).status == 200 and key_set_server.fetches == before + 1)

        answers = Answers()
        while not has_answered.is_set():  # with new connections each time, so that each worker gets some
            answers.all += fleet.load([token] * 64, clients=16).all

        assert answers.statuses.keys() == {200}
        assert len(answers.by_worker) == 4
        assert answers.slowest < 1
        assert key_set_server.fetches == before + 1
