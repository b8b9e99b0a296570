"""What a guard requires of a verified token, as data: scopes, permissions, claims, an organization, a login.

A `Requirement` is a value: its kind, the values it names, and whether one of them is enough. It is evaluated in one
place, `Requirement.is_met_by`; ``flask auth0 routes``, ``inspect`` and the challenge read the value. Scopes and
permissions are two kinds, and are never merged.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False, slots=True)
class Requirement:
    """What a guard requires of a verified token.

    Attributes:
        kind: ``token`` (any valid one), ``jwt_required`` (the same, by flask-jwt-extended), ``scope``, ``permission``,
            ``claim``, ``organization``, ``acr`` or ``recent_login``.
        values: what is required by name, in the order in which it was given: scopes, permissions, claim values,
            organization ids or authentication context class references.
        any_of: whether one of the values is enough.
        claim: the name of the claim, for the kinds ``claim``, ``acr`` and ``recent_login``.
        check: a function of the app's own that may accept other values of the claim, for the kind ``claim``.
        max_age_seconds: how long ago the login may have been, for the kind ``recent_login``.
    """

    kind: str
    values: tuple[Any, ...] = ()
    any_of: bool = True
    claim: str = ""
    check: Callable[[Any], object] | None = None
    max_age_seconds: int | None = None

    def is_met_by(self, access_token: AccessToken, clock: Clock = SYSTEM_CLOCK) -> bool:
        """Tell whether *access_token* has what is required, now by *clock*."""
        return _KINDS[self.kind].is_met(self, access_token, clock)

    def is_met_by_values(self, granted: frozenset[str]) -> bool:
        """Tell whether *granted* holds every (or any) one of the values."""
        return not granted.isdisjoint(self.values) if self.any_of else granted.issuperset(self.values)

    @property
    def error(self) -> type[Auth0Error]:
        """The class of the refusal."""
        return _KINDS[self.kind].error

    @property
    def label(self) -> str:
        """What is required, for people: ``scope read:messages``. Values of a claim are the app's own business."""
        return _KINDS[self.kind].label(self)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The required scope values, for the challenge (RFC 6750 §3)."""
        return self.values if self.kind == "scope" else ()

    @property
    def acr_values(self) -> tuple[str, ...]:
        """The authentication context class references of which one is required, for the challenge (RFC 9470 §3)."""
        return self.values if self.kind == "acr" else ()

    def refusal(self, others: Iterable[Requirement]) -> Auth0Error:
        """Return the error for a token that does not meet this requirement. It names what *others* need as well."""
        requirements = (*others, self)
        scope = tuple(dict.fromkeys(scope for requirement in requirements for scope in requirement.scopes))
        reason = _KINDS[self.kind].reason
        if self.error is not InsufficientUserAuthenticationError:
            return self.error(reason, scope=scope)
        ages = [one.max_age_seconds for one in requirements if one.max_age_seconds is not None]
        return InsufficientUserAuthenticationError(
            reason,
            scope=scope,
            acr_values=_acr_values_for_all(requirements) or self.acr_values,
            max_age_seconds=min(ages, default=None),
        )


class _Kind(NamedTuple):
    """How a kind is evaluated, refused (``reason``: where the class has several) and named."""

    is_met: Callable[[Requirement, AccessToken, Clock], bool]
    error: type[Auth0Error]
    label: Callable[[Requirement], str]
    reason: str | None = None


#: Require no more than that the request has a token.
ANY_TOKEN, JWT_REQUIRED = Requirement("token"), Requirement("jwt_required")


def scope_requirement(scopes: tuple[str, ...], *, any_of: bool = False) -> Requirement:
    """Require every (or any) one of *scopes* in the ``scope`` claim."""
    _check_names("scope", scopes, any_of)
    return Requirement("scope", scopes, any_of)


def permission_requirement(permissions: tuple[str, ...], *, any_of: bool = False) -> Requirement:
    """Require every (or any) one of *permissions* in the ``permissions`` claim."""
    _check_names("permission", permissions, any_of)
    return Requirement("permission", permissions, any_of)


def claim_requirement(name: str, allowed: tuple[Any, ...], check: Callable[[Any], object] | None) -> Requirement:
    """Require that the claim *name* is one of *allowed*, or a list that holds one, or that ``check(value)`` is true."""
    if not isinstance(name, str) or not name:
        raise TypeError("The first argument names a claim.")
    if not allowed and check is None:
        raise TypeError(f"Name the accepted values of the claim {name!r}, or give check=.")
    if check is not None and not callable(check):
        raise TypeError("check= takes a function of the claim's value.")
    if any(isinstance(value, (list, tuple, set, frozenset)) for value in allowed):
        raise TypeError("Give the allowed values one by one, not as a list; for whole lists, use check=.")
    return Requirement("claim", allowed, claim=name, check=check)


def organization_requirement(ids: tuple[str, ...]) -> Requirement:
    """Require that the claim ``org_id`` is one of *ids*."""
    if not ids:
        raise TypeError("Name at least one organization, by its id.")
    for value in ids:
        if not isinstance(value, str):
            raise TypeError(f"Give each organization as a string of its own, not as {type(value).__name__}.")
        if not is_organization_id(value):
            raise ValueError(f"{value!r} is not an organization id: ids begin with org_, a name is not one.")
    return Requirement("organization", ids)


def acr_requirement(values: tuple[str, ...], *, claim: str) -> Requirement:
    """Require that *claim* is one of the authentication context class references *values* (RFC 9470 §3)."""
    _check_names("acr value", values, any_of=True)
    _check_claim(claim)
    return Requirement("acr", tuple(dict.fromkeys(values)), claim=claim)


def recent_login_requirement(max_age_seconds: int, *, claim: str) -> Requirement:
    """Require that *claim*, the time of the login, is at most *max_age_seconds* ago (RFC 9470 §3)."""
    if isinstance(max_age_seconds, bool) or not isinstance(max_age_seconds, int):
        raise TypeError("max_age= takes whole seconds, such as 300.")
    if max_age_seconds < 1:
        # RFC 9470 knows 0, for a login with this very request. No token can show that: clients would log in for ever.
        raise ValueError("max_age= must be at least 1: by the time its token arrives, every login is some time ago.")
    _check_claim(claim)
    return Requirement("recent_login", claim=claim, max_age_seconds=max_age_seconds)


def _is_verified(_requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    return bool(access_token)


def _has_scopes(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    return requirement.is_met_by_values(access_token.scopes)


def _has_permissions(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    return requirement.is_met_by_values(access_token.permissions)


def _has_claim(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    if requirement.claim not in access_token:
        return False
    value = access_token[requirement.claim]
    candidates = [value, *value] if isinstance(value, list) else [value]
    if any(_is_same_json(candidate, one) for candidate in candidates for one in requirement.values):
        return True
    return requirement.check is not None and _passes(requirement.check, requirement.claim, value)


def _is_of_organization(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    return access_token.organization_id in requirement.values


def _has_acr(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    acr = access_token.get(requirement.claim)
    return isinstance(acr, str) and acr in requirement.values


def _has_recent_login(requirement: Requirement, access_token: AccessToken, clock: Clock) -> bool:
    auth_time, now = access_token.get(requirement.claim), clock.time()
    # By the issuer's clock, which may be ahead of ours as far as the verifier lets `iat` be.
    latest = max(now, access_token["iat"])
    return is_unix_time(auth_time) and now - (requirement.max_age_seconds or 0) <= auth_time <= latest


def _named(noun: str) -> Callable[[Requirement], str]:
    """Return what labels a requirement by its values, as values of *noun*."""
    return lambda requirement: f"{noun} {(' or ' if requirement.any_of else ', ').join(requirement.values)}"


_KINDS: dict[str, _Kind] = {
    "token": _Kind(_is_verified, MissingCredentialsError, lambda _: "any valid token"),
    "jwt_required": _Kind(_is_verified, MissingCredentialsError, lambda _: "jwt_required"),
    "scope": _Kind(_has_scopes, InsufficientScopeError, _named("scope")),
    "permission": _Kind(_has_permissions, InsufficientPermissionsError, _named("permission")),
    "claim": _Kind(_has_claim, InsufficientClaimsError, lambda requirement: f"claim {requirement.claim}"),
    "organization": _Kind(_is_of_organization, InsufficientClaimsError, _named("organization"), "organization"),
    "acr": _Kind(_has_acr, InsufficientUserAuthenticationError, _named("acr value"), "acr"),
    "recent_login": _Kind(
        _has_recent_login,
        InsufficientUserAuthenticationError,
        lambda requirement: f"login in the last {requirement.max_age_seconds} s",
        "max_age",
    ),
}


def _acr_values_for_all(requirements: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the values that meet every requirement for a kind of login, in the order of the first."""
    first, *others = [requirement.acr_values for requirement in requirements if requirement.acr_values] or [()]
    return tuple(value for value in first if all(value in other for other in others))


def _check_claim(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError("claim= names a claim.")


def _passes(check: Callable[[Any], object], name: str, value: Any) -> bool:
    try:
        return bool(check(value))
    except (TypeError, ValueError, LookupError, AttributeError) as exc:
        # A value the check was not written for must not become a 500.
        logger.warning("the check of claim %r raised %s: token refused", name, type(exc).__name__)
        return False


def _check_names(noun: str, values: tuple[str, ...], any_of: object) -> None:
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


def _is_same_json(left: Any, right: Any) -> bool:
    """Compare as JSON does: ``True`` is not ``1``, at any depth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_same_json(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same_json, left, right))
    return bool(left == right)
