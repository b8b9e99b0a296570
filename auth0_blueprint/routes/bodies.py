"""Request and response bodies: JSON and forms, read through marshmallow schemas; answers are ``no-store``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from flask import Response, jsonify, request
from marshmallow import Schema, ValidationError

from auth0_blueprint.errors import InvalidRequestError
from auth0_blueprint.jose import strict_json

# The largest token that the settings allow would need 1 MiB; a body beyond this limit is no real request.
MAX_BODY_BYTES = 65_536


def answer(schema: Schema, value: Any, status: int = 200) -> Response:
    """Return *value* as a JSON response in the form of *schema*."""
    response = jsonify(schema.dump(value))
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def json_body(schema: Schema, refusal: type[InvalidRequestError] = InvalidRequestError) -> dict[str, Any]:
    """Return the JSON object of the request in the form of *schema*.

    Raises:
        InvalidRequestError: a *refusal* that names the field that is wrong.
    """
    if request.mimetype != "application/json":
        raise refusal("not_json")
    try:
        members = strict_json.loads_object(whole_body(refusal))
    except strict_json.StrictJSONError as exc:
        raise refusal("not_json") from exc
    return _loaded(schema, members, refusal)


def form_body(schema: Schema, refusal: type[InvalidRequestError] = InvalidRequestError) -> dict[str, Any]:
    """Return the form of the request in the form of *schema*. A field that comes twice is wrong (RFC 6749 §3.2).

    Raises:
        InvalidRequestError: a *refusal* that names the field that is wrong.
    """
    if request.mimetype != "application/x-www-form-urlencoded":
        raise refusal("not_form")
    whole_body(refusal)
    fields = {name: values[0] if len(values) == 1 else values for name, values in request.form.lists()}
    return _loaded(schema, fields, refusal)


def whole_body(refusal: type[InvalidRequestError] = InvalidRequestError, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body of the request as it was sent.

    Raises:
        InvalidRequestError: a *refusal*: it is longer than *max_bytes*. No more than that is read.
    """
    if (request.content_length or 0) > max_bytes:
        raise refusal("too_large")
    # One byte more shows whether the body is too long: without a Content-Length, reading just stops at the limit.
    request.max_content_length = max_bytes + 1
    body = request.get_data(cache=True, parse_form_data=False)
    if len(body) > max_bytes:
        raise refusal("too_large")
    return body


def _loaded(schema: Schema, members: Mapping[str, Any], refusal: type[InvalidRequestError]) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", schema.load(members))
    except ValidationError as exc:
        raise refusal(_reason(schema, exc)) from exc


def _reason(schema: Schema, exc: ValidationError) -> str:
    """Return the reason for the first wrong field of ours. Names of other fields are never repeated."""
    wrong = [name for name in schema.fields if name in exc.messages_dict]
    if wrong:
        return wrong[0]
    return "one_of" if "_schema" in exc.messages_dict else "unknown_field"
