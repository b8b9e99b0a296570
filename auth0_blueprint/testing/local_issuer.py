"""A local issuer: its own keys, a key set served over HTTP on loopback, and any token a test needs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

from auth0_blueprint.testing.encryption_key import EncryptionKey
from auth0_blueprint.testing.event_endpoint import EventEndpoint
from auth0_blueprint.testing.events import LOCAL_CLIENT, LOCAL_USER, EventIssuer
from auth0_blueprint.testing.json_server import Answer, JSONServer, Request
from auth0_blueprint.testing.signing_key import UNSIGNED, SigningKey, strangers_key
from auth0_blueprint.testing.token_endpoint import Client, TokenEndpoint


class LocalIssuer(EventIssuer):
    """Issues access tokens, and tells of events, as an Auth0 tenant does. Start it with ``with`` or ``start()``.

    Args:
        audience: of its tokens.
        algorithm: of its keys: RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519.
        profile: of its tokens: Auth0's own, or RFC 9068's, as set for an API in the Auth0 dashboard.

    Attributes:
        fetch_count: how often the key set was requested.
        event_secret: the secret for Auth0's own events, in `event_settings`.

    Example::

        with LocalIssuer() as issuer:
            app = create_app(issuer.settings)
            token = issuer.token(scope="read:messages")
    """

    def __init__(
        self,
        audience: str = "https://api.example.com",
        algorithm: str = "RS256",
        *,
        profile: Literal["auth0", "rfc9068"] = "auth0",
    ) -> None:
        super().__init__()
        self.audience = audience
        self.algorithm = algorithm
        self.profile = profile
        self.fetch_count: int = 0
        self._keys: dict[str, SigningKey] = {}
        self._removed_keys: dict[str, SigningKey] = {}
        self._made_keys = 0
        self._lock = threading.Lock()
        self._is_out = False
        self._answer_when_out: Answer | None = None
        self._token_endpoint = TokenEndpoint(audience, self.machine_token)
        self._event_endpoint: EventEndpoint | None = None
        self._server = JSONServer(self._answer)
        self.rotate()
        self._first_keys = dict(self._keys)

    def start(self) -> Self:
        """Serve the key set on a free loopback port."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether it is running."""
        return self._server.is_running

    @property
    def issuer(self) -> str:
        """The ``iss`` of its tokens. The issuer must be running."""
        return self._server.url

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that make an app accept its tokens, whatever the rest of its configuration says."""
        return {
            "AUTH0_DOMAIN": None,
            "AUTH0_ISSUER": self.issuer,
            "AUTH0_JWKS_URL": None,
            "AUTH0_AUDIENCE": self.audience,
            "AUTH0_ALGORITHMS": self.algorithm,
        }

    @property
    def environ(self) -> dict[str, str]:
        """The same settings as environment variables, for an app that reads them when it is imported.

        An empty variable counts as unset, and no ``.env`` file replaces it.
        """
        return {name: value or "" for name, value in self.settings.items()}

    @property
    def key_ids(self) -> list[str]:
        """The published key ids, oldest first. The last one signs."""
        return list(self._keys)

    @property
    def key_set(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK Set that it publishes."""
        keys = list(self._keys.items())
        return {"keys": [{**key.jwk, "kid": key_id, "alg": key.algorithm, "use": "sig"} for key_id, key in keys]}

    def rotate(self, algorithm: str | None = None) -> str:
        """Add a key, sign with it from now on, and return its key id. The older ones stay published."""
        key = SigningKey.make(algorithm or self.algorithm)
        with self._lock:
            self._made_keys += 1
            key_id = f"local-{self._made_keys}"
            self._keys[key_id] = key
        return key_id

    def remove_key(self, key_id: str) -> None:
        """Stop publishing *key_id*. `token` can still sign with it, like a thief of the key."""
        with self._lock:
            self._removed_keys[key_id] = self._keys.pop(key_id)

    def signing_key(self, key_id: str | None = None) -> Any:
        """Return the private key object of ``cryptography``; without *key_id* that of the newest."""
        return self._key(key_id).private_key

    def add_client(self, client_id: str = "local-machine", client_secret: str | None = None, **claims: Any) -> Client:
        """Register a machine that may request tokens at ``/oauth/token`` by client credentials.

        Args:
            client_id: its client id.
            client_secret: its secret; generated by default.
            claims: claims of its tokens, such as ``scope`` and ``permissions``.
        """
        return self._token_endpoint.add(client_id, client_secret, claims)

    def sign_events_on_request(self) -> None:
        """Sign test events for ``flask auth0 events send``, at ``/demo/events``, as the issuer of a demo does."""
        self._event_endpoint = EventEndpoint(self)

    @contextmanager
    def outage(self, status: int | None = 503) -> Iterator[None]:
        """Answer every request with *status* inside the block; with ``None``, hang up without an answer."""
        self._answer_when_out = None if status is None else Answer(status, {"error": "temporarily_unavailable"})
        self._is_out = True
        try:
            yield
        finally:
            self._is_out = False

    def reset(self) -> None:
        """Return to the initial state: only the first key, no outage, no clients, no fetches counted.

        An app that has seen other keys in the meantime may no longer know the first one.
        """
        with self._lock:
            # Changed in place, so that no server thread sees an issuer without keys. The counter of keys is not reset:
            # no key id ever stands for two keys.
            self._keys.update(self._first_keys)
            for key_id in self._keys.keys() - self._first_keys.keys():
                del self._keys[key_id]
            self._removed_keys.clear()
            self._token_endpoint.forget_all()
            self._event_endpoint = None
            self._is_out = False
            self.fetch_count = 0

    def token(
        self,
        *,
        key_id: str | None = None,
        expires_in: float = 3600,
        starts_in: float | None = None,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        encrypted_for: EncryptionKey | None = None,
        **claims: Any,
    ) -> str:
        """Mint an access token of a user.

        Args:
            key_id: the signing key; by default the newest.
            expires_in: seconds from now; negative for an expired token.
            starts_in: seconds from now to its ``nbf``; by default it has none.
            headers: members to add to, or replace in, the JOSE header.
            without: claims to leave out.
            encrypted_for: the key of the API to encrypt the token for; by default it is only signed.
            claims: to add to, or replace in, those of the profile.
        """
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "sub": LOCAL_USER,
            "aud": self.audience,
            **self._claims_of_profile(LOCAL_CLIENT),
            "iat": now if expires_in > 0 else int(now + expires_in) - 60,
            "exp": int(now + expires_in),
            **({} if starts_in is None else {"nbf": int(now + starts_in)}),
            **claims,
        }
        for name in without:
            payload.pop(name, None)
        key_id = key_id or self.key_ids[-1]
        token_type = "at+jwt" if self.profile == "rfc9068" else "JWT"
        signed = self._key(key_id).sign(payload, {"typ": token_type, "kid": key_id, **(headers or {})})
        return signed if encrypted_for is None else encrypted_for.encrypt(signed)

    def machine_token(self, client_id: str = "local-machine", **token: Any) -> str:
        """Mint what a machine gets for its client credentials. Takes the arguments of `token`."""
        claims = {"sub": f"{client_id}@clients", **self._claims_of_profile(client_id)}
        if self.profile == "auth0":
            claims["gty"] = "client-credentials"
        return self.token(**{**claims, **token})

    def forged_token(self, **token: Any) -> str:
        """Mint a token that names a published key but is signed with a stranger's."""
        return strangers_key(self._key(token.get("key_id")).algorithm).sign_again(self.token(**token))

    def unsigned_token(self, **token: Any) -> str:
        """Mint a token with ``alg`` ``none`` and no signature (RFC 7519 §6)."""
        return UNSIGNED.sign_again(self.token(**token))

    def _key(self, key_id: str | None) -> SigningKey:
        key_id = key_id or self.key_ids[-1]
        return self._keys.get(key_id) or self._removed_keys[key_id]

    def _claims_of_profile(self, client_id: str) -> dict[str, Any]:
        if self.profile == "auth0":
            return {"azp": client_id}
        return {"client_id": client_id, "jti": str(uuid.uuid4())}

    def _answer(self, request: Request) -> Answer | None:
        if request.path == "/.well-known/jwks.json":
            with self._lock:
                self.fetch_count += 1
        if self._is_out:
            return self._answer_when_out
        match request.method, request.path:
            case "GET", "/.well-known/jwks.json":
                return Answer(200, self.key_set)
            case "GET", "/.well-known/openid-configuration":
                return Answer(200, self._metadata)
            case "POST", "/oauth/token":
                return self._token_endpoint.answer(request)
            case "POST", "/demo/events" if self._event_endpoint is not None:
                return self._event_endpoint.answer(request)
        return Answer(404, {"error": "not_found"})

    @property
    def _metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery §3)."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}.well-known/jwks.json",
            "token_endpoint": f"{self.issuer}oauth/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "grant_types_supported": ["client_credentials"],
            "id_token_signing_alg_values_supported": [self.algorithm],
        }
