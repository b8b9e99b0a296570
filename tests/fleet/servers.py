"""The servers of these tests: a key set that misbehaves on demand, and workers that ask for it."""

from __future__ import annotations

import json
import math
import re
import secrets
import shutil
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import repeat, takewhile
from pathlib import Path
from socket import socket
from typing import Any, cast
from urllib.parse import urlsplit

from processes import TIMEOUT_SECONDS, eventually, gunicorn
from servers import Answer as Behaviour
from servers import RawServer, respond

from auth0_blueprint.testing import LocalIssuer

SECRET = "the whole fleet shares this secret"
APP = Path(__file__).with_name("app.py")

#: For tests that rotate keys, and have more requests at once than a worker usually has threads.
COOLDOWN = {"AUTH0_JWKS_COOLDOWN": "0.1", "AUTH0_JWKS_MAX_WAITING": "64"}

_NO_MORE = object()


class KeySetServer(RawServer):
    """Publishes the keys of an issuer at an address of its own, or does what the test says instead.

    Attributes:
        behave: what is done with a connection. To begin with, `publish`.
    """

    def __init__(self, issuer: LocalIssuer, tls: ssl.SSLContext | None = None) -> None:
        self.issuer = issuer
        self.behave: Behaviour = self.publish
        self._answered_at = -math.inf
        super().__init__(self._answer_as_told, tls)

    @property
    def fetches(self) -> int:
        """How often the key set was asked for."""
        return len(self.heads)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an app that trusts the issuer, and looks for its keys here."""
        return {
            "AUTH0_ISSUER": self.issuer.issuer,
            "AUTH0_AUDIENCE": self.issuer.audience,
            "AUTH0_ALGORITHMS": self.issuer.algorithm,
            "AUTH0_JWKS_URL": self.url,
        }

    def rotate(self) -> str:
        """Add a key once `COOLDOWN` allows to ask for it, and return a token of it."""
        # Twice: each process knows only about when another one was answered.
        eventually(lambda: time.monotonic() > self._answered_at + 2 * float(COOLDOWN["AUTH0_JWKS_COOLDOWN"]))
        self.issuer.rotate()
        return self.issuer.token()

    def publish(self, connection: socket) -> None:
        """Answer with the key set."""
        respond(body=json.dumps(self.issuer.key_set).encode())(connection)

    def _answer_as_told(self, connection: socket) -> None:
        self.behave(connection)
        self._answered_at = time.monotonic()

    def publish_after(self, seconds: float) -> Behaviour:
        """Return what answers with the key set, but not sooner than that."""

        def answer(connection: socket) -> None:
            threading.Event().wait(seconds)
            self.publish(connection)

        return answer


@dataclass(frozen=True)
class Answer:
    """One answer, and how long it took."""

    token: str | None
    status: int
    body: bytes
    headers: dict[str, str]
    seconds: float

    @property
    def worker(self) -> str:
        """The process that gave it."""
        return self.headers.get("X-Worker") or self.headers["x-worker"]  # servers of ASGI write them in lower case

    @property
    def code(self) -> str | None:
        """Why it is a refusal, if it is one."""
        code: str | None = json.loads(self.body).get("code")
        return code


@dataclass
class Answers:
    """What a load of requests was answered."""

    all: list[Answer] = field(default_factory=list)

    def with_token(self, token: str) -> Answers:
        """Return those to requests with *token*."""
        return Answers([answer for answer in self.all if answer.token == token])

    def without_token(self, token: str) -> Answers:
        """Return those to requests with any other."""
        return Answers([answer for answer in self.all if answer.token != token])

    @property
    def statuses(self) -> Counter[int]:
        """How often each status."""
        return Counter(answer.status for answer in self.all)

    @property
    def by_worker(self) -> dict[str, Answer]:
        """The last answer of each worker."""
        return {answer.worker: answer for answer in self.all}

    @property
    def slowest(self) -> float:
        """How long the slowest took."""
        return max(answer.seconds for answer in self.all)

    @property
    def are_all_ok(self) -> bool:
        """Whether there was an answer, and each one was 200."""
        return set(self.statuses) == {200}

    def quantile(self, share: float) -> float:
        """Return the time within which that *share* of the requests was answered."""
        return sorted(answer.seconds for answer in self.all)[math.ceil(share * len(self.all)) - 1]


class Workers:
    """The processes of one app, and its log.

    Attributes:
        url: where they are asked; one of them answers.
    """

    def __init__(self, url: str, log: Path, number: int) -> None:
        self.url = url
        self._log = log
        self._number = number

    def log(self) -> str:
        """Return what they have logged."""
        return self._log.read_text()

    def trouble(self) -> str:
        """Return the warnings and errors that they have logged."""
        return "".join(line for line in self.log().splitlines(keepends=True) if " INFO " not in line)

    def asked(self, path: str = "/private") -> set[str]:
        """Return which workers have been asked for *path*, answered or not."""
        return set(re.findall(rf"pid=(\d+) fleet INFO asked for {path}$", self.log(), re.MULTILINE))

    def are_all_asked(self, path: str = "/private") -> bool:
        """Tell whether each worker has been asked for *path*."""
        return len(self.asked(path)) == self._number

    def ask(self, token: str | None, path: str = "/private") -> Answer:
        """Ask once."""
        with _client(self.url) as ask:
            return ask(token, path)

    def load(self, tokens: Iterable[str | None], *, clients: int = 32, path: str = "/private") -> Answers:
        """Ask with each of *tokens*, by as many *clients* at a time, each with a connection of its own."""
        answers, left, lock = Answers(), iter(tokens), threading.Lock()
        start = threading.Barrier(clients)

        def client() -> None:
            with _client(self.url) as ask:
                start.wait()
                while True:
                    with lock:
                        if (token := next(left, _NO_MORE)) is _NO_MORE:
                            return
                    answer = ask(cast("str | None", token), path)
                    answers.all.append(answer)

        with ThreadPoolExecutor(clients) as threads:
            for future in [threads.submit(client) for _ in range(clients)]:
                future.result()
        return answers

    def load_while(self, is_so: Callable[[], bool], token: str, *, clients: int = 32) -> Answers:
        """Ask with *token* for as long as *is_so*."""
        return self.load(takewhile(lambda _token: is_so(), repeat(token)), clients=clients)

    def ask_every_worker(self, token: str | None, path: str = "/private") -> Answers:
        """Ask, many times at once, until each worker has answered."""
        answers = Answers()

        def has_every_worker_answered() -> bool:
            answers.all += self.load([token] * 16, clients=16, path=path).all
            return len(answers.by_worker) == self._number

        eventually(has_every_worker_answered)
        return answers

    def health(self) -> dict[str, dict[str, Any]]:
        """Return what each worker says of itself."""
        answers = self.ask_every_worker(None, "/auth/health")
        return {worker: json.loads(answer.body) for worker, answer in answers.by_worker.items()}


@contextmanager
def _client(url: str) -> Iterator[Callable[[str | None, str], Answer]]:
    """Give what asks over one connection, and again over a new one where the server has closed it."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)

    def ask(token: str | None, path: str) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        started = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - started
        return Answer(token, response.status, body, dict(response.headers), seconds)

    with closing(connection):
        yield ask


@contextmanager
def workers(
    directory: Path,
    settings: Mapping[str, str],
    *arguments: str,
    number: int = 4,
    worker_class: str = "gthread",
    app: str = "fleet_app:app",
) -> Iterator[Workers]:
    """Run the app of these tests under gunicorn, with *settings* from the environment only; give it once all are up.

    *app* is another one in *directory*, which can import this one as ``fleet_app``.
    """
    shutil.copy(APP, directory / "fleet_app.py")
    log = directory / "log"
    threads = ["--threads", "8"] if worker_class == "gthread" else []
    command = ["--workers", str(number), "--worker-class", worker_class, *threads, *arguments]
    environment = {"AUTH0_CACHE_SECRET": SECRET, "AUTH0_HEALTH_DETAILS": "always", **settings}
    with log.open("w") as file, gunicorn(app, directory, environment, *command, stderr=file) as (url, _):
        workers = Workers(url, log, number)
        workers.ask_every_worker(None, "/auth/health/live")
        yield workers


def forged_tokens(issuer: LocalIssuer) -> Iterator[str]:
    """Make tokens without end that name *issuer*, and each a key id of its own."""
    claims = _base64url({"iss": issuer.issuer, "sub": "attacker", "aud": issuer.audience, "exp": int(time.time()) + 60})
    while True:
        header = _base64url({"alg": issuer.algorithm, "kid": secrets.token_hex(8)})
        yield f"{header}.{claims}.{'A' * 342}"


def _base64url(members: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")
