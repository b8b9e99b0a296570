"""The guards for views: what each admits, what it refuses, and how it may be applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from flask_jwt_extended import jwt_required

from auth0_blueprint import (
    current_token,
    has_permission,
    has_scope,
    requires_auth,
    requires_claim,
    requires_permission,
    requires_scope,
    token_verified,
)
from auth0_blueprint.testing import LocalIssuer

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def client_of(app: Flask, *guards: Decorator) -> FlaskClient:
    """Return a client of *app*, whose ``/guarded`` has *guards*, outermost first."""

    def view() -> ResponseReturnValue:
        return {"subject": current_token.subject if current_token else None}

    guarded: Callable[..., Any] = view
    for guard in reversed(guards):
        guarded = guard(guarded)
    app.add_url_rule("/guarded", "guarded", guarded)
    return app.test_client()


@pytest.mark.parametrize("guard", [requires_auth, requires_auth()])
def test_requires_auth_works_with_and_without_parentheses(app: Flask, issuer: LocalIssuer, guard: Decorator) -> None:
    client = client_of(app, guard)
    assert client.get("/guarded", headers=bearer(issuer.token())).json == {"subject": "auth0|local-user"}
    assert client.get("/guarded").status_code == 401


@pytest.mark.parametrize("header", [None, "Bearer bad", "Basic dTpw", "Bearer", "Bearer a b"])
def test_optional_admits_a_request_without_credentials_and_no_bad_ones(app: Flask, header: str | None) -> None:
    """Optional means that credentials may be absent, not that they may be wrong."""
    headers = {} if header is None else {"Authorization": header}
    response = client_of(app, requires_auth(optional=True)).get("/guarded", headers=headers)
    if header is None:
        assert (response.status_code, response.json) == (200, {"subject": None})
    else:
        assert response.status_code in {400, 401}


@pytest.mark.parametrize(
    ("guards", "headers"),
    [
        # flask-jwt-extended takes another scheme for no credentials; ours does not, in either order.
        ((jwt_required(optional=True), requires_auth(optional=True)), {"Authorization": "Basic dTpw"}),
        ((requires_auth(optional=True), jwt_required(optional=True)), {"Authorization": "Basic dTpw"}),
        # What an optional guard lets through as anonymous is not verified for the next guard.
        ((requires_auth(optional=True), requires_auth), {}),
    ],
)
def test_an_optional_guard_does_not_soften_another(
    app: Flask, guards: tuple[Decorator, ...], headers: dict[str, str]
) -> None:
    assert client_of(app, *guards).get("/guarded", headers=headers).status_code == 401


EQUAL: list[tuple[Any, Any]] = [(1, 1.0), ({"a": [1]}, {"a": [1]})]
UNEQUAL: list[tuple[Any, Any]] = [
    *((True, 1), (1, True), (1, [True]), ({"a": True}, {"a": 1}), ({"a": [True]}, {"a": [1]})),
    *(({"a": 1}, {"a": 1, "b": 1}), ({"a": 1, "b": 1}, {"a": 1}), ({"a": [1]}, {"a": [1, 1]})),
    *(({"a": [1, 1]}, {"a": [1]}), ({"a": ["x"]}, {"a": "x"}), ({"a": "x"}, {"a": ["x"]})),
    *(({"a": 1}, "a"), ("a", {"a": 1})),
]


@pytest.mark.parametrize(
    ("guard", "claims", "status"),
    [
        (requires_scope("a", "b"), {"scope": "a b c"}, 200),
        (requires_scope("a", "b"), {"scope": "a"}, 403),
        (requires_scope("a", "b", any_of=True), {"scope": "b"}, 200),
        (requires_scope("a", "b", any_of=True), {"scope": "c"}, 403),
        (requires_scope("a"), {"scope": ["a"]}, 200),
        (requires_scope("a"), {"scope": "aa"}, 403),
        (requires_scope("a"), {}, 403),
        (requires_scope("a"), {"permissions": ["a"]}, 403),
        (requires_permission("a", "b"), {"permissions": ["b", "a"]}, 200),
        (requires_permission("a", "b"), {"permissions": ["a"]}, 403),
        (requires_permission("a", "b", any_of=True), {"permissions": ["a"]}, 200),
        (requires_permission("a", any_of=True), {"permissions": []}, 403),
        (requires_permission("a"), {"scope": "a"}, 403),
        (requires_claim("tier", "gold", "silver"), {"tier": "silver"}, 200),
        (requires_claim("tier", "gold"), {"tier": "bronze"}, 403),
        (requires_claim("tier", "gold"), {}, 403),
        (requires_claim("tier", None), {}, 403),
        (requires_claim("tier", None), {"tier": None}, 200),
        (requires_claim("roles", "admin"), {"roles": ["user", "admin"]}, 200),
        (requires_claim("roles", "admin"), {"roles": ["user"]}, 403),
        (requires_claim("roles", "admin"), {"roles": "administrator"}, 403),
        *((requires_claim("flag", wanted), {"flag": found}, 200) for wanted, found in EQUAL),
        *((requires_claim("flag", wanted), {"flag": found}, 403) for wanted, found in UNEQUAL),
        (requires_claim("level", check=lambda value: value > 2), {"level": 3}, 200),
        (requires_claim("level", check=lambda value: value > 2), {"level": 2}, 403),
        (requires_claim("level", check=lambda _value: True), {}, 403),
        (requires_claim("level", check=lambda value: value > 2), {"level": "high"}, 403),
        (requires_claim("level", check=lambda value: value["x"]), {"level": {}}, 403),
        (requires_claim("level", check=lambda value: int(value)), {"level": "high"}, 403),
        (requires_claim("level", check=lambda value: value.isupper()), {"level": 1}, 403),
    ],
)
def test_a_guard_admits_exactly_what_it_demands(
    app: Flask, issuer: LocalIssuer, guard: Decorator, claims: dict[str, Any], status: int
) -> None:
    assert client_of(app, guard).get("/guarded", headers=bearer(issuer.token(**claims))).status_code == status


def test_the_challenge_names_every_scope_that_the_route_needs(app: Flask, issuer: LocalIssuer) -> None:
    client = client_of(app, requires_scope("a"), requires_permission("p"), requires_scope("b"))
    for claims in ({"scope": "x"}, {"scope": "a", "permissions": ["p"]}, {"scope": "a b"}):
        response = client.get("/guarded", headers=bearer(issuer.token(**claims)))
        assert 'scope="a b"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("error", "make", "arguments", "options"),
    [
        *((TypeError, requires_scope, arguments, {}) for arguments in ((), (["a"],), (lambda: None,))),
        *((ValueError, requires_scope, (text,), {}) for text in ("a b", "", 'a"b')),
        (TypeError, requires_scope, ("a",), {"any_of": "b"}),
        *((TypeError, requires_permission, arguments, {}) for arguments in ((), (1,))),
        (ValueError, requires_permission, ("a b",), {}),
        *((TypeError, requires_claim, arguments, {}) for arguments in (("tier",), ("tier", ["gold"]), ("", "gold"))),
        *((TypeError, requires_claim, (lambda: None, 1), {}), (TypeError, requires_auth, (), {"optional": "yes"})),
        (TypeError, requires_claim, ("tier",), {"check": "gold"}),
        # What it returns is true of everybody.
        (TypeError, requires_claim, ("tier",), {"check": asyncio.sleep}),
        *((TypeError, requires_auth, (view,), {}) for view in ("yes", MethodView)),
    ],
)
def test_a_wrong_argument_is_refused_when_the_decorator_is_applied(
    error: type[Exception], make: Callable[..., object], arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(error):
        make(*arguments, **options)


def test_a_guard_that_runs_before_every_request_answers_for_unmatched_ones_too(app: Flask, issuer: LocalIssuer) -> None:
    """There is no view then whose scopes could be named; the guard's own are."""
    app.before_request(requires_scope("a")(lambda: None))
    client = app.test_client()
    refused = client.get("/nowhere", headers=bearer(issuer.token()))
    assert (refused.status_code, 'scope="a"' in refused.headers["WWW-Authenticate"]) == (403, True)
    assert client.get("/nowhere", headers=bearer(issuer.token(scope="a"))).status_code == 404


@pytest.mark.parametrize(("requirement", "noun"), [(requires_scope, "scope"), (requires_permission, "permission")])
def test_an_error_about_an_argument_says_what_was_expected(requirement: Callable[..., object], noun: str) -> None:
    with pytest.raises(TypeError, match=rf"^Name at least one {noun}\.$"):
        requirement()
    with pytest.raises(TypeError, match=rf"^Give each {noun} as a string of its own, not as list\.$"):
        requirement(["a"])


def test_a_check_that_fails_is_logged_and_one_that_says_no_is_not(
    app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """A 403 by a mistake in the check can be found; what the claim holds is not shown."""
    client = client_of(app, requires_claim("level", 5, check=lambda value: value > 2), requires_claim("level", 5))
    for level, count in ((1, 0), (3, 0), ("SPY", 1)):
        caplog.clear()
        assert client.get("/guarded", headers=bearer(issuer.token(level=level))).status_code == 403
        lines = [record.getMessage() for record in caplog.records if record.name == "auth0_blueprint"]
        assert lines == ["the check of claim 'level' raised TypeError: token refused"] * count


def test_has_scope_and_has_permission_answer_inside_a_view(app: Flask, issuer: LocalIssuer) -> None:
    def asked() -> list[bool]:
        merged = has_permission("a") or has_scope("p")
        return [has_scope("a", "b"), has_scope("a", "c"), has_permission("p"), has_permission("p", "q"), merged]

    app.add_url_rule("/asked", "asked", requires_auth(asked))
    token = issuer.token(scope="a b", permissions=["p"])
    assert app.test_client().get("/asked", headers=bearer(token)).json == [True, False, True, False, False]


def test_a_coroutine_view_is_guarded(app: Flask, issuer: LocalIssuer) -> None:
    async def slow() -> dict[str, str]:
        return {"subject": current_token.subject}

    app.add_url_rule("/slow", "slow", requires_scope("a")(slow))
    client = app.test_client()
    assert client.get("/slow", headers=bearer(issuer.token(scope="a"))).json == {"subject": "auth0|local-user"}
    assert client.get("/slow", headers=bearer(issuer.token())).status_code == 403


def test_class_based_views_are_guarded_as_a_whole_and_by_method(app: Flask, issuer: LocalIssuer) -> None:
    class Messages(MethodView):
        decorators: ClassVar = [requires_auth]

        def get(self) -> ResponseReturnValue:
            return {"read": current_token.subject}

        @requires_scope("write")
        def post(self) -> ResponseReturnValue:
            return {"written": True}

    app.add_url_rule("/messages", view_func=Messages.as_view("messages"))
    client = app.test_client()
    assert client.get("/messages").status_code == 401
    assert client.get("/messages", headers=bearer(issuer.token())).status_code == 200
    refused = client.post("/messages", headers=bearer(issuer.token()))
    assert (refused.status_code, 'scope="write"' in refused.headers["WWW-Authenticate"]) == (403, True)
    assert client.post("/messages", headers=bearer(issuer.token(scope="write"))).status_code == 200


def test_a_guard_keeps_the_name_and_the_text_of_its_view() -> None:
    """As ``functools.wraps`` does, so that endpoints and documentation stay right."""

    def messages() -> str:
        """Read the messages."""
        return ""

    async def slow_messages() -> str:
        """Read them slowly."""
        return ""

    for view in (messages, slow_messages):
        guarded = requires_scope("a")(view)
        assert (guarded.__name__, guarded.__doc__) == (view.__name__, view.__doc__)


def test_current_token_in_an_unguarded_view_names_the_remedy(app: Flask) -> None:
    """It raises, also when only its truth is asked for."""
    with app.test_request_context("/open"), pytest.raises(RuntimeError, match="requires_auth"):
        bool(current_token)


def test_a_guard_without_the_blueprint_names_the_remedy() -> None:
    app = Flask("bare")
    app.testing = True
    client = client_of(app, requires_auth)
    with pytest.raises(RuntimeError, match="register one"):
        client.get("/guarded")


def test_one_request_is_verified_once(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app, seen = make_app(), list[str]()

    def note(sender: Flask, access_token: Any) -> None:
        seen.append(access_token.subject)

    client = client_of(app, requires_auth, requires_auth(), requires_scope("a"))
    with token_verified.connected_to(note, sender=app):
        client.get("/guarded", headers=bearer(issuer.token(scope="a")))
    assert seen == ["auth0|local-user"]
