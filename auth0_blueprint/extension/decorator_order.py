"""Finds decorators in the wrong order: a cache above a guard opens the route, a guard above CORS refuses preflights."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Flask

from auth0_blueprint.guards.decorators import layers_of
from auth0_blueprint.guards.guard import Guard
from auth0_blueprint.guards.route_requirements import PUBLIC_ATTRIBUTE, marks_of, module_of_code

logger: logging.Logger = logging.getLogger("auth0_blueprint")

CACHE, GUARD, CORS = "cache", "guard", "cors"

#: Where the code of their wrappers is. Only named, so that an app without them imports none of them.
_MODULES = {
    "flask_caching": CACHE,
    "cachetools": CACHE,
    "auth0_blueprint.guards.decorators": GUARD,
    "flask_jwt_extended.view_decorators": GUARD,
    "flask_cors.decorator": CORS,
}
_LRU_CACHE: type[Any] = type(functools.lru_cache(lambda: None))


def check_decorator_order(app: Flask) -> None:
    """Refuse an app with a cache in front of a guard; warn of a guard in front of flask-cors's ``@cross_origin()``.

    Raises:
        RuntimeError: the answer of a view is cached in front of its guard, and the view is not marked `public`.
    """
    for endpoint, view in app.view_functions.items():
        for method, layers in _layers_of_methods(view):
            if _stands_above(CACHE, GUARD, layers) and not _is_public(view, method):
                raise RuntimeError(
                    f"A cache stands above the guard of endpoint {endpoint!r}, so everybody gets the first caller's "
                    "answer, also without a token. To solve this, put the guard above @cache.cached (or "
                    "@cache.memoize), and if the answer depends on the caller, so must its key. If everybody may have "
                    "the answer, mark the view @public."
                )
        for function in _functions_of(view):
            if _stands_above(GUARD, CORS, layers_of(function)):
                logger.warning(
                    "the guard of endpoint %r stands above @cross_origin(), so it refuses preflight requests: put "
                    "@cross_origin() above the guard",
                    endpoint,
                )


def _layers_of_methods(view: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each method of the class behind *view*, and all that stands around it; of a function, that alone."""
    view_class = getattr(view, "view_class", None)
    around = [*layers_of(view), *layers_of(getattr(view_class, "dispatch_request", None))]
    for name in getattr(view_class, "methods", None) or ("GET",):
        method = getattr(view_class, name.lower(), None)
        yield method, [*around, *_method_decorators(view_class, name), *layers_of(method)]


def _method_decorators(view_class: Any, name: str) -> Iterable[Any]:
    """Return what Flask-RESTX and Flask-RESTful put around the method *name* at each request, the outermost first."""
    decorators = getattr(view_class, "method_decorators", ())
    if isinstance(decorators, Mapping):
        decorators = decorators.get(name.lower(), ())
    return reversed(decorators) if isinstance(decorators, (list, tuple)) else ()


def _functions_of(view: Any) -> Iterator[Any]:
    """Yield *view* and, of a class of views, its methods."""
    yield view
    view_class = getattr(view, "view_class", None)
    for method in getattr(view_class, "methods", None) or ():
        yield getattr(view_class, method.lower(), None)


def _is_public(view: Any, function: Any) -> bool:
    marked = (view, function, getattr(view, "view_class", None))
    return any(marks_of(each).get(PUBLIC_ATTRIBUTE, False) for each in marked)


def _stands_above(outer: str, inner: str, layers: Iterable[Any]) -> bool:
    kinds = list(_kinds_of(layers))
    return outer in kinds and inner in kinds[kinds.index(outer) :]


def _kinds_of(layers: Iterable[Any]) -> Iterator[str]:
    """Yield what the known decorators among *layers*, or their wrappers, are."""
    for layer in layers:
        if isinstance(layer, _LRU_CACHE):
            yield CACHE
        if isinstance(layer, Guard):
            yield GUARD
        module = module_of_code(layer)
        kind = _MODULES.get(module) or _MODULES.get(module.partition(".")[0])
        if kind is not None:
            yield kind
