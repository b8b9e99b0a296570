"""Tokens for the API's own calls from a certified OpenID provider, whose client has a key: real assertions are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from jwt.algorithms import ECAlgorithm

from auth0_blueprint import Auth0Blueprint, client_token, exchange_token, requires_auth

from .conftest import MakeKey
from .servers import AUDIENCE, Provider

BILLING = "https://billing.example/"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def provider(installed_provider: None, make_key: MakeKey, key: ec.EllipticCurvePrivateKey) -> Iterator[Provider]:
    own = {
        "client_id": "own", "grant_types": ["client_credentials", EXCHANGE], "response_types": [], "redirect_uris": [],
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
        "jwks": {"keys": [ECAlgorithm.to_jwk(key.public_key(), as_dict=True)]},
    }  # fmt: skip
    with Provider() as provider:
        provider.start(make_key("RS256"), web=own)
        yield provider


def make_app(provider: Provider, key: Any) -> Flask:
    app = Flask("own")
    app.config.update(AUTH0_ISSUER=provider.issuer, AUTH0_JWKS_URL=provider.jwks_url, AUTH0_AUDIENCE=AUDIENCE)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    app.config.update(AUTH0_CLIENT_ID="own", AUTH0_CLIENT_KEY=pem, AUTH0_TOKEN_URL=provider.token_url)
    app.register_blueprint(Auth0Blueprint())

    @app.get("/call")
    @requires_auth
    def view() -> str:
        return exchange_token(f"{BILLING}RS256", "read:messages").access_token

    return app


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_the_callers_token_is_exchanged(provider: Provider, key: Any) -> None:
    """For one with the same subject, another audience, and a chain of actors that this API ends."""
    token = provider.access_token(act={"sub": "gateway"})
    response = make_app(provider, key).test_client().get("/call", headers={"Authorization": f"Bearer {token}"})
    claims = claims_of(response.text)
    assert (claims["sub"], claims["aud"], claims["scope"]) == (claims_of(token)["sub"], BILLING, "read:messages")
    assert claims["act"] == {"sub": "own", "act": {"sub": "gateway"}}


def test_the_api_gets_one_of_its_own(provider: Provider, key: Any) -> None:
    with make_app(provider, key).app_context():
        tokens = [client_token(f"{BILLING}RS256", scope) for scope in ("read:messages", "write:messages")]
    assert [sorted(token.scopes) for token in tokens] == [["read:messages"], ["write:messages"]]
    assert {claims_of(token.access_token)["sub"] for token in tokens} == {"own"}


def test_another_key_is_refused(provider: Provider) -> None:
    app = make_app(provider, ec.generate_private_key(ec.SECP256R1()))
    token = provider.access_token()
    response = app.test_client().get("/call", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.get_json()["code"]) == (502, "token_exchange_failed")
