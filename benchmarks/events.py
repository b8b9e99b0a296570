"""Events of each kind, sent to 4 processes on one Redis that is killed in the middle: none lost, none counted twice.

Logout tokens, security event tokens, Auth0's CloudEvents and global revocations, in random order, by several senders at
once; every tenth is sent twice, and each one again until it is acknowledged. Half-way Redis gets SIGKILL, and starts
again, empty or with its last snapshot. Then each process must refuse every subject's old token and accept a new one,
and each event must have been effective in exactly one process. Run it by
``python -m benchmarks.events [--number 10000] [--keep]``; the exit status is 1 if anything of that is not so.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fleet.redis_server import RedisServer, needed_redis_server
from processes import gunicorn

from auth0_blueprint.testing import LocalIssuer, cloud_event
from benchmarks.event_app import SETTINGS
from benchmarks.reporting import Target, print_machine, print_table, verdict

PROCESSES, SENDERS, COPIED_EVERY = 4, 16, 10
INTERVAL_SECONDS, PAUSE_SECONDS, GIVE_UP_SECONDS = 1.0, 0.2, 120.0
KINDS = ("logout", "security", "auth0", "global-token-revocation")
HOUR_SECONDS, BATCH = 3600, 200


class Message(NamedTuple):
    """One event as it is sent.

    Attributes:
        kind: the last part of its route's path.
        id: of the event.
        subject: whose tokens it ends.
        body: of the request.
        headers: likewise.
    """

    kind: str
    id: str
    subject: str
    body: str
    headers: dict[str, str]


class Sent(NamedTuple):
    """What became of all messages.

    Attributes:
        seconds: from the first to the last answer.
        latencies: seconds of each request that was acknowledged.
        statuses: of all answers, and ``lost`` for requests without one.
    """

    seconds: float
    latencies: list[float]
    statuses: Counter[str]


def message(issuer: LocalIssuer, kind: str, number: int) -> Message:
    """Return an event of that *kind* about a subject of its own."""
    subject, event_id = f"auth0|{kind}-{number}", f"{kind}-{number}"
    json_type = {"Content-Type": "application/json"}
    if kind == "logout":
        token = issuer.logout_token(sub=subject, jti=event_id, expires_in=HOUR_SECONDS)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return Message(kind, event_id, subject, urlencode({"logout_token": token}), form)
    if kind == "security":
        token = issuer.security_event(subject=subject, jti=event_id)
        return Message(kind, event_id, subject, token, {"Content-Type": "application/secevent+jwt"})
    if kind == "auth0":
        event = cloud_event(content={"user_id": subject}, id=event_id)
        return Message(kind, event_id, subject, json.dumps(event), {**json_type, **_bearer(issuer.event_secret)})
    jwt = issuer.global_revocation_jwt(jti=event_id, expires_in=HOUR_SECONDS)
    body = json.dumps({"sub_id": issuer.subject_id(subject)})
    return Message(kind, event_id, subject, body, {**json_type, **_bearer(jwt)})


class Fleet:
    """Processes that share one Redis, each at an address of its own.

    Attributes:
        urls: the addresses.
        redis: what they share.
    """

    def __init__(self, issuer: LocalIssuer, directory: Path, stack: ExitStack) -> None:
        self.redis = stack.enter_context(RedisServer(needed_redis_server(), directory))
        settings = {
            **issuer.settings,
            **issuer.event_settings,
            **self.redis.settings,
            "AUTH0_CACHE_SECRET": "the whole fleet shares this secret",
            "AUTH0_SYNC_INTERVAL": INTERVAL_SECONDS,
        }
        log = stack.enter_context((directory / "log").open("w"))
        options = ("--workers", "1", "--worker-class", "gthread", "--threads", "8", "--keep-alive", "60")
        self.urls: list[str] = []
        for _ in range(PROCESSES):
            server = gunicorn(
                "benchmarks.event_app:create_app()",
                directory,
                {SETTINGS: json.dumps(settings)},
                *options,
                stderr=log,
            )
            self.urls.append(stack.enter_context(server)[0])
            get_json(self.urls[-1], "/effective")

    def send(self, messages: Sequence[Message], half_way: Callable[[], object], seed: int) -> Sent:
        """Send each message until it is acknowledged, every tenth twice; call *half_way* in between."""
        copies = messages[::COPIED_EVERY]
        queue = [*messages, *copies]
        random.Random(seed).shuffle(queue)
        left, lock = iter(enumerate(queue)), threading.Lock()
        latencies, statuses = list[float](), Counter[str]()
        disturbance = threading.Thread(target=half_way)

        def send() -> None:
            # Another address for each of them, and for each attempt.
            with ExitStack() as stack:
                connections = [stack.enter_context(closing(_connection(url))) for url in self.urls]
                while True:
                    with lock:
                        number, one = next(left, (0, None))
                    if one is None:
                        return
                    if number == len(queue) // 2:
                        disturbance.start()
                    _send_until_acknowledged(connections, number, one, latencies, statuses)

        started = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as threads:
            for future in [threads.submit(send) for _ in range(SENDERS)]:
                future.result()
        disturbance.join()
        return Sent(time.perf_counter() - started, latencies, statuses)

    def effective(self) -> Counter[str]:
        """Return how often each event was effective."""
        return Counter(event_id for url in self.urls for event_id in get_json(url, "/effective"))

    def counted(self, admin_token: str) -> Counter[str]:
        """Return how many events there were by outcome, as the processes count them."""
        counts = Counter[str]()
        for url in self.urls:
            for outcomes in get_json(url, "/auth/admin/stats", _bearer(admin_token))["events"].values():
                counts.update(outcomes)
        return counts

    def judge(self, tokens: Iterable[str]) -> Counter[str]:
        """Return how many of the *tokens* each process refuses, by code, or lets pass; over all processes."""
        parts = list(_batches(list(tokens)))

        def judge(url: str) -> Counter[str]:
            return Counter(verdict for part in parts for verdict in get_json(url, "/judge", body=part))

        with ThreadPoolExecutor(PROCESSES) as threads:
            return sum(threads.map(judge, self.urls), Counter[str]())


def _send_until_acknowledged(
    connections: list[HTTPConnection], number: int, one: Message, latencies: list[float], statuses: Counter[str]
) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for attempt in range(number, sys.maxsize):
        connection = connections[attempt % len(connections)]
        started = time.perf_counter()
        connection.request("POST", f"/auth/events/{one.kind}", one.body, one.headers)
        response = connection.getresponse()
        response.read()
        statuses[f"{response.status}"] += 1
        if response.status < 300:
            latencies.append(time.perf_counter() - started)
            return
        if response.status != 503 or time.monotonic() > deadline:
            raise RuntimeError(f"an event of {one.kind} was answered {response.status}")
        time.sleep(PAUSE_SECONDS)


def get_json(url: str, path: str, headers: dict[str, str] | None = None, *, body: Any = None) -> Any:
    """Ask for *path*, by POST if there is a *body*; return the answer."""
    method, text = ("GET", None) if body is None else ("POST", json.dumps(body))
    with closing(_connection(url)) as connection:
        connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path} was answered {response.status}: {answer[:200]!r}")
    return json.loads(answer)


def _connection(url: str) -> HTTPConnection:
    address = urlsplit(url)
    return HTTPConnection(address.hostname or "", address.port, timeout=60)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _batches(tokens: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(tokens), BATCH):
        yield tokens[begin : begin + BATCH]


class Run(NamedTuple):
    """One run, and what must hold of it.

    Attributes:
        messages: how many events there were.
        copies: how many of them were sent twice.
        sent: what the senders saw.
        effective: how often each event was effective, by the signals of all processes.
        counted: events by outcome, by the counters of all processes.
        old: what the processes say of each subject's token from before its event.
        new: the same for a token from after it.
    """

    messages: int
    copies: int
    sent: Sent
    effective: Counter[str]
    counted: Counter[str]
    old: Counter[str]
    new: Counter[str]

    @property
    def targets(self) -> list[Target]:
        """What is promised."""
        return [
            Target("events lost", self.messages - len(self.effective), 0),
            Target("events effective more than once", sum(count > 1 for count in self.effective.values()), 0),
            Target("copies not recognized as such", abs(self.copies - self.counted["repeated"]), 0),
            Target("events that the counters have too many or too few", abs(self._miscounted), 0),
            Target("old tokens that a process accepts", self.old.total() - self.old["token_revoked"], 0),
            Target("new tokens that a process refuses", self.new.total() - self.new["passes"], 0),
        ]

    @property
    def _miscounted(self) -> int:
        return self.counted["effective"] - self.messages


def run(number: int, *, keeps_data: bool = False, seed: int = 1) -> Run:
    """Send *number* events of each kind, and look at what has become of them."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        issuer = stack.enter_context(LocalIssuer(algorithm="ES256"))
        fleet = Fleet(issuer, directory, stack)
        messages = [message(issuer, kind, one) for one in range(number) for kind in KINDS]

        def disturb() -> None:
            if keeps_data:
                fleet.redis.save()
            fleet.redis.restart()

        sent = fleet.send(messages, disturb, seed)
        time.sleep(2 * INTERVAL_SECONDS)
        long_ago, alive_until = int(time.time()) - HOUR_SECONDS, int(time.time()) + HOUR_SECONDS
        admin = issuer.token(scope="manage:auth0", permissions=["manage:auth0"])
        return Run(
            messages=len(messages),
            copies=len(messages[::COPIED_EVERY]),
            sent=sent,
            effective=fleet.effective(),
            counted=fleet.counted(admin),
            old=fleet.judge(issuer.token(sub=one.subject, iat=long_ago, exp=alive_until) for one in messages),
            new=fleet.judge(issuer.token(sub=one.subject) for one in messages),
        )


def main() -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--number", type=int, default=10_000, help="events of each kind (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="Redis keeps what it has until just before it is killed")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print_machine(
        f"{options.number:,} events of each of {len(KINDS)} kinds, {PROCESSES} processes with 8 threads, {SENDERS} "
        f"senders; Redis is killed half-way and {'keeps its data' if options.keep else 'loses all data'}"
    )
    done = run(options.number, keeps_data=options.keep, seed=options.seed)
    quantiles = statistics.quantiles(done.sent.latencies, n=100)
    rows = [
        ("events, and copies of them", f"{done.messages:,} + {done.copies:,}"),
        ("acknowledged each second", f"{len(done.sent.latencies) / done.sent.seconds:,.0f}"),
        ("p50, p99", f"{quantiles[49] * 1e3:.1f} ms, {quantiles[98] * 1e3:.1f} ms"),
        *((f"answers {status}", f"{count:,}") for status, count in sorted(done.sent.statuses.items())),
        *((f"counted {outcome}", f"{count:,}") for outcome, count in sorted(done.counted.items())),
    ]
    print_table(("what", "how much"), rows)
    return verdict(done.targets)


if __name__ == "__main__":
    sys.exit(main())
