"""A parameter such as ``payload``, left over from another package, is found before a request with a good token."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, ClassVar

import flask_jwt_extended as fje
import flask_restx
import pytest
from conftest import AppFactory, bearer
from flask import Blueprint, Flask, request
from flask.views import MethodView, View
from flask_cors import cross_origin
from programs import command
from werkzeug.routing import Rule

from auth0_blueprint import protect, public, requires_auth, requires_permission
from auth0_blueprint.extension.leftover_parameters import leftover_parameters_of
from auth0_blueprint.testing import LocalIssuer

run = command("routes")


def takes(payload: Any) -> str:
    return "answered"


def takes_both(payload: Any, number: int) -> str:
    return "answered"


async def takes_later(payload: Any) -> str:
    return "answered"


def gives(view: Callable[..., Any]) -> Callable[..., Any]:
    """Pass claims to *view*, as decorators of others do."""
    return functools.wraps(view)(lambda *args, **kwargs: view("claims", *args, **kwargs))


def gives_by_name(view: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(view)(lambda **names: view(payload="claims", **names))


def pretends(view: Callable[..., Any]) -> Callable[..., Any]:
    """Fill a parameter, and show the signature of *view*."""
    wrapper = lambda *args, **kwargs: view("claims", *args, **kwargs)  # noqa: E731 - as the package `decorator` does
    wrapper.__signature__ = inspect.signature(view)  # type: ignore[attr-defined]
    return wrapper


class Methods(MethodView):
    def get(self, payload: Any) -> str:
        return "answered"

    @requires_auth
    def post(self, number: int) -> str:
        return "answered"

    @staticmethod
    def put(number: int) -> str:
        return "answered"


class GuardedMethods(Methods):
    decorators: ClassVar = [requires_auth]
    init_every_request = False


class OneMethod(MethodView):
    def get(self, payload: Any) -> str:
        return "answered"


class Dispatching(View):
    @requires_auth
    def dispatch_request(self, payload: Any) -> str:  # type: ignore[override]
        return "answered"


class OwnDispatch(Methods):
    def dispatch_request(self, **names: Any) -> str:
        return "answered"


class Called:
    def __call__(self, payload: Any) -> str:
        return "answered"

    def method(self, payload: Any) -> str:
        return "answered"


BEHIND_A_GUARD: list[Callable[..., Any]] = [
    *(takes, takes_later, requires_permission("a")(takes), gives(takes), pretends(takes)),
    *(lambda payload=None: "answered", lambda *args, **kwargs: "answered", lambda *, payload: "answered"),
    *(lambda payload, /: "answered", functools.partial(takes, "claims"), Called(), Called().method),
]
#: Views by the end of their path. Whether they can be called there is seen by calling them.
VIEWS: dict[str, list[Callable[..., Any]]] = {
    "": [
        *(takes, public(takes), gives(takes), cross_origin()(requires_auth(takes)), fje.jwt_required()(takes)),
        *(gives(requires_auth(takes)), Methods.as_view("a"), GuardedMethods.as_view("b"), OwnDispatch.as_view("c")),
        *(Dispatching.as_view("d"), Methods().get, gives_by_name(OneMethod.as_view("e"))),
        *(requires_auth(view) for view in BEHIND_A_GUARD),
    ],
    "/by/<int:number>": [requires_auth(takes_both), Methods.as_view("f"), gives(takes_both)],
    "/of/<payload>": [requires_auth(takes), GuardedMethods.as_view("g"), cross_origin()(requires_auth(takes))],
}


def endpoints_found(app: Flask) -> set[str]:
    return {found.endpoint for found in leftover_parameters_of(app)}


def answered_500(app: Flask, issuer: LocalIssuer) -> set[str]:
    """Return the endpoints of which some method answers a caller with a good token by a 500."""
    client, headers = app.test_client(), bearer(issuer.token(permissions=["a"]))
    failed = set()
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<int:number>", "7").replace("<payload>", "7")
        for method in (rule.methods or set()) - {"OPTIONS"} if "auth0" not in rule.endpoint else ():
            if client.open(path, method=method, headers=headers).status_code == 500:
                failed.add(rule.endpoint)
    return failed


def test_what_is_found_is_what_fails(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """For every form of view. The methods of a class that take no part of the route have their say, too."""
    app = make_app()
    for end, views in VIEWS.items():
        for number, view in enumerate(views):
            app.add_url_rule(f"/{number}{end}", f"{number}:{end}", view)
    app.add_url_rule("/two/<payload>", "two", requires_auth(takes))
    app.add_url_rule("/two", "two", defaults={"payload": "set"})
    app.url_map.add(Rule("/moved", endpoint="moved", redirect_to="/two"))
    app.url_map.add(Rule("/built", endpoint="moved", build_only=True))
    app.view_functions["moved"] = takes
    assert endpoints_found(app) == answered_500(app, issuer)
    assert len(endpoints_found(app)) > 10


def fills(names: dict[str, Any] | None) -> None:
    if names is not None:
        names["payload"] = "claims"


def fills_in_a_hook() -> None:
    fills(request.view_args)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda app: app.url_value_preprocessor(lambda endpoint, names: fills(names)),
        lambda app: app.before_request(fills_in_a_hook),
        lambda app: app.before_request(requires_auth(fills_in_a_hook)),
        lambda app: setattr(app, "__class__", FillingFlask),
    ],
)
def test_what_an_app_may_fill_by_itself_is_left_alone(
    make_app: AppFactory, issuer: LocalIssuer, prepare: Callable[[Flask], object]
) -> None:
    app = make_app()
    app.add_url_rule("/", "view", requires_auth(takes))
    assert endpoints_found(app) == answered_500(app, issuer) == {"view"}
    prepared = make_app()
    prepared.add_url_rule("/", "view", requires_auth(takes))
    prepare(prepared)
    assert endpoints_found(prepared) == answered_500(prepared, issuer) == set()


class FillingFlask(Flask):
    def dispatch_request(self) -> Any:
        fills(request.view_args)
        return super().dispatch_request()


def test_only_the_hooks_of_a_route_count(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app()
    for name in ("filled", "guarded"):
        blueprint = Blueprint(name, name, url_prefix=f"/{name}")
        blueprint.add_url_rule("/", "view", takes)
        protect(blueprint)
        if name == "filled":
            blueprint.url_value_preprocessor(lambda endpoint, names: fills(names))
        app.register_blueprint(blueprint)
    assert endpoints_found(app) == answered_500(app, issuer) == {"guarded.view"}


def test_decorators_of_a_framework_are_left_alone(app: Flask) -> None:
    """They may pass anything, and cannot be seen through."""

    class Resource(flask_restx.Resource):  # type: ignore[misc]
        method_decorators: ClassVar = [gives]

        def get(self, payload: Any) -> str:
            return "answered"

    flask_restx.Api(app).add_resource(Resource, "/resource")
    assert endpoints_found(app) == set()


def test_routes_names_them_and_strict_fails(app: Flask) -> None:
    app.add_url_rule("/drinks\x07/<int:number>", "drinks", requires_auth(takes_both), methods=["GET", "POST"])
    lenient, strict, as_json = run(app), run(app, "--strict"), run(app, "--json", "--strict")
    assert (lenient.exit_code, strict.exit_code, as_json.exit_code) == (0, 1, 1)
    assert strict.stderr == f"Error: {lenient.stderr}"
    assert lenient.stderr == (
        "These parameters are filled by no route, and guards pass no claims to views. To solve this, remove each, and "
        "read current_token instead:\n  payload in takes_both (drinks), '/drinks\\x07/<int:number>'\n"
    )
    expected = {
        "parameter": "payload",
        "function": "takes_both",
        "endpoint": "drinks",
        "path": "/drinks\x07/<int:number>",
    }
    assert json.loads(as_json.stdout)["unfilled_parameters"] == [expected]
