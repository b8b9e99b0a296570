"""The package's own routes. All answer JSON with ``no-store``, and read credentials only from the header."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask, Response, request
from werkzeug.routing import PathConverter

from auth0_blueprint.errors import MethodNotAllowedError
from auth0_blueprint.guards.decorators import public
from auth0_blueprint.routes.access import for_admins, for_introspection, mark_requirements, refuse_if_off
from auth0_blueprint.routes.admin import config, jwks, refresh, stats
from auth0_blueprint.routes.health import health, live
from auth0_blueprint.routes.introspection import introspect
from auth0_blueprint.routes.me import me
from auth0_blueprint.routes.openapi import openapi
from auth0_blueprint.routes.resource_metadata import resource_metadata
from auth0_blueprint.routes.revocations import look_up_or_lift, revoke

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class AnyTextConverter(PathConverter):
    """The rest of a path, unrestricted: a subject may begin with a slash or contain a line break."""

    part_isolating = False
    regex = "(?s:.*)"


def add_routes(blueprint: Blueprint) -> None:
    """Add every route to *blueprint*."""
    blueprint.record(lambda state: state.app.url_map.converters.update(auth0_any_text=AnyTextConverter))
    _add(blueprint, "/health", ("GET",), public(health))
    _add(blueprint, "/health/live", ("GET",), public(live))
    _add(blueprint, "/openapi.json", ("GET",), openapi)
    _add(blueprint, "/me", ("GET",), me)
    _add(blueprint, "/introspect", ("POST",), for_introspection(introspect))
    _add_for_admins(blueprint, "/config", ("GET",), config)
    _add_for_admins(blueprint, "/jwks", ("GET",), jwks)
    _add_for_admins(blueprint, "/jwks/refresh", ("POST",), refresh)
    _add_for_admins(blueprint, "/stats", ("GET",), stats)
    _add_for_admins(blueprint, "/revocations", ("POST",), revoke)
    _add_for_admins(blueprint, "/revocations/<kind>/<auth0_any_text:value>", ("GET", "DELETE"), look_up_or_lift)


def add_route_for_metadata(app: Flask, blueprint: str, path: str) -> None:
    """Add the metadata route to *app*, at its root: a route of *blueprint*, but without its prefix."""
    _add(app, path, ("GET",), resource_metadata, prefix=f"{blueprint}.")


def _add_for_admins(blueprint: Blueprint, rule: str, methods: tuple[str, ...], view: Callable[..., Response]) -> None:
    _add(blueprint, f"/admin{rule}", methods, for_admins(view), refuse_if_off)


def _add(
    owner: Blueprint | Flask,
    rule: str,
    methods: tuple[str, ...],
    view: Callable[..., Response],
    refuse: Callable[[], None] = lambda: None,
    *,
    prefix: str = "",
) -> None:
    allowed = (*methods, "HEAD", "OPTIONS") if "GET" in methods else (*methods, "OPTIONS")

    # A blueprint's error handler does not run when no route has the method, and the app's is not ours to replace.
    @public
    def answer_other_methods(**_names: str) -> Response:
        refuse()
        if request.method != "OPTIONS":
            raise MethodNotAllowedError(allowed)
        # Flask's own answer would list the refused methods as allowed.
        return Response(headers={"Allow": ", ".join(allowed), "Cache-Control": "no-store"})

    mark_requirements(answer_other_methods, lambda _settings: None)  # it only refuses
    others = tuple(method for method in (*_METHODS, "OPTIONS") if method not in methods)
    for endpoint, function, of_rule in (
        (f"{prefix}{view.__name__}", view, methods),
        (f"{prefix}{view.__name__}_other_methods", answer_other_methods, others),
    ):
        owner.add_url_rule(
            rule,
            endpoint,
            function,
            methods=of_rule,
            provide_automatic_options=False,
            merge_slashes=False,  # a subject may contain slashes, even two in a row
        )
