"""The fixtures for pytest, loaded by the entry point in the group ``pytest11``. Inert unless one of them is used.

It costs what importing ``auth0_blueprint`` costs: any module in a package is imported after the package itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from auth0_blueprint.testing import LocalIssuer, bearer_client

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient


@pytest.fixture(scope="session")
def auth0_issuer_options() -> dict[str, Any]:
    """Override it to say what ``auth0_issuer`` is made with: ``audience``, ``algorithm``, ``profile``."""
    return {}


@pytest.fixture(scope="session")
def auth0_issuer(auth0_issuer_options: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[LocalIssuer]:
    """An issuer of access tokens on loopback, running. Whatever is changed in it is undone when the test ends."""
    with LocalIssuer(**auth0_issuer_options) as issuer:
        request.config.pluginmanager.register(_ResetAfterEachTest(issuer))
        yield issuer


@pytest.fixture(scope="session")
def auth0_token(auth0_issuer: LocalIssuer) -> Callable[..., str]:
    """Mints a user's access token: ``auth0_token(scope="read:messages")``. Takes what `LocalIssuer.token` takes."""
    return auth0_issuer.token


@pytest.fixture
def auth0_client(app: Flask, auth0_token: Callable[..., str]) -> Callable[..., FlaskClient]:
    """Makes test clients of your ``app`` that present a token: ``auth0_client(scope="read:messages").get("/")``.

    It takes what `auth0_token` takes, or a token: ``auth0_client(auth0_issuer.machine_token())``.
    """

    def client(token: str | None = None, **claims: Any) -> FlaskClient:
        if token is not None and claims:
            raise TypeError("Give a token, or the claims of one to mint, not both.")
        return bearer_client(app, auth0_token(**claims) if token is None else token)

    return client


class _ResetAfterEachTest:
    """A hook and no fixture: the issuer lives for fixtures of every scope, and tests that have none pay nothing."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer

    def pytest_runtest_logfinish(self) -> None:
        """Undo what the test has changed, after the last of its fixtures has ended."""
        self._issuer.reset()
