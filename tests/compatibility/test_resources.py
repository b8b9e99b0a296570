"""Resources of Flask-RESTX and Flask-RESTful, whose `Api` answers exceptions of its own routes."""

from __future__ import annotations

from typing import Any, ClassVar

import flask_restful
import flask_restx
import pytest
from answers import EXPECTED, answers_of, guard, in_every_mode, read
from conftest import AppFactory, bearer
from flask import Blueprint, Flask, got_request_exception
from flask_cors import CORS
from flask_restx import fields
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint import Auth0Error, protect, requires_auth
from auth0_blueprint.testing import LocalIssuer

with_each_framework = pytest.mark.parametrize("framework", [flask_restx, flask_restful])


def resource(framework: Any, **members: Any) -> Any:
    return type("Messages", (framework.Resource,), {"get": guard(read), **members})


@with_each_framework
@in_every_mode
def test_a_refusal_is_ours_in_every_mode(
    make_app: AppFactory, issuer: LocalIssuer, framework: Any, mode: dict[str, Any]
) -> None:
    """Both answer exceptions that they do not know with 500, where these do not propagate."""
    app = make_app(**mode)
    framework.Api(app).add_resource(resource(framework), "/messages")
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_a_refusal_is_no_exception_to_those_who_listen_for_them(app: Flask) -> None:
    """An error tracker would report each of them."""
    flask_restful.Api(app).add_resource(resource(flask_restful), "/messages")
    reported: list[object] = []
    with got_request_exception.connected_to(lambda *_, **values: reported.append(values), app):
        app.test_client().get("/messages")
    assert reported == []


@with_each_framework
@pytest.mark.parametrize(
    "place", ["namespace", "blueprint", "blueprint with the api first", "two", "CORS", "CORS first"]
)
def test_an_api_is_found_wherever_it_is(app: Flask, issuer: LocalIssuer, framework: Any, place: str) -> None:
    """It leaves nothing on the app but a handler of errors, which others wrap too."""
    blueprint = Blueprint("v1", __name__)
    if place == "CORS first":
        CORS(app)
    api = framework.Api(blueprint if "blueprint" in place else app)
    if place == "two":
        framework.Api(blueprint, prefix="/other").add_resource(resource(framework), "/messages")
        app.register_blueprint(blueprint)
    if place == "blueprint with the api first":
        app.register_blueprint(blueprint)
    owner = api
    if place == "namespace" and framework is flask_restx:
        owner = api.namespace("all", path="/")
    owner.add_resource(resource(framework), "/messages")
    if place == "blueprint":
        app.register_blueprint(blueprint)
    if place == "CORS":
        CORS(app)
    assert answers_of(app.test_client(), issuer) == EXPECTED


@with_each_framework
def test_protect_guards_every_resource_of_a_blueprint(app: Flask, issuer: LocalIssuer, framework: Any) -> None:
    blueprint = Blueprint("v1", __name__)
    framework.Api(blueprint).add_resource(resource(framework, get=lambda _: read()), "/messages")
    protect(blueprint, "read:messages")
    app.register_blueprint(blueprint)
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_an_api_that_was_told_of_refusals_answers_them_itself(make_app: AppFactory) -> None:
    """And one that hands them back, as this package once advised, is no different from one that was told nothing."""
    apps = [make_app() for _ in range(3)]
    own, handing_back = flask_restx.Api(apps[0]), flask_restx.Api(apps[1])
    own.errorhandler(Auth0Error)(lambda error: ({"message": error.code}, 418))
    handing_back.errorhandler(Auth0Error)(raise_again)
    errors = {"MissingCredentialsError": {"message": "authorization_header_missing", "status": 418}}
    restful = flask_restful.Api(apps[2], errors=errors)
    for api, framework in ((own, flask_restx), (handing_back, flask_restx), (restful, flask_restful)):
        api.add_resource(resource(framework), "/messages")
    answers = [app.test_client().get("/messages") for app in apps]
    assert [answer.status_code for answer in answers] == [418, 401, 418]
    assert seen(answers[1]) == NO_CREDENTIALS


def raise_again(error: Exception) -> None:
    raise error


def broken(_: object) -> str:
    return str(1 // 0)


@with_each_framework
def test_what_is_not_ours_is_still_its_own_affair(app: Flask, issuer: LocalIssuer, framework: Any) -> None:
    """A bug in a view, and whatever handler an app has for it."""
    api = framework.Api(app)
    api.add_resource(resource(framework, get=requires_auth(broken)), "/broken")
    answer = app.test_client().get("/broken", headers=bearer(issuer.token()))
    assert (answer.status_code, answer.get_json()) == (500, {"message": "Internal Server Error"})


def test_only_a_guard_around_the_resource_comes_before_its_payload_is_checked(app: Flask, issuer: LocalIssuer) -> None:
    """A documented limit: Flask-RESTX checks the payload before it calls the method, guard and all."""
    api = flask_restx.Api(app)
    message = api.model("Message", {"text": fields.String(required=True)})

    class GuardedMethod(flask_restx.Resource):
        post = requires_auth(api.expect(message, validate=True)(read))

    class GuardedResource(flask_restx.Resource):
        decorators: ClassVar = [requires_auth]
        post = api.expect(message, validate=True)(read)

    api.add_resource(GuardedMethod, "/method")
    api.add_resource(GuardedResource, "/resource")
    client = app.test_client()
    assert client.post("/method", json={}).status_code == 400
    assert seen(client.post("/resource", json={})) == NO_CREDENTIALS
    for path in ("/method", "/resource"):
        assert seen(client.post(path, json={"text": "x"})) == NO_CREDENTIALS
        answer = client.post(path, json={"text": "x"}, headers=bearer(issuer.token()))
        assert answer.get_json() == {"subject": "auth0|local-user"}
