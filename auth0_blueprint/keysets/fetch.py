"""One request for a key set, and whether its answer is acceptable."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar

import requests
from urllib3.exceptions import HTTPError

from auth0_blueprint.http_session import AnswerTooLargeError, DirectSession, body_of


class FetchError(Exception):
    """The issuer gave no usable answer. The text is fixed and safe to log.

    Attributes:
        code: why, a key of ``descriptions``.
        status: the HTTP status, if *code* is ``http_status``.
        retry_after_seconds: what the issuer asked for (RFC 9110 §10.2.3), else 0.
    """

    descriptions: ClassVar[dict[str, str]] = {
        "timeout": "no complete answer in time",
        "tls": "no trustworthy TLS connection",
        "connection": "no connection, or a broken answer",
        "http_status": "HTTP status {status}",
        "encoded": "an encoded answer that was not asked for",
        "too_large": "an answer that is too large",
        #: Not raised by `fetch`: stands for an error that nobody expected.
        "unexpected": "an unexpected error",
    }

    def __init__(self, code: str, *, status: int | None = None, retry_after_seconds: float = 0) -> None:
        self.code = code
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        super().__init__(code)

    def __str__(self) -> str:
        return self.descriptions[self.code].format(status=self.status)


def fetch(url: str, timeout_seconds: float, max_bytes: int, *, user_agent: str | None = None) -> bytes:
    """Return the body of the one acceptable answer: 200, from *url* itself, at most *max_bytes* long.

    It returns or raises within *timeout_seconds*: connection, TLS, header and body together. Looking up the name may
    take up to `LOOKUP_SECONDS` beyond that.

    Raises:
        FetchError: in every other case.
    """
    try:
        return DirectSession(url, timeout_seconds, user_agent=user_agent).exchange(
            "GET",
            lambda response: _body(response, max_bytes),
            headers={"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"},
        )
    except requests.exceptions.SSLError as exc:
        raise FetchError("tls") from exc
    except TimeoutError as exc:
        raise FetchError("timeout") from exc
    except AnswerTooLargeError as exc:
        raise FetchError("too_large") from exc
    except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
        raise FetchError("connection") from exc


def _body(response: requests.Response, max_bytes: int) -> bytes:
    if response.status_code != 200:  # a redirect is a failure, too
        raise FetchError("http_status", status=response.status_code, retry_after_seconds=_retry_after_seconds(response))
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError("encoded")
    return body_of(response, max_bytes)


def _retry_after_seconds(response: requests.Response) -> float:
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0
    # Date fields are in GMT even where the text names no zone.
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
