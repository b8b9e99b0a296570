"""What a view that needs ``read:messages`` answers in every framework, whatever the settings say of exceptions."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from conftest import bearer
from flask.testing import FlaskClient
from refusals import EXPIRED, NO_CREDENTIALS, forbidden, seen

from auth0_blueprint.testing import LocalIssuer

#: Frameworks, and Flask itself, treat exceptions by these two.
MODES: list[dict[str, Any]] = [
    {"TESTING": testing, "PROPAGATE_EXCEPTIONS": propagate}
    for testing, propagate in itertools.product((False, True), (None, False, True))
]
in_every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(str(value) for value in mode.values()))

LACKS_SCOPE = forbidden(
    "insufficient_scope", "The access token lacks a scope that this route requires.", "read:messages"
)
EXPECTED = {
    "a good token": (200, {"subject": "auth0|local-user"}),
    "no credentials": NO_CREDENTIALS,
    "an expired token": EXPIRED,
    "a token without the scope": LACKS_SCOPE,
}


def answers_of(
    client: FlaskClient, issuer: LocalIssuer, path: str = "/messages", method: str = "GET"
) -> dict[str, Any]:
    """Return what four kinds of callers see of the view at *path*."""
    good = client.open(path, method=method, headers=bearer(issuer.token(scope="read:messages")))
    refused = {
        "no credentials": {},
        "an expired token": bearer(issuer.token(scope="read:messages", expires_in=-60)),
        "a token without the scope": bearer(issuer.token()),
    }
    return {
        "a good token": (good.status_code, good.get_json()),
        **{who: seen(client.open(path, method=method, headers=headers)) for who, headers in refused.items()},
    }
