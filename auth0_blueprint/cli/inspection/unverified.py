"""Decodes what is supposed to be an access token, as far as possible. Nothing in it is verified."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from auth0_blueprint.jose import base64url, strict_json

# What is copied along with a token: quotes, white space, a byte order mark, the name of the header, the scheme.
_AROUND = "\"'` \t\r\n\f\v\ufeff"
_HEADER_NAME = re.compile(r"authorization\s*:", re.IGNORECASE)
_SCHEME = re.compile(r"(?:bearer|dpop)(?:\s+|\Z)", re.IGNORECASE)


class Unverified(NamedTuple):
    """A token taken apart.

    Attributes:
        token: its text.
        segments: the number of its parts, separated by dots.
        header: the decoded first part; ``None`` if it cannot be decoded.
        claims: the decoded second part, likewise.
        signature_bytes: the length of the decoded third part; ``None`` if it cannot be decoded.
        is_payload_whole: whether the second part can be decoded and its JSON is not cut off.
    """

    token: str
    segments: int
    header: dict[str, Any] | None
    claims: dict[str, Any] | None
    signature_bytes: int | None
    is_payload_whole: bool


def bare_token(text: str) -> str:
    """Return *text* without what is often copied along with a token."""
    text = text.strip(_AROUND)
    for prefix in (_HEADER_NAME, _SCHEME):
        found = prefix.match(text)
        text = text[found.end() :].strip(_AROUND) if found else text
    return text


def take_apart(token: str, max_bytes: int) -> Unverified:
    """Decode *token*; one longer than *max_bytes* is not decoded at all."""
    data = token.encode("utf-8", "surrogatepass")
    if len(data) > max_bytes:
        return Unverified(token, 0, None, None, None, is_payload_whole=False)
    segments = data.split(b".")
    first, second, third = (*segments, b"", b"")[:3]
    signature = _decoded(third)
    is_signed = len(segments) == 3
    return Unverified(
        token=token,
        segments=len(segments),
        header=_members(first),
        claims=_members(second),
        signature_bytes=len(signature) if is_signed and signature is not None else None,
        is_payload_whole=_is_whole(second),
    )


def _decoded(segment: bytes) -> bytes | None:
    try:
        return base64url.decode(segment)
    except ValueError:
        return None


def _members(segment: bytes) -> dict[str, Any] | None:
    data = _decoded(segment)
    try:
        return None if data is None else strict_json.loads_object(data)
    except strict_json.StrictJSONError:
        return None


def _is_whole(segment: bytes) -> bool:
    """Return ``False`` for a truncated payload, but not for one that is wrong otherwise, such as a list."""
    data = _decoded(segment)
    if data is None:
        return False
    text = data.decode("utf-8", "replace").strip()
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        is_cut_off = exc.pos == len(text) or not text.endswith("}")
        return not (is_cut_off and "{".startswith(text[:1]))
    except (ValueError, RecursionError):  # a number of too many digits; too deep
        return True
    return True
