"""Views of APIFlask, which is a Flask of its own with error answers and documents of its own."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from answers import EXPECTED, answers_of
from apiflask import APIBlueprint, APIFlask, Schema
from apiflask.fields import String
from apiflask.views import MethodView
from conftest import bearer
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint import Auth0Blueprint, current_token, protect, requires_auth, requires_scope
from auth0_blueprint.testing import LocalIssuer


class Message(Schema):
    subject = String()


class Input(Schema):
    text = String(required=True)


@pytest.fixture
def app(issuer: LocalIssuer) -> APIFlask:
    app = APIFlask("tested")
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    return app


def test_a_guard_works_on_either_side_of_its_decorators(app: APIFlask, issuer: LocalIssuer) -> None:
    """Also on ``async def`` views, which APIFlask wraps into plain ones."""

    @app.get("/above")
    @requires_scope("read:messages")
    @app.output(Message)
    def above() -> dict[str, str]:
        return {"subject": current_token.subject}

    @app.get("/below")
    @app.output(Message)
    @requires_scope("read:messages")
    async def below() -> dict[str, str]:
        return {"subject": current_token.subject}

    client = app.test_client()
    assert answers_of(client, issuer, "/above") == EXPECTED
    assert answers_of(client, issuer, "/below") == EXPECTED


def test_class_based_views_are_guarded_by_method_and_as_a_whole(app: APIFlask, issuer: LocalIssuer) -> None:
    """APIFlask looks into the class for what it documents."""

    class ByMethod(MethodView):
        @requires_scope("read:messages")
        @app.output(Message)
        def get(self) -> dict[str, str]:
            return {"subject": current_token.subject}

    class Whole(MethodView):
        decorators: ClassVar = [requires_scope("read:messages")]

        @app.output(Message)
        def get(self) -> dict[str, str]:
            return {"subject": current_token.subject}

    app.add_url_rule("/by-method", view_func=ByMethod.as_view("by_method"))
    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    client = app.test_client()
    assert answers_of(client, issuer, "/by-method") == EXPECTED
    assert answers_of(client, issuer, "/whole") == EXPECTED


def test_protect_guards_a_blueprint_and_leaves_the_documents_open(app: APIFlask, issuer: LocalIssuer) -> None:
    """Those are the app's own."""
    messages = APIBlueprint("messages", __name__)

    @messages.get("/messages")
    @messages.output(Message)
    def read() -> dict[str, str]:
        return {"subject": current_token.subject}

    protect(messages, "read:messages")
    app.register_blueprint(messages)
    client = app.test_client()
    assert answers_of(client, issuer) == EXPECTED
    assert client.get("/openapi.json").status_code == 200


def test_protect_guards_the_documents_of_an_app(app: APIFlask, issuer: LocalIssuer) -> None:
    """As docs/frameworks.md says."""
    protect(app)
    client = app.test_client()
    for path in ("/docs", "/openapi.json"):
        assert seen(client.get(path)) == NO_CREDENTIALS
        assert client.get(path, headers=bearer(issuer.token())).status_code == 200


def test_a_guard_above_the_input_comes_before_it(app: APIFlask, issuer: LocalIssuer) -> None:
    """Callers are known before their input is looked at, and the input still reaches the view."""

    @app.post("/messages")
    @requires_auth
    @app.input(Input)
    def write(json_data: dict[str, Any]) -> dict[str, Any]:
        return json_data

    client, headers = app.test_client(), bearer(issuer.token())
    assert seen(client.post("/messages", json={})) == NO_CREDENTIALS
    assert client.post("/messages", json={}, headers=headers).status_code == 422
    assert client.post("/messages", json={"text": "x"}, headers=headers).get_json() == {"text": "x"}


def test_a_guard_does_not_hide_what_is_documented(app: APIFlask) -> None:
    """The document says the same as without the guard."""
    app.security_schemes = {"Auth0": {"type": "http", "scheme": "bearer"}}

    @app.post("/messages")
    @requires_auth
    @app.input(Input)
    @app.output(Message, status_code=201)
    @app.doc(security="Auth0")
    def write(json_data: dict[str, Any]) -> dict[str, Any]:
        """Write a message."""
        return json_data

    operation = app.test_client().get("/openapi.json").get_json()["paths"]["/messages"]["post"]
    assert operation["security"] == [{"Auth0": []}]
    assert operation["summary"] == "Write a message."
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Input"}
    assert "201" in operation["responses"]
