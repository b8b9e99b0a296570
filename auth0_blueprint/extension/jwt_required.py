"""Recognizes flask-jwt-extended's ``@jwt_required()``: for ``flask auth0 routes`` and ``inspect``, and to check it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from flask_jwt_extended import view_decorators
from flask_jwt_extended.config import config

from auth0_blueprint.extension.jwt_in_request import admits_nobody, refuse_other_locations
from auth0_blueprint.guards.decorators import layers_of

logger: logging.Logger = logging.getLogger("auth0_blueprint")


def jwt_requirements(function: Any, method: str) -> list[bool]:
    """Return whether a token is required, for each ``@jwt_required()`` on *function* that applies to *method*.

    A decorator that is not recognized is left out, so the view counts as open rather than as guarded.
    """
    if method in config.exempt_methods:
        return []
    requirements = [jwt_requirement(layer) for layer in layers_of(function)]
    return [requirement for requirement in requirements if requirement is not None]


def jwt_requirement(function: Any) -> bool | None:
    """Return whether *function*, as a ``@jwt_required()``, requires a token; ``None`` if it is not one."""
    is_optional = _arguments(function).get("optional") if hasattr(function, "__wrapped__") else None
    return not is_optional if isinstance(is_optional, bool) else None


def check_arguments(app: Flask) -> None:
    """Check the arguments of each ``jwt_required()`` on *app*; those that admit nobody are logged.

    Raises:
        RuntimeError: one looks for tokens elsewhere than in the header; names it and the remedy.
    """
    for hooks in app.before_request_funcs.values():
        for hook in hooks:
            _check(hook, " on a before_request function")
    for endpoint, view in app.view_functions.items():
        for function in (view, *_members(getattr(view, "view_class", None))):
            _check(function, f" on endpoint {endpoint!r}")


def _check(function: Any, where: str) -> None:
    for layer in layers_of(function):
        arguments = _arguments(layer)
        refuse_other_locations(arguments.get("locations"), where)
        problem = admits_nobody(fresh=arguments.get("fresh"), refresh=arguments.get("refresh"), where=where)
        if problem is not None:
            logger.warning("%s", problem)


def _members(view_class: Any) -> Iterator[Any]:
    """Yield what may carry a guard in *view_class*: its methods, and the decorators that frameworks apply to them."""
    if view_class is None:
        return
    for method in getattr(view_class, "methods", None) or ():
        yield getattr(view_class, method.lower(), None)
    # Of Flask-RESTX and Flask-RESTful, where it may be a mapping of methods to decorators.
    decorators = getattr(view_class, "method_decorators", ())
    for group in decorators.values() if isinstance(decorators, Mapping) else (decorators,):
        yield from group if isinstance(group, (list, tuple)) else (group,)


def _arguments(function: Any) -> Mapping[str, Any]:
    """Return the arguments of the ``jwt_required()`` that returned *function*; nothing if none did."""
    if getattr(function, "__globals__", None) is not vars(view_decorators):
        return {}
    return inspect.getclosurevars(function).nonlocals
