"""The session for every HTTP request that this package sends. It ends in time, whatever the server does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import TimeoutError as SocketTimeoutError

from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.concurrency.patched_tls import give_working_context
from auth0_blueprint.settings.loopback import is_loopback

T = TypeVar("T")

_CHUNK_BYTES = 16384


class AnswerTooLargeError(Exception):
    """The body is longer than allowed."""


class DirectSession(requests.Session):
    """A session for one exchange with *url* itself.

    Redirects are not followed, and netrc files are ignored. Proxies and certificate authorities of the environment
    are used, except for loopback, where they make no sense.

    Args:
        url: where the one request goes.
        timeout_seconds: for the whole exchange: name resolution, connection, TLS, header and body together. Name
            resolution has no timeout, and that of a socket starts again with each byte: hence a separate thread, and
            sockets that are shut down at the deadline.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        super().__init__()
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._sockets = _Sockets()
        self.trust_env: bool = not is_loopback(url)
        self.auth: Any = _no_credentials  # without auth of our own, requests would send what a netrc file says
        adapter = _NotingAdapter(self._sockets)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

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
            return call_within(self._timeout_seconds, lambda: self._exchange(method, read, arguments))
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
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=decode):
        body += chunk
        if len(body) > max_bytes:
            raise AnswerTooLargeError
    return bytes(body)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Sockets:
    """The sockets of one exchange, for the deadline to shut down. A duplicate lives on when TLS wraps the original."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._duplicates: list[socket.socket] = []
        self._is_shut_down = False

    def note(self, sock: socket.socket) -> None:
        with self._lock:
            if self._is_shut_down:
                raise OSError("the deadline has passed")
            self._duplicates.append(sock.dup())

    def shut_down(self) -> None:
        with self._lock:
            self._is_shut_down = True
            for sock in self._duplicates:
                with suppress(OSError):  # it may be closed already
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for sock in self._duplicates:
                sock.close()
            self._duplicates.clear()


class _NotingAdapter(HTTPAdapter):
    """An adapter whose connections note their socket as soon as it exists."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _noting(pool.ConnectionCls, self._sockets)
        return pool


def _noting(base: Any, sockets: _Sockets) -> Any:
    """Return a subclass of *base*, the class of a pool's connections, that notes each socket.

    The pool's own class is the base: for a SOCKS proxy, a recorder or a mock, it connects differently.
    """

    class NotingConnection(base):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            sockets.note(sock)
            return sock

        def connect(self) -> None:
            give_working_context(self)
            super().connect()

    return NotingConnection
