"""Reads the records of Auth0's log streams."""

from __future__ import annotations

from typing import Any

from auth0_blueprint.revocation.events.event import UNKNOWN_TYPE, Effect, Event
from auth0_blueprint.revocation.events.members import id_at, text_at
from auth0_blueprint.revocation.events.timestamps import is_too_old, unix_time

#: The sender of records that name no tenant.
NO_TENANT = "log stream"

#: The types of records that end the tokens of the user in ``user_id``. All others are acknowledged: most tell of what
#: anybody can cause who knows a user's name, such as failed logins and the blocks that follow them.
REVOKING_TYPES = frozenset(
    {
        "sdu",  # the user was deleted
        "scp",  # the password was changed
        "universal_logout_succeeded",  # an identity provider has had the user logged out everywhere
    }
)


def is_log_record(item: object) -> bool:
    """Return whether *item* of a request's body says that it is a record, be it a good one or not."""
    return isinstance(item, dict) and "log_id" in item


def read_log_record(item: dict[str, Any], now: float) -> Event:
    """Return what *item* says: a record, or an object with ``log_id`` and the record in ``data``.

    A record that is too old is one without effects; so is one of a type not in `REVOKING_TYPES`.

    Args:
        item: with ``log_id``, ``type``, ``date`` and, by type, ``user_id``; ``tenant_name`` in newer records.
        now: in Unix time.

    Raises:
        EventRefusedError: something is missing, or is not of the right type.
    """
    data = item.get("data")
    record = data if isinstance(data, dict) else item
    log_id = id_at(item, "log_id")
    name = text_at(record, "type")
    sender = text_at(record, "tenant_name") if "tenant_name" in record else NO_TENANT
    moment = unix_time(record.get("date"), now)
    effects: tuple[Effect, ...] = ()
    if name in REVOKING_TYPES and not is_too_old(moment, now):
        effects = (Effect("revoke", "subject", text_at(record, "user_id")),)
    return Event("auth0", sender, log_id, name if name in REVOKING_TYPES else UNKNOWN_TYPE, moment, effects)
