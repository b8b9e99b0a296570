"""Who may use the operators' routes, and with which methods."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from operators import (
    ADMIN_ROUTES,
    NO_SUCH_METHOD,
    NOT_FOUND,
    REVOCATIONS,
    ROUTES,
    Route,
    admin_headers,
    post_revocation,
)
from refusals import NO_CREDENTIALS, forbidden, seen

from auth0_blueprint import protect
from auth0_blueprint.testing import LocalIssuer

every_route = pytest.mark.parametrize("route", ROUTES, ids=str)

NO_SCOPE = "The access token lacks a scope that this route requires."
NO_PERMISSION = "The access token lacks a permission that this route requires."


@every_route
def test_anonymous_callers_are_unauthorized(client: FlaskClient, route: Route) -> None:
    assert seen(route.call(client)) == NO_CREDENTIALS


@every_route
@pytest.mark.parametrize("scope", ["", "introspect:tokens manage:auth0:not", "manage:auth"])
def test_the_scope_must_be_granted(client: FlaskClient, issuer: LocalIssuer, route: Route, scope: str) -> None:
    """The challenge names the scope, and the permission alone is not enough."""
    if scope and route.value != "manage:auth0":
        scope = "manage:auth0 other"
    token = issuer.token(scope=scope, permissions=[route.value])
    assert seen(route.call(client, token)) == forbidden("insufficient_scope", NO_SCOPE, route.value)


@every_route
@pytest.mark.parametrize("held", [{}, {"permissions": []}, {"permissions": ["manage:auth0x", "introspect:tokensx"]}])
def test_the_scope_alone_is_not_enough(client: FlaskClient, issuer: LocalIssuer, route: Route, held: Any) -> None:
    """Any client may ask for any scope where RBAC is off."""
    token = issuer.token(scope=route.value, **held)
    assert seen(route.call(client, token)) == forbidden("insufficient_permissions", NO_PERMISSION)


@every_route
def test_callers_who_hold_both_are_answered(client: FlaskClient, issuer: LocalIssuer, route: Route) -> None:
    post_revocation(client, issuer, jti="revoked-before")
    response = route.call(client, issuer.token(scope=route.value, permissions=[route.value]))
    assert (response.status_code, response.mimetype) == (route.status, "application/json")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.get_json()


@every_route
def test_without_rbac_the_scope_alone_is_enough(make_app: AppFactory, issuer: LocalIssuer, route: Route) -> None:
    client = make_app(AUTH0_ADMIN_RBAC=False).test_client()
    post_revocation(client, issuer, jti="revoked-before")
    assert route.call(client, issuer.token(scope=route.value)).status_code == route.status


def test_the_values_can_be_others(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """And then the usual ones are worth nothing."""
    client = make_app(AUTH0_ADMIN_SCOPE="a:b", AUTH0_INTROSPECTION_SCOPE="c:d").test_client()
    for route, value in ((ADMIN_ROUTES[0], "a:b"), (ROUTES[-1], "c:d")):
        assert route.call(client, issuer.token(scope=value, permissions=[value])).status_code == 200
        usual = issuer.token(scope=route.value, permissions=[route.value])
        assert seen(route.call(client, usual)) == forbidden("insufficient_scope", NO_SCOPE, value)


@pytest.mark.parametrize("route", ADMIN_ROUTES, ids=str)
def test_without_admin_routes_everybody_gets_404(make_app: AppFactory, issuer: LocalIssuer, route: Route) -> None:
    client = make_app(AUTH0_ADMIN=False).test_client()
    for headers in ({}, bearer("nonsense"), bearer(issuer.token()), admin_headers(issuer)):
        for method in (route.method, "PATCH"):
            assert seen(client.open(route.path, method=method, headers=headers, **route.arguments)) == NOT_FOUND


def test_without_admin_routes_there_is_introspection(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """It is for other services, not for admins."""
    token = issuer.token(scope="introspect:tokens", permissions=["introspect:tokens"])
    assert ROUTES[-1].call(make_app(AUTH0_ADMIN=False).test_client(), token).status_code == 200


READ = ("/auth/me", "/auth/admin/config", "/auth/admin/jwks", "/auth/admin/stats")
POSTED = ("/auth/admin/jwks/refresh", "/auth/introspect")
METHODS = {
    **dict.fromkeys(READ, "GET, HEAD, OPTIONS"),
    **dict.fromkeys(POSTED, "POST, OPTIONS"),
    REVOCATIONS: "GET, POST, HEAD, OPTIONS",
    f"{REVOCATIONS}/jti/a/b": "GET, DELETE, HEAD, OPTIONS",
}


@pytest.mark.parametrize(("path", "allowed"), METHODS.items())
def test_a_route_names_its_methods(client: FlaskClient, issuer: LocalIssuer, path: str, allowed: str) -> None:
    """To everybody alike, where it refuses others and where it is asked for them."""
    for headers in ({}, admin_headers(issuer)):
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
            response = client.open(path, method=method, headers=headers)
            assert (seen(response), response.headers["Allow"]) == (NO_SUCH_METHOD, allowed)
    response = client.options(path)
    assert (response.status_code, response.headers["Allow"], response.data) == (200, allowed, b"")
    assert response.headers["Cache-Control"] == "no-store"


def test_a_preflight_of_our_own_routes_passes_a_protected_app(app: Flask) -> None:
    """Browsers send no credentials with it."""
    protect(app)
    assert app.test_client().options("/auth/admin/config").status_code == 200


@every_route
def test_the_token_is_read_from_the_header_only(client: FlaskClient, issuer: LocalIssuer, route: Route) -> None:
    """RFC 6750 §2.3: not from the query string."""
    token = issuer.token(scope=route.value, permissions=[route.value])
    response = client.open(route.path, method=route.method, query_string={"access_token": token}, **route.arguments)
    assert seen(response) == NO_CREDENTIALS


def test_loose_admin_rights_are_warned_about_at_startup(make_app: AppFactory, caplog: pytest.LogCaptureFixture) -> None:
    """A scope alone is in the reach of any client."""
    make_app(AUTH0_ADMIN_RBAC=False)
    assert "AUTH0_ADMIN_RBAC is false" in caplog.text
