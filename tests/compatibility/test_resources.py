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


def put_in_front(app: Flask) -> None:
    """Wrap the handler in a function with a cell that is never filled."""
    handle, unfilled = app.handle_user_exception, ""
    app.__dict__["handle_user_exception"] = lambda error: handle(error) or unfilled  # noqa: F821
    del unfilled


@with_each_framework
@pytest.mark.parametrize(
    "place", ["namespace", "blueprint", "blueprint with the api first", "two", "CORS", "CORS first", "closure"]
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
    if place == "closure":
        put_in_front(app)
    assert answers_of(app.test_client(), issuer) == EXPECTED


@with_each_framework
def test_protect_guards_every_resource_of_a_blueprint(app: Flask, issuer: LocalIssuer, framework: Any) -> None:
    blueprint = Blueprint("v1", __name__)
    framework.Api(blueprint).add_resource(resource(framework, get=lambda _: read()), "/messages")
    protect(blueprint, "read:messages")
    app.register_blueprint(blueprint)
    assert answers_of(app.test_client(), issuer) == EXPECTED


def own_words(_error: Exception) -> tuple[dict[str, str], int]:
    return {"message": "answered by the Api"}, 418


def raise_again(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("kind", "handler", "status"),
    [(Auth0Error, own_words, 418), (Auth0Error, raise_again, 401), (Exception, own_words, 401)],
)
def test_an_api_of_flask_restx_with_a_handler_for_refusals_answers_them_itself(
    app: Flask, kind: type[Exception], handler: Any, status: int
) -> None:
    """One that hands them back, as this package once advised, does no harm; one for everything is not asked."""
    api = flask_restx.Api(app)
    api.errorhandler(kind)(handler)
    api.add_resource(resource(flask_restx), "/messages")
    assert app.test_client().get("/messages").status_code == status


def test_an_api_of_flask_restful_that_knows_the_class_of_a_refusal_answers_it_itself(make_app: AppFactory) -> None:
    """However many apps share it: it is told only once to leave the others to the app."""
    api = flask_restful.Api(errors={"MissingCredentialsError": {"message": "answered by the Api", "status": 418}})
    api.add_resource(resource(flask_restful), "/messages")
    handlers = []
    for app in (make_app(), make_app()):
        api.init_app(app)
        client = app.test_client()
        assert client.get("/messages").status_code == 418
        assert client.get("/messages", headers=bearer("nonsense")).status_code == 401
        handlers.append(api.handle_error)
    assert handlers[0] is handlers[1]


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
