"""``POST /auth/events/logout``: OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

from flask import Response
from marshmallow import Schema


class LogoutRequestSchema(Schema):
    """The request."""


def logout() -> Response:
    """Handle what was sent."""
    raise NotImplementedError
