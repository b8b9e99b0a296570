"""A view that needs ``read:messages``, and what it answers in every framework, whatever settings say of exceptions."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from conftest import bearer
from connexion import FlaskApp
from flask import Response
from flask.testing import FlaskClient
from refusals import EXPIRED, NO_CREDENTIALS, forbidden, seen

from auth0_blueprint import current_token, requires_scope
from auth0_blueprint.testing import LocalIssuer

#: Frameworks, and Flask itself, treat exceptions by these two.
MODES: list[dict[str, Any]] = [
    {"TESTING": testing, "PROPAGATE_EXCEPTIONS": propagate}
    for testing, propagate in itertools.product((False, True), (None, False, True))
]
in_every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(str(value) for value in mode.values()))

LACKS_SCOPE = "The access token lacks a scope that this route requires."
EXPECTED = {
    "a good token": (200, {"subject": "auth0|local-user"}),
    "no credentials": NO_CREDENTIALS,
    "an expired token": EXPIRED,
    "a token without the scope": forbidden("insufficient_scope", LACKS_SCOPE, "read:messages"),
}

guard = requires_scope("read:messages")


def read(*_: object) -> dict[str, str]:
    return {"subject": current_token.subject}


async def read_later(*_: object) -> dict[str, str]:
    await asyncio.sleep(0)
    return read()


class OfConnexion:
    """A client of a Connexion app, whose answers are as Flask's."""

    def __init__(self, app: FlaskApp) -> None:
        self._client = app.test_client()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Response:
        answer = self._client.get(path, headers=headers)
        return Response(answer.content, answer.status_code, answer.headers.multi_items())


def answers_of(client: FlaskClient | OfConnexion, issuer: LocalIssuer, path: str = "/messages") -> dict[str, Any]:
    good = client.get(path, headers=bearer(issuer.token(scope="read:messages")))
    expired = bearer(issuer.token(scope="read:messages", expires_in=-60))
    return {
        "a good token": (good.status_code, good.get_json()),
        "no credentials": seen(client.get(path)),
        "an expired token": seen(client.get(path, headers=expired)),
        "a token without the scope": seen(client.get(path, headers=bearer(issuer.token()))),
    }
