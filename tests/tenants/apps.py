"""Two tenants behind one app: each has its own issuer, and is served at its own host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conftest import bearer
from flask import Flask
from refusals import Answer, guarded, seen
from werkzeug.test import TestResponse

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.testing import LocalIssuer

AUDIENCE = "https://api.example.com"
ADMIN: dict[str, Any] = {"scope": "manage:auth0 introspect:tokens"}
ADMIN |= {"permissions": ["manage:auth0", "introspect:tokens"], "sub": "auth0|admin"}


@dataclass
class Tenants:
    """What the function of the app knows.

    Attributes:
        acme, umbrella: the tenants; their key ids are the same, their keys are not.
        asked: each question to the function: the issuer, and the host or ``None``.
        removed: issuers that are no longer accepted.
    """

    acme: LocalIssuer
    umbrella: LocalIssuer
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)

    def is_ours(self, issuer: str, request: Any) -> bool:
        """Accept each issuer at its own host alone."""
        self.asked.append((issuer, None if request is None else request.host))
        ours = {"acme.example.com": self.acme.issuer, "umbrella.example.com": self.umbrella.issuer}
        if issuer in self.removed:
            return False
        return issuer in ours.values() if request is None else ours.get(request.host) == issuer

    def make_app(self, *, clock: Clock | None = None, **settings: Any) -> Flask:
        """Return an app with the function, and with the two views of `guarded`."""
        app, blueprint = Flask("tested", static_folder=None), Auth0Blueprint()
        app.config.update(AUTH0_DOMAIN=self.is_ours, AUTH0_AUDIENCE=AUDIENCE, AUTH0_ALGORITHMS="EdDSA")
        app.config.update(settings)
        app.register_blueprint(blueprint)
        if clock is not None:
            loaded = app.extensions["auth0"].settings
            app.extensions["auth0"] = assemble(app, loaded, None, blueprint.jwt_manager, clock=clock)
        guarded(app)
        return app


def ask(
    app: Flask, token: str, path: str = "/ours", *, host: str = "acme.example.com", method: str = "GET", **options: Any
) -> TestResponse:
    """Return the answer of *app* to a request with *token* at *host*."""
    headers = {**bearer(token), **options.pop("headers", {})}
    return app.test_client().open(path, method=method, base_url=f"http://{host}", headers=headers, **options)


def at_umbrella(app: Flask, token: str, path: str = "/ours", **options: Any) -> TestResponse:
    """Return the answer at the other host."""
    return ask(app, token, path, host="umbrella.example.com", **options)


def answer_to(app: Flask, token: str, **options: Any) -> Answer:
    """Return the answer of both views of `guarded`, which have to answer alike."""
    ours, theirs = (seen(ask(app, token, path, **options)) for path in ("/ours", "/theirs"))
    if ours != theirs:
        raise AssertionError(f"the guards disagree: {ours} and {theirs}")
    return ours
