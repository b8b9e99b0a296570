"""``flask auth0 routes``: what it says of a route is what the app does."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import flask_jwt_extended as fje
import pytest
from conftest import bearer
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.views import MethodView, View
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from werkzeug.routing import Rule

from auth0_blueprint import Auth0Blueprint, protect, public, requires_auth, requires_permission, requires_scope
from auth0_blueprint.testing import LocalIssuer

REFUSED = {401, 403}


def run(app: Flask, *arguments: str) -> Any:
    """Return the result of ``flask auth0 routes`` with *arguments*."""
    return app.test_cli_runner().invoke(args=["auth0", "routes", *arguments])


def routes_of(app: Flask) -> list[dict[str, Any]]:
    """Return the rows, as JSON has them."""
    result = run(app, "--json")
    assert result.exit_code == 0, result.output
    routes: list[dict[str, Any]] = json.loads(result.stdout)["routes"]
    return routes


def guards_of(app: Flask, path: str) -> dict[str, str | list[str]]:
    """Return method to what guards *path* for it: the demands, or in a word why there are none."""
    return {
        method: row["demands"] or row["guard"]
        for row in routes_of(app)
        if row["path"] == path
        for method in row["methods"]
    }


def answer() -> str:
    return "answered"


def passes_through(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate *view*, as those of others do."""

    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def guarded_by(*guards: Callable[..., Any]) -> Callable[..., Any]:
    """Return a new view under *guards*, the outermost first."""

    def view(**_names: str) -> str:
        return "answered"

    guarded: Callable[..., Any] = view
    for guard in reversed(guards):
        guarded = guard(guarded)
    return guarded


def add_views(app: Flask) -> None:
    """Add functions under guards of every kind."""
    optional = requires_auth(optional=True)
    views: dict[str, Callable[..., Any]] = {
        "open": guarded_by(),
        "any-token": guarded_by(requires_auth),
        "scope": guarded_by(requires_scope("a", "b")),
        "either": guarded_by(requires_permission("x", "y", any_of=True)),
        "several": guarded_by(requires_scope("a"), requires_auth, requires_permission("x")),
        "optional": guarded_by(optional),
        "optional-outside": guarded_by(optional, requires_scope("a")),
        "public": guarded_by(public),
        "public-and-guarded": guarded_by(public, requires_scope("a")),
        "guarded-and-public": guarded_by(requires_scope("a"), public),
        "public-and-optional": guarded_by(public, optional),
        "public-inside": guarded_by(passes_through, public),
        "wrapped": guarded_by(passes_through, requires_scope("a"), passes_through),
        "jwt": guarded_by(fje.jwt_required()),
        "jwt-wrapped": guarded_by(passes_through, fje.jwt_required(), passes_through, requires_scope("a")),
        "jwt-optional": guarded_by(fje.jwt_required(optional=True)),
        "jwt-public": guarded_by(public, fje.jwt_required()),
        "jwt-not-called": fje.jwt_required(guarded_by()),
        "jwt-not-applied": fje.jwt_required(),
    }
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view)
    for name in ("any-token", "optional", "jwt", "open", "public"):
        app.add_url_rule(f"/{name}/<path:rest>/own-options", f"{name}-o", views[name], methods=["POST", "OPTIONS"])

    @app.post("/async")
    @requires_scope("a")
    async def _async(**_names: str) -> str:
        return "answered"

    app.url_map.add(Rule("/any-method", endpoint="any-method"))
    app.view_functions["any-method"] = guarded_by(requires_auth)
    app.url_map.add(Rule("/no-view", endpoint="no-view"))
    app.url_map.add(Rule("/moved", endpoint="moved", redirect_to="/open"))
    app.url_map.add(Rule("/never", endpoint="never", build_only=True))
    app.add_url_rule("/dotted", "no.blueprint", answer)
    app.add_url_rule("/head-alone", "head-alone", guarded_by(requires_auth), methods=["HEAD"])


class Mixed(MethodView):
    def get(self) -> str:
        return "answered"

    @requires_scope("b")
    def post(self) -> str:
        return "answered"

    @public
    def put(self) -> str:
        return "answered"

    @fje.jwt_required()
    def delete(self) -> str:
        return "answered"

    @requires_auth(optional=True)
    async def patch(self) -> str:
        return "answered"

    @requires_auth
    def options(self) -> str:
        return "answered"


class GuardedAsAWhole(Mixed):
    decorators: ClassVar = [requires_scope("a")]
    init_every_request = False


class JwtAsAWhole(MethodView):
    decorators: ClassVar = [fje.jwt_required()]

    def get(self) -> str:
        return "answered"

    def options(self) -> str:
        return "answered"


@public
class Open(MethodView):
    def get(self) -> str:
        return "answered"

    @requires_auth
    def post(self) -> str:
        return "answered"


class NotOpen(Open):
    def put(self) -> str:
        return "answered"


class OpenHead(MethodView):
    @requires_auth
    def get(self) -> str:
        return "answered"

    def head(self) -> str:
        return "answered"


class GuardedDispatch(View):
    @requires_scope("a")
    def dispatch_request(self) -> str:
        return "answered"


class UnusedGuard(View):
    methods: ClassVar = ["GET", "POST"]

    @requires_auth
    def get(self) -> str:
        return "never called"

    @public
    def post(self) -> str:
        return "never called"

    def dispatch_request(self) -> str:
        return "answered"


class OwnDispatch(MethodView):
    def dispatch_request(self, **kwargs: Any) -> Any:
        return super().dispatch_request(**kwargs)

    @requires_auth
    def get(self) -> str:
        return "answered"


class Holder:
    @requires_auth
    def guarded(self) -> str:
        return "answered"

    def open(self) -> str:
        return "answered"


def add_classes(app: Flask) -> None:
    """Add class-based views, and methods of an object."""
    classes: list[type[View]] = [Mixed, GuardedAsAWhole, JwtAsAWhole, Open, NotOpen, OpenHead, GuardedDispatch]
    for view_class in (*classes, UnusedGuard, OwnDispatch):
        app.add_url_rule(f"/{view_class.__name__}", view_func=view_class.as_view(view_class.__name__))
    app.add_url_rule("/GuardedOutside", view_func=requires_scope("a")(Mixed.as_view("GuardedOutside")))
    app.add_url_rule("/no-such-method", view_func=OpenHead.as_view("no-such-method"), methods=["PUT"])
    app.add_url_rule("/bound", "bound", Holder().guarded)
    app.add_url_rule("/bound-open", "bound-open", Holder().open)


def add_blueprints(app: Flask, files: Path) -> None:
    """Add protected ones, nested, with files, and with hooks that are guarded themselves."""
    outer = Blueprint("outer", __name__, url_prefix="/outer", static_folder=str(files), static_url_path="/files")
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    hooked = Blueprint("hooked", __name__, url_prefix="/hooked", static_folder=str(files))
    opened = Blueprint("opened", __name__, url_prefix="/opened", static_folder=str(files))
    protect(outer, "a")
    protect(inner)
    hooked.before_request(requires_scope("b")(lambda: None))
    opened.before_request(fje.jwt_required(optional=True)(lambda: None))
    opened.before_request(lambda: None)
    for blueprint in (inner, outer, hooked, opened):
        blueprint.add_url_rule("/plain", "plain", guarded_by(), methods=["GET", "OPTIONS"])
        blueprint.add_url_rule("/public", "public", guarded_by(public))
        blueprint.add_url_rule("/optional", "optional", guarded_by(requires_auth(optional=True)))
        blueprint.add_url_rule("/stricter", "stricter", guarded_by(requires_permission("x")))
        blueprint.add_url_rule("/public-stricter", "public-stricter", guarded_by(public, requires_permission("x")))
        blueprint.add_url_rule("/mixed", view_func=Mixed.as_view("mixed"))
    outer.register_blueprint(inner)
    outer.register_blueprint(inner, name="again", url_prefix="/again")
    for blueprint in (outer, hooked, opened):
        app.register_blueprint(blueprint)
    named = Blueprint("named", __name__, url_prefix="/named")
    named.add_url_rule("/<path:filename>", "static", guarded_by())
    app.register_blueprint(named)


def add_smorest(app: Flask) -> None:
    """Add flask-smorest, with its documents."""
    messages = SmorestBlueprint("messages", __name__, url_prefix="/smorest")

    @messages.route("/function")
    @messages.response(200)
    @requires_scope("a")
    def function() -> str:
        return "answered"

    @messages.route("/class")
    @messages.etag
    class Messages(MethodView):
        @messages.response(200)
        def get(self) -> str:
            return "answered"

        @requires_scope("a")
        @messages.response(201)
        def post(self) -> str:
            return "answered"

    Api(app).register_blueprint(messages)


def whole_app(issuer: LocalIssuer, files: Path, *scopes: str, is_protected: bool = False, **settings: Any) -> Flask:
    """Return an app with all of these, and static files of its own."""
    app = Flask("tested", static_folder=str(files), static_url_path="/files")
    app.config.update(issuer.settings)
    app.config.update(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    app.config.update(OPENAPI_URL_PREFIX="/document", OPENAPI_JSON_PATH="openapi.json", **settings)
    app.register_blueprint(Auth0Blueprint())
    if is_protected:
        protect(app, *scopes)
    add_views(app)
    add_classes(app)
    add_blueprints(app, files)
    add_smorest(app)
    return app


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "protected": {"is_protected": True},
    "no admins": {"AUTH0_ADMIN": False, "AUTH0_OPENAPI": False},
    "no RBAC": {"AUTH0_ADMIN_RBAC": False, "AUTH0_ADMIN_SCOPE": "operate", "AUTH0_OPENAPI": True},
    "metadata": {"AUTH0_PUBLIC_URL": "https://api.example.com", "AUTH0_RESOURCE_METADATA": True},
}


@pytest.fixture(params=KINDS)
def app_of_many_kinds(request: pytest.FixtureRequest, issuer: LocalIssuer, tmp_path: Path) -> Flask:
    (tmp_path / "1").write_text("a file")
    return whole_app(issuer, tmp_path, **KINDS[request.param])


def statuses(client: FlaskClient, route: dict[str, Any], token: str | None = None) -> set[int]:
    """Return how *client* is answered by each method of *route*."""
    headers = {} if token is None else bearer(token)
    found = set()
    for method in route["methods"]:
        response = client.open(re.sub(r"<[^>]+>", "1", route["path"]), method=method, headers=headers)
        found.add(response.status_code)
        response.close()
    return found


def test_whoever_has_no_token_gets_in_where_the_table_says(app_of_many_kinds: Flask) -> None:
    """401 from what is guarded, by whatever; something else from all others."""
    routes, client = routes_of(app_of_many_kinds), app_of_many_kinds.test_client()
    wrong = [route for route in routes if (statuses(client, route) == {401}) != (route["guard"] == "guarded")]
    assert wrong == []
    assert not any(401 in statuses(client, route) for route in routes if route["guard"] != "guarded")


def test_a_token_without_anything_gets_in_where_nothing_of_it_is_demanded(
    app_of_many_kinds: Flask, issuer: LocalIssuer
) -> None:
    """403 where a scope or a permission is."""
    client, token = app_of_many_kinds.test_client(), issuer.token(scope="", permissions=[])
    for route in routes_of(app_of_many_kinds):
        is_more = not set(route["demands"]) <= {"any valid token", "jwt_required"}
        assert (statuses(client, route, token) == {403}) == is_more, route


def test_a_token_with_what_the_table_names_gets_in(app_of_many_kinds: Flask, issuer: LocalIssuer) -> None:
    """No demand is left out."""
    client = app_of_many_kinds.test_client()
    for route in routes_of(app_of_many_kinds):
        named: dict[str, list[str]] = {"scope": [], "permission": []}
        for demand in route["demands"]:
            noun, _, values = demand.partition(" ")
            if noun in named:
                named[noun] += re.split(", | or ", values)
        token = issuer.token(scope=" ".join(named["scope"]), permissions=named["permission"])
        assert statuses(client, route, token).isdisjoint(REFUSED), route


def test_every_route_of_the_app_is_in_the_table(app_of_many_kinds: Flask) -> None:
    """Each method but HEAD like GET, and OPTIONS that Flask answers; those of ours that only refuse are left out."""
    shown = {(route["endpoint"], method) for route in routes_of(app_of_many_kinds) for method in route["methods"]}
    rules = {
        (rule.endpoint, method)
        for rule in app_of_many_kinds.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith("auth0.") and rule.endpoint not in {"moved", "never"}
    }
    assert rules <= shown
    more = {(endpoint, method) for endpoint, method in shown - rules if not endpoint.startswith("auth0.")}
    assert {endpoint for endpoint, method in more if method == "HEAD"} == {"OpenHead", "head-alone"}
    assert {method for endpoint, method in more if endpoint == "any-method"} == {
        *("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
    }
