"""Access to the package's own routes, as their rows in `routes.table` say.

The operator routes need their value in the token's ``scope`` and, with RBAC, in its ``permissions``.
"""

from __future__ import annotations

from typing import Any

from flask import Response

from auth0_blueprint.errors import NotFoundError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.decorators import admit, public
from auth0_blueprint.guards.requirements import ANY_TOKEN, Requirement, permission_requirement, scope_requirement
from auth0_blueprint.guards.route_requirements import marks_of
from auth0_blueprint.routes.route_row import Route, View, imported
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken

_ROUTE_ATTRIBUTE = "__auth0_route__"
_REFUSES_ATTRIBUTE = "__auth0_only_refuses__"


def holds(access_token: AccessToken, value: str, settings: Settings) -> bool:
    """Return whether *access_token* has *value* as ``AUTH0_ADMIN_RBAC`` requires."""
    return all(requirement.is_met_by(access_token) for requirement in _requirements(value, settings))


def guarded(route: Route) -> View:
    """Return the view of *route* behind its guard and its switch."""

    def view(*args: str, **kwargs: str) -> Response:
        settings = app_state().settings
        refuse_if_hidden(route, settings)
        for requirement in requirements_of(route, settings):
            admit(requirement)
        if not route.is_on(settings):
            raise NotFoundError
        answer: Response = imported(route.view)(*args, **kwargs)
        return answer

    # What `functools.wraps` would copy, if the view were imported by now.
    view.__name__ = view.__qualname__ = route.name
    view.__module__ = route.module
    view.__doc__ = "\n".join(operation.summary for operation in route.operations)
    setattr(view, _ROUTE_ATTRIBUTE, route)
    return public(view) if route.is_open else view


def refuse_if_hidden(route: Route, settings: Settings) -> None:
    """Refuse every request to *route* while *settings* hide it.

    Raises:
        NotFoundError: ``AUTH0_ADMIN`` is off, and *route* is for admins; or it is for anyone, and is off itself.
    """
    if route.is_hidden(settings):
        raise NotFoundError


def mark_as_refusing(view: View) -> None:
    """Record on *view*, for `settings_requirements`, that it only refuses."""
    setattr(view, _REFUSES_ATTRIBUTE, True)


def route_of(view: Any) -> Route | None:
    """Return the row of which `guarded` made *view*, if it did."""
    route: Route | None = marks_of(view).get(_ROUTE_ATTRIBUTE)
    return route


def is_of_package(view: Any) -> bool:
    """Tell whether *view* is one of the package's own."""
    return route_of(view) is not None or bool(marks_of(view).get(_REFUSES_ATTRIBUTE, False))


def settings_requirements(view: Any, settings: Settings) -> tuple[Requirement, ...] | None:
    """Return what *settings* make *view* require, or ``None`` if it only refuses or they turn it off."""
    if marks_of(view).get(_REFUSES_ATTRIBUTE, False):
        return None
    route = route_of(view)
    if route is None:
        return ()
    if route.is_hidden(settings):
        return None
    return requirements_of(route, settings)


def requirements_of(route: Route, settings: Settings) -> tuple[Requirement, ...]:
    """Return what *route* requires, in the order in which it is checked."""
    if route.is_open:
        return ()
    return (ANY_TOKEN,) if route.guard == "token" else _requirements(getattr(settings, route.guard), settings)


def _requirements(value: str, settings: Settings) -> tuple[Requirement, ...]:
    # Without RBAC any client may request any scope. A scope without its permission was obtained just like that.
    return (
        (scope_requirement((value,)), permission_requirement((value,)))
        if settings.admin_rbac
        else (scope_requirement((value,)),)
    )
