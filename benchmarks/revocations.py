"""What very many revocations cost: to make, to learn, to keep, and in each request.

One process makes them, through the package, on a real Redis; another one starts afterwards and learns them all. Run it
from the root of the checkout, on a machine that does nothing else: ``python benchmarks/revocations.py [number]``.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from flask import Flask  # noqa: E402
from fleet.redis_server import RedisServer, redis_server_program  # noqa: E402

from auth0_blueprint import Auth0Blueprint, verify_token  # noqa: E402
from auth0_blueprint.guards.authentication import AppState  # noqa: E402
from auth0_blueprint.testing import LocalIssuer  # noqa: E402

GIVE_UP_SECONDS = 120
ROUNDS, REQUESTS = 15, 200


def make_app(settings: dict[str, Any]) -> Flask:
    """Make one process's app."""
    app = Flask("measured", static_folder=None)
    app.config.update(settings)
    app.register_blueprint(Auth0Blueprint())
    return app


def state_of(app: Flask) -> AppState:
    """Return what the blueprint keeps of *app*."""
    state: AppState = app.extensions["auth0"]
    return state


def known(app: Flask) -> int:
    """Return how many revocations *app* knows."""
    revocations = state_of(app).revocations
    return 0 if revocations is None else revocations.status().known


def resident_bytes() -> int:
    """Return how much memory this process holds right now."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def make_revocations(settings: dict[str, Any], number: int) -> tuple[float, int]:
    """Make them, one by one; return the seconds, and by how much this process has grown."""
    app = make_app(settings)
    revocations = state_of(app).revocations
    if revocations is None:
        raise RuntimeError("revocation is off")
    state_of(app).fleet_sync.sync_now()
    before, started = resident_bytes(), time.perf_counter()
    for user in range(number):
        revocations.revoke("subject", subject(user), None)
    return time.perf_counter() - started, resident_bytes() - before


def learn_revocations(settings: dict[str, Any], number: int, token: str) -> tuple[float, int, float, float]:
    """Start, and learn them all.

    Returns:
        The seconds, by how much this process has grown, and how long verifying *token* takes with none and with all.
    """
    without = make_app({**settings, "AUTH0_CACHE_SECRET": "of another fleet"})
    seconds_to_verify(without, token)  # all modules are imported, and Redis was spoken to
    app = make_app(settings)
    before, started = resident_bytes(), time.perf_counter()
    while known(app) < number and time.perf_counter() - started < GIVE_UP_SECONDS:
        state_of(app).fleet_sync.sync_if_due()
    seconds, grown = time.perf_counter() - started, resident_bytes() - before
    if known(app) != number:
        raise RuntimeError(f"{number - known(app)} of {number} revocations were lost")
    rounds = [(seconds_to_verify(without, token), seconds_to_verify(app, token)) for _ in range(ROUNDS)]
    none, all_of_them = zip(*rounds, strict=True)
    return seconds, grown, statistics.median(none), statistics.median(all_of_them)


def seconds_to_verify(app: Flask, token: str) -> float:
    """Return what verifying *token* takes on average."""
    with app.app_context():
        verify_token(token)
        started = time.perf_counter()
        for _ in range(REQUESTS):
            verify_token(token)
        return (time.perf_counter() - started) / REQUESTS


def subject(user: int) -> str:
    """Return a user's name, as long as Auth0's."""
    return f"auth0|{user:024x}"


def main(number: int) -> None:
    """Measure, and print."""
    program = redis_server_program()
    if program is None:
        sys.exit("this needs a redis-server")
    with (
        tempfile.TemporaryDirectory() as directory,
        RedisServer(program, Path(directory)) as redis,
        LocalIssuer() as issuer,
    ):
        settings = {**issuer.settings, **redis.settings, "AUTH0_CACHE_SECRET": "shared by the fleet"}
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
            before = redis.client.info("memory")["used_memory"]
            writing, writer = processes.submit(make_revocations, settings, number).result()
            stored = redis.client.info("memory")["used_memory"] - before
            learning, learner, without, with_all = processes.submit(
                learn_revocations, settings, number, issuer.token()
            ).result()
    print(f"{number} revocations, none lost")
    print(f"made in {writing:.1f} s ({writing / number * 1e3:.2f} ms each)")
    print(f"learnt by a process that starts afterwards in {learning:.2f} s")
    print(f"Redis: {stored / 2**20:.1f} MiB ({stored / number:.0f} bytes each)")
    print(f"a process: {learner / 2**20:.1f} MiB ({learner / number:.0f} bytes each)", end="; ")
    print(f"the one that made them: {writer / 2**20:.1f} MiB ({writer / number:.0f} bytes each)")
    print(f"verifying a token: {without * 1e6:.0f} us with none, {with_all * 1e6:.0f} us with all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
