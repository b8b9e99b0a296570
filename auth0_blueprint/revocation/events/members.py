"""Reads members of events: JSON objects that may hold anything in any place."""

from __future__ import annotations

from typing import Any

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import MAX_EVENT_ID_LENGTH
from auth0_blueprint.revocation.index import MAX_VALUE_LENGTH


def text_at(members: object, *path: str, reason: str = "fields", max_length: int = MAX_VALUE_LENGTH) -> str:
    """Return the string at *path* in *members*.

    Raises:
        EventRefusedError: with *reason*: there is no string of 1 to *max_length* characters that UTF-8 can encode.
    """
    found: Any = members
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or not 1 <= len(found) <= max_length or not _is_encodable(found):
        raise EventRefusedError(reason)
    return found


def id_at(members: object, name: str) -> str:
    """Return the identifier of an event.

    Raises:
        EventRefusedError: there is none.
    """
    return text_at(members, name, reason="id", max_length=MAX_EVENT_ID_LENGTH)


def _is_encodable(text: str) -> bool:
    # JSON may escape half a surrogate pair; nothing could store it.
    return not any("\ud800" <= character <= "\udfff" for character in text)
