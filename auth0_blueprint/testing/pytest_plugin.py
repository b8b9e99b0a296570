"""The pytest fixtures, loaded through the entry point group ``pytest11``. Inert unless one of them is used.

Loading it imports all of ``auth0_blueprint``: Python imports a package before any module in it.
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
    """Override this to set the arguments of ``auth0_issuer``: those of `LocalIssuer`, such as ``algorithm``."""
    return {}


@pytest.fixture(scope="session")
def auth0_issuer(auth0_issuer_options: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[LocalIssuer]:
    """A running issuer of access tokens on loopback. It is reset after each test."""
    with LocalIssuer(**auth0_issuer_options) as issuer:
        request.config.pluginmanager.register(_ResetAfterEachTest(issuer))
        yield issuer


@pytest.fixture(scope="session")
def auth0_token(auth0_issuer: LocalIssuer) -> Callable[..., str]:
    """Mints a user's access token: ``auth0_token(scope="read:messages")``. Same arguments as `LocalIssuer.token`."""
    return auth0_issuer.token


@pytest.fixture
def auth0_client(app: Flask, auth0_token: Callable[..., str]) -> Callable[..., FlaskClient]:
    """Creates test clients of your ``app`` that send a token: ``auth0_client(scope="read:messages").get("/")``.

    It takes the arguments of `auth0_token`, or a token: ``auth0_client(auth0_issuer.machine_token())``.
    """

    def client(token: str | None = None, **claims: Any) -> FlaskClient:
        if token is not None and claims:
            raise TypeError("Pass a token, or claims for a new one, not both.")
        return bearer_client(app, auth0_token(**claims) if token is None else token)

    return client


class _ResetAfterEachTest:
    """A hook rather than a fixture: it works for fixtures of every scope, and costs other tests nothing."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer

    def pytest_runtest_logfinish(self) -> None:
        """Reset the issuer after the last fixture of the test has ended."""
        self._issuer.reset()
