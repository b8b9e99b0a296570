"""Resources of Flask-RESTX, which answers for exceptions of its own routes."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from answers import EXPECTED, answers_of, guard, in_every_mode, read
from conftest import AppFactory, bearer
from flask import Blueprint, Flask
from flask_restx import Api, Namespace, Resource, fields
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint import Auth0Error, protect, requires_auth
from auth0_blueprint.testing import LocalIssuer


class Messages(Resource):
    get = guard(read)


class Bare(Resource):
    get = read


class BehindDecorators(Bare):
    decorators: ClassVar = [guard]


class BehindMethodDecorators(Bare):
    method_decorators: ClassVar = [guard]


def with_remedy(api: Api) -> Api:
    """Let *api* hand our errors back, as docs/frameworks.md says."""

    @api.errorhandler(Auth0Error)
    def leave_it_to_the_app(error: Auth0Error) -> None:
        raise error

    return api


@in_every_mode
def test_without_the_remedy_a_refusal_is_ours_only_where_exceptions_propagate(
    make_app: AppFactory, issuer: LocalIssuer, mode: dict[str, Any]
) -> None:
    """The trap that the documents name: right in tests and a 500 in production. Nobody gets in."""
    app = make_app(**mode)
    Api(app).add_resource(Messages, "/messages")
    client = app.test_client()
    propagates = mode["TESTING"] if mode["PROPAGATE_EXCEPTIONS"] is None else mode["PROPAGATE_EXCEPTIONS"]
    if propagates:
        assert answers_of(client, issuer) == EXPECTED
    else:
        assert client.get("/messages").status_code == 500
        assert client.get("/messages", headers=bearer(issuer.token(scope="read:messages"))).status_code == 200


@pytest.mark.parametrize("resource", [BehindDecorators, BehindMethodDecorators])
def test_the_decorators_of_a_resource_guard_it(app: Flask, issuer: LocalIssuer, resource: type[Resource]) -> None:
    with_remedy(Api(app)).add_resource(resource, "/messages")
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_a_namespace_on_a_blueprint_answers_alike(app: Flask, issuer: LocalIssuer) -> None:
    blueprint = Blueprint("v1", __name__, url_prefix="/v1")
    namespace = Namespace("messages", path="/messages")
    namespace.add_resource(Messages, "")
    with_remedy(Api(blueprint)).add_namespace(namespace)
    app.register_blueprint(blueprint)
    assert answers_of(app.test_client(), issuer, "/v1/messages") == EXPECTED


def test_protect_guards_every_resource_of_a_blueprint(app: Flask, issuer: LocalIssuer) -> None:
    blueprint = Blueprint("v1", __name__)
    with_remedy(Api(blueprint)).add_resource(Bare, "/messages")
    protect(blueprint, "read:messages")
    app.register_blueprint(blueprint)
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_only_a_guard_around_the_resource_comes_before_its_payload_is_checked(app: Flask, issuer: LocalIssuer) -> None:
    """A documented limit: Flask-RESTX checks the payload before it calls the method, guard and all."""
    api = with_remedy(Api(app))
    message = api.model("Message", {"text": fields.String(required=True)})

    class GuardedMethod(Resource):
        post = requires_auth(api.expect(message, validate=True)(read))

    class GuardedResource(Resource):
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


def test_a_guard_on_the_class_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match="`decorators`"):
        requires_auth(Bare)
