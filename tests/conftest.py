"""Fixtures: a local issuer for the session, apps that trust it, a clock that tests move, and a check for leaks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from xdist.scheduler import LoadFileScheduling

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.testing import LocalIssuer

sys.path.insert(0, str(Path(__file__).parent.parent))  # for wsgi.py

AppFactory = Callable[..., Flask]

_SENDER = {"issuer": "https://idp.example/", "jwks_url": "https://idp.example/jwks", "audience": ["https://api"]}

#: Senders for each of the routes for events.
EVENT_SETTINGS: dict[str, Any] = {
    "AUTH0_LOGOUT_CLIENT_IDS": ["web"],
    "AUTH0_EVENT_TRANSMITTERS": [_SENDER],
    "AUTH0_EVENT_SECRETS": ["a-secret-of-the-webhooks-long-enough"],
    "AUTH0_GLOBAL_REVOCATION": [_SENDER],
}

WITH_SERVERS = ("tests/fleet/", "tests/integration/", "tests/test_unread_bodies.py", "tests/test_sockets.py")


def _compile_each_route_once() -> None:
    """Let werkzeug compile what builds the URLs of a route once, and not again for each app that has the same route.

    Thousands of tests make an app of their own, and that took half of their time.
    """
    compile_builder, builders = Rule._compile_builder, {}

    def compile_or_recall(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:  # are in what is compiled
            return compile_builder(rule, append_unknown)
        key = rule.rule, tuple(rule._trace), append_unknown
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    Rule._compile_builder = compile_or_recall  # type: ignore[assignment,method-assign]


_compile_each_route_once()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Keep the tests of a file in one process, and all that start servers in one.

    Fleets side by side would take the processors from each other, and some must answer in time.
    """
    scheduling = LoadFileScheduling(config, log)
    file_of = scheduling._split_scope
    scheduling._split_scope = lambda nodeid: "servers" if nodeid.startswith(WITH_SERVERS) else file_of(nodeid)
    return scheduling


@pytest.fixture(scope="session")
def session_issuer() -> Iterator[LocalIssuer]:
    """An issuer for tests that do not touch its keys: making RSA keys takes time."""
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(session_issuer: LocalIssuer) -> Iterator[LocalIssuer]:
    """The session's issuer, as it was: same keys, no fetches counted."""
    session_issuer.fetch_count = 0
    yield session_issuer
    session_issuer.reset()


@pytest.fixture
def make_app(issuer: LocalIssuer) -> AppFactory:
    """Return a factory of apps that trust the issuer: ``make_app(blueprint=None, *, clock=None, **settings)``."""

    def make(blueprint: Auth0Blueprint | None = None, *, clock: Clock | None = None, **settings: Any) -> Flask:
        app = Flask("tested", static_folder=None)
        app.config.update(issuer.settings)
        app.config.update(settings)
        app.register_blueprint(blueprint or Auth0Blueprint())
        if clock is not None:
            put_on_clock(app, clock)
        return app

    return make


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    """An app with the blueprint and no routes of its own."""
    return make_app()


def put_on_clock(app: Flask, clock: Clock) -> None:
    """Assemble *app*, which has no cache of its host, anew: on *clock*, and without what it knew."""
    state = app.extensions["auth0"]
    app.extensions["auth0"] = assemble(app, state.settings, None, state.rules, clock=clock)


def key_source(app: Flask) -> KeySource:
    """Return the keys of the one issuer that *app* trusts."""
    sources: Mapping[str, KeySource] = app.extensions["auth0"].key_sources
    (source,) = sources.values()
    return source


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of ``app``."""
    return app.test_client()


def middle(low: float, high: float) -> float:
    """Jitter that is always in the middle: none for a refresh."""
    return (low + high) / 2


class MovableClock(Clock):
    """Time that passes only when a test says so, and jitter that is always the same. Whoever sleeps sleeps really.

    Attributes:
        now: the time, in Unix time.
        uptime: the time on the monotonic clock. Another number, so that none is taken for the other.
    """

    def __init__(self, now: float = 1_800_000_000.0, uptime: float = 1000.0) -> None:
        super().__init__(time=lambda: self.now, monotonic=lambda: self.uptime, uniform=middle)
        self.now = now
        self.uptime = uptime

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.uptime += seconds

    @property
    def monotonic_only(self) -> Clock:
        """A clock that is monotonic by this one, and has the time of the machine, as the tokens of an issuer do."""
        return Clock(monotonic=self.monotonic)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries *token*."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Measure no coverage: it doubles the time of tests that do the same thousands of times. Others run those lines."""
    measure, measure_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    sys.settrace(measure)
    threading.settrace(measure_threads)


@pytest.fixture(autouse=True)
def no_flight_outlives_its_test() -> Iterator[None]:
    """Wait for the threads that a test has caused, so that none reports into the next test."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("auth0-"):
            thread.join(10)
