"""Splits and decodes a token, in the strict form of the JWS compact serialization (RFC 7515 §7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from auth0_blueprint.errors import InvalidClaimsError, MalformedTokenError
from auth0_blueprint.jose import base64url, strict_json


@dataclass(slots=True, eq=False, repr=False)
class UnverifiedToken:
    """A well-formed token of which nothing is verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes


def parse(token: bytes, max_bytes: int, header: dict[str, Any] | None = None) -> UnverifiedToken:
    """Decode *token*.

    Args:
        token: its text, in UTF-8.
        max_bytes: the maximum length.
        header: the decoded first segment, if it is known already.

    Raises:
        MalformedTokenError: it is longer than *max_bytes*, or not three canonical base64url segments of which the first
            two are strict JSON objects.
        InvalidClaimsError: the claims contain a number too large for a double.
    """
    if len(token) > max_bytes:
        raise MalformedTokenError("too_long")
    segments = token.split(b".", 5)
    if len(segments) != 3:
        # RFC 7516 §9: five parts are a JWE. Opaque tokens have no parts.
        raise MalformedTokenError("encrypted" if len(segments) == 5 else "opaque")
    try:
        header_json = b"" if header else base64url.decode(segments[0])
        payload_json, signature = base64url.decode(segments[1]), base64url.decode(segments[2])
    except ValueError as exc:
        raise MalformedTokenError("not_base64url") from exc
    signing_input = token[: -len(segments[2]) - 1]
    return UnverifiedToken(header or _header(header_json), _claims(payload_json), signing_input, signature)


def _header(data: bytes) -> dict[str, Any]:
    try:
        return strict_json.loads_object(data)
    except strict_json.StrictJSONError as exc:
        raise MalformedTokenError("header_not_json") from exc


def _claims(data: bytes) -> dict[str, Any]:
    try:
        return strict_json.loads_object(data)
    except strict_json.NonFiniteNumberError as exc:
        raise InvalidClaimsError("number") from exc
    except strict_json.StrictJSONError as exc:
        raise MalformedTokenError("payload_not_json") from exc
