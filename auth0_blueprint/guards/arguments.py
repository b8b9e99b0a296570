"""Checks what guards are given, when they are applied: a ``TypeError`` or ``ValueError`` names the remedy."""

from __future__ import annotations

import enum
import inspect

from marshmallow import Schema

from auth0_blueprint.settings.fields import is_scope_token


def check_names(noun: str, values: tuple[str, ...], any_of: object) -> None:
    """Refuse *values* that are not each one *noun*, written as a scope-token (RFC 6749 §3.3)."""
    if not values:
        raise TypeError(f"Name at least one {noun}.")
    if not isinstance(any_of, bool):
        raise TypeError("any_of= takes True or False.")
    for value in values:
        if not isinstance(value, str):
            # Only a member of an enum that is text itself, such as enum.StrEnum, is a string.
            remedy = " Give its .value." if isinstance(value, enum.Enum) else ""
            raise TypeError(f"Give each {noun} as a string of its own, not as {type(value).__name__}.{remedy}")
        if not is_scope_token(value):
            raise ValueError(f"{value!r} is not a valid {noun}: give each one separately, without spaces or quotes.")


def check_claim(name: object) -> None:
    """Refuse a *name* that is no name of a claim."""
    if not isinstance(name, str) or not name:
        raise TypeError("claim= names a claim.")


def check_actors(ids: tuple[str, ...], issuer: object) -> None:
    """Refuse *ids* that are not each one subject of an actor, and an *issuer* that cannot be one."""
    if not ids:
        raise TypeError("Name at least one actor, by its subject.")
    for value in (*ids, *(() if issuer is None else (issuer,))):
        if not isinstance(value, str):
            raise TypeError(f"Give each actor, and issuer=, as a string of its own, not as {type(value).__name__}.")
        if not value:
            raise ValueError("An empty string names no actor, and no issuer.")


def check_function(check: object, takes: str) -> None:
    """Refuse a *check* that is no function of *takes*, or one that would always seem to be true.

    Raises:
        TypeError: names the remedy.
    """
    if check is not None and not callable(check):
        raise TypeError(f"check= takes a function of {takes}.")
    if inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(getattr(check, "__call__", None)):  # noqa: B004
        raise TypeError(f"check= takes a plain function of {takes}: an async one is not awaited. Await in the view.")


def schema_of(schema: Schema | type[Schema] | None) -> Schema | None:
    """Return the instance that loads one detail.

    Raises:
        TypeError: it is no marshmallow schema of one object.
    """
    made = schema() if isinstance(schema, type) and issubclass(schema, Schema) else schema
    if made is not None and (not isinstance(made, Schema) or made.many):
        raise TypeError(
            "schema= takes a marshmallow schema of one object: the class, or an instance without many=True."
        )
    return made
