"""One request for a key set, and whether its answer is acceptable."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import HTTPError

from auth0_blueprint.keysets.http_session import AnswerTooLargeError, DirectSession, body_of


class FetchError(Exception):
    """The issuer gave no usable answer. The text is fixed and safe to log.

    Attributes:
        retry_after_seconds: what the issuer asked for (RFC 9110 §10.2.3), else 0.
    """

    def __init__(self, reason: str, retry_after_seconds: float = 0) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


def fetch(url: str, timeout_seconds: float, max_bytes: int) -> bytes:
    """Return the body of the one acceptable answer: 200, from *url* itself, at most *max_bytes* long.

    It returns or raises within *timeout_seconds*: name resolution, connection, TLS, header and body together.

    Raises:
        FetchError: in every other case.
    """
    try:
        return DirectSession(url, timeout_seconds).exchange(
            "GET",
            lambda response: _body(response, max_bytes),
            headers={"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"},
        )
    except requests.exceptions.SSLError as exc:
        raise FetchError("no trustworthy TLS connection") from exc
    except TimeoutError as exc:
        raise FetchError("no complete answer in time") from exc
    except AnswerTooLargeError as exc:
        raise FetchError("an answer that is too large") from exc
    except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
        raise FetchError("no connection, or a broken answer") from exc


def _body(response: requests.Response, max_bytes: int) -> bytes:
    if response.status_code != 200:  # a redirect is a failure, too
        raise FetchError(f"HTTP status {response.status_code}", _retry_after_seconds(response))
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError("an encoded answer that was not asked for")
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
