"""What a guard may demand of a verified token: scopes, permissions, claims. The first two are never merged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auth0_blueprint.access_token import AccessToken
from auth0_blueprint.errors import (
    AuthorizationError,
    InsufficientClaimsError,
    InsufficientPermissionsError,
    InsufficientScopeError,
)
from auth0_blueprint.setting_fields import is_scope_token

logger = logging.getLogger("auth0_blueprint")


@dataclass(frozen=True, slots=True)
class Demand:
    """A question to a token, and the error when the answer is no.

    Attributes:
        is_met_by: the question.
        error: the class of the refusal.
        scopes: the scope values among what is demanded, for the challenge.
    """

    is_met_by: Callable[[AccessToken], bool]
    error: type[AuthorizationError]
    scopes: tuple[str, ...] = ()


def scope_demand(scopes: tuple[str, ...], *, any_of: bool = False) -> Demand:
    """Demand every (or any) one of *scopes* in the ``scope`` claim."""
    wanted = _wanted("scope", scopes, any_of)
    if any_of:
        return Demand(lambda token: not wanted.isdisjoint(token.scopes), InsufficientScopeError, scopes)
    return Demand(lambda token: wanted <= token.scopes, InsufficientScopeError, scopes)


def permission_demand(permissions: tuple[str, ...], *, any_of: bool = False) -> Demand:
    """Demand every (or any) one of *permissions* in the ``permissions`` claim."""
    wanted = _wanted("permission", permissions, any_of)
    if any_of:
        return Demand(lambda token: not wanted.isdisjoint(token.permissions), InsufficientPermissionsError)
    return Demand(lambda token: wanted <= token.permissions, InsufficientPermissionsError)


def claim_demand(name: str, allowed: tuple[Any, ...], check: Callable[[Any], object] | None) -> Demand:
    """Demand that the claim *name* is one of *allowed*, or a list that holds one, or that ``check(value)`` is true."""
    if not isinstance(name, str) or not name:
        raise TypeError("The first argument names a claim.")
    if not allowed and check is None:
        raise TypeError(f"Say what the claim {name!r} has to be: give allowed values, or check=.")
    if check is not None and not callable(check):
        raise TypeError("check= takes a function of the claim's value.")
    if any(isinstance(value, (list, tuple, set, frozenset)) for value in allowed):
        raise TypeError("Give the allowed values one by one, not as a list; for whole lists, use check=.")

    def is_met_by(token: AccessToken) -> bool:
        if name not in token:
            return False
        value = token[name]
        candidates = [value, *value] if isinstance(value, list) else [value]
        if any(_is_same_json(candidate, one) for candidate in candidates for one in allowed):
            return True
        return check is not None and _passes(check, name, value)

    return Demand(is_met_by, InsufficientClaimsError)


def _passes(check: Callable[[Any], object], name: str, value: Any) -> bool:
    try:
        return bool(check(value))
    except (TypeError, ValueError, LookupError, AttributeError) as exc:
        # A value of a kind that the check was not written for is no reason for a 500.
        logger.warning("the check of claim %r failed with %s: not admitted", name, type(exc).__name__)
        return False


def _wanted(noun: str, values: tuple[str, ...], any_of: object) -> frozenset[str]:
    if not values:
        raise TypeError(f"Name at least one {noun}.")
    if not isinstance(any_of, bool):
        raise TypeError("any_of= takes True or False.")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"Name each {noun} as a text of its own, not as {type(value).__name__}.")
        if not is_scope_token(value):
            raise ValueError(f"{value!r} is not one {noun}: name each one by itself, without spaces or quotes.")
    return frozenset(values)


def _is_same_json(left: Any, right: Any) -> bool:
    """Compare as JSON does: ``True`` is not ``1``, at any depth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_same_json(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same_json, left, right))
    return bool(left == right)
