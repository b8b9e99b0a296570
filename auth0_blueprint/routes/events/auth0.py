"""``POST /auth/events/auth0``: Auth0's event streams and log streams."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

from flask import Response, request
from marshmallow import INCLUDE, Schema, fields

from auth0_blueprint.errors import EventRefusedError, UnauthorizedSenderError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.jose import strict_json
from auth0_blueprint.revocation.events.cloud_event import read_cloud_event
from auth0_blueprint.revocation.events.event import Event
from auth0_blueprint.revocation.events.log_record import is_log_record, read_log_record
from auth0_blueprint.routes.bodies import whole_body
from auth0_blueprint.routes.events.handling import empty, handle, log_refusal
from auth0_blueprint.verification.credentials import scheme_and_token

#: Auth0 sends up to 100 records at once, and whole users with all their metadata.
MAX_BODY_BYTES = 1_048_576
MAX_RECORDS = 1000


class Auth0EventsSchema(Schema):
    """A CloudEvent, or a record of a log stream; log streams also send arrays of records, and one a line."""

    class Meta:
        unknown = INCLUDE

    specversion: fields.String = fields.String(metadata={"description": "of a CloudEvent: 1.0"})
    id: fields.String = fields.String(metadata={"description": "of a CloudEvent: handled once"})
    source: fields.String = fields.String(metadata={"description": "of a CloudEvent"})
    type: fields.String = fields.String(metadata={"description": "of a CloudEvent, such as user.deleted"})
    time: fields.String = fields.String(metadata={"description": "of a CloudEvent (RFC 3339)"})
    log_id: fields.String = fields.String(metadata={"description": "of a log record: handled once"})
    data: fields.Dict = fields.Dict(metadata={"description": "the payload of the event, or the log record"})


def auth0_events() -> Response:
    """Handle what was sent: each event once, in order.

    Raises:
        MissingCredentialsError, InvalidHeaderError: the request has no secret.
        UnauthorizedSenderError: it has a wrong one.
        EventRefusedError: it is not an acceptable event; those of a log stream are passed over instead.
        RevocationUnavailableError: an event could not be stored. Those before it were.
    """
    handle("auth0", _events)
    return empty(204)


def _events() -> Iterator[Event]:
    """Yield the good events of the request. The first bad one is refused after them.

    Unless it comes from a log stream: Auth0 sends a refused batch again for days, and then pauses the stream.
    """
    _check_secret()
    items, now = _items(), app_state().clock.time()
    is_of_log_stream = any(map(is_log_record, items))
    refusal: EventRefusedError | None = None
    for item in items:
        try:
            event = _read(item, now)
        except EventRefusedError as exc:
            if is_of_log_stream:
                log_refusal("auth0", exc)
            refusal = refusal or exc
        else:
            yield event
    if refusal is not None and not is_of_log_stream:
        raise refusal


def _check_secret() -> None:
    _, given = scheme_and_token(request.environ.get("HTTP_AUTHORIZATION"))
    secret = given.encode("utf-8", "surrogatepass")
    # All are compared, whichever fits: the time tells nothing.
    fits = [hmac.compare_digest(secret, expected.encode()) for expected in app_state().settings.events.secrets]
    if not any(fits):
        raise UnauthorizedSenderError("secret")


def _items() -> list[Any]:
    """Return what the body has, in any of Auth0's forms; the media type is what somebody has typed in at Auth0."""
    body = whole_body(EventRefusedError, MAX_BODY_BYTES)
    try:
        items = strict_json.loads_records(body)
    except strict_json.StrictJSONError as exc:
        raise EventRefusedError("not_json") from exc
    if len(items) == 1 and isinstance(items[0], dict) and isinstance(items[0].get("logs"), list):
        items = items[0]["logs"]
    if len(items) > MAX_RECORDS:
        raise EventRefusedError("too_large")
    return items


def _read(item: object, now: float) -> Event:
    if not isinstance(item, dict):
        raise EventRefusedError("fields")
    return read_cloud_event(item, now) if "specversion" in item else read_log_record(item, now)
