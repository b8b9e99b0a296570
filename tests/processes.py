"""Programs in processes of their own, gunicorn above all, and what a test needs to talk with them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

import auth0_blueprint

TIMEOUT_SECONDS = 10.0

#: Lets a program import the package that is imported here.
TESTED_PACKAGE = {"PYTHONPATH": str(Path(auth0_blueprint.__file__).parents[1])}

Process = subprocess.Popen[str]


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[Process]:
    """Run *command* in a process group of its own, and end the whole group afterwards."""
    options = {"stdout": subprocess.PIPE, **options}
    with subprocess.Popen(command, text=True, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(TIMEOUT_SECONDS)
            with suppress(ProcessLookupError):  # nothing is left of it
                os.killpg(process.pid, signal.SIGKILL)


def completed(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end; what it says and its exit status are for the caller to check."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **{"timeout": 120, **options})


@contextmanager
def gunicorn(
    app: str,
    directory: Path,
    environment: Mapping[str, str],
    *arguments: str,
    sockets: tuple[socket.socket, ...] = (),
    **options: Any,
) -> Iterator[tuple[str, Process]]:
    """Run *app*, a module in *directory*, and give its URL. Its settings come from *environment* only.

    It listens on *sockets*, too.
    """
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **TESTED_PACKAGE, **environment}
    # The socket is ours until gunicorn has it: its port cannot be taken, and early requests wait instead of failing.
    with ExitStack() as ours, ExitStack() as theirs:
        listener = ours.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        descriptors = [listener.fileno(), *(other.fileno() for other in sockets)]
        bind = [word for descriptor in descriptors for word in ("--bind", f"fd://{descriptor}")]
        command = [sys.executable, "-m", "gunicorn", app, *bind, "--log-level", "warning", *arguments]
        options = {"cwd": directory, "env": environment, "pass_fds": descriptors, **options}
        process = theirs.enter_context(running(command, **options))
        port = listener.getsockname()[1]
        ours.close()
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def uwsgi(app: str, directory: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[str]:
    """Run *app*, as `gunicorn` does, under uWSGI, and give its URL."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **TESTED_PACKAGE, **environment}
    with ExitStack() as ours, ExitStack() as theirs:
        listener = ours.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        command = [str(Path(sys.executable).with_name("uwsgi")), "--http-socket", f"fd://{listener.fileno()}"]
        command += ["--module", app, "--need-app", "--master", "--die-on-term", "--disable-logging", *arguments]
        options = {"cwd": directory, "env": environment, "stderr": subprocess.DEVNULL}
        theirs.enter_context(running(command, pass_fds=(listener.fileno(),), **options))
        port = listener.getsockname()[1]
        ours.close()
        yield f"http://127.0.0.1:{port}"


def eventually(is_so: Callable[[], bool], seconds: float = 15.0) -> None:
    """Return as soon as *is_so*; fail when it has not become so in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, "this did not become so in time"
        pause.wait(0.05)


def http(method: str, url: str, **options: Any) -> requests.Response:
    """Ask once, without a proxy: an environment's makes no sense on loopback."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=TIMEOUT_SECONDS, **options)
