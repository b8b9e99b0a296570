"""Views of APIFlask and flask-smorest, which wrap them to read their input and to write their document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import flask_smorest
import pytest
from answers import EXPECTED, answers_of, guard, read, read_later
from apiflask import APIBlueprint, APIFlask, Schema
from apiflask.fields import String
from conftest import AppFactory, bearer
from flask import Flask
from flask.views import MethodView
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint import Auth0Blueprint, protect, requires_auth
from auth0_blueprint.testing import LocalIssuer

Decorator = Callable[[Any], Any]


class Message(Schema):
    subject = String()


class Input(Schema):
    text = String(required=True)


@dataclass(frozen=True)
class Host:
    """An app, and a framework's words: decorators for the most part; ``finish`` returns the document of all views."""

    app: Flask
    routes: Any
    output: Callable[[int], Decorator]
    with_input: Decorator
    on_class: Decorator
    needs_login: Decorator
    add_class: Callable[[str, type[MethodView]], object]
    finish: Callable[[], dict[str, Any]]


@pytest.fixture
def apiflask(issuer: LocalIssuer) -> APIFlask:
    app = APIFlask("tested")
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    app.security_schemes = {"Auth0": {"type": "http", "scheme": "bearer"}}
    return app


@pytest.fixture
def smorest(make_app: AppFactory) -> Flask:
    return make_app(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0")


@pytest.fixture(params=["APIFlask", "flask-smorest"])
def host(request: pytest.FixtureRequest, apiflask: APIFlask, smorest: Flask) -> Host:
    if request.param == "APIFlask":
        return Host(
            apiflask,
            apiflask,
            output=lambda status: apiflask.output(Message, status_code=status),
            with_input=apiflask.input(Input, arg_name="content"),
            on_class=lambda view: view,
            needs_login=apiflask.doc(security="Auth0"),
            add_class=lambda path, view: apiflask.add_url_rule(path, view_func=view.as_view(view.__name__)),
            finish=lambda: dict(apiflask.test_client().get("/openapi.json").get_json()),
        )
    messages = flask_smorest.Blueprint("messages", __name__)
    api = flask_smorest.Api(smorest)

    def finish() -> dict[str, Any]:
        api.register_blueprint(messages)
        return dict(api.spec.to_dict())

    return Host(
        smorest,
        messages,
        output=lambda status: messages.response(status, Message),
        with_input=messages.arguments(Input),
        on_class=messages.etag,
        needs_login=messages.doc(security=[{"Auth0": []}]),
        add_class=lambda path, view: messages.route(path)(view),
        finish=finish,
    )


def test_a_guard_works_on_either_side_of_its_decorators(host: Host, issuer: LocalIssuer) -> None:
    """Also on ``async def`` views, which both wrap into plain ones."""
    host.routes.route("/above")(guard(host.output(200)(read)))
    host.routes.route("/below")(host.output(200)(guard(read_later)))
    host.finish()
    for path in ("/above", "/below"):
        assert answers_of(host.app.test_client(), issuer, path) == EXPECTED


def test_class_based_views_are_guarded_by_method_and_as_a_whole(host: Host, issuer: LocalIssuer) -> None:
    """Both look into the class; ``etag`` on it wraps the guarded methods once more."""

    class ByMethod(MethodView):
        get = guard(host.output(200)(read))

    class Whole(MethodView):
        decorators: ClassVar = [guard]
        get = host.output(200)(read)

    host.add_class("/by-method", host.on_class(ByMethod))
    host.add_class("/whole", Whole)
    host.finish()
    for path in ("/by-method", "/whole"):
        assert answers_of(host.app.test_client(), issuer, path) == EXPECTED


def test_a_guard_above_the_input_comes_before_it(host: Host, issuer: LocalIssuer) -> None:
    """Callers are known before their input is looked at, and the input still reaches the view."""

    def write(*contents: Any, **content: Any) -> Any:
        return content.get("content", *contents)

    host.routes.route("/messages", methods=["POST"])(requires_auth(host.with_input(write)))
    host.finish()
    client, headers = host.app.test_client(), bearer(issuer.token())
    assert seen(client.post("/messages", json={})) == NO_CREDENTIALS
    assert client.post("/messages", json={}, headers=headers).status_code == 422
    assert client.post("/messages", json={"text": "x"}, headers=headers).get_json() == {"text": "x"}


def test_a_guard_does_not_hide_what_is_documented(host: Host) -> None:
    def write(content: Any) -> Any:
        """Write a message."""

    view = requires_auth(host.needs_login(host.with_input(host.output(201)(write))))
    host.routes.route("/messages", methods=["POST"])(view)
    operation = host.finish()["paths"]["/messages"]["post"]
    assert operation["security"] == [{"Auth0": []}]
    assert operation["summary"] == "Write a message."
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Input"}
    assert "201" in operation["responses"]


def test_protect_guards_a_blueprint_of_flask_smorest(smorest: Flask, issuer: LocalIssuer) -> None:
    messages = flask_smorest.Blueprint("messages", __name__)
    messages.route("/messages")(messages.response(200, Message)(read))
    protect(messages, "read:messages")
    flask_smorest.Api(smorest).register_blueprint(messages)
    assert answers_of(smorest.test_client(), issuer) == EXPECTED


def test_protect_guards_a_blueprint_of_apiflask_and_leaves_the_documents_open(
    apiflask: APIFlask, issuer: LocalIssuer
) -> None:
    messages = APIBlueprint("messages", __name__)
    messages.get("/messages")(messages.output(Message)(read))
    protect(messages, "read:messages")
    apiflask.register_blueprint(messages)
    assert answers_of(apiflask.test_client(), issuer) == EXPECTED
    assert apiflask.test_client().get("/openapi.json").status_code == 200


def test_protect_guards_the_documents_of_an_app(apiflask: APIFlask, issuer: LocalIssuer) -> None:
    """As docs/frameworks.md says."""
    protect(apiflask)
    client = apiflask.test_client()
    for path in ("/docs", "/openapi.json"):
        assert seen(client.get(path)) == NO_CREDENTIALS
        assert client.get(path, headers=bearer(issuer.token())).status_code == 200


def test_a_guard_on_the_class_is_refused() -> None:
    """It would not guard anything."""
    with pytest.raises(TypeError, match="`decorators`"):
        flask_smorest.Blueprint("messages", __name__).route("/messages")(requires_auth(MethodView))
