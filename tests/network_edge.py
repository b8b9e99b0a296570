"""A key set whose answers a test decides."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclasses.dataclass
class KeySetServer:
    """An HTTP server that answers every request with what its attributes say.

    Attributes:
        asked: the paths of the requests, in order.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    url: str = ""

    def publish(self, *members: Any) -> None:
        """Answer with a JWK Set of *members*, whatever they are."""
        self.body = json.dumps({"keys": members}).encode()


@contextmanager
def key_set_server() -> Iterator[KeySetServer]:
    """Run a `KeySetServer` on a free loopback port."""
    script = KeySetServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked.append(self.path)
            self.send_response(script.status)
            for name, value in {**script.headers, "Content-Length": str(len(script.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(script.body)

        def log_message(self, *_args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}/jwks"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
