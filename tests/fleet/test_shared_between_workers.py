"""Proofs, leases and revocations between real worker processes: of each kind, through Redis or one folder."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import bearer
from processes import eventually, http

from .members import ADMIN, API, REVOCATIONS, Proof
from .redis_server import RedisServer
from .servers import KeySetServer, Workers, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

SETTINGS = {
    "AUTH0_DPOP": "allowed",
    "AUTH0_PUBLIC_URL": API,
    "AUTH0_REVOCATION_ON_ERROR": "deny",
    "AUTH0_SYNC_INTERVAL": "0.2",
}


@pytest.fixture(params=[(), ("--preload",)], ids=["loaded by the worker", "preloaded"])
def gevent_fleet(
    request: pytest.FixtureRequest, key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path
) -> Iterator[Workers]:
    """Two workers, each with a greenlet for a request."""
    settings = {**key_set_server.settings, **redis.settings, **SETTINGS}
    with workers(tmp_path, settings, *request.param, number=2, worker_class="gevent") as fleet:
        assert fleet.ask_every_worker(key_set_server.issuer.token()).statuses.keys() == {200}
        yield fleet


def prove(fleet: Workers, proof: Proof) -> requests.Response:
    return http("GET", f"{fleet.url}/private", headers=proof.headers)


def revoke(fleet: Workers, key_set_server: KeySetServer, subject: str) -> requests.Response:
    headers = bearer(key_set_server.issuer.token(**ADMIN))
    return http("POST", fleet.url + REVOCATIONS, headers=headers, json={"subject": subject})


def is_revoked(fleet: Workers, token: str) -> bool:
    """Tell whether *token* is, for all workers."""
    answers = fleet.ask_every_worker(token)
    return answers.statuses.keys() == {401} and {answer.code for answer in answers.all} == {"token_revoked"}


def assert_each_proof_is_good_once(fleet: Workers, key_set_server: KeySetServer, number: int) -> None:
    """Send each of *number* proofs eight times at once, to whichever process answers."""
    seen: set[str] = set()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(number):
            proof = Proof(key_set_server.issuer, "/private")
            answers = list(threads.map(lambda one: prove(fleet, one), [proof] * 8))
            assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 7}
            seen |= {answer.headers["X-Worker"] for answer in answers}
    assert len(seen) > 1


def test_of_many_who_send_a_proof_to_gevent_workers_one_is_let_in(
    gevent_fleet: Workers, key_set_server: KeySetServer
) -> None:
    """Whichever of them it comes to, and however many greenlets are at it."""
    assert_each_proof_is_good_once(gevent_fleet, key_set_server, 20)


@contextmanager
def changing_its_mind(redis: RedisServer) -> Iterator[None]:
    """Let Redis be full, and have room again, all the time."""
    stop = threading.Event()

    def change() -> None:
        while not stop.wait(0.01):
            redis.fill_up()
            stop.wait(0.01)
            redis.make_room()

    thread = threading.Thread(target=change)
    thread.start()
    yield
    stop.set()
    thread.join()
    redis.make_room()


def test_no_failed_write_of_a_greenlet_reads_as_done(
    gevent_fleet: Workers, key_set_server: KeySetServer, redis: RedisServer
) -> None:
    """While others read, and while Redis refuses every write or some: no proof is good twice, no revocation is lost."""
    issuer = key_set_server.issuer
    redis.fill_up()
    with ThreadPoolExecutor(12) as threads:
        reads = [threads.submit(gevent_fleet.ask, issuer.token()) for _ in range(30)]
        proofs = [threads.submit(prove, gevent_fleet, Proof(issuer, "/private")) for _ in range(30)]
        posts = [threads.submit(revoke, gevent_fleet, key_set_server, f"refused|{one}") for one in range(10)]
        assert {read.result().status for read in reads} == {200}
        assert {proof.result().status_code for proof in proofs} == {503}
        assert {post.result().status_code for post in posts} == {503}
        with changing_its_mind(redis):
            pairs = [[Proof(issuer, "/private")] * 2 for _ in range(40)]
            answers = [[threads.submit(prove, gevent_fleet, proof) for proof in pair] for pair in pairs]
            posts = [threads.submit(revoke, gevent_fleet, key_set_server, f"sometimes|{one}") for one in range(40)]
            accepted = [sum(answer.result().status_code == 200 for answer in pair) for pair in answers]
            stored = [one for one, post in enumerate(posts) if post.result().status_code == 201]
    assert max(accepted) <= 1
    redis.make_room()
    # The pause after a failure ends, and whatever was answered with 201 holds in both processes.
    eventually(lambda: prove(gevent_fleet, Proof(issuer, "/private")).status_code == 200)
    eventually(lambda: revoke(gevent_fleet, key_set_server, "last").status_code == 201)
    for subject in ["last", *(f"sometimes|{one}" for one in stored)]:
        token = issuer.token(sub=subject, iat=int(time.time()) - 300)
        eventually(partial(is_revoked, gevent_fleet, token))
    assert "unexpected error" not in gevent_fleet.log()
    assert "Traceback" not in gevent_fleet.log()


def test_processes_of_one_machine_share_revocations_proofs_and_leases_through_a_folder(
    key_set_server: KeySetServer, tmp_path: Path
) -> None:
    """And say that they reach no further."""
    settings: dict[str, Any] = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    issuer = key_set_server.issuer
    with workers(tmp_path, {**key_set_server.settings, **settings, **SETTINGS}, number=3) as fleet:
        assert fleet.ask_every_worker(issuer.token()).statuses.keys() == {200}
        assert key_set_server.fetches == 1, fleet.trouble()
        assert_each_proof_is_good_once(fleet, key_set_server, 10)

        revoked = revoke(fleet, key_set_server, "stolen")
        assert (revoked.status_code, revoked.json()["reach"]) == (201, "machine")
        token = issuer.token(sub="stolen", iat=revoked.json()["issued_up_to"])
        eventually(partial(is_revoked, fleet, token))
        checks = [health["checks"] for health in fleet.health().values()]
        assert {check["revocations"]["known"] for check in checks} == {1}
        assert {(check["cache"]["status"], check["cache"]["reach"]) for check in checks} == {("pass", "machine")}

    later = tmp_path / "later"
    later.mkdir()
    with workers(later, {**key_set_server.settings, **settings, **SETTINGS}, number=2) as fleet:
        assert is_revoked(fleet, token)
        assert set(fleet.ask_every_worker(issuer.token()).statuses) == {200}
