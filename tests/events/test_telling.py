"""What the host hears of events: signals, the audit trail, counts and metrics; never what was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from prometheus_client import CollectorRegistry
from sent_tokens import CLIENT, log_out

from auth0_blueprint import event_handled, event_refused
from auth0_blueprint.guards.labels import EVENT_REASONS
from auth0_blueprint.metrics import instrument
from auth0_blueprint.revocation.events.event import Effect, Event
from auth0_blueprint.routes.events.handling import handle
from auth0_blueprint.testing import LocalIssuer

HOSTILE = "a\r\nadmin 'root': forged\x1b[2K\u202e\u2028\0"
EVENT = Event("security", "https://idp.example/", "e1", "session-revoked", 0, (Effect("revoke", "subject", "s"),))


class Host:
    """An app that takes every kind of event, and hears of them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()
        self.registry = CollectorRegistry()
        self.heard: list[dict[str, Any]] = []
        for signal in (event_handled, event_refused):
            signal.connect(self._hear, sender=app)

    def _hear(self, sender: Flask, **said: Any) -> None:
        self.heard.append(said)

    def figures(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of a metric that are not zero, by labels."""
        samples = [sample for metric in self.registry.collect() for sample in metric.samples if sample.name == name]
        return {tuple(sample.labels.values()): sample.value for sample in samples if sample.value}

    def stats(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what `/auth/admin/stats` has of events."""
        body = self.client.get("/auth/admin/stats", headers=bearer(token)).get_json()
        return body["events"], body["events_refused"]


@pytest.fixture
def host(make_app: AppFactory, issuer: LocalIssuer) -> Host:
    host = Host(make_app(**issuer.event_settings))
    instrument(host.app, registry=host.registry)
    return host


def operator(issuer: LocalIssuer) -> str:
    return issuer.token(sub="auth0|admin", scope="manage:auth0", permissions=["manage:auth0"])


def test_each_event_is_told_counted_and_logged(
    host: Host, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that came before and those that change nothing as well; the levels tell the audit trail from the rest."""
    caplog.set_level("INFO")
    logout = issuer.logout_token(sub="s", jti="j1", client_id=issuer.event_settings["AUTH0_LOGOUT_CLIENT_IDS"])
    unknown = issuer.security_event("https://events.example/unheard-of", jti="j2")
    for _ in range(2):
        assert log_out(host.client, logout).status_code == 200
    pushed = host.client.post("/auth/events/security", data=unknown, content_type="application/secevent+jwt")
    assert pushed.status_code == 202
    assert log_out(host.client, issuer.forge(logout)).status_code == 400
    base = {"source": "logout", "sent_by": issuer.issuer, "type": "backchannel-logout", "event_id": "j1"}
    assert host.heard == [
        {**base, "outcome": "effective", "effects": (("subject", "s"),)},
        {**base, "outcome": "repeated", "effects": ()},
        {**base, "source": "security", "type": "unknown", "event_id": "j2", "outcome": "without_effect", "effects": ()},
        {"source": "logout", "code": "invalid_request", "reason": "signature"},
    ]
    told = [(record.levelname, record.getMessage()) for record in caplog.records if "event" in record.getMessage()]
    assert told == [
        ("WARNING", f"event 'backchannel-logout' ('j1') from '{issuer.issuer}' by logout: effective, subject 's'"),
        ("INFO", f"event 'backchannel-logout' ('j1') from '{issuer.issuer}' by logout: repeated"),
        ("INFO", f"event 'unknown' ('j2') from '{issuer.issuer}' by security: without effect"),
        ("WARNING", "refused an event (logout): signature"),
    ]
    events = {"logout": {"effective": 1, "repeated": 1}, "security": {"without_effect": 1}}
    assert host.stats(operator(issuer)) == (events, {"logout": {"signature": 1}})
    counts = {(outcome, source): count for source, of in events.items() for outcome, count in of.items()}
    assert host.figures("auth0_events_total") == {(source, outcome): n for (outcome, source), n in counts.items()}
    assert host.figures("auth0_events_refused_total") == {("logout", "signature"): 1}


def test_a_bad_jwt_of_a_sender_is_told_with_its_cause(host: Host, issuer: LocalIssuer) -> None:
    """Which the sender does not learn."""
    headers = bearer(issuer.global_revocation_jwt(expires_in=-600))
    answer = host.client.post("/auth/events/global-token-revocation", json={}, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized_sender")
    assert host.heard == [{"source": "global-token-revocation", "code": "unauthorized_sender", "reason": "expired"}]


def test_a_refused_secret_is_counted_and_not_told(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    for headers in (bearer("mark" * 9), {}, {"Authorization": "Basic mark"}, {"Authorization": "Bearer mark mark"}):
        host.client.post("/auth/events/auth0", json={"mark": 1}, headers=headers)
    reasons = ("secret", "authorization_header_missing", "other_scheme", "several_credentials")
    assert host.figures("auth0_events_refused_total") == {("auth0", reason): 1 for reason in reasons}
    assert "mark" not in f"{caplog.text}{host.heard}"


def test_no_event_can_forge_a_line_or_make_one_endless(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    effects = tuple(Effect("revoke", "subject", f"{number}{HOSTILE}{'x' * 1000}") for number in range(50))
    event = EVENT._replace(occurred_at=2e9, sender=HOSTILE, id=HOSTILE * 20, type=HOSTILE, effects=effects)
    with host.app.test_request_context():
        handle("security", lambda: [event])
    (line,) = [message for message in caplog.messages if "forged" in message]
    assert (line.isascii(), line.isprintable(), len(line) < 4000) == (True, True, True)
    assert len(host.heard[0]["effects"]) == 50


def test_every_series_is_there_before_the_first_event_and_no_event_makes_one(
    host: Host, make_app: AppFactory, issuer: LocalIssuer
) -> None:
    """Only for the routes that there are."""

    def series(host: Host) -> set[tuple[str, ...]]:
        samples = [sample for metric in host.registry.collect() for sample in metric.samples]
        return {(one.name, *one.labels.values()) for one in samples if one.name.startswith("auth0_events")}

    before = series(host)
    assert len(before) // 2 >= 4 * (3 + len(EVENT_REASONS))
    for marker in range(5):
        log_out(host.client, issuer.logout_token(sub=f"{marker}", jti=f"{marker}"))
        log_out(host.client, f"{marker}")
        claims: dict[str, Any] = {"iss": f"https://{marker}.example/"}
        log_out(host.client, issuer.logout_token(**claims))
    host.app.extensions["auth0"].counters.count_event_refused("logout", "of the host")
    assert host.figures("auth0_events_refused_total")["logout", "other"] == 1
    assert series(host) == before
    few = Host(make_app(AUTH0_LOGOUT_CLIENT_IDS=CLIENT))
    instrument(few.app, registry=few.registry)
    assert {source for _, source, _ in series(few)} == {"logout"}


@pytest.mark.parametrize("is_there", [True, False])
def test_the_keys_of_a_sender_are_counted_under_its_issuer(
    make_app: AppFactory, issuer: LocalIssuer, is_there: bool
) -> None:
    """One who issues no access tokens here."""
    with LocalIssuer() as other:
        url = f"{other.issuer}{'.well-known/jwks.json' if is_there else 'elsewhere'}"
        sender = {"issuer": other.issuer, "jwks_url": url, "audience": "api"}
        host = Host(make_app(AUTH0_EVENT_TRANSMITTERS=json.dumps([sender])))
        instrument(host.app, registry=host.registry)
        token = other.security_event("verification", audience="api", subject={"format": "opaque", "id": "s"})
        answer = host.client.post("/auth/events/security", data=token, content_type="application/secevent+jwt")
        assert answer.status_code == (202 if is_there else 503), answer.text
        assert host.figures("auth0_key_set_fetches_total") == {(other.issuer,): 1}
        failures = host.figures("auth0_key_set_fetch_failures_total")
        assert failures == ({} if is_there else {(other.issuer, "http_4xx"): 1})
        assert ((other.issuer,) in host.figures("auth0_key_set_fetched_timestamp_seconds")) == is_there
