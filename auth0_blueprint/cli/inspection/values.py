"""How values in a token are displayed: as JSON, shortened, and times also as dates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from auth0_blueprint.verification.access_token import is_unix_time

_MAX_SHOWN = 300
_TIMES = frozenset({"iat", "nbf", "exp", "auth_time"})
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def shown(value: Any) -> str:
    """Return *value* as JSON, so that numbers and strings differ; shortened, and without control characters."""
    text = json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        # DEL is the only ASCII control character that JSON does not escape.
        text = json.dumps(value).replace("\x7f", "\\u007f")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def shown_claim(name: str, value: Any, now: float) -> str:
    """Return the value of the claim *name*; a time also in UTC and relative to *now*."""
    if name not in _TIMES or not is_unix_time(value):
        return shown(value)
    moment = datetime.fromtimestamp(value, UTC)
    return f"{shown(value)}, {moment:%Y-%m-%d %H:%M:%S} UTC ({_distance(value - now)})"


def duration(seconds: float) -> str:
    """Return *seconds* in the largest unit that gives at least 2."""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _distance(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"
