"""Views of flask-smorest, which wraps them to read their input and to write their document."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from answers import EXPECTED, answers_of
from conftest import AppFactory, bearer
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint
from marshmallow import Schema, fields
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint import current_token, protect, requires_auth, requires_scope
from auth0_blueprint.testing import LocalIssuer


class Message(Schema):
    subject = fields.String()


class Input(Schema):
    text = fields.String(required=True)


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0")


@pytest.fixture
def messages() -> Blueprint:
    return Blueprint("messages", __name__)


def test_a_guard_works_on_either_side_of_its_decorators(app: Flask, issuer: LocalIssuer, messages: Blueprint) -> None:
    """Also on ``async def`` views, which flask-smorest wraps into plain ones."""

    @messages.route("/above")
    @requires_scope("read:messages")
    @messages.response(200, Message)
    def above() -> dict[str, str]:
        return {"subject": current_token.subject}

    @messages.route("/below")
    @messages.response(200, Message)
    @requires_scope("read:messages")
    async def below() -> dict[str, str]:
        return {"subject": current_token.subject}

    Api(app).register_blueprint(messages)
    client = app.test_client()
    assert answers_of(client, issuer, "/above") == EXPECTED
    assert answers_of(client, issuer, "/below") == EXPECTED


def test_class_based_views_are_guarded_by_method_and_as_a_whole(
    app: Flask, issuer: LocalIssuer, messages: Blueprint
) -> None:
    """``etag`` on the class wraps the guarded methods once more."""

    @messages.route("/messages")
    @messages.etag
    class Messages(MethodView):
        @requires_scope("read:messages")
        @messages.response(200, Message)
        def get(self) -> dict[str, str]:
            return {"subject": current_token.subject}

    @messages.route("/whole")
    class Whole(MethodView):
        decorators: ClassVar = [requires_scope("read:messages")]

        @messages.response(200, Message)
        def get(self) -> dict[str, str]:
            return {"subject": current_token.subject}

    Api(app).register_blueprint(messages)
    client = app.test_client()
    assert answers_of(client, issuer, "/messages") == EXPECTED
    assert answers_of(client, issuer, "/whole") == EXPECTED


def test_protect_guards_a_blueprint_of_flask_smorest(app: Flask, issuer: LocalIssuer, messages: Blueprint) -> None:
    """It is a Flask blueprint."""

    @messages.route("/messages")
    @messages.response(200, Message)
    def read() -> dict[str, str]:
        return {"subject": current_token.subject}

    protect(messages, "read:messages")
    Api(app).register_blueprint(messages)
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_a_guard_above_the_arguments_comes_before_them(app: Flask, issuer: LocalIssuer, messages: Blueprint) -> None:
    """Callers are known before their input is looked at, and the input still reaches the view."""

    @messages.route("/messages", methods=["POST"])
    @requires_auth
    @messages.arguments(Input)
    def write(content: dict[str, Any]) -> dict[str, Any]:
        return content

    Api(app).register_blueprint(messages)
    client, headers = app.test_client(), bearer(issuer.token())
    assert seen(client.post("/messages", json={})) == NO_CREDENTIALS
    assert client.post("/messages", json={}, headers=headers).status_code == 422
    assert client.post("/messages", json={"text": "x"}, headers=headers).get_json() == {"text": "x"}


def test_a_guard_does_not_hide_what_is_documented(app: Flask, messages: Blueprint) -> None:
    """The document says the same as without the guard."""

    @messages.route("/messages", methods=["POST"])
    @requires_auth
    @messages.doc(security=[{"Auth0": []}])
    @messages.arguments(Input)
    @messages.response(201, Message)
    def write(content: dict[str, Any]) -> dict[str, Any]:
        """Write a message."""
        return content

    api = Api(app)
    api.register_blueprint(messages)
    operation = api.spec.to_dict()["paths"]["/messages"]["post"]
    assert operation["security"] == [{"Auth0": []}]
    assert operation["summary"] == "Write a message."
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Input"}
    assert "201" in operation["responses"]


def test_a_guard_on_the_class_is_refused(messages: Blueprint) -> None:
    """It would not guard anything."""
    with pytest.raises(TypeError, match="`decorators`"):

        @messages.route("/messages")
        @requires_auth
        class Messages(MethodView):
            """Has no methods."""
