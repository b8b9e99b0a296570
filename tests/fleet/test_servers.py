"""Every server of docs/how-to/servers.md: keys are fetched, refreshed behind requests, rotated; it reloads, and stops.

The page has a row for each of `SERVERS`, with the same options.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server, socket
from threading import Event
from typing import NamedTuple

import pytest
from processes import TESTED_PACKAGE, TIMEOUT_SECONDS, Process, eventually, running

from .servers import APP, COOLDOWN, SECRET, Answers, KeySetServer, Workers

pytestmark = pytest.mark.usefixtures("unmeasured")

#: Keys are due after a second, current for a minute, and a fetch may hang for longer than any of these tests takes.
SETTINGS = {
    **COOLDOWN,
    "AUTH0_CACHE_SECRET": SECRET,
    "AUTH0_JWKS_TTL": "60",
    "AUTH0_JWKS_REFRESH_AHEAD": "59",
    "AUTH0_JWKS_TIMEOUT": "30",
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": "cache",
}
ASGI = "from a2wsgi import WSGIMiddleware\nfrom fleet_app import app as wsgi\napp = WSGIMiddleware(wsgi)\n"
#: How long a server may take to stop, although a fetch hangs: less than the fetch may.
STOPPED_SECONDS = 15


class Server(NamedTuple):
    """A server, as the page has it.

    Attributes:
        command: what the page says; the app is ``fleet_app:app``, and ``asgi_app:app`` through a2wsgi.
        address: the options for an address, with ``{port}``.
        workers: the number of its processes.
        reload: what makes it replace its processes, if it can.
    """

    command: str
    address: str
    workers: int = 2
    reload: signal.Signals | None = signal.SIGHUP


GUNICORN = "--bind 127.0.0.1:{port} --log-level warning"
UWSGI = "uwsgi --module fleet_app:app --master --processes 2 --die-on-term"

SERVERS = {
    "gunicorn sync": Server("gunicorn fleet_app:app --workers 2", GUNICORN),
    "gunicorn gthread": Server("gunicorn fleet_app:app --workers 2 --threads 8", GUNICORN),
    "gunicorn gthread, preloaded": Server("gunicorn fleet_app:app --workers 2 --threads 8 --preload", GUNICORN),
    "gunicorn gevent": Server("gunicorn fleet_app:app --workers 2 --worker-class gevent", GUNICORN),
    "uWSGI": Server(f"{UWSGI} --threads 8", "--http11-socket 127.0.0.1:{port}"),
    "uWSGI, lazy": Server(f"{UWSGI} --enable-threads --lazy-apps", "--http11-socket 127.0.0.1:{port}"),
    "waitress": Server("waitress-serve --threads 8 fleet_app:app", "--listen 127.0.0.1:{port}", 1, None),
    "hypercorn": Server("hypercorn --workers 2 wsgi:fleet_app:app", "--bind 127.0.0.1:{port}", 2, None),
    "uvicorn": Server("uvicorn --workers 2 asgi_app:app", "--port {port}"),
    "granian": Server("granian --interface wsgi --workers 2 --blocking-threads 8 fleet_app:app", "--port {port}"),
}


@contextmanager
def served(server: Server, directory: Path, settings: dict[str, str]) -> Iterator[tuple[Workers, Process]]:
    """Run *server* in *directory*, and give its workers once all of them answer."""
    shutil.copy(APP, directory / "fleet_app.py")
    (directory / "asgi_app.py").write_text(ASGI)
    with create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    program, *options = server.command.split()
    path = Path(sys.executable).with_name(program)
    command = [str(path), *server.address.format(port=port).split(), *options]
    # Waitress and others don't look for the app where they are started.
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    environment["PYTHONPATH"] = f"{directory}:{TESTED_PACKAGE['PYTHONPATH']}"
    log = directory / "log"
    with log.open("w") as file:
        options = {"cwd": directory, "env": {**environment, **settings}, "stderr": file, "stdout": file}
        with running(command, **options) as process:
            workers = Workers(f"http://127.0.0.1:{port}", log, server.workers)
            eventually(lambda: _is_up(workers, process))
            workers.ask_every_worker(None, "/auth/health/live")
            yield workers, process


def _is_up(workers: Workers, process: Process) -> bool:
    assert process.poll() is None, workers.log()
    with suppress(OSError):
        return workers.ask(None, "/auth/health/live").status == 200
    return False


class Hang:
    """Lets the key set hang until the end of the test, and tells when it has been asked."""

    def __init__(self, server: KeySetServer) -> None:
        self._server = server
        self._fetches = server.fetches
        self.go_on = Event()
        server.behave = self._hang

    def _hang(self, connection: socket) -> None:
        self.go_on.wait(3 * TIMEOUT_SECONDS)
        self._server.publish(connection)

    @property
    def has_begun(self) -> bool:
        return self._server.fetches > self._fetches


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_the_whole_life_of_a_server(key_set_server: KeySetServer, tmp_path: Path, server: Server) -> None:
    """Good and bad tokens; a refresh that hangs behind them; a new key; new workers; and the end during a fetch."""
    token = key_set_server.issuer.token()
    with served(server, tmp_path, {**key_set_server.settings, **SETTINGS}) as (workers, process):
        assert workers.ask_every_worker(token).are_all_ok, workers.log()
        assert workers.ask_every_worker(f"{token[:-8]}AAAAAAAA").statuses.keys() == {401}
        # Of all processes one asks, behind the requests, and nobody waits for it.
        refresh = Hang(key_set_server)
        eventually(lambda: workers.ask(token).status == 200 and refresh.has_begun)
        answers = workers.ask_every_worker(token)
        assert answers.are_all_ok
        assert answers.slowest < 2.5
        # It ends without a request that would wake anybody up.
        key_set_server.behave = key_set_server.publish
        written = _written(tmp_path)
        refresh.go_on.set()
        eventually(lambda: _written(tmp_path) != written)

        assert workers.ask_every_worker(key_set_server.rotate()).are_all_ok, workers.log()
        if server.reload is not None:
            _reload(server, workers, process, token)
        last = Hang(key_set_server)
        eventually(lambda: workers.ask(token).status == 200 and last.has_begun)
        began = time.monotonic()
        process.terminate()
        process.wait(STOPPED_SECONDS)
        print(f"\nstopped after {time.monotonic() - began:.1f} s")
        last.go_on.set()


def _written(directory: Path) -> dict[str, int]:
    """Return when each entry of the shared cache was written."""
    return {path.name: path.stat().st_mtime_ns for path in (directory / "cache-auth0_blueprint").glob("*[!3]")}


def _reload(server: Server, workers: Workers, process: Process, token: str) -> None:
    """Have all workers replaced, and see each request answered meanwhile."""
    before = set(workers.ask_every_worker(token).by_worker)
    process.send_signal(server.reload or 0)

    def are_all_replaced() -> bool:
        answers = Answers([workers.ask(token) for _ in range(16)])  # each over a new connection
        assert answers.are_all_ok
        return before.isdisjoint(answers.by_worker)

    eventually(are_all_replaced)
    assert workers.ask_every_worker(token).are_all_ok
