"""``POST /auth/events/logout``: OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response
from marshmallow import EXCLUDE, Schema, fields

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.events.event import Event
from auth0_blueprint.revocation.events.logout import logout_event
from auth0_blueprint.routes.bodies import form_body
from auth0_blueprint.routes.events.handling import app_events, empty, handle


class LogoutRequestSchema(Schema):
    """The form: §2.5. Other fields are ignored."""

    class Meta:
        unknown = EXCLUDE

    logout_token: fields.String = fields.String(required=True)


def logout() -> Response:
    """End the tokens of the user or session that a logout token names (§2.8: 200, or 400)."""
    handle("logout", _read)
    return empty(200)


def _read() -> Iterator[Event]:
    text: str = form_body(LogoutRequestSchema(), EventRefusedError)["logout_token"]
    session_only = app_state().settings.events.session_claim is not None
    yield logout_event(app_events().logout.verify(text), session_only=session_only)
