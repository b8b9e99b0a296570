"""How long requests with known keys take while somebody floods the fleet, and while its issuer hangs.

gunicorn with 4 processes and 8 threads each, a real Redis, key sets over HTTP on loopback. Rounds with and without the
trouble take turns, under the same number of clients. Run it from the root of the checkout, on a machine that does
nothing else: ``python benchmarks/fleet_requests.py [rounds]``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from socket import socket
from threading import Event

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from fleet.redis_server import RedisServer, redis_server_program  # noqa: E402
from fleet.servers import Answers, KeySetServer, Workers, forged_tokens, workers  # noqa: E402

from auth0_blueprint.testing import LocalIssuer  # noqa: E402

SECONDS = 4
CLIENTS = 8


def for_a_while(tokens: Iterator[str]) -> Iterator[str]:
    """Give *tokens* until the round is over."""
    end = time.monotonic() + SECONDS
    for token in tokens:
        if time.monotonic() > end:
            return
        yield token


def flood(fleet: Workers, key_set_server: KeySetServer, *, is_on: bool) -> Answers:
    """Send good tokens; before each one a token with a random key id, or else the good one once more."""
    good = key_set_server.issuer.token()
    others = forged_tokens(key_set_server.issuer) if is_on else cycle([good])
    answers = fleet.load(for_a_while(token for other in others for token in (other, good)), clients=CLIENTS)
    return answers.with_token(good)


def hang(fleet: Workers, key_set_server: KeySetServer, *, is_on: bool) -> Answers:
    """Send good tokens while keys are due once a second, and the issuer answers at once, or only at the end."""
    token, has_answered = key_set_server.issuer.token(), Event()

    def answer(connection: socket) -> None:
        key_set_server.publish_after(SECONDS)(connection)
        has_answered.set()

    if not is_on:
        return fleet.load(for_a_while(cycle([token])), clients=CLIENTS)
    before = key_set_server.fetches
    key_set_server.behave = answer
    fleet.load_while(lambda: key_set_server.fetches == before, token, clients=CLIENTS)
    answers = fleet.load_while(lambda: not has_answered.is_set(), token, clients=CLIENTS)
    key_set_server.behave = key_set_server.publish
    return answers


def flood_and_hang(fleet: Workers, key_set_server: KeySetServer, *, is_on: bool) -> Answers:
    """Send good tokens while others send as fast as they can: random key ids while the issuer hangs, or good tokens."""
    good = key_set_server.issuer.token()
    others = forged_tokens(key_set_server.issuer) if is_on else cycle([good])
    key_set_server.behave = key_set_server.publish_after(SECONDS) if is_on else key_set_server.publish
    with ThreadPoolExecutor(1) as background:
        flood = background.submit(fleet.load, for_a_while(others), clients=2 * CLIENTS)
        answers = fleet.load_while(lambda: not flood.done(), good, clients=CLIENTS)
    key_set_server.behave = key_set_server.publish
    return answers


def compare(what: str, run: Callable[..., Answers], rounds: int, settings: dict[str, str]) -> bool:
    """Print p99 and the slowest, with and without; tell whether they keep to what is promised."""
    program = redis_server_program()
    if program is None:
        sys.exit("this needs a redis-server")
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalIssuer() as issuer,
        KeySetServer(issuer) as key_set_server,
        RedisServer(program, Path(directory)) as redis,
        workers(Path(directory), {**key_set_server.settings, **redis.settings, **settings}) as fleet,
    ):
        fleet.ask_every_worker(issuer.token())
        without, during = Answers(), Answers()
        for _ in range(rounds):
            without.all += run(fleet, key_set_server, is_on=False).all
            during.all += run(fleet, key_set_server, is_on=True).all
        fetches = key_set_server.fetches
    calm, troubled = without.quantile(0.99), during.quantile(0.99)
    keeps = troubled <= max(1.5 * calm, calm + 0.05) and during.slowest < 1 and set(during.statuses) == {200}
    print(
        f"{what}: p99 {calm * 1000:.1f} ms without, {troubled * 1000:.1f} ms during, ratio {troubled / calm:.2f}; "
        f"slowest {without.slowest * 1000:.0f} and {during.slowest * 1000:.0f} ms; "
        f"{len(without.all)} and {len(during.all)} requests, answered {dict(during.statuses)}; {fetches} fetches: "
        f"{'kept' if keeps else 'NOT KEPT'}"
    )
    return keeps


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = [
        compare("random key ids", flood, number, {}),
        compare(
            "random key ids while the issuer hangs, half of the threads may wait",
            flood_and_hang,
            number,
            {"AUTH0_JWKS_MAX_WAITING": "4", "AUTH0_JWKS_COOLDOWN": "3"},
        ),
        compare("a refresh that hangs", hang, number, {"AUTH0_JWKS_TTL": "60", "AUTH0_JWKS_REFRESH_AHEAD": "59"}),
    ]
    sys.exit(0 if all(results) else 1)
