"""An issuer on this machine: its own keys, a key set over real HTTP on loopback, and any token a test needs."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS
from jwt.algorithms import OKPAlgorithm, get_default_algorithms

_JWS = PyJWS()
_JWS.register_algorithm("Ed25519", OKPAlgorithm())  # RFC 9864: another name of EdDSA

_CURVES: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


class LocalIssuer:
    """Issues access tokens as an Auth0 tenant does. Starts only when asked: by ``with``, or by ``start()``.

    Args:
        audience: of the tokens it mints.
        algorithm: of its keys: RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519.

    Attributes:
        fetch_count: how often the key set was asked for.

    Example::

        with LocalIssuer() as issuer:
            app = create_app(issuer.settings)
            token = issuer.token(scope="read:messages")
    """

    def __init__(self, audience: str = "https://api.example.com", algorithm: str = "RS256") -> None:
        self.audience = audience
        self.algorithm = algorithm
        self.fetch_count: int = 0
        self._keys: dict[str, tuple[str, Any]] = {}
        self._made_keys = 0
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.rotate()

    def start(self) -> Self:
        """Serve the key set on a free loopback port."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="local-issuer", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        """The ``iss`` of its tokens. Needs a started issuer."""
        if self._server is None:
            raise RuntimeError("The issuer is not running. To solve this, use it in a `with` block or call start().")
        return f"http://127.0.0.1:{self._server.server_port}/"

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
        return {"keys": [_jwk(key_id, algorithm, key) for key_id, (algorithm, key) in list(self._keys.items())]}

    def rotate(self, algorithm: str | None = None) -> str:
        """Add a key, sign with it from now on, and return its key id. The older ones stay published."""
        algorithm = algorithm or self.algorithm
        key = _new_key(algorithm)
        with self._lock:
            self._made_keys += 1
            key_id = f"local-{self._made_keys}"
            self._keys[key_id] = (algorithm, key)
        return key_id

    def remove_key(self, key_id: str) -> None:
        """Publish *key_id* no more."""
        with self._lock:
            del self._keys[key_id]

    def signing_key(self, key_id: str | None = None) -> Any:
        """Return the private key object of ``cryptography``; without *key_id* that of the newest."""
        return self._keys[key_id or self.key_ids[-1]][1]

    def token(
        self,
        *,
        key_id: str | None = None,
        expires_in: float = 3600,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Mint an access token.

        Args:
            key_id: which key signs; without it the newest.
            expires_in: seconds from now; negative for an expired token.
            headers: to add to, or to replace in, the JOSE header.
            without: claims to leave out.
            claims: to add to, or to replace in, those of a user's token of Auth0's own profile.
        """
        key_id = key_id or self.key_ids[-1]
        algorithm, key = self._keys[key_id]
        now = int(time.time())
        payload = {
            "iss": self.issuer,
            "sub": "auth0|local-user",
            "aud": self.audience,
            "azp": "local-client",
            "iat": now if expires_in > 0 else int(now + expires_in) - 60,
            "exp": int(now + expires_in),
            **claims,
        }
        for name in without:
            payload.pop(name, None)
        return _JWS.encode(
            json.dumps(payload).encode(), key, algorithm=algorithm, headers={"kid": key_id, **(headers or {})}
        )

    def count_fetch(self) -> None:
        """Note that the key set was asked for."""
        with self._lock:
            self.fetch_count += 1


def _new_key(algorithm: str) -> Any:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm]())
    if algorithm in {"EdDSA", "Ed25519"}:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwk(key_id: str, algorithm: str, key: Any) -> dict[str, Any]:
    implementation: Any = get_default_algorithms()["EdDSA" if algorithm == "Ed25519" else algorithm]
    members: dict[str, Any] = implementation.to_jwk(key.public_key(), as_dict=True)
    members.pop("key_ops", None)
    return {**members, "kid": key_id, "alg": algorithm, "use": "sig"}


def _handler_for(issuer: LocalIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/.well-known/jwks.json":
                self.send_error(404)
                return
            issuer.count_fetch()
            body = json.dumps(issuer.key_set).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the base class's
            """Stay silent: a test's output is its own."""

    return Handler
