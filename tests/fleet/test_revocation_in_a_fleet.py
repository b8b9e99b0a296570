"""What an operator does in one process binds 4 processes with 8 threads each on one Redis, at no cost to requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, cycle, islice, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from processes import eventually, http

from .redis_server import RedisServer
from .servers import SECRET, Answers, KeySetServer, Workers, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

PROCESSES = 4
INTERVAL_SECONDS = 1.0
SYNC = {"AUTH0_SYNC_INTERVAL": str(INTERVAL_SECONDS)}

STOLEN, GONE, BACK, BYSTANDER = "auth0|stolen", "auth0|gone", "auth0|back", "auth0|bystander"
ADMIN: dict[str, Any] = {"sub": "auth0|admin", "scope": "manage:auth0", "permissions": ["manage:auth0"]}
REVOCATIONS = "/auth/admin/revocations"

OK = {(200, None)}
REVOKED = {(401, "token_revoked")}


@pytest.fixture
def settings(key_set_server: KeySetServer, redis: RedisServer) -> dict[str, str]:
    """The settings of the fleet."""
    return {**key_set_server.settings, **redis.settings, **SYNC}


@pytest.fixture
def fleet(settings: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    """The fleet."""
    with workers(tmp_path, settings, number=PROCESSES) as fleet:
        yield fleet


class Operator:
    """Does through one process, whichever answers, what concerns all."""

    def __init__(self, fleet: Workers, key_set_server: KeySetServer) -> None:
        self._fleet = fleet
        self._issuer = key_set_server.issuer

    def revoke(self, **members: str) -> dict[str, Any]:
        """Withdraw something; return the answer."""
        return self._call("POST", REVOCATIONS, 201, json=members)

    def lift(self, kind: str, value: str) -> None:
        """Let it in again."""
        self._call("DELETE", f"{REVOCATIONS}/{kind}/{quote(value, safe='')}", 200)

    def refresh(self) -> None:
        """Have the key set fetched."""
        self._call("POST", "/auth/admin/jwks/refresh", 200)

    def _call(self, method: str, path: str, status: int, **options: Any) -> dict[str, Any]:
        headers = bearer(self._issuer.token(**ADMIN))
        response = http(method, self._fleet.url + path, headers=headers, **options)
        assert response.status_code == status, response.text
        body: dict[str, Any] = response.json()
        return body


@pytest.fixture
def operator(fleet: Workers, key_set_server: KeySetServer) -> Operator:
    """The operator of the fleet."""
    return Operator(fleet, key_set_server)


def outcomes(fleet: Workers, token: str) -> set[tuple[int, str | None]]:
    """Ask every worker with *token*; return status and code of all answers."""
    return outcomes_of(fleet.ask_every_worker(token))


def outcomes_of(answers: Answers) -> set[tuple[int, str | None]]:
    """Return status and code of *answers*."""
    return {(answer.status, answer.code) for answer in answers.all}


def pass_interval(fleet: Workers, token: str) -> None:
    """Let an interval pass, with requests that are not concerned: each of them is answered."""
    end = time.monotonic() + INTERVAL_SECONDS
    assert fleet.load_while(lambda: time.monotonic() < end, token, clients=4).are_all_ok


def test_a_revocation_and_its_lifting_bind_every_process_within_the_interval(
    fleet: Workers, operator: Operator, key_set_server: KeySetServer
) -> None:
    """Tokens and subjects are out, a subject's next token passes, what is lifted is in again; others never notice."""
    issuer = key_set_server.issuer
    tokens = {subject: issuer.token(sub=subject) for subject in (STOLEN, GONE, BACK, BYSTANDER)}
    assert all(outcomes(fleet, token) == OK for token in tokens.values())

    revoked = [operator.revoke(token=tokens[STOLEN]), operator.revoke(subject=GONE), operator.revoke(subject=BACK)]
    assert [revocation["reach"] for revocation in revoked] == ["fleet"] * 3
    pass_interval(fleet, tokens[BYSTANDER])
    assert all(outcomes(fleet, tokens[subject]) == REVOKED for subject in (STOLEN, GONE, BACK))
    assert outcomes(fleet, issuer.token(sub=GONE, iat=revoked[1]["issued_up_to"] + 1)) == OK

    operator.lift("subject", BACK)
    pass_interval(fleet, tokens[BYSTANDER])
    assert outcomes(fleet, tokens[BACK]) == OK
    assert outcomes(fleet, tokens[GONE]) == REVOKED


def test_a_thousand_warm_requests_cost_one_cache_read_per_process_and_interval(
    make_app: AppFactory, settings: dict[str, str], key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path
) -> None:
    """Whether or not their subject is revoked, and though there is a log of revocations to keep up with."""
    token, revoked = key_set_server.issuer.token(), key_set_server.issuer.token(sub=GONE)
    make_app(**settings, AUTH0_CACHE_SECRET=SECRET).extensions["auth0"].revocations.revoke("subject", GONE, None)
    with workers(tmp_path, settings, number=PROCESSES) as fleet:
        assert outcomes(fleet, token) == OK
        assert outcomes(fleet, revoked) == REVOKED
        redis.client.config_resetstat()
        started, requests = time.monotonic(), cycle([token, revoked])
        # No fewer than 1,000, and long enough for each process to have to look again.
        long_enough = takewhile(lambda _token: time.monotonic() < started + 2 * INTERVAL_SECONDS, requests)
        answers = fleet.load(chain(islice(requests, 1000), long_enough))
        intervals = int((time.monotonic() - started) / INTERVAL_SECONDS)
        commands = commands_of_the_fleet(redis)
    assert outcomes_of(answers.with_token(token)) == OK
    assert outcomes_of(answers.with_token(revoked)) == REVOKED
    assert len(answers.all) >= 1000
    processes = len(answers.by_worker)  # the kernel deals out the connections, and may leave one process out
    # One script, in which the head of the log is read; and that the server takes writes is tried by one without effect.
    assert commands.keys() == {"evalsha", "hmget", "del"}
    assert processes <= commands["evalsha"] <= processes * (intervals + 1)


def commands_of_the_fleet(redis: RedisServer) -> dict[str, int]:
    """Return how often each command came since the statistics began, but for what connections begin with, and ours."""
    statistics = redis.client.info("commandstats")
    calls = {name.removeprefix("cmdstat_").partition("|")[0]: of_it["calls"] for name, of_it in statistics.items()}
    return {name: calls[name] for name in calls.keys() - {"config", "info", "hello", "client", "select"}}


def test_a_redis_that_comes_back_empty_is_told_what_was_revoked(
    fleet: Workers,
    operator: Operator,
    make_app: AppFactory,
    settings: dict[str, str],
    key_set_server: KeySetServer,
    redis: RedisServer,
    tmp_path: Path,
) -> None:
    """Meanwhile revoked tokens stay out in every process, and processes that start afterwards refuse them too."""
    stolen, gone, bystander = (key_set_server.issuer.token(sub=subject) for subject in (STOLEN, GONE, BYSTANDER))
    operator.revoke(token=stolen)
    operator.revoke(subject=GONE)
    pass_interval(fleet, bystander)
    assert outcomes(fleet, stolen) == REVOKED

    redis.kill()
    assert outcomes(fleet, stolen) == outcomes(fleet, gone) == REVOKED
    redis.start()

    def is_written_back() -> bool:
        assert outcomes(fleet, stolen) == outcomes(fleet, gone) == REVOKED
        return known_to_a_newcomer(make_app(**settings, AUTH0_CACHE_SECRET=SECRET)) == 2

    eventually(is_written_back, 5 * INTERVAL_SECONDS)
    later = tmp_path / "later"
    later.mkdir()
    with workers(later, settings, number=2) as newcomers:
        assert outcomes(newcomers, stolen) == outcomes(newcomers, gone) == REVOKED
        assert outcomes(newcomers, bystander) == OK


def known_to_a_newcomer(app: Flask) -> int:
    """Return how many revocations *app* knows after its first look."""
    state = app.extensions["auth0"]
    state.fleet_sync.sync_if_due()
    known: int = state.revocations.status().known
    return known


def test_a_signing_key_that_the_issuer_withdrew_is_out_everywhere_after_a_refresh(
    fleet: Workers, operator: Operator, key_set_server: KeySetServer
) -> None:
    """Within the interval; before it each process believes the key."""
    issuer = key_set_server.issuer
    leaked = issuer.key_ids[-1]
    issuer.rotate()
    old, new = issuer.token(key_id=leaked), issuer.token()
    assert outcomes(fleet, old) == outcomes(fleet, new) == OK
    issuer.remove_key(leaked)
    assert outcomes(fleet, old) == OK

    operator.refresh()
    pass_interval(fleet, new)
    assert outcomes(fleet, old) == {(401, "unknown_key")}
    assert outcomes(fleet, new) == OK


def test_of_very_many_revocations_none_is_lost(make_app: AppFactory, redis: RedisServer) -> None:
    """A process that starts afterwards knows all of them after its first look."""
    settings = {**redis.settings, "AUTH0_CACHE_SECRET": SECRET}
    revocations = make_app(**settings).extensions["auth0"].revocations
    for number in range(2000):
        revocations.revoke("subject", f"auth0|{number}", None)
    assert known_to_a_newcomer(make_app(**settings)) == 2000
