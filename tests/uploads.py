"""Uploads that are refused: an app that refuses all, the servers that leave bodies unread, and a client."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, jsonify, request
from flask_jwt_extended import jwt_required
from processes import TIMEOUT_SECONDS, gunicorn, uwsgi

from auth0_blueprint import (
    Auth0Blueprint,
    Auth0Error,
    RevocationUnavailableError,
    protect,
    requires_auth,
    requires_scope,
)
from auth0_blueprint.testing import LocalIssuer

SIZES = {"1 MB": 1 << 20, "40 MB": 40 << 20}

FORM = "application/x-www-form-urlencoded"

#: One worker and one thread each: whoever holds it, holds all.
SERVERS = ("sync", "gthread", "gevent", "uwsgi")


def create_app() -> Flask:
    app, extension = Flask(__name__), Auth0Blueprint()
    app.config["MAX_CONTENT_LENGTH"] = 1000

    @extension.jwt_manager.token_in_blocklist_loader
    def is_listed(header: object, claims: dict[str, object]) -> bool:
        if claims["sub"] == "nobody can tell":
            raise RevocationUnavailableError
        return False

    _add_hooks(app)

    def answer() -> dict[str, str]:
        return {}

    def unguarded() -> dict[str, str]:
        return {}

    app.get("/", endpoint="open")(unguarded)
    app.post("/auth", endpoint="auth")(requires_auth(answer))
    app.post("/scope", endpoint="scope")(requires_scope("write:files")(answer))
    app.post("/jwt", endpoint="jwt")(jwt_required()(answer))
    behind, own = Blueprint("behind", __name__), Blueprint("own", __name__)
    protect(behind, "write:files")
    behind.post("/protected")(unguarded)
    own.post("/own")(requires_auth(answer))
    own.register_error_handler(Auth0Error, lambda error: (jsonify(code=error.code), 418))
    for blueprint in (extension, behind, own):
        app.register_blueprint(blueprint)
    return app


def _add_hooks(app: Flask) -> None:
    @app.before_request
    def read() -> None:
        """Read what the request says: before a guard does anything."""
        request.max_content_length = request.max_form_memory_size = 1 << 30
        if amount := request.args.get("read"):
            request.stream.read(int(amount))
        if "form" in request.args:
            assert request.form

    @app.after_request
    def count(response: Response) -> Response:
        if "count" in request.args:
            request.max_content_length = 1 << 30
            response.headers["X-Length"] = str(len(request.get_data()))
        return response


@contextmanager
def serving(server: str, directory: Path, issuer: LocalIssuer, *arguments: str) -> Iterator[int]:
    """Run the app under *server*, and give its port."""
    settings = {name: value for name, value in issuer.settings.items() if value is not None}
    settings["PYTHONPATH"] = f"{Path(__file__).parent.parent}:{Path(__file__).parent}"
    if server == "uwsgi":
        with uwsgi("uploads:create_app()", directory, settings, *arguments) as url:
            yield urlsplit(url).port or 0
    else:
        threads = ("--threads", "1") if server == "gthread" else ()
        with gunicorn("uploads:create_app()", directory, settings, "--worker-class", server, *threads) as (url, _):
            yield urlsplit(url).port or 0


def upload(port: int, path: str, size: int, *, chunked: bool = False, headers: Mapping[str, str] = {}) -> int:
    """Send *size* bytes to *path*, all of them, and only then look at the answer; return its status."""
    with closing(connected(port)) as connection:
        return upload_on(connection, path, size, chunked=chunked, headers=headers)


def connected(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)


def upload_on(
    connection: HTTPConnection, path: str, size: int, *, chunked: bool = False, headers: Mapping[str, str] = {}
) -> int:
    """Do as `upload` does, and leave *connection* open."""
    pieces = (bytes(1 << 16) for _ in range(size >> 16))
    if chunked:
        connection.request("POST", path, pieces, {"Transfer-Encoding": "chunked", **headers}, encode_chunked=True)
    else:
        connection.request("POST", path, bytes(size), {"Content-Type": FORM, **headers})
    return connection.getresponse().status


def begun(port: int, *lines: str, body: bytes = b"") -> socket.socket:
    """Begin an upload by hand, and return its connection when the answer is there."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
    connection.sendall("\r\n".join(("POST /auth HTTP/1.1", "Host: localhost", *lines, "", "")).encode() + body)
    answer = b""
    while b" 401 " not in answer:  # some servers say 100 before
        received = connection.recv(1 << 16)
        assert received, answer
        answer += received
    return connection
