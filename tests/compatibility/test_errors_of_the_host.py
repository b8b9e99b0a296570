"""Errors of the host: its handlers for everything, and its own use of PyJWT. Whose answer does a client get?"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import jwt
import pytest
from answers import EXPECTED, answers_of, guard, in_every_mode, read
from conftest import AppFactory, bearer
from flask import Blueprint, Flask
from refusals import NO_CREDENTIALS, guarded, seen
from werkzeug.exceptions import HTTPException

from auth0_blueprint import Auth0Blueprint, requires_auth
from auth0_blueprint.testing import LocalIssuer

KEY = "k" * 32


def whatever_happens(_error: Exception) -> tuple[str, int]:
    return "something went wrong", 500


@pytest.mark.parametrize("caught", [Exception, HTTPException, 401, 403, 500])
@in_every_mode
def test_a_handler_of_the_app_for_everything_leaves_our_answers_alone(
    make_app: AppFactory, issuer: LocalIssuer, caught: Any, mode: dict[str, Any]
) -> None:
    """Ours is for a narrower class, and our errors are not Werkzeug's."""
    app = make_app(**mode)
    app.register_error_handler(caught, whatever_happens)
    app.add_url_rule("/messages", view_func=guard(read))
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_it_may_have_been_there_first(issuer: LocalIssuer) -> None:
    """A handler for everything is not one for `Auth0Error`: ours is installed all the same."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    app.register_error_handler(Exception, whatever_happens)
    app.register_blueprint(Auth0Blueprint())
    client = guarded(app)
    assert seen(client.get("/ours")) == seen(client.get("/theirs")) == NO_CREDENTIALS


def test_the_hosts_handler_still_gets_what_is_not_ours(app: Flask) -> None:
    """A bug in a view is its own affair."""
    app.register_error_handler(Exception, whatever_happens)
    app.add_url_rule("/broken", view_func=requires_auth(optional=True)(lambda: str(1 // 0)), endpoint="broken")
    assert app.test_client().get("/broken").text == "something went wrong"


def test_a_handler_of_a_blueprint_for_everything_gets_our_refusals(app: Flask) -> None:
    """The documented limit: Flask asks a blueprint before the app. Nobody gets in, and other blueprints are as ever."""
    careless, other = Blueprint("careless", __name__), Blueprint("other", __name__)
    careless.register_error_handler(Exception, whatever_happens)
    for blueprint in (careless, other):
        blueprint.add_url_rule(f"/{blueprint.name}", view_func=requires_auth(read))
        app.register_blueprint(blueprint)
    client = app.test_client()
    refused = client.get("/careless")
    assert (refused.status_code, refused.text) == (500, "something went wrong")
    assert seen(client.get("/other")) == NO_CREDENTIALS


@pytest.fixture
def host(app: Flask) -> Flask:
    @app.get("/invitation/<token>")
    @requires_auth(optional=True)
    def invitation(token: str) -> Any:
        return jwt.decode(token, KEY, algorithms=["HS256"])

    return app


EXPIRED, OTHER_KEY = jwt.encode({"exp": 1}, KEY), jwt.encode({}, "o" * 32)


@pytest.mark.parametrize("token", ["nonsense", EXPIRED, OTHER_KEY], ids=["nonsense", "expired", "other key"])
@pytest.mark.parametrize("propagate", [False, True])
def test_a_failure_of_its_own_keeps_its_exception(host: Flask, token: str, propagate: bool) -> None:
    """No handler of ours, or of flask-jwt-extended, answers for it: it is a bug like any other."""
    host.config["PROPAGATE_EXCEPTIONS"] = propagate
    client = host.test_client()
    with pytest.raises(jwt.PyJWTError) if propagate else nullcontext():
        assert client.get(f"/invitation/{token}").status_code == 500


def test_its_tokens_and_ours_do_not_mix(host: Flask, issuer: LocalIssuer) -> None:
    """Its own are read by its own key; ours are not accepted there, nor its own by our guards."""
    own = jwt.encode({"sub": "invited"}, KEY)
    client = guarded(host)
    assert client.get(f"/invitation/{own}", headers=bearer(issuer.token())).get_json() == {"sub": "invited"}
    assert client.get(f"/invitation/{issuer.token()}").status_code == 500
    assert client.get("/ours", headers=bearer(own)).get_json()["code"] == "unsupported_algorithm"


@in_every_mode
def test_its_handler_for_pyjwts_errors_never_sees_a_refusal_of_ours(
    make_app: AppFactory, issuer: LocalIssuer, mode: dict[str, Any]
) -> None:
    """Our errors are a family of their own."""
    app = make_app(**mode)
    app.register_error_handler(jwt.PyJWTError, lambda _error: ("its own", 418))
    app.add_url_rule("/messages", view_func=guard(read))
    assert answers_of(app.test_client(), issuer) == EXPECTED
