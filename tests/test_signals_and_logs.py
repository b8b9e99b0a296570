"""Signals and log lines: what they say, and that they never carry a token."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from blinker import Signal
from conftest import AppFactory, bearer
from flask import Flask
from refusals import guarded, with_signature

from auth0_blueprint import (
    key_set_refresh_failed,
    key_set_refreshed,
    requires_scope,
    token_rejected,
    token_verified,
    verify_token,
)
from auth0_blueprint.testing import LocalIssuer


class Listener:
    """Keeps what a signal says."""

    def __init__(self, signal: Signal, app: Flask) -> None:
        self.heard: list[dict[str, Any]] = []
        signal.connect(self._hear, sender=app)

    def _hear(self, sender: Flask, **said: Any) -> None:
        self.heard.append(said)


def test_a_verified_token_is_announced_with_its_claims(app: Flask, issuer: LocalIssuer) -> None:
    listener = Listener(token_verified, app)
    app.test_client().get("/auth/me", headers=bearer(issuer.token()))
    assert [said["access_token"].subject for said in listener.heard] == ["auth0|local-user"]


def test_one_that_is_verified_outside_of_a_request_is_announced_as_well(app: Flask, issuer: LocalIssuer) -> None:
    listener = Listener(token_verified, app)
    with app.app_context():
        access_token = verify_token(issuer.token())
    assert listener.heard == [{"access_token": access_token}]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"expires_in": -60}, {"code": "token_expired", "reason": "token_expired"}),
        ({"aud": "other"}, {"code": "invalid_claims", "reason": "audience"}),
        ({}, {"code": "insufficient_scope", "reason": "insufficient_scope"}),
    ],
)
def test_a_refusal_is_announced_with_code_and_reason(
    app: Flask, issuer: LocalIssuer, claims: dict[str, Any], said: dict[str, str]
) -> None:
    app.add_url_rule("/", "view", requires_scope("a")(lambda: ""))
    listener = Listener(token_rejected, app)
    app.test_client().get("/", headers=bearer(issuer.token(**claims)))
    assert listener.heard == [said]


def test_a_refreshed_key_set_is_announced_with_what_came_and_went(app: Flask, issuer: LocalIssuer) -> None:
    """Key ids only."""
    listener = Listener(key_set_refreshed, app)
    app.test_client().get("/auth/me", headers=bearer(issuer.token()))
    assert listener.heard == [{"issuer": issuer.issuer, "added": tuple(sorted(issuer.key_ids)), "removed": ()}]


def test_a_failed_refresh_is_announced_with_the_reason(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app(AUTH0_JWKS_URL=f"{issuer.issuer}elsewhere")
    listener = Listener(key_set_refresh_failed, app)
    app.test_client().get("/auth/me", headers=bearer(issuer.token()))
    assert listener.heard == [{"issuer": issuer.issuer, "reason": "HTTP status 404"}]


def test_no_token_and_nothing_of_it_reaches_a_log(
    app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    client = guarded(app)
    app.add_url_rule("/", "view", requires_scope("secret:scope")(lambda: ""))
    good = issuer.token(scope="secret:scope", marker="claim-marker")
    tokens = [good, good[:-8] + "A" * 8, issuer.token(headers={"kid": "kid-marker\r\ninjected"}), "opaque-marker"]
    tokens += [issuer.token(expires_in=-60), with_signature(issuer.token(), b"")]
    with caplog.at_level(logging.DEBUG):
        for token in tokens:
            for path in ("/", "/ours", "/theirs"):
                client.get(path, headers=bearer(token))
    assert "refused: token_expired" in caplog.text
    parts = {part for token in tokens for part in token.split(".") if part}
    assert [text for text in (*parts, "marker", "injected") if text in caplog.text] == []


def test_an_outage_is_logged_once_when_it_begins(
    make_app: AppFactory, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(AUTH0_JWKS_URL=f"{issuer.issuer}elsewhere").test_client()
    for _ in range(5):
        assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 503
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [f"the key set of {issuer.issuer} cannot be fetched: HTTP status 404"]
