"""One HTTP request to the issuer, of any outcome; for commands, where a person waits for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import requests

from auth0_blueprint.http_session import FAILURE_TEXTS, FAILURES, DirectSession, body_of, failure_code

MAX_BYTES = 262_144


class ExchangeError(Exception):
    """There was no usable answer. The text is fixed and safe to print."""


class Answer(NamedTuple):
    """The response. *headers* are case-insensitive."""

    status: int
    headers: Any
    body: bytes


def exchange(
    method: str,
    url: str,
    timeout_seconds: float,
    *,
    user_agent: str | None = None,
    form: dict[str, str] | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return the answer of *url* itself: redirects are not followed, and netrc files are ignored.

    Args:
        method: of the request.
        url: where it goes.
        timeout_seconds: for the whole exchange.
        user_agent: who asks; see `DirectSession`.
        form: the body, as a form.
        body: the body, if it is no form.
        headers: of the request, besides ``Accept``.

    Raises:
        ExchangeError: there was none in time, or one that is broken or too large.
    """
    try:
        return DirectSession(url, timeout_seconds, user_agent=user_agent).exchange(
            method, _answer, data=body or form, headers={"Accept": "application/json", **(headers or {})}
        )
    except FAILURES as exc:
        raise ExchangeError(FAILURE_TEXTS[failure_code(exc)]) from exc


def _answer(response: requests.Response) -> Answer:
    return Answer(response.status_code, response.headers, body_of(response, MAX_BYTES, decode=True))
