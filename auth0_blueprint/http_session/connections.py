"""How connections are made: each name looked up once, all of its addresses tried, every socket noted."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util import connection as urllib3_connection

from auth0_blueprint.concurrency.deadline import Deadline
from auth0_blueprint.concurrency.patched_tls import give_working_context
from auth0_blueprint.http_session.addresses import Address, connect_to_first

#: How long looking up names may take, beyond the timeout of the exchange. The resolver of glibc asks the second name
#: server after 5.00 s: with a dead first one, every exchange would end just before it gets an address.
LOOKUP_SECONDS = 6.0

_SOCKS_PORT = 1080


class Sockets:
    """The sockets of one exchange, for the deadline to shut down. A duplicate lives on when TLS wraps the original."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._duplicates: list[socket.socket] = []
        self._is_shut_down = False

    def note(self, sock: socket.socket) -> None:
        """Keep a duplicate of *sock*.

        Raises:
            OSError: the sockets have been shut down already.
        """
        with self._lock:
            if self._is_shut_down:
                raise OSError("the deadline has passed")
            self._duplicates.append(sock.dup())

    def shut_down(self) -> None:
        """End every wait on a socket, in whichever thread."""
        with self._lock:
            self._is_shut_down = True
            for sock in self._duplicates:
                with suppress(OSError):  # it may be closed already
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the duplicates."""
        with self._lock:
            for sock in self._duplicates:
                sock.close()
            self._duplicates.clear()


class NotingAdapter(HTTPAdapter):
    """An adapter whose connections try all addresses of a name, and note their socket as soon as it exists."""

    def __init__(self, sockets: Sockets, deadline: Deadline) -> None:
        self._sockets = sockets
        self._deadline = deadline
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool that requests would use, with connections of a class of ours."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _noting(pool.ConnectionCls, self._sockets, self._deadline)
        return pool


def _noting(base: Any, sockets: Sockets, deadline: Deadline) -> Any:
    """Return a subclass of *base*, the class of a pool's connections.

    The pool's own class is the base: for a SOCKS proxy, a recorder or a mock, it connects differently. What connects
    in the way of urllib3 itself connects in ours.
    """

    class NotingConnection(base):  # type: ignore[misc]
        def connect(self) -> None:
            give_working_context(self)
            super().connect()

        def _new_conn(self) -> socket.socket:
            sock: socket.socket = self._connected()
            sockets.note(sock)
            return sock

        def _connected(self) -> Any:
            if _connects_as_urllib3(base):
                return _connect(self, deadline)
            options: dict[str, Any] | None = getattr(self, "_socks_options", None)
            if options is not None:
                self._socks_options = _with_address_of_proxy(self, options, deadline)
            return super()._new_conn()

    return NotingConnection


def _connects_as_urllib3(base: Any) -> bool:
    """Return whether both functions are urllib3's own: neither overridden by *base*, nor replaced by a mock."""
    functions = (base._new_conn, urllib3_connection.create_connection)  # noqa: SLF001 - the seam for other connections
    homes = (HTTPConnection.__module__, urllib3_connection.__name__)
    return tuple(getattr(function, "__module__", None) for function in functions) == homes


def _connect(connection: Any, deadline: Deadline) -> socket.socket:
    """Do what urllib3's ``HTTPConnection._new_conn`` does, with all addresses of the name."""
    host: str = connection._dns_host  # noqa: SLF001 - unlike `host`, it keeps the dot at the end of a full name
    addresses = _looked_up(connection, host.strip("[]"), connection.port, deadline)
    sock = _first_of(connection, addresses, deadline)
    sock.settimeout(connection.timeout)
    sys.audit("http.client.connect", connection, connection.host, connection.port)
    return sock


def _with_address_of_proxy(connection: Any, options: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    """Return *options* with the address of the SOCKS proxy for its name: PySocks gives the first one all the time."""
    host = str(options["proxy_host"]).strip("[]")
    addresses = _looked_up(connection, host, options["proxy_port"] or _SOCKS_PORT, deadline)
    if len(addresses) == 1:
        return {**options, "proxy_host": addresses[0][4][0]}
    with _first_of(connection, addresses, deadline) as sock:
        return {**options, "proxy_host": sock.getpeername()[0]}


def _looked_up(connection: Any, host: str, port: Any, deadline: Deadline) -> list[Address]:
    try:
        host.encode("idna")
    except UnicodeError as exc:
        raise LocationParseError(f"{host!r}, label empty or too long") from exc
    try:
        with deadline.waiting():
            return socket.getaddrinfo(host, port, urllib3_connection.allowed_gai_family(), socket.SOCK_STREAM)
    except socket.gaierror as exc:
        raise NameResolutionError(connection.host, connection, exc) from exc


def _first_of(connection: Any, addresses: list[Address], deadline: Deadline) -> socket.socket:
    def prepare(sock: socket.socket) -> None:
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        if connection.source_address:
            sock.bind(connection.source_address)

    try:
        return connect_to_first(addresses, deadline.remaining_seconds(), prepare)
    except TimeoutError as exc:
        raise ConnectTimeoutError(connection, f"Connection to {connection.host} timed out.") from exc
    except OSError as exc:
        raise NewConnectionError(connection, f"Failed to establish a new connection: {exc}") from exc
