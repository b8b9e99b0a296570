"""``POST /auth/events/security``: security event tokens by push (RFC 8935)."""

from __future__ import annotations

from flask import Response
from marshmallow import Schema


class SecurityEventSchema(Schema):
    """The request."""


class SecurityErrorSchema(Schema):
    """Why the event was refused: RFC 8935 §2.3."""


def security_event() -> Response:
    """Handle what was sent."""
    raise NotImplementedError
