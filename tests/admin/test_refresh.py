"""``POST /auth/admin/jwks/refresh``: a leaked signing key can be thrown out at once, in every process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import AppFactory, MovableClock, key_source
from flask.testing import FlaskClient
from operators import admin_headers, as_operator
from refusals import KEY_SET_UNAVAILABLE, UNKNOWN_KEY, answer_to, guarded, passes, seen
from servers import complete
from werkzeug.test import TestResponse

from auth0_blueprint.testing import LocalIssuer

REFRESH = "/auth/admin/jwks/refresh"


@pytest.fixture
def own_issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        issuer.rotate()
        yield issuer


def refresh(client: FlaskClient, issuer: LocalIssuer) -> TestResponse:
    return client.post(REFRESH, headers=admin_headers(issuer))


def test_a_removed_key_is_out_with_the_answer(make_app: AppFactory, own_issuer: LocalIssuer) -> None:
    """Also without a cache; the answer is the new state."""
    client = guarded(make_app(**own_issuer.settings))
    leaked = own_issuer.token(key_id=own_issuer.key_ids[0])
    assert passes(client, leaked)
    own_issuer.remove_key(own_issuer.key_ids[0])
    assert passes(client, leaked)
    response = refresh(client, own_issuer)
    assert (response.status_code, own_issuer.fetch_count) == (200, 2)
    (key_set,) = response.get_json()["key_sets"]
    assert ([key["kid"] for key in key_set["keys"]], key_set["generation"]) == (own_issuer.key_ids, 2)
    assert answer_to(client, leaked) == UNKNOWN_KEY


def test_a_refresh_binds_another_process_at_its_next_look(
    make_app: AppFactory, own_issuer: LocalIssuer, tmp_path: Path, clock: MovableClock
) -> None:
    """It takes over what the first has got, and asks nobody."""
    shared = {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    first = guarded(make_app(**own_issuer.settings, **shared))
    second = guarded(make_app(**own_issuer.settings, **shared, clock=clock.monotonic_only))
    leaked = own_issuer.token(key_id=own_issuer.key_ids[0])
    assert passes(first, leaked)
    complete()
    assert passes(second, leaked)
    own_issuer.remove_key(own_issuer.key_ids[0])
    assert refresh(first, own_issuer).status_code == 200
    complete()
    assert passes(second, leaked)
    clock.move(5)
    assert passes(second, own_issuer.token())
    assert own_issuer.fetch_count == 2
    assert answer_to(second, leaked) == UNKNOWN_KEY
    # The interval between two refreshes is that of the fleet, by the clock on the wall: five seconds since the first.
    assert refresh(second, own_issuer).status_code == 429
    assert passes(second, own_issuer.token())


def test_haste_is_refused(make_app: AppFactory, own_issuer: LocalIssuer, clock: MovableClock) -> None:
    """Five seconds between two, on the clock of this process; the answer says how long to wait."""
    client = make_app(**own_issuer.settings, clock=clock.monotonic_only).test_client()
    assert refresh(client, own_issuer).status_code == 200
    for seconds, retry_after in ((0, "5"), (1.5, "4"), (3.4, "1")):
        clock.move(seconds)
        response = refresh(client, own_issuer)
        assert (response.status_code, response.get_json()["code"]) == (429, "rate_limited")
        assert (response.headers["Retry-After"], response.headers["Cache-Control"]) == (retry_after, "no-store")
    clock.move(0.1 + 1e-6)
    count = own_issuer.fetch_count
    assert (refresh(client, own_issuer).status_code, own_issuer.fetch_count) == (200, count + 1)


def test_an_issuer_that_fails_is_asked_all_the_same(make_app: AppFactory, clock: MovableClock) -> None:
    """503 while it fails; the backoff is for requests, not for operators."""
    with LocalIssuer() as issuer:
        app = make_app(**issuer.settings, clock=clock.monotonic_only)
        client, source, token = as_operator(guarded(app), issuer), key_source(app), issuer.token()
        assert passes(client, token)
        issuer.remove_key(issuer.key_ids[0])  # a key set without keys is a failure
        asked = issuer.fetch_count
        for _ in range(2):
            clock.move(5)
            response = client.post(REFRESH)
            assert seen(response) == KEY_SET_UNAVAILABLE
            assert int(response.headers["Retry-After"]) >= 1
        assert issuer.fetch_count == asked + 2
        assert source.status().consecutive_failures == 2
        assert passes(client, token)
        issuer.rotate()
        clock.move(5)
        assert client.post(REFRESH).status_code == 200
        assert source.status().consecutive_failures == 0


@pytest.mark.parametrize("ahead", [3600, 60])
def test_an_order_by_a_clock_ahead_counts_once(make_app: AppFactory, own_issuer: LocalIssuer, ahead: float) -> None:
    """Rather than at each look until our clock has caught up."""
    source = key_source(make_app(**own_issuer.settings))
    source.snapshot()
    for _ in range(3):
        source.on_ordered_refresh({"fetched_at": time.time() // 1 + ahead})
        complete()
    # Three moments, if the second has changed meanwhile; with one and the same it is one.
    moment = {"fetched_at": time.time() + ahead}
    source.on_ordered_refresh(moment)
    count = own_issuer.fetch_count
    for _ in range(5):
        source.on_ordered_refresh(moment)
    assert own_issuer.fetch_count == count


def test_a_key_set_dated_in_the_future_is_refreshed(make_app: AppFactory, own_issuer: LocalIssuer) -> None:
    """It may come from a machine whose clock is ahead: what an operator asks for is asked of the issuer."""
    clock = MovableClock(time.time() + 4)
    client = guarded(make_app(clock=clock, **own_issuer.settings))
    assert passes(client, own_issuer.token())
    clock.now -= 4
    assert (refresh(client, own_issuer).status_code, own_issuer.fetch_count) == (200, 2)
