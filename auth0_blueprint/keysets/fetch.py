"""One request for a key set, by requests, that ends in time whatever the server does."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as SocketTimeoutError

from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.settings.loopback import is_loopback

_CHUNK_BYTES = 16384


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


def fetch(url: str, timeout_seconds: float, max_bytes: int) -> bytes:
    """Return the body of the one acceptable answer: 200, from *url* itself, at most *max_bytes* long.

    It returns or raises within *timeout_seconds*: name resolution, connection, TLS, header and body together. Name
    resolution knows no timeout, and a socket's timeout starts anew with each byte: hence the thread of its own, and
    the sockets that are shut down at the deadline.

    Raises:
        FetchError: in every other case.
    """
    sockets = _Sockets()
    try:
        return call_within(timeout_seconds, lambda: _exchange(url, timeout_seconds, max_bytes, sockets))
    except TimeoutError as exc:
        sockets.shut_down()
        raise FetchError("timeout") from exc


def _exchange(url: str, timeout_seconds: float, max_bytes: int, sockets: _Sockets) -> bytes:
    try:
        with _DirectSession() as session:
            session.trust_env = not is_loopback(url)  # an environment's proxy makes no sense on loopback
            adapter = _NotingAdapter(sockets)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            with session.get(
                url,
                auth=_no_credentials,  # without auth of our own, requests would send what a netrc file says
                allow_redirects=False,  # a redirect is a failure, see _body
                stream=True,
                timeout=timeout_seconds,
                headers={"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"},
            ) as response:
                return _body(response, max_bytes)
    except requests.exceptions.SSLError as exc:
        raise FetchError("tls") from exc
    except (requests.Timeout, SocketTimeoutError) as exc:
        # A socket's own timeout is as long as the deadline, and may be noticed first.
        raise FetchError("timeout") from exc
    except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
        raise FetchError("connection") from exc
    finally:
        sockets.close()


def _body(response: requests.Response, max_bytes: int) -> bytes:
    if response.status_code != 200:
        raise FetchError("http_status", status=response.status_code, retry_after_seconds=_retry_after_seconds(response))
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError("encoded")
    body = bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > max_bytes:
            raise FetchError("too_large")
    return bytes(body)


class _DirectSession(requests.Session):
    """A session that does not look where a redirect leads: to find out, requests would read the whole body."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none."""


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


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
    """requests' adapter, with connections that note their socket as soon as it exists."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        sockets = self._sockets
        base: Any = HTTPSConnection if isinstance(pool, HTTPSConnectionPool) else HTTPConnection

        class NotingConnection(base):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                sock: socket.socket = super()._new_conn()
                sockets.note(sock)
                return sock

        pool.ConnectionCls = NotingConnection
        return pool
