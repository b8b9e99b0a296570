"""What a guard may demand of a verified token: scopes, permissions (the two are never merged), claims, a login."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import (
    Auth0Error,
    InsufficientClaimsError,
    InsufficientPermissionsError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    MissingCredentialsError,
)
from auth0_blueprint.settings.fields import is_organization_id, is_scope_token
from auth0_blueprint.verification.access_token import AccessToken, is_unix_time

logger: logging.Logger = logging.getLogger("auth0_blueprint")


class Requirement(NamedTuple):
    """A question to a token, and the error when the answer is no.

    Attributes:
        is_met_by: the question.
        error: the class of the refusal.
        label: what is demanded, for people: ``scope read:messages``.
        reason: the finer reason, where the class has several.
        scopes: the scope values among what is demanded, for the challenge.
        acr_values: the authentication context class references of which one is demanded, for the challenge.
        max_age_seconds: how long ago the login may have been, for the challenge.
    """

    is_met_by: Callable[[AccessToken], bool]
    error: type[Auth0Error]
    label: str
    reason: str | None = None
    scopes: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age_seconds: int | None = None

    def refusal(self, others: Iterable[Requirement]) -> Auth0Error:
        """Return the error for a token that does not meet this demand. It tells what *others* need as well."""
        requirements = (*others, self)
        scope = tuple(dict.fromkeys(scope for requirement in requirements for scope in requirement.scopes))
        if self.error is not InsufficientUserAuthenticationError:
            return self.error(self.reason, scope=scope)
        ages = [requirement.max_age_seconds for requirement in requirements if requirement.max_age_seconds is not None]
        return InsufficientUserAuthenticationError(
            self.reason,
            scope=scope,
            acr_values=_acr_values_for_all(requirements) or self.acr_values,
            max_age_seconds=min(ages, default=None),
        )


#: Requirements no more than that the request has a token.
ANY_TOKEN = Requirement(bool, MissingCredentialsError, "any valid token")


def scope_requirement(scopes: tuple[str, ...], *, any_of: bool = False) -> Requirement:
    """Requirement every (or any) one of *scopes* in the ``scope`` claim."""
    wanted, label = _wanted("scope", scopes, any_of)
    if any_of:
        return Requirement(
            lambda token: not wanted.isdisjoint(token.scopes), InsufficientScopeError, label, scopes=scopes
        )
    return Requirement(lambda token: wanted <= token.scopes, InsufficientScopeError, label, scopes=scopes)


def permission_requirement(permissions: tuple[str, ...], *, any_of: bool = False) -> Requirement:
    """Requirement every (or any) one of *permissions* in the ``permissions`` claim."""
    wanted, label = _wanted("permission", permissions, any_of)
    if any_of:
        return Requirement(lambda token: not wanted.isdisjoint(token.permissions), InsufficientPermissionsError, label)
    return Requirement(lambda token: wanted <= token.permissions, InsufficientPermissionsError, label)


def claim_requirement(name: str, allowed: tuple[Any, ...], check: Callable[[Any], object] | None) -> Requirement:
    """Requirement that the claim *name* is one of *allowed*, or a list that holds one, or that ``check(value)`` is true."""
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

    return Requirement(is_met_by, InsufficientClaimsError, f"claim {name}")


def organization_requirement(ids: tuple[str, ...]) -> Requirement:
    """Requirement that the claim ``org_id`` is one of *ids*."""
    if not ids:
        raise TypeError("Name at least one organization, by its id.")
    for value in ids:
        if not isinstance(value, str):
            raise TypeError(f"Name each organization as a text of its own, not as {type(value).__name__}.")
        if not is_organization_id(value):
            raise ValueError(f"{value!r} is not the id of an organization, which begins with org_: its name is no id.")
    label = _label("organization", ids, " or ")
    return Requirement(lambda token: token.organization_id in ids, InsufficientClaimsError, label, "organization")


def acr_requirement(values: tuple[str, ...], *, claim: str) -> Requirement:
    """Requirement that *claim* is one of the authentication context class references *values* (RFC 9470 §3)."""
    wanted, label = _wanted("acr value", values, any_of=True)
    _check_claim(claim)
    acr_values = tuple(dict.fromkeys(values))

    def is_met_by(token: AccessToken) -> bool:
        acr = token.get(claim)
        return isinstance(acr, str) and acr in wanted

    return Requirement(is_met_by, InsufficientUserAuthenticationError, label, "acr", acr_values=acr_values)


def recent_login_requirement(max_age_seconds: int, *, claim: str, clock: Clock = SYSTEM_CLOCK) -> Requirement:
    """Requirement that *claim*, the time of the login, is at most *max_age_seconds* ago by *clock* (RFC 9470 §3)."""
    if isinstance(max_age_seconds, bool) or not isinstance(max_age_seconds, int):
        raise TypeError("max_age= takes whole seconds, such as 300.")
    if max_age_seconds < 1:
        # RFC 9470 knows 0, for a login with this very request. No token can show that: clients would log in for ever.
        raise ValueError("max_age= has to be at least 1: every login is some time ago when its token arrives.")
    _check_claim(claim)

    def is_met_by(token: AccessToken) -> bool:
        auth_time, now = token.get(claim), clock.time()
        # By the issuer's clock, which may be ahead of ours as far as the verifier lets `iat` be.
        return is_unix_time(auth_time) and now - max_age_seconds <= auth_time <= max(now, token["iat"])

    label = f"login in the last {max_age_seconds} s"
    return Requirement(
        is_met_by, InsufficientUserAuthenticationError, label, "max_age", max_age_seconds=max_age_seconds
    )


def _acr_values_for_all(requirements: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the values that meet each of *requirements* for a kind of login, in the order of the first."""
    first, *others = [requirement.acr_values for requirement in requirements if requirement.acr_values] or [()]
    return tuple(value for value in first if all(value in other for other in others))


def _check_claim(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError("claim= names a claim.")


def _passes(check: Callable[[Any], object], name: str, value: Any) -> bool:
    try:
        return bool(check(value))
    except (TypeError, ValueError, LookupError, AttributeError) as exc:
        # A value of a kind that the check was not written for is no reason for a 500.
        logger.warning("the check of claim %r failed with %s: not admitted", name, type(exc).__name__)
        return False


def _wanted(noun: str, values: tuple[str, ...], any_of: object) -> tuple[frozenset[str], str]:
    """Return *values*, checked, and the label of a demand for them."""
    if not values:
        raise TypeError(f"Name at least one {noun}.")
    if not isinstance(any_of, bool):
        raise TypeError("any_of= takes True or False.")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"Name each {noun} as a text of its own, not as {type(value).__name__}.")
        if not is_scope_token(value):
            raise ValueError(f"{value!r} is not one {noun}: name each one by itself, without spaces or quotes.")
    return frozenset(values), _label(noun, values, " or " if any_of else ", ")


def _label(noun: str, values: tuple[str, ...], separator: str) -> str:
    return f"{noun} {separator.join(values)}"


def _is_same_json(left: Any, right: Any) -> bool:
    """Compare as JSON does: ``True`` is not ``1``, at any depth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_same_json(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same_json, left, right))
    return bool(left == right)
