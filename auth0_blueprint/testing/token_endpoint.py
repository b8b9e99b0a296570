"""``POST /oauth/token`` of a local issuer: client credentials (RFC 6749 §4.4), in Auth0's form."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from auth0_blueprint.testing.json_server import Answer, Request

#: Auth0's default for new APIs.
LIFETIME_SECONDS = 86400


class Client(NamedTuple):
    """A machine that may request tokens.

    Attributes:
        client_id: its client id.
        client_secret: its secret.
        claims: additional claims of its tokens, such as ``scope`` and ``permissions``.
    """

    client_id: str
    client_secret: str
    claims: dict[str, Any]


class TokenEndpoint:
    """Issues tokens to registered clients.

    Args:
        audience: the only API that it issues tokens for.
        mint: creates a token, as `LocalIssuer.machine_token` does.
    """

    def __init__(self, audience: str, mint: Callable[..., str]) -> None:
        self._audience = audience
        self._mint = mint
        self._clients: dict[str, Client] = {}

    def add(self, client_id: str, client_secret: str | None, claims: dict[str, Any]) -> Client:
        """Register a client; by default it gets a new secret."""
        client = Client(client_id, client_secret or secrets.token_urlsafe(32), claims)
        self._clients[client_id] = client
        return client

    def forget_all(self) -> None:
        """Remove all clients."""
        self._clients.clear()

    def answer(self, request: Request) -> Answer:
        """Answer *request* with a token, or say why there is none (RFC 6749 §5.2)."""
        parameters = _parameters(request)
        if parameters is None:
            return _refusal(400, "invalid_request", "The body is neither a form nor a JSON object of strings.")
        if parameters.get("grant_type") != "client_credentials":
            return _refusal(400, "unsupported_grant_type", "This issuer supports only client_credentials.")
        client = self._authenticated(parameters)
        if client is None:
            return _refusal(401, "access_denied", "Unauthorized")
        if parameters.get("audience") != self._audience:
            return _refusal(403, "access_denied", f"This issuer knows only the API {self._audience}")
        claims = _granted(client.claims, parameters.get("scope"))
        body = {
            "access_token": self._mint(client.client_id, **{"expires_in": LIFETIME_SECONDS, **claims}),
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
        }
        return Answer(200, {**body, "scope": claims["scope"]} if "scope" in claims else body)

    def _authenticated(self, parameters: dict[str, str]) -> Client | None:
        client = self._clients.get(parameters.get("client_id", ""))
        secret = parameters.get("client_secret", "")
        return client if client and hmac.compare_digest(client.client_secret.encode(), secret.encode()) else None


def _granted(claims: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    """Return *claims* with the scope reduced to what is *wanted*; without any, all of it, as Auth0 does."""
    scope = claims.get("scope")
    if wanted is None or not isinstance(scope, str):
        return claims
    return {**claims, "scope": " ".join(value for value in scope.split() if value in wanted.split())}


def _parameters(request: Request) -> dict[str, str] | None:
    """Return the parameters of *request*: a form or, as in Auth0's documentation, JSON; ``None`` for neither."""
    try:
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json":
            parameters = json.loads(request.body)
        else:
            parameters = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        parameters = {**parameters, **_basic(request.headers.get("Authorization", ""))}
    except (ValueError, TypeError):
        return None
    return parameters if all(isinstance(value, str) for value in parameters.values()) else None


def _basic(authorization: str) -> dict[str, str]:
    """Return the client credentials in *authorization*, if any (RFC 6749 §2.3.1).

    Raises:
        ValueError: they cannot be decoded.
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return {}
    client_id, _, client_secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(client_secret)}


def _refusal(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description})
