"""All the mistakes that `flask auth0 inspect` looks for."""

from __future__ import annotations

from typing import NamedTuple

from auth0_blueprint.cli.inspection import wrong_claims, wrong_for_this_app, wrong_token
from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake

MISTAKES: tuple[Mistake, ...] = (
    *wrong_token.NO_TOKEN,
    *wrong_token.MISTAKES,
    *wrong_claims.MISTAKES,
    *wrong_for_this_app.MISTAKES,
)


class FoundMistake(NamedTuple):
    """A mistake found in a token: its name, a sentence that says what is wrong, and one that says what to do."""

    mistake: str
    cause: str
    remedy: str


def mistakes_in(inspected: InspectedToken) -> list[FoundMistake]:
    """Return every mistake that *inspected* shows."""
    return _found(wrong_token.NO_TOKEN, inspected) or _found(MISTAKES, inspected)


def _found(mistakes: tuple[Mistake, ...], inspected: InspectedToken) -> list[FoundMistake]:
    found = ((mistake, mistake.find(inspected)) for mistake in mistakes)
    return [FoundMistake(mistake.name, cause, mistake.remedy) for mistake, cause in found if cause is not None]
