"""``POST /oauth/token`` of a local issuer, in Auth0's form.

Client credentials (RFC 6749 §4.4), on-behalf-of token exchange (RFC 8693) and access tokens from Token Vault.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from auth0_blueprint.testing.json_server import Answer, Request
from auth0_blueprint.testing.signing_key import SigningKey
from auth0_blueprint.testing.token_clients import Client, Clients, parameters_of

#: Auth0's default for new APIs.
LIFETIME_SECONDS = 86400

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_CONNECTION = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_CONNECTION_TOKEN = "http://auth0.com/oauth/token-type/federated-connection-access-token"  # noqa: S105


class TokenEndpoint:
    """Issues tokens to registered clients.

    Args:
        audience: the API whose tokens may be exchanged; client credentials are for it, and for those of `add_api`.
        issuer: returns the issuer identifier.
        mint: creates a token, as `LocalIssuer.token` does.
        mint_for_machine: creates one of a client, as `LocalIssuer.machine_token` does.
        keys: those that sign the tokens of the issuer, as they are at any moment.

    Attributes:
        requests: the grant type of each request until now, also of those that were refused.
    """

    def __init__(
        self,
        audience: str,
        issuer: Callable[[], str],
        mint: Callable[..., str],
        mint_for_machine: Callable[..., str],
        keys: Mapping[str, SigningKey],
    ) -> None:
        self._audience = audience
        self._issuer = issuer
        self._mint = mint
        self._mint_for_machine = mint_for_machine
        self._keys = keys
        self._clients = Clients()
        self._apis: set[str] = set()
        self._accounts: dict[tuple[str, str], str] = {}
        self._failure: Answer | None = None
        self.requests: list[str] = []

    @property
    def metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery §3), without the algorithms of the issuer."""
        return {
            "issuer": self._issuer(),
            "jwks_uri": f"{self._issuer()}.well-known/jwks.json",
            "token_endpoint": f"{self._issuer()}oauth/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "grant_types_supported": ["client_credentials", _EXCHANGE, _CONNECTION],
        }

    def add(self, client_id: str, client_secret: str | None, public_key: str | None, claims: dict[str, Any]) -> Client:
        """Register a client; by default it gets a new secret."""
        client = Client(client_id, client_secret or secrets.token_urlsafe(32), claims, public_key)
        self._clients.add(client)
        return client

    def add_api(self, *identifiers: str) -> None:
        """Know other APIs, which clients may request tokens for."""
        self._apis.update(identifiers)

    def connect_account(self, subject: str, connection: str) -> str:
        """Let *subject* have connected an account of *connection*; return the access token that Token Vault has."""
        return self._accounts.setdefault((subject, connection), secrets.token_urlsafe(32))

    @contextmanager
    def failing(self, status: int = 403, error: str = "access_denied", description: str = "") -> Iterator[None]:
        """Answer every request with this error inside the block."""
        self._failure = _refusal(status, error, description)
        try:
            yield
        finally:
            self._failure = None

    def forget_all(self) -> None:
        """Return to the initial state: no clients, APIs, accounts or requests."""
        self._clients.clear()
        self._apis.clear()
        self._accounts.clear()
        self._failure = None
        self.requests.clear()

    def answer(self, request: Request) -> Answer:
        """Answer *request* with a token, or say why there is none (RFC 6749 §5.2)."""
        parameters = parameters_of(request)
        if parameters is None:
            return _refusal(400, "invalid_request", "The body is neither a form nor a JSON object of strings.")
        grant = parameters.get("grant_type", "")
        self.requests.append(grant)
        grants = {"client_credentials": self._machine, _EXCHANGE: self._exchange, _CONNECTION: self._connection}
        if self._failure is not None:
            return self._failure
        if grant not in grants:
            return _refusal(400, "unsupported_grant_type", f"This issuer supports only {', '.join(grants)}.")
        client = self._clients.authenticated(parameters, self._issuer())
        if client is None:
            return _refusal(401, "access_denied", "Unauthorized")
        return grants[grant](client, parameters)

    def _machine(self, client: Client, parameters: dict[str, str]) -> Answer:
        audience = parameters.get("audience", "")
        if audience not in {self._audience, *self._apis}:
            known = ", ".join([self._audience, *sorted(self._apis)])
            return _refusal(403, "access_denied", f"This issuer knows only the API {known}")
        claims = _granted(client.claims, parameters.get("scope"))
        claims = {"expires_in": LIFETIME_SECONDS, "aud": audience, **claims}
        return _issued(self._mint_for_machine(client.client_id, **claims), claims.get("scope"))

    def _exchange(self, client: Client, parameters: dict[str, str]) -> Answer:
        subject = self._subject(parameters)
        if subject is None or parameters.get("requested_token_type", _ACCESS_TOKEN) != _ACCESS_TOKEN:
            return _refusal(400, "invalid_request", "The subject token is not an access token of this API.")
        audience = parameters.get("audience", "")
        if audience not in self._apis:
            return _refusal(400, "invalid_target", "This issuer knows no such API.")
        # RFC 8693 §4.1: the client acts, on top of whoever acted before it.
        actor = {"sub": client.client_id, **({"act": subject["act"]} if "act" in subject else {})}
        claims: dict[str, Any] = {"aud": audience, "azp": client.client_id, "act": actor}
        claims |= {name: subject[name] for name in ("sub", "org_id") if name in subject}
        scope = parameters.get("scope")
        if scope is not None:
            claims["scope"] = scope
        token = self._mint(expires_in=LIFETIME_SECONDS, **claims)
        return _issued(token, scope, issued_token_type=_ACCESS_TOKEN)

    def _connection(self, _client: Client, parameters: dict[str, str]) -> Answer:
        subject = self._subject(parameters)
        if subject is None or parameters.get("requested_token_type") != _CONNECTION_TOKEN:
            return _refusal(400, "invalid_request", "The subject token is not an access token of this API.")
        token = self._accounts.get((subject["sub"], parameters.get("connection", "")))
        if token is None:
            return _refusal(401, "federated_connection_not_found", "The user has connected no such account.")
        return _issued(token, None, 3600, issued_token_type=_CONNECTION_TOKEN)

    def _subject(self, parameters: dict[str, str]) -> dict[str, Any] | None:
        """Return the claims of a good subject token for this API (RFC 8693 §2.1)."""
        if parameters.get("subject_token_type") != _ACCESS_TOKEN:
            return None
        token = parameters.get("subject_token", "")
        read = (key.claims_of(token) for key in list(self._keys.values()))
        claims = next((found for found in read if found is not None), None)
        if claims is None or claims.get("exp", 0) <= time.time():
            return None
        audience = claims.get("aud", ())
        return claims if self._audience in ([audience] if isinstance(audience, str) else audience) else None


def _granted(claims: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    """Return *claims* with the scope reduced to what is *wanted*; without any, all of it, as Auth0 does."""
    scope = claims.get("scope")
    if wanted is None or not isinstance(scope, str):
        return claims
    return {**claims, "scope": " ".join(value for value in scope.split() if value in wanted.split())}


def _issued(token: str, scope: str | None, seconds: int = LIFETIME_SECONDS, **members: str) -> Answer:
    body = {"access_token": token, "token_type": "Bearer", "expires_in": seconds, **members}
    return Answer(200, body if scope is None else {**body, "scope": scope})


def _refusal(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description})
