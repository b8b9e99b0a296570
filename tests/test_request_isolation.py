"""What one request proves or changes, no other one sees."""

from __future__ import annotations

from typing import Any

import flask_jwt_extended as fje
import pytest
from conftest import AppFactory, bearer
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from auth0_blueprint import current_token, requires_auth
from auth0_blueprint.testing import LocalIssuer


def test_two_requests_in_one_pushed_app_context_never_share_an_identity(app: Flask, issuer: LocalIssuer) -> None:
    """``g`` is shared there; the token is not."""

    @app.get("/ours")
    @requires_auth
    def ours() -> str:
        return f"{current_token.subject} {fje.get_jwt_identity()}"

    @app.get("/theirs")
    @fje.jwt_required()
    def theirs() -> str:
        return f"{current_token.subject} {fje.get_jwt_identity()}"

    @app.get("/optional")
    @fje.jwt_required(optional=True)
    def optional() -> str:
        return str(fje.get_jwt_identity())

    @app.get("/unguarded")
    def unguarded() -> str:
        with pytest.raises(RuntimeError):
            fje.get_jwt()
        with pytest.raises(RuntimeError):
            current_token.subject  # noqa: B018 - the access is the test
        return "nobody"

    client = app.test_client()
    with app.app_context():
        for path in ("/ours", "/theirs"):
            for subject in ("alice", "bob"):
                headers = bearer(issuer.token(sub=subject))
                assert client.get(path, headers=headers).text == f"{subject} {subject}"
                assert client.get("/optional").text == "None"
                assert client.get("/unguarded").text == "nobody"
                assert client.get(path).status_code == 401


def test_an_inner_request_does_not_touch_the_outer_one(app: Flask, issuer: LocalIssuer) -> None:
    """A view that calls its own app, with other credentials, keeps its caller."""

    @app.get("/inner")
    @requires_auth
    def inner() -> str:
        return current_token.subject

    @app.get("/outer")
    @requires_auth
    def outer() -> str:
        answer = app.test_client().get("/inner", headers=bearer(issuer.token(sub="inner"))).text
        return f"{answer} {current_token.subject} {fje.get_jwt_identity()}"

    response = app.test_client().get("/outer", headers=bearer(issuer.token(sub="outer")))
    assert response.text == "inner outer outer"


@pytest.mark.parametrize("guard", [requires_auth, fje.jwt_required()])
def test_what_a_view_does_to_its_claims_is_invisible_to_the_next_request(
    app: Flask, issuer: LocalIssuer, guard: Any
) -> None:
    """Nested lists and objects included, from whichever side they were taken."""
    claims: dict[str, Any] = {"roles": ["user"], "https://example.com/x": {"list": [1], "object": {}}}

    def view() -> ResponseReturnValue:
        seen = jsonify(
            [
                fje.get_jwt(),
                fje.get_jwt_header(),
                dict(current_token),
                current_token.header,
                sorted(current_token.scopes),
            ]
        )
        spoiled = [fje.get_jwt(), fje.get_jwt_header(), current_token.claims, current_token.header, dict(current_token)]
        for one in spoiled:
            one["sub"] = one["kid"] = "admin"
            one.get("roles", []).append("admin")
            one.get("https://example.com/x", {"list": []})["list"].append(2)
        current_token["roles"].append("admin")
        for value in current_token.values():
            if isinstance(value, list):
                value.append("admin")
        return seen

    app.add_url_rule("/", "view", guard(view))
    client, token = app.test_client(), issuer.token(scope="a", **claims)
    first, second = (client.get("/", headers=bearer(token)).get_json() for _ in range(2))
    assert first == second
    assert second[0]["roles"] == ["user"]
    assert second[0]["https://example.com/x"] == {"list": [1], "object": {}}


def test_nothing_is_left_on_the_request_when_it_ends(app: Flask, issuer: LocalIssuer) -> None:
    """Whoever holds on to a request object holds no token."""
    kept: list[Any] = []

    @app.get("/")
    @requires_auth
    def view() -> str:
        kept.append(request._get_current_object())  # type: ignore[attr-defined]
        return ""

    app.test_client().get("/", headers=bearer(issuer.token()))
    assert not [name for name in vars(kept[0]) if "auth0" in name]


def test_a_refused_request_leaves_no_state(app: Flask, issuer: LocalIssuer) -> None:
    """Error handlers and hooks after a refusal see nobody."""
    seen: list[bool] = []

    @app.after_request
    def look(response: Any) -> Any:
        with pytest.raises(RuntimeError):
            current_token.subject  # noqa: B018 - the access is the test
        seen.append(True)
        return response

    app.add_url_rule("/", "view", requires_auth(lambda: ""))
    app.test_client().get("/", headers=bearer(issuer.token(expires_in=-100)))
    assert seen == [True]


def test_two_apps_in_one_process_accept_their_own_audience_only(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """One blueprint instance on many apps keeps nothing of an app."""
    from auth0_blueprint import Auth0Blueprint

    blueprint = Auth0Blueprint()
    apps = [make_app(blueprint, AUTH0_AUDIENCE=audience) for audience in ("a", "b")]
    statuses = [
        [app.test_client().get("/auth/me", headers=bearer(issuer.token(aud=audience))).status_code for audience in "ab"]
        for app in apps
    ]
    assert statuses == [[200, 401], [401, 200]]
