"""The guards for views: each verifies the request's token, then checks its own requirement."""

from __future__ import annotations

import enum
import functools
import inspect
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Never, ParamSpec, TypeVar, cast, overload

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK
from auth0_blueprint.guards.authentication import app_state, authenticate, current_token, notify_rejected
from auth0_blueprint.guards.guard import Guard, explain_missing_argument, refuse_keywords
from auth0_blueprint.guards.requirements import (
    ANY_TOKEN,
    Requirement,
    acr_requirement,
    claim_requirement,
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


class _IdentitySet:
    """Callables by identity: some have no hash, or equal others. Keeps none alive that can be referred to weakly."""

    def __init__(self) -> None:
        self._references: dict[object, Callable[[], object]] = {}

    def __len__(self) -> int:
        return len(self._references)

    def __contains__(self, function: object) -> bool:
        return _identity(function) in self._references

    def add(self, function: object) -> None:
        key = _identity(function)

        def forget(reference: Callable[[], object]) -> None:
            if self._references.get(key) is reference:
                del self._references[key]

        try:
            self._references[key] = weakref.ref(function, forget)
        except TypeError:
            self._references[key] = lambda: function  # for good: later its id would be that of another object


def _identity(function: object) -> object:
    if isinstance(function, types.MethodType):  # each access makes a new object
        return id(function.__self__), id(function.__func__)
    return id(function)


#: More than anybody stacks. Some objects have any attribute that they are asked for.
_MAX_LAYERS = 100

#: Functions that a guard wraps. Registered as views themselves they would be open: see `first_request_checks`.
guarded_functions: _IdentitySet = _IdentitySet()

_QUESTION_AUTH = "ask `if current_token:` behind @requires_auth(optional=True)"


@overload
def requires_auth(view: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def requires_auth(*, optional: bool = False) -> Guard: ...
def requires_auth(*views: Any, optional: bool = False, **unknown: Any) -> Any:
    """Admit any valid access token.

    Args:
        views: the view, where the decorator is used without parentheses.
        optional: also admit requests without credentials; ``current_token`` is falsy then. Bad credentials are still
            refused.
        unknown: nothing else; other packages take a permission.

    Raises:
        TypeError: what it decorates is not a view function.
    """
    _refuse_permissions(*views, *unknown.values())
    if unknown or len(views) > 1:
        raise TypeError("requires_auth() takes one view, or optional=.")
    if not isinstance(optional, bool):
        raise TypeError("requires_auth(optional=...) takes True or False.")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if optional:
            return guarded(function, lambda: authenticate(optional=True))
        return guarded(function, authenticate, ANY_TOKEN)

    return decorate(*views) if views else Guard("requires_auth", _QUESTION_AUTH, decorate)


def _refuse_permissions(*values: object) -> None:
    named = [value for value in values if isinstance(value, (str, list, tuple, set, frozenset, enum.Enum))]
    if named:
        raise TypeError(
            f"requires_auth() takes no permission, such as {named[0]!r}: it admits any valid token. To solve this, use "
            "@requires_permission(...) for the claim `permissions` (Auth0 RBAC), or @requires_scope(...) for `scope`."
        )


def requires_scope(*scopes: str, any_of: bool = False, **unknown: Never) -> Guard:
    """Admit only access tokens whose ``scope`` claim holds every one of *scopes* (RFC 6750 §3.1).

    Args:
        scopes: RFC 6749 §3.3 scope-tokens, one each.
        any_of: one of them is enough.
        unknown: nothing else; other packages take the scope under a keyword.
    """
    refuse_keywords("requires_scope", unknown)
    return requiring(scope_requirement(scopes, any_of=any_of), "requires_scope", "ask has_scope()")


def requires_permission(*permissions: str, any_of: bool = False, **unknown: Never) -> Guard:
    """Admit only access tokens whose ``permissions`` claim (Auth0 RBAC) holds every one of *permissions*.

    Args:
        permissions: as registered with the API in Auth0, one each.
        any_of: one of them is enough.
        unknown: nothing else; other packages take the permission under a keyword.
    """
    refuse_keywords("requires_permission", unknown)
    return requiring(permission_requirement(permissions, any_of=any_of), "requires_permission", "ask has_permission()")


def requires_claim(name: str, *allowed: Any, check: Callable[[Any], object] | None = None) -> Guard:
    """Admit only access tokens with an acceptable value of the claim *name*. An absent claim never passes.

    Args:
        name: the claim, such as ``https://example.com/tier``.
        allowed: values of which the claim must be one, or must hold one if it is a list. Types count as in JSON:
            ``True`` is not ``1``.
        check: called with the value; a true answer admits too.
    """
    return requiring(claim_requirement(name, allowed, check), "requires_claim", f"read current_token.get({name!r})")


def requires_acr(*values: str, claim: str = "acr") -> Guard:
    """Admit only access tokens of users who logged in in one of these ways (RFC 9470); others get a challenge.

    Args:
        values: authentication context class references, best first, one each.
        claim: the claim that holds it. Auth0 writes no ``acr`` into access tokens; an Action can set a claim of yours.
    """
    return requiring(acr_requirement(values, claim=claim), "requires_acr", f"read current_token.get({claim!r})")


def requires_recent_login(max_age: int, *, claim: str = "auth_time") -> Guard:
    """Admit only access tokens of users who logged in recently (RFC 9470); others get a challenge.

    Args:
        max_age: how many seconds ago at most, 1 or more; no leeway is added.
        claim: the claim that holds its Unix time. Auth0 writes no ``auth_time`` into access tokens; an Action can set a
            claim of yours.
    """
    requirement = recent_login_requirement(max_age, claim=claim)
    return requiring(requirement, "requires_recent_login", f"read current_token.get({claim!r})")


def has_scope(*scopes: str, **unknown: Never) -> bool:
    """Tell, inside a guarded view, whether the ``scope`` claim holds every one of *scopes*."""
    refuse_keywords("has_scope", unknown)
    return scope_requirement(scopes).is_met_by(current_token)


def has_permission(*permissions: str, **unknown: Never) -> bool:
    """Tell, inside a guarded view, whether the ``permissions`` claim holds every one of *permissions*."""
    refuse_keywords("has_permission", unknown)
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
        notify_rejected(error, access_token)
        raise error


def requiring(requirement: Requirement, name: str, question: str) -> Guard:
    """Return the guard *name* for *requirement*; *question* is what to do inside a view instead."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return guarded(function, lambda: admit(requirement), requirement)

    return Guard(name, question, decorate)


def guarded(function: Callable[P, R], guard: Callable[[], object], *requirements: Requirement) -> Callable[P, R]:
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
        raise TypeError(
            f"A guard decorates a view function, not {function!r}. If a route decorator below it returned that, put "
            "the guard below the route decorator."
        )
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
    for inner in layers_of(function):
        guarded_functions.add(inner)
    return cast("Callable[P, R]", wrapper)


def _function_behind(guard: Callable[[], object], function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        guard()
        try:
            return function(*args, **kwargs)
        except TypeError as exc:
            explain_missing_argument(exc, function, args, kwargs)
            raise

    return guarded


def _coroutine_behind(guard: Callable[[], object], function: Callable[P, Any]) -> Callable[P, Any]:
    @functools.wraps(function)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        guard()
        try:
            return await function(*args, **kwargs)
        except TypeError as exc:
            explain_missing_argument(exc, function, args, kwargs)
            raise

    return guarded


def layers_of(function: Any) -> Iterator[Any]:
    """Yield *function*, and what it stands around, from the outside in."""
    for _ in range(_MAX_LAYERS):
        if function is None:
            return
        yield function
        function = getattr(function, "__wrapped__", None)
