"""How the values in a token are shown to people: as JSON, cut, and times also as dates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from auth0_blueprint.verification.access_token import is_unix_time

_MAX_SHOWN = 300
_TIMES = frozenset({"iat", "nbf", "exp", "auth_time"})
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def shown(value: Any) -> str:
    """Return *value* as JSON, which tells a number from a text; cut, and nothing that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        # DEL is the one that is ASCII, and that JSON does not have escaped.
        text = json.dumps(value).replace("\x7f", "\\u007f")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def shown_claim(name: str, value: Any, now: float) -> str:
    """Return the value of the claim *name*; a time also in UTC, and how far it is from *now*."""
    if name not in _TIMES or not is_unix_time(value):
        return shown(value)
    moment = datetime.fromtimestamp(value, UTC)
    return f"{shown(value)}, {moment:%Y-%m-%d %H:%M:%S} UTC ({_distance(value - now)})"


def duration(seconds: float) -> str:
    """Return *seconds* in the largest unit of which they are two or more."""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _distance(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"
