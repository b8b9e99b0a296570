"""For each framework, in production mode: a guard in its place guards, and one in the wrong place is found."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import flask_restful
import flask_restx
import flask_smorest
import pytest
from answers import EXPECTED, OfConnexion, answers_of, guard, read
from apiflask import APIBlueprint, APIFlask
from conftest import bearer
from connexion import FlaskApp
from flasgger import Swagger, swag_from
from flask import Blueprint, Flask
from flask.views import MethodView
from flask_caching import Cache
from flask_classful import FlaskView, route
from flask_jwt_extended import jwt_required
from flask_limiter import Limiter
from flask_openapi3 import APIBlueprint as OpenAPIBlueprint
from flask_openapi3 import APIView, OpenAPI
from flask_sock import Sock
from pydantic import BaseModel
from servers import served

from auth0_blueprint import Auth0Blueprint, protect, public, requires_auth
from auth0_blueprint.testing import LocalIssuer

Decorator = Callable[[Any], Any]
Host = Callable[..., Any]
SMOREST = {"API_TITLE": "Messages", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
DOCUMENT = {"responses": {"200": {"description": "Messages"}}}


class Number(BaseModel):
    number: int


@pytest.fixture
def host(issuer: LocalIssuer) -> Host:
    """Return a factory of apps of any class with the blueprint: ``host(app_class=Flask, **settings)``."""

    def make(app_class: Callable[[str], Any] = Flask, **settings: Any) -> Any:
        app = app_class("tested")
        app.config.update(issuer.settings, **settings)
        app.register_blueprint(Auth0Blueprint())
        return app

    return make


def nothing(function: Any) -> Any:
    return function


def plain(function: Any) -> Any:
    """Stand around *function*, as decorators of other packages do."""
    return functools.wraps(function)(lambda *args, **values: function(*args, **values))


def on_app(app_class: Any, host: Host, above: Decorator, below: Decorator) -> Any:
    app = host(app_class)
    above(app.get("/messages")(below(lambda: read())))
    return app.test_client()


def on_blueprint(app_class: Any, blueprint_class: Any, host: Host, above: Decorator, below: Decorator) -> Any:
    app, blueprint = host(app_class), blueprint_class("messages", __name__)
    above(blueprint.get("/messages")(below(lambda: read())))
    getattr(app, "register_api", app.register_blueprint)(blueprint)
    return app.test_client()


def on_hook(kind: str, host: Host, above: Decorator, below: Decorator) -> Any:
    app, blueprint = host(), Blueprint("messages", __name__)
    register: Decorator = getattr(app if kind == "before_request" else blueprint, kind.removeprefix("blueprint."))
    above(register(below(lambda *_: None)))
    blueprint.add_url_rule("/messages", "read", lambda: read())
    app.register_blueprint(blueprint)
    return app.test_client()


def flask_smorest_blueprint(host: Host, above: Decorator, below: Decorator) -> Any:
    app, blueprint = host(**SMOREST), flask_smorest.Blueprint("messages", __name__)
    above(blueprint.route("/messages")(below(blueprint.response(200)(lambda: read()))))
    flask_smorest.Api(app).register_blueprint(blueprint)
    return app.test_client()


def flasgger(host: Host, above: Decorator, below: Decorator) -> Any:
    """With its decorator on either side of the guard."""
    app, document = host(), swag_from(DOCUMENT)
    Swagger(app)
    above(app.get("/messages")(document(below(document(lambda: read())))))
    return app.test_client()


def connexion_app(host: Host) -> FlaskApp:
    app = FlaskApp("tested")
    host(lambda _: app.app)
    return app


def connexion(host: Host, above: Decorator, below: Decorator) -> Any:
    app = connexion_app(host)
    above(app.route("/messages")(below(lambda: read())))
    return OfConnexion(app)


#: Where a guard below guards, and one above would leave the route open.
FUNCTIONS: dict[str, Callable[[Host, Decorator, Decorator], Any]] = {
    "Flask": partial(on_app, Flask),
    "Flask, blueprint": partial(on_blueprint, Flask, Blueprint),
    "Flask, before_request": partial(on_hook, "before_request"),
    "Flask, before_request of a blueprint": partial(on_hook, "blueprint.before_request"),
    "Flask, before_app_request": partial(on_hook, "before_app_request"),
    "Flask, url_value_preprocessor": partial(on_hook, "blueprint.url_value_preprocessor"),
    "flask-smorest": flask_smorest_blueprint,
    "APIFlask": partial(on_app, APIFlask),
    "APIFlask, blueprint": partial(on_blueprint, APIFlask, APIBlueprint),
    "flask-openapi3": partial(on_app, OpenAPI),
    "flask-openapi3, blueprint": partial(on_blueprint, OpenAPI, OpenAPIBlueprint),
    "flasgger": flasgger,
    "Connexion": connexion,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("between", [nothing, plain])
def test_a_guard_below_guards(name: str, between: Decorator, host: Host, issuer: LocalIssuer) -> None:
    client = FUNCTIONS[name](host, between, lambda view: between(guard(between(view))))
    assert answers_of(client, issuer) == EXPECTED


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("between", [nothing, plain, requires_auth])
def test_a_guard_above_is_found_by_any_request(
    name: str, between: Decorator, host: Host, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Also with another decorator between it and the route, and with a guard in the right place besides."""
    below = requires_auth if between is requires_auth else nothing
    client = FUNCTIONS[name](host, lambda view: guard(view if between is requires_auth else between(view)), below)
    for path in ("/messages", "/anywhere"):
        assert client.get(path, headers=bearer(issuer.token(scope="read:messages"))).status_code == 500
    assert "stands above" in caplog.text


def resource(framework: Any, **members: Any) -> Any:
    return type("Messages", (framework.Resource,), {"get": read, **members})


def with_resource(framework: Any, members: dict[str, Any], options: dict[str, Any], host: Host) -> Any:
    app = host()
    framework.Api(app, **options).add_resource(resource(framework, **members), "/messages")
    return app.test_client()


def classful(host: Host, **members: Any) -> Any:
    app = host()
    read_one = members.pop("read", read)
    view_class: Any = type("Messages", (FlaskView,), {"route_base": "/", "read": read_one, **members})
    view_class.register(app)
    return app.test_client()


def openapi3_class(host: Host) -> Any:
    app, api = host(OpenAPI), APIView()

    @api.route("/messages")
    class Messages:
        @guard
        @api.doc(summary="Messages")
        def get(self) -> Any:
            return read()

    app.register_api_view(api)
    return app.test_client()


def flasgger_class(host: Host) -> Any:
    app = host()
    Swagger(app)
    view_class: Any = type("Messages", (MethodView,), {"get": guard(swag_from(DOCUMENT)(read))})
    app.add_url_rule("/messages", view_func=view_class.as_view("messages"))
    return app.test_client()


def connexion_operation(host: Host, scheme: dict[str, str] | None = None, **more: Any) -> Any:
    app = connexion_app(host)
    operation = {"operationId": "read", **DOCUMENT, **more, "security": [{"Auth0": []}] if scheme is not None else []}
    document = {"openapi": "3.0.0", "info": {"title": "Messages", "version": "1"}}
    schemes = {"securitySchemes": {"Auth0": {"type": "http", "scheme": "bearer", **(scheme or {})}}}
    paths = {"/messages": {"get": operation}}
    app.add_api({**document, "components": schemes, "paths": paths}, resolver=lambda _: guard(lambda **_: read()))
    return OfConnexion(app)


@pytest.mark.parametrize(("scheme", "status"), [({}, 401), ({"x-bearerInfoFunc": f"{__name__}.nothing_known"}, 200)])
def test_connexion_enforces_the_security_of_its_document_itself(
    host: Host, issuer: LocalIssuer, scheme: dict[str, str], status: int
) -> None:
    """As the page says: without ``x-bearerInfoFunc`` it refuses everybody, and without a token it has its own words."""
    client = connexion_operation(host, scheme)
    assert client.get("/messages", bearer(issuer.token(scope="read:messages"))).status_code == status
    refused = client.get("/messages")
    assert (refused.status_code, refused.headers.get("WWW-Authenticate")) == (401, None)
    assert client.get("/messages", bearer(issuer.token())).status_code == (401 if status == 401 else 403)


def nothing_known(_token: str) -> dict[str, Any]:
    return {}


def test_connexion_and_flask_openapi3_validate_before_the_guard(host: Host) -> None:
    """As the page says; in flask-openapi3 `protect` comes first."""
    number = {"name": "number", "in": "query", "required": True, "schema": {"type": "integer"}}
    assert connexion_operation(host, parameters=[number]).get("/messages").status_code == 400
    statuses = []
    for is_protected in (False, True):
        app = host(OpenAPI)
        if is_protected:
            protect(app)

        @app.get("/messages")
        @guard
        def read_one(query: Number) -> Any:
            return read()

        statuses.append(app.test_client().get("/messages").status_code)
    assert statuses == [422, 401]


def connexion_protected(host: Host) -> Any:
    app = connexion_app(host)
    protect(app.app, "read:messages")
    app.add_url_rule("/messages", "messages", lambda: read())
    return OfConnexion(app)


#: Places in classes and lists, where no guard can stand above.
OTHERS: dict[str, Callable[[Host], Any]] = {
    **{
        f"{framework.__name__}, {place}": partial(with_resource, framework, members, options)
        for framework in (flask_restx, flask_restful)
        for place, members, options in (
            ("method", {"get": guard(read)}, {}),
            ("decorators", {"decorators": [guard]}, {}),
            ("method_decorators", {"method_decorators": [guard]}, {}),
            ("decorators of the Api", {}, {"decorators": [guard]}),
        )
    },
    "Flask-Classful, method": partial(classful, read=route("/messages")(guard(read))),
    # Its route decorator only takes notes.
    "Flask-Classful, above route": partial(classful, read=guard(route("/messages")(read))),
    "Flask-Classful, decorators": partial(classful, read=route("/messages")(read), decorators=[guard]),
    "flask-openapi3, class": openapi3_class,
    "flasgger, class": flasgger_class,
    "Connexion, operation": connexion_operation,
    "Connexion, protect": connexion_protected,
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_guard_in_a_class_or_a_list_guards(name: str, host: Host, issuer: LocalIssuer) -> None:
    assert answers_of(OTHERS[name](host), issuer) == EXPECTED


@pytest.mark.parametrize("base", [flask_restx.Resource, flask_restful.Resource, FlaskView, MethodView, APIView])
def test_a_guard_on_a_class_is_refused(base: Any) -> None:
    with pytest.raises(TypeError, match="list the guard in its `decorators`"):
        guard(base)


@pytest.mark.parametrize("decorate", [requires_auth, guard, requires_auth(optional=True)])
def test_a_guard_above_a_decorator_that_returns_nothing_is_refused_at_once(host: Host, decorate: Decorator) -> None:
    route = Sock(host()).route("/messages")
    with pytest.raises(TypeError, match=r"cannot decorate None.*@sock\.route"):
        decorate(route(lambda socket: None))


@pytest.mark.parametrize("scope", ["app", "blueprint"])
def test_a_websocket_is_refused_before_its_handshake(host: Host, issuer: LocalIssuer, scope: str) -> None:
    app, sock, blueprint = host(), Sock(), Blueprint("sockets", __name__)
    protect(app if scope == "app" else blueprint)
    sock.init_app(app)
    sock.route("/messages", blueprint)(lambda socket: socket.send(read()["subject"]))
    app.register_blueprint(blueprint)
    with served(app) as url:
        assert handshake(url) == 401
        assert handshake(url, **bearer(issuer.token())) == 101


def handshake(url: str, **headers: str) -> int:
    """Return the status of the answer to a WebSocket's opening request (RFC 6455 §4.1)."""
    headers |= {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.request("GET", "/messages", headers={**headers, "Sec-WebSocket-Key": "a" * 22 + "=="})
        return connection.getresponse().status


with_each_framework = pytest.mark.parametrize("framework", [flask_restx, flask_restful])


@with_each_framework
@pytest.mark.parametrize(
    ("registrations", "found"),
    [
        ([("v1", {})], False),
        ([("v1", {"name": "renamed"})], True),
        ([("v1", {}), ("outer", {})], True),
        ([("v1", {}), ("outer", {"name": "v1"})], True),
    ],
)
def test_a_protected_blueprint_that_loses_its_resources_is_found(
    host: Host,
    framework: Any,
    registrations: list[tuple[str, dict[str, str]]],
    found: bool,
    issuer: LocalIssuer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nested or renamed, their endpoints bear its original name, by which Flask does not find its hooks."""
    app, blueprint = host(), Blueprint("v1", __name__)
    protect(blueprint, "read:messages")
    framework.Api(blueprint).add_resource(resource(framework), "/messages")
    *inner, (name, options) = registrations
    for _ in inner:
        outer = Blueprint(name, __name__)
        outer.register_blueprint(blueprint)
        blueprint = outer
    app.register_blueprint(blueprint, **options)
    app.register_blueprint(Blueprint("other", __name__))
    if found:
        assert app.test_client().get("/messages").status_code == 500
        assert "does not run for endpoint" in caplog.text
    else:
        assert answers_of(app.test_client(), issuer) == EXPECTED


@with_each_framework
@pytest.mark.parametrize(
    ("options", "members", "status"),
    [
        *(({"decorators": [guard]}, {}, 401) for guard in (requires_auth, jwt_required())),
        ({"decorators": [jwt_required(optional=True)]}, {}, 500),
        ({}, {"get": requires_auth(read), "post": requires_auth(read)}, 401),
        ({}, {"get": requires_auth(read), "post": read}, 500),
        ({}, {"get": public(lambda _: "open")}, 200),
    ],
)
def test_resources_that_say_by_themselves_who_may_pass_need_no_blueprint(
    host: Host, framework: Any, options: dict[str, Any], members: dict[str, Any], status: int
) -> None:
    """The remedy for a nested blueprint that must stay nested. A plain route beside them is lost as they are."""
    app, outer, inner = host(), Blueprint("outer", __name__), Blueprint("v1", __name__)
    protect(outer)
    framework.Api(inner, **options).add_resource(resource(framework, **members), "/messages")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert app.test_client().get("/messages").status_code == status
    another, beside = Blueprint("another", __name__), Blueprint("v2", __name__)
    framework.Api(beside)
    beside.add_url_rule("/plain", "plain", lambda: "plain")
    another.before_request(jwt_required()(lambda: None))
    another.register_blueprint(beside)
    app = host()
    app.register_blueprint(another)
    assert app.test_client().get("/plain").status_code == 500


def test_a_guard_does_not_lend_its_route_the_open_view_of_another(host: Host) -> None:
    """flask-openapi3 keeps that view on the function, from where ``functools.wraps`` would copy it."""
    app, blueprint, view = host(OpenAPI), OpenAPIBlueprint("guarded", __name__), public(lambda: read())
    app.get("/open")(view)
    blueprint.get("/guarded")(requires_auth(view))
    app.register_api(blueprint)
    assert app.test_client().get("/guarded").status_code == 401


def limited(app: Flask) -> Decorator:
    decorator: Decorator = Limiter(lambda: "anybody", app=app, storage_uri="memory://").limit("9/day")
    return decorator


DECORATORS: dict[str, Callable[[Flask], Decorator]] = {
    "functools.wraps": lambda _: plain,
    "functools.partial": lambda _: partial(partial, unused="name"),
    "flasgger": lambda _: swag_from(DOCUMENT),
    "Flask-Caching": lambda app: Cache(app, config={"CACHE_TYPE": "SimpleCache"}).cached(),
    "Flask-Limiter": limited,
}


@pytest.mark.parametrize("name", DECORATORS)
@pytest.mark.parametrize("app_class", [Flask, OpenAPI])
def test_a_function_that_is_guarded_at_one_route_and_public_at_another_is_no_mistake(
    host: Host, issuer: LocalIssuer, name: str, app_class: Any
) -> None:
    app = host(app_class)
    decorate, view = DECORATORS[name](app), public(lambda **_: {"subject": "anybody"})
    for path, one in {
        "/open": view,
        "/decorated": decorate(plain(view)),
        "/guarded": plain(guard(decorate(view))),
    }.items():
        app.add_url_rule(path, path, one)
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/open", "/decorated", "/guarded")] == [200, 200, 401]
    assert client.get("/guarded", headers=bearer(issuer.token(scope="read:messages"))).status_code == 200


def test_classes_that_share_a_method_may_differ_in_their_guards(host: Host) -> None:
    """Flask-Classful wraps it for each of them."""

    class Open(FlaskView):
        @route("/")
        @plain
        def read(self) -> Any:
            return "open"

    app = host()
    guarded: Any = type("Guarded", (Open,), {"decorators": [guard]})
    for view_class, prefix in ((Open, "/open"), (guarded, "/guarded")):
        view_class.register(app, route_prefix=prefix)
    client = app.test_client()

    assert [client.get(path).status_code for path in ("/open/open/", "/guarded/guarded/")] == [200, 401]
