"""The reference app under gunicorn, and access tokens of a certified OpenID provider."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
import requests
from flask import Flask, Response, jsonify
from processes import eventually
from werkzeug.test import TestResponse

from auth0_blueprint import Auth0Blueprint, current_token, requires_actor, requires_authorization_details

from .conftest import MakeKey
from .servers import ALGORITHMS, AUDIENCE, FRONT_END, App, Provider, assert_refused, running_app

CHALLENGE = 'Bearer realm="api", %s'


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_each_algorithm_passes(provider: Provider, reference_app: App, algorithm: str) -> None:
    """And a scope that the provider granted opens the route that requires it."""
    token = provider.access_token(algorithm)
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert reference_app.get("/api/private", token).status_code == 200
    with_scope = provider.access_token(algorithm, scope="read:messages")
    assert reference_app.get("/api/private-scoped", with_scope).status_code == 200


@pytest.mark.parametrize("scope", [None, "write:messages"])
def test_a_token_without_the_scope_is_refused(provider: Provider, reference_app: App, scope: str | None) -> None:
    response = reference_app.get("/api/private-scoped", provider.access_token(scope=scope))
    challenge = f'{CHALLENGE}, scope="read:messages"'
    assert_refused(response, 403, "insufficient_scope", "insufficient_scope", challenge)


def test_a_token_for_another_audience_is_refused(provider: Provider, reference_app: App) -> None:
    response = reference_app.get("/api/private", provider.access_token(audience="https://other.example/"))
    assert_refused(response, 401, "invalid_claims", "invalid_token", CHALLENGE)


def test_actors_and_authorization_details_are_those_that_the_provider_wrote(provider: Provider) -> None:
    """The provider's own rich authorization requests (RFC 9396), and an ``act`` that a claim of its own says."""
    app = Flask("guarded")
    app.config.update(AUTH0_ISSUER=provider.issuer, AUTH0_JWKS_URL=provider.jwks_url, AUTH0_AUDIENCE=AUDIENCE)
    app.register_blueprint(Auth0Blueprint())

    @app.post("/payments")
    @requires_actor("agent")
    @requires_authorization_details("payment_initiation", lambda agreed: agreed["amount"] < 50)
    def pay() -> Response:
        return jsonify([current_token.delegation_chain, current_token.authorization_details])

    def answer_to(actor: str, amount: int) -> TestResponse:
        act, details = {"sub": actor, "act": {"sub": "first"}}, [{"type": "payment_initiation", "amount": amount}]
        token = provider.access_token(act=act, authorization_details=details)
        return app.test_client().post("/payments", headers={"Authorization": f"Bearer {token}"})

    paid = answer_to("agent", 45)
    chain, details = [{"sub": "agent"}, {"sub": "first"}], [{"type": "payment_initiation", "amount": 45}]
    assert (paid.status_code, paid.get_json()) == (200, [chain, details])
    codes = [(answer.get_json() or {})["code"] for answer in (answer_to("agent", 50), answer_to("first", 45))]
    assert codes == ["insufficient_authorization_details", "insufficient_claims"]


def test_every_worker_verifies(provider: Provider, reference_app: App) -> None:
    """Each worker process fetches the keys for itself."""
    answers = reference_app.get_from_every_worker("/api/private", provider.access_token())
    assert [answer.status_code for answer in answers] == [200, 200]


def test_health_passes_and_the_public_route_is_open(reference_app: App) -> None:
    """Health is good while the provider answers, and tells anonymous callers no more than that."""
    response = reference_app.get("/auth/health")
    assert (response.status_code, response.json()) == (200, {"status": "pass"})
    assert response.headers["Content-Type"] == "application/health+json"
    assert reference_app.get("/api/public").status_code == 200


def test_preflight_needs_no_token(reference_app: App) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    _, response = reference_app.ask("OPTIONS", "/api/private", {"Origin": FRONT_END, **asked})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert response.headers["Access-Control-Allow-Headers"] == "authorization"


def test_rotation_is_followed_by_every_worker(rotating_provider: Provider, make_key: MakeKey, tmp_path: Path) -> None:
    provider, old_key, new_key = rotating_provider, make_key("RS256"), make_key("RS256")
    provider.start(old_key)
    old_token = provider.access_token()
    times = {"AUTH0_JWKS_TTL": "2", "AUTH0_JWKS_REFRESH_AHEAD": "1", "AUTH0_JWKS_COOLDOWN": "1"}

    with running_app(tmp_path, provider, **times) as app:

        def passes(token: str) -> bool:
            return all(answer.ok for answer in app.get_from_every_worker("/api/private", token))

        def new_token_passes() -> bool:
            assert passes(old_token)
            return passes(new_token)

        refusals: list[requests.Response] = []

        def old_token_is_refused() -> bool:
            refusals[:] = app.get_from_every_worker("/api/private", old_token)
            return all(refusal.status_code == 401 for refusal in refusals)

        assert passes(old_token)

        provider.start(new_key, old_key)
        new_token = provider.access_token()
        assert jwt.get_unverified_header(new_token)["kid"] == new_key["kid"]
        eventually(new_token_passes)

        provider.start(new_key)
        eventually(old_token_is_refused)
        for refusal in refusals:
            assert_refused(refusal, 401, "unknown_key", "invalid_token", CHALLENGE)
        assert passes(new_token)
