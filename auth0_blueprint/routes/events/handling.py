"""What all routes for events have in common: each event is handled, counted, told and logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import cast

from flask import Flask, Response, current_app

from auth0_blueprint.errors import Auth0Error, EventRefusedError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.events.app_events import AppEvents
from auth0_blueprint.revocation.events.event import Event, Outcome
from auth0_blueprint.settings.event_sources import Source
from auth0_blueprint.signals import event_handled, event_refused

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: One event may name several subjects, each of them long.
MAX_LOGGED_EFFECTS = 5


def app_events() -> AppEvents:
    """Return what the current app has for events; the switches of the routes are on."""
    return cast("AppEvents", app_state().events)


def handle(source: Source, read: Callable[[], Iterable[Event]]) -> None:
    """Put into force what *read* returns, and tell what became of it.

    Raises:
        Auth0Error: the request was refused, or its events cannot be handled now.
    """
    try:
        for event in read():
            _notify_handled(event, app_events().receiver.handle(event))
    except Auth0Error as exc:
        log_refusal(source, exc)
        raise


def log_refusal(source: Source, refusal: Auth0Error) -> None:
    """Tell that a request, or one of its events, was refused, and count it."""
    # Who sends a bad JWT learns no more; the operator does.
    cause = refusal.__cause__ if isinstance(refusal.__cause__, EventRefusedError) else refusal
    app_state().counters.count_event_refused(source, cause.reason)
    logger.warning("refused an event (%s): %s", source, cause.reason)
    event_refused.send(_app(), source=source, code=refusal.code, reason=cause.reason)


def _notify_handled(event: Event, outcome: Outcome) -> None:
    app_state().counters.count_event(event.source, outcome.name)
    logger.log(
        # What ends somebody's tokens is part of the audit trail, as an admin's revocation is.
        logging.WARNING if outcome.effects else logging.INFO,
        "event %s (%s) from %s by %s: %s%s",
        # ascii() escapes whatever could end a line or hide something in it.
        *(ascii(text)[:300] for text in (event.type, event.id, event.sender)),
        event.source,
        outcome.name.replace("_", " "),
        "".join(f", {kind} {ascii(value)[:300]}" for kind, value in outcome.effects[:MAX_LOGGED_EFFECTS]),
    )
    event_handled.send(
        _app(),
        source=event.source,
        sent_by=event.sender,  # not "sender": what listeners usually call the app
        type=event.type,
        event_id=event.id,
        outcome=outcome.name,
        effects=outcome.effects,
    )


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]


def empty(status: int) -> Response:
    """Return a response without a body."""
    response = Response(status=status)
    del response.headers["Content-Type"]  # nothing is no HTML
    response.headers["Cache-Control"] = "no-store"
    return response
