"""All the mistakes that are looked for."""

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
    """One of them, in a token: its name, a sentence that says what is wrong, and one that says what to do."""

    mistake: str
    cause: str
    remedy: str


def mistakes_in(case: InspectedToken) -> list[FoundMistake]:
    """Return every mistake that *case* shows."""
    return _found(wrong_token.NO_TOKEN, case) or _found(MISTAKES, case)


def _found(mistakes: tuple[Mistake, ...], case: InspectedToken) -> list[FoundMistake]:
    found = ((mistake, mistake.find(case)) for mistake in mistakes)
    return [FoundMistake(mistake.name, cause, mistake.remedy) for mistake, cause in found if cause is not None]
