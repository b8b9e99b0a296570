"""Who may use the routes for operators: whoever has their value in ``scope``, and with RBAC in ``permissions``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Response

from auth0_blueprint.errors import NotFoundError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.decorators import admit
from auth0_blueprint.guards.requirements import Requirement, permission_requirement, scope_requirement
from auth0_blueprint.guards.route_requirements import marks_of
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken

View = Callable[..., Response]
#: What is demanded by the settings, or ``None`` where with these there is no such route.
SettingsRequirements = Callable[[Settings], tuple[Requirement, ...] | None]

_SETTINGS_REQUIREMENTS_ATTRIBUTE = "__auth0_settings_requirements__"


def holds(access_token: AccessToken, value: str, settings: Settings) -> bool:
    """Tell whether *access_token* holds *value* as ``AUTH0_ADMIN_RBAC`` requires."""
    return all(requirement.is_met_by(access_token) for requirement in _requirements(value, settings))


def for_admins(view: View) -> View:
    """Guard *view* by ``AUTH0_ADMIN_SCOPE``; without ``AUTH0_ADMIN`` there is no such route."""
    return _guarded(view, lambda settings: _requirements(settings.admin_scope, settings) if settings.admin else None)


def for_introspection(view: View) -> View:
    """Guard *view* by ``AUTH0_INTROSPECTION_SCOPE``."""
    return _guarded(view, lambda settings: _requirements(settings.introspection_scope, settings))


def refuse_if_off() -> None:
    """Refuse whatever is asked of a route for admins where there are none.

    Raises:
        NotFoundError: ``AUTH0_ADMIN`` is off.
    """
    if not app_state().settings.admin:
        raise NotFoundError


def mark_requirements(view: View, requirements: SettingsRequirements) -> None:
    """Write on *view*, for `settings_requirements`, what it makes of the settings."""
    setattr(view, _SETTINGS_REQUIREMENTS_ATTRIBUTE, requirements)


def settings_requirements(view: Any, settings: Settings) -> tuple[Requirement, ...] | None:
    """Return what *view* demands because *settings* say so, or ``None`` if with these it only refuses."""
    requirements: SettingsRequirements = marks_of(view).get(_SETTINGS_REQUIREMENTS_ATTRIBUTE, lambda _settings: ())
    return requirements(settings)


def _guarded(view: View, requirements_of: SettingsRequirements) -> View:
    @functools.wraps(view)
    def guarded(*args: str, **kwargs: str) -> Response:
        requirements = requirements_of(app_state().settings)
        if requirements is None:
            raise NotFoundError
        for requirement in requirements:
            admit(requirement)
        return view(*args, **kwargs)

    mark_requirements(guarded, requirements_of)
    return guarded


def _requirements(value: str, settings: Settings) -> tuple[Requirement, ...]:
    # Without RBAC any client may ask for any scope. Whoever has a scope and not the permission did just that.
    return (
        (scope_requirement((value,)), permission_requirement((value,)))
        if settings.admin_rbac
        else (scope_requirement((value,)),)
    )
