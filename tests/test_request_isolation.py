"""What one request proves or changes, no other one sees."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import flask_jwt_extended as fje
import pytest
from conftest import AppFactory, bearer
from flask import Flask, Response, copy_current_request_context, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue

from auth0_blueprint import Auth0Blueprint, InvalidClaimsError, current_token, requires_auth
from auth0_blueprint.testing import LocalIssuer


def answer(app: Flask, view: Callable[[], ResponseReturnValue], token: str) -> str:
    """Guard *view*, and return what it says to *token*."""
    app.add_url_rule("/", "view", requires_auth(view))
    return app.test_client().get("/", headers=bearer(token)).text


def nobody_is_known() -> None:
    with pytest.raises(RuntimeError):
        fje.get_jwt()
    with pytest.raises(RuntimeError):
        current_token.subject  # noqa: B018 - the access is the test


def test_two_requests_in_one_pushed_app_context_never_share_an_identity(app: Flask, issuer: LocalIssuer) -> None:
    """``g`` is shared there; the token is not."""

    def view() -> str:
        return f"{current_token.subject} {fje.get_jwt_identity()}"

    app.add_url_rule("/ours", "ours", requires_auth(view))
    app.add_url_rule("/theirs", "theirs", fje.jwt_required()(view))

    @app.get("/optional")
    @fje.jwt_required(optional=True)
    def optional() -> str:
        return str(fje.get_jwt_identity())

    @app.get("/unguarded")
    def unguarded() -> str:
        nobody_is_known()
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
    claims: dict[str, Any] = {"roles": ["user"], "https://example.com/x": {"list": [1], "object": {}}}

    def view() -> ResponseReturnValue:
        claims_seen = [fje.get_jwt(), dict(current_token), sorted(current_token.scopes)]
        seen = jsonify([*claims_seen, fje.get_jwt_header(), current_token.header])
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


def test_the_state_dies_with_its_request(app: Flask, issuer: LocalIssuer) -> None:
    kept: list[weakref.ref[Any]] = []

    def view() -> str:
        kept.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]
        return ""

    answer(app, view, issuer.token())
    gc.collect()
    assert kept[0]() is None


def test_a_streaming_view_keeps_its_caller_to_the_end(app: Flask, issuer: LocalIssuer) -> None:
    """Flask ends the request context before a stream is read, and pushes it again."""

    def stream() -> Iterator[str]:
        yield "caller: "
        yield current_token.subject
        yield f" {fje.get_jwt_identity()}"

    assert answer(app, lambda: Response(stream_with_context(stream())), issuer.token(sub="me")) == "caller: me me"


def test_a_thread_with_a_copied_context_does_not_take_the_caller_away(app: Flask, issuer: LocalIssuer) -> None:
    def view() -> str:
        heard: list[str] = []
        thread = threading.Thread(target=copy_current_request_context(lambda: heard.append(current_token.subject)))
        thread.start()
        thread.join()
        return f"{heard[0]} {current_token.subject}"

    assert answer(app, view, issuer.token(sub="me")) == "me me"


def test_a_context_that_was_pushed_before_registration_is_safe(issuer: LocalIssuer) -> None:
    """Its ``g`` is older than the blueprint, and answers as any other all the same."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    with app.app_context():
        app.register_blueprint(Auth0Blueprint())
        app.add_url_rule("/theirs", "theirs", fje.jwt_required()(lambda: fje.get_jwt_identity()))
        app.add_url_rule("/ours", "ours", requires_auth(lambda: fje.get_jwt_identity()))
        client = app.test_client()
        assert client.get("/theirs", headers=bearer(issuer.token(sub="alice"))).text == "alice"
        assert client.get("/ours", headers=bearer(issuer.token(sub="bob"))).text == "bob"


def test_a_context_of_another_kind_is_refused_rather_than_shared(issuer: LocalIssuer) -> None:
    """A context that another thread has pushed before registration cannot be mended, so nobody passes in it."""
    app = Flask("tested")
    app.testing = True
    app.config.update(issuer.settings)
    context = app.app_context()
    app.register_blueprint(Auth0Blueprint())
    app.add_url_rule("/", "view", fje.jwt_required()(lambda: ""))
    with context, pytest.raises(RuntimeError, match="pushed before"):
        app.test_client().get("/", headers=bearer(issuer.token()))


def test_a_refused_request_leaves_no_state(app: Flask, issuer: LocalIssuer) -> None:
    seen: list[bool] = []

    @app.after_request
    def look(response: Any) -> Any:
        nobody_is_known()
        seen.append(True)
        return response

    app.add_url_rule("/", "view", requires_auth(lambda: ""))
    app.test_client().get("/", headers=bearer(issuer.token(expires_in=-100)))
    assert seen == [True]


def test_two_apps_in_one_process_accept_their_own_audience_only(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """One blueprint instance on many apps keeps nothing of an app."""
    blueprint = Auth0Blueprint()
    apps = [make_app(blueprint, AUTH0_AUDIENCE=audience) for audience in ("a", "b")]
    statuses = [
        [app.test_client().get("/auth/me", headers=bearer(issuer.token(aud=audience))).status_code for audience in "ab"]
        for app in apps
    ]
    assert statuses == [[200, 401], [401, 200]]


def test_what_one_app_has_proven_is_nothing_to_another(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """A view that enters another app's context is verified by that app's settings there."""
    first, second = make_app(), make_app(AUTH0_AUDIENCE="https://other.example.com")

    def view() -> str:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        with second.app_context():
            with pytest.raises(InvalidClaimsError):
                requires_auth(lambda: "")()
            with pytest.raises(InvalidClaimsError):
                fje.decode_token(token)
            nobody_is_known()
        return current_token.subject

    assert answer(first, view, issuer.token()) == "auth0|local-user"
