"""Revocations under load while Redis misbehaves, for as long as you like: four real workers, one of them with gevent.

Redis restarts from older snapshots, loses everything, pauses, refuses writes, and fails over to a lagging replica
behind one address; a worker is replaced now and then. Meanwhile tokens are revoked and asked with. What must never
happen is counted: a revoked token admitted more than the allowed time after both the revocation and the end of the
trouble, or admitted by a worker that has refused it. Run it by ``python -m benchmarks.soak --minutes 30``; the exit
status is 1 if anything of that happened, or if memory, threads or descriptors of a worker grew without end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fleet.members import ADMIN, REVOCATIONS
from fleet.proxy import Proxy
from fleet.redis_server import RedisServer, needed_redis_server
from fleet.servers import SECRET, Answer, KeySetServer, Workers, workers
from fleet.servers import _client as client_of
from processes import http

from auth0_blueprint.testing import LocalIssuer
from benchmarks.reporting import Target, print_machine, print_table, verdict

INTERVAL_SECONDS = 2.0
#: An interval for whoever restores what was lost, one for the others, and the pause of a store after a failure.
ALLOWED_SECONDS = 2 * INTERVAL_SECONDS + 2.0
TROUBLE_EVERY_SECONDS, TROUBLE_SECONDS = 20.0, 5.0
CLIENTS, PAUSE_SECONDS, WARM_UP_SECONDS = 4, 0.2, 60.0


class Resources(NamedTuple):
    """What one worker holds."""

    rss_mib: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: str) -> Resources:
        """Read them from ``/proc``."""
        process = Path("/proc", pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return cls(
            int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(list((process / "fd").iterdir()))
        )


class Revoked(NamedTuple):
    """A token that an admin was told is revoked in the whole fleet, and when."""

    token: str
    at: float


class Witness:
    """What was answered, and what must not have been."""

    def __init__(self) -> None:
        self.well_since = time.monotonic()
        self.is_well = True
        self.revoked: list[Revoked] = []
        self.outcomes: Counter[str] = Counter()
        self.violations: list[str] = []
        self._refused: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def note(self, revoked: Revoked, asked_at: float, was_well: bool, answer: Answer) -> None:
        """Judge the *answer* to a token that is *revoked*, to a request that was sent at *asked_at*."""
        with self._lock:
            self.outcomes[f"revoked: {answer.status}"] += 1
            if answer.status != 200:
                if answer.status == 401:
                    self._refused.add((answer.worker, revoked.token))
                return
            late = asked_at - max(revoked.at, self.well_since)
            if (answer.worker, revoked.token) in self._refused:
                self.violations.append(f"worker {answer.worker} admitted what it had refused")
            elif was_well and late > ALLOWED_SECONDS:
                self.violations.append(f"worker {answer.worker} admitted a revoked token after {late:.1f} s")


class Troubles:
    """What happens to Redis, each time something else; at the end it is well again."""

    def __init__(self, program: str, folder: Path, stack: ExitStack) -> None:
        self._servers = [stack.enter_context(RedisServer(program, folder)) for _ in range(2)]
        self.proxy = stack.enter_context(Proxy(self.primary.port))
        self.primary.save()

    @property
    def primary(self) -> RedisServer:
        """The one that is used."""
        return self._servers[0]

    @property
    def all(self) -> list[Callable[[], None]]:
        """Every kind."""
        return [self.restart, self.lose_everything, self.pause, self.refuse_writes, self.fail_over, self.cut]

    def restart(self) -> None:
        """From a snapshot that is older than the last changes."""
        self.primary.restart()
        self.primary.save()

    def lose_everything(self) -> None:
        """Be empty."""
        self.primary.client.flushall()

    def pause(self) -> None:
        """Keep the connections, and say nothing for a while."""
        self.primary.pause()
        time.sleep(TROUBLE_SECONDS)
        self.primary.resume()

    def refuse_writes(self) -> None:
        """Be full for a while."""
        self.primary.fill_up()
        time.sleep(TROUBLE_SECONDS)
        self.primary.make_room()

    def fail_over(self) -> None:
        """To a replica that has not heard of the last changes."""
        primary, replica = self._servers
        replica.follow(primary)
        replica.lose_primary()
        time.sleep(TROUBLE_SECONDS)
        replica.lead()
        replica.client.config_set("masterauth", "")
        self.proxy.target = replica.port
        self.proxy.cut()
        self._servers.reverse()

    def cut(self) -> None:
        """End all connections."""
        self.proxy.cut()


class Soak:
    """One run."""

    def __init__(self, issuer: LocalIssuer, fleets: list[Workers], troubles: Troubles, seed: int) -> None:
        self.witness = Witness()
        self.resources: dict[str, list[Resources]] = {}
        self._issuer = issuer
        self._fleets = fleets
        self._troubles = troubles
        self._random = random.Random(seed)
        self._ended = threading.Event()

    def run(self, seconds: float) -> None:
        """Ask, revoke and make trouble for so long."""
        jobs = [self._ask] * CLIENTS + [self._revoke, self._make_trouble, self._watch]
        with ThreadPoolExecutor(len(jobs)) as threads:
            futures = [threads.submit(job) for job in jobs]
            for future in futures:
                future.add_done_callback(lambda _: self._ended.set())
            self._ended.wait(seconds)
            self._ended.set()
            for future in futures:
                future.result()

    def _ask(self) -> None:
        clients, good = [fleet.url for fleet in self._fleets], self._issuer.token()
        while not self._ended.is_set():
            for url in clients:
                with suppress(OSError, HTTPException), client_of(url) as ask:
                    for _ in range(20):
                        self._ask_once(ask, good)
            self._ended.wait(PAUSE_SECONDS)

    def _ask_once(self, ask: Callable[[str | None, str], Answer], good: str) -> None:
        witness = self.witness
        if witness.revoked and self._random.random() < 0.5:
            revoked = self._random.choice(witness.revoked[-200:])
            was_well, asked_at = witness.is_well, time.monotonic()
            witness.note(revoked, asked_at, was_well and witness.is_well, ask(revoked.token, "/private"))
        else:
            witness.outcomes[f"good: {ask(good, '/private').status}"] += 1

    def _revoke(self) -> None:
        number, admin = 0, {"Authorization": f"Bearer {self._issuer.token(exp=int(time.time()) + 86_000, **ADMIN)}"}
        while not self._ended.wait(1.0):
            number += 1
            subject = f"soak|{number}"
            url = self._random.choice(self._fleets).url + REVOCATIONS
            issued_at = int(time.time()) - 300
            token = self._issuer.token(sub=subject, iat=issued_at, exp=issued_at + 86_000)
            with suppress(OSError):
                response = http("POST", url, json={"subject": subject}, headers=admin)
                self.witness.outcomes[f"revoking: {response.status_code}"] += 1
                if response.status_code == 201 and response.json()["reach"] == "fleet":
                    self.witness.revoked.append(Revoked(token, time.monotonic()))

    def _make_trouble(self) -> None:
        while not self._ended.wait(TROUBLE_EVERY_SECONDS - TROUBLE_SECONDS):
            trouble = self._random.choice([*self._troubles.all, self._replace_a_worker])
            self.witness.is_well = False
            trouble()
            self.witness.well_since = time.monotonic()
            self.witness.is_well = True
            self.witness.outcomes[f"trouble: {trouble.__name__}"] += 1

    def _replace_a_worker(self) -> None:
        workers_now = sorted(self._fleets[0].asked() & set(self.resources))
        if workers_now:
            with suppress(ProcessLookupError):
                os.kill(int(self._random.choice(workers_now)), signal.SIGTERM)

    def _watch(self) -> None:
        self._ended.wait(WARM_UP_SECONDS)
        while not self._ended.wait(5.0):
            for fleet in self._fleets:
                for pid in fleet.asked():
                    with suppress(FileNotFoundError, ProcessLookupError, KeyError):
                        self.resources.setdefault(pid, []).append(Resources.of(pid))

    def report(self) -> list[Target]:
        """Print what was seen; return what must hold."""
        print_table(
            ("what", "how often"), [(name, f"{count:,}") for name, count in sorted(self.witness.outcomes.items())]
        )
        rows, growth = list[Sequence[str]](), [0.0]
        for seen in self.resources.values():
            if len(seen) < 24:  # it lived for less than two minutes
                continue
            first, last = seen[len(seen) // 4], seen[-1]
            growth.append(last.descriptors / first.descriptors)
            growth.append(last.threads / first.threads)
            growth.append(last.rss_mib / first.rss_mib)
            spread = [f"{one:,.0f} -> {other:,.0f}" for one, other in zip(first, last, strict=True)]
            rows.append((f"worker {len(rows) + 1}", f"{len(seen) * 5:,} s", *spread))
        print_table(("worker", "watched for", "RSS MiB", "threads", "descriptors"), rows)
        for violation in self.witness.violations[:20]:
            print(violation)
        return [
            Target("revoked tokens admitted too late", len(self.witness.violations), 0),
            Target("growth of anything from a quarter of the run to its end", max(growth), 1.5),
        ]


def _settings(key_set: KeySetServer, proxy: Proxy) -> dict[str, Any]:
    return {
        **key_set.settings,
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
        "AUTH0_CACHE_SECRET": SECRET,
        "AUTH0_SYNC_INTERVAL": str(INTERVAL_SECONDS),
    }


def main() -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print_machine(
        f"{arguments.minutes:g} minutes of revocations while Redis misbehaves, 3 gthread workers and 1 gevent"
    )
    with ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        issuer = stack.enter_context(LocalIssuer())
        key_set = stack.enter_context(KeySetServer(issuer))
        troubles = Troubles(needed_redis_server(), folder, stack)
        fleets = []
        for worker_class, number in (("gthread", 3), ("gevent", 1)):
            place = folder / worker_class
            place.mkdir()
            settings = _settings(key_set, troubles.proxy)
            fleets.append(stack.enter_context(workers(place, settings, worker_class=worker_class, number=number)))
        soak = Soak(issuer, fleets, troubles, arguments.seed)
        soak.run(arguments.minutes * 60)
        targets = soak.report()
        for fleet in fleets:
            unexpected = [line for line in fleet.trouble().splitlines() if " ERROR " in line or "Traceback" in line]
            print("\n".join(unexpected[:20]))
    return verdict(targets)


if __name__ == "__main__":
    sys.exit(main())
