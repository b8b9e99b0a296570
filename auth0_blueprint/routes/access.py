"""Who may use the package's own routes, as their rows in `routes.table` say it.

The routes for operators are for whoever has their value in ``scope``, and with RBAC in ``permissions``.
"""

from __future__ import annotations

import functools
from typing import Any

from flask import Response

from auth0_blueprint.errors import NotFoundError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.decorators import admit, public
from auth0_blueprint.guards.requirements import ANY_TOKEN, Requirement, permission_requirement, scope_requirement
from auth0_blueprint.guards.route_requirements import marks_of
from auth0_blueprint.routes.route import Route, View
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken

_ROUTE_ATTRIBUTE = "__auth0_route__"
_REFUSES_ATTRIBUTE = "__auth0_only_refuses__"


def holds(access_token: AccessToken, value: str, settings: Settings) -> bool:
    """Tell whether *access_token* holds *value* as ``AUTH0_ADMIN_RBAC`` demands."""
    return value in access_token.scopes and (not settings.admin_rbac or value in access_token.permissions)


def guarded(route: Route) -> View:
    """Return the view of *route* behind its guard and its switch."""

    @functools.wraps(route.view)
    def view(*args: str, **kwargs: str) -> Response:
        settings = app_state().settings
        refuse_if_hidden(route, settings)
        for requirement in _requirements_of(route, settings):
            admit(requirement)
        if not route.is_on(settings):
            raise NotFoundError
        return route.view(*args, **kwargs)

    setattr(view, _ROUTE_ATTRIBUTE, route)
    return public(view) if route.is_open else view


def refuse_if_hidden(route: Route, settings: Settings) -> None:
    """Refuse whatever is asked of *route* if with *settings* there is none.

    Raises:
        NotFoundError: ``AUTH0_ADMIN`` is off, and *route* is for admins.
    """
    if route.is_hidden(settings):
        raise NotFoundError


def mark_as_refusing(view: View) -> None:
    """Write on *view*, for `settings_requirements`, that it does nothing but refuse."""
    setattr(view, _REFUSES_ATTRIBUTE, True)


def route_of(view: Any) -> Route | None:
    """Return the row that *view*, registered on an app, was made from."""
    route: Route | None = marks_of(view).get(_ROUTE_ATTRIBUTE)
    return route


def settings_requirements(view: Any, settings: Settings) -> tuple[Requirement, ...] | None:
    """Return what *view* demands because *settings* say so, or ``None`` if with these it only refuses."""
    if marks_of(view).get(_REFUSES_ATTRIBUTE, False):
        return None
    route = route_of(view)
    if route is None:
        return ()
    if route.is_hidden(settings) or (route.is_open and not route.is_on(settings)):
        return None
    return _requirements_of(route, settings)


def _requirements_of(route: Route, settings: Settings) -> tuple[Requirement, ...]:
    """Return what is demanded of whoever uses *route*, in the order in which it is asked."""
    if route.is_open:
        return ()
    return (ANY_TOKEN,) if route.guard == "token" else _requirements(getattr(settings, route.guard), settings)


def _requirements(value: str, settings: Settings) -> tuple[Requirement, ...]:
    # Without RBAC any client may ask for any scope. Whoever has a scope and not the permission did just that.
    return (
        (scope_requirement((value,)), permission_requirement((value,)))
        if settings.admin_rbac
        else (scope_requirement((value,)),)
    )
