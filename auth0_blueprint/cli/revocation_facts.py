"""What the commands say of a revocation: since when, by whom, why, and how to lift it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

from flask import current_app

from auth0_blueprint.cli.output import printable, table
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.routes.access import route_of
from auth0_blueprint.routes.revocation_pages import RevocationSchema, members_of
from auth0_blueprint.routes.revocations import look_up_or_lift

_NONE = "-"


def moment(seconds: float) -> str:
    """Return Unix time *seconds* as a date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def cell(text: str | None) -> str:
    """Return *text*, which may be anything, for a terminal."""
    return _NONE if text is None else printable(text)


def document_of(revocation: Revocation) -> dict[str, Any]:
    """Return *revocation* as the admin routes answer it."""
    return cast("dict[str, Any]", RevocationSchema().dump(members_of(revocation, app_state().reach())))


def facts_of(revocation: Revocation) -> Iterator[str]:
    """Yield a line for each thing to know about *revocation*."""
    source, event_id, actor = revocation.origin or (None, None, None)
    up_to = revocation.issued_up_to
    rows = {
        "revoked": f"{revocation.kind} {printable(revocation.value)}",
        "issuer": _printable(revocation.issuer),
        "issued up to": None if up_to is None else f"{moment(up_to)} UTC",
        "since": f"{moment(revocation.changed_at)} UTC",
        "until": f"{moment(revocation.expires_at)} UTC",
        "source": _printable(source),
        "event": _printable(event_id),
        "who": _printable(actor),
        "reason": _printable(revocation.reason),
        "to lift it": lift_command(revocation),
        "or": _lift_request(revocation),
    }
    yield from table((name, text) for name, text in rows.items() if text is not None)


def lift_command(revocation: Revocation) -> str | None:
    """Return the command line that lifts *revocation*; ``None`` if no argument can hold its value."""
    value = revocation.value
    if "\0" in value:
        return None
    tenant = "" if revocation.issuer is None else f"--issuer {_quoted(revocation.issuer)} "
    separator = "-- " if value.startswith("-") else ""
    return f"flask auth0 lift {tenant}{separator}{revocation.kind} {_quoted(value)}"


def _quoted(text: str) -> str:
    """Return *text* for a shell, on one line and without control characters."""
    if text.isprintable():
        return shlex.quote(text)
    # The $'...' of bash, zsh and POSIX 2024, byte by byte.
    escaped = (
        character
        if character.isprintable() and character not in "\\'"
        else "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in text
    )
    return f"$'{''.join(escaped)}'"


def _lift_request(revocation: Revocation) -> str | None:
    """Return method and path of the request that lifts *revocation*, unless that route is off."""
    settings = app_state().settings
    for rule in current_app.url_map.iter_rules():
        route = route_of(current_app.view_functions[rule.endpoint])
        if route is not None and route.name == look_up_or_lift.__name__ and route.is_on(settings):
            value = quote(revocation.value, safe="", errors="surrogateescape")
            return f"DELETE {rule.rule.partition('<')[0]}{revocation.kind}/{value}"
    return None


def _printable(text: str | None) -> str | None:
    return None if text is None else printable(text)
