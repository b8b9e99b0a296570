"""Views whose answers flask-caching keeps: above a guard that is refused, below it nobody gets what is not theirs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flask_restful
import flask_restx
import pytest
from cached_apps import PAGE, add_cached_views, assert_nobody_gets_what_is_not_theirs
from conftest import AppFactory, bearer
from documents import python_blocks, run_block
from flask import Flask
from flask.testing import FlaskClient
from flask.views import MethodView, View
from flask_caching import Cache
from flask_jwt_extended import jwt_required

from auth0_blueprint import Auth0Blueprint, current_token, protect, public, requires_auth, requires_scope
from auth0_blueprint.extension.decorator_order import check_decorator_order
from auth0_blueprint.testing import LocalIssuer

Decorator = Callable[[Any], Any]

CACHES: dict[str, Callable[[Cache], Decorator]] = {
    "cached": lambda cache: cache.cached(timeout=60),
    "cached by query": lambda cache: cache.cached(timeout=60, query_string=True),
    "memoize": lambda cache: cache.memoize(60),
    "lru_cache": lambda _: functools.lru_cache,
}
GUARDS: dict[str, Decorator] = {
    "requires_auth": requires_auth,
    "optional": requires_auth(optional=True),
    "requires_scope": requires_scope("read"),
    "jwt_required": jwt_required(),
}


@pytest.fixture
def cache() -> Cache:
    return Cache(config={"CACHE_TYPE": "SimpleCache"})


@pytest.fixture
def app(make_app: AppFactory, cache: Cache) -> Flask:
    """An app that has its own cache, in the memory of this process, and shares it."""
    app = make_app(Auth0Blueprint(cache=cache), TESTING=True, AUTH0_CACHE_SECRET="x" * 32)
    cache.init_app(app)
    return app


def in_between(function: Any) -> Any:
    """Decorate with what is neither guard nor cache."""
    return functools.wraps(function)(lambda *args, **kwargs: function(*args, **kwargs))


def decorated(function: Any, decorators: tuple[Decorator, ...]) -> Any:
    """Apply *decorators*, as they stand from the top down."""
    return functools.reduce(lambda inner, decorator: decorator(inner), reversed(decorators), function)


def a_function(*decorators: Decorator) -> Any:
    return decorated(lambda: "seen", decorators)


def a_class(*decorators: Decorator) -> Any:
    parts = {"get": lambda _: "seen", "decorators": list(reversed(decorators))}
    view_class: Any = type("View", (MethodView,), parts)
    return view_class.as_view("view")


def a_method(*decorators: Decorator) -> Any:
    view_class: Any = type("View", (MethodView,), {"get": decorated(lambda _: "seen", decorators)})
    return view_class.as_view("view")


def a_method_in_a_class(outer: Decorator, *inner: Decorator) -> Any:
    """The outermost one on the class, the others on its method."""
    parts = {"get": decorated(lambda _: "seen", inner), "decorators": [outer]}
    view_class: Any = type("View", (MethodView,), parts)
    return view_class.as_view("view")


def a_dispatcher_in_a_class(outer: Decorator, *inner: Decorator) -> Any:
    parts = {"dispatch_request": decorated(lambda _: "seen", inner), "decorators": [outer]}
    view_class: Any = type("View", (View,), parts)
    return view_class.as_view("view")


SHAPES = pytest.mark.parametrize(
    "make_view", [a_function, a_class, a_method, a_method_in_a_class, a_dispatcher_in_a_class]
)


@SHAPES
@pytest.mark.parametrize("caching", CACHES.values(), ids=CACHES.keys())
@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS.keys())
def test_a_cache_above_a_guard_is_found_at_the_first_request(
    app: Flask, cache: Cache, make_view: Any, caching: Any, guard: Decorator
) -> None:
    """Also with something in between, and each time until it is mended."""
    app.add_url_rule("/seen", "wrong", make_view(caching(cache), in_between, guard))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"A cache stands above the guard of endpoint 'wrong'.*above @cache\."):
            app.test_client().get("/auth/health/live")


@pytest.mark.parametrize("framework", [flask_restful, flask_restx])
@pytest.mark.parametrize("guard", [requires_auth, requires_scope("read"), jwt_required()])
@pytest.mark.parametrize("is_guard_on_method", [False, True])
def test_it_is_found_among_the_decorators_of_methods(
    app: Flask, cache: Cache, framework: Any, guard: Decorator, is_guard_on_method: bool
) -> None:
    """The last one is outermost. A mapping, as only Flask-RESTful takes it, holds for the methods that it names."""
    api = framework.Api(app)

    def add(name: str, decorators: Any, method: Any = lambda _: "seen") -> None:
        parts = {"get": method, "method_decorators": decorators}
        api.add_resource(type(name, (framework.Resource,), parts), f"/{name}")

    caching, guarded = cache.cached(timeout=60), guard(lambda _: "seen")
    add("right", [caching, guard])
    add("other", {"post": [caching]} if framework is flask_restful else [], guarded)
    check_decorator_order(app)
    add("wrong", *([caching], guarded) if is_guard_on_method else ([guard, caching],))
    with pytest.raises(RuntimeError, match="A cache stands above the guard of endpoint 'wrong'"):
        app.test_client().get("/wrong")


@SHAPES
@pytest.mark.parametrize("caching", CACHES.values(), ids=CACHES.keys())
def test_a_cache_below_a_guard_or_without_one_or_of_an_open_view_is_fine(
    app: Flask, cache: Cache, make_view: Any, caching: Any
) -> None:
    views = {
        "below": make_view(requires_auth, in_between, caching(cache)),
        "without": make_view(caching(cache)),
        "open": public(make_view(caching(cache), requires_auth)),
    }
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view)
    assert app.test_client().get("/below").status_code == 401
    assert app.test_client().get("/without").status_code == 200


def test_callers_of_views_in_the_memory_of_a_process_get_their_own(
    app: Flask, cache: Cache, issuer: LocalIssuer
) -> None:
    add_cached_views(app, cache)
    assert_nobody_gets_what_is_not_theirs(app, issuer)


def test_protect_stands_in_front_of_what_is_cached(app: Flask, cache: Cache, issuer: LocalIssuer) -> None:
    """A cache may be the only decorator then."""
    protect(app)
    app.add_url_rule("/whose", "whose", cache.cached(timeout=60)(lambda: str(current_token.subject)))
    client = app.test_client()
    assert client.get("/whose", headers=bearer(issuer.token(sub="ada"))).text == "ada"
    assert client.get("/whose").status_code == 401
    assert (
        client.get("/whose", headers=bearer(issuer.token(sub="bob"))).text == "ada"
    )  # the same for all, as the page says


def test_the_app_of_the_page_answers_as_the_page_says(issuer: LocalIssuer) -> None:
    client: FlaskClient = run_block(PAGE, next(python_blocks(PAGE)).code)["create_app"](issuer.settings).test_client()
    for name in ("ada", "bob") * 2:
        headers = bearer(issuer.token(sub=name, scope="read:orders read:prices"))
        answer = client.get("/orders", headers=headers)
        assert (answer.get_json(), answer.headers["X-Orders"]) == ({"orders_of": name}, "1")
        assert client.get("/prices", headers=headers).get_json() == {"tea": 3}
    assert [client.get(path).status_code for path in ("/orders", "/prices")] == [401, 401]
