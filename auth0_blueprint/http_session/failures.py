"""Why a request had no usable answer, for those who say so in words. Fetches of key sets have codes of their own."""

from __future__ import annotations

import requests
from urllib3.exceptions import HTTPError

from auth0_blueprint.http_session.session import AnswerTooLargeError

#: What `DirectSession.exchange` and `body_of` may raise. ``TimeoutError`` is an ``OSError``.
FAILURES = (requests.RequestException, HTTPError, OSError, ValueError, AnswerTooLargeError)

#: From the code of a failure to a sentence of ours for it, safe to log and to print.
FAILURE_TEXTS = {
    "timeout": "no complete answer in time",
    "tls": "no trustworthy TLS connection",
    "too_large": "an answer that is too large",
    "connection": "no connection, or a broken answer",
}


def failure_code(exc: Exception) -> str:
    """Return the code of *exc*, one of `FAILURES`: ``timeout``, ``tls``, ``too_large`` or ``connection``."""
    if isinstance(exc, TimeoutError):
        return "timeout"
    if isinstance(exc, requests.exceptions.SSLError):
        return "tls"
    if isinstance(exc, AnswerTooLargeError):
        return "too_large"
    return "connection"
