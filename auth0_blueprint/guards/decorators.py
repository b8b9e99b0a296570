"""The guards for views: each verifies the request's token, then checks its own requirement."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK
from auth0_blueprint.guards.authentication import app_state, authenticate, current_token, notify_rejected
from auth0_blueprint.guards.requirements import (
    ANY_TOKEN,
    Requirement,
    acr_requirement,
    claim_requirement,
    organization_requirement,
    permission_requirement,
    recent_login_requirement,
    scope_requirement,
)
from auth0_blueprint.guards.route_requirements import (
    PUBLIC_ATTRIBUTE,
    REQUIREMENTS_ATTRIBUTE,
    requirements_of,
    requirements_of_route,
)

P = ParamSpec("P")
R = TypeVar("R")

#: Functions that a guard wraps. Registered as views themselves they would be open: see `first_request_checks`.
guarded_functions: weakref.WeakSet[Callable[..., Any]] = weakref.WeakSet()

_NO_VIEW: Any = object()  # not None: a route decorator that returns nothing hands None to the guard above it


@overload
def requires_auth(view: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def requires_auth(*, optional: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def requires_auth(view: Callable[..., Any] = _NO_VIEW, /, *, optional: bool = False) -> Any:
    """Admit any valid access token.

    Args:
        view: the view, where the decorator is used without parentheses.
        optional: also admit requests without credentials; ``current_token`` is falsy then. Bad credentials are still
            refused.
    """
    if not isinstance(optional, bool):
        raise TypeError("requires_auth(optional=...) takes True or False.")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if optional:
            return _guarded(function, lambda: authenticate(optional=True))
        return _guarded(function, authenticate, ANY_TOKEN)

    return decorate if view is _NO_VIEW else decorate(view)


def requires_scope(*scopes: str, any_of: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Admit only access tokens whose ``scope`` claim holds every one of *scopes* (RFC 6750 §3.1).

    Args:
        scopes: RFC 6749 §3.3 scope-tokens, one each.
        any_of: one of them is enough.
    """
    return _requiring(scope_requirement(scopes, any_of=any_of))


def requires_permission(*permissions: str, any_of: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Admit only access tokens whose ``permissions`` claim (Auth0 RBAC) holds every one of *permissions*.

    Args:
        permissions: as registered with the API in Auth0, one each.
        any_of: one of them is enough.
    """
    return _requiring(permission_requirement(permissions, any_of=any_of))


def requires_claim(
    name: str, *allowed: Any, check: Callable[[Any], object] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Admit only access tokens with an acceptable value of the claim *name*. An absent claim never passes.

    Args:
        name: the claim, such as ``https://example.com/tier``.
        allowed: values of which the claim must be one, or must hold one if it is a list. Types count as in JSON:
            ``True`` is not ``1``.
        check: called with the value; a true answer admits too.
    """
    return _requiring(claim_requirement(name, allowed, check))


def requires_organization(*ids: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Admit only access tokens of one of these Auth0 organizations (claim ``org_id``).

    Args:
        ids: ids of organizations (``org_...``), not names, one each.
    """
    return _requiring(organization_requirement(ids))


def requires_acr(*values: str, claim: str = "acr") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Admit only access tokens of users who logged in in one of these ways (RFC 9470); others get a challenge.

    Args:
        values: authentication context class references, best first, one each.
        claim: the claim that holds it. Auth0 writes no ``acr`` into access tokens; an Action can set a claim of yours.
    """
    return _requiring(acr_requirement(values, claim=claim))


def requires_recent_login(max_age: int, *, claim: str = "auth_time") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Admit only access tokens of users who logged in recently (RFC 9470); others get a challenge.

    Args:
        max_age: how many seconds ago at most, 1 or more; no leeway is added.
        claim: the claim that holds its Unix time. Auth0 writes no ``auth_time`` into access tokens; an Action can set a
            claim of yours.
    """
    return _requiring(recent_login_requirement(max_age, claim=claim))


def has_scope(*scopes: str) -> bool:
    """Tell, inside a guarded view, whether the ``scope`` claim holds every one of *scopes*."""
    return scope_requirement(scopes).is_met_by(current_token)


def has_permission(*permissions: str) -> bool:
    """Tell, inside a guarded view, whether the ``permissions`` claim holds every one of *permissions*."""
    return permission_requirement(permissions).is_met_by(current_token)


V = TypeVar("V", bound=Callable[..., Any])


def public(view: V) -> V:
    """Mark a view as open on purpose, for `protect`. Below the route decorator, on a view function or view class."""
    if not callable(view):
        raise TypeError("@public marks a view function or a view class.")
    setattr(view, PUBLIC_ATTRIBUTE, True)
    return view


def admit(requirement: Requirement) -> None:
    """Verify the request's token, and check that it meets *requirement*."""
    access_token = authenticate()
    # The app's clock is looked up only for the kind that asks for the time: every guarded request comes along here.
    clock = SYSTEM_CLOCK if requirement.max_age_seconds is None else app_state().clock
    if not requirement.is_met_by(access_token, clock):
        error = requirement.refusal(requirements_of_route())
        notify_rejected(error)
        raise error


def _requiring(requirement: Requirement) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return _guarded(function, lambda: admit(requirement), requirement)

    return decorate


def _guarded(function: Callable[P, R], guard: Callable[[], object], *requirements: Requirement) -> Callable[P, R]:
    """Return *function* behind *guard*, which checks *requirements* and raises for whoever may not pass."""
    if isinstance(function, type):
        raise TypeError(
            f"A guard cannot decorate the class {function.__name__}. To solve this, list the guard in its "
            "`decorators`, or decorate its methods."
        )
    if function is None:
        raise TypeError(
            "A guard cannot decorate None, which the decorator below it (such as @sock.route) returned. To solve this, "
            "put that decorator on top and the guard below it; for a WebSocket, protect() its blueprint or app."
        )
    if not callable(function):
        raise TypeError("A guard decorates a view function.")
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):
        wrapper = _coroutine_behind(guard, function)
    else:
        wrapper = _function_behind(guard, function)
    # Not all that wraps() copied from the inner function is true of the guarded one.
    vars(wrapper).pop(PUBLIC_ATTRIBUTE, None)
    # flask-openapi3 keeps the view it made of a function on that function, and would serve it for the guarded one.
    for name, value in list(vars(wrapper).items()):
        if getattr(value, "__wrapped__", None) is function:
            delattr(wrapper, name)
    setattr(wrapper, REQUIREMENTS_ATTRIBUTE, (*requirements, *requirements_of(function)))
    _remember_as_guarded(function)
    return cast("Callable[P, R]", wrapper)


def _function_behind(guard: Callable[[], object], function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        guard()
        return function(*args, **kwargs)

    return guarded


def _coroutine_behind(guard: Callable[[], object], function: Callable[P, Any]) -> Callable[P, Any]:
    @functools.wraps(function)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        guard()
        return await function(*args, **kwargs)

    return guarded


def _remember_as_guarded(function: Callable[..., Any]) -> None:
    inner: Any = function
    while inner is not None:
        try:
            guarded_functions.add(inner)
        except TypeError:  # no route decorator returns a callable without weak references
            return
        inner = getattr(inner, "__wrapped__", None)
