"""Whatever somebody holds for an access token, read as far as it can be read. Nothing of it is proven."""

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
        segments: how many parts it has, between dots.
        header: what the first part says; ``None`` if that cannot be read.
        claims: the same of the second.
        signature_bytes: how long the third part is, decoded; ``None`` if that cannot be read.
        is_payload_whole: whether the second part can be decoded, and does not end amidst its JSON.
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
    """Read *token*, unless it is longer than *max_bytes*: then nothing of it is looked at."""
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
    """Tell a payload that was cut from one that is wrong in another way, such as a list, or a member named twice."""
    data = _decoded(segment)
    if data is None:
        return False
    text = data.decode("utf-8", "replace").strip()
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        ends_amidst = exc.pos == len(text) or not text.endswith("}")
        return not (ends_amidst and "{".startswith(text[:1]))
    except (ValueError, RecursionError):  # a number of too many digits; too deep
        return True
    return True
