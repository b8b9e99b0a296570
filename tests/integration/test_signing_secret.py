"""HS256 tokens that npm's `jose` makes, in an app with the secret and in one with another."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from flask import Flask
from refusals import INVALID_SIGNATURE, answer_to, guarded, passes

from auth0_blueprint import Auth0Blueprint

from .servers import PROVIDER

SECRET = "the secret of an API that two libraries read alike: ä"


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "at+jwt", "kid": "any"}])
def test_a_token_by_another_library_passes_with_the_same_secret_only(
    installed_provider: None, header: dict[str, str]
) -> None:
    """Text stands for the same bytes on both sides."""
    now = int(time.time())
    claims = {"iss": "https://example.eu.auth0.com/", "sub": "a", "aud": "api", "iat": now, "exp": now + 60}
    given = json.dumps({"secret": SECRET, "header": header, "claims": claims})
    made = subprocess.run(["node", PROVIDER / "hs256.mjs", given], capture_output=True, text=True, check=True)
    token = made.stdout.strip()
    assert passes(guarded(app_with(SECRET)), token)
    assert answer_to(guarded(app_with(f"not {SECRET}")), token) == INVALID_SIGNATURE


def app_with(secret: str) -> Flask:
    app = Flask("tested", static_folder=None)
    app.config.update(
        AUTH0_DOMAIN="example.eu.auth0.com", AUTH0_AUDIENCE="api", AUTH0_SIGNING_SECRET=secret, AUTH0_ALGORITHMS="HS256"
    )
    app.register_blueprint(Auth0Blueprint())
    return app
