"""More tenants than key sets are kept: the least recently used makes room, whoever is using it at that moment."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import MovableClock
from flask import Flask
from prometheus_client import CollectorRegistry
from refusals import INVALID_SIGNATURE, REVOKED, UNKNOWN_KEY

from auth0_blueprint.guards.labels import OTHER
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.shared_copy import refreshed
from auth0_blueprint.metrics import instrument
from auth0_blueprint.testing import LocalIssuer
from tenants.apps import ADMIN, Tenants, answer_to, ask


@pytest.fixture(scope="module")
def crowd() -> Iterator[list[LocalIssuer]]:
    issuers = [LocalIssuer(algorithm="EdDSA").start() for _ in range(6)]
    yield issuers
    for issuer in issuers:
        issuer.stop()


@pytest.fixture
def app(tenants: Tenants, crowd: list[LocalIssuer], clock: MovableClock) -> Flask:
    known = {issuer.issuer for issuer in crowd}
    return tenants.make_app(
        AUTH0_DOMAIN=lambda issuer, _request: issuer in known, AUTH0_MAX_ISSUERS=3, clock=clock.monotonic_only
    )


def live(app: Flask) -> list[str]:
    return list(app.extensions["auth0"].key_sources)


def use(app: Flask, clock: MovableClock, *issuers: LocalIssuer, **token: Any) -> None:
    for issuer in issuers:
        clock.move(0.001)
        assert ask(app, issuer.token(**token)).status_code == 200


def test_the_least_recently_used_makes_room(app: Flask, crowd: list[LocalIssuer], clock: MovableClock) -> None:
    a, b, c, d = crowd[:4]
    use(app, clock, a, b, c, a, d)
    assert live(app) == [one.issuer for one in (a, c, d)]
    token = c.token()
    for _ in range(2):  # proven, then remembered: both are uses
        clock.move(0.001)
        assert ask(app, token).status_code == 200
    use(app, clock, a, d)
    clock.move(0.001)
    assert ask(app, token).status_code == 200
    use(app, clock, b)
    assert set(live(app)) == {one.issuer for one in (c, d, b)}


def test_forged_tokens_keep_no_key_set_alive(app: Flask, crowd: list[LocalIssuer], clock: MovableClock) -> None:
    a, b, c, d = crowd[:4]
    use(app, clock, a, b, c)
    clock.move(0.001)
    assert answer_to(app, b.token(iss=a.issuer)) == INVALID_SIGNATURE
    use(app, clock, d)
    assert live(app) == [one.issuer for one in (b, c, d)]


def test_forged_tokens_push_out_no_key_set_that_has_proven_one(
    app: Flask, crowd: list[LocalIssuer], clock: MovableClock
) -> None:
    """Not by health either, which anyone may ask."""
    a, b, *others = crowd
    use(app, clock, a, b)
    for number, issuer in enumerate(others):
        clock.move(0.001)
        answer = ask(app, a.token(iss=issuer.issuer), "/auth/health" if number % 2 else "/ours")
        assert answer.status_code == (200 if number % 2 else 401)
    assert live(app) == [one.issuer for one in (a, b, others[-1])]
    use(app, clock, others[0], others[1])  # newcomers with good tokens find a place all the same
    assert live(app) == [one.issuer for one in (b, others[0], others[1])]


def test_key_sets_that_have_proven_nothing_get_a_quarter_of_the_places(tenants: Tenants, clock: MovableClock) -> None:
    """So that of several newcomers at once none pushes out the others."""
    app = tenants.make_app(AUTH0_DOMAIN=lambda _issuer, _request: True, AUTH0_MAX_ISSUERS=8, clock=clock.monotonic_only)
    directory, names = app.extensions["auth0"].directory, [f"https://{number}.example/" for number in range(12)]
    for name in names[:8]:
        clock.move(0.001)
        assert directory.get(name)
        directory.check(name)
    for name in names[8:]:
        assert directory.get(name)
    assert live(app) == [*names[2:8], *names[10:]]


def test_a_remembered_token_of_one_that_made_room_is_proven_anew(
    app: Flask, crowd: list[LocalIssuer], clock: MovableClock
) -> None:
    """Else a refresh that an operator orders would not reach the keys that it was proven with."""
    a, *others = crowd[:4]
    token = a.token()
    assert ask(app, token).status_code == 200
    sources = app.extensions["auth0"].key_sources
    retired = weakref.ref(sources[a.issuer])
    use(app, clock, *others)
    assert a.issuer not in sources
    subscribed = app.extensions["auth0"].fleet_sync._on_notice
    assert set(subscribed) == {refreshed(issuer) for issuer in live(app)}
    proven = app.extensions["auth0"].counters.remembered
    fetched = a.fetch_count
    assert ask(app, token).status_code == 200
    assert (app.extensions["auth0"].counters.remembered, a.fetch_count) == (proven, fetched + 1)
    assert ask(app, token).status_code == 200
    assert app.extensions["auth0"].counters.remembered == proven + 1
    gc.collect()
    assert retired() is None or retired() is not sources[a.issuer]


def test_a_key_that_was_removed_meanwhile_proves_nothing_more(
    app: Flask, crowd: list[LocalIssuer], clock: MovableClock
) -> None:
    a, *others = crowd[:4]
    token = a.token()
    assert ask(app, token).status_code == 200
    use(app, clock, *others)
    a.rotate()
    a.remove_key(a.key_ids[0])
    assert answer_to(app, token) == UNKNOWN_KEY
    a.reset()


def test_revocations_outlive_the_key_set(app: Flask, crowd: list[LocalIssuer], clock: MovableClock) -> None:
    a, *others = crowd[:4]
    token = a.token(jti="x")
    body = {"jti": "x"}
    assert ask(app, a.token(**ADMIN), "/auth/admin/revocations", method="POST", json=body).status_code == 201
    use(app, clock, *others)
    assert answer_to(app, token) == REVOKED
    assert ask(app, a.token(jti="y")).status_code == 200


def test_a_request_whose_key_set_makes_room_meanwhile_is_answered(
    app: Flask, crowd: list[LocalIssuer], clock: MovableClock
) -> None:
    a, *others = crowd[:4]
    directory = app.extensions["auth0"].directory
    keys = directory.get(a.issuer)
    use(app, clock, *others)
    assert keys.is_retired
    assert keys.key_for(a.key_ids[0], ALGORITHMS["EdDSA"]).key.key_id == a.key_ids[0]
    assert keys.snapshot().generation == -1
    assert len(directory.sources) == 3


def test_many_threads_and_more_tenants_than_places(
    tenants: Tenants, crowd: list[LocalIssuer], unmeasured: None
) -> None:
    """Every request is answered, with its own tenant's keys, and no more key sets live than allowed."""
    known = {issuer.issuer for issuer in crowd}
    app = tenants.make_app(AUTH0_DOMAIN=lambda issuer, _request: issuer in known, AUTH0_MAX_ISSUERS=2)
    tokens = [issuer.token(sub=f"user-{number}") for issuer in crowd for number in range(3)]
    forged = [issuer.token(iss=crowd[number - 1].issuer) for number, issuer in enumerate(crowd)]
    start, most = threading.Barrier(8), list[int]()

    def run(offset: int) -> set[tuple[bool, int]]:
        start.wait(10)
        seen = set[tuple[bool, int]]()
        for number in range(60):
            one = number * 7 + offset
            seen.add((True, ask(app, tokens[one % len(tokens)]).status_code))
            seen.add((False, ask(app, forged[one % len(forged)]).status_code))
            most.append(len(app.extensions["auth0"].key_sources))
        return seen

    with ThreadPoolExecutor(8) as threads:
        results = set().union(*threads.map(run, range(8)))
    assert results == {(True, 200), (False, 401)}
    assert max(most) <= 2


def test_one_key_set_is_made_for_all_that_ask_at_once(tenants: Tenants) -> None:
    fetched, all_ask = tenants.acme.fetch_count, threading.Barrier(8)
    asked = threading.local()

    def is_ours(_issuer: str, _request: Any) -> bool:
        if not hasattr(asked, "before"):  # the second question is about a token that was proven
            asked.before = True
            all_ask.wait(10)
        return True

    app = tenants.make_app(AUTH0_DOMAIN=is_ours)
    token, made = tenants.acme.token(), list[str]()
    directory = app.extensions["auth0"].directory
    make = directory._make

    def counted(issuer: str) -> Any:
        made.append(issuer)
        return make(issuer)

    directory._make = counted

    def run(_: int) -> int:
        return ask(app, token).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(run, range(8))) == {200}
    assert (made, tenants.acme.fetch_count) == ([tenants.acme.issuer], fetched + 1)


def test_metrics_have_no_label_that_a_token_chose(app: Flask, crowd: list[LocalIssuer], clock: MovableClock) -> None:
    registry = CollectorRegistry()
    instrument(app, registry=registry)
    use(app, clock, *crowd[:4])
    with crowd[4].outage():
        assert ask(app, crowd[4].token()).status_code == 503
    labels = {sample.labels.get("issuer") for metric in registry.collect() for sample in metric.samples}
    assert labels == {None, OTHER}
    assert registry.get_sample_value("auth0_key_set_fetches_total", {"issuer": OTHER}) == 5
    failures = {"issuer": OTHER, "reason": "http_5xx"}
    assert registry.get_sample_value("auth0_key_set_fetch_failures_total", failures) == 1
