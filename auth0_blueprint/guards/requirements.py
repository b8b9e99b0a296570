"""What a guard requires of a verified token, as data: scopes, claims, a login, an actor, authorization details.

A `Requirement` is a value: its kind, the values it names, and whether one of them is enough. It is evaluated in one
place, `Requirement.is_met_by`; ``flask auth0 routes``, ``inspect`` and the challenge read the value. Scopes and
permissions are two kinds, and are never merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from marshmallow import Schema

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import (
    Auth0Error,
    InsufficientAuthorizationDetailsError,
    InsufficientClaimsError,
    InsufficientPermissionsError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    MissingCredentialsError,
)
from auth0_blueprint.guards.app_checks import fits, is_same_json, passes
from auth0_blueprint.guards.arguments import check_actors, check_claim, check_function, check_names, schema_of
from auth0_blueprint.settings.fields import is_organization_id
from auth0_blueprint.verification.access_token import AccessToken, is_unix_time


@dataclass(frozen=True, eq=False, slots=True)
class Requirement:
    """What a guard requires of a verified token.

    Attributes:
        kind: ``token`` (any valid one), ``jwt_required`` (the same, by flask-jwt-extended), ``scope``, ``permission``,
            ``claim``, ``organization``, ``acr``, ``recent_login``, ``actor`` or ``authorization_details``.
        values: what is required by name, in the order in which it was given: scopes, permissions, claim values,
            organization ids, authentication context class references, subjects of actors or a type of details.
        any_of: whether one of the values is enough.
        claim: the name of the claim, for the kinds ``claim``, ``acr`` and ``recent_login``.
        check: a function of the app's own: for the kind ``claim`` it may accept other values, for
            ``authorization_details`` it has to accept one.
        max_age_seconds: how long ago the login may have been, for the kind ``recent_login``.
        issuer: for the kind ``actor``, who knows the actor by its subject; ``None`` is the issuer of the token. For
            the kind ``organization``, whose organizations they are; ``None`` is the one tenant of the app.
        schema: what a detail must fit, for the kind ``authorization_details``.
    """

    kind: str
    values: tuple[Any, ...] = ()
    any_of: bool = True
    claim: str = ""
    check: Callable[[Any], object] | None = None
    max_age_seconds: int | None = None
    issuer: str | None = None
    schema: Schema | None = None

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

    @property
    def detail_types(self) -> tuple[str, ...]:
        """The required types of authorization details, for the challenge."""
        return self.values if self.kind == "authorization_details" else ()

    def refusal(self, others: Iterable[Requirement]) -> Auth0Error:
        """Return the error for a token that does not meet this requirement. It names what *others* need as well."""
        requirements = (*others, self)
        scope = tuple(dict.fromkeys(scope for requirement in requirements for scope in requirement.scopes))
        reason = _KINDS[self.kind].reason
        if self.error is InsufficientAuthorizationDetailsError:
            types = tuple(dict.fromkeys(name for requirement in requirements for name in requirement.detail_types))
            return InsufficientAuthorizationDetailsError(reason, scope=scope, types=types)
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
    check_names("scope", scopes, any_of)
    return Requirement("scope", scopes, any_of)


def permission_requirement(permissions: tuple[str, ...], *, any_of: bool = False) -> Requirement:
    """Require every (or any) one of *permissions* in the ``permissions`` claim."""
    check_names("permission", permissions, any_of)
    return Requirement("permission", permissions, any_of)


def claim_requirement(name: str, allowed: tuple[Any, ...], check: Callable[[Any], object] | None) -> Requirement:
    """Require that the claim *name* is one of *allowed*, or a list that holds one, or that ``check(value)`` is true."""
    if not isinstance(name, str) or not name:
        raise TypeError("The first argument names a claim.")
    if not allowed and check is None:
        raise TypeError(f"Name the accepted values of the claim {name!r}, or give check=.")
    check_function(check, "the claim's value")
    if any(isinstance(value, (list, tuple, set, frozenset)) for value in allowed):
        raise TypeError("Give the allowed values one by one, not as a list; for whole lists, use check=.")
    return Requirement("claim", allowed, claim=name, check=check)


def organization_requirement(ids: tuple[str, ...], issuer: str | None = None) -> Requirement:
    """Require that the claim ``org_id`` is one of *ids*, in a token of *issuer* if that is given."""
    if issuer is not None and (not isinstance(issuer, str) or not issuer):
        raise TypeError("issuer= takes the issuer of the organization's tenant as a string, such as https://.../.")
    if issuer is not None and not issuer.startswith(("https://", "http://")):
        raise ValueError(f"{issuer!r} is not an issuer: give the exact iss of the tokens, such as https://.../.")
    if not ids:
        raise TypeError("Name at least one organization, by its id.")
    for value in ids:
        if not isinstance(value, str):
            raise TypeError(f"Give each organization as a string of its own, not as {type(value).__name__}.")
        if not is_organization_id(value):
            raise ValueError(f"{value!r} is not an organization id: ids begin with org_, a name is not one.")
    return Requirement("organization", ids, issuer=issuer)


def acr_requirement(values: tuple[str, ...], *, claim: str) -> Requirement:
    """Require that *claim* is one of the authentication context class references *values* (RFC 9470 §3)."""
    check_names("acr value", values, any_of=True)
    check_claim(claim)
    return Requirement("acr", tuple(dict.fromkeys(values)), claim=claim)


def recent_login_requirement(max_age_seconds: int, *, claim: str) -> Requirement:
    """Require that *claim*, the time of the login, is at most *max_age_seconds* ago (RFC 9470 §3)."""
    if isinstance(max_age_seconds, bool) or not isinstance(max_age_seconds, int):
        raise TypeError("max_age= takes whole seconds, such as 300.")
    if max_age_seconds < 1:
        # RFC 9470 knows 0, for a login with this very request. No token can show that: clients would log in for ever.
        raise ValueError("max_age= must be at least 1: by the time its token arrives, every login is some time ago.")
    check_claim(claim)
    return Requirement("recent_login", claim=claim, max_age_seconds=max_age_seconds)


def actor_requirement(ids: tuple[str, ...], issuer: str | None) -> Requirement:
    """Require that the current actor is one of *ids*, as *issuer* knows them (RFC 8693 §4.1)."""
    check_actors(ids, issuer)
    return Requirement("actor", ids, issuer=issuer)


def authorization_details_requirement(
    name: str, check: Callable[[Any], object] | None, schema: Schema | type[Schema] | None
) -> Requirement:
    """Require a detail of the type *name* that fits *schema* and *check* (RFC 9396)."""
    check_names("type of authorization details", (name,), any_of=True)
    check_function(check, "one of the authorization details")
    return Requirement("authorization_details", (name,), check=check, schema=schema_of(schema))


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
    if any(is_same_json(candidate, one) for candidate in candidates for one in requirement.values):
        return True
    return requirement.check is not None and passes(requirement.check, f"claim {requirement.claim!r}", value)


def _is_of_organization(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    is_of_tenant = requirement.issuer is None or access_token.issuer == requirement.issuer
    return is_of_tenant and access_token.organization_id in requirement.values


def _has_acr(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    acr = access_token.get(requirement.claim)
    return isinstance(acr, str) and acr in requirement.values


def _has_recent_login(requirement: Requirement, access_token: AccessToken, clock: Clock) -> bool:
    auth_time, now = access_token.get(requirement.claim), clock.time()
    # By the issuer's clock, which may be ahead of ours as far as the verifier lets `iat` be.
    latest = max(now, access_token["iat"])
    return is_unix_time(auth_time) and now - (requirement.max_age_seconds or 0) <= auth_time <= latest


def _has_actor(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    actor = access_token.actor
    if actor is None or actor.subject not in requirement.values:
        return False
    # RFC 8693 §4.1: it may take both to say who it is. Another issuer may give the same subject to somebody else.
    issuer = access_token.issuer if actor.issuer is None else actor.issuer
    return issuer == (access_token.issuer if requirement.issuer is None else requirement.issuer)


def _has_authorization_details(requirement: Requirement, access_token: AccessToken, _clock: Clock) -> bool:
    return any(
        fits(detail, requirement.label, requirement.schema, requirement.check)
        for detail in access_token.authorization_details
        if detail.type in requirement.values
    )


def _named(noun: str) -> Callable[[Requirement], str]:
    """Return what labels a requirement by its values, as values of *noun*."""
    return lambda requirement: f"{noun} {(' or ' if requirement.any_of else ', ').join(requirement.values)}"


def _organization_label(requirement: Requirement) -> str:
    label = _named("organization")(requirement)
    return label if requirement.issuer is None else f"{label} of {requirement.issuer}"


_KINDS: dict[str, _Kind] = {
    "token": _Kind(_is_verified, MissingCredentialsError, lambda _: "any valid token"),
    "jwt_required": _Kind(_is_verified, MissingCredentialsError, lambda _: "jwt_required"),
    "scope": _Kind(_has_scopes, InsufficientScopeError, _named("scope")),
    "permission": _Kind(_has_permissions, InsufficientPermissionsError, _named("permission")),
    "claim": _Kind(_has_claim, InsufficientClaimsError, lambda requirement: f"claim {requirement.claim}"),
    "organization": _Kind(_is_of_organization, InsufficientClaimsError, _organization_label, "organization"),
    "acr": _Kind(_has_acr, InsufficientUserAuthenticationError, _named("acr value"), "acr"),
    "recent_login": _Kind(
        _has_recent_login,
        InsufficientUserAuthenticationError,
        lambda requirement: f"login in the last {requirement.max_age_seconds} s",
        "max_age",
    ),
    "actor": _Kind(_has_actor, InsufficientClaimsError, _named("actor"), "actor"),
    "authorization_details": _Kind(
        _has_authorization_details, InsufficientAuthorizationDetailsError, _named("authorization details")
    ),
}


def _acr_values_for_all(requirements: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the values that meet every requirement for a kind of login, in the order of the first."""
    first, *others = [requirement.acr_values for requirement in requirements if requirement.acr_values] or [()]
    return tuple(value for value in first if all(value in other for other in others))
