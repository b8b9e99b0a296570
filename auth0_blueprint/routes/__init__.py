"""The package's own routes. All answer JSON that is never stored, and read their credentials from the header only."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.routing import PathConverter

from auth0_blueprint.decorators import public
from auth0_blueprint.errors import MethodNotAllowedError
from auth0_blueprint.routes.access import for_admins, for_introspection, refuse_if_off
from auth0_blueprint.routes.admin import config, jwks, refresh, stats
from auth0_blueprint.routes.health import health, live
from auth0_blueprint.routes.introspection import introspect
from auth0_blueprint.routes.me import me
from auth0_blueprint.routes.revocations import look_up_or_lift, revoke

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def add_routes(blueprint: Blueprint) -> None:
    """Add every route to *blueprint*."""
    _add(blueprint, "/health", ("GET",), public(health))
    _add(blueprint, "/health/live", ("GET",), public(live))
    _add(blueprint, "/me", ("GET",), me)
    _add(blueprint, "/introspect", ("POST",), for_introspection(introspect))
    _add_for_admins(blueprint, "/config", ("GET",), config)
    _add_for_admins(blueprint, "/jwks", ("GET",), jwks)
    _add_for_admins(blueprint, "/jwks/refresh", ("POST",), refresh)
    _add_for_admins(blueprint, "/stats", ("GET",), stats)
    _add_for_admins(blueprint, "/revocations", ("POST",), revoke)
    blueprint.record(_add_converter)
    _add_for_admins(blueprint, "/revocations/<kind>/<auth0_text:value>", ("GET", "DELETE"), look_up_or_lift)


class _TextConverter(PathConverter):
    """Any text at all: a claim may begin with a slash, too, or hold line ends."""

    regex = "(?s:.+)"
    part_isolating = False


def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["auth0_text"] = _TextConverter


def _add_for_admins(blueprint: Blueprint, rule: str, methods: tuple[str, ...], view: Callable[..., Response]) -> None:
    _add(blueprint, f"/admin{rule}", methods, for_admins(view), refuse_if_off)


def _add(
    blueprint: Blueprint,
    rule: str,
    methods: tuple[str, ...],
    view: Callable[..., Response],
    refuse: Callable[[], None] = lambda: None,
) -> None:
    # A subject may hold slashes, also two in a row.
    blueprint.add_url_rule(rule, view.__name__, view, methods=methods, merge_slashes=False)
    # A blueprint's handler is not asked when no route has the method, and the app's own is not ours to replace.
    refused = tuple(method for method in _METHODS if method not in methods)
    allowed = (*methods, "HEAD", "OPTIONS") if "GET" in methods else (*methods, "OPTIONS")

    @public
    def refuse_method(**_names: str) -> Response:
        refuse()
        raise MethodNotAllowedError(allowed)

    blueprint.add_url_rule(
        rule,
        f"{view.__name__}_other_methods",
        refuse_method,
        methods=refused,
        provide_automatic_options=False,
        merge_slashes=False,
    )
