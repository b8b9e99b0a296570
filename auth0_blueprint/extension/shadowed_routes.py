"""Finds routes of the app and of the blueprint that have the same path, so that one of them is never reached."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from auth0_blueprint.guards.route_requirements import has_automatic_options
from auth0_blueprint.routes.access import is_of_package, settings_requirements
from auth0_blueprint.settings import Settings

logger: logging.Logger = logging.getLogger("auth0_blueprint")


class ShadowedRoute(NamedTuple):
    """A route that is never reached, for some methods.

    Attributes:
        methods: for which it is not.
        path: of both routes.
        endpoint: of the one that is not reached.
        answering: the endpoint of the other.
    """

    methods: tuple[str, ...]
    path: str
    endpoint: str
    answering: str


def warn_of_shadowed_routes(app: Flask, settings: Settings) -> None:
    """Log each route of *app* that one of ours hides, and each of ours that one of the app hides."""
    for shadowed in shadowed_routes_of(app, settings):
        logger.warning(
            "%s %s: endpoint %r is never reached, because %r has the same path and was added first. To solve this, "
            "pass another url_prefix= to Auth0Blueprint, or change the path of the app's route",
            ",".join(shadowed.methods),
            shadowed.path,
            shadowed.endpoint,
            shadowed.answering,
        )


def shadowed_routes_of(app: Flask, settings: Settings) -> Iterator[ShadowedRoute]:
    """Yield each route that is never reached, of two of which one is the app's and the other ours."""
    by_place: dict[tuple[object, ...], list[Rule]] = {}
    for rule in app.url_map.iter_rules():
        if not rule.build_only and rule.redirect_to is None:
            by_place.setdefault((rule.rule, rule.host, rule.subdomain, rule.websocket), []).append(rule)
    for rules in by_place.values():
        ours = [rule for rule in rules if _is_ours(app, rule)]
        for our in ours:
            for other in rules if len(ours) < len(rules) else ():
                if not _is_ours(app, other):
                    yield from _hidden_of(app, settings, our, other)


def _hidden_of(app: Flask, settings: Settings, ours: Rule, other: Rule) -> Iterator[ShadowedRoute]:
    methods = sorted(_methods(ours) & _methods(other))
    if not methods or (hidden := _hidden(app, ours, other, methods[0])) is None:
        return
    # Nothing is lost with one of ours that only refuses, or that a setting turns off.
    if hidden is other or settings_requirements(app.view_functions[ours.endpoint], settings) is not None:
        answering = ours if hidden is other else other
        yield ShadowedRoute(tuple(methods), other.rule, hidden.endpoint, answering.endpoint)


def _hidden(app: Flask, ours: Rule, other: Rule, method: str) -> Rule | None:
    """Return which of two rules is not reached, as the routing of *app* itself says."""
    of_host = app.url_map.host_matching
    try:
        # Of an unknown converter, in the prefix of the blueprint, this may be no value.
        domain, path = ours.build(dict.fromkeys(ours.arguments, "1"), append_unknown=False) or ("", "")
        adapter = app.url_map.bind(domain if of_host else "localhost", subdomain=None if of_host else domain)
        found, _ = adapter.match(path, method, return_rule=True, websocket=ours.websocket)
    except (HTTPException, ValueError, TypeError, LookupError, AttributeError):
        return None  # also where another route redirects: neither is reached
    return {id(ours): other, id(other): ours}.get(id(found))


def _is_ours(app: Flask, rule: Rule) -> bool:
    return is_of_package(app.view_functions.get(rule.endpoint))


def _methods(rule: Rule) -> set[str]:
    """Return the methods of *rule* that its view itself answers: each that ours have if it names none."""
    methods = (
        {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} if rule.methods is None else set(rule.methods) - {"HEAD"}
    )
    return methods - {"OPTIONS"} if has_automatic_options(rule) else methods
