"""What a guard costs a server: gunicorn with 2 processes, asked for the view over connections that stay open.

The workers are ``gthread`` ones. Sync workers close each connection after its answer, which would measure how
connections are made. The client is another process; it asks again as soon as it has been answered. Run it by
``make bench``, or by ``python -m benchmarks.server``. docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from processes import gunicorn, http

from auth0_blueprint.testing import LocalIssuer
from benchmarks.guarded_apps import OURS, PATH, PEERS, SERVED, Minter, Tenant, bearer, missing_peers
from benchmarks.reporting import Target, print_machine, print_table, verdict

WORKERS, THREADS = 2, 4
ROUNDS, SECONDS = 10, 2.0
MAX_WAIT_SECONDS = 15
QUICK_ROUNDS, QUICK_SECONDS = 2, 0.5

COLUMNS = (
    "guard",
    "requests/s",
    "over the open view",
    "p50",
    "p99",
    "workers' time for a request",
    "over the open view",
)
OPEN_VIEW = "none: the open view"
GUARDS = (OURS, *PEERS)
LEAST_SHARE = 0.9

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Round(NamedTuple):
    """How a server did for a while.

    Attributes:
        rate: requests answered in a second.
        p50: seconds within which half of them were answered.
        p99: seconds within which 99 % of them were answered.
        worker_seconds: processor time that its workers took for a request.
    """

    rate: float
    p50: float
    p99: float
    worker_seconds: float


class Client:
    """Asks over one connection, which stays open.

    Attributes:
        connection: the socket.
        body: of the last answer.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.connection = socket.create_connection((address.hostname, address.port), timeout=10)
        self.body = b""
        self._received = b""
        self._asked_at = 0.0

    def ask(self, request: bytes) -> None:
        """Send *request*."""
        self._received = b""
        self._asked_at = time.perf_counter()
        self.connection.sendall(request)

    def receive(self) -> float | None:
        """Take what has come; return how long the answer took, once it is whole."""
        received = self.connection.recv(65536)
        self._received += received
        head, separator, self.body = self._received.partition(b"\r\n\r\n")
        if received and not separator:
            return None
        length = _LENGTH.search(head + b"\r\n")
        if not received or not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(f"not the answer to a good token: {self._received!r}")
        return time.perf_counter() - self._asked_at if len(self.body) == int(length[1]) else None

    def answer(self, request: bytes) -> bytes:
        """Send *request*, wait for the answer, and return its body."""
        self.ask(request)
        while self.receive() is None:
            pass
        return self.body


def requests_for(seconds: float, url: str, token: str) -> Round:
    """Ask the server at *url* for the view for so many *seconds*. Runs in a process of its own."""
    request = _request(PATH, token)
    latencies: list[float] = []
    clients_of = _clients_by_worker(url)
    clients = [client for share in clients_of.values() for client in share]
    with ExitStack() as stack, DefaultSelector() as ready:
        for client in clients:
            ready.register(stack.enter_context(client.connection), EVENT_READ, client)
        busy, started = _processor_seconds(clients_of), time.perf_counter()
        for client in clients:
            client.ask(request)
        while time.perf_counter() - started < seconds:
            for key, _events in ready.select(timeout=10):
                latency = key.data.receive()
                if latency is not None:
                    latencies.append(latency)
                    key.data.ask(request)
        passed, busy = time.perf_counter() - started, _processor_seconds(clients_of) - busy
    quantiles = statistics.quantiles(latencies, n=100)
    return Round(len(latencies) / passed, quantiles[49], quantiles[98], busy / len(latencies))


def _clients_by_worker(url: str) -> dict[int, list[Client]]:
    """Open connections, as many to each worker: who accepts one is up to chance, which would decide the rate."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        clients_of: defaultdict[int, list[Client]] = defaultdict(list)
        # Many at once: one after the other, the same worker may take them all.
        for client in [Client(url) for _ in range(4 * WORKERS * THREADS)]:
            clients_of[int(client.answer(_request("/worker")))].append(client)
        are_enough = len(clients_of) == WORKERS and all(len(clients) >= THREADS for clients in clients_of.values())
        for clients in clients_of.values():
            while len(clients) > (THREADS if are_enough else 0):
                clients.pop().connection.close()
        if are_enough:
            return clients_of
    raise RuntimeError("not every worker accepts connections")


def _request(path: str, token: str | None = None) -> bytes:
    authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{authorization}\r\n".encode()


def _processor_seconds(processes: Iterable[int]) -> float:
    """Return how much processor time *processes* have taken since they started."""
    ticks = 0
    for process in processes:
        # proc(5): after the name, which is in parentheses, come the fields from the third one on.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def serve(name: str, tenant: Tenant, directory: Path, stack: ExitStack) -> str:
    """Start gunicorn with the app of that *name*; return its URL."""
    options = ("--workers", str(WORKERS), "--worker-class", "gthread", "--threads", str(THREADS), "--keep-alive", "60")
    environment = {SERVED: json.dumps([name, *tenant])}
    url: str
    url, _ = stack.enter_context(gunicorn("benchmarks.guarded_apps:served()", directory, environment, *options))
    return url


def status_at(url: str, token: str | None) -> int:
    """Return how the view there is answered."""
    status: int = http("GET", url + PATH, headers=bearer(token)).status_code
    return status


def measure(rounds: int, seconds: float) -> dict[str, list[Round]]:
    """Let the servers take turns, each time in another order."""
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalIssuer() as issuer,
        ProcessPoolExecutor(1, get_context("spawn")) as load,
        ExitStack() as stack,
    ):
        minter, urls = Minter(issuer), {}
        for name in (OPEN_VIEW, *(guard.name for guard in GUARDS if guard.is_installed)):
            urls[name] = serve(name, Tenant.of(issuer), Path(directory), stack)
        for guard in GUARDS:
            if guard.is_installed:
                guard.check(partial(status_at, urls[guard.name]), minter)

        def measured(name: str, seconds: float) -> Round:
            return load.submit(requests_for, seconds, urls[name], minter.token()).result()

        for name in urls:
            measured(name, QUICK_SECONDS)  # warms up
        results: dict[str, list[Round]] = {name: [] for name in urls}
        for number in range(rounds):
            shift = number % len(urls)
            for name in (*list(urls)[shift:], *list(urls)[:shift]):
                results[name].append(measured(name, seconds))
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a server in a round (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few short rounds, to see that it works")
    options = parser.parse_args(arguments)
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if options.quick else (options.rounds, options.seconds)
    results = measure(rounds, seconds)
    print_machine(
        f"gunicorn, {WORKERS} processes with {THREADS} threads each, {WORKERS * THREADS} clients: "
        f"{rounds} rounds of {seconds:g} s; medians"
    )
    print_table(COLUMNS, [_row(name, own, results[OPEN_VIEW]) for name, own in results.items()])
    share = statistics.median(_ratios("rate", results[OURS.name], results[OPEN_VIEW]))
    return verdict(
        [Target(f"{OURS.name}, requests over those of the open view", share, LEAST_SHARE, is_least=True)],
        missing_peers(),
    )


def _row(name: str, own: Sequence[Round], base: Sequence[Round]) -> tuple[str, ...]:
    return (
        name,
        f"{statistics.median(one.rate for one in own):,.0f}",
        f"{statistics.median(_ratios('rate', own, base)):.2f}",
        f"{statistics.median(one.p50 for one in own) * 1e3:.2f} ms",
        f"{statistics.median(one.p99 for one in own) * 1e3:.2f} ms",
        f"{statistics.median(one.worker_seconds for one in own) * 1e6:.0f} us",
        f"{statistics.median(_ratios('worker_seconds', own, base)):.2f}",
    )


def _ratios(figure: str, own: Sequence[Round], base: Sequence[Round]) -> list[float]:
    return [getattr(one, figure) / getattr(other, figure) for one, other in zip(own, base, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
