"""A client whose upload is refused gets to see why, and holds no worker, under servers that leave bodies unread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from conftest import AppFactory, bearer
from processes import TIMEOUT_SECONDS
from uploads import SERVERS, SIZES, begun, connected, serving, upload, upload_on

from auth0_blueprint import requires_auth
from auth0_blueprint.guards.unread_body import MAX_BYTES, MAX_SECONDS
from auth0_blueprint.testing import LocalIssuer

#: More than the buffers between two processes hold: a client cannot send it to somebody who does not read.
ENOUGH = 16 << 20


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, session_issuer: LocalIssuer
) -> Iterator[tuple[str, int]]:
    with serving(request.param, tmp_path_factory.mktemp("served"), session_issuer) as port:
        yield request.param, port


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_a_refused_upload_is_answered(server: tuple[str, int], size: str, is_chunked: bool) -> None:
    """With or without a length, to a client that sends all before it listens."""
    assert upload(server[1], "/auth", SIZES[size], chunked=is_chunked) == 401


@pytest.mark.parametrize(
    ("path", "subject", "status"),
    [
        *(("/auth", None, 401), ("/scope", "anybody", 403), ("/auth", "nobody can tell", 503), ("/jwt", None, 401)),
        *(("/protected", "anybody", 403), ("/own", None, 418)),  # by protect(); in words of the app
        *(("/auth/introspect", None, 401), ("/auth/health", None, 405)),  # our own routes
        *(("/auth?read=100", None, 401), (f"/auth?read={ENOUGH}", None, 401), ("/auth?count", None, 401)),
        ("/auth?form", None, 401),
    ],
)
def test_whoever_refuses_an_upload_and_whatever_has_read_of_it(
    server: tuple[str, int], session_issuer: LocalIssuer, path: str, subject: str | None, status: int
) -> None:
    headers = {} if subject is None else bearer(session_issuer.token(sub=subject))
    with ExitStack() as stay_open:
        started = time.monotonic()
        for size in (ENOUGH, 100, 1):
            connection = stay_open.enter_context(closing(connected(server[1])))
            assert upload_on(connection, path, size, headers=headers) == status
        assert time.monotonic() - started < MAX_SECONDS  # nobody has waited for what does not come


def test_a_hook_after_the_refusal_can_still_read_the_body(server: tuple[str, int]) -> None:
    with closing(connected(server[1])) as connection:
        connection.request("POST", "/auth?count", bytes(5000))
        assert connection.getresponse().headers["X-Length"] == "5000"


def test_the_next_request_on_the_connection_is_read_from_where_the_body_ends(server: tuple[str, int]) -> None:
    with closing(connected(server[1])) as connection:
        for method, path, status in (("POST", "/auth", 401), ("GET", "/", 200)):
            connection.request(method, path, bytes(ENOUGH) if method == "POST" else None)
            response = connection.getresponse()
            assert (response.status, response.read()[:1]) == (status, b"{")
            if server[0] == "uwsgi":
                connection.close()  # it ends each connection, and does not say so


@pytest.mark.parametrize("kind", ["silent", "dripping", "dripping chunks", "endless", "expecting"])
def test_whoever_sends_too_slowly_or_too_much_holds_no_worker(server: tuple[str, int], kind: str) -> None:
    """There is one worker; the next client gets it within the bound."""
    line = "Transfer-Encoding: chunked" if "chunks" in kind else f"Content-Length: {1 << 40}"
    expecting = ("Expect: 100-continue",) if kind == "expecting" else ()
    stop = threading.Event()
    piece = {"dripping": b"x", "dripping chunks": b"1\r\nx\r\n", "endless": bytes(1 << 20)}.get(kind, b"")

    sent = 0

    def send(connection: socket.socket) -> None:
        nonlocal sent
        with suppress(OSError):  # the server has had enough
            while piece and not stop.is_set():
                connection.sendall(piece)
                sent += len(piece)
                stop.wait(0 if kind == "endless" else 0.05)

    with begun(server[1], line, *expecting) as connection:
        sender = threading.Thread(target=send, args=(connection,))
        sender.start()
        try:
            started = time.monotonic()
            assert upload(server[1], "/auth", 100) == 401
            assert time.monotonic() - started < MAX_SECONDS + 2
            if kind == "endless":
                sender.join(TIMEOUT_SECONDS)  # the server ends it
        finally:
            stop.set()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            sender.join()
    assert sent < 2 * MAX_BYTES


def test_reading_never_fails_a_request(make_app: AppFactory, tmp_path: Path) -> None:
    """Whatever a server says that it is."""
    app = make_app()
    app.post("/files")(requires_auth(lambda: {"is": "open"}))
    with socket.socket() as closed:
        pass
    for environ in ({"gunicorn.socket": closed}, {"gunicorn.socket": None}, {"uwsgi.version": b"2.0"}):
        with app.test_client().post("/files", data=b"x", environ_overrides=environ) as response:
            assert response.status_code == 401
