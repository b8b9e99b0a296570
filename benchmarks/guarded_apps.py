"""One small view, open and behind each guard: ours, and others that people put before Flask routes with Auth0.

All apps have the same view, the same settings and no ``SECRET_KEY``, which would cost a session for each request. They
accept the same tokens, and get the keys from the same place, over HTTP on loopback. The others do what their documents
show.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask, g, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import JWTManager, jwt_required

from auth0_blueprint import Auth0Blueprint, requires_scope
from auth0_blueprint.testing import LocalIssuer

PATH = "/api/messages"
SCOPE = "read:messages"
ALGORITHM = "RS256"

#: Where a server finds out what to serve; see `served`.
SERVED = "BENCHMARK_SERVED"

View = Callable[..., ResponseReturnValue]
Decorator = Callable[[View], View]


class Tenant(NamedTuple):
    """Whose tokens are accepted. Named by https, as auth0-api-python takes no other issuer."""

    issuer: str
    key_set_url: str
    audience: str

    @classmethod
    def of(cls, issuer: LocalIssuer) -> Tenant:
        """Return the tenant whose keys are those of *issuer*."""
        authority = issuer.issuer.removeprefix("http:")
        return cls(f"https:{authority}", f"http:{authority}.well-known/jwks.json", issuer.audience)

    def key_set(self) -> dict[str, Any]:
        """Ask for the key set."""
        with requests.Session() as session:
            session.trust_env = False
            key_set: dict[str, Any] = session.get(self.key_set_url, timeout=10).json()
        return key_set


class Minter:
    """Makes the tokens: those of a tenant of Auth0 for its users, with a scope that the view demands."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer
        self._tenant = Tenant.of(issuer)

    def token(self, user: int = 0, **claims: Any) -> str:
        """Return a token of the *user*; for each of them it is another one."""
        claims = {"iss": self._tenant.issuer, "scope": f"openid profile {SCOPE}", **claims}
        return self._issuer.token(sub=f"auth0|{user:024x}", **claims)

    def forged_token(self) -> str:
        """Return a token whose signature is that of another one."""
        signing_input = self.token(1).rpartition(".")[0]
        return f"{signing_input}.{self.token(2).rpartition('.')[2]}"


@dataclass(frozen=True, slots=True)
class Guard:
    """A way to guard the view.

    Attributes:
        name: what it is called in the tables.
        make: makes the app.
        module: what has to be installed for it.
        demands_scope: whether a token without the scope is refused.
        refusal: the status for a token that is not acceptable.
    """

    name: str
    make: Callable[[Tenant], Flask]
    module: str = "auth0_blueprint"
    demands_scope: bool = True
    refusal: int = 401

    @property
    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return importlib.util.find_spec(self.module) is not None

    def check(self, status_for: Callable[[str | None], int], minter: Minter) -> None:
        """Raise unless it admits and refuses what it should: what guards nothing is not worth a measurement.

        Args:
            status_for: asks for the view with a token, or with none, and returns the status of the answer.
            minter: makes the tokens.
        """
        expected = [
            ("a good token", minter.token(), 200),
            ("no token", None, 401),
            ("a forged token", minter.forged_token(), self.refusal),
            ("a token for another API", minter.token(aud="https://another.example.com"), self.refusal),
            ("a token of another tenant", minter.token(iss="https://another.example.com/"), self.refusal),
            ("an expired token", minter.token(expires_in=-3600), 401),
            ("a token without the scope", minter.token(scope="openid"), 403 if self.demands_scope else 200),
        ]
        for title, token, status in expected:
            answered = status_for(token)
            if answered != status:
                raise RuntimeError(f"{self.name} answers {answered} to {title}, and not {status}")


def bare(_tenant: Tenant) -> Flask:
    """Make an app whose view is open."""
    return _app_with_view(lambda view: view)


def open_with(step: Callable[[str], object]) -> Flask:
    """Make an app whose view is open, and does *step* with the token of the request."""

    def before(view: View) -> View:
        def view_with_step() -> ResponseReturnValue:
            step(request.environ["HTTP_AUTHORIZATION"][len("Bearer ") :])
            return view()

        return view_with_step

    return _app_with_view(before)


def ours(tenant: Tenant, **settings: Any) -> Flask:
    """Make an app with ``@requires_scope``."""
    return _with_blueprint(tenant, requires_scope(SCOPE), **settings)


def ours_by_jwt_required(tenant: Tenant) -> Flask:
    """Make an app with the blueprint, and flask-jwt-extended's decorator."""
    return _with_blueprint(tenant, jwt_required())


def flask_jwt_extended_alone(tenant: Tenant) -> Flask:
    """Make an app with flask-jwt-extended as it comes, and one public key in PEM."""
    public_key: Any = jwt.PyJWKSet.from_dict(tenant.key_set())[_first_key_id(tenant)].key
    app = _app_with_view(jwt_required())
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_PUBLIC_KEY=public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        JWT_DECODE_ISSUER=tenant.issuer,
        JWT_DECODE_AUDIENCE=tenant.audience,
    )
    JWTManager(app)
    return app


def pyjwt(tenant: Tenant) -> Flask:
    """Make an app with a decorator around PyJWT and its ``PyJWKClient``, which keeps the key set for 5 minutes."""
    client = jwt.PyJWKClient(tenant.key_set_url)

    def verify(token: str) -> dict[str, Any]:
        key = client.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=tenant.audience, issuer=tenant.issuer
        )
        return claims

    return _app_with_view(_decorator_around(verify, jwt.PyJWTError))


def authlib(tenant: Tenant) -> Flask:
    """Make an app with Authlib's ``ResourceProtector``, as the quickstart of Auth0 had it: keys are read once."""
    from authlib.integrations.flask_oauth2 import ResourceProtector
    from authlib.oauth2.rfc7523 import JWTBearerTokenValidator
    from joserfc.jwk import KeySet

    validator = JWTBearerTokenValidator(KeySet.import_key_set(tenant.key_set()))
    validator.claims_options = {
        "exp": {"essential": True},
        "aud": {"essential": True, "value": tenant.audience},
        "iss": {"essential": True, "value": tenant.issuer},
    }
    protector = ResourceProtector()
    protector.register_token_validator(validator)
    return _app_with_view(protector(SCOPE))


def auth0_api_python(tenant: Tenant) -> Flask:
    """Make an app with Auth0's own package, which is asynchronous: a Flask view runs an event loop for it."""
    import authlib.deprecate  # noqa: F401 - puts a filter before all others, so ours has to come later

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what Authlib has deprecated
        from auth0_api_python import ApiClient, ApiClientOptions
        from auth0_api_python.errors import BaseAuthError

    async def fetch(url: str) -> dict[str, Any]:
        # It would ask by https, which there is none of on loopback, and for a discovery document first.
        if url.endswith("openid-configuration"):
            return {"issuer": tenant.issuer, "jwks_uri": tenant.key_set_url}
        return tenant.key_set()

    domain = tenant.issuer.removeprefix("https://").rstrip("/")
    client = ApiClient(ApiClientOptions(domain=domain, audience=tenant.audience, custom_fetch=fetch))
    return _app_with_view(
        _decorator_around(lambda token: asyncio.run(client.verify_access_token(token)), BaseAuthError)
    )


OURS = Guard("auth0_blueprint", ours)
OURS_BY_JWT_REQUIRED = Guard("auth0_blueprint, jwt_required()", ours_by_jwt_required, demands_scope=False)
PEERS = (
    # Answers 422 where it cannot decode.
    Guard("flask-jwt-extended", flask_jwt_extended_alone, "flask_jwt_extended", demands_scope=False, refusal=422),
    Guard("PyJWT, PyJWKClient", pyjwt, "jwt"),
    Guard("Authlib", authlib, "authlib"),
    Guard("auth0-api-python", auth0_api_python, "auth0_api_python"),
)
GUARDS = (OURS, OURS_BY_JWT_REQUIRED, *PEERS)


def bearer(token: str | None) -> dict[str, str]:
    """Return the headers of a request with *token*, or with none."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def missing_peers() -> list[str]:
    """Return the names of those that cannot be measured here."""
    return [guard.name for guard in PEERS if not guard.is_installed]


def served() -> Flask:
    """Make the app that the environment asks for, with a route that names the process."""
    # That the workers share no cache is said in the log, and is no matter here.
    logging.getLogger("auth0_blueprint").setLevel(logging.ERROR)
    name, *tenant = json.loads(os.environ[SERVED])
    make = next((guard.make for guard in GUARDS if guard.name == name), bare)
    app = make(Tenant(*tenant))
    app.add_url_rule("/worker", view_func=lambda: str(os.getpid()), endpoint="worker")
    return app


def _app_with_view(guard: Decorator) -> Flask:
    app = Flask("measured", static_folder=None)
    _add_view(app, guard)
    return app


def _with_blueprint(tenant: Tenant, guard: Decorator, **settings: Any) -> Flask:
    app = Flask("measured", static_folder=None)
    app.config.update(
        AUTH0_ISSUER=tenant.issuer, AUTH0_JWKS_URL=tenant.key_set_url, AUTH0_AUDIENCE=tenant.audience, **settings
    )
    app.register_blueprint(Auth0Blueprint())
    _add_view(app, guard)
    return app


def _add_view(app: Flask, guard: Decorator) -> None:
    def messages() -> ResponseReturnValue:
        return {"messages": ["Hello"]}

    app.add_url_rule(PATH, view_func=guard(messages))


def _decorator_around(verify: Callable[[str], dict[str, Any]], refusal: type[Exception]) -> Decorator:
    """Return a decorator as it is written by hand: reads the header, has the token verified, asks for the scope."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer":
                return {"error": "no bearer token"}, 401
            try:
                g.claims = verify(token)
            except refusal:
                return {"error": "the token is not acceptable"}, 401
            if SCOPE not in g.claims.get("scope", "").split():
                return {"error": "the scope is missing"}, 403
            return view(*args, **kwargs)

        return guarded

    return decorate


def _first_key_id(tenant: Tenant) -> str:
    return str(tenant.key_set()["keys"][0]["kid"])
