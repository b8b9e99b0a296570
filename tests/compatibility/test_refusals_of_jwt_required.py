"""``@jwt_required()`` refuses as this package's guards do, whoever stands between Flask and the view."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import flask_jwt_extended as fje
import flask_restful
import flask_restx
import pytest
from conftest import AppFactory, bearer
from flask import Blueprint, Flask
from flask.views import MethodView
from refusals import Answer, seen

from auth0_blueprint import Auth0Error, headers_for, requires_auth, response_body, token_rejected
from auth0_blueprint.testing import LocalIssuer

#: Makes a class; typed so that mypy lets its members be used.
make_class: Any = type
Guard = Callable[[Callable[..., Any]], Any]


def view(*_: object) -> dict[str, Any]:
    return {"identity": fje.get_jwt_identity()}


async def view_later(*_: object) -> dict[str, Any]:
    return view()


def plain(app: Flask, guard: Guard) -> None:
    app.add_url_rule("/messages", "view", guard(view))


def coroutine(app: Flask, guard: Guard) -> None:
    app.add_url_rule("/messages", "view", guard(view_later))


def method_view(app: Flask, guard: Guard) -> None:
    app.add_url_rule("/messages", view_func=make_class("View", (MethodView,), {"get": guard(view)}).as_view("view"))


def decorated_method_view(app: Flask, guard: Guard) -> None:
    members = {"get": view_later, "decorators": [guard]}
    app.add_url_rule("/messages", view_func=make_class("View", (MethodView,), members).as_view("view"))


def hook(app: Flask, guard: Guard) -> None:
    app.before_request(guard(lambda: None))
    app.add_url_rule("/messages", "view", lambda: view())  # `view` itself has guards elsewhere


def blueprint_that_handles_everything(app: Flask, guard: Guard) -> None:
    """As docs/frameworks.md has it."""
    blueprint = Blueprint("messages", __name__)

    @blueprint.errorhandler(Exception)
    def whatever_happens(_error: Exception) -> tuple[str, int]:
        return "", 500

    @blueprint.errorhandler(Auth0Error)
    def refuse(error: Auth0Error) -> Any:
        return response_body(error), error.status, headers_for(error)

    blueprint.add_url_rule("/messages", "view", guard(view))
    app.register_blueprint(blueprint)


def restx(app: Flask, guard: Guard) -> None:
    """As docs/frameworks.md has it."""
    api = flask_restx.Api(app, doc=False)

    def leave_it_to_the_app(error: Auth0Error) -> None:
        raise error

    api.errorhandler(Auth0Error)(leave_it_to_the_app)
    api.add_resource(make_class("View", (flask_restx.Resource,), {"get": guard(view)}), "/messages")


def restful(app: Flask, guard: Guard) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = True
    flask_restful.Api(app).add_resource(
        make_class("View", (flask_restful.Resource,), {"get": guard(view)}), "/messages"
    )


SETUPS = [
    plain, coroutine, method_view, decorated_method_view, hook, blueprint_that_handles_everything, restx, restful
]  # fmt: skip


def call_in_view(function: Callable[..., Any]) -> Callable[..., Any]:
    """Guard by a call of ``verify_jwt_in_request()``, as decorators of an app do."""

    def inner(*arguments: Any) -> Any:
        fje.verify_jwt_in_request(locations=["headers"])
        return function(*arguments)

    return inner


@pytest.fixture
def told(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> Callable[[Callable[..., None], Guard, dict[str, str]], tuple[Answer, dict[str, int], list[Any], list[str]]]:
    """Return what everybody is told of one request: the client, the counters, the receivers of signals, the log."""

    def answer(
        setup: Callable[..., None], guard: Guard, headers: dict[str, str]
    ) -> tuple[Answer, dict[str, int], list[Any], list[str]]:
        app = make_app()
        setup(app, guard)
        heard: list[dict[str, Any]] = []

        def hear(_sender: Flask, **said: Any) -> None:
            heard.append(said)

        caplog.clear()
        with token_rejected.connected_to(hear, app), caplog.at_level(logging.INFO, "auth0_blueprint"):
            response = app.test_client().get("/messages", headers=headers)
        lines = [record.getMessage() for record in caplog.records if record.name == "auth0_blueprint"]
        return seen(response), app.extensions["auth0"].counters.rejected, heard, lines

    return answer


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.__name__)
@pytest.mark.parametrize("credentials", ["none", "other scheme", "two", "nonsense", "expired", "good"])
def test_all_are_told_what_a_guard_of_ours_tells_them(
    told: Callable[..., Any], issuer: LocalIssuer, setup: Callable[..., None], credentials: str
) -> None:
    headers = {
        "none": {},
        "other scheme": {"Authorization": "Basic dTpw"},
        "two": {"Authorization": "Bearer a, Bearer b"},
        "nonsense": bearer("nonsense"),
        "expired": bearer(issuer.token(expires_in=-60)),
        "good": bearer(issuer.token()),
    }[credentials]
    expected = told(plain, requires_auth, headers)
    assert expected[0].status == (200 if credentials == "good" else 400 if credentials == "two" else 401)
    guards = [fje.jwt_required(), fje.jwt_required(locations="headers")]
    if setup in (plain, method_view, restx, restful, blueprint_that_handles_everything):
        guards.append(call_in_view)
    if credentials not in ("none", "other scheme"):
        guards.append(fje.jwt_required(optional=True))
    for guard in guards:
        assert told(setup, guard, headers) == expected


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.__name__)
def test_nobody_hears_of_a_request_that_needs_no_token(told: Callable[..., Any], setup: Callable[..., None]) -> None:
    for headers in ({}, {"Authorization": "Basic dTpw"}):
        answer, rejected, heard, lines = told(setup, fje.jwt_required(optional=True), headers)
        assert (answer.status, answer.body, rejected, heard, lines) == (200, {"identity": None}, {}, [], [])
