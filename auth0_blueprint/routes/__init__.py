"""The package's own routes. All answer JSON with ``no-store``, and read credentials only from the header."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request
from werkzeug.routing import PathConverter

from auth0_blueprint.errors import MethodNotAllowedError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.decorators import public
from auth0_blueprint.guards.unread_body import read_body_after_answer
from auth0_blueprint.routes.access import guarded, mark_as_refusing, refuse_if_hidden
from auth0_blueprint.routes.route_row import Route, View
from auth0_blueprint.routes.route_table import RESOURCE_METADATA, ROUTES

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class AnyTextConverter(PathConverter):
    """The rest of a path, unrestricted: a subject may begin with a slash or contain a line break."""

    part_isolating = False
    regex = "(?s:.*)"


def add_routes(blueprint: Blueprint) -> None:
    """Add every route to *blueprint*."""
    blueprint.record(lambda state: state.app.url_map.converters.update(auth0_any_text=AnyTextConverter))
    blueprint.after_request(_read_body_after_error)
    for route in ROUTES:
        _add(blueprint, route)


def add_route_for_metadata(app: Flask, blueprint: str, path: str) -> None:
    """Add the metadata route to *app*, at its root: a route of *blueprint*, but without its prefix."""
    _add(app, RESOURCE_METADATA._replace(path=path), prefix=f"{blueprint}.")


def _read_body_after_error(response: Response) -> Response:
    # A wrong method, or a body that is too large: nothing has read it.
    return read_body_after_answer(response) if response.status_code >= 400 else response


def _add(owner: Blueprint | Flask, route: Route, *, prefix: str = "") -> None:
    others = tuple(method for method in (*_METHODS, "OPTIONS") if method not in route.methods)
    for endpoint, view, methods in (
        (route.name, guarded(route), route.methods),
        (f"{route.name}_other_methods", _answer_to_other_methods(route), others),
    ):
        owner.add_url_rule(
            route.path,
            f"{prefix}{endpoint}",
            view,
            methods=methods,
            provide_automatic_options=False,
            merge_slashes=False,  # a subject may contain slashes, even two in a row
        )


def _answer_to_other_methods(route: Route) -> View:
    """Return the view that answers ``OPTIONS``, and 405 to the methods that *route* does not have.

    A blueprint's error handler does not run when no route has the method, and the app's is not ours to replace.
    """
    allowed = (*route.methods, "HEAD", "OPTIONS") if "GET" in route.methods else (*route.methods, "OPTIONS")

    @public
    def answer_other_methods(**_names: str) -> Response:
        refuse_if_hidden(route, app_state().settings)
        if request.method != "OPTIONS":
            raise MethodNotAllowedError(allowed)
        # Flask's own answer would list the refused methods as allowed.
        return Response(headers={"Allow": ", ".join(allowed), "Cache-Control": "no-store"})

    mark_as_refusing(answer_other_methods)
    return answer_other_methods
