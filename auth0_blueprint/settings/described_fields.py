"""Fields for settings of the usual kinds, each with its default, its limits and its meaning for the documentation."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate


def number(field: type[fields.Number[Any]], unit: str, default: float, limits: tuple[float, float], text: str) -> Any:
    """Return a field for a number within *limits*, both included, of this *unit*."""
    wrong = f"must be a number of {unit} from {limits[0]:g} to {limits[1]:.0f}"
    return field(
        load_default=default,
        validate=validate.Range(min=limits[0], max=limits[1], error=wrong),
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
    return fields.String(
        load_default=default,
        validate=validate.OneOf(choices, error=wrong),
        error_messages={"invalid": wrong},
        metadata={"choices": choices, "description": description},
    )
