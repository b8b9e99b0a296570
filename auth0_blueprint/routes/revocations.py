"""``/auth/admin/revocations``: revoke a token, or a user's or client's tokens; look a revocation up; lift it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

from flask import Response, request, url_for
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from auth0_blueprint.errors import InvalidRequestError, InvalidTokenError, NotFoundError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.index import KINDS, Revocation
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.routes.audit import notify_admin_acted
from auth0_blueprint.routes.bodies import answer, json_body

_NAME = validate.Length(min=1, max=1024)


class RevocationRequestSchema(Schema):
    """What to revoke: exactly one of the first four."""

    token: fields.String = fields.String(metadata={"description": "an access token of this API that is still valid"})
    jti: fields.String = fields.String(validate=_NAME)
    subject: fields.String = fields.String(
        validate=_NAME, metadata={"description": "`sub`: all tokens issued for it so far"}
    )
    client_id: fields.String = fields.String(validate=_NAME, metadata={"description": "all tokens issued to it so far"})
    reason: fields.String = fields.String(
        validate=validate.Length(max=500), metadata={"description": "for the audit trail"}
    )

    @validates_schema
    def _exactly_one(self, data: dict[str, Any], **_: object) -> None:
        if len(data.keys() & set(KINDS)) != 1:
            raise ValidationError("exactly one")


class RevocationSchema(Schema):
    """One revocation."""

    kind: fields.String = fields.String(required=True, validate=validate.OneOf(KINDS))
    value: fields.String = fields.String(required=True, metadata={"description": "the claim; for a token, its digest"})
    issued_up_to: fields.Integer = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Unix time: tokens issued later are not affected"}
    )
    expires_at: fields.AwareDateTime = fields.AwareDateTime(
        required=True, metadata={"description": "when the last token it affects has expired"}
    )
    reason: fields.String = fields.String(required=True, allow_none=True)
    reach: fields.String = fields.String(required=True, validate=validate.OneOf(["process", "machine", "fleet"]))


def revoke() -> Response:
    """Revoke what the body names."""
    revocations = _revocations()
    body = json_body(RevocationRequestSchema())
    reason: str | None = body.pop("reason", None)
    ((kind, value),) = body.items()
    if kind == "token":
        revocation = _revoke_token(revocations, value, reason)
    else:
        revocation = revocations.revoke(kind, value, reason)
    notify_admin_acted("revoke", f"{revocation.kind} {revocation.value}", reason)
    response = answer(RevocationSchema(), _members(revocation), 201)
    response.headers["Location"] = _location(revocation)
    return response


def look_up_or_lift(kind: str, value: str) -> Response:
    """Return the revocation in force; for DELETE, lift it."""
    revocations = _revocations()
    if request.method == "DELETE":
        revocation = _found(revocations.lift(kind, value))
        notify_admin_acted("lift", f"{kind} {value}", None)
    else:
        revocation = _found(revocations.find(kind, value))
    return answer(RevocationSchema(), _members(revocation))


def _revocations() -> Revocations:
    # AUTH0_REVOCATION, the switch of these routes, is on.
    return cast("Revocations", app_state().revocations)


def _revoke_token(revocations: Revocations, token: str, reason: str | None) -> Revocation:
    try:
        access_token = app_state().sequence.prove(token)
    except InvalidTokenError as exc:
        raise InvalidRequestError("token_not_ours") from exc
    return revocations.revoke_token(access_token, token, reason)


def _found(revocation: Revocation | None) -> Revocation:
    if revocation is None:
        raise NotFoundError("no_revocation")
    return revocation


def _members(revocation: Revocation) -> dict[str, Any]:
    return {
        "kind": revocation.kind,
        "value": revocation.value,
        "issued_up_to": revocation.issued_up_to,
        "expires_at": datetime.fromtimestamp(revocation.expires_at, UTC),
        "reason": revocation.reason,
        "reach": app_state().reach(),
    }


def _location(revocation: Revocation) -> str:
    collection = url_for(f"{request.blueprint}.revoke")
    return f"{collection}/{revocation.kind}/{quote(revocation.value, safe='')}"
