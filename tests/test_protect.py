"""One guard for a whole blueprint or app, and what it lets through."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Blueprint, Flask, request
from flask.testing import FlaskClient
from flask.views import MethodView
from werkzeug.routing import Rule

from auth0_blueprint import Auth0Blueprint, protect, public, requires_scope
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def guarded(make_app: AppFactory) -> FlaskClient:
    """A client of an app of which every route is protected by the scope ``use:api``."""
    app = make_app()
    protect(app, "use:api")
    app.add_url_rule("/closed", "closed", lambda: "closed")
    app.add_url_rule("/open", "open", public(lambda: "open"))
    app.add_url_rule("/stricter", "stricter", requires_scope("admin")(lambda: "stricter"))
    app.add_url_rule("/own-options", "own-options", lambda: request.method, methods=["GET", "OPTIONS"])
    return app.test_client()


def test_every_route_is_guarded(guarded: FlaskClient, issuer: LocalIssuer) -> None:
    for headers, status in (({}, 401), (bearer(issuer.token()), 403), (bearer(issuer.token(scope="use:api")), 200)):
        assert guarded.get("/closed", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        *((200, "GET", path) for path in ("/open", "/auth/health/live", "/auth/health")),
        *((200, "HEAD", "/open"), (200, "OPTIONS", "/closed")),
        *(
            (401, "OPTIONS", "/own-options"),
            (401, "GET", "/auth/me"),
            (404, "GET", "/nowhere"),
            (405, "POST", "/closed"),
        ),
    ],
)
def test_what_is_let_through_without_a_token(guarded: FlaskClient, method: str, path: str, status: int) -> None:
    """Preflights, unmatched requests, marked views and our own open routes; a view's own OPTIONS is guarded."""
    assert guarded.open(path, method=method).status_code == status


def test_the_challenge_names_the_scopes_of_protect_and_of_the_view(guarded: FlaskClient, issuer: LocalIssuer) -> None:
    """A client learns at once all that it needs."""
    for scope in ("none", "use:api"):
        response = guarded.get("/stricter", headers=bearer(issuer.token(scope=scope)))
        assert response.status_code == 403
        challenge = response.headers["WWW-Authenticate"]
        assert 'scope="use:api admin"' in challenge or 'scope="admin use:api"' in challenge


def app_with_files(issuer: LocalIssuer, folder: Path | None, **options: Any) -> Flask:
    app = Flask("tested", static_folder=folder, **options)
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    return app


def test_static_files_of_app_and_blueprint_are_let_through(issuer: LocalIssuer, tmp_path: Path) -> None:
    (tmp_path / "page.css").write_text("body {}")
    app = app_with_files(issuer, tmp_path, static_url_path="/files")
    app.register_blueprint(Blueprint("more", "more", static_folder=str(tmp_path), static_url_path="/more/files"))
    protect(app)
    client = app.test_client()
    for path in ("/files/page.css", "/more/files/page.css"):
        response = client.get(path)
        assert response.text == "body {}"
        response.close()


def test_a_view_that_is_only_named_static_is_guarded(issuer: LocalIssuer, tmp_path: Path) -> None:
    """The name alone opens nothing, with or without a folder of static files."""
    app = app_with_files(issuer, None)
    app.add_url_rule("/of-app", "static", lambda: "not a file")
    app.static_folder = str(tmp_path)
    named = Blueprint("named", "named")
    named.add_url_rule("/of-blueprint", "static", lambda: "not a file")
    app.register_blueprint(named)
    protect(app)
    client = app.test_client()
    assert client.get("/of-app").status_code == 401
    assert client.get("/of-blueprint").status_code == 401


@pytest.mark.parametrize(("endpoint", "prefix"), [("download", "/files"), ("upload", "/files"), ("static", "/static")])
def test_a_view_with_a_rule_like_that_of_static_files_is_guarded(
    issuer: LocalIssuer, tmp_path: Path, endpoint: str, prefix: str
) -> None:
    """Beside a folder of static files, and by the very name and rule of it where there is none."""
    app = app_with_files(issuer, None if endpoint == "static" else tmp_path)
    app.add_url_rule(f"{prefix}/<path:filename>", endpoint, lambda filename: filename)
    protect(app)
    assert app.test_client().get(f"{prefix}/page.css").status_code == 401


@pytest.mark.parametrize("place", ["app", "blueprint"])
def test_a_view_that_takes_the_place_of_the_one_for_static_files_is_guarded(
    issuer: LocalIssuer, tmp_path: Path, place: str
) -> None:
    """Under its endpoint and its rule; a wrapper around Flask's own, as a tracer adds one, still sends files."""
    for name in ("page.css", "robots.txt"):
        (tmp_path / name).write_text("")
    app = app_with_files(issuer, tmp_path, static_url_path="/app/files")
    app.register_blueprint(Blueprint("b", "b", static_folder=str(tmp_path), static_url_path="/blueprint/files"))
    app.add_url_rule("/robots.txt", "static", defaults={"filename": "robots.txt"})
    protect(app)
    endpoint = "static" if place == "app" else "b.static"
    original: Any = app.view_functions[endpoint]
    statuses = []
    views: list[Any] = [functools.wraps(original)(lambda **values: original(**values)), lambda filename: "not a file"]
    for view in views:
        app.view_functions[endpoint] = view
        with app.test_client().get(f"/{place}/files/page.css") as response:
            statuses.append(response.status_code)
    assert statuses == [200, 401]
    with app.test_client().get("/robots.txt") as response:
        assert response.status_code == (401 if place == "app" else 200)


def test_options_on_a_rule_that_flask_did_not_make_is_guarded(app: Flask) -> None:
    """Flask answers it by the view, not by itself."""
    app.url_map.add(Rule("/bare", endpoint="bare", methods=["OPTIONS"]))
    app.view_functions["bare"] = lambda: "answered"
    protect(app)
    assert app.test_client().options("/bare").status_code == 401


def test_a_blueprint_is_guarded_alone_with_its_nested_ones(app: Flask, issuer: LocalIssuer) -> None:
    outer, inner = Blueprint("outer", "outer", url_prefix="/outer"), Blueprint("inner", "inner", url_prefix="/inner")
    protect(outer)
    inner.add_url_rule("/", "view", lambda: "inner")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/", "root", lambda: "root")
    client = app.test_client()
    assert client.get("/").status_code == 200
    assert client.get("/outer/inner/").status_code == 401
    assert client.get("/outer/inner/", headers=bearer(issuer.token())).status_code == 200


@public
class Open(MethodView):
    def get(self) -> str:
        return "open"


class Mixed(MethodView):
    @public
    def get(self) -> str:
        return "open"

    def post(self) -> str:
        return "closed"


class Closed(Open):
    """A view class does not inherit the mark of its base: its methods are others."""

    def get(self) -> str:
        return "closed"

    def delete(self) -> str:
        return "deleted"


@pytest.mark.parametrize(
    ("view", "statuses"),
    [
        (Open, {"GET": 200}),
        # A `MethodView` without a ``head`` answers by its ``get``, so that one's mark counts.
        (Mixed, {"GET": 200, "HEAD": 200, "POST": 401}),
        (Closed, {"GET": 401, "DELETE": 401}),
    ],
)
def test_public_marks_a_class_or_one_of_its_methods(
    app: Flask, view: type[MethodView], statuses: dict[str, int]
) -> None:
    protect(app)
    app.add_url_rule("/", view_func=view.as_view("view"))
    client = app.test_client()
    assert {method: client.open("/", method=method).status_code for method in statuses} == statuses


def test_an_endpoint_with_a_dot_that_is_no_blueprints_is_guarded(app: Flask, issuer: LocalIssuer) -> None:
    """Flask allows such names."""
    protect(app)
    app.add_url_rule("/dotted", "no.blueprint", lambda: "in")
    client = app.test_client()
    assert client.get("/dotted").status_code == 401
    assert client.get("/dotted", headers=bearer(issuer.token())).text == "in"


def test_a_guarded_view_does_not_inherit_the_mark_of_the_function_inside(app: Flask, issuer: LocalIssuer) -> None:
    """``wraps`` copies attributes; a guard's view is guarded all the same, by both guards."""
    protect(app, "outer")
    app.add_url_rule("/", "view", requires_scope("inner")(public(lambda: "")))
    client = app.test_client()
    assert client.get("/", headers=bearer(issuer.token(scope="inner"))).status_code == 403
    assert client.get("/", headers=bearer(issuer.token(scope="inner outer"))).status_code == 200


def test_it_is_too_late_for_a_registered_blueprint_and_an_app_that_has_answered(app: Flask) -> None:
    """Its routes would stay open, and some requests would have passed unguarded."""
    blueprint = Blueprint("late", "late")
    app.register_blueprint(blueprint)
    app.test_client().get("/")
    for late in (blueprint, app):
        with pytest.raises(RuntimeError, match="too late"):
            protect(late)


@pytest.mark.parametrize("scopes", [(["a"],), ("a b",), (1,)])
def test_wrong_scopes_are_refused_at_once(app: Flask, scopes: tuple[object, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        protect(app, *scopes)  # type: ignore[arg-type]


def test_only_what_can_be_protected_or_called_is_protected_or_marked_public() -> None:
    with pytest.raises(TypeError, match="blueprint or an app"):
        protect(lambda: "")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="marks a view function"):
        public("view")  # type: ignore[type-var]
