"""``POST /auth/events/global-token-revocation``: Universal Logout of an identity provider."""

from __future__ import annotations

from flask import Response
from marshmallow import Schema


class GlobalRevocationSchema(Schema):
    """The request."""


def global_token_revocation() -> Response:
    """Handle what was sent."""
    raise NotImplementedError
