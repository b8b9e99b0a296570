"""Connections that stay open: their tokens expire and are revoked meanwhile, and Socket.IO has traps of its own.

While a ``connect`` handler runs, python-socketio sends the client every broadcast already; and a client whose handler
failed, with anything but its ``ConnectionRefusedError``, stays where it hears them all. `SocketGuard` minds both.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from flask import Flask, current_app, request

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.errors import AmbiguousHeaderError, Auth0Error
from auth0_blueprint.guards.authentication import AppState, app_state, current_token, notify_rejected
from auth0_blueprint.guards.challenge import response_body
from auth0_blueprint.guards.decorators import admit, guarded_functions
from auth0_blueprint.guards.requirements import ANY_TOKEN, Requirement, scope_requirement
from auth0_blueprint.guards.route_requirements import PUBLIC_ATTRIBUTE, marks_of
from auth0_blueprint.verification.access_token import ANONYMOUS, AccessToken
from auth0_blueprint.verification.credentials import scheme_and_token
from auth0_blueprint.verification.sequence import Presentation

logger: logging.Logger = logging.getLogger("auth0_blueprint")

F = TypeVar("F", bound=Callable[..., Any])

_HEADER = "HTTP_AUTHORIZATION"
#: In the environ of a connection whose header we have written.
_MARK = "auth0_blueprint.token_of_socket"


def recheck_token() -> AccessToken:
    """Verify this request's token again, for connections that stay open: WebSockets, server-sent events.

    A guard must have admitted the request. Whatever has changed since is noticed: expiry, revocation, the app's own
    rules. Possession of a key or certificate is proven once, when the connection begins.

    Returns:
        The token; falsy if ``requires_auth(optional=True)`` admitted an anonymous request.

    Raises:
        Auth0Error: the token would be refused now, or cannot be judged.
        RuntimeError: no guard has run.
    """
    if not current_token:
        return ANONYMOUS
    return _verify_again(app_state(), request.environ)


def _verify_again(state: AppState, environ: dict[str, Any]) -> AccessToken:
    try:
        scheme, token = scheme_and_token(environ.get(_HEADER), takes_dpop=state.binding.takes_dpop_scheme)
        # A proof of possession is good for one request.
        access_token = state.sequence.without("binding").verify(Presentation(token, scheme, environ))
        state.rules.look_up_user(access_token)
    except Auth0Error as exc:
        notify_rejected(exc)
        raise
    return access_token


def check_that_event_guards_have_effect(socketio: Any) -> None:
    """Look for guards above the ``@socketio.on`` of *socketio*, a ``flask_socketio.SocketIO``: nothing calls them.

    Raises:
        RuntimeError: there is one; the message names the event.
    """
    server = getattr(socketio, "server", None)  # of an extension of that name by others, there may be none
    for namespace, events in getattr(server, "handlers", {}).items():
        for event, registered in events.items():
            handler = getattr(registered, "__wrapped__", None)
            if handler in guarded_functions and not marks_of(handler).get(PUBLIC_ATTRIBUTE, False):
                raise RuntimeError(
                    f"The guard of the event {event!r} in namespace {namespace!r} stands above @socketio.on, so it has "
                    "no effect. To solve this, put @socketio.on on top and the guard below it. If the event is meant "
                    "to be handled without its guard, mark the handler @public."
                )


class _Connection(NamedTuple):
    app: Flask
    environ: dict[str, Any]


class SocketGuard:
    """Admits clients of Flask-SocketIO by their access token, and disconnects them when it is no longer accepted.

    A client sends its token as ``auth={"token": ...}`` or in the ``Authorization`` header of the handshake. All its
    namespaces share one token. The other guards then work in every event handler: each verifies the token anew.

    All connections of this process are checked once per ``AUTH0_SYNC_INTERVAL`` (once a second, if that is 0), also
    those that only listen; the one background task for it runs while there are connections.

    Args:
        socketio: the app's ``flask_socketio.SocketIO``. ``always_connect=True`` admits clients before their token is
            verified: every connection is then refused.
    """

    def __init__(self, socketio: Any) -> None:
        if not callable(getattr(socketio, "start_background_task", None)):
            raise TypeError("SocketGuard() takes the app's flask_socketio.SocketIO.")
        self._socketio = socketio
        self._connections: dict[tuple[str, str], _Connection] = {}
        self._is_watching = False
        self._is_checked = False
        self._lock = ProcessLock()

    def connect(self, *scopes: str) -> Callable[[F], F]:
        """Guard a ``connect`` handler: any valid token, or one whose ``scope`` holds every one of *scopes*.

        It goes below ``@socketio.on("connect")``, and on the ``on_connect`` of a ``Namespace``. Each namespace needs
        its own. The client hears no broadcast before it is admitted. A refused one gets ``connect_error`` with the
        description of the error as ``message`` and its body as ``data``. So does one whose handler fails, without them.

        Raises:
            RuntimeError: it stands above ``@socketio.on``, where it would have no effect.
        """
        requirement = scope_requirement(scopes) if scopes else ANY_TOKEN

        def decorate(handler: F) -> F:
            if not callable(handler):
                raise TypeError("SocketGuard.connect() decorates a connect handler.")
            self._check_not_registered(handler)

            @functools.wraps(handler)
            def guarded(*args: Any) -> Any:
                event: dict[str, Any] = cast("Any", request).event
                if event["message"] != "connect":
                    raise RuntimeError("SocketGuard.connect() is for connect handlers; here, use @requires_scope.")
                return _or_refuse(lambda: self._admit_and_call(requirement, handler, args))

            return cast("F", guarded)

        return decorate

    def _check_not_registered(self, handler: Callable[..., Any]) -> None:
        server, registered = self._socketio.server, [function for _, function, _ in self._socketio.handlers]
        for events in server.handlers.values() if server else ():
            registered += events.values()
        if any(getattr(function, "__wrapped__", None) is handler for function in registered):
            raise RuntimeError(
                "The guard of this connect handler stands above @socketio.on, so it has no effect. To solve this, put "
                "@socketio.on on top and the guard below it."
            )

    def _admit_and_call(self, requirement: Requirement, handler: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        here: Any = request
        if self._socketio.server.always_connect:
            raise RuntimeError(
                "always_connect=True lets clients in before their token is verified. To solve this, leave it out."
            )
        if not self._is_checked:
            check_that_event_guards_have_effect(self._socketio)
            self._is_checked = True
        manager, sid, namespace = self._socketio.server.manager, here.sid, here.namespace
        eio_sid = manager.eio_sid_from_sid(sid, namespace)
        # Out of the room of all clients, which it is in already, until it is known to be one that may listen.
        manager.basic_leave_room(sid, namespace, None)
        self._authenticate(requirement, here.environ, here.event["args"][1:])
        manager.basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
        self._watch_over(namespace, sid, here.environ)
        try:
            inspect.signature(handler).bind(*args)
        except TypeError:
            args = args[:-1]  # the handler does not want what the client sent
        return handler(*args)

    def _authenticate(self, requirement: Requirement, environ: dict[str, Any], sent: tuple[Any, ...]) -> None:
        """Admit the token of the client: the one in *sent*, if any, from now on in the header of its connection."""
        token = sent[0].get("token") if sent and isinstance(sent[0], dict) else None
        header, present = f"Bearer {token}", environ.get(_HEADER)
        if token is not None and header != present:
            if present is not None and (not environ.get(_MARK) or self._is_in_use(environ)):
                raise AmbiguousHeaderError  # two credentials, or two callers on one connection
            environ[_HEADER], environ[_MARK] = header, True
        admit(requirement)

    def _is_in_use(self, environ: dict[str, Any]) -> bool:
        is_connected = self._socketio.server.manager.is_connected
        return any(
            connection.environ is environ and is_connected(sid, namespace)
            for (namespace, sid), connection in list(self._connections.items())
        )

    def _watch_over(self, namespace: str, sid: str, environ: dict[str, Any]) -> None:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        with self._lock():
            self._connections[namespace, sid] = _Connection(app, environ)
            if self._is_watching:
                return
            self._is_watching = True
        self._socketio.start_background_task(self._watch, app_state().settings.sync_interval_seconds or 1.0)

    def _watch(self, interval_seconds: float) -> None:
        while True:
            self._socketio.sleep(interval_seconds)
            self._check_all()
            with self._lock():
                if not self._connections:
                    self._is_watching = False
                    return

    def _check_all(self) -> None:
        for state in {id(state): state for state in map(_state_of, list(self._connections.values()))}.values():
            # A request would sync in time; here one that is almost due would wait for another interval.
            state.fleet_sync.sync_now()
        for key, connection in list(self._connections.items()):
            self._check(*key, connection)

    def _check(self, namespace: str, sid: str, connection: _Connection) -> None:
        """Forget a connection that has ended, and end one whose token is refused. Never raises."""
        try:
            server = self._socketio.server
            if server.manager.is_pre_connected(sid, namespace):
                return  # its handler is still running
            if server.manager.is_connected(sid, namespace):
                if _is_accepted(connection):
                    return
                server.disconnect(sid, namespace=namespace)
        except Exception:
            logger.exception("a socket could not be disconnected")
        self._connections.pop((namespace, sid), None)


def _state_of(connection: _Connection) -> AppState:
    return cast("AppState", connection.app.extensions["auth0"])


def _is_accepted(connection: _Connection) -> bool:
    try:
        with connection.app.app_context():
            _verify_again(_state_of(connection), connection.environ)
    except Auth0Error:
        return False
    except Exception:  # also from receivers of our signals, and from what the app does when its context ends
        logger.exception("the token of a socket could not be checked: the client is disconnected")
        return False
    return True


def _or_refuse(handle: Callable[[], Any]) -> Any:
    """Return what *handle* returns; whatever it raises becomes a refusal of the connection."""
    from socketio.exceptions import ConnectionRefusedError as Refusal  # an app without sockets does not have it

    try:
        return handle()
    except (Refusal, ConnectionRefusedError):
        raise
    except Auth0Error as exc:
        raise Refusal(exc.description, response_body(exc)) from exc
    except Exception as exc:
        logger.exception("a connect handler failed: the client is refused")
        raise Refusal from exc
