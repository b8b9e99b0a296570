"""What the tests of the operators' routes share: the routes, their callers, and a fleet of apps on one cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conftest import bearer
from flask.testing import FlaskClient
from refusals import Answer, seen
from werkzeug.test import TestResponse

from auth0_blueprint.testing import LocalIssuer

WHO: dict[str, Any] = {"sub": "auth0|admin", "azp": "ops", "org_id": "org_a"}
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"], **WHO}
INTROSPECTOR: dict[str, Any] = {"scope": "introspect:tokens", "permissions": ["introspect:tokens"], "sub": "api|other"}
REVOCATIONS = "/auth/admin/revocations"


@dataclass(frozen=True, slots=True)
class Route:
    """One route for operators: how it is called well, and what its caller has to hold."""

    method: str
    path: str
    status: int = 200
    value: str = "manage:auth0"
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, client: FlaskClient, token: str | None = None) -> TestResponse:
        headers = {} if token is None else bearer(token)
        return client.open(self.path, method=self.method, headers=headers, **self.arguments)


ROUTES = [
    Route("GET", "/auth/admin/config"),
    Route("GET", "/auth/admin/jwks"),
    Route("POST", "/auth/admin/jwks/refresh"),
    Route("GET", "/auth/admin/stats"),
    Route("GET", REVOCATIONS),
    Route("POST", REVOCATIONS, 201, arguments={"json": {"jti": "revoked-before"}}),
    Route("GET", f"{REVOCATIONS}/jti/revoked-before"),
    Route("DELETE", f"{REVOCATIONS}/jti/revoked-before"),
    Route("POST", "/auth/introspect", value="introspect:tokens", arguments={"data": {"token": "opaque"}}),
]
ADMIN_ROUTES = [route for route in ROUTES if route.value == "manage:auth0"]


def admin_headers(issuer: LocalIssuer) -> dict[str, str]:
    return bearer(issuer.token(**ADMIN))


def as_operator(client: FlaskClient, issuer: LocalIssuer) -> FlaskClient:
    """Return a client of the same app for an admin who may introspect as well: each request has a token of theirs."""
    operator = client.application.test_client()
    values = [*ADMIN["permissions"], *INTROSPECTOR["permissions"]]
    token = issuer.token(scope=" ".join(values), permissions=values, **WHO)
    operator.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return operator


def post_revocation(client: FlaskClient, issuer: LocalIssuer, **members: Any) -> TestResponse:
    return client.post(REVOCATIONS, json=members, headers=admin_headers(issuer))


def refused(status: int, error: str, description: str, code: str = "") -> Answer:
    """Return an answer without a challenge; its code is the error unless it is another."""
    return Answer(status, (), {"error": error, "error_description": description, "code": code or error})


def invalid_request(description: str) -> Answer:
    return refused(400, "invalid_request", description)


NOT_FOUND = refused(404, "not_found", "Not found.")
NO_REVOCATION = refused(404, "not_found", "There is no such revocation.")
NO_SUCH_METHOD = refused(405, "method_not_allowed", "This route does not support the request method.")
AWAY = 503, "temporarily_unavailable"
NOT_STORED = refused(*AWAY, "Revocations cannot be changed right now.", "revocation_unavailable")
OUT_OF_TOUCH = refused(*AWAY, "Access tokens cannot be checked for revocation right now.", "revocation_unavailable")


def is_active(client: FlaskClient, issuer: LocalIssuer, token: str) -> bool:
    response = client.post("/auth/introspect", data={"token": token}, headers=bearer(issuer.token(**INTROSPECTOR)))
    if response.status_code != 200:
        raise AssertionError(seen(response))
    return bool(response.get_json()["active"])
