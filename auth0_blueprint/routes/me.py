"""``GET /auth/me``: what the guard sees in the caller's token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from marshmallow import INCLUDE, Schema, fields, post_dump

from auth0_blueprint.guards.authentication import current_token


class ClaimsSchema(Schema):
    """The claims of an access token: the registered ones (RFC 9068 §2.2), and any others."""

    class Meta:
        unknown = INCLUDE

    iss: fields.String = fields.String()
    sub: fields.String = fields.String()
    aud: fields.Raw = fields.Raw(metadata={"description": "a string or a list of strings"})
    exp: fields.Raw = fields.Raw(metadata={"description": "Unix time in seconds"})
    iat: fields.Raw = fields.Raw(metadata={"description": "Unix time in seconds"})
    scope: fields.Raw = fields.Raw(metadata={"description": "values separated by spaces, or a list of them"})
    permissions: fields.List[Any] = fields.List(fields.String())

    @post_dump(pass_original=True)
    def _with_all_others(self, data: dict[str, Any], original: Mapping[str, Any], **_: object) -> dict[str, Any]:
        return {**original, **data}


def me() -> Response:
    """Return the caller's verified claims."""
    response = jsonify(ClaimsSchema().dump(current_token.claims))
    response.headers["Cache-Control"] = "no-store"
    return response
