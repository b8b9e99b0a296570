"""How the API's own client proves who it is at the token endpoint: by a secret, or by a signed assertion."""

from __future__ import annotations

import secrets

import jwt

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.settings.own_client import ClientKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 §2.2
#: Auth0 accepts at most 300 s. It is used at once.
ASSERTION_SECONDS = 60


def secret_parameters(client_id: str, secret: str) -> dict[str, str]:
    """Return the form parameters of a client with a secret (RFC 6749 §2.3.1), Auth0's default."""
    return {"client_id": client_id, "client_secret": secret}


def assertion_parameters(client_id: str, key: ClientKey, issuer: str, clock: Clock) -> dict[str, str]:
    """Return the form parameters of a client with a key: private_key_jwt (RFC 7523 §2.2 and §3).

    Args:
        client_id: of the client, which is issuer and subject of the assertion.
        key: signs it.
        issuer: whom it is for. Not the URL of the endpoint: Auth0 asks for the issuer, and an assertion for one server
            is then of no use at another.
        clock: tells the time.
    """
    now = int(clock.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": secrets.token_urlsafe(24),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    assertion = jwt.encode(claims, key.private_key, algorithm=key.algorithm)
    return {"client_id": client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
