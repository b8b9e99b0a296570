"""One HTTP request to the issuer, of any outcome; for commands, where a person waits for the answer."""

from __future__ import annotations

from typing import Any, NamedTuple

import requests
from urllib3.exceptions import HTTPError

from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.settings.loopback import is_loopback

MAX_BYTES = 262_144


class ExchangeError(Exception):
    """There was no usable answer. The text is fixed and safe to print."""


class Answer(NamedTuple):
    """The response. *headers* are case-insensitive."""

    status: int
    headers: Any
    body: bytes


def exchange(method: str, url: str, timeout_seconds: float, *, form: dict[str, str] | None = None) -> Answer:
    """Return the answer of *url* itself: redirects are not followed, and netrc files are ignored.

    Raises:
        ExchangeError: there was none in time, or one that is broken or too large.
    """
    try:
        return call_within(timeout_seconds, lambda: _exchange(method, url, timeout_seconds, form))
    except (TimeoutError, requests.Timeout) as exc:
        raise ExchangeError("no complete answer in time") from exc
    except requests.exceptions.SSLError as exc:
        raise ExchangeError("no trustworthy TLS connection") from exc
    except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
        raise ExchangeError("no connection, or a broken answer") from exc


def _exchange(method: str, url: str, timeout_seconds: float, form: dict[str, str] | None) -> Answer:
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)  # an environment's proxy makes no sense on loopback
        with session.request(
            method,
            url,
            data=form,
            auth=_no_credentials,
            allow_redirects=False,
            stream=True,
            timeout=timeout_seconds,
            headers={"Accept": "application/json"},
        ) as response:
            body = response.raw.read(MAX_BYTES + 1, decode_content=True)
            if len(body) > MAX_BYTES:
                raise ExchangeError("an answer that is too large")
            return Answer(response.status_code, response.headers, body)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request  # without auth of our own, requests would send what a netrc file says
