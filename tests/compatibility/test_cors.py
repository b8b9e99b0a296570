"""Scripts of other origins, by flask-cors: what ``docs/how-to/cors.md`` says of preflights and refusals is so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask_cors import CORS, cross_origin
from werkzeug.test import TestResponse

from auth0_blueprint import Auth0Error, headers_for, protect, requires_auth, response_body
from auth0_blueprint.testing import LocalIssuer

ORIGIN = "https://app.example.com"
PAGE = ROOT / "docs" / "how-to" / "cors.md"
OPTIONS: dict[str, Any] = {"origins": [ORIGIN], "expose_headers": ["WWW-Authenticate", "Retry-After"]}
ASKED = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization, dpop"}


def new_view() -> Callable[[], str]:
    """Return a view that no other app has: guards and flask-cors leave marks on it."""
    return lambda: "seen"


def with_cors_app(app: Flask) -> None:
    """As a guard below the route decorator."""
    CORS(app, **OPTIONS)
    app.add_url_rule("/seen", "view", requires_auth(new_view()))


def with_cors_app_protected(app: Flask) -> None:
    CORS(app, **OPTIONS)
    protect(app)
    app.add_url_rule("/seen", "view", new_view())


def with_cors_after_protect(app: Flask) -> None:
    protect(app)
    CORS(app, **OPTIONS)
    app.add_url_rule("/seen", "view", new_view())


def with_cors_blueprint(app: Flask) -> None:
    blueprint = Blueprint("inner", "inner")
    CORS(blueprint, **OPTIONS)
    protect(blueprint)
    blueprint.add_url_rule("/seen", "view", new_view())
    app.register_blueprint(blueprint)


def with_cross_origin(app: Flask) -> None:
    app.add_url_rule("/seen", "view", cross_origin(**OPTIONS)(requires_auth(new_view())))


def with_cross_origin_and_handler(app: Flask) -> None:
    with_cross_origin(app)

    @app.errorhandler(Auth0Error)
    @cross_origin(**OPTIONS)
    def refuse(error: Auth0Error) -> Any:
        return response_body(error), error.status, headers_for(error)


def with_cross_origin_and_cors(app: Flask) -> None:
    with_cross_origin(app)
    CORS(app, **OPTIONS)


def with_cross_origin_below(app: Flask) -> None:
    app.add_url_rule("/seen", "view", requires_auth(cross_origin(**OPTIONS)(new_view())))


def with_cross_origin_protected(app: Flask) -> None:
    protect(app)
    app.add_url_rule("/seen", "view", cross_origin(**OPTIONS)(new_view()))


def is_readable(response: TestResponse) -> bool:
    """Tell whether a script of that origin may read it, and its challenge."""
    exposed = response.headers.get("Access-Control-Expose-Headers", "")
    return response.headers.get("Access-Control-Allow-Origin") == ORIGIN and "WWW-Authenticate" in exposed


@pytest.mark.parametrize(
    ("set_up", "preflight", "readable"),
    [
        (with_cors_app, 200, True),
        (with_cors_app_protected, 200, True),
        (with_cors_after_protect, 200, True),
        (with_cors_blueprint, 200, True),
        (with_cross_origin, 200, False),
        (with_cross_origin_and_handler, 200, True),
        (with_cross_origin_and_cors, 200, True),
        (with_cross_origin_below, 401, False),
        (with_cross_origin_protected, 401, False),
    ],
)
def test_preflights_and_refusals_are_as_the_page_says(
    make_app: AppFactory, issuer: LocalIssuer, set_up: Callable[[Flask], None], preflight: int, readable: bool
) -> None:
    """A caller with a token can read the answer in every set-up; the view runs for nobody else."""
    app = make_app()
    set_up(app)
    client = app.test_client()
    asked = client.options("/seen", headers={"Origin": ORIGIN, **ASKED})
    assert asked.status_code == preflight
    if preflight == 200:
        assert asked.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert asked.headers["Access-Control-Allow-Headers"] == "authorization, dpop"
        assert asked.data == b""
    refused = client.get("/seen", headers={"Origin": ORIGIN})
    assert (refused.status_code, is_readable(refused)) == (401, readable)
    assert refused.get_json()["code"] == "authorization_header_missing"
    admitted = client.get("/seen", headers={"Origin": ORIGIN, **bearer(issuer.token())})
    assert (admitted.status_code, admitted.text, is_readable(admitted)) == (200, "seen", True)
    stranger = client.get("/seen", headers={"Origin": "https://other.example", **bearer(issuer.token())})
    assert stranger.headers.get("Access-Control-Allow-Origin") != "https://other.example"


@pytest.mark.parametrize(("set_up", "warned"), [(with_cross_origin, 0), (with_cross_origin_below, 1)])
def test_a_guard_above_cross_origin_is_a_warning_at_the_first_request(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture, set_up: Callable[[Flask], None], warned: int
) -> None:
    app = make_app()
    set_up(app)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            app.test_client().get("/auth/health/live")
    assert [message.partition(":")[0] for message in caplog.messages if "cross_origin" in message] == [
        "the guard of endpoint 'view' stands above @cross_origin(), so it refuses preflight requests"
    ] * warned


@pytest.mark.parametrize("number", [0, 1])
def test_the_apps_of_the_page_answer_preflights_and_readable_refusals(issuer: LocalIssuer, number: int) -> None:
    create_app = run_block(PAGE, list(python_blocks(PAGE))[number].code)["create_app"]
    client: FlaskClient = create_app(issuer.settings).test_client()
    assert client.options("/messages", headers={"Origin": ORIGIN, **ASKED}).status_code == 200
    refused = client.get("/messages", headers={"Origin": ORIGIN})
    assert (refused.status_code, is_readable(refused)) == (401, True)
    headers = {"Origin": ORIGIN, **bearer(issuer.token(scope="read:messages"))}
    assert client.get("/messages", headers=headers).status_code == 200
