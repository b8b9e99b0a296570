"""Attacks on the routes for events: their settings, their threads, their methods, and what happens meanwhile."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from functools import partial
from typing import Any

import pytest
import refusals
from conftest import EVENT_SETTINGS, AppFactory, MovableClock, bearer
from fleet_of_revokers import LEEWAY, LIFETIME, RevokerFleet
from refusals import answer_to, guarded, passes, seen
from sent_tokens import MARK, event_token, in_force, log_out, logout_token, receiver, revoke, sender_jwt

from auth0_blueprint import Auth0Blueprint, ConfigurationError, protect
from auth0_blueprint.revocation.index import Origin
from auth0_blueprint.testing import LocalIssuer

SENDER: dict[str, Any] = {"issuer": "https://idp.example", "jwks_url": "https://idp.example/jwks", "audience": "api"}
SENDERS = ("AUTH0_EVENT_TRANSMITTERS", "AUTH0_GLOBAL_REVOCATION")
ADMIN, EVENT = Origin("admin", actor="auth0|admin"), Origin("security", "e", "https://idp.example/")
SET = "application/secevent+jwt"
ROUTES = ("logout", "security", "auth0", "global-token-revocation")


@pytest.mark.parametrize("key", SENDERS)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([{**SENDER, "jwks_url": f"https://user:{MARK}@idp.example/jwks"}], "sender 1: jwks_url must be an https URL"),
        ([SENDER, {**SENDER, "authorization": f"Bearer {MARK}"}], "sender 2: has no member 'authorization'"),
        (json.dumps({**SENDER, "authorization": MARK}), "sender 1: has no member 'authorization'"),
        (f'[{{"authorization": "{MARK}"', "must be a list of senders"),
        ("[" * 100_000, "must be a list of senders"),
        (7, "must be a list of senders"),
        ([{**SENDER, "subject_template": "okta|acme|"}], "sender 1: subject_template must contain {sub} once"),
        ([{**SENDER, "subject_template": "{sub}{sub}"}], "sender 1: subject_template must contain {sub} once"),
        ([{**SENDER, "subject_template": "{sub}{0}"}], "sender 1: subject_template must contain {sub} once"),
        ([{**SENDER, "effects": {"": "revoke"}}], "sender 1: "),
        ([{**SENDER, "effects": {"session-revoked": MARK}}], "sender 1: "),
        ([SENDER, SENDER], "must not name an issuer twice"),
    ],
)
def test_a_wrong_sender_is_named_and_nothing_of_it_is_shown(
    make_app: AppFactory, key: str, value: Any, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(**{key: value})
    assert f"{key}: {problem}" in str(caught.value)
    assert MARK not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize("password", [MARK, f"{MARK}/{MARK}@{MARK}"])
def test_an_error_shows_no_password_in_a_url(make_app: AppFactory, password: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(AUTH0_JWKS_URL=f"https://user:{password}@idp.example/jwks")
    assert "AUTH0_JWKS_URL: must be an https URL" in str(caught.value)
    assert MARK not in str(caught.value)


def test_no_text_that_is_made_of_the_settings_has_the_secret(make_app: AppFactory) -> None:
    state = make_app(**EVENT_SETTINGS).extensions["auth0"]
    (secret,) = EVENT_SETTINGS["AUTH0_EVENT_SECRETS"]
    assert repr(state.settings.events) == f"<EventSettings for {', '.join(ROUTES)}>"
    assert secret not in "".join(map(repr, (state, state.settings, state.settings.events, state.events)))
    assert "nobody" in repr(type(state.settings.events)())


# Threads


def test_made_up_events_of_a_sender_whose_keys_do_not_come_hold_few_threads(
    make_app: AppFactory, issuer: LocalIssuer
) -> None:
    """Whoever finds no place is told at once to come again; access tokens with a new key still find theirs."""
    answers: queue.Queue[tuple[refusals.Answer, bool]] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        sender = {**SENDER, "jwks_url": f"http://127.0.0.1:{silent.getsockname()[1]}/jwks"}
        app = make_app(AUTH0_EVENT_TRANSMITTERS=[sender], AUTH0_JWKS_MAX_WAITING=4)
        client, typ = guarded(app), {"typ": "secevent+jwt", "kid": MARK}
        assert passes(client, issuer.token())
        made_up = event_token(issuer, typ, {"iss": SENDER["issuer"], "aud": "api"})

        def push() -> None:
            answer = app.test_client().post("/auth/events/security", data=made_up, content_type=SET)
            answers.put((seen(answer), int(answer.headers["Retry-After"]) >= 1))

        threads = [threading.Thread(target=push) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert [answers.get(timeout=1.5) for _ in threads[2:]] == [(refusals.KEY_SET_UNAVAILABLE, True)] * 6
        issuer.rotate()
        assert passes(client, issuer.token())
        assert [thread.is_alive() for thread in threads].count(True) == 2
    for thread in threads:
        thread.join()


# Methods, prefixes and guards


@pytest.mark.parametrize("source", ROUTES)
def test_a_route_takes_post_alone_wherever_it_is_and_whatever_guards_the_app(make_app: AppFactory, source: str) -> None:
    app = make_app(Auth0Blueprint(url_prefix="/below/here"), **EVENT_SETTINGS)
    protect(app)
    client, path = app.test_client(), f"/below/here/events/{source}"
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "X"):
        assert client.open(path, method=method, headers={"X-HTTP-Method-Override": "POST"}).status_code == 405
    preflight = client.options(
        path, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert "Access-Control" not in str(preflight.headers)
    assert client.post(path).status_code == (400 if source in {"logout", "security"} else 401)
    assert in_force(app) == []


def test_an_event_needs_no_token_of_the_app(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app(**{**EVENT_SETTINGS, "AUTH0_LOGOUT_CLIENT_IDS": "web-app"})
    protect(app)
    assert log_out(app.test_client(), logout_token(issuer)).status_code == 200
    assert app.test_client().get("/auth/me", headers=bearer(logout_token(issuer, typ="JWT"))).status_code == 401


# What happens meanwhile


@pytest.mark.parametrize("is_lift", [True, False])
@pytest.mark.parametrize("looks", [1, 2])
def test_what_an_admin_revokes_meanwhile_is_not_undone(clock: MovableClock, is_lift: bool, looks: int) -> None:
    """Whatever was decided about the one before it: an event that lifts must not lift what it has not seen."""
    fleet = RevokerFleet(clock)
    first, second = fleet.process(), fleet.process()
    if is_lift:
        first.revocations.revoke_up_to(clock.now, "subject", "s", "account-disabled", EVENT)
    first.fleet_sync.sync_now(), second.fleet_sync.sync_now()

    def revoke(looks_left: int) -> None:
        clock.move(0.001)
        if looks_left:
            fleet.store.before["look"] = partial(revoke, looks_left - 1)
        else:
            second.revocations.revoke("subject", "s", "left", ADMIN)

    fleet.store.before["look"] = partial(revoke, looks - 1)
    if is_lift:
        first.revocations.lift("subject", "s", EVENT, lambda one: one.reason == "account-disabled")
    else:
        first.revocations.revoke_up_to(clock.now, "subject", "s", "account-disabled", EVENT)
    fleet.pass_interval(first, second, times=2)
    for process in (first, second):
        found = process.revocations.find("subject", "s")
        assert found is not None
        assert "left" in (found.reason or "").split("; ")


def test_a_jti_is_refused_as_long_as_a_token_that_was_issued_ahead_of_time_may_live(clock: MovableClock) -> None:
    process, now = RevokerFleet(clock).process(), int(clock.now)
    made = process.revocations.revoke_up_to(now, "jti", "j", None, EVENT)
    assert made is not None
    assert made.expires_at >= now + LEEWAY + LIFETIME + LEEWAY


def test_no_address_becomes_that_of_somebody_else(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """The Kelvin sign becomes the letter k in lower case."""
    client, iat, theirs = guarded(receiver(make_app, issuer)), int(time.time()) - 1, "\N{KELVIN SIGN}im@ärger.example"
    assert revoke(client, sender_jwt(issuer), format="email", email=theirs.title()).status_code == 204
    assert passes(client, issuer.token(email="kim@ärger.example", iat=iat))
    assert answer_to(client, issuer.token(email=theirs, iat=iat)) == refusals.REVOKED
    assert [one.value for one in in_force(client.application)] == [theirs]
    assert client.application.extensions["auth0"].revocations.find("email", "kim@ärger.example") is None
