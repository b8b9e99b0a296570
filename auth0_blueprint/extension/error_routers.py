"""Refusals on routes of Flask-RESTX and Flask-RESTful, which turn exceptions they do not know into 500."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from flask import Flask

from auth0_blueprint.errors import Auth0Error

FRAMEWORKS = ("flask_restful", "flask_restx")


def let_refusals_through(app: Flask) -> None:
    """Have the frameworks' ``Api`` objects on *app* leave refusals to the handler of the app, as other routes do.

    An ``Api`` with a handler of its own for the refusal keeps it. Doing this twice is the same as doing it once.
    """
    for api in _apis(app):
        if not isinstance(api.handle_error, _LeavesRefusals):
            api.handle_error = _LeavesRefusals(api, api.handle_error)


class _LeavesRefusals:
    """The ``handle_error`` of *api*, except that it raises refusals: its caller then asks the app's handler."""

    def __init__(self, api: Any, handle_error: Callable[[Exception], Any]) -> None:
        self._api = api
        self._handle_error = handle_error

    def __call__(self, error: Exception) -> Any:
        if isinstance(error, Auth0Error) and not _has_handler(self._api, error):
            raise error
        return self._handle_error(error)


def _has_handler(api: Any, error: Auth0Error) -> bool:
    """Tell whether *api* was told of *error* by its class: ``errors`` in Flask-RESTful, else ``errorhandler``."""
    if type(error).__name__ in getattr(api, "errors", ()):
        return True
    handled = getattr(api, "_own_and_child_error_handlers", ())
    return any(issubclass(kind, Auth0Error) and isinstance(error, kind) for kind in handled)


def _apis(app: Flask) -> Iterator[Any]:
    """Yield each ``Api`` that has put itself in front of the app's error handler, also behind what others put there.

    Flask-RESTX and Flask-RESTful keep no list of them. Flask-CORS, too, wraps that handler, in a closure.
    """
    pending, seen = [app.handle_user_exception], set[int]()
    while pending:
        function: Any = pending.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        if isinstance(function, functools.partial):
            pending += [function.func, *function.args]
        elif inspect.ismethod(function):
            if _is_api(function.__self__):
                yield function.__self__
        elif inspect.isfunction(function):
            for cell in function.__closure__ or ():
                with suppress(ValueError):  # not filled
                    pending.append(cell.cell_contents)


def _is_api(owner: object) -> bool:
    names = [(base.__module__.partition(".")[0], base.__name__) for base in type(owner).__mro__]
    return any((framework, "Api") in names for framework in FRAMEWORKS)
