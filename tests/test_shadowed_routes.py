"""A route of the app and one of ours with the same path: a warning names the one that is never reached."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import Rule

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer


def on_blueprint(app: Flask) -> None:
    blueprint = Blueprint("login", "login", url_prefix="/auth")
    blueprint.add_url_rule("/me", "mine", lambda: "mine", methods=["GET", "POST"])
    app.register_blueprint(blueprint)


def adds(path: str, *methods: str, **options: Any) -> Callable[[Flask], None]:
    def add(app: Flask) -> None:
        app.add_url_rule(path, "mine", lambda **names: "mine", methods=methods or ("GET",), **options)

    return add


def adds_rule(**options: Any) -> Callable[[Flask], None]:
    def add(app: Flask) -> None:
        app.url_map.add(Rule("/auth/me", endpoint="mine", **options))
        app.view_functions["mine"] = lambda: "mine"

    return add


def on_any_subdomain(app: Flask) -> None:
    """Where the blueprint is registered."""
    adds("/auth/me", subdomain="<tenant>")(app)


def of_each_tenant(app: Flask) -> None:
    adds("/<int:tenant>/auth/me")(app)


def of_two_tenants(app: Flask) -> None:
    """Nothing is said, as no value for the converter is known."""
    adds("/<any(a, b):tenant>/auth/me")(app)


def where_hosts_count(app: Flask) -> None:
    adds("/auth/me")(app)
    app.add_url_rule("/auth/health", "other host", lambda: "mine", host="api.example.com")


def behind_a_redirect(app: Flask) -> None:
    """If it is added first, neither route is ever reached, whatever the prefix."""
    app.url_map.add(Rule("/auth/me", endpoint="moved", redirect_to="/elsewhere"))
    adds("/auth/me")(app)


def logged(issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, add: Callable[[Flask], None], when: str) -> set[str]:
    """Return the warnings of an app whose routes are added before or after ours, up to the remedy."""
    app = Flask("tested", static_folder=None, subdomain_matching=True, host_matching=add is where_hosts_count)
    app.config.update(issuer.settings)
    if when == "before":
        add(app)
    options = [(on_any_subdomain, "subdomain", "<tenant>"), (of_each_tenant, "url_prefix", "/<int:tenant>/auth")]
    options.append((of_two_tenants, "url_prefix", "/<any(a, b):tenant>/auth"))
    app.register_blueprint(Auth0Blueprint(), **{name: value for which, name, value in options if which is add})
    if when == "after":
        add(app)
    for _ in range(2):
        app.test_client().get("/elsewhere")
    assert app.before_request_funcs[None] == []  # the checks have passed
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert all("url_prefix=" in line for line in lines)
    assert len(lines) == len(set(lines))
    return {line.partition(", because")[0] for line in lines}


@pytest.mark.parametrize(
    ("add", "methods_after", "methods_before"),
    [
        (adds("/auth/me"), ["GET"], ["GET"]),
        (adds("/auth/health", "POST", "PUT"), ["POST,PUT"], []),
        (on_blueprint, ["GET", "POST"], ["GET"]),
        (adds("/auth/openapi.json"), ["GET"], []),
        (adds("/auth/admin/revocations/<kind>/<auth0_any_text:value>", "DELETE"), ["DELETE"], None),
        *(
            (on_any_subdomain, ["GET"], ["GET"]),
            (where_hosts_count, ["GET"], ["GET"]),
            (behind_a_redirect, ["GET"], []),
        ),
        (adds_rule(), ["GET", "DELETE,OPTIONS,PATCH,POST,PUT"], ["GET"]),
    ],
)
def test_the_route_that_is_never_reached_is_named(
    issuer: LocalIssuer,
    caplog: pytest.LogCaptureFixture,
    add: Callable[[Flask], None],
    methods_after: list[str],
    methods_before: list[str] | None,
) -> None:
    """Of ours only what a setting has turned on: nothing is lost with the others."""
    found = logged(issuer, caplog, add, "after")
    assert {line.split(" ")[0] for line in found} == set(methods_after)
    assert all(line.endswith("mine' is never reached") for line in found)
    if methods_before is not None:  # else its converter is ours, so the route cannot be added before
        caplog.clear()
        found = logged(issuer, caplog, add, "before")
        assert {line.split(" ")[0] for line in found} == set(methods_before)
        assert all("endpoint 'auth0." in line for line in found)


@pytest.mark.parametrize(
    "add",
    [
        *(adds("/auth/mine"), adds("/me"), adds("/auth/<name>"), adds("/<path:rest>"), adds("/auth/me/")),
        *(adds("/auth/me", subdomain="api"), adds("/auth/me", "HEAD"), adds("/auth/health", build_only=True)),
        *(of_two_tenants, adds_rule(websocket=True), adds_rule(redirect_to="/elsewhere"), lambda app: None),
    ],
)
def test_other_routes_are_no_alarm(
    issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, add: Callable[[Flask], None]
) -> None:
    assert logged(issuer, caplog, add, "after") == set()
