"""``flask auth0 routes``: what it says of a route is what the app does."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask_jwt_extended as fje
import flask_restful
import flask_restx
import pytest
from conftest import AppFactory, bearer
from flask import Blueprint, Flask, request
from flask.testing import FlaskClient
from flask.views import MethodView
from flask_smorest import Api
from guarded_apps import BLUEPRINTS, KINDS, Mixed, answer, guarded_by, whole_app
from programs import command, environment_of, run_program

from auth0_blueprint import (
    Auth0Blueprint,
    protect,
    public,
    requires_auth,
    requires_claim,
    requires_permission,
    requires_scope,
)
from auth0_blueprint.testing import LocalIssuer

ALONE = """
from flask import Flask
from flask.views import MethodView
from auth0_blueprint import Auth0Blueprint, requires_auth

class Guarded(MethodView):
    get = requires_auth(lambda self: "answered")

app = Flask(__name__, static_folder=None)
app.register_blueprint(Auth0Blueprint())
app.add_url_rule("/", view_func=Guarded.as_view("guarded"))
"""

run = command("routes")


def routes_of(app: Flask) -> list[dict[str, Any]]:
    result = run(app, "--json")
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout)["routes"])


def guards_of(app: Flask, path: str) -> dict[str, str | list[str]]:
    """Return method to what guards *path* for it: the demands, or in a word why there are none."""
    rows = [row for row in routes_of(app) if row["path"] == path]
    return {method: row["demands"] or row["guard"] for row in rows for method in row["methods"]}


@pytest.fixture(params=KINDS)
def app_of_many_kinds(request: pytest.FixtureRequest, issuer: LocalIssuer, tmp_path: Path) -> Flask:
    return whole_app(issuer, tmp_path, **KINDS[request.param])


def statuses(client: FlaskClient, route: dict[str, Any], token: str | None = None) -> set[int]:
    """Return how *client* is answered by each method of *route*."""
    headers = {} if token is None else bearer(token)
    path = re.sub(r"<[^>]+>", "1", route["path"])
    responses = [client.open(path, method=method, headers=headers) for method in route["methods"]]
    for response in responses:
        response.close()
    return {response.status_code for response in responses}


def for_callers(app: Flask) -> list[dict[str, Any]]:
    """Return the routes at which tokens decide; those for senders of events are refused to every caller."""
    of_senders = [route for route in routes_of(app) if route["guard"] == "sender"]
    assert {status for route in of_senders for status in statuses(app.test_client(), route)} == {400, 401}
    return [route for route in routes_of(app) if route not in of_senders]


def test_whoever_has_no_token_gets_in_where_the_table_says(app_of_many_kinds: Flask) -> None:
    routes, client = for_callers(app_of_many_kinds), app_of_many_kinds.test_client()
    wrong = [route for route in routes if (statuses(client, route) == {401}) != (route["guard"] == "guarded")]
    assert wrong == []
    assert not any(401 in statuses(client, route) for route in routes if route["guard"] != "guarded")


def test_a_token_without_anything_gets_in_where_nothing_is_demanded(
    app_of_many_kinds: Flask, issuer: LocalIssuer
) -> None:
    client, token = app_of_many_kinds.test_client(), issuer.token(scope="", permissions=[])
    for route in for_callers(app_of_many_kinds):
        is_more = not set(route["demands"]) <= {"any valid token", "jwt_required"}
        assert (statuses(client, route, token) == {403}) == is_more, route


def test_a_token_with_what_the_table_names_gets_in(app_of_many_kinds: Flask, issuer: LocalIssuer) -> None:
    client = app_of_many_kinds.test_client()
    for route in for_callers(app_of_many_kinds):
        named: dict[str, list[str]] = {"scope": [], "permission": []}
        for requirement in route["demands"]:
            noun, _, values = requirement.partition(" ")
            if noun in named:
                named[noun] += re.split(", | or ", values)
        token = issuer.token(scope=" ".join(named["scope"]), permissions=named["permission"])
        assert statuses(client, route, token).isdisjoint({401, 403}), route


def test_every_route_of_the_app_is_in_the_table(issuer: LocalIssuer, tmp_path: Path) -> None:
    """Each method, but for HEAD that is guarded as GET is, OPTIONS that Flask answers, and what reaches no view."""
    app = whole_app(issuer, tmp_path)
    shown = {(row["endpoint"], method) for row in routes_of(app) for method in row["methods"]}
    rules = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.endswith("_other_methods") and rule.endpoint not in {"moved", "never", "auth0.openapi"}
    }
    assert rules <= shown
    more = shown - rules
    assert {endpoint for endpoint, method in more if method == "HEAD"} == {"OpenHead", "head-alone"}
    by_itself = {f"{name}-o" for name in ("any-token", "optional", "jwt", "open", "public")}
    by_itself |= {"Mixed", "GuardedAsAWhole", "GuardedOutside", "JwtAsAWhole"}
    by_itself |= {f"{name}.{view}" for name in BLUEPRINTS for view in ("plain", "mixed")}
    without_methods = {"any-method", "no-view"}
    assert {endpoint for endpoint, method in more if method == "OPTIONS"} == by_itself | without_methods
    assert {endpoint for endpoint, method in more if method not in {"HEAD", "OPTIONS"}} == without_methods


def test_the_table_is_aligned_and_sorted_by_path(app: Flask) -> None:
    app.add_url_rule("/mixed", view_func=Mixed.as_view("mixed"))
    app.add_url_rule("/a", "z", guarded_by(requires_scope("a", "b"), requires_permission("x")))
    app.add_url_rule("/c", "c", guarded_by(), methods=["GET", "PUT"])
    lines = [line for line in run(app).output.splitlines() if " auth0." not in line]
    assert [line.split() for line in lines] == [
        ["METHODS", "PATH", "ENDPOINT", "GUARD"],
        ["GET", "/a", "z", "scope", "a,", "b;", "permission", "x"],
        ["GET,", "PUT", "/c", "c", "-"],
        ["DELETE", "/mixed", "mixed", "jwt_required"],
        ["GET", "/mixed", "mixed", "-"],
        ["OPTIONS", "/mixed", "mixed", "any", "valid", "token"],
        ["PATCH", "/mixed", "mixed", "optional"],
        ["POST", "/mixed", "mixed", "scope", "b"],
        ["PUT", "/mixed", "mixed", "public"],
    ]
    assert {line.index("/") for line in lines[1:]} == {lines[0].index("PATH")}


def test_routes_of_ours_demand_what_the_settings_say(make_app: AppFactory) -> None:
    settings = {"AUTH0_ADMIN_SCOPE": "operate", "AUTH0_INTROSPECTION_SCOPE": "look", "AUTH0_OPENAPI": True}
    usual, changed, without_admin = (
        {row["path"]: row["demands"] or row["guard"] for row in routes_of(app)}
        for app in (make_app(), make_app(AUTH0_ADMIN_RBAC=False, **settings), make_app(AUTH0_ADMIN=False))
    )
    assert usual["/auth/me"] == ["any valid token"]
    assert usual["/auth/admin/config"] == ["scope manage:auth0", "permission manage:auth0"]
    assert usual["/auth/introspect"] == ["scope introspect:tokens", "permission introspect:tokens"]
    assert usual["/auth/health"] == usual["/auth/health/live"] == "public"
    assert "/auth/openapi.json" not in usual
    assert changed["/auth/admin/config"] == ["scope operate"]
    assert changed["/auth/introspect"] == ["scope look"]
    assert changed["/auth/openapi.json"] == "public"
    assert not any("/admin" in path for path in without_admin)


def test_a_route_of_the_app_that_is_called_like_one_that_only_refuses_is_shown(app: Flask) -> None:
    app.add_url_rule("/mine", "auth0.mine_other_methods", answer)
    assert guards_of(app, "/mine") == {"GET": "none"}


def test_a_hidden_guard_counts_as_none(app: Flask) -> None:
    """Without ``functools.wraps`` nobody can see it, nor what is called inside of a view or a hook: the safe side."""

    def hides(view: Callable[..., Any]) -> Callable[..., Any]:
        return lambda: view()

    blueprint = Blueprint("asked", __name__)
    blueprint.before_request(lambda: fje.verify_jwt_in_request() and None)
    blueprint.add_url_rule("/hook", "hook", guarded_by())
    app.register_blueprint(blueprint)
    app.add_url_rule("/hidden", "hidden", guarded_by(hides, requires_auth))
    app.add_url_rule("/inside", "inside", lambda: f"answered {fje.verify_jwt_in_request()}")
    client = app.test_client()
    for path in ("/hidden", "/inside", "/hook"):
        assert client.get(path).status_code == 401
        assert guards_of(app, path) == {"GET": "none"}


def sometimes(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate *hook*, to be asked for a part of the app only."""
    return functools.wraps(hook)(lambda *args: hook(*args) if request.path.startswith("/api") else None)


@pytest.mark.parametrize(
    ("guards", "shown"),
    [
        ([sometimes, requires_auth], "none"),
        ([sometimes, fje.jwt_required()], "none"),
        ([sometimes, requires_auth(optional=True)], "none"),
        ([functools.partial, requires_auth], "none"),
        ([requires_auth(optional=True), sometimes, requires_scope("a")], "optional"),
        ([fje.jwt_required(optional=True), sometimes, fje.jwt_required()], "optional"),
        ([fje.jwt_required(optional=True), sometimes, requires_scope("a")], "optional"),
        ([fje.jwt_required(), sometimes, requires_scope("a")], ["jwt_required"]),
        ([requires_auth, sometimes, requires_scope("a")], ["any valid token"]),
        ([requires_auth, sometimes, fje.jwt_required()], ["any valid token"]),
        ([requires_auth, fje.jwt_required(), requires_scope("a")], ["jwt_required", "any valid token", "scope a"]),
    ],
)
def test_a_hook_that_may_leave_its_guard_out_guards_nothing(
    app: Flask, guards: list[Callable[..., Any]], shown: str | list[str]
) -> None:
    """Only what is around it is asked for every route, and only a guard is known to call what it stands around."""
    app.before_request(guarded_by(*guards, answers=None))
    app.add_url_rule("/admin", "admin", answer)
    assert guards_of(app, "/admin") == {"GET": shown}
    is_refused = app.test_client().get("/admin").status_code == 401
    assert is_refused == (isinstance(shown, list) or functools.partial in guards)
    assert (run(app, "--strict").exit_code == 1) is (shown == "none")


def test_a_hook_that_does_not_ask_for_options_shows_nothing_of_what_is_inside(app: Flask) -> None:
    """``@jwt_required()`` lets them pass."""
    app.before_request(guarded_by(fje.jwt_required(), sometimes, requires_scope("a"), answers=None))
    app.add_url_rule("/", "root", answer, methods=["OPTIONS"])
    assert guards_of(app, "/") == {"OPTIONS": "none"}
    assert app.test_client().options("/").status_code == 200


def test_a_guard_above_the_route_decorator_counts_as_none(app: Flask) -> None:
    """The route is open, and the app will not serve it."""
    guarded_by(requires_auth, app.get("/misplaced"))
    assert guards_of(app, "/misplaced") == {"GET": "none"}


def test_methods_that_a_class_calls_by_itself_count_as_unguarded(app: Flask) -> None:
    """Nobody can see what its ``dispatch_request`` does. With the guard on that, it is seen."""

    class OnMethod(MethodView):
        get = guarded_by(requires_auth)

        def dispatch_request(self, **kwargs: Any) -> Any:
            return super().dispatch_request(**kwargs)

    class OnDispatch(OnMethod):
        dispatch_request = requires_auth(OnMethod.dispatch_request)

    for view_class, guard in ((OnMethod, "none"), (OnDispatch, ["any valid token"])):
        path = f"/{view_class.__name__}"
        app.add_url_rule(path, view_func=view_class.as_view(view_class.__name__))
        assert guards_of(app, path) == {"GET": guard}
    assert [app.test_client().get(path).status_code for path in ("/OnMethod", "/OnDispatch")] == [401, 401]


def test_without_flask_restx_nothing_of_it_is_loaded(tmp_path: Path, issuer: LocalIssuer) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "flask", "auth0", "routes", "--strict"]
    result = run_program(tmp_path, command, ALONE, **environment_of(issuer))
    assert result.returncode == 0
    assert re.search(r"/ +guarded +any valid token", result.stdout)
    assert "flask_jwt_extended" in result.stderr
    assert "flask_restx" not in result.stderr


def test_the_guard_of_a_blueprint_that_is_not_the_routes_counts_for_nothing(app: Flask) -> None:
    outer, inner, alike = (Blueprint(name, __name__, url_prefix=f"/{name}") for name in ("outer", "inner", "out"))
    protect(inner)
    protect(alike)
    for blueprint in (outer, inner, alike):
        blueprint.add_url_rule("/", "root", answer)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(alike)
    assert guards_of(app, "/outer/") == {"GET": "none"}
    assert guards_of(app, "/outer/inner/") == guards_of(app, "/out/") == {"GET": ["any valid token"]}


def test_what_is_demanded_twice_is_said_once(app: Flask) -> None:
    protect(app)
    app.add_url_rule("/", "twice", guarded_by(requires_scope("a"), requires_auth, requires_scope("a")))
    assert guards_of(app, "/") == {"GET": ["any valid token", "scope a"]}


def not_to_be_applied(function: object) -> None:
    raise AssertionError(function)


@pytest.mark.parametrize("framework", [flask_restx, flask_restful])
def test_the_decorators_that_a_resource_applies_at_each_request_count(app: Flask, framework: Any) -> None:
    """Those of others are not applied to find out. A plain view class knows no ``method_decorators``."""
    api = framework.Api(app)
    guards: dict[str, Any] = {"method_decorators": [requires_scope("b"), fje.jwt_required(), not_to_be_applied]}

    class Methods(framework.Resource):
        get = guarded_by(requires_scope("a"))

    api.add_resource(type("ByItself", (Methods,), guards), "/by-itself")
    api.add_resource(type("AsAWhole", (Methods,), {"decorators": [requires_auth], "post": guarded_by()}), "/whole")
    plain: Any = type("Plain", (MethodView,), {"get": guarded_by(), **guards})
    app.add_url_rule("/plain", view_func=plain.as_view("plain"))
    assert guards_of(app, "/by-itself") == {"GET": ["jwt_required", "scope b", "scope a"]}
    assert guards_of(app, "/whole") == {"GET": ["any valid token", "scope a"], "POST": ["any valid token"]}
    assert guards_of(app, "/plain") == {"GET": "none"}


def test_a_method_that_flask_restful_has_no_decorators_for_is_unguarded(app: Flask) -> None:
    """It calls ``get`` for ``HEAD`` too, behind the decorators of ``head``."""
    members = {"get": guarded_by(), "method_decorators": {"get": [requires_auth]}}
    flask_restful.Api(app).add_resource(type("ByName", (flask_restful.Resource,), members), "/")
    assert guards_of(app, "/") == {"GET": ["any valid token"], "HEAD": "none"}
    assert [app.test_client().open("/", method=method).status_code for method in ("GET", "HEAD")] == [401, 200]


def test_strict_names_each_unguarded_route_and_the_remedy(app: Flask) -> None:
    app.add_url_rule("/open", "open", answer, methods=["GET", "POST"])
    lenient, strict = run(app), run(app, "--strict")
    assert (lenient.exit_code, lenient.stderr) == (0, "")
    assert (strict.exit_code, strict.stdout) == (1, lenient.stdout)
    assert strict.stderr == (
        "Error: 1 route is unguarded:\n"
        "  GET, POST /open (open)\n"
        "To solve this, put a guard below the route decorator, call protect() on the blueprint or the app, or mark "
        "the view @public.\n"
    )
    app.add_url_rule("/other", "other", answer)
    assert "2 routes are unguarded:\n  GET, POST /open (open)\n  GET /other (other)\n" in run(app, "--strict").stderr


def test_strict_passes_what_is_open_on_purpose(issuer: LocalIssuer, tmp_path: Path) -> None:
    app = Flask("tested", static_folder=str(tmp_path))
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    for guard in (requires_auth, requires_auth(optional=True), public, fje.jwt_required(optional=True)):
        app.add_url_rule(f"/{id(guard)}", str(id(guard)), guarded_by(guard))
    result = run(app, "--strict")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {row["guard"] for row in routes_of(app)} == {"guarded", "optional", "public", "static"}


def test_json_is_one_object_also_when_strict_fails(app: Flask) -> None:
    app.add_url_rule("/a", "a", guarded_by(requires_scope("a"), requires_permission("x")), methods=["GET", "PUT"])
    app.add_url_rule("/open", "open", answer)
    result = run(app, "--json", "--strict")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 1 route is unguarded:")
    assert document["unguarded"] == 1
    demands = ["scope a", "permission x"]
    first = {"methods": ["GET", "PUT"], "path": "/a", "endpoint": "a", "guard": "guarded", "demands": demands}
    assert document["routes"][0] == first
    assert (document["routes"][-1]["guard"], document["routes"][-1]["demands"]) == ("none", [])


def test_a_route_is_named_with_its_subdomain_or_host(app: Flask) -> None:
    """Otherwise two lines would look the same."""
    app.add_url_rule("/", "root", answer)
    app.add_url_rule("/", "of_api", guarded_by(requires_auth), subdomain="api")
    hosts = Flask("tested", host_matching=True, static_folder=None)
    hosts.config.update(app.config)
    hosts.register_blueprint(Auth0Blueprint())
    hosts.add_url_rule("/", "of_host", answer, host="api.example.com")
    assert {row["path"] for row in routes_of(app)} >= {"/", "api/"}
    assert "api.example.com/" in {row["path"] for row in routes_of(hosts)}


@pytest.mark.parametrize("arguments", [["--strict"], ["--strict", "--json"]])
def test_no_terminal_obeys_a_route(app: Flask, arguments: list[str]) -> None:
    app.add_url_rule("/bell\x07", "bell\x07", answer)
    app.add_url_rule("/claim", "claim", guarded_by(requires_claim("bell\x07", 1)))
    result = run(app, *arguments)
    assert result.exit_code == 1
    assert "\x07" not in result.output
    assert r"  GET '/bell\x07' ('bell\x07')" in result.stderr
    assert result.stdout.count("bell") == 3


def test_the_documents_of_other_extensions_are_unguarded_unless_the_app_is_protected(make_app: AppFactory) -> None:
    """flask-smorest adds its own when it is put onto the app."""
    for is_protected, guard in ((False, "none"), (True, ["any valid token"])):
        app = make_app(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0", OPENAPI_URL_PREFIX="/document")
        if is_protected:
            protect(app)
        Api(app)
        assert guards_of(app, "/document/openapi.json") == {"GET": guard}
