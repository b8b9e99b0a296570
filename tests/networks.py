"""Networks as they are out there: addresses that swallow packets, names with several addresses, proxies."""

from __future__ import annotations

import base64
import select
import socket
import socketserver
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Self

from servers import in_background

#: Looks a name up, as ``socket.getaddrinfo`` does.
LookUp = Callable[..., list[Any]]

_look_up: LookUp = socket.getaddrinfo


@contextmanager
def swallowing(host: str, port: int) -> Iterator[None]:
    """Have *host* answer no SYN on *port*: something listens there whose backlog is full (on Linux)."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((host, port))
        yield


def names(known: Mapping[str, Sequence[str]]) -> LookUp:
    """Return a ``getaddrinfo`` in which each of the *known* names has these addresses, in this order."""

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host not in known:
            return _look_up(host, port, *args, **options)
        return [found for address in known[host] for found in _look_up(address, port, 0, socket.SOCK_STREAM)]

    return look_up


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that leads every connection to one port of its own address, wherever it is asked to.

    Attributes:
        asked: what it was asked for: ``CONNECT host:port`` or the like, and for SOCKS the kind of address and the host.
        credentials: of the clients, ``user:password``.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self, target_port: int, *, is_socks: bool = False, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._target = (host, target_port)
        self._greet = self._greet_socks if is_socks else self._greet_http
        self._tls = tls
        self.asked: list[str] = []
        self.credentials: list[str] = []
        super().__init__((host, 0), socketserver.BaseRequestHandler)
        self._background = ExitStack()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(10)
        with suppress(OSError):
            client = self._tls.wrap_socket(request, server_side=True) if self._tls else request
            with client, socket.create_connection(self._target) as server:
                server.sendall(self._greet(client))
                _relay(client, server)

    def _greet_http(self, client: socket.socket) -> bytes:
        head = _read_until(client, b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.asked.append(lines[0].removesuffix(" HTTP/1.1").removesuffix(" HTTP/1.0"))
        for line in lines:
            if line.lower().startswith("proxy-authorization: basic "):
                self.credentials.append(base64.b64decode(line.split()[2]).decode())
        if lines[0].startswith("CONNECT "):
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            return b""
        return head

    def _greet_socks(self, client: socket.socket) -> bytes:
        """RFC 1928 and, for those who offer it, RFC 1929."""
        _, number = _read(client, 2)
        if 2 in _read(client, number):
            client.sendall(b"\x05\x02")
            user = _read(client, _read(client, 2)[1])
            self.credentials.append(f"{user.decode()}:{_read(client, _read(client, 1)[0]).decode()}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        kind = _read(client, 4)[3]
        if kind == 3:
            self.asked.append(f"name {_read(client, _read(client, 1)[0]).decode()}")
        else:
            self.asked.append(f"address {socket.inet_ntop(*self._family(client, kind))}")
        _read(client, 2)
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return b""

    @staticmethod
    def _family(client: socket.socket, kind: int) -> tuple[int, bytes]:
        return (socket.AF_INET, _read(client, 4)) if kind == 1 else (socket.AF_INET6, _read(client, 16))

    def __enter__(self) -> Self:
        self._background.enter_context(in_background(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._background.close()


def _read(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = connection.recv(size - len(received))
        if not more:
            raise OSError("the client has gone")
        received += more
    return received


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        received += _read(connection, 1)
    return received


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Hand on what either says until one has ended; in one thread, as a TLS socket wants it."""
    others = {client: server, server: client}
    while True:
        held_back = isinstance(client, ssl.SSLSocket) and client.pending() > 0
        readable = [client] if held_back else select.select(list(others), [], [], 10)[0]
        for source in readable:
            received = source.recv(16384)
            if not received:
                return
            others[source].sendall(received)
        if not readable:
            return
