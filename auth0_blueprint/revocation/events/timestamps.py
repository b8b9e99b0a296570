"""Times as Auth0 writes them."""

from __future__ import annotations

import re
from datetime import datetime

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import MAX_EVENT_AGE_SECONDS

#: How far ahead the clock of a sender may be. No effect reaches beyond now all the same.
MAX_AHEAD_SECONDS = 300

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def unix_time(value: object, now: float) -> float:
    """Return the time in *value*, an RFC 3339 timestamp, as Unix time.

    Raises:
        EventRefusedError: *value* is something else, or is after *now* by more than `MAX_AHEAD_SECONDS`.
    """
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise EventRefusedError("time")
    try:
        moment = datetime.fromisoformat(value.upper()).timestamp()
    except ValueError as exc:  # no such day, or no such hour
        raise EventRefusedError("time") from exc
    if moment > now + MAX_AHEAD_SECONDS:
        raise EventRefusedError("time")
    return moment


def is_too_old(moment: float, now: float) -> bool:
    """Return whether an event of that time has no effect any more. Auth0's are acknowledged: it would repeat them."""
    return moment < now - MAX_EVENT_AGE_SECONDS
