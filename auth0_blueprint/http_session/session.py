"""A session for one request, that ends in time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from urllib3.exceptions import TimeoutError as SocketTimeoutError

from auth0_blueprint.concurrency.deadline import Deadline, call_within
from auth0_blueprint.http_session.connections import LOOKUP_SECONDS, NotingAdapter, Sockets
from auth0_blueprint.http_session.environment import authorities, proxies_for
from auth0_blueprint.settings.user_agent import DEFAULT_USER_AGENT

T = TypeVar("T")

_CHUNK_BYTES = 16384


class AnswerTooLargeError(Exception):
    """The body is longer than allowed."""


class DirectSession(requests.Session):
    """A session for one exchange with *url* itself.

    Redirects are not followed, and netrc files are ignored. Proxies and certificate authorities of the environment
    are used; for loopback only the latter.

    Args:
        url: where the one request goes.
        timeout_seconds: for the whole exchange, from now on: connection, TLS, header and body together. Looking up a
            name is not the server's doing, and has up to `LOOKUP_SECONDS` of its own. It knows no timeout, and that of
            a socket starts again with each byte: hence a separate thread, and sockets that are shut down at the
            deadline.
        user_agent: who asks; ``auth0_blueprint/<version>`` if it is ``None``.
    """

    def __init__(self, url: str, timeout_seconds: float, *, user_agent: str | None = None) -> None:
        super().__init__()
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._deadline = Deadline(timeout_seconds, LOOKUP_SECONDS)
        self._sockets = Sockets()
        self.auth: Any = _no_credentials  # without auth of our own, requests would send what a netrc file says
        self.headers["User-Agent"] = user_agent or DEFAULT_USER_AGENT
        adapter = NotingAdapter(self._sockets, self._deadline)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    @property
    def lookup_seconds(self) -> float:
        """How long looking up names has taken until now, as far as that does not count."""
        return self._deadline.waited_seconds()

    def exchange(self, method: str, read: Callable[[requests.Response], T], **arguments: Any) -> T:
        """Send the request, and return what *read* makes of the answer.

        Args:
            method: of the request.
            read: called with the answer, whatever its status, in the thread of the exchange. The body is still unread.
            arguments: of ``requests.Session.request``, such as ``headers`` and ``data``.

        Raises:
            TimeoutError: there was no complete answer in time.
            requests.RequestException: the request failed.
            urllib3.exceptions.HTTPError: the answer broke off.
            OSError: the connection broke.
            ValueError: the answer is not valid HTTP.
        """
        try:
            return call_within(self._deadline, lambda: self._exchange(method, read, arguments))
        except TimeoutError:
            self._sockets.shut_down()
            raise

    def _exchange(self, method: str, read: Callable[[requests.Response], T], arguments: dict[str, Any]) -> T:
        try:
            with (
                self,
                self.request(
                    method, self._url, allow_redirects=False, stream=True, timeout=self._timeout_seconds, **arguments
                ) as response,
            ):
                return read(response)
        except (requests.Timeout, SocketTimeoutError) as exc:
            # A socket's own timeout is as long as the deadline, and may be noticed first.
            raise TimeoutError("a socket has timed out") from exc
        finally:
            self._sockets.close()

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:  # noqa: ARG002
        """Return what requests takes from the environment, with the rules of `environment` for proxies and CAs."""
        named = authorities()
        if named is not None and str(url).startswith("https:") and not os.path.exists(named.value):  # noqa: PTH110
            # requests would raise an OSError, as if there were no connection.
            raise requests.exceptions.SSLError(f"{named.variable} names a file that does not exist")
        return {
            "proxies": proxies_for(url),
            "stream": stream,
            "verify": True if named is None else named.value,
            "cert": cert,
        }

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return ``None``: to find out, requests would read the whole body of a redirect."""


def body_of(response: requests.Response, max_bytes: int, *, decode: bool = False) -> bytes:
    """Return the body of *response*, read piece by piece.

    Args:
        response: an answer whose body is still unread.
        max_bytes: the maximum length of the body.
        decode: undo its ``Content-Encoding``; *max_bytes* is then for the decoded body.

    Raises:
        AnswerTooLargeError: it is longer than *max_bytes*.
    """
    body = bytearray()
    # As requests itself reads: the answers of recorders and mocks know this way.
    for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=decode):
        body += chunk
        if len(body) > max_bytes:
            raise AnswerTooLargeError
    return bytes(body)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
