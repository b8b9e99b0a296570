"""A key set whose answers a test decides, and apps on a clock that a test moves."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from conftest import MovableClock
from flask import Flask

from auth0_blueprint.keysets.fetch import fetch
from auth0_blueprint.keysets.shared import SharedKeySet
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.verification.verifier import Verifier


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


def put_on_clock(app: Flask, clock: MovableClock) -> None:
    """Let *app* verify, and keep its key set, by *clock*, starting from now."""
    clock.now = time.time()
    state = app.extensions["auth0"]
    settings = state.settings
    ((issuer, url),) = settings.key_set_urls.items()
    source = KeySource(
        issuer,
        ttl_seconds=settings.jwks_ttl_seconds,
        refresh_ahead_seconds=settings.jwks_refresh_ahead_seconds,
        max_stale_seconds=settings.jwks_max_stale_seconds,
        cooldown_seconds=settings.jwks_cooldown_seconds,
        fetch=functools.partial(fetch, url, timeout_seconds=5, max_bytes=settings.jwks_max_bytes),
        shared=SharedKeySet(
            SharedCache(lambda: None),
            issuer=issuer,
            url=url,
            secret=None,
            attempt_seconds=5,
            keep_seconds=3600,
        ),
        clock=clock,
        monotonic=clock,
    )
    sources = {issuer: source}
    app.extensions["auth0"] = dataclasses.replace(
        state, key_sources=sources, verifier=Verifier(settings, sources, clock)
    )
