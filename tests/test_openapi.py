"""``/auth/openapi.json`` describes the package's own routes, as they are registered."""

from __future__ import annotations

import re
import sys
from typing import Any, cast

import pytest
from conftest import EVENT_SETTINGS, AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from processes import completed
from refusals import Answer, seen

from auth0_blueprint import Auth0Blueprint, Auth0Error, ConfigurationError, errors
from auth0_blueprint.testing import LocalIssuer

Document = dict[str, Any]


def document_of(app: Flask, path: str = "/auth/openapi.json") -> Document:
    response = app.test_client().get(path)
    assert response.status_code == 200
    document: Document = response.get_json()
    return document


def described(document: Document) -> set[tuple[str, str]]:
    """Return the pairs of method and path in *document*."""
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def registered(app: Flask, blueprint: str = "auth0") -> set[tuple[str, str]]:
    """Return the pairs of method and path that *blueprint* really answers, refusals of other methods apart."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{blueprint}.") and not rule.endpoint.endswith("_other_methods")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


@pytest.fixture
def documented(make_app: AppFactory) -> Flask:
    return make_app(AUTH0_OPENAPI=True, **EVENT_SETTINGS)


@pytest.fixture
def document(documented: Flask) -> Document:
    return document_of(documented)


def test_the_document_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(cast("Any", document)).iter_errors()) == []


def test_every_route_is_described_and_nothing_else(documented: Flask, document: Document) -> None:
    """All rows of ``routes/route_table.py``."""
    assert described(document) == registered(documented)


def test_paths_are_those_of_another_name_and_prefix(make_app: AppFactory) -> None:
    app = make_app(Auth0Blueprint("security", url_prefix="/api/v1/auth"), AUTH0_OPENAPI=True, **EVENT_SETTINGS)
    document = document_of(app, "/api/v1/auth/openapi.json")
    assert described(document) == registered(app, "security")
    assert "/api/v1/auth/admin/revocations/{kind}/{value}" in document["paths"]


def test_the_server_is_where_the_app_is_mounted(documented: Flask, document: Document) -> None:
    """``SCRIPT_NAME``, as the server gives it; and so nobody may store the document."""
    assert document["servers"] == [{"url": "/"}]
    mounted = documented.test_client().get("/auth/openapi.json", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert mounted.get_json()["servers"] == [{"url": "/shop"}]
    assert (mounted.headers["Cache-Control"], mounted.content_type) == ("no-store", "application/json")


def test_routes_that_are_switched_off_are_not_described(make_app: AppFactory, document: Document) -> None:
    for setting, gone in (("AUTH0_ADMIN", "/auth/admin/"), ("AUTH0_REVOCATION", "/auth/admin/revocations")):
        left = {(method, path) for method, path in described(document) if not path.startswith((gone, "/auth/events/"))}
        assert described(document_of(make_app(AUTH0_OPENAPI=True, **{setting: False}))) == left


def test_who_may_is_said(make_app: AppFactory) -> None:
    app = make_app(AUTH0_OPENAPI=True, AUTH0_ADMIN_SCOPE="run:api", AUTH0_INTROSPECTION_SCOPE="look:api")
    paths = document_of(app)["paths"]
    said = [paths[path]["get"]["security"] for path in ("/auth/health", "/auth/health/live", "/auth/me")]
    assert said == [[{}, {"bearer": []}], [], [{"bearer": []}]]
    assert paths["/auth/introspect"]["post"]["security"] == [{"bearer": ["look:api"]}]
    assert paths["/auth/admin/config"]["get"]["security"] == [{"bearer": ["run:api"]}]


def _codes(document: Document, path: str, method: str) -> dict[str, set[str]]:
    responses = document["paths"][path][method]["responses"]
    return {
        status: set(response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"])
        for status, response in responses.items()
        if int(status) >= 400 and "SecurityError" not in str(response)
    }


def test_every_refusal_is_described_by_status_and_code(document: Document) -> None:
    codes = _codes(document, "/auth/admin/revocations", "post")
    assert codes["400"] == {"invalid_header", "invalid_request"}
    assert codes["403"] == {"insufficient_scope", "insufficient_permissions"}
    assert codes["503"] == {"key_set_unavailable", "revocation_unavailable", "replay_memory_unavailable"}
    assert "invalid_dpop_proof" in codes["401"]
    of_events = {errors.UnauthorizedSenderError.code}
    assert codes["401"] >= {error.code for error in errors.InvalidTokenError.__subclasses__()} - of_events
    assert _codes(document, "/auth/admin/jwks/refresh", "post")["429"] == {"rate_limited"}
    assert _codes(document, "/auth/admin/revocations/{kind}/{value}", "delete")["404"] == {"not_found"}
    assert _codes(document, "/auth/me", "get").keys() == {"400", "401", "503"}
    assert "WWW-Authenticate" in document["paths"]["/auth/me"]["get"]["responses"]["401"]["headers"]


def test_every_error_of_our_own_routes_is_described_somewhere(document: Document) -> None:
    """The other codes belong to routes of the app."""
    said = {"method_not_allowed"}  # a component: OpenAPI has no place for methods that a path does not have
    for path, operations in document["paths"].items():
        for method in operations if not path.startswith("/auth/health") else ():
            said |= set().union(*_codes(document, path, method).values())
    assert "MethodNotAllowed" in document["components"]["responses"]
    of_guards = {"insufficient_authorization_details", "insufficient_claims", "insufficient_user_authentication"}
    of_views = {"token_exchange_failed", "token_exchange_unavailable"}
    assert said == {error.code for error in _concrete(Auth0Error)} - of_guards - of_views


def _concrete(error: type[Auth0Error]) -> list[type[Auth0Error]]:
    found = [error] if "descriptions" in vars(error) else []
    return found + [other for subclass in error.__subclasses__() for other in _concrete(subclass)]


def test_a_revocation_names_exactly_one_thing_and_claims_may_be_any(document: Document) -> None:
    """What the fields of a schema cannot say; ``/auth/me`` answers all that is in the token."""
    schemas = document["components"]["schemas"]
    kinds = ("token", "jti", "subject", "client_id", "session", "organization", "email")
    assert schemas["RevocationRequest"]["oneOf"] == [{"required": [kind]} for kind in kinds]
    assert schemas["RevocationRequest"]["additionalProperties"] is False
    assert schemas["Claims"]["additionalProperties"] is True


def test_without_the_setting_there_is_no_document(client: FlaskClient, issuer: LocalIssuer) -> None:
    nothing = Answer(404, (), {"error": "not_found", "error_description": "Not found.", "code": "not_found"})
    assert seen(client.get("/auth/openapi.json")) == nothing
    assert seen(client.get("/auth/openapi.json", headers=bearer(issuer.token()))) == nothing


def test_without_apispec_the_setting_is_refused_and_names_the_extra(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At registration, and not at the first look."""
    monkeypatch.setitem(sys.modules, "apispec.ext.marshmallow", None)
    with pytest.raises(ConfigurationError, match=r"auth0_blueprint\[openapi\]") as caught:
        make_app(AUTH0_OPENAPI=True)
    assert caught.value.problems.keys() == {"AUTH0_OPENAPI"}
    make_app()  # and without the setting nobody misses it


def test_apispec_and_the_document_are_imported_only_where_they_are_needed(issuer: LocalIssuer) -> None:
    """Another process, where nothing else has imported it."""
    code = (
        "import sys; from flask import Flask; from auth0_blueprint import Auth0Blueprint\n"
        "for is_on in (False, True):\n"
        "    app = Flask('tested'); app.config.update(AUTH0_DOMAIN='a.eu.auth0.com', AUTH0_AUDIENCE='a')\n"
        "    app.config['AUTH0_OPENAPI'] = is_on; app.register_blueprint(Auth0Blueprint())\n"
        "    print('apispec' in sys.modules, 'auth0_blueprint.routes.openapi_document' in sys.modules)\n"
        "app.test_client().get('/auth/openapi.json').get_json()['openapi']\n"
        "print('auth0_blueprint.routes.openapi_document' in sys.modules)\n"
    )
    run = completed([sys.executable, "-c", code])
    assert (run.returncode, run.stdout.split()) == (0, ["False", "False", "True", "False", "True"]), run.stderr
