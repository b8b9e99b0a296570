"""Bodies and queries: JSON and forms, read through marshmallow schemas; answers are ``no-store``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from flask import Response, jsonify, request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import MultiDict

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
    return _loaded(schema, _single_values(request.form), refusal)


def query(schema: Schema) -> dict[str, Any]:
    """Return the query of the request in the form of *schema*. A parameter that comes twice is wrong.

    Raises:
        InvalidRequestError: names the parameter that is wrong.
    """
    return _loaded(schema, _single_values(request.args), InvalidRequestError, unknown="unknown_parameter")


def _single_values(values: MultiDict[str, str]) -> dict[str, Any]:
    """Return each name with its value, or with the list of them, which no field accepts."""
    return {name: found[0] if len(found) == 1 else found for name, found in values.lists()}


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


def _loaded(
    schema: Schema,
    members: Mapping[str, Any],
    refusal: type[InvalidRequestError],
    *,
    unknown: str = "unknown_field",
) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", schema.load(members))
    except ValidationError as exc:
        raise refusal(_reason(schema, exc, unknown)) from exc


def _reason(schema: Schema, exc: ValidationError, unknown: str) -> str:
    """Return the reason for the first wrong field of ours. Names of other fields are never repeated."""
    wrong = [name for name in schema.fields if name in exc.messages_dict]
    if wrong:
        return wrong[0]
    return "one_of" if "_schema" in exc.messages_dict else unknown
