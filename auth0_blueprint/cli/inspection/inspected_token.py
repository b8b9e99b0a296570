"""The token under inspection, and the form of the mistakes that are looked for in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from auth0_blueprint.cli.inspection.unverified import Unverified
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.guards.requirements import Requirement
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken


class InspectedToken(NamedTuple):
    """A token, and this app's verdict on it.

    Attributes:
        content: the decoded token.
        settings: what the app accepts.
        now: Unix time.
        error: why the app refuses it, if it does.
        access_token: the verified token, if it was verified.
        requirements: those of the route in question.
        scopes: those that the route requires; without a route, those that any route of the app requires.
    """

    content: Unverified
    settings: Settings
    now: float
    error: Auth0Error | None = None
    access_token: AccessToken | None = None
    requirements: tuple[Requirement, ...] = ()
    scopes: frozenset[str] = frozenset()

    @property
    def header(self) -> dict[str, Any]:
        """The header, verified or not; empty if it cannot be decoded."""
        return self.content.header or {}

    @property
    def claims(self) -> dict[str, Any]:
        """The claims, verified or not; empty if they cannot be decoded."""
        return self.content.claims or {}


class Mistake(NamedTuple):
    """A common mistake.

    Attributes:
        name: a short name.
        find: returns the sentence that names the cause, or ``None`` if the token does not show this mistake.
        remedy: the sentence that says what to do.
    """

    name: str
    find: Callable[[InspectedToken], str | None]
    remedy: str
