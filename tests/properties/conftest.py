"""How many examples a run tries, and the one app that all properties ask.

``HYPOTHESIS_PROFILE`` chooses: ``ci``, the default, is short and the same each time; ``fuzz`` is long and different.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MovableClock, put_on_clock
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from network_edge import KeySetServer, key_set_server
from refusals import guarded

from auth0_blueprint import Auth0Blueprint
from properties.issuing import ALGORITHMS, AUDIENCE, DOMAIN, ISSUER, NOW, SECRET, published_keys

# A machine that does other things as well is slow at times: no deadline, and no complaint about slow strategies.
_ALWAYS = settings(database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", _ALWAYS, max_examples=1000, stateful_step_count=20, derandomize=True)
settings.register_profile("fuzz", _ALWAYS, max_examples=20_000, stateful_step_count=20, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

#: For what takes ten times as long: fewer examples in the short run, as many in the long one.
SLOW = settings() if settings().max_examples > 1000 else settings(max_examples=250)


@pytest.fixture(autouse=True)
def no_property_is_measured(unmeasured: None) -> None:
    """Thousands of examples take half of the time so."""


@pytest.fixture(scope="session")
def key_set_host() -> Iterator[KeySetServer]:
    """A server on loopback that publishes whatever a property wants."""
    with key_set_server() as server:
        yield server


def _app_on_clock(server: KeySetServer, **settings: Any) -> Flask:
    app = Flask("properties", static_folder=None)
    app.testing = True  # an unexpected exception comes through as it is
    app.config.update(
        AUTH0_DOMAIN=DOMAIN, AUTH0_AUDIENCE=AUDIENCE, AUTH0_JWKS_URL=server.url, AUTH0_ALGORITHMS=list(ALGORITHMS)
    )
    app.config.update(settings)
    app.register_blueprint(Auth0Blueprint())
    put_on_clock(app, MovableClock(NOW))
    return app


@pytest.fixture(scope="session")
def asked_app() -> Iterator[FlaskClient]:
    """A client of an app that stands at `NOW` and has fetched the published keys over HTTP."""
    with key_set_server() as server:
        server.publish(*(key.jwk for key in published_keys()))
        yield guarded(_app_on_clock(server))


@pytest.fixture(scope="session")
def app_without_keys(key_set_host: KeySetServer) -> Flask:
    """An app that asks `key_set_host`; `forget_keys` makes it ask again."""
    app = _app_on_clock(key_set_host)
    guarded(app)
    return app


@pytest.fixture(scope="module")
def hearing() -> Iterator[FlaskClient]:
    """A client of an app at `NOW` that takes events of every kind, the signed ones from its issuer."""
    with key_set_server() as server:
        server.publish(*(key.jwk for key in published_keys()))
        sender = {"issuer": ISSUER, "jwks_url": server.url, "audience": AUDIENCE, "email_claim": "email"}
        events = {
            "AUTH0_LOGOUT_CLIENT_IDS": "client",
            "AUTH0_EVENT_TRANSMITTERS": [sender],
            "AUTH0_EVENT_SECRETS": SECRET,
            "AUTH0_GLOBAL_REVOCATION": [sender],
        }
        yield _app_on_clock(server, **events).test_client()


def forget_keys(app: Flask) -> None:
    """Let *app* start anew, at `NOW` and without a key set."""
    put_on_clock(app, MovableClock(NOW))
