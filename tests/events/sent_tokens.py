"""Tokens that tell of events, as Auth0 and Okta sign them, and an app that takes them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from refusals import Answer, by_hand, changed, invalid_token
from werkzeug.test import TestResponse

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.testing import LocalIssuer

CLIENT, USER = "web-app", "auth0|local-user"
ENDPOINT = "https://api.example.com/auth/events/global-token-revocation"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
#: In what is refused: must not come back, nor get into a log.
MARK = "what-was-sent"
UNAUTHORIZED = invalid_token(
    "unauthorized_sender", "The JWT in the Authorization header does not prove who sends the event."
)


def receiver(make_app: AppFactory, issuer: LocalIssuer, provider: LocalIssuer | None = None, **settings: Any) -> Flask:
    """Return an app that takes logout tokens of *issuer*, and global revocations of *provider*, or of *issuer*."""
    provider = provider or issuer
    sender = {"issuer": provider.issuer, "jwks_url": f"{provider.issuer}.well-known/jwks.json", "audience": ENDPOINT}
    sender |= {"subject_template": "okta|acme|{sub}", "email_claim": "email"}
    return make_app(AUTH0_LOGOUT_CLIENT_IDS=CLIENT, AUTH0_GLOBAL_REVOCATION=[sender], **settings)


def event_token(issuer: LocalIssuer, header: dict[str, Any], claims: dict[str, Any], key: Any = None) -> str:
    """Return a token that *issuer* signs now, or *key*: with *header* and *claims*, `ABSENT` leaves one out."""
    now = int(time.time())
    usual: dict[str, Any] = {"iss": issuer.issuer, "iat": now, "exp": now + 120, "jti": uuid.uuid4().hex}
    head = {"alg": "RS256", "kid": issuer.key_ids[-1]}
    return by_hand(issuer, changed(head, header), changed(usual, claims), key)


def logout_token(
    issuer: LocalIssuer, typ: Any = "logout+jwt", key: Any = None, header: Any = None, **claims: Any
) -> str:
    """Return what a provider sends when `USER` logs out."""
    usual = {"aud": CLIENT, "sub": USER, "events": {LOGOUT: {}}}
    return event_token(issuer, {"typ": typ, **(header or {})}, {**usual, **claims}, key)


def sender_jwt(
    issuer: LocalIssuer, typ: Any = "global-token-revocation+jwt", key: Any = None, header: Any = None, **claims: Any
) -> str:
    """Return what Okta authenticates itself with."""
    usual = {"aud": ENDPOINT, "sub": "okta", "nbf": int(time.time()) - 300}
    return event_token(issuer, {"typ": typ, **(header or {})}, {**usual, **claims}, key)


def log_out(client: FlaskClient, token: str) -> TestResponse:
    return client.post("/auth/events/logout", data={"logout_token": token})


def revoke(client: FlaskClient, jwt: str, **sub_id: str) -> TestResponse:
    """Send *jwt* with a subject identifier, by default of `USER` at the issuer that *client*'s app trusts."""
    (issuer,) = client.application.extensions["auth0"].key_sources
    body = {"sub_id": sub_id or {"format": "iss_sub", "iss": issuer, "sub": USER}}
    return client.post("/auth/events/global-token-revocation", json=body, headers=bearer(jwt))


def bad_event(reason: str) -> Answer:
    description = EventRefusedError.descriptions[reason]
    body = {"error": "invalid_request", "error_description": description, "code": "invalid_request"}
    return Answer(400, (), body)


class Kind(NamedTuple):
    """One kind of token: how it is minted, how it is sent, and the answer to one that is refused."""

    mint: Callable[..., str]
    send: Callable[[FlaskClient, str], TestResponse]
    refusal: Callable[[str], Answer]


KINDS = {
    "logout": Kind(logout_token, log_out, bad_event),
    "global-token-revocation": Kind(sender_jwt, revoke, lambda _reason: UNAUTHORIZED),
}


def in_force(app: Flask) -> list[Revocation]:
    """Return all revocations that *app* knows."""
    found: list[Revocation] = app.extensions["auth0"].revocations.newest(100)
    return found


def assert_without_effect(app: Flask, issuer: LocalIssuer, response: TestResponse, log: str) -> None:
    """The user's token passes, nothing is revoked, and nothing that was sent came back."""
    assert in_force(app) == []
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    assert MARK not in f"{response.headers}{response.text}{log}"
