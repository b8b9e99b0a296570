"""An issuer on this machine: its own keys, a key set over real HTTP on loopback, and any token a test needs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

from auth0_blueprint.testing.json_server import Answer, JSONServer, Request
from auth0_blueprint.testing.signing_key import UNSIGNED, SigningKey, strangers_key
from auth0_blueprint.testing.token_endpoint import Client, TokenEndpoint


class LocalIssuer:
    """Issues access tokens as an Auth0 tenant does. Starts only when asked: by ``with``, or by ``start()``.

    Args:
        audience: of the tokens it mints.
        algorithm: of its keys: RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519.
        profile: of its tokens: Auth0's own, or that of RFC 9068. As of the API in Auth0's dashboard.

    Attributes:
        fetch_count: how often the key set was asked for.

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
        """Whether it has been started, and not been stopped since."""
        return self._server.is_running

    @property
    def issuer(self) -> str:
        """The ``iss`` of its tokens. Needs a started issuer."""
        return self._server.url

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which an app accepts its tokens, whatever its other configuration says."""
        return {
            "AUTH0_DOMAIN": None,
            "AUTH0_ISSUER": self.issuer,
            "AUTH0_JWKS_URL": None,
            "AUTH0_AUDIENCE": self.audience,
            "AUTH0_ALGORITHMS": self.algorithm,
        }

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
        """Publish *key_id* no more. `token` can still sign with it, as whoever has stolen it could."""
        with self._lock:
            self._removed_keys[key_id] = self._keys.pop(key_id)

    def signing_key(self, key_id: str | None = None) -> Any:
        """Return the private key object of ``cryptography``; without *key_id* that of the newest."""
        return self._key(key_id).private_key

    def add_client(self, client_id: str = "local-machine", client_secret: str | None = None, **claims: Any) -> Client:
        """Let a machine ask for tokens at ``/oauth/token``, by its client credentials.

        Args:
            client_id: its name.
            client_secret: its password; without it a new one.
            claims: of its tokens, ``scope`` and ``permissions`` for example.
        """
        return self._token_endpoint.add(client_id, client_secret, claims)

    @contextmanager
    def outage(self, status: int | None = 503) -> Iterator[None]:
        """Answer every request with *status* as long as the block lasts; with ``None`` hang up without an answer."""
        self._answer_when_out = None if status is None else Answer(status, {"error": "temporarily_unavailable"})
        self._is_out = True
        try:
            yield
        finally:
            self._is_out = False

    def reset(self) -> None:
        """Be as new: the first key, no others, no outage, no clients, no fetches counted.

        An app that has seen other keys meanwhile may not know the first one any more.
        """
        with self._lock:
            # Changed in place of being replaced, so that a server thread sees no issuer without keys. The count of the
            # keys that were made goes on: no key id ever stands for two keys.
            self._keys.update(self._first_keys)
            for key_id in self._keys.keys() - self._first_keys.keys():
                del self._keys[key_id]
            self._removed_keys.clear()
            self._token_endpoint.forget_all()
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
        **claims: Any,
    ) -> str:
        """Mint an access token of a user.

        Args:
            key_id: which key signs; without it the newest.
            expires_in: seconds from now; negative for an expired token.
            starts_in: seconds from now to its ``nbf``, which it has none of otherwise.
            headers: to add to, or to replace in, the JOSE header.
            without: claims to leave out.
            claims: to add to, or to replace in, those of the profile.
        """
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "auth0|local-user",
            "aud": self.audience,
            **self._claims_of_profile("local-client"),
            "iat": now if expires_in > 0 else int(now + expires_in) - 60,
            "exp": int(now + expires_in),
            **({} if starts_in is None else {"nbf": int(now + starts_in)}),
            **claims,
        }
        for name in without:
            payload.pop(name, None)
        key_id = key_id or self.key_ids[-1]
        token_type = "at+jwt" if self.profile == "rfc9068" else "JWT"
        return self._key(key_id).sign(payload, {"typ": token_type, "kid": key_id, **(headers or {})})

    def machine_token(self, client_id: str = "local-machine", **token: Any) -> str:
        """Mint what a machine gets for its client credentials: *token* is what the method of that name takes."""
        claims = {"sub": f"{client_id}@clients", **self._claims_of_profile(client_id)}
        if self.profile == "auth0":
            claims["gty"] = "client-credentials"
        return self.token(**{**claims, **token})

    def forged_token(self, **token: Any) -> str:
        """Mint a token that names a published key, and is signed with a stranger's."""
        return strangers_key(self._key(token.get("key_id")).algorithm).sign_again(self.token(**token))

    def unsigned_token(self, **token: Any) -> str:
        """Mint a token with ``alg`` ``none``, and no signature (RFC 7519 §6)."""
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
        return Answer(404, {"error": "not_found"})

    @property
    def _metadata(self) -> dict[str, Any]:
        """What there is of the issuer (OpenID Connect Discovery §3)."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}.well-known/jwks.json",
            "token_endpoint": f"{self.issuer}oauth/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "grant_types_supported": ["client_credentials"],
            "id_token_signing_alg_values_supported": [self.algorithm],
        }
