"""Reads what is left of a refused request's body, so that the client gets to see the refusal.

A guard refuses before anything has read the body. If the server then closes the connection with bytes still unread, the
kernel resets it: the client loses the answer, and nginx answers 502 in its place. gunicorn and uWSGI do so; other
servers read the body before they call the app, or read the rest themselves.

The rest is read when the answer has been sent: no hook of the app can want the body any more, and a client that listens
while it sends can stop. It is bounded by `MAX_BYTES` and `MAX_SECONDS`: whoever sends more, or more slowly, may lose
the answer, but holds no worker.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flask import Request, Response, after_this_request, has_request_context, request
from werkzeug.wsgi import LimitedStream

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK

#: How much of a body is read, and for how long, once its request was refused.
MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 2.0

_CHUNK_BYTES = 65_536
_FIRST_CHUNK_SECONDS = 1.0
_LAST_CHUNK = b"0\r\n\r\n"
_MARK = "auth0_blueprint.reads_rest"


def read_body_after_refusal() -> None:
    """Have the rest of the body read after the answer, whichever error handler writes it. Never raises."""
    if has_request_context() and _may_be_unread(request.environ):
        after_this_request(read_body_after_answer)


def read_body_after_answer(response: Response) -> Response:
    """Have the rest of the body read once *response* is sent, which is returned. Never raises."""
    environ = request.environ
    if _may_be_unread(environ) and _MARK not in environ:
        environ[_MARK] = True
        here = request._get_current_object()  # type: ignore[attr-defined]
        response.call_on_close(lambda: _read_rest(here))
    return response


def _may_be_unread(environ: dict[str, Any]) -> bool:
    has_body = environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ
    return has_body and ("gunicorn.socket" in environ or "uwsgi.version" in environ)


def _read_rest(refused: Request) -> None:
    environ = refused.environ
    # Whatever fails, the answer is sent: the client is gone, or what it sends is no body.
    with suppress(Exception):
        if "uwsgi.version" in environ:
            # What Flask has made of wsgi.input, if anything has asked for it.
            _read_from_uwsgi(environ, vars(refused).get("stream"))
        elif environ["SERVER_PROTOCOL"].startswith("HTTP/1"):  # HTTP/2 ends a stream without its connection
            _read_from_gunicorn(environ)


def _read_from_gunicorn(environ: dict[str, Any]) -> None:
    read, left = environ["wsgi.input"].read, MAX_BYTES
    with _duplicate(environ["gunicorn.socket"].fileno()) as connection:
        # It ends a read that waits for data as well. A timeout of the socket would begin anew with each byte.
        timer = threading.Timer(MAX_SECONDS, _end, (connection,))
        timer.daemon = True
        timer.start()
        try:
            while left > 0 and (chunk := read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
        finally:
            timer.cancel()
        if left <= 0:
            _end(connection)  # some of gunicorn's workers would go on reading, for as long as the client sends


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)


def _read_from_uwsgi(environ: dict[str, Any], stream: Any) -> None:
    """Read only what has arrived: uWSGI waits for all that it is asked for, and may let no other thread run."""
    uwsgi = sys.modules["uwsgi"]
    if any(option in uwsgi.opt for option in ("https-socket", b"https-socket")):
        return  # what has arrived is encrypted, so its length says nothing
    is_chunked = not environ.get("CONTENT_LENGTH")  # for uWSGI that is no body, so wsgi.input does not read it
    left = MAX_BYTES if is_chunked else min(_left_in_uwsgi(environ, stream), MAX_BYTES)
    deadline = SYSTEM_CLOCK.monotonic() + MAX_SECONDS
    # A short body may be in uWSGI's memory already, and then nothing arrives.
    max_wait_seconds = _FIRST_CHUNK_SECONDS if is_chunked else MAX_SECONDS if left > _CHUNK_BYTES else 0
    last = b""
    with _duplicate(uwsgi.connection_fd()) as connection:
        while left > 0 and _has_arrived(connection, max_wait_seconds):
            if is_chunked:
                chunk = connection.recv(_CHUNK_BYTES)
                last = (last + chunk)[-len(_LAST_CHUNK) :]
            else:
                arrived = len(connection.recv(min(left, _CHUNK_BYTES), socket.MSG_PEEK))
                chunk = environ["wsgi.input"].read(arrived) if arrived else b""
            if not chunk or last == _LAST_CHUNK:
                return
            left -= len(chunk)
            max_wait_seconds = deadline - SYSTEM_CLOCK.monotonic()


def _has_arrived(connection: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return seconds >= 0 and bool(poll.poll(seconds * 1000))


def _left_in_uwsgi(environ: dict[str, Any], stream: Any) -> int:
    if stream is None:
        return int(environ["CONTENT_LENGTH"])
    # Anything else is what a form parser leaves behind, when it has read all.
    return stream.limit - stream.tell() if isinstance(stream, LimitedStream) else 0


@contextmanager
def _duplicate(number: int) -> Iterator[socket.socket]:
    """Give a socket of its own for the connection *number*: without its TLS, and valid until it is closed itself."""
    is_blocking = os.get_blocking(number)
    with socket.socket(fileno=os.dup(number)) as duplicate:
        os.set_blocking(number, is_blocking)  # both share it, and socket.setdefaulttimeout() may have changed it
        yield duplicate
