"""Access to the operator routes: the token needs their value in ``scope`` and, with RBAC, in ``permissions``."""

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
#: What the settings require for a route; ``None`` where they turn the route off.
SettingsRequirements = Callable[[Settings], tuple[Requirement, ...] | None]

_SETTINGS_REQUIREMENTS_ATTRIBUTE = "__auth0_settings_requirements__"


def holds(access_token: AccessToken, value: str, settings: Settings) -> bool:
    """Return whether *access_token* has *value* as ``AUTH0_ADMIN_RBAC`` requires."""
    return value in access_token.scopes and (not settings.admin_rbac or value in access_token.permissions)


def for_admins(view: View) -> View:
    """Guard *view* by ``AUTH0_ADMIN_SCOPE``; with ``AUTH0_ADMIN`` off, it answers 404."""
    return _guarded(view, lambda settings: _requirements(settings.admin_scope, settings) if settings.admin else None)


def for_introspection(view: View) -> View:
    """Guard *view* by ``AUTH0_INTROSPECTION_SCOPE``."""
    return _guarded(view, lambda settings: _requirements(settings.introspection_scope, settings))


def refuse_if_off() -> None:
    """Refuse every request to an admin route while these are off.

    Raises:
        NotFoundError: ``AUTH0_ADMIN`` is off.
    """
    if not app_state().settings.admin:
        raise NotFoundError


def mark_requirements(view: View, requirements: SettingsRequirements) -> None:
    """Record on *view*, for `settings_requirements`, what it requires under given settings."""
    setattr(view, _SETTINGS_REQUIREMENTS_ATTRIBUTE, requirements)


def settings_requirements(view: Any, settings: Settings) -> tuple[Requirement, ...] | None:
    """Return what *settings* make *view* require, or ``None`` if they turn it off."""
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
    # Without RBAC any client may request any scope. A scope without its permission was obtained just like that.
    return (
        (scope_requirement((value,)), permission_requirement((value,)))
        if settings.admin_rbac
        else (scope_requirement((value,)),)
    )
