"""What a mistake is looked for in, and what one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from auth0_blueprint.cli.inspection.unverified import Unverified
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.guards.requirements import Requirement
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken


class InspectedToken(NamedTuple):
    """A token, and what this app makes of it.

    Attributes:
        content: what the token says.
        settings: what the app accepts.
        now: Unix time.
        error: why the app refuses it, if it does.
        access_token: the verified token, if it is proven.
        requirements: those of the route in question.
        scopes: those that the route demands, or the routes of the app where none is in question.
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
        """What the header says, proven or not."""
        return self.content.header or {}

    @property
    def claims(self) -> dict[str, Any]:
        """What the payload says, proven or not."""
        return self.content.claims or {}


class Mistake(NamedTuple):
    """One that is often made.

    Attributes:
        name: a short one.
        find: returns the sentence that names the cause, or ``None`` where it is not this mistake.
        remedy: the sentence that says what to do.
    """

    name: str
    find: Callable[[InspectedToken], str | None]
    remedy: str
