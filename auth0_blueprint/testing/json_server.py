"""A small HTTP server on loopback that answers JSON: the server of a local issuer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple

MAX_BODY_BYTES = 65536


class Request(NamedTuple):
    """A request: the whole body, the path without its query."""

    method: str
    path: str
    headers: Message[str, str]
    body: bytes


class Answer(NamedTuple):
    """The response."""

    status: int
    body: dict[str, Any]


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # HTTPServer's own looks up the machine's name, which takes seconds if DNS does not answer.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


class JSONServer:
    """Answers on a free loopback port, in its own threads. Nothing starts before `start`.

    Args:
        answer: returns the response to each request; ``None`` hangs up without one.
    """

    def __init__(self, answer: Callable[[Request], Answer | None]) -> None:
        self._answer = answer
        self._server: _LoopbackServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is running."""
        return self._server is not None

    @property
    def url(self) -> str:
        """Its URL, with a trailing slash."""
        if self._server is None:
            raise RuntimeError("The issuer is not running. To solve this, use it in a `with` block or call start().")
        return f"http://127.0.0.1:{self._server.server_port}/"

    def start(self) -> None:
        """Start answering."""
        if self._server is not None:
            raise RuntimeError("The issuer is already running. To solve this, start it once, with `with` or start().")
        self._server = _LoopbackServer(("127.0.0.1", 0), _handler_for(self._answer))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="local-issuer", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, and release the port. May be called again."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None


def _handler_for(answer_to: Callable[[Request], Answer | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # A client that sends less than it announces must not hold a thread.
        timeout = 10

        def do_GET(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
                self.send_error(413)
                return
            path = self.path.partition("?")[0]
            answer = answer_to(Request(self.command, path, self.headers, self.rfile.read(int(length))))
            if answer is None:
                return  # HTTP/1.0: the connection is closed now
            body = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - both names are the base class's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the base class's
            """Stay silent: a test's output is its own."""

    return Handler
