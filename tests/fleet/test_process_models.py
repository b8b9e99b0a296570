"""Every way to run an app in several processes: each worker answers, and one fetch is enough for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from threading import Event

import pytest
from conftest import AppFactory, bearer
from processes import TESTED_PACKAGE, eventually

from .redis_server import RedisServer
from .servers import APP, COOLDOWN, SECRET, KeySetServer, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

WORKER_CLASSES = ("sync", "gthread", "gevent")


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_each_kind_of_worker_starts_cold(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path, worker_class: str
) -> None:
    """Two cold workers cost one fetch, and one more after a rotation."""
    settings = {**key_set_server.settings, **redis.settings, **COOLDOWN}
    with workers(tmp_path, settings, number=2, worker_class=worker_class) as fleet:
        assert fleet.ask_every_worker(key_set_server.issuer.token()).statuses.keys() == {200}
        assert key_set_server.fetches == 1, fleet.trouble()

        assert fleet.ask_every_worker(key_set_server.rotate()).statuses.keys() == {200}
        assert key_set_server.fetches == 2, fleet.trouble()


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_each_kind_of_worker_may_be_forked_after_a_fetch(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path, worker_class: str
) -> None:
    """With ``--preload`` the parent has the keys, and a connection to Redis; its children use the keys, not that."""
    issuer = key_set_server.issuer
    settings = {**key_set_server.settings, **redis.settings, **COOLDOWN}
    settings["VERIFY_AT_IMPORT"] = issuer.token()
    with workers(tmp_path, settings, "--preload", number=2, worker_class=worker_class) as fleet:
        assert key_set_server.fetches == 1
        assert fleet.ask_every_worker(issuer.token()).statuses.keys() == {200}
        assert key_set_server.fetches == 1, fleet.trouble()

        assert fleet.ask_every_worker(key_set_server.rotate()).statuses.keys() == {200}
        assert key_set_server.fetches == 2, fleet.trouble()
        assert "shared cache unavailable" not in fleet.log()


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["loaded by the worker", "preloaded"])
def test_a_gevent_worker_goes_on_while_requests_wait_for_another_process(
    key_set_server: KeySetServer, redis: RedisServer, make_app: AppFactory, tmp_path: Path, preload: tuple[str, ...]
) -> None:
    """While this process fetches, the one thread of the worker waits for it, and answers what needs no keys."""
    token, go_on = key_set_server.issuer.token(), Event()

    def publish_late(connection: socket) -> None:
        go_on.wait(5)
        key_set_server.publish(connection)

    key_set_server.behave = publish_late
    settings = {**key_set_server.settings, **redis.settings, "AUTH0_CACHE_SECRET": SECRET}
    client = make_app(**settings).test_client()
    with (
        workers(tmp_path, settings, *preload, number=1, worker_class="gevent") as fleet,
        ThreadPoolExecutor(2) as threads,
    ):
        here = threads.submit(client.get, "/auth/me", headers=bearer(token))
        eventually(lambda: key_set_server.fetches == 1)
        there = threads.submit(fleet.load, [token] * 8, clients=8)
        eventually(fleet.are_all_asked)
        live = fleet.load([None] * 200, clients=1, path="/auth/health/live")
        go_on.set()
        assert here.result().status_code == 200
        assert there.result().statuses.keys() == live.statuses.keys() == {200}
    # A worker that pauses with its only thread answers nothing for 20 to 100 ms, again and again.
    assert live.quantile(0.9) < 0.04
    assert key_set_server.fetches == 1


# Takes note of each thread that is started and each socket that is made, also of those that are gone again, and of what
# this package makes of `threading`: where gevent patches it later, that would stop a whole worker.
WATCHED = """
import json, sys, threading
import requests  # urllib3 looks at import whether a socket can have an IPv6 address
seen, start = [], threading.Thread.start
sys.addaudithook(lambda event, _: seen.append(event) if event == "socket.__new__" else None)
threading.Thread.start = lambda self: (seen.append(self.name), start(self))
class Watched:
    def __init__(self, name):
        self.name, self.make = name, getattr(threading, name)
    def __call__(self, *args, **kwargs):
        if sys._getframe(1).f_globals["__name__"].startswith("auth0_blueprint"):
            seen.append(self.name)
        return self.make(*args, **kwargs)
for name in ("Lock", "RLock", "Condition", "Semaphore", "Event"):
    setattr(threading, name, Watched(name))
import socket
socket.socket().close()
threading.Thread(target=int).start()
assert len(seen) == 2, seen
del seen[:]
import fleet_app
print(json.dumps(seen))
before = set(sys.modules)
fleet_app.app.extensions["auth0"].cache.probe()
print(json.dumps([name for name in sys.modules if name not in before and name.startswith("redis")]))
"""

CACHES: dict[str, dict[str, str]] = {
    "none": {},
    "Redis": {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:9/0"},
    "Redis by host": {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": "9"},
    "Sentinel": {"CACHE_TYPE": "RedisSentinelCache", "CACHE_REDIS_SENTINELS": '[["127.0.0.1", 9]]'},
    "Cluster": {"CACHE_TYPE": "RedisClusterCache", "CACHE_REDIS_CLUSTER": "127.0.0.1:9"},
    "file system": {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": "cache"},
}


@pytest.mark.parametrize("cache", CACHES.values(), ids=CACHES.keys())
def test_registration_makes_no_thread_and_no_socket_and_imports_what_requests_will_need(
    key_set_server: KeySetServer, tmp_path: Path, cache: dict[str, str]
) -> None:
    """Whatever the cache. Imported by the first of many requests, a client takes too long, and counts as a failure."""
    (tmp_path / "fleet_app.py").write_text(APP.read_text())
    environment = {**os.environ, **TESTED_PACKAGE, "AUTH0_CACHE_SECRET": "secret", **key_set_server.settings, **cache}
    output = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    made, imported_late = map(json.loads, output.splitlines())
    assert made == []
    assert imported_late == []
