"""Who may use the routes for operators: whoever has their value in ``scope``, and with RBAC in ``permissions``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Response

from auth0_blueprint.access_token import AccessToken
from auth0_blueprint.current import app_state
from auth0_blueprint.decorators import admit
from auth0_blueprint.demands import Demand, permission_demand, scope_demand
from auth0_blueprint.errors import NotFoundError
from auth0_blueprint.route import marks_of
from auth0_blueprint.settings import Settings

View = Callable[..., Response]
#: What is demanded by the settings, or ``None`` where with these there is no such route.
SettingsDemands = Callable[[Settings], tuple[Demand, ...] | None]

_SETTINGS_DEMANDS_ATTRIBUTE = "__auth0_settings_demands__"


def holds(access_token: AccessToken, value: str, settings: Settings) -> bool:
    """Tell whether *access_token* holds *value* as ``AUTH0_ADMIN_RBAC`` demands."""
    return value in access_token.scopes and (not settings.admin_rbac or value in access_token.permissions)


def for_admins(view: View) -> View:
    """Guard *view* by ``AUTH0_ADMIN_SCOPE``; without ``AUTH0_ADMIN`` there is no such route."""
    return _guarded(view, lambda settings: _demands(settings.admin_scope, settings) if settings.admin else None)


def for_introspection(view: View) -> View:
    """Guard *view* by ``AUTH0_INTROSPECTION_SCOPE``."""
    return _guarded(view, lambda settings: _demands(settings.introspection_scope, settings))


def refuse_if_off() -> None:
    """Refuse whatever is asked of a route for admins where there are none.

    Raises:
        NotFoundError: ``AUTH0_ADMIN`` is off.
    """
    if not app_state().settings.admin:
        raise NotFoundError


def mark_demands(view: View, demands: SettingsDemands) -> None:
    """Write on *view*, for `settings_demands`, what it makes of the settings."""
    setattr(view, _SETTINGS_DEMANDS_ATTRIBUTE, demands)


def settings_demands(view: Any, settings: Settings) -> tuple[Demand, ...] | None:
    """Return what *view* demands because *settings* say so, or ``None`` if with these it only refuses."""
    demands: SettingsDemands = marks_of(view).get(_SETTINGS_DEMANDS_ATTRIBUTE, lambda _settings: ())
    return demands(settings)


def _guarded(view: View, demands_of: SettingsDemands) -> View:
    @functools.wraps(view)
    def guarded(*args: str, **kwargs: str) -> Response:
        demands = demands_of(app_state().settings)
        if demands is None:
            raise NotFoundError
        for demand in demands:
            admit(demand)
        return view(*args, **kwargs)

    mark_demands(guarded, demands_of)
    return guarded


def _demands(value: str, settings: Settings) -> tuple[Demand, ...]:
    # Without RBAC any client may ask for any scope. Whoever has a scope and not the permission did just that.
    return (scope_demand((value,)), permission_demand((value,))) if settings.admin_rbac else (scope_demand((value,)),)
