"""Reads the events of Auth0's event streams: CloudEvents 1.0 in JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import UNKNOWN_TYPE, Effect, Event
from auth0_blueprint.revocation.events.members import id_at, text_at
from auth0_blueprint.revocation.events.timestamps import is_too_old, unix_time


def read_cloud_event(members: dict[str, Any], now: float) -> Event:
    """Return what *members*, an event of a stream, says.

    An event that was sent as a test, or is too old, is one without effects; so is one of a type not in `EFFECTS`.

    Args:
        members: of the JSON object: ``specversion``, ``id``, ``source``, ``type``, ``time`` (CloudEvents 1.0 §3.1),
            ``data.object`` by type, and Auth0's ``a0tenant`` and ``a0purpose``.
        now: in Unix time.

    Raises:
        EventRefusedError: something is missing, or is not of the right type.
    """
    if members.get("specversion") != "1.0":
        raise EventRefusedError("fields")
    event_id = id_at(members, "id")
    source = text_at(members, "source")
    name = text_at(members, "type")
    sender = text_at(members, "a0tenant") if "a0tenant" in members else source
    moment = unix_time(members.get("time"), now)
    effects_of = EFFECTS.get(name)
    effects: tuple[Effect, ...] = ()
    if effects_of is not None and members.get("a0purpose") != "test" and not is_too_old(moment, now):
        effects = effects_of(_object_of(members))
    return Event("auth0", sender, event_id, UNKNOWN_TYPE if effects_of is None else name, moment, effects)


def _object_of(members: dict[str, Any]) -> dict[str, Any]:
    data = members.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise EventRefusedError("fields")
    return found


def _user(found: dict[str, Any]) -> tuple[Effect, ...]:
    return (Effect("revoke", "subject", text_at(found, "user_id")),)


def _user_if_blocked(found: dict[str, Any]) -> tuple[Effect, ...]:
    """Auth0 sends the whole user with each change; ``blocked`` is absent from users whom nobody ever blocked."""
    blocked = found.get("blocked", False)
    if not isinstance(blocked, bool):
        raise EventRefusedError("fields")
    return _user(found) if blocked else ()


def _member(found: dict[str, Any]) -> tuple[Effect, ...]:
    return (Effect("revoke", "subject", text_at(found, "user", "user_id")),)


def _organization(found: dict[str, Any]) -> tuple[Effect, ...]:
    return (Effect("revoke", "organization", text_at(found, "id")),)


#: What the types of events that have effects do, given ``data.object``. All others are acknowledged.
EFFECTS: dict[str, Callable[[dict[str, Any]], tuple[Effect, ...]]] = {
    "user.deleted": _user,
    "user.updated": _user_if_blocked,
    # A token may name no organization, so the tokens of the user for other organizations end as well.
    "organization.member.deleted": _member,
    # A token holds the permissions of its user's roles until it expires.
    "organization.member.role.deleted": _member,
    "organization.deleted": _organization,
}
