"""Recognizes flask-jwt-extended's ``@jwt_required()`` on a view: for ``flask auth0 routes`` and ``inspect``."""

from __future__ import annotations

import inspect
from typing import Any

from flask_jwt_extended import view_decorators
from flask_jwt_extended.config import config

from auth0_blueprint.guards.decorators import layers_of


def jwt_requirements(function: Any, method: str) -> list[bool]:
    """Return whether a token is required, for each ``@jwt_required()`` on *function* that applies to *method*.

    A decorator that is not recognized is left out, so the view counts as open rather than as guarded.
    """
    if method in config.exempt_methods:
        return []
    requirements = map(jwt_requirement, layers_of(function))
    return [requirement for requirement in requirements if requirement is not None]


def jwt_requirement(function: Any) -> bool | None:
    """Return whether *function*, as a ``@jwt_required()``, requires a token; ``None`` if it is not one."""
    if not hasattr(function, "__wrapped__") or getattr(function, "__globals__", None) is not vars(view_decorators):
        return None
    is_optional = inspect.getclosurevars(function).nonlocals.get("optional")
    return not is_optional if isinstance(is_optional, bool) else None
