"""What very many revocations cost: to store, to load, to keep, to change, and to write back after a loss.

Measured on a real Redis, in processes of their own; with the path of an earlier checkout, whose ``.venv`` is used, both
in turn, and as ratios. From the root of the checkout, on a machine that does nothing else:
``python -m benchmarks.revocations [--number 100000] [--against CHECKOUT]``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WRITTEN_BACK, FEW, CHANGES, SYNCS = 20_000, 10, 40, 200
GIVE_UP_SECONDS = 600


def main() -> None:
    """Measure this checkout, and another beside it; print both and their ratios."""
    parser = argparse.ArgumentParser(description="What very many revocations cost.")
    parser.add_argument("--number", type=int, default=100_000)
    parser.add_argument("--against", type=Path, help="an earlier checkout, with a .venv")
    arguments = parser.parse_args()
    trees = [tree for tree in (arguments.against, ROOT) if tree is not None]
    rows = [measured(tree.resolve(), arguments.number) for tree in trees]
    print(f"{arguments.number:,} revocations{', before and now' if len(rows) == 2 else ''}:")
    for name in rows[-1]:
        values = [row[name] for row in rows]
        ratio = f"  {values[1] / values[0]:.3f} of before" if len(rows) == 2 and values[0] else ""
        print(f"  {name:<52}" + "".join(f"{value:>14,.4g}" for value in values) + ratio)


def measured(tree: Path, number: int) -> dict[str, float]:
    """Return the figures of *tree*, each step in a process of its own, on one Redis."""
    figures: dict[str, float] = {}
    sys.path.insert(0, str(ROOT / "tests"))
    from fleet.redis_server import RedisServer, redis_server_program

    program = redis_server_program()
    if program is None:
        sys.exit("this needs a redis-server")
    with tempfile.TemporaryDirectory() as directory, RedisServer(program, Path(directory)) as redis:
        for step in ("few", "fill", "load", "write_back"):
            if step == "write_back":
                redis.client.flushall()
            before = redis.client.info("memory")["used_memory"]
            python = sys.executable if tree == ROOT else str(tree / ".venv/bin/python")
            command = [python, __file__, "--step", step, str(number), redis.url]
            environ = {**os.environ, "PYTHONPATH": str(tree)}
            done = subprocess.run(command, env=environ, cwd=tree, check=True, capture_output=True, text=True)
            figures |= json.loads(done.stdout.splitlines()[-1])
            if step == "fill":
                figures["Redis: bytes each"] = (redis.client.info("memory")["used_memory"] - before) / number
                figures["Redis: keys"] = redis.client.dbsize()
    return figures


class _Process:
    """One app, by the names that it has in this checkout or in an earlier one."""

    def __init__(self, url: str) -> None:
        from flask import Flask

        from auth0_blueprint import Auth0Blueprint

        app = Flask("measured", static_folder=None)
        app.config.update(
            AUTH0_DOMAIN="tenant.example",
            AUTH0_AUDIENCE="https://api.example.com",
            CACHE_TYPE="RedisCache",
            CACHE_REDIS_URL=url,
            AUTH0_CACHE_SECRET="shared by the fleet, and long enough",
        )
        app.register_blueprint(Auth0Blueprint())
        self._state: Any = app.extensions["auth0"]
        self.sync = getattr(self._state, "fleet_sync", None) or self._state.board
        self.sync_now = getattr(self.sync, "sync_now", None) or self.sync.look_now

    @property
    def known(self) -> int:
        return int(self._state.revocations.status().known)

    def revoke(self, number: int) -> float:
        started = time.perf_counter()
        self._state.revocations.revoke("subject", f"auth0|{number:024x}", None)
        return time.perf_counter() - started

    def sync_until(self, known: int) -> float:
        started = time.perf_counter()
        while self.known < known:
            self.sync_now()
            if time.perf_counter() - started > GIVE_UP_SECONDS:
                sys.exit(f"{known - self.known} revocations did not arrive")
        return time.perf_counter() - started


def _few(_number: int, url: str) -> dict[str, float]:
    process = _Process(url)
    return {f"a change with {FEW} known, ms": _changes(process, FEW)}


def _fill(number: int, url: str) -> dict[str, float]:
    process = _Process(url)
    process.sync_now()
    started = time.perf_counter()
    for one in range(1000, 1000 + number):
        process.revoke(one)
    seconds = time.perf_counter() - started
    return {"made one by one, ms each": seconds / number * 1e3, "a change with all known, ms": _changes(process, 0)}


def _load(number: int, url: str) -> dict[str, float]:
    _Process(url.replace("/0", "/1")).sync_now()  # all modules are imported, and Redis was spoken to
    process = _Process(url)
    gc.collect()
    before = _resident_bytes()
    seconds = process.sync_until(number)
    gc.collect()
    grown = _resident_bytes() - before
    syncs = []
    for _ in range(SYNCS):
        started = time.perf_counter()
        process.sync_now()
        syncs.append(time.perf_counter() - started)
    return {
        "a new process has all, s": seconds,
        "memory of a process, bytes each": grown / number,
        "a sync without news, ms": statistics.median(syncs) * 1e3,
    }


def _write_back(number: int, url: str) -> dict[str, float]:
    import redis

    number = min(number, WRITTEN_BACK)
    process = _Process(url)
    process.sync_now()
    for one in range(number):
        process.revoke(one)
    redis.from_url(url).flushall()
    started = time.perf_counter()
    process.sync_now()
    while any(thread.name.startswith("auth0-") for thread in threading.enumerate()):
        time.sleep(0.001)
    seconds = time.perf_counter() - started
    _Process(url).sync_until(number)
    return {f"{number:,} written back into an empty Redis, s": seconds}


def _changes(process: _Process, begin: int) -> float:
    return statistics.median(process.revoke(10_000_000 + begin + one) for one in range(CHANGES)) * 1e3


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step = {"few": _few, "fill": _fill, "load": _load, "write_back": _write_back}[sys.argv[2]]
        print(json.dumps(step(int(sys.argv[3]), sys.argv[4])))
    else:
        main()
