"""``POST /auth/events/global-token-revocation``: Universal Logout of an identity provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, request
from marshmallow import EXCLUDE, Schema, fields

from auth0_blueprint.errors import EventRefusedError, UnauthorizedSenderError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.events.event import Event
from auth0_blueprint.revocation.events.event_token import EventToken
from auth0_blueprint.revocation.events.global_revocation import global_revocation_event
from auth0_blueprint.routes.bodies import json_body
from auth0_blueprint.routes.events.handling import app_events, empty, handle
from auth0_blueprint.verification.credentials import scheme_and_token


class GlobalRevocationSchema(Schema):
    """The request: whose tokens, as a subject identifier (RFC 9493). Other members are ignored."""

    class Meta:
        unknown = EXCLUDE

    sub_id: fields.Dict = fields.Dict(required=True)


def global_token_revocation() -> Response:
    """End all tokens of the user that an identity provider names."""
    handle("global-token-revocation", _read)
    return empty(204)


def _read() -> Iterator[Event]:
    token = _sender_token()  # first: nobody else learns anything about bodies
    subject: dict[str, Any] = json_body(GlobalRevocationSchema(), EventRefusedError)["sub_id"]
    settings = app_state().settings
    event = global_revocation_event(token, subject, settings.events.global_revocation, settings.issuers)
    if not app_events().receiver.bind(event):
        # Acknowledging it would tell a sender that this user's tokens have ended; and whoever recorded the JWT must not
        # end anybody else's.
        raise UnauthorizedSenderError("jwt") from EventRefusedError("reused")
    yield event


def _sender_token() -> EventToken:
    _, text = scheme_and_token(request.headers.get("Authorization"))
    try:
        return app_events().global_revocation.verify(text)
    except EventRefusedError as exc:
        raise UnauthorizedSenderError("jwt") from exc
