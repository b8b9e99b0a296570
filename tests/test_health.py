"""``/auth/health``, ``/auth/health/live`` and ``/auth/me``."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import AppFactory, bearer, key_source
from flask import Flask
from flask.testing import FlaskClient

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

NOBODY = "http://127.0.0.1:9/"  # where nobody listens
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}


def test_health_passes_once_the_key_set_is_there(client: FlaskClient, issuer: LocalIssuer) -> None:
    """The question itself causes the one fetch, and nobody sees more than the status."""
    response = client.get("/auth/health")
    assert (response.status_code, response.get_json()) == (200, {"status": "pass"})
    assert response.content_type == "application/health+json"
    assert response.headers["Cache-Control"] == "no-store"
    client.get("/auth/health")
    assert issuer.fetch_count == 1


@pytest.mark.parametrize(("path", "status", "says"), [("", 503, "fail"), ("/live", 200, "pass")])
def test_health_fails_without_a_key_set_and_live_passes(
    make_app: AppFactory, issuer: LocalIssuer, path: str, status: int, says: str
) -> None:
    """A load balancer looks elsewhere; a restart would not help."""
    response = make_app(AUTH0_JWKS_URL=NOBODY).test_client().get(f"/auth/health{path}")
    assert (response.status_code, response.get_json(), issuer.fetch_count) == (status, {"status": says}, 0)


def test_an_admin_sees_the_details(client: FlaskClient, issuer: LocalIssuer) -> None:
    body = client.get("/auth/health", headers=bearer(issuer.token(**ADMIN))).get_json()
    key_set = body["checks"]["key_sets"][0]
    assert (key_set["status"], key_set["state"], key_set["source"]) == ("pass", "fresh", "network")
    assert (key_set["issuer"], key_set["keys"], key_set["last_error"]) == (issuer.issuer, len(issuer.key_ids), None)
    assert 0 <= key_set["age_seconds"] < 60 < key_set["refresh_in_seconds"]
    cache = {"status": "pass", "type": None, "reachable": True, "writable": True, "signed": False, "reach": "process"}
    assert body["checks"]["cache"] == {**cache, "ignored": 0, "notes": []}


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"scope": "manage:auth0"},
        {"permissions": ["manage:auth0"]},
        {**ADMIN, "expires_in": -60},
        {**ADMIN, "aud": "other"},
        *("Bearer nonsense", "Bearer", "Basic dTpw", "Bearer a b"),
    ],
)
def test_whoever_is_no_admin_gets_the_anonymous_answer(
    client: FlaskClient, issuer: LocalIssuer, credentials: dict[str, Any] | str
) -> None:
    """A bad token or header too: health is not a place to be refused at."""
    header = credentials if isinstance(credentials, str) else f"Bearer {issuer.token(**credentials)}"
    response = client.get("/auth/health", headers={"Authorization": header})
    assert (response.status_code, response.get_json()) == (200, {"status": "pass"})


def test_a_token_that_names_an_unknown_key_causes_no_fetch(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Health costs the fetch that all share, and no other."""
    client = make_app(AUTH0_JWKS_COOLDOWN=0).test_client()  # which forbids nothing
    client.get("/auth/health")
    for number in range(20):
        client.get("/auth/health", headers=bearer(issuer.token(headers={"kid": f"unknown-{number}"}, **ADMIN)))
    assert issuer.fetch_count == 1


def test_without_rbac_the_scope_alone_makes_an_admin(make_app: AppFactory, issuer: LocalIssuer) -> None:
    client = make_app(AUTH0_ADMIN_RBAC=False).test_client()
    assert "checks" in client.get("/auth/health", headers=bearer(issuer.token(scope="manage:auth0"))).get_json()


@pytest.mark.parametrize(("details", "shown"), [("never", False), ("always", True)])
def test_details_are_shown_as_configured(make_app: AppFactory, issuer: LocalIssuer, details: str, shown: bool) -> None:
    client = make_app(AUTH0_HEALTH_DETAILS=details).test_client()
    assert ("checks" in client.get("/auth/health").get_json()) is shown
    assert ("checks" in client.get("/auth/health", headers=bearer(issuer.token(**ADMIN))).get_json()) is shown


def test_an_outage_shows_as_a_warning_and_warm_keys_go_on(make_app: AppFactory) -> None:
    """Until the key set is too old; then health fails."""
    with LocalIssuer() as issuer:
        app = Flask("tested")
        app.config.update(issuer.settings, AUTH0_HEALTH_DETAILS="always")
        app.config.update(AUTH0_JWKS_TTL=1, AUTH0_JWKS_REFRESH_AHEAD=0.99, AUTH0_JWKS_COOLDOWN=1)
        app.register_blueprint(Auth0Blueprint())
        client, headers = app.test_client(), bearer(issuer.token())
        assert client.get("/auth/me", headers=headers).status_code == 200
    # The issuer is gone now; a refresh is due almost at once.
    source = key_source(app)
    while not source.status().consecutive_failures:
        assert client.get("/auth/me", headers=headers).status_code == 200
    response = client.get("/auth/health")
    assert (response.status_code, response.get_json()["status"]) == (200, "warn")
    assert response.get_json()["checks"]["key_sets"][0]["last_error"] == "no connection, or a broken answer"
    assert client.get("/auth/me", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/auth/health", "/auth/health/live", "/auth/me"])
def test_other_methods_are_refused_in_json(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method)
    assert (response.status_code, response.get_json()["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_me_shows_all_claims_of_the_caller(client: FlaskClient, issuer: LocalIssuer) -> None:
    custom: dict[str, Any] = {"https://example.com/roles": ["x"]}
    token = issuer.token(scope="a b", permissions=["p"], aud=[issuer.audience], **custom)
    response = client.get("/auth/me", headers=bearer(token))
    assert response.headers["Cache-Control"] == "no-store"
    body = response.get_json()
    assert (body["sub"], body["scope"], body["permissions"]) == ("auth0|local-user", "a b", ["p"])
    assert (body["https://example.com/roles"], body["aud"]) == (["x"], [issuer.audience])


def test_several_workers_without_a_shared_cache_are_told_what_is_lost(
    make_app: AppFactory, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """By the flag of PEP 3333; in the log once, and in the details of health."""
    client = make_app().test_client()
    many = {"wsgi.multiprocess": True}
    for _ in range(2):
        body = client.get("/auth/health", headers=bearer(issuer.token(**ADMIN)), environ_overrides=many).get_json()
    (note,) = body["checks"]["cache"]["notes"]
    assert note.startswith("Several worker processes but no shared cache")
    assert (body["status"], caplog.text.count(note)) == ("pass", 1)


def test_one_worker_is_not_warned(client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture) -> None:
    body = client.get("/auth/health", headers=bearer(issuer.token(**ADMIN))).get_json()
    assert body["checks"]["cache"]["notes"] == []
    assert not caplog.records
