"""A TCP proxy: one address in front of servers that change, with the faults that a network has."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on a port of its own, and hands on what comes.

    Args:
        port: where new connections are led.
        tls: with it, clients must speak TLS.

    Attributes:
        port: where it listens.
        target: where new connections are led from now on; those that exist stay.
        accepted: how many connections came.
        losses: how many replies were lost.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = port
        self.accepted = self.losses = 0
        self._tls = tls
        self._lose: bytes | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def lose_reply_to(self, command: bytes) -> None:
        """Let the server do the next request that contains *command*, and end the connection instead of answering."""
        self._lose = command

    def cut(self) -> None:
        """End all connections."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                self._start(self._serve, connection)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if self._tls is not None:
                client.settimeout(5)
                client = self._tls.wrap_socket(client, server_side=True)
                client.settimeout(None)
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                self._open |= {client, server}
                lost = threading.Event()
                self._start(self._hand_back, server, client, lost)
                try:
                    while data := client.recv(65536):
                        if self._lose is not None and self._lose in data:
                            self._lose = None
                            lost.set()
                        server.sendall(data)
                finally:
                    self._end(client, server)

    def _hand_back(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and not lost.is_set():
                client.sendall(data)
        if lost.is_set():
            self.losses += 1
        self._end(client, server)

    def _end(self, *connections: socket.socket) -> None:
        for connection in connections:
            self._open.discard(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
