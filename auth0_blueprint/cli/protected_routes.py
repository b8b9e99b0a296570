"""The routes of an app with what guards each, as the commands list them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask
from flask.views import http_method_funcs
from werkzeug.routing import Rule

from auth0_blueprint.cli.protection import Protection, protection_of
from auth0_blueprint.guards.route_requirements import has_automatic_options
from auth0_blueprint.settings import Settings


class ProtectedRoute(NamedTuple):
    """The methods of a rule that have the same guards.

    Attributes:
        methods: in capitals, sorted.
        path: of the rule, after its host or subdomain.
        endpoint: as Flask names it.
        protection: what guards them.
    """

    methods: tuple[str, ...]
    path: str
    endpoint: str
    protection: Protection


def protected_routes(app: Flask, settings: Settings) -> list[ProtectedRoute]:
    """Return the routes of *app* that reach a view, sorted by path."""
    return sorted(_routes(app, settings), key=lambda route: (route.path, route.methods))


def _routes(app: Flask, settings: Settings) -> Iterator[ProtectedRoute]:
    for rule in app.url_map.iter_rules():
        # Neither reaches a view: Werkzeug redirects, or never matches.
        if rule.redirect_to is None and not rule.build_only:
            yield from _routes_of(app, settings, rule)


def _routes_of(app: Flask, settings: Settings, rule: Rule) -> Iterator[ProtectedRoute]:
    found: dict[tuple[str, tuple[str, ...]], tuple[Protection, list[str]]] = {}
    for method in _methods(rule):
        protection = protection_of(app, settings, rule, method)
        if protection is not None:
            found.setdefault((protection.guard, protection.labels), (protection, []))[1].append(method)
    for protection, methods in found.values():
        if "GET" in methods and "HEAD" in methods:
            methods.remove("HEAD")  # listed only where its guards differ
        yield ProtectedRoute(
            tuple(methods), f"{rule.host or rule.subdomain or ''}{rule.rule}", rule.endpoint, protection
        )


def _methods(rule: Rule) -> list[str]:
    """Return the methods that a view answers, without an ``OPTIONS`` that Flask answers automatically."""
    methods = {name.upper() for name in http_method_funcs} if rule.methods is None else set(rule.methods)
    if has_automatic_options(rule):
        methods.discard("OPTIONS")
    return sorted(methods)
