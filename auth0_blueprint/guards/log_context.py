"""Puts the caller onto the lines of a log: a filter for `logging`, and a processor for structlog.

Neither raises, asks the network or shows a token. structlog is not imported: a processor is a function.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from auth0_blueprint.guards.authentication import get_current_token, outcome_of_request

_MAX_LENGTH = 300


class CallerFilter(logging.Filter):
    """Gives every record the caller of the current request. It lets all records pass.

    Sets ``auth0_subject``, ``auth0_client``, ``auth0_organization``, ``auth0_token`` (a digest that tells tokens apart,
    the ``id`` in their ``repr``) and ``auth0_outcome``: ``verified``, ``anonymous``, the code of the refusal, or
    ``none`` if no guard has run. Values are escaped as ASCII and cut to 300 characters.

    Put it on a handler: a filter on a logger does not see the records of its child loggers.

    Args:
        absent: what stands for a value that is not known, such as ``"-"``.
    """

    def __init__(self, *, absent: str | None = None) -> None:
        super().__init__()
        self._absent: str | None = absent

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the caller to *record*."""
        for name, value in _caller().items():
            setattr(record, name, self._absent if value is None else value)
        return True


def add_caller(_logger: Any, _method_name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return *event_dict* with what `CallerFilter` adds to records, ``None`` if unknown: a processor for structlog."""
    event_dict.update(_caller())
    return event_dict


def _caller() -> dict[str, str | None]:
    token = get_current_token()
    return {
        "auth0_subject": None if token is None else _cut(token.subject),
        "auth0_client": None if token is None else _cut(token.client_id),
        "auth0_organization": None if token is None else _cut(token.organization_id),
        "auth0_token": None if token is None else token.__caching_id__(),
        "auth0_outcome": outcome_of_request(),
    }


def _cut(value: str | None) -> str | None:
    """Return *value* escaped, so that nobody can forge a line with it, and cut, as the log does with an actor."""
    return None if value is None else ascii(value)[1:-1][:_MAX_LENGTH]
