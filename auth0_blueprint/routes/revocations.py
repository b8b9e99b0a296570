"""``/auth/admin/revocations``: revoke a token, or a user's or client's tokens; list, look up and lift revocations."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

from flask import Response, request, url_for
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from auth0_blueprint.errors import InvalidRequestError, InvalidTokenError, NotFoundError
from auth0_blueprint.guards.authentication import app_state, current_token
from auth0_blueprint.keysets.directory import limited_to
from auth0_blueprint.revocation.index import KINDS, MAX_REASON_LENGTH, MAX_VALUE_LENGTH, Origin, Revocation
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.routes.audit import notify_admin_acted, target_of
from auth0_blueprint.routes.bodies import answer, json_body, query
from auth0_blueprint.routes.revocation_pages import (
    RevocationPageSchema,
    RevocationQuerySchema,
    RevocationSchema,
    members_of,
    page,
)
from auth0_blueprint.routes.tenant import own_issuer

_NAME = validate.Length(min=1, max=MAX_VALUE_LENGTH)


class RevocationRequestSchema(Schema):
    """What to revoke: exactly one of the first seven."""

    token: fields.String = fields.String(metadata={"description": "an access token of this API that is still valid"})
    jti: fields.String = fields.String(validate=_NAME)
    subject: fields.String = fields.String(
        validate=_NAME, metadata={"description": "`sub`: all tokens issued for it so far"}
    )
    client_id: fields.String = fields.String(validate=_NAME, metadata={"description": "all tokens issued to it so far"})
    session: fields.String = fields.String(
        validate=_NAME, metadata={"description": "`sid`: all tokens issued in it so far"}
    )
    organization: fields.String = fields.String(
        validate=_NAME, metadata={"description": "`org_id`: all tokens issued for it so far"}
    )
    email: fields.String = fields.String(
        validate=_NAME,
        metadata={"description": "all tokens issued for it so far; only if a sender of events has an `email_claim`"},
    )
    reason: fields.String = fields.String(
        validate=validate.Length(max=MAX_REASON_LENGTH), metadata={"description": "for the audit trail"}
    )

    @validates_schema
    def _exactly_one(self, data: dict[str, Any], **_: object) -> None:
        if len(data.keys() & set(KINDS)) != 1:
            raise ValidationError("exactly one")


def list_or_revoke() -> Response:
    """Return a page of the revocations in force; for POST, revoke what the body names."""
    return _revoke() if request.method == "POST" else _list()


def look_up_or_lift(kind: str, value: str) -> Response:
    """Return the revocation in force; for DELETE, lift it."""
    revocations = _revocations()
    if request.method == "DELETE":
        revocation = _found(revocations.lift(kind, value, _origin(), issuer=own_issuer()))
        notify_admin_acted("lift", target_of(revocation), None)
    else:
        revocation = _found(revocations.find(kind, value, issuer=own_issuer()))
    return answer(RevocationSchema(), members_of(revocation, app_state().reach()))


def check_can_match(kind: str) -> None:
    """Check that a revocation of *kind* can match a token.

    Raises:
        InvalidRequestError: no setting says which claim holds email addresses.
    """
    if kind == "email" and not app_state().settings.events.email_claims:
        raise InvalidRequestError("no_email_claim")


def revoke_token(token: str, reason: str | None, origin: Origin, issuer: str | None) -> Revocation:
    """Revoke *token*, which *issuer* must have issued where each issuer is a tenant of its own.

    Raises:
        InvalidRequestError: it is not a valid access token of this API.
        UnavailableError: that cannot be told now, or the revocation cannot be stored.
    """
    state = app_state()
    try:
        with limited_to(issuer):
            access_token = state.sequence.prove(token)
            if state.directory is not None:  # a remembered one was proven for anybody
                state.directory.check(access_token.issuer)
    except InvalidTokenError as exc:
        raise InvalidRequestError("token_not_ours") from exc
    return _revocations().revoke_token(access_token, token, reason, origin)


def _list() -> Response:
    parameters = query(RevocationQuerySchema())
    return answer(RevocationPageSchema(), page(_revocations(), app_state().reach(), issuer=own_issuer(), **parameters))


def _revoke() -> Response:
    body = json_body(RevocationRequestSchema())
    reason: str | None = body.pop("reason", None)
    ((kind, value),) = body.items()
    check_can_match(kind)
    if kind == "token":
        revocation = revoke_token(value, reason, _origin(), own_issuer())
    else:
        revocation = _revocations().revoke(kind, value, reason, _origin(), issuer=own_issuer())
    notify_admin_acted("revoke", target_of(revocation), reason)
    response = answer(RevocationSchema(), members_of(revocation, app_state().reach()), 201)
    response.headers["Location"] = _location(revocation)
    return response


def _revocations() -> Revocations:
    # AUTH0_REVOCATION, the switch of these routes, is on.
    return cast("Revocations", app_state().revocations)


def _origin() -> Origin:
    return Origin("admin", actor=current_token.subject)


def _found(revocation: Revocation | None) -> Revocation:
    if revocation is None:
        raise NotFoundError("no_revocation")
    return revocation


def _location(revocation: Revocation) -> str:
    collection = url_for(f"{request.blueprint}.list_or_revoke")
    return f"{collection}/{revocation.kind}/{quote(revocation.value, safe='')}"
