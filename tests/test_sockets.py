"""The apps of ``docs/how-to/sockets.md`` behind a real server, with real clients: who hears what, and until when."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import socketio
import websocket
from conftest import bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask, request
from flask_socketio import SocketIO
from processes import TIMEOUT_SECONDS, eventually, http
from socketio.exceptions import ConnectionError as NotConnected
from werkzeug.serving import make_server

from auth0_blueprint import Auth0Blueprint, SocketGuard, public, recheck_token, requires_auth, token_rejected
from auth0_blueprint.testing import DPoPKey, LocalIssuer

PAGE = ROOT / "docs" / "how-to" / "sockets.md"
SOCKETIO, SOCK, BROWSER = (block.code for block in python_blocks(PAGE))

SETTINGS = {"AUTH0_SYNC_INTERVAL": 1, "AUTH0_LEEWAY": 0, "SOCK_SERVER_OPTIONS": {"max_message_size": 65536}}
EVERYTHING = "read:feed write:feed operate:feed"


@pytest.fixture(autouse=True)
def clients_that_close_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let websocket-client wait no 3 s for an answer which another thread of python-socketio's client reads."""

    def close(connection: Any, *_options: Any) -> None:
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)
        connection.shutdown()

    monkeypatch.setattr(websocket.WebSocket, "close", close)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Run *app* under Werkzeug's server, and give its address without the scheme."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT_SECONDS)


class Client:
    """A Socket.IO client that notes what it hears. Use as a context manager."""

    def __init__(self, address: str, namespace: str = "/", transport: str = "websocket") -> None:
        self._url, self._namespace, self._transport = f"http://{address}", namespace, transport
        self.heard: list[Any] = []
        self.refusals: list[Any] = []
        self.ended = threading.Event()
        self._client = socketio.Client(reconnection=False)
        self._client.on("*", lambda event, *data: self.heard.append((event, *data)), namespace=namespace)
        self._client.on("connect_error", self.refusals.append, namespace=namespace)
        self._client.on("disconnect", lambda *reason: self.ended.set(), namespace=namespace)

    def connect(self, auth: Any = None, **headers: str) -> bool:
        try:
            self._client.connect(
                self._url, headers, auth, [self._transport], [self._namespace], wait_timeout=TIMEOUT_SECONDS
            )
        except NotConnected:
            return False
        return True

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()

    def call(self, event: str, *data: Any) -> Any:
        return self._client.call(event, data, self._namespace, timeout=TIMEOUT_SECONDS)

    @property
    def code(self) -> str:
        (refusal,) = self.refusals
        return str(refusal["data"]["code"])


def admin(issuer: LocalIssuer) -> dict[str, str]:
    return bearer(issuer.token(scope="manage:auth0", permissions=["manage:auth0"], sub="admin"))


@pytest.fixture
def page(issuer: LocalIssuer) -> Iterator[SimpleNamespace]:
    """What the page's Socket.IO app defines, and the address at which it is served."""
    defined = SimpleNamespace(**run_block(PAGE, SOCKETIO))
    app = defined.create_app({**issuer.settings, **SETTINGS})
    with serving(app) as address:
        yield SimpleNamespace(app=app, address=address, **vars(defined))


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_client_with_a_token_hears_and_says_what_its_scopes_allow(
    page: SimpleNamespace, issuer: LocalIssuer, transport: str
) -> None:
    """A guard on an event says no to those who may only listen, as it does in a request."""
    with Client(page.address, transport=transport) as reader, Client(page.address) as writer:
        assert reader.connect({"token": issuer.token(scope="read:feed", sub="reader")})
        assert writer.connect(**bearer(issuer.token(scope=EVERYTHING, sub="writer")))
        assert reader.call("post", "no")["code"] == "insufficient_scope"
        assert writer.call("post", "yes") == {"posted": True}
        eventually(lambda: reader.heard == [("posted", {"by": "writer", "text": "yes"})])
        assert not reader.ended.is_set()


@pytest.mark.parametrize(
    ("auth", "headers", "code"),
    [
        (None, {}, "authorization_header_missing"),
        ({"token": None}, {}, "authorization_header_missing"),
        ("eyJ", {}, "authorization_header_missing"),
        ({"token": 5}, {}, "token_malformed"),
        ({"token": ["ey"]}, {}, "token_malformed"),
        ({"token": "ey\u20ac\r\nX: y"}, {}, "invalid_header"),
        (lambda issuer: {"token": issuer.token(expires_in=-10)}, {}, "token_expired"),
        (lambda issuer: {"token": issuer.token(scope="openid")}, {}, "insufficient_scope"),
        (lambda issuer: {"token": issuer.token(cnf=DPoPKey().confirmation)}, {}, "binding_mismatch"),
        (lambda issuer: {"token": issuer.token(scope=EVERYTHING)}, {"Authorization": "Bearer x"}, "invalid_header"),
    ],
)
@pytest.mark.parametrize("namespace", ["/", "/operators"])
def test_a_refused_client_is_told_the_code_and_hears_nothing(
    page: SimpleNamespace, issuer: LocalIssuer, namespace: str, auth: Any, headers: dict[str, str], code: str
) -> None:
    with Client(page.address, namespace) as client:
        assert not client.connect(auth(issuer) if callable(auth) else auth, **headers)
        page.socketio.emit("posted", "secret", namespace=namespace)
        assert client.code == code
        assert client.heard == []


def test_a_client_hears_nothing_while_its_token_is_verified(page: SimpleNamespace, issuer: LocalIssuer) -> None:
    """python-socketio would send it every broadcast already; afterwards it hears all."""
    is_verifying, may_go_on = threading.Event(), threading.Event()

    def look_up(header: object, claims: dict[str, Any]) -> str | None:
        is_verifying.set()
        assert may_go_on.wait(TIMEOUT_SECONDS)
        return None if claims["sub"] == "nobody" else "somebody"

    page.app.extensions["flask-jwt-extended"].user_lookup_loader(look_up)
    for subject, heard in (("nobody", []), ("somebody", [("posted", "public")])):
        is_verifying.clear()
        may_go_on.clear()
        # By hand: the client of python-socketio drops what comes before the answer.
        url = f"ws://{page.address}/socket.io/?transport=websocket&EIO=4"
        connection = websocket.create_connection(url, timeout=TIMEOUT_SECONDS)
        said(connection)
        connection.send(f'40{{"token":"{issuer.token(scope="read:feed", sub=subject)}"}}')
        assert is_verifying.wait(TIMEOUT_SECONDS)
        page.socketio.emit("posted", "secret")
        may_go_on.set()
        assert said(connection).startswith("40" if heard else '44{"message":"This API does not know the user')
        page.socketio.emit("posted", "public")
        connection.send("40/operators,")  # the answer comes after all else
        assert [*said_until("44/operators,", connection)] == [f'42["{event}","{text}"]' for event, text in heard]
        connection.close()


def said(connection: websocket.WebSocket) -> str:
    return str(connection.recv())


def said_until(last: str, connection: websocket.WebSocket) -> Iterator[str]:
    while not (text := said(connection)).startswith(last):
        yield text


def break_down(auth: object) -> None:
    raise LookupError("the database of the app")


def refuse_by_hand(auth: object) -> bool:
    return False


@pytest.mark.parametrize("handler", [break_down, refuse_by_hand])
@pytest.mark.parametrize("has_error_handler", [False, True])
def test_a_handler_that_fails_refuses_its_client(
    issuer: LocalIssuer, handler: Callable[[Any], Any], has_error_handler: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not so without the guard: the client would stay, and hear every broadcast."""
    app, sockets = Flask("tested"), SocketIO()
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    sockets.on("connect")(SocketGuard(sockets).connect()(handler))
    if has_error_handler:
        sockets.on_error_default(lambda error: "handled")
    sockets.init_app(app, async_mode="threading")
    with serving(app) as address, Client(address) as client:
        assert not client.connect({"token": issuer.token()})
        assert "database" not in str(client.refusals)
        sockets.emit("posted", "secret")
        assert list(sockets.server.manager.get_participants("/", None)) == []
    assert ("a connect handler failed" in caplog.text) == (handler is break_down)


def test_a_guard_that_would_have_no_effect_is_found(issuer: LocalIssuer) -> None:
    app, sockets = Flask("tested"), SocketIO()
    guard = SocketGuard(sockets)
    for registered in (sockets, None):
        with pytest.raises(RuntimeError, match="no effect"):
            guard.connect()(sockets.on("connect")(lambda: None))
        if registered:
            sockets.init_app(app, async_mode="threading", always_connect=True)
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    sockets.on("connect")(guard.connect()(lambda: None))
    with serving(app) as address, Client(address) as client:
        client.connect({"token": issuer.token()})
        assert client.ended.wait(TIMEOUT_SECONDS)  # always_connect=True lets clients in first
    with pytest.raises(TypeError, match="SocketIO"):
        SocketGuard(app)


@pytest.mark.parametrize("kind", ["found", "public", "right"])
def test_a_guard_above_the_decorator_of_an_event_is_found(issuer: LocalIssuer, kind: str) -> None:
    """At the first request, and at the first connection, which may come before it."""
    app, sockets = Flask("tested"), SocketIO()
    sockets.on("connect")(SocketGuard(sockets).connect()(lambda: None))
    handler = public(lambda: "ran") if kind == "public" else lambda: "ran"
    register = sockets.on("post", namespace="/")
    register(requires_auth(handler)) if kind == "right" else requires_auth(register(handler))
    app.config.update(issuer.settings, TESTING=True)
    app.register_blueprint(Auth0Blueprint())
    sockets.init_app(app, async_mode="threading")
    with serving(app) as address, Client(address) as client:
        assert client.connect({"token": issuer.token()}) == (kind != "found")
    refused = pytest.raises(RuntimeError, match=r"event 'post' in namespace '/' stands above @socketio\.on")
    with refused if kind == "found" else nullcontext():
        app.test_client().get("/")
    app.extensions["socketio"] = "of others"
    app.test_client().get("/")


@pytest.mark.parametrize("namespace", ["/", "/operators"])
@pytest.mark.parametrize("by", ["expiry", "revocation"])
def test_who_only_listens_is_disconnected_when_the_token_ends(
    page: SimpleNamespace, issuer: LocalIssuer, by: str, namespace: str
) -> None:
    """Within the sync interval. Others stay, and the one who was disconnected may come back with a new token."""
    token = issuer.token(scope=EVERYTHING, sub="leaving", expires_in=2 if by == "expiry" else 3600)
    with Client(page.address, namespace) as leaving, Client(page.address) as staying:
        assert leaving.connect({"token": token})
        assert staying.connect({"token": issuer.token(scope=EVERYTHING, sub="staying")})
        if by == "revocation":
            url = f"http://{page.address}/auth/admin/revocations"
            assert http("POST", url, json={"token": token}, headers=admin(issuer)).status_code == 201
        assert leaving.ended.wait(TIMEOUT_SECONDS)
        page.socketio.emit("posted", "secret", namespace=namespace)
        assert staying.call("post", "hello") == {"posted": True}
        assert leaving.heard == []
        with Client(page.address, namespace) as back:
            assert not back.connect({"token": token})
            assert back.code == ("token_expired" if by == "expiry" else "token_revoked")
            assert Client.connect(leaving, {"token": issuer.token(scope=EVERYTHING)})


def test_an_event_with_a_token_that_has_ended_is_refused_at_once(page: SimpleNamespace, issuer: LocalIssuer) -> None:
    page.guard._watch = lambda _interval: None  # nobody else disconnects it
    with Client(page.address) as client:
        assert client.connect({"token": (token := issuer.token(scope=EVERYTHING))})
        url = f"http://{page.address}/auth/admin/revocations"
        assert http("POST", url, json={"token": token}, headers=admin(issuer)).status_code == 201
        assert client.call("post", "too late")["code"] == "token_revoked"


def test_two_namespaces_of_a_connection_share_one_token(page: SimpleNamespace, issuer: LocalIssuer) -> None:
    """A second caller on it would be taken for the first."""
    url = f"ws://{page.address}/socket.io/?transport=websocket&EIO=4"
    connection = websocket.create_connection(url, timeout=TIMEOUT_SECONDS)
    said(connection)
    first, second = (issuer.token(scope=EVERYTHING, sub=subject) for subject in ("first", "second"))
    for sent, answer in (
        (f'40{{"token":"{first}"}}', "40"),
        (f'40/operators,{{"token":"{second}"}}', "44/operators,"),
        (f'40/operators,{{"token":"{first}"}}', "40/operators,"),
        ("41", ""),
        ("41/operators,", ""),
        (f'40/operators,{{"token":"{second}"}}', "40/operators,"),  # nobody is there any more
    ):
        connection.send(sent)
        assert not answer or said(connection).startswith(answer)
    connection.close()


def test_a_revocation_in_another_process_ends_the_connection_at_the_next_check(
    issuer: LocalIssuer, tmp_path: Path
) -> None:
    """Whenever the last sync was. One whose handler is still running is kept in view."""
    shared = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path), "AUTH0_CACHE_SECRET": 32 * "s"}
    settings = {**issuer.settings, **shared, "AUTH0_SYNC_INTERVAL": 60}
    defined = SimpleNamespace(**run_block(PAGE, SOCKETIO))
    other = run_block(PAGE, SOCKETIO)["create_app"](settings).test_client()
    defined.socketio.on("connect")(defined.guard.connect()(lambda: defined.guard._check_all()))
    token = issuer.token(scope=EVERYTHING)
    with serving(defined.create_app(settings)) as address, Client(address) as client:
        assert client.connect({"token": token})
        url = "/auth/admin/revocations"
        assert other.post(url, json={"token": token}, headers=admin(issuer)).status_code == 201
        defined.guard._check_all()
        assert client.ended.wait(TIMEOUT_SECONDS)
        assert defined.guard._connections == {}


@pytest.mark.parametrize("fails", ["receiver", "teardown"])
def test_whatever_else_fails_the_client_is_disconnected(page: SimpleNamespace, issuer: LocalIssuer, fails: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(fails)

    with Client(page.address) as client:
        assert client.connect({"token": issuer.token(scope=EVERYTHING, expires_in=2)})
        if fails == "teardown":
            page.app.teardown_appcontext_funcs.append(fail)
        with token_rejected.connected_to(fail) if fails == "receiver" else nullcontext():
            assert client.ended.wait(TIMEOUT_SECONDS)


def test_only_a_connect_handler_has_the_guard_for_it(issuer: LocalIssuer) -> None:
    defined = SimpleNamespace(**run_block(PAGE, SOCKETIO))
    defined.socketio.on_error_default(str)
    defined.socketio.on("other")(defined.guard.connect()(lambda: {"ran": True}))
    with serving(defined.create_app({**issuer.settings})) as address, Client(address) as client:
        assert client.connect({"token": issuer.token(scope=EVERYTHING)})
        assert "use @requires_scope" in client.call("other")


def test_what_watches_ends_with_the_last_connection(page: SimpleNamespace, issuer: LocalIssuer) -> None:
    for _ in range(2):
        with Client(page.address) as client:
            assert client.connect({"token": issuer.token(scope=EVERYTHING)})
            assert page.guard._is_watching
        eventually(lambda: not page.guard._is_watching)
        assert page.guard._connections == {}


@contextmanager
def web_socket(address: str, path: str, headers: dict[str, str] | None = None) -> Iterator[websocket.WebSocket]:
    connection = websocket.create_connection(f"ws://{address}{path}", header=headers, timeout=TIMEOUT_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def closing_of(connection: websocket.WebSocket) -> tuple[int, str]:
    """Return why the server has closed *connection*, which says nothing else."""
    opcode, data = connection.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big"), data[2:].decode()


@pytest.fixture
def feed(issuer: LocalIssuer) -> Iterator[str]:
    """Serve the page's flask-sock app, with the route for browsers."""
    defined = run_block(PAGE, SOCK.replace("timeout=5", "timeout=0.5"))
    app = defined["create_app"]({**issuer.settings, **SETTINGS})
    run_block(PAGE, BROWSER.replace("timeout=5", "timeout=0.5"), app=app)
    with serving(app) as address:
        yield address


@pytest.mark.parametrize(("scope", "status"), [(None, 401), ("openid", 403)])
def test_flask_sock_refuses_before_the_handshake(
    feed: str, issuer: LocalIssuer, scope: str | None, status: int
) -> None:
    headers = {} if scope is None else bearer(issuer.token(scope=scope))
    with pytest.raises(websocket.WebSocketBadStatusException) as refused, web_socket(feed, "/feed", headers):
        pass
    assert refused.value.status_code == status
    assert (refused.value.resp_headers or {})["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("path", ["/feed", "/browser-feed"])
@pytest.mark.parametrize("by", ["expiry", "revocation"])
def test_a_web_socket_is_closed_when_its_token_ends(feed: str, issuer: LocalIssuer, path: str, by: str) -> None:
    token = issuer.token(scope="read:feed", expires_in=2 if by == "expiry" else 3600)
    is_browser = path != "/feed"
    with web_socket(feed, path, None if is_browser else bearer(token)) as connection:
        if is_browser:
            connection.send(token)
        connection.send("hello")
        assert connection.recv() == "auth0|local-user: hello"
        if by == "revocation":
            url = f"http://{feed}/auth/admin/revocations"
            assert http("POST", url, json={"token": token}, headers=admin(issuer)).status_code == 201
            connection.send("too late")
        assert closing_of(connection) == (1008, "token_revoked" if by == "revocation" else "token_expired")


@pytest.mark.parametrize(
    ("first", "code"),
    [(None, "authorization_header_missing"), ("opaque", "token_malformed"), (b"x", "authorization_header_missing")],
)
def test_a_browser_that_sends_no_good_token_is_told_nothing(feed: str, first: Any, code: str) -> None:
    with web_socket(feed, "/browser-feed") as connection:
        if isinstance(first, bytes):
            connection.send_binary(first)
        elif first is not None:
            connection.send(first)
        assert closing_of(connection) == (1008, code)


def test_a_token_is_checked_again_only_where_a_guard_has_checked_it(issuer: LocalIssuer) -> None:
    """Its user, too. A proof is good for one request, and an anonymous caller stays what it is."""
    app, extension = Flask("tested"), Auth0Blueprint()
    app.config.update(issuer.settings, AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL="https://api.example.com")
    users = {"auth0|local-user": "somebody"}
    extension.jwt_manager.user_lookup_loader(lambda header, claims: users.get(claims["sub"]))
    app.register_blueprint(extension)

    @app.get("/")
    @requires_auth(optional=True)
    def again() -> dict[str, Any]:
        if "forget" in request.args:
            users.clear()
        return {"is_known": bool(recheck_token())}

    client, key = app.test_client(), DPoPKey()
    assert client.get("/").get_json() == {"is_known": False}
    proven = key.headers("GET", "https://api.example.com/", issuer.token(cnf=key.confirmation))
    assert client.get("/", headers=proven).get_json() == {"is_known": True}
    assert client.get("/?forget", headers=bearer(issuer.token())).get_json()["code"] == "user_not_found"
    with app.test_request_context(), pytest.raises(RuntimeError, match="guard"):
        recheck_token()
