"""What all routes for events have in common: each event is handled, counted, told and logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import cast

from flask import Response

from auth0_blueprint.errors import Auth0Error, EventRefusedError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.events.app_events import AppEvents
from auth0_blueprint.revocation.events.event import Event, Source

logger: logging.Logger = logging.getLogger("auth0_blueprint")


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
            app_events().receiver.handle(event)
    except Auth0Error as exc:
        # Who sends a bad JWT learns no more; the operator does.
        cause = exc.__cause__ if isinstance(exc.__cause__, EventRefusedError) else exc
        logger.warning("refused an event (%s): %s", source, cause.reason)
        raise


def empty(status: int) -> Response:
    """Return a response without a body."""
    response = Response(status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
