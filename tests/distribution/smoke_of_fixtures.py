"""The test of an app, by somebody who has installed the wheel: copied into an empty folder by `try_packages.py`."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from auth0_blueprint import Auth0Blueprint, requires_scope
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def app(auth0_issuer: LocalIssuer) -> Flask:
    app = Flask("tested")
    app.config.update(auth0_issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    app.add_url_rule("/messages", view_func=requires_scope("read:messages")(lambda: {"messages": []}))
    return app


def test_messages_need_the_scope(auth0_client: Callable[..., FlaskClient]) -> None:
    assert auth0_client(scope="read:messages").get("/messages").status_code == 200
    assert auth0_client().get("/messages").status_code == 403
