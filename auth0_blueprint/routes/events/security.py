"""``POST /auth/events/security``: security event tokens by push (RFC 8935)."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from marshmallow import Schema, fields, validate

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.events.event import Event
from auth0_blueprint.revocation.events.security_event import security_event as read_event
from auth0_blueprint.routes.bodies import answer, whole_body
from auth0_blueprint.routes.events.handling import app_events, empty, handle

MEDIA_TYPE = "application/secevent+jwt"
#: RFC 8935 §2.4: the ``err`` of every reason that is not ``invalid_request``.
ERRORS = {
    "algorithm": "invalid_key",
    "unknown_key": "invalid_key",
    "issuer": "invalid_issuer",
    "audience": "invalid_audience",
    "signature": "authentication_failed",
    "foreign_subject": "access_denied",
}


class SecurityEventSchema(Schema):
    """One security event token, which is no JSON: see `openapi_document`."""


class SecurityErrorSchema(Schema):
    """Why the event was refused: RFC 8935 §2.3."""

    err: fields.String = fields.String(
        required=True, validate=validate.OneOf(["invalid_request", *dict.fromkeys(ERRORS.values())])
    )
    description: fields.String = fields.String(
        required=True, metadata={"description": "one fixed sentence for each reason"}
    )


def security_event() -> Response:
    """Put into force what a transmitter tells; answer 400 to what is no acceptable event."""
    try:
        handle("security", _events)
    except EventRefusedError as exc:
        err = ERRORS.get(exc.reason, "invalid_request")
        response = answer(SecurityErrorSchema(), {"err": err, "description": exc.description}, exc.status)
        response.headers["Content-Language"] = "en"
        return response
    return empty(202)


def _events() -> Iterator[Event]:
    if request.mimetype != MEDIA_TYPE:
        raise EventRefusedError("not_set")
    settings = app_state().settings
    # What is not ASCII is no token: the verifier refuses whatever stands for it.
    token = app_events().security.verify(whole_body(EventRefusedError).decode("ascii", "replace"))
    sender = next(one for one in settings.events.transmitters if one.issuer == token.issuer)
    yield read_event(token.claims, sender, settings.issuers)
