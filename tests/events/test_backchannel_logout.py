"""``POST /auth/events/logout``: whom a logout token ends, once, and what is no logout token."""

from __future__ import annotations

import time
from typing import Any

import pytest
import refusals
from conftest import AppFactory, MovableClock, bearer, put_on_clock
from flask import Flask
from refusals import ABSENT, answer_to, guarded, passes, seen
from sent_tokens import (
    CLIENT,
    LOGOUT,
    MARK,
    USER,
    assert_without_effect,
    bad_event,
    in_force,
    log_out,
    logout_token,
    receiver,
)

from auth0_blueprint.testing import LocalIssuer

PATH, FORM = "/auth/events/logout", "application/x-www-form-urlencoded"


@pytest.fixture
def api(make_app: AppFactory, issuer: LocalIssuer) -> Flask:
    return receiver(make_app, issuer)


@pytest.mark.parametrize("typ", ["logout+jwt", "Application/Logout+JWT", "JWT", ABSENT])
def test_after_a_logout_the_tokens_of_before_are_refused_and_a_new_login_passes(
    api: Flask, issuer: LocalIssuer, typ: Any
) -> None:
    """Auth0 writes the type ``JWT``; OpenID Connect Back-Channel Logout 1.0 §2.4 recommends ``logout+jwt``."""
    client, now = guarded(api), int(time.time())
    response = log_out(client, logout_token(issuer, typ, iat=now - 2))
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (200, b"", "no-store")
    assert answer_to(client, issuer.token(iat=now - 2)) == refusals.REVOKED
    assert passes(client, issuer.token(iat=now - 1))
    assert passes(client, issuer.token(iat=now - 2, sub="auth0|other"))


@pytest.mark.parametrize(
    ("named", "revoked"),
    [
        ({"sub": USER}, {"subject": USER}),
        ({"sub": ABSENT, "sid": "s-1"}, {"session": "s-1"}),
        ({"sid": "s-1"}, {"subject": USER, "session": "s-1"}),
        ({"sub": "x" * 1024}, {"subject": "x" * 1024}),
    ],
)
def test_it_revokes_the_user_and_the_session_that_are_named(
    api: Flask, issuer: LocalIssuer, named: dict[str, Any], revoked: dict[str, str]
) -> None:
    token = logout_token(issuer, jti="j", iat=int(time.time()) - 3, **named)
    assert log_out(api.test_client(), token).status_code == 200
    found = in_force(api)
    assert {one.kind: one.value for one in found} == revoked
    assert {one.issued_up_to for one in found} == {refusals.claims_of(token)["iat"]}
    assert {(one.origin, one.reason) for one in found} == {(("logout", "j", issuer.issuer), "backchannel-logout")}


def test_a_session_ends_for_the_tokens_that_carry_its_sid(api: Flask, issuer: LocalIssuer) -> None:
    client, now = guarded(api), int(time.time())
    log_out(client, logout_token(issuer, sub=ABSENT, sid="s-1", iat=now))
    assert answer_to(client, issuer.token(sid="s-1", iat=now)) == refusals.REVOKED
    assert passes(client, issuer.token(sid="s-1", iat=now + 1))
    assert passes(client, issuer.token(sid="s-2", iat=now))
    assert passes(client, issuer.token(iat=now))


def test_with_a_claim_for_the_session_a_logout_ends_that_session_alone(
    make_app: AppFactory, issuer: LocalIssuer
) -> None:
    """Whatever else the logout token names; without ``sid`` it ends all of the user's sessions."""
    client, now = guarded(receiver(make_app, issuer, AUTH0_SESSION_CLAIM="session_id")), int(time.time())
    log_out(client, logout_token(issuer, sid="s-1", iat=now))
    assert answer_to(client, issuer.token(session_id="s-1", iat=now)) == refusals.REVOKED
    for others in (issuer.token(session_id="s-2"), issuer.token(sid="s-1"), issuer.token()):
        assert passes(client, others)
    log_out(client, logout_token(issuer, iat=now))
    assert answer_to(client, issuer.token(session_id="s-2", iat=now)) == refusals.REVOKED


def test_a_logout_that_comes_again_or_late_ends_no_newer_login(
    make_app: AppFactory, issuer: LocalIssuer, clock: MovableClock
) -> None:
    api = receiver(make_app, issuer)
    clock.now = time.time()
    put_on_clock(api, clock)
    client, token = api.test_client(), logout_token(issuer)
    assert log_out(client, token).status_code == 200
    (first,) = in_force(api)
    clock.move(60)
    login = bearer(issuer.token(iat=int(clock.now)))
    for again in (token, logout_token(issuer, iat=refusals.claims_of(token)["iat"])):
        assert log_out(client, again).status_code == 200
        assert in_force(api) == [first]
        assert client.get("/auth/me", headers=login).status_code == 200


NO_EVENTS: list[Any] = [ABSENT, None, LOGOUT, [LOGOUT], {}, {MARK: {}}, {LOGOUT: None}, {LOGOUT: []}, {LOGOUT: True}]
NO_LOGOUTS: dict[str, list[dict[str, Any]]] = {
    "events": [{"events": value} for value in NO_EVENTS],
    "subject": [
        {"sub": ABSENT},
        *({"sub": value, "sid": "s-1"} for value in ("", None, 1, [MARK], MARK * 100)),
        *({"sid": value} for value in ("", None, 1, {MARK: 1}, MARK * 100)),
    ],
}


@pytest.mark.parametrize(("reason", "claims"), [(name, one) for name, many in NO_LOGOUTS.items() for one in many])
def test_a_good_token_that_is_no_good_logout_changes_nothing(
    api: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, reason: str, claims: dict[str, Any]
) -> None:
    response = log_out(api.test_client(), logout_token(issuer, **claims))
    assert seen(response) == bad_event(reason)
    assert_without_effect(api, issuer, response, caplog.text)


OTHERS: list[tuple[dict[str, Any], str]] = [
    *(({}, "events"), ({"nonce": "n"}, "not_an_event"), ({"scope": "openid"}, "not_an_event")),
    ({"permissions": []}, "not_an_event"),
]


@pytest.mark.parametrize(("claims", "reason"), OTHERS)
def test_an_access_token_or_id_token_is_no_logout(
    api: Flask, issuer: LocalIssuer, claims: dict[str, Any], reason: str
) -> None:
    """Also one that is for the application: an ID token is for it, and so is an access token for two audiences."""
    for audience in (CLIENT, [CLIENT, issuer.audience]):
        token = issuer.token(aud=audience, jti="j", sid="s-1", **claims)
        assert seen(log_out(api.test_client(), token)) == bad_event(reason)
    assert in_force(api) == []


@pytest.mark.parametrize(
    ("typ", "code"), [("logout+jwt", "token_malformed"), ("JWT", "invalid_claims"), (ABSENT, "invalid_claims")]
)
def test_a_logout_token_is_no_access_token(api: Flask, issuer: LocalIssuer, typ: Any, code: str) -> None:
    """Also one that names the API as its audience."""
    token = logout_token(issuer, typ, aud=[CLIENT, issuer.audience], azp="c")
    answer = answer_to(guarded(api), token)
    assert (answer.status, answer.body["code"]) == (401, code)


def form(token: str, *more: str) -> bytes:
    return "&".join((f"logout_token={token}", *more)).encode()


BAD_FORMS: list[tuple[str, str | None, Any]] = [
    ("logout_token", FORM, lambda _token: b""),
    ("logout_token", FORM, lambda token: form(token, f"logout_token={token}")),
    ("logout_token", FORM, lambda token: f"token={token}".encode()),
    ("malformed", FORM, lambda _token: b"logout_token="),
    ("malformed", FORM, lambda _token: b"logout_token=%ff%00" + MARK.encode()),
    ("too_large", FORM, lambda token: form(token, "more=" + MARK * 10_000)),
    *(("not_form", content_type, form) for content_type in (None, "application/json", "text/plain", "application/jwt")),
]


@pytest.mark.parametrize(("reason", "content_type", "body"), BAD_FORMS)
def test_a_body_that_is_no_form_with_one_logout_token_changes_nothing(
    api: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, reason: str, content_type: str | None, body: Any
) -> None:
    response = api.test_client().post(PATH, data=body(logout_token(issuer)), content_type=content_type)
    assert seen(response) == bad_event(reason)
    assert_without_effect(api, issuer, response, caplog.text)


def test_other_fields_and_the_query_are_ignored(api: Flask, issuer: LocalIssuer) -> None:
    """§2.5: what is not understood. A token in a query would end up in logs."""
    client, token = api.test_client(), logout_token(issuer)
    assert seen(client.post(f"{PATH}?logout_token={token}", content_type=FORM)) == bad_event("logout_token")
    assert client.post(PATH, data=form(token, "more=1", "more=2"), content_type=FORM).status_code == 200


def test_nobody_is_listened_to_without_a_client_id_and_only_posts_are(
    make_app: AppFactory, issuer: LocalIssuer
) -> None:
    assert log_out(make_app().test_client(), logout_token(issuer)).status_code == 404
    client = receiver(make_app, issuer).test_client()
    assert client.get(PATH).status_code == 405
