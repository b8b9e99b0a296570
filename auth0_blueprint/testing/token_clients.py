"""The clients of a local token endpoint, and how each proves who it is: by a secret, or by private_key_jwt."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from auth0_blueprint.testing.json_server import Request

#: Auth0's maximum for the lifetime of an assertion.
MAX_ASSERTION_SECONDS = 300
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ["RS256", "RS384", "PS256", "ES256", "ES384", "ES512", "EdDSA"]


class Client(NamedTuple):
    """A machine that may request tokens.

    Attributes:
        client_id: its client id.
        client_secret: its secret; with a public key it has none.
        claims: additional claims of its tokens, such as ``scope`` and ``permissions``.
        public_key: in PEM, that of a client which signs assertions.
    """

    client_id: str
    client_secret: str
    claims: dict[str, Any]
    public_key: str | None = None


class Clients:
    """The registered clients."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._used: set[str] = set()

    def add(self, client: Client) -> None:
        """Register *client*."""
        self._clients[client.client_id] = client

    def clear(self) -> None:
        """Remove all."""
        self._clients.clear()

    def authenticated(self, parameters: dict[str, str], issuer: str) -> Client | None:
        """Return the client that *parameters* prove; ``None`` if they prove none."""
        client = self._clients.get(parameters.get("client_id", ""))
        if client is None:
            return None
        if client.public_key is not None:
            return client if self._has_signed(client, parameters, issuer) else None
        secret = parameters.get("client_secret", "")
        return client if hmac.compare_digest(client.client_secret.encode(), secret.encode()) else None

    def _has_signed(self, client: Client, parameters: dict[str, str], issuer: str) -> bool:
        """Return whether an assertion of *client* is good, and was not used before (RFC 7523 §3)."""
        if parameters.get("client_assertion_type") != _ASSERTION_TYPE or "client_secret" in parameters:
            return False
        key: Any = load_pem_public_key((client.public_key or "").encode())
        try:
            claims = jwt.decode(
                parameters.get("client_assertion", ""),
                key,
                algorithms=_ALGORITHMS,
                audience=issuer,
                issuer=client.client_id,
                options={"require": ["iss", "sub", "aud", "exp", "jti"]},
            )
        except jwt.PyJWTError:
            return False
        is_new = claims["jti"] not in self._used
        self._used.add(claims["jti"])
        return is_new and claims["sub"] == client.client_id and claims["exp"] - time.time() <= MAX_ASSERTION_SECONDS


def parameters_of(request: Request) -> dict[str, str] | None:
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
