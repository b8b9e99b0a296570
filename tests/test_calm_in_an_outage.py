"""What clients see while many ask at once, while keys change, and while the issuer misbehaves."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import AppFactory, MovableClock, bearer
from flask import Flask
from servers import Answer, RawServer, drip, respond

from auth0_blueprint.testing import LocalIssuer


def statuses(app: Flask, tokens: list[str]) -> list[int]:
    """Return the answers to one request for each token, all sent at the same moment."""
    barrier = threading.Barrier(len(tokens))

    def ask(token: str) -> int:
        barrier.wait()
        return app.test_client().get("/auth/me", headers=bearer(token)).status_code

    with ThreadPoolExecutor(len(tokens)) as pool:
        return list(pool.map(ask, tokens))


def test_32_cold_requests_cost_one_fetch(app: Flask, issuer: LocalIssuer) -> None:
    assert statuses(app, [issuer.token()] * 32) == [200] * 32
    assert issuer.fetch_count == 1


def test_200_unknown_key_ids_cost_at_most_three_fetches(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Whoever finds all places of those who wait taken is told to come again; good tokens need none."""
    app = make_app(AUTH0_JWKS_COOLDOWN=3600)
    tokens = [issuer.token(headers={"kid": f"unknown-{number}"}) for number in range(200)]
    answers = [
        status for start in range(0, 200, 20) for status in statuses(app, [issuer.token(), *tokens[start : start + 20]])
    ]
    assert (answers.count(200), answers.count(401) + answers.count(503)) == (10, 200)
    assert answers.count(401) >= 150
    assert issuer.fetch_count == 1 + 3


def test_new_keys_are_found_at_once_three_times_in_a_cooldown(
    make_app: AppFactory, issuer: LocalIssuer, clock: MovableClock
) -> None:
    """Also right after another fetch. A fourth one has to wait for the cooldown of the first."""
    client = make_app(clock=clock.monotonic_only).test_client()
    for fetches in (1, 2, 3, 4):
        assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 200
        assert issuer.fetch_count == fetches
        issuer.rotate()
    refused = client.get("/auth/me", headers=bearer(issuer.token()))
    assert (refused.get_json()["code"], issuer.fetch_count) == ("unknown_key", 4)
    clock.move(30)
    assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 200


MISBEHAVIOUR = {
    "drips its header": drip(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "drips its body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{", b" "),
    "redirects": respond("302 Found", Location="http://127.0.0.1:9/"),
    "says too much": respond(body=b"{" + b" " * 300_000),
    "says nothing": respond(),
    "says HTML": respond(body=b"<html>maintenance</html>", Content_Type="text/html"),
    "is down": respond("503 Service Unavailable"),
}


@pytest.mark.parametrize("answer", MISBEHAVIOUR.values(), ids=MISBEHAVIOUR.keys())
def test_an_issuer_that_misbehaves_gives_503_in_bounded_time(
    make_app: AppFactory, issuer: LocalIssuer, answer: Answer
) -> None:
    """With ``Retry-After`` and without a challenge: it is not the client's fault."""
    with RawServer(answer) as server:
        client = make_app(AUTH0_JWKS_URL=server.url, AUTH0_JWKS_TIMEOUT=0.5).test_client()
        token, started = issuer.token(), time.monotonic()
        response = client.get("/auth/me", headers=bearer(token))
        assert time.monotonic() - started < 2.5
    assert (response.status_code, response.get_json()["code"]) == (503, "key_set_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert "WWW-Authenticate" not in response.headers


def test_a_removed_key_stops_working_after_the_next_refresh(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app(AUTH0_JWKS_COOLDOWN=1, AUTH0_JWKS_TTL=1, AUTH0_JWKS_REFRESH_AHEAD=0.99)
    client = app.test_client()
    old_key, old = issuer.key_ids[-1], issuer.token()
    issuer.rotate()
    assert client.get("/auth/me", headers=bearer(old)).status_code == 200
    issuer.remove_key(old_key)
    before = issuer.fetch_count
    while issuer.fetch_count == before or client.get("/auth/me", headers=bearer(old)).status_code == 200:
        assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    assert client.get("/auth/me", headers=bearer(old)).get_json()["code"] == "unknown_key"
