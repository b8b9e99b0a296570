"""Fields for settings of the usual kinds, each with its default, its limits and its meaning for the documentation."""

from __future__ import annotations

from typing import Any

from auth0_blueprint.settings import base_fields as fields
from auth0_blueprint.settings.base_fields import ValidationError


def number(field: type[fields.Number[Any]], unit: str, default: float, limits: tuple[float, float], text: str) -> Any:
    """Return a field for a number within *limits*, both included, of this *unit*."""
    wrong = f"must be a number of {unit} from {limits[0]:g} to {limits[1]:.0f}"

    def check(value: float) -> None:
        if not limits[0] <= value <= limits[1]:
            raise ValidationError(wrong)

    return field(
        load_default=default,
        validate=check,
        error_messages={"invalid": wrong, "special": wrong},
        metadata={"unit": unit, "limits": limits, "description": text},
    )


def seconds(default: float, minimum: float, maximum: float, description: str) -> Any:
    """Return a field for a number of seconds."""
    return number(fields.Float, "seconds", default, (minimum, maximum), description)


def byte_size(default: int, minimum: int, maximum: int, description: str) -> Any:
    """Return a field for a whole number of bytes."""
    return number(fields.Integer, "bytes", default, (minimum, maximum), description)


def switch(default: bool, description: str) -> fields.Boolean:
    """Return a field that is true or false."""
    return fields.Boolean(
        load_default=default,
        error_messages={"invalid": "must be true or false"},
        metadata={"description": description},
    )


def choice(default: str, choices: tuple[str, ...], description: str) -> fields.String:
    """Return a field for one of *choices*."""
    wrong = f"must be one of {', '.join(choices)}"

    def check(value: str) -> None:
        if value not in choices:
            raise ValidationError(wrong)

    return fields.String(
        load_default=default,
        validate=check,
        error_messages={"invalid": wrong},
        metadata={"choices": choices, "description": description},
    )
