"""Apps with routes under guards of every kind, and of none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import flask_jwt_extended as fje
from conftest import EVENT_SETTINGS
from flask import Blueprint, Flask
from flask.views import MethodView, View
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from werkzeug.routing import Rule

from auth0_blueprint import Auth0Blueprint, protect, public, requires_auth, requires_permission, requires_scope
from auth0_blueprint.testing import LocalIssuer

BLUEPRINTS = ("outer", "outer.inner", "outer.again", "hooked", "opened")


def answer(*_self: Any, **_names: str) -> str:
    return "answered"


async def answer_later(*_self: Any, **_names: str) -> str:
    return "answered"


def passes_through(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate *view*, as those of others do."""
    return functools.wraps(view)(lambda *args, **kwargs: view(*args, **kwargs))


def guarded_by(*guards: Callable[..., Any], answers: str | None = "answered") -> Callable[..., Any]:
    """Return a new view, method or hook that *answers* under *guards*, the outermost first."""

    def view(*_self: Any, **_names: str) -> str | None:
        return answers

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
        "jwt-not-called": fje.jwt_required(guarded_by()),  # type: ignore[arg-type]
        "jwt-not-applied": fje.jwt_required(),
    }
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view)
    for name in ("any-token", "optional", "jwt", "open", "public"):
        app.add_url_rule(f"/{name}/<path:rest>/own-options", f"{name}-o", views[name], methods=["POST", "OPTIONS"])

    app.add_url_rule("/async", "async", requires_scope("a")(answer_later), methods=["POST"])
    app.url_map.add(Rule("/any-method", endpoint="any-method"))
    app.view_functions["any-method"] = guarded_by(requires_auth)
    app.url_map.add(Rule("/no-view", endpoint="no-view"))
    app.url_map.add(Rule("/moved", endpoint="moved", redirect_to="/open"))
    app.url_map.add(Rule("/never", endpoint="never", build_only=True))
    app.add_url_rule("/dotted", "no.blueprint", answer)
    app.add_url_rule("/head-alone", "head-alone", guarded_by(requires_auth), methods=["HEAD"])


class Mixed(MethodView):
    get = answer
    post = guarded_by(requires_scope("b"))
    put = guarded_by(public)
    delete = guarded_by(fje.jwt_required())
    patch = requires_auth(optional=True)(answer_later)
    options = guarded_by(requires_auth)


class OpenHead(MethodView):
    get = guarded_by(requires_auth)
    head = answer


def view_classes() -> list[type[View]]:
    """Return classes with guards on methods, on the whole and on what dispatches."""

    class GuardedAsAWhole(Mixed):
        decorators: ClassVar = [requires_scope("a")]
        init_every_request = False

    class JwtAsAWhole(MethodView):
        decorators: ClassVar = [fje.jwt_required()]
        get = options = answer

    @public
    class Open(MethodView):
        get = answer
        post = guarded_by(requires_auth)

    class NotOpen(Open):
        put = answer

    class GuardedDispatch(View):
        dispatch_request = guarded_by(requires_scope("a"))

    class UnusedGuard(View):
        methods: ClassVar = ["GET", "POST"]
        get = guarded_by(requires_auth)
        post = guarded_by(public)
        dispatch_request = answer

    class OwnDispatch(MethodView):
        dispatch_request = answer
        get = guarded_by(requires_auth)

    class GuardedOwnDispatch(OwnDispatch):
        dispatch_request = guarded_by(requires_scope("a"))

    class GuardedUsualDispatch(MethodView):
        dispatch_request = requires_scope("a")(fje.jwt_required()(MethodView.dispatch_request))
        get = guarded_by(requires_permission("x"))

    methods: list[type[View]] = [Mixed, GuardedAsAWhole, JwtAsAWhole, Open, NotOpen, OpenHead]
    dispatches = [GuardedDispatch, UnusedGuard, OwnDispatch, GuardedOwnDispatch, GuardedUsualDispatch]
    return [*methods, *dispatches]


class Holder:
    guarded = guarded_by(requires_auth)
    open = answer


def add_classes(app: Flask) -> None:
    """Add class-based views, and methods of an object."""
    for view_class in view_classes():
        app.add_url_rule(f"/{view_class.__name__}", view_func=view_class.as_view(view_class.__name__))
    outside: Callable[..., Any] = requires_scope("a")(Mixed.as_view("GuardedOutside"))
    app.add_url_rule("/GuardedOutside", view_func=outside)
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
    # Not static files, though they look alike.
    app.add_url_rule("/not-a-file", "static")
    app.add_url_rule("/download/<path:filename>", "download", guarded_by())
    app.add_url_rule("/nobody/<path:filename>", "nobody.static", guarded_by())
    named = Blueprint("named", __name__, url_prefix="/named")
    named.add_url_rule("/<path:filename>", "static", guarded_by())
    app.register_blueprint(named)


def add_smorest(app: Flask) -> None:
    """Add flask-smorest, with its documents."""
    messages = SmorestBlueprint("messages", __name__, url_prefix="/smorest")

    guarded_by(messages.route("/function"), messages.response(200), requires_scope("a"))

    @messages.route("/class")
    @messages.etag
    class Messages(MethodView):
        get = guarded_by(messages.response(200))
        post = guarded_by(requires_scope("a"), messages.response(201))

    Api(app).register_blueprint(messages)


def whole_app(issuer: LocalIssuer, files: Path, *scopes: str, is_protected: bool = False, **settings: Any) -> Flask:
    """Return an app with all of these, and static files of its own."""
    (files / "1").write_text("a file")
    app = Flask("tested", static_folder=str(files), static_url_path="/files")
    app.config.update(issuer.settings)
    app.config.update(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    app.config.update(OPENAPI_URL_PREFIX="/document", OPENAPI_JSON_PATH="openapi.json")
    app.config.update(**{**EVENT_SETTINGS, **settings})
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
