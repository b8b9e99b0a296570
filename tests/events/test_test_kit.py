"""The events that `auth0_blueprint.testing` makes: as their senders write them, and taken by an app."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import requests
from conftest import AppFactory, bearer
from flask import Flask
from refusals import claims_of, header_of

from auth0_blueprint.testing import LocalIssuer, cloud_event, log_record

ENDPOINT = "demo/events"


@pytest.fixture
def hearing(make_app: AppFactory, issuer: LocalIssuer) -> Flask:
    """An app that takes all events of the issuer."""
    return make_app(**issuer.event_settings)


def status(app: Flask, token: str) -> int:
    return app.test_client().get("/auth/me", headers=bearer(token)).status_code


def post(app: Flask, kind: str, issuer: LocalIssuer, event: Any) -> int:
    """Post *event* as its sender would; that of the identity provider is a pair, of its JWT and the subject."""
    ways: dict[str, dict[str, Any]] = {
        "logout": {"data": {"logout_token": event}},
        "security": {"data": event, "content_type": "application/secevent+jwt"},
        "auth0": {"json": event, "headers": bearer(issuer.event_secret)},
    }
    if kind == "global-token-revocation":
        ways[kind] = {"json": {"sub_id": event[1]}, "headers": bearer(event[0])}
    return app.test_client().post(f"/auth/events/{kind}", **ways[kind]).status_code


@pytest.mark.parametrize(
    ("mint", "token_type", "names"),
    [
        (lambda issuer: issuer.logout_token(), "logout+jwt", {"sub", "exp", "events"}),
        (lambda issuer: issuer.logout_token(sid="s"), "logout+jwt", {"sid", "exp", "events"}),
        (lambda issuer: issuer.security_event(), "secevent+jwt", {"sub_id", "events"}),
        (lambda issuer: issuer.global_revocation_jwt(), "global-token-revocation+jwt", {"sub", "exp"}),
    ],
)
def test_each_signed_event_has_the_claims_of_its_kind(
    issuer: LocalIssuer, mint: Any, token_type: str, names: set[str]
) -> None:
    token = mint(issuer)
    key = issuer.signing_key().public_key()
    claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    assert claims.keys() == {"iss", "aud", "iat", "jti", *names}
    assert (claims["iss"], header_of(token)["typ"]) == (issuer.issuer, token_type)
    assert claims["jti"] != claims_of(mint(issuer))["jti"]


@pytest.mark.parametrize(
    ("mint", "sender_changes"),
    [(lambda issuer, **more: issuer.logout_token(**more), {"sub": "a"}),
     (lambda issuer, **more: issuer.security_event(**more), {"txn": "a"}),
     (lambda issuer, **more: issuer.global_revocation_jwt(**more), {"sub": "a"})],
)  # fmt: skip
def test_claims_headers_and_keys_are_the_testers_choice(
    issuer: LocalIssuer, mint: Any, sender_changes: dict[str, str]
) -> None:
    first, second = issuer.key_ids[0], issuer.rotate()
    token = mint(issuer, headers={"typ": "JWT"}, without=("jti",), iss="other", key_id=first, **sender_changes)
    assert (header_of(token)["typ"], header_of(token)["kid"]) == ("JWT", first)
    assert header_of(mint(issuer))["kid"] == second
    assert claims_of(token).items() >= {"iss": "other", **sender_changes}.items()
    assert "jti" not in claims_of(token)


def test_a_logout_token_lives_two_minutes_and_may_be_expired(issuer: LocalIssuer) -> None:
    fresh, old = claims_of(issuer.logout_token()), claims_of(issuer.logout_token(expires_in=-10))
    assert (fresh["exp"] - fresh["iat"], fresh["aud"]) == (120, "local-client")
    assert old["iat"] < old["exp"] < time.time()
    assert claims_of(issuer.global_revocation_jwt(expires_in=-10))["exp"] < time.time()


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("session-revoked", "https://schemas.openid.net/secevent/caep/event-type/session-revoked"),
        ("account-disabled", "https://schemas.openid.net/secevent/risc/event-type/account-disabled"),
        ("verification", "https://schemas.openid.net/secevent/ssf/event-type/verification"),
        ("https://example.com/event", "https://example.com/event"),
    ],
)
def test_an_event_is_named_in_short_or_by_its_uri(issuer: LocalIssuer, name: str, uri: str) -> None:
    claims = claims_of(issuer.security_event(name, event={"event_timestamp": 1}, subject={"format": "email"}))
    assert claims["events"] == {uri: {"event_timestamp": 1}}
    assert claims["sub_id"] == {"format": "email"}
    assert claims_of(issuer.security_event(name, subject="me"))["sub_id"] == issuer.subject_id("me")


def test_a_misspelt_event_is_an_error_with_a_remedy(issuer: LocalIssuer) -> None:
    with pytest.raises(ValueError, match=r"'session-revokd'\. To solve this, give the whole URI"):
        issuer.security_event("session-revokd")


def test_events_of_auth0_have_the_members_of_its_documentation() -> None:
    event, record = cloud_event("user.updated", {"user_id": "a", "blocked": True}), log_record("scp", user_id="b")
    members = {"id", "source", "specversion", "type", "time", "data", "a0tenant", "a0stream"}
    assert event.keys() == members
    assert event["specversion"] == "1.0"
    assert event["data"] == {"object": {"user_id": "a", "blocked": True}}
    assert cloud_event(is_test=True, id="x").items() >= {"a0purpose": "test", "id": "x"}.items()
    assert event["id"] != cloud_event()["id"]
    assert abs(datetime.fromisoformat(event["time"]).timestamp() - datetime.now(UTC).timestamp()) < 5
    assert (record["log_id"], record["data"]["type"], record["data"]["user_id"]) == (
        record["data"]["log_id"], "scp", "b",
    )  # fmt: skip
    assert log_record(log_id="x")["log_id"] == log_record(log_id="x")["data"]["log_id"] == "x"


#: By route, an event about a user.
EVENTS: dict[str, Any] = {
    "logout": lambda issuer, sub: issuer.logout_token(sub=sub),
    "security": lambda issuer, sub: issuer.security_event(subject=sub),
    "auth0": lambda _issuer, sub: cloud_event("user.deleted", {"user_id": sub}),
    "global-token-revocation": lambda issuer, sub: (issuer.global_revocation_jwt(), issuer.subject_id(sub)),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_an_app_with_the_settings_of_the_issuer_takes_each_event(
    hearing: Flask, issuer: LocalIssuer, kind: str
) -> None:
    token, others = issuer.token(sub="auth0|leaving"), issuer.token(sub="auth0|staying")
    assert post(hearing, kind, issuer, EVENTS[kind](issuer, "auth0|leaving")) in {200, 202, 204}
    assert (status(hearing, token), status(hearing, others)) == (401, 200)


def test_a_record_of_a_log_stream_and_a_test_do_what_they_do_from_auth0(hearing: Flask, issuer: LocalIssuer) -> None:
    token = issuer.token(sub="auth0|leaving")
    assert post(hearing, "auth0", issuer, cloud_event(content={"user_id": "auth0|leaving"}, is_test=True)) == 204
    assert status(hearing, token) == 200
    assert post(hearing, "auth0", issuer, [log_record(user_id="auth0|leaving")]) == 204
    assert status(hearing, token) == 401


@pytest.mark.parametrize("kind", ["logout", "security", "global-token-revocation"])
def test_a_forged_event_ends_nothing(hearing: Flask, issuer: LocalIssuer, kind: str) -> None:
    token, event = issuer.token(), EVENTS[kind](issuer, "auth0|local-user")
    forged = issuer.forge(event) if isinstance(event, str) else (issuer.forge(event[0]), event[1])
    assert post(hearing, kind, issuer, forged) in {400, 401}
    assert status(hearing, token) == 200


def ask(issuer: LocalIssuer, body: Any, **headers: str) -> requests.Response:
    return requests.post(f"{issuer.issuer}{ENDPOINT}", json=body, headers=headers, timeout=5)


def test_only_the_issuer_of_a_demo_signs_events_on_request(issuer: LocalIssuer) -> None:
    assert ask(issuer, {"kind": "logout"}).status_code == 404
    issuer.sign_events_on_request()
    token = ask(issuer, {"kind": "logout", "subject": "a", "audience": "b"}).json()["token"]
    assert claims_of(token).items() >= {"sub": "a", "aud": "b"}.items()
    issuer.reset()
    assert ask(issuer, {"kind": "logout"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"kind": "token"}, {}),
        ({}, {}),
        (["logout"], {}),
        ({"kind": "logout", "subject": 1}, {}),
        ({"kind": "logout"}, {"Content-Type": "text/plain"}),
        ({"kind": "logout"}, {"Host": "rebound.example.com"}),
    ],
)
def test_it_signs_no_tokens_and_nothing_for_web_pages(issuer: LocalIssuer, body: Any, headers: dict[str, str]) -> None:
    issuer.sign_events_on_request()
    response = ask(issuer, body, **headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
