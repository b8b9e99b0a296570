"""A host that uses PyJWT for tokens of its own, beside our guards."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import jwt
import pytest
from answers import EXPECTED, answers_of, guard, in_every_mode, read
from conftest import AppFactory, bearer
from flask import Flask
from refusals import guarded

from auth0_blueprint import requires_auth
from auth0_blueprint.testing import LocalIssuer

KEY = "k" * 32


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
