"""The processes of a fleet, each an app with a memory and connections of its own, on a clock that a test moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conftest import AppFactory, MovableClock, bearer
from dpop_client import DPoPClient
from flask import Flask
from servers import complete
from werkzeug.test import TestResponse

from auth0_blueprint import requires_auth
from auth0_blueprint.testing import LocalIssuer

from .servers import SECRET

INTERVAL_SECONDS = 2.0
API = "https://api.example.com"
ADMIN: dict[str, Any] = {"sub": "auth0|admin", "scope": "manage:auth0", "permissions": ["manage:auth0"]}
REVOCATIONS = "/auth/admin/revocations"


class Member:
    """One process.

    Args:
        app: the app that it runs.
        issuer: whose tokens it is asked with.
    """

    def __init__(self, app: Flask, issuer: LocalIssuer) -> None:
        self.app = app
        self._issuer = issuer
        self._client = app.test_client()

    @property
    def state(self) -> Any:
        """What the blueprint keeps of the app."""
        return self.app.extensions["auth0"]

    @property
    def known(self) -> int:
        """How many revocations it knows."""
        known: int = self.state.revocations.status().known
        return known

    def ask(self, token: str) -> TestResponse:
        """Ask with *token*."""
        return self._client.get("/auth/me", headers=bearer(token))

    def admits(self, token: str) -> bool:
        """Tell whether *token* is admitted; it is a failure of the test if it is refused for another reason."""
        response = self.ask(token)
        refused = (response.status_code, (response.get_json() or {}).get("code")) == (401, "token_revoked")
        assert refused or response.status_code == 200, response.text
        return not refused

    def admits_subject(self, subject: str) -> bool:
        """Tell whether a token of *subject* that was issued a while ago is admitted."""
        return self.admits(self._issuer.token(sub=subject, iat=int(time.time()) - 300))

    def try_to_revoke(self, subject: str) -> TestResponse:
        """Revoke what *subject* has, as an operator."""
        headers = bearer(self._issuer.token(**ADMIN))
        return self._client.post(REVOCATIONS, json={"subject": subject}, headers=headers)

    def revoke(self, subject: str) -> None:
        """Revoke it, for the fleet."""
        response = self.try_to_revoke(subject)
        assert (response.status_code, response.get_json().get("reach")) == (201, "fleet"), response.text

    def prove(self, proof: Proof) -> TestResponse:
        """Ask with a token that is bound to a key, and *proof*."""
        return self._client.get("/bound", headers=proof.headers)

    def health(self) -> dict[str, Any]:
        """Return what it says of itself, all that is due done."""
        self._client.get("/auth/health")
        complete()
        body: dict[str, Any] = self._client.get("/auth/health").get_json()
        return body


class Proof:
    """A DPoP proof for *path*, and the token that it goes with."""

    _holder = DPoPClient("ES256")

    def __init__(self, issuer: LocalIssuer, path: str = "/bound") -> None:
        holder = self._holder
        token = issuer.token(cnf=holder.confirmation)
        claims = holder.claims("GET", API + path, token, time.time())
        self.headers = {"Authorization": f"DPoP {token}", "DPoP": holder.sign(holder.header(), claims)}


class Fleet:
    """Starts processes that share through one Redis, and lets time pass for all of them.

    Args:
        make_app: makes an app that trusts *issuer*.
        issuer: whose keys they use.
        settings: their settings.
    """

    def __init__(self, make_app: AppFactory, issuer: LocalIssuer, settings: dict[str, Any]) -> None:
        self._make_app = make_app
        self.issuer = issuer
        self._settings = {
            "AUTH0_CACHE_SECRET": SECRET,
            "AUTH0_SYNC_INTERVAL": INTERVAL_SECONDS,
            "AUTH0_HEALTH_DETAILS": "always",
            "AUTH0_DPOP": "allowed",
            "AUTH0_PUBLIC_URL": API,
            **settings,
        }
        self.clock = MovableClock()
        self.members: list[Member] = []
        #: A client of Redis with all rights, where a test needs one.
        self.operator: Any = None

    def start(self, number: int = 1, **settings: Any) -> list[Member]:
        """Start processes, which have answered their first request."""
        started = [self.start_cold(**settings) for _ in range(number)]
        for member in started:
            member.ask(self.issuer.token())
            complete()
        return started

    def start_cold(self, **settings: Any) -> Member:
        """Start one that has done nothing yet."""
        app = self._make_app(clock=self.clock.monotonic_only, **{**self._settings, **settings})

        @app.get("/bound")
        @requires_auth
        def bound() -> dict[str, str]:
            return {}

        member = Member(app, self.issuer)
        self.members.append(member)
        return member

    def proof(self) -> Proof:
        """Make a fresh one."""
        return Proof(self.issuer)

    def pass_interval(self) -> None:
        """Let a sync interval pass, and what is due be done by all."""
        self.clock.move(INTERVAL_SECONDS + 0.1)
        for member in self.members:
            member.ask(self.issuer.token())
            complete()


StartFleet = Callable[..., Fleet]
