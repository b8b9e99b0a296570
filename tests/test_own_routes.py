"""What the package's own routes answer, whatever the path and the method."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient

from auth0_blueprint import protect
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def admin(issuer: LocalIssuer) -> dict[str, str]:
    """The header of somebody who may."""
    return bearer(issuer.token(scope="manage:auth0", permissions=["manage:auth0"]))


@pytest.mark.parametrize("subject", ["/auth0|ada", "a\nb", "a//b", "a/", "auth0|Zoë/ 1", "..", "%2F", "?#"])
def test_any_subject_can_be_revoked_looked_up_and_lifted(
    client: FlaskClient, admin: dict[str, str], subject: str
) -> None:
    """At the ``Location`` that the answer names."""
    made = client.post("/auth/admin/revocations", json={"subject": subject}, headers=admin)
    assert made.headers["Location"] == f"/auth/admin/revocations/subject/{quote(subject, safe='')}"
    assert client.get(made.headers["Location"], headers=admin).get_json()["value"] == subject
    assert client.delete(made.headers["Location"], headers=admin).status_code == 200
    assert client.get(made.headers["Location"], headers=admin).get_json()["code"] == "not_found"


def test_a_revocation_without_a_value_is_not_found_in_our_form(client: FlaskClient, admin: dict[str, str]) -> None:
    """Not on a page of the app's."""
    response = client.get("/auth/admin/revocations/subject/", headers=admin)
    assert (response.status_code, response.get_json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/auth/me", "GET, HEAD, OPTIONS"),
        ("/auth/introspect", "POST, OPTIONS"),
        ("/auth/admin/revocations/jti/x", "GET, DELETE, HEAD, OPTIONS"),
    ],
)
def test_options_lists_the_methods_that_a_route_has(client: FlaskClient, path: str, allowed: str) -> None:
    """And none that it refuses."""
    response = client.options(path)
    assert (response.status_code, response.headers["Allow"], response.data) == (200, allowed, b"")
    assert response.headers["Cache-Control"] == "no-store"


def test_a_preflight_of_our_own_routes_passes_a_protected_app(make_app: AppFactory) -> None:
    """Browsers send no credentials with it."""
    app: Flask = make_app()
    protect(app)
    assert app.test_client().options("/auth/admin/config").status_code == 200
