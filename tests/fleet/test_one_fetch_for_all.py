"""4 processes with 8 threads each on one Redis behave as one client of the issuer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from threading import Event

import pytest
from processes import eventually

from .redis_server import RedisServer
from .servers import COOLDOWN, Answers, KeySetServer, Workers, workers

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_a_cold_start_and_a_rotation_cost_one_fetch_each(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path
) -> None:
    """Every process is asked while the key set is not there yet, and again with a token of a new key: no refusal."""
    settings = {**key_set_server.settings, **redis.settings, **COOLDOWN}
    with workers(tmp_path, settings) as fleet:
        answers = load_until_every_worker_waits(fleet, key_set_server)
        assert answers.statuses.keys() == {200}
        assert len(answers.all) >= 32
        assert len(answers.by_worker) == 4
        assert key_set_server.fetches == 1

        answers = fleet.ask_every_worker(key_set_server.rotate())
        assert answers.statuses.keys() == {200}
        assert key_set_server.fetches == 2


def load_until_every_worker_waits(fleet: Workers, key_set_server: KeySetServer) -> Answers:
    """Ask while the issuer does not answer yet, until each process has been asked, and half a second longer."""
    token, go_on = key_set_server.issuer.token(), Event()

    def publish_late(connection: socket) -> None:
        go_on.wait(5)
        key_set_server.publish_after(0.5)(connection)

    key_set_server.behave = publish_late
    with ThreadPoolExecutor(32) as threads:
        loads = [threads.submit(fleet.load, [token] * 32)]

        def is_every_worker_asked() -> bool:
            loads.append(threads.submit(fleet.load, [token] * 8, clients=8))
            return fleet.are_all_asked()

        eventually(is_every_worker_asked)
        go_on.set()
        answers = Answers([answer for load in loads for answer in load.result().all])
    key_set_server.behave = key_set_server.publish
    return answers
