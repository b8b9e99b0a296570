"""``POST /auth/events/auth0``: Auth0's event streams and log streams."""

from __future__ import annotations

from flask import Response
from marshmallow import Schema


class Auth0EventsSchema(Schema):
    """The request."""


def auth0_events() -> Response:
    """Handle what was sent."""
    raise NotImplementedError
