"""Who may use the routes for operators: whoever has their value in ``scope``, and with RBAC in ``permissions``."""

from __future__ import annotations

import functools
from collections.abc import Callable

from flask import Response

from auth0_blueprint.access_token import AccessToken
from auth0_blueprint.current import app_state
from auth0_blueprint.decorators import admit
from auth0_blueprint.demands import permission_demand, scope_demand
from auth0_blueprint.errors import NotFoundError
from auth0_blueprint.settings import Settings

View = Callable[..., Response]


def holds(access_token: AccessToken, value: str, settings: Settings) -> bool:
    """Tell whether *access_token* holds *value* as ``AUTH0_ADMIN_RBAC`` demands."""
    return value in access_token.scopes and (not settings.admin_rbac or value in access_token.permissions)


def for_admins(view: View) -> View:
    """Guard *view* by ``AUTH0_ADMIN_SCOPE``; without ``AUTH0_ADMIN`` there is no such route."""

    @functools.wraps(view)
    def guarded(*args: str, **kwargs: str) -> Response:
        refuse_if_off()
        settings = app_state().settings
        _admit(settings.admin_scope, settings)
        return view(*args, **kwargs)

    return guarded


def refuse_if_off() -> None:
    """Refuse whatever is asked of a route for admins where there are none.

    Raises:
        NotFoundError: ``AUTH0_ADMIN`` is off.
    """
    if not app_state().settings.admin:
        raise NotFoundError


def for_introspection(view: View) -> View:
    """Guard *view* by ``AUTH0_INTROSPECTION_SCOPE``."""

    @functools.wraps(view)
    def guarded() -> Response:
        settings = app_state().settings
        _admit(settings.introspection_scope, settings)
        return view()

    return guarded


def _admit(value: str, settings: Settings) -> None:
    admit(scope_demand((value,)))
    # Without RBAC any client may ask for any scope. Whoever has a scope and not the permission did just that.
    if settings.admin_rbac:
        admit(permission_demand((value,)))
