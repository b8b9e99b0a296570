"""Servers and stand-ins that say and do exactly what a test wants, right or wrong."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ed25519
from flask import Flask
from jwt.algorithms import OKPAlgorithm
from werkzeug.serving import WSGIRequestHandler, make_server

from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError

Answer = Callable[[socket.socket], object]


def respond(status: str = "200 OK", body: bytes = b"", **headers: str) -> Answer:
    """Return an answer with *status*, *headers* (``_`` for ``-``) and the whole *body*."""
    fields = {"Content_Length": str(len(body)), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    message = f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body
    return lambda connection: connection.sendall(message)


def drip(first: bytes, drop: bytes) -> Answer:
    """Return an answer that says *first* and then a *drop* now and then, for 6 s or until the client has gone."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        never = threading.Event()
        for _ in range(300):
            never.wait(0.02)
            connection.sendall(drop)

    return answer


class RawServer(socketserver.ThreadingTCPServer):
    """Gives *answer* the connection of each request, once the head of the request has been read.

    Attributes:
        heads: the request heads, as received.
        connection_ended: set when a connection is over.
    """

    allow_reuse_address = True

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self.heads: list[bytes] = []
        self.connection_ended = threading.Event()
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._background = ExitStack()

    @property
    def url(self) -> str:
        """The address of a key set here."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server_address[1]}/jwks.json"

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(10)
        with suppress(OSError):
            connection = self._tls.wrap_socket(request, server_side=True) if self._tls else request
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    received = connection.recv(4096)
                    if not received:
                        return self.connection_ended.set()
                    head += received
                self.heads.append(head)
                self._answer(connection)
        return self.connection_ended.set()

    def __enter__(self) -> Self:
        self._background.enter_context(in_background(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._background.close()


@contextmanager
def in_background(server: socketserver.BaseServer) -> Iterator[None]:
    """Have *server* serve in a thread, and close it afterwards."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Leave the output to pytest."""


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve *app*, and give its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    with in_background(server):
        yield f"http://127.0.0.1:{server.server_port}"


_jwks: dict[str, dict[str, Any]] = {}


def document(*key_ids: str) -> bytes:
    """Return a key set with one key for each of *key_ids*, always the same key for the same id."""
    for key_id in key_ids:
        if key_id not in _jwks:
            public_key = ed25519.Ed25519PrivateKey.generate().public_key()
            _jwks[key_id] = {**OKPAlgorithm.to_jwk(public_key, as_dict=True), "kid": key_id}
    return json.dumps({"keys": [_jwks[key_id] for key_id in key_ids]}).encode()


class ScriptedIssuer:
    """Stands in for the network: gives *answer*, or raises it; on hold it does not answer before it is released.

    Attributes:
        asked_without_cache: for each fetch, whether caches were to be bypassed.
    """

    def __init__(self, answer: bytes | FetchedKeySet | Exception) -> None:
        self.answer = answer
        self.asked_without_cache: list[bool] = []
        self.fetch_count = 0
        self.asked = threading.Event()
        self._released = threading.Event()
        self._released.set()
        self._is_answering = False

    def __call__(self, no_cache: bool = False) -> FetchedKeySet:
        self.asked_without_cache.append(no_cache)
        self.fetch_count += 1
        self._is_answering = True
        self.asked.set()
        released_in_time = self._released.wait(5)
        self._is_answering = False
        if not released_in_time:
            raise FetchError("timeout")
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = FetchedKeySet(self.answer) if isinstance(self.answer, bytes) else self.answer
        return answer._replace(is_revalidated=no_cache)

    def hold(self) -> None:
        self.asked.clear()
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    def is_still_answering(self) -> bool:
        """Wait until the issuer has been asked; tell whether it is still being waited for."""
        return self.asked.wait(5) and self._is_answering


def complete() -> None:
    """Wait for the flights in the background."""
    for thread in threading.enumerate():
        if thread.name == "auth0-blueprint-background":
            thread.join(10)


def in_a_child_process(function: Callable[[], str]) -> str:
    """Return what *function* returns in a forked child, or ``"hangs"``."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            os.write(writable, function().encode())
        finally:
            os._exit(0)
    os.close(writable)
    try:
        ready, _, _ = select.select([readable], [], [], 5)
        if not ready:
            os.kill(child, signal.SIGKILL)
        return os.read(readable, 1000).decode() if ready else "hangs"
    finally:
        os.close(readable)
        os.waitpid(child, 0)
