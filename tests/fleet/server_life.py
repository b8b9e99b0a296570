"""The life of one server: it fetches keys, refreshes them behind requests, reloads, and stops while a fetch hangs."""

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

from documents import ROOT, python_blocks
from processes import TESTED_PACKAGE, TIMEOUT_SECONDS, Process, eventually, running

from .servers import APP, COOLDOWN, SECRET, Answers, KeySetServer, Workers

#: Keys are due after a second, current for a minute, and a fetch may hang for longer than any of these tests takes.
SETTINGS = {
    **COOLDOWN,
    "AUTH0_CACHE_SECRET": SECRET,
    "AUTH0_JWKS_TTL": "60",
    "AUTH0_JWKS_REFRESH_AHEAD": "59",
    "AUTH0_JWKS_TIMEOUT": "30",
    "CACHE_TYPE": "FileSystemCache",
}
PAGE = ROOT / "docs" / "how-to" / "servers.md"
_, ASGI = (block.code.replace("from wsgi import", "from fleet_app import") for block in python_blocks(PAGE))
#: How long a server may take to stop, although a fetch hangs: less than the fetch may.
STOPPED_SECONDS = 20


class Server(NamedTuple):
    """A server, as the page has it.

    Attributes:
        command: its program and options. The app is ``fleet_app:app``; ``asgi_app:app`` is that through a2wsgi.
        address: the options for an address, with ``{port}``.
        workers: the number of its processes.
        reload: what makes it replace its processes, if it can: a signal, or a file that is touched.
        drops: whether a reload may close a new connection without a response.
    """

    command: str
    address: str
    workers: int = 2
    reload: signal.Signals | str | None = signal.SIGHUP
    drops: bool = False


@contextmanager
def served(server: Server, directory: Path, settings: dict[str, str]) -> Iterator[tuple[Workers, Process]]:
    """Run *server* in *directory*, and give its workers once all of them answer."""
    shutil.copy(APP, directory / "fleet_app.py")
    (directory / "asgi_app.py").write_text(ASGI)
    with create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    command = f"{server.command} {server.address}".format(python=sys.executable, port=port, directory=directory).split()
    beside = Path(sys.executable).parent
    environment = {"PATH": f"{beside}:{os.environ['PATH']}:/usr/sbin", "HOME": str(directory)}
    # Not all look for the app where they are started.
    environment["PYTHONPATH"] = f"{directory}:{TESTED_PACKAGE['PYTHONPATH']}"
    environment = {**environment, **SETTINGS, "CACHE_DIR": str(directory / "cache"), "PORT": str(port), **settings}
    log = directory / "log"
    with (
        log.open("w") as file,
        running(command, cwd=directory, env=environment, stdout=file, stderr=file) as process,
    ):
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
    """Lets the key set hang from now on, and tells when it has been asked."""

    def __init__(self, server: KeySetServer) -> None:
        self._server = server
        self._fetches = server.fetches
        self._go_on = Event()
        server.behave = self._hang

    def _hang(self, connection: socket) -> None:
        self._go_on.wait(3 * TIMEOUT_SECONDS)
        self._server.publish(connection)

    @property
    def has_begun(self) -> bool:
        """Whether a fetch waits."""
        return self._server.fetches > self._fetches

    def end(self) -> None:
        """Answer whoever waits, and from now on at once."""
        self._server.behave = self._server.publish
        self._go_on.set()


def live(server: Server, key_set: KeySetServer, directory: Path) -> None:
    """See good and bad tokens, a refresh that hangs behind them, a new key, new workers, and the end during a fetch."""
    token = key_set.issuer.token()
    with served(server, directory, key_set.settings) as (workers, process):
        assert workers.ask_every_worker(token).are_all_ok, workers.log()
        assert workers.ask_every_worker(f"{token[:-8]}AAAAAAAA").statuses.keys() == {401}
        long = key_set.issuer.token(filler="x" * 5400)
        assert len(long) > 7500
        assert workers.ask(long).status == 200

        refresh = begun_refresh(key_set, workers, token)
        answers = workers.ask_every_worker(token)
        assert answers.are_all_ok
        assert answers.slowest < 2.5  # the fetch takes longer
        before = refreshes(workers)
        refresh.end()
        eventually(lambda: refreshes(workers) > before)  # without a request that would wake anybody up

        assert workers.ask_every_worker(key_set.rotate()).are_all_ok, workers.log()
        if server.reload is not None:
            _reload(server, workers, process)
            assert workers.ask_every_worker(token).are_all_ok, workers.log()
        last = begun_refresh(key_set, workers, token)
        process.terminate()
        began = time.monotonic()
        process.wait(STOPPED_SECONDS)
        assert time.monotonic() - began < STOPPED_SECONDS
        last.end()


def begun_refresh(key_set: KeySetServer, workers: Workers, token: str) -> Hang:
    """Have one of *workers* refresh the keys in the background, which hangs."""
    hang = Hang(key_set)
    eventually(lambda: workers.ask(token).status == 200 and hang.has_begun)
    return hang


def refreshes(workers: Workers) -> int:
    """Return how often one of *workers* has got keys, and done all that follows."""
    return workers.log().count(" fleet INFO refreshed\n")


def _reload(server: Server, workers: Workers, process: Process) -> None:
    """Have all workers replaced, and see each request answered meanwhile."""
    before = set(Answers([workers.ask(None, "/auth/health/live") for _ in range(32)]).by_worker)
    if isinstance(server.reload, str):
        os.utime(server.reload)
    elif server.reload is not None:
        process.send_signal(server.reload)
    dropped: tuple[type[OSError], ...] = (ConnectionError,) if server.drops else ()

    def are_all_replaced() -> bool:
        answers = Answers()
        for _ in range(16):  # each on a new connection
            with suppress(*dropped):
                answers.all.append(workers.ask(None, "/auth/health/live"))
        assert answers.are_all_ok
        # One that is still about to end may take a request.
        return before.isdisjoint(answers.by_worker) and not any(map(_is_running, before))

    eventually(are_all_replaced)


def _is_running(worker: str) -> bool:
    with suppress(ProcessLookupError):
        os.kill(int(worker), 0)
        return True
    return False
