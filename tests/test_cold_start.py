"""What a start leaves out: nothing is imported or compiled that the settings do not ask for, until somebody does."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
from flask import Flask, url_for
from processes import TESTED_PACKAGE, completed
from werkzeug.routing import Rule

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.extension.lazy_rules import lazy_url_builders
from auth0_blueprint.testing import LocalIssuer
from benchmarks.cold_start import ROWS, start
from benchmarks.guarded_apps import Minter, Tenant

#: A module that a plain start does without, and the settings with which registration imports it: not the first request.
LATE = {
    "auth0_blueprint.extension.cache_backend": {"CACHE_TYPE": "SimpleCache"},
    "auth0_blueprint.sharing.redis_store": {"CACHE_TYPE": "SimpleCache"},
    "auth0_blueprint.sharing.sqlite_store": {"CACHE_TYPE": "SimpleCache"},
    "auth0_blueprint.sender_constraining.dpop": {
        "AUTH0_DPOP": "allowed",
        "AUTH0_PUBLIC_URL": "https://api.example.com",
    },
    "auth0_blueprint.revocation.events.receiver": {"AUTH0_EVENT_SECRETS": "x" * 32},
    "flask_caching": {"CACHE_TYPE": "SimpleCache"},
}
#: Those that requests bring, nothing but commands and tests, or tenants by a function.
NEVER = (
    *("auth0_blueprint.routes.health", "auth0_blueprint.testing", "apispec", "flask.testing"),
    *(f"auth0_blueprint.{part}" for part in ("keysets.directory", "revocation.tenants", "token_requests.service")),
)

PROGRAM = """
import json, sys
from flask import Flask
from auth0_blueprint import Auth0Blueprint, requires_auth
app = Flask("started")
app.config.update(json.loads(sys.argv[1]))
app.register_blueprint(Auth0Blueprint())
registered = sorted(sys.modules)
app.add_url_rule("/", view_func=requires_auth(lambda: "guarded"))
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
environ |= {"wsgi.url_scheme": "http", "HTTP_AUTHORIZATION": "Bearer " + sys.argv[2]}
body = app.wsgi_app(environ, lambda status, _headers: print(json.dumps([status, registered, sorted(sys.modules)])))
assert b"".join(body) == b"guarded"
"""


def modules_of_a_start(issuer: LocalIssuer, **settings: Any) -> tuple[set[str], set[str]]:
    """Return what a new process has imported once the blueprint is registered, and once a request was admitted."""
    arguments = json.dumps({**issuer.settings, **settings}), issuer.token()
    done = completed([sys.executable, "-c", PROGRAM, *arguments], env={**os.environ, **TESTED_PACKAGE})
    status, registered, answered = json.loads(done.stdout)
    assert status == "200 OK"
    return set(registered), set(answered)


def test_a_plain_start_imports_nothing_that_only_some_apps_need(issuer: LocalIssuer) -> None:
    _, answered = modules_of_a_start(issuer)
    assert answered.isdisjoint({*LATE, *NEVER})


@pytest.mark.parametrize("module", LATE)
def test_what_settings_need_is_imported_at_registration(issuer: LocalIssuer, module: str) -> None:
    registered, _ = modules_of_a_start(issuer, **LATE[module])
    assert module in registered


class Recorded(Rule):
    """Records what is compiled for ``url_for``."""

    compiled: list[str] = []  # noqa: RUF012 - emptied by the test

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        self.compiled.append(self.rule)
        return super()._compile_builder(append_unknown)


def test_what_builds_urls_is_compiled_when_one_is_built(issuer: LocalIssuer) -> None:
    """Werkzeug has no public way for that: this test tells when its own way has changed."""
    app = Flask("host")
    app.url_rule_class = Recorded
    app.config.update(issuer.settings)
    Recorded.compiled.clear()
    app.register_blueprint(Auth0Blueprint())
    assert Recorded.compiled == []
    with app.test_request_context():
        built = url_for("auth0.look_up_or_lift", kind="sub", value="auth0|a b", page=2)
    assert built == "/auth/admin/revocations/sub/auth0%7Ca%20b?page=2"
    assert set(Recorded.compiled) == {"/auth/admin/revocations/<kind>/<auth0_any_text:value>"}
    app.add_url_rule("/own", "own", lambda: "")
    assert "/own" in Recorded.compiled


class OfAnotherWerkzeug(Recorded):
    """As Werkzeug may be one day: what builds URLs is made in another way."""

    def _compile_builder(self, append_unknown: bool = True, *, another: bool = False) -> Any:
        return super()._compile_builder(append_unknown)


def test_rules_of_an_unknown_werkzeug_are_compiled_early_as_ever(issuer: LocalIssuer) -> None:
    app: Any = Flask("host")
    app.url_rule_class = OfAnotherWerkzeug
    app.config.update(issuer.settings)
    Recorded.compiled.clear()
    app.register_blueprint(Auth0Blueprint())
    assert "/auth/me" in Recorded.compiled
    with app.test_request_context():
        assert url_for("auth0.me") == "/auth/me"
    app.url_rule_class = object  # it has no such method at all
    with lazy_url_builders(app):
        assert app.url_rule_class is object


@pytest.mark.parametrize("prefix", ["/<nowhere:name>", "/fine"])
def test_the_apps_class_of_rules_stays_its_own(issuer: LocalIssuer, prefix: str) -> None:
    app = Flask("host")
    app.config.update(issuer.settings)
    if prefix == "/fine":
        app.register_blueprint(Auth0Blueprint(), url_prefix=prefix)
    else:
        with pytest.raises(LookupError):
            app.register_blueprint(Auth0Blueprint(), url_prefix=prefix)
        assert len(list(app.url_map.iter_rules())) == 1
    assert "url_rule_class" not in vars(app)


@pytest.mark.parametrize("row", [row for row in ROWS if row.module in sys.modules], ids=lambda row: row.name)
def test_the_benchmark_counts_only_starts_that_were_answered(row: Any, issuer: LocalIssuer, tmp_path: Any) -> None:
    tenant = {**Tenant.of(issuer)._asdict(), "token": Minter(issuer).token()}
    started, _ = start(row, tenant, str(tmp_path))
    assert 0 < started.registration_seconds + 0.001 < started.seconds < started.whole_seconds
    assert started.resident_bytes > 10**7
    if row is not ROWS[0]:
        with pytest.raises(RuntimeError, match="did not answer by 200"):
            start(row, {**tenant, "token": Minter(issuer).forged_token()}, str(tmp_path))
