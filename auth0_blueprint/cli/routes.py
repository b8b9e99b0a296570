"""``flask auth0 routes``: shows each route of the app and what guards it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
from flask import Flask, current_app
from flask.views import http_method_funcs
from werkzeug.routing import Rule

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.output import json_option, print_json, print_lines, printable, table
from auth0_blueprint.cli.protection import GUARDED, NONE, protection_of
from auth0_blueprint.extension.leftover_parameters import LeftoverParameter, leftover_parameters_of
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.misused_guards import MisusedGuard, misused_guards_of
from auth0_blueprint.guards.route_requirements import has_automatic_options
from auth0_blueprint.settings import Settings

_REMEDY = (
    "To solve this, put a guard below the route decorator, call protect() on the blueprint or the app, or mark the "
    "view @public."
)
_ASKED_INSIDE = "These functions call guards inside, where they check nothing:"
_UNFILLED = (
    "These parameters are filled by no route, and guards pass no claims to views. To solve this, remove each, and read "
    "current_token instead:"
)


class Row(NamedTuple):
    """One line of the table: the methods of a rule that have the same guards."""

    methods: tuple[str, ...]
    path: str
    endpoint: str
    guard: str
    requirements: tuple[str, ...]


@click.command("routes", cls=Command, short_help="Show each route of this app and what guards it.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 if a route is unguarded and not marked @public, asks a guard inside, or cannot be called.",
)
@json_option
@with_app
def command(strict: bool, as_json: bool) -> None:
    """Show each route of this app and what guards it. Sends no requests.

    GUARD is what the guards require of the token, or "optional", "public", "sender" (of events), "static", or "-" for
    none. Guards that a view calls inside itself, where they check nothing, are named below the table, and so are
    parameters of views that their routes do not fill.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    rows = sorted(_rows(app, app_state().settings), key=lambda row: (row.path, row.methods))
    unguarded = [row for row in rows if row.guard == NONE]
    misused, leftover = list(misused_guards_of(app)), list(dict.fromkeys(leftover_parameters_of(app)))
    if as_json:
        print_json(
            {
                "routes": [_members(row) for row in rows],
                "unguarded": len(unguarded),
                "asked_inside": [_members_of_misuse(one) for one in misused],
                "unfilled_parameters": [one._asdict() for one in leftover],
            }
        )
    else:
        print_lines(table([["METHODS", "PATH", "ENDPOINT", "GUARD"], *map(_cells, rows)]))
    findings = [_ASKED_INSIDE, *map(_misuse, misused)] if misused else []
    findings += [_UNFILLED, *map(_leftover, leftover)] if leftover else []
    if strict and unguarded:
        findings += [_count(unguarded), *map(_name, unguarded), _REMEDY]
    if strict and findings:
        raise CommandError("\n".join(findings))
    for line in findings:
        click.echo(line, err=True)


def _rows(app: Flask, settings: Settings) -> Iterator[Row]:
    for rule in app.url_map.iter_rules():
        # Neither reaches a view: Werkzeug redirects, or never matches.
        if rule.redirect_to is None and not rule.build_only:
            yield from _rows_of(app, settings, rule)


def _rows_of(app: Flask, settings: Settings, rule: Rule) -> Iterator[Row]:
    methods_under: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for method in _methods(rule):
        protection = protection_of(app, settings, rule, method)
        if protection is not None:
            methods_under.setdefault((protection.guard, protection.labels), []).append(method)
    for (guard, requirements), methods in methods_under.items():
        if "GET" in methods and "HEAD" in methods:
            methods.remove("HEAD")  # listed only where its guards differ
        yield Row(tuple(methods), f"{rule.host or rule.subdomain or ''}{rule.rule}", rule.endpoint, guard, requirements)


def _methods(rule: Rule) -> list[str]:
    """Return the methods that a view answers, without an ``OPTIONS`` that Flask answers automatically."""
    methods = {name.upper() for name in http_method_funcs} if rule.methods is None else set(rule.methods)
    if has_automatic_options(rule):
        methods.discard("OPTIONS")
    return sorted(methods)


def _cells(row: Row) -> list[str]:
    return [", ".join(row.methods), printable(row.path), printable(row.endpoint), _guard(row)]


def _guard(row: Row) -> str:
    if row.guard == GUARDED:
        return printable("; ".join(row.requirements))
    return "-" if row.guard == NONE else row.guard


def _members(row: Row) -> dict[str, object]:
    return {
        "methods": row.methods,
        "path": row.path,
        "endpoint": row.endpoint,
        "guard": row.guard,
        "demands": row.requirements,
    }


def _count(unguarded: list[Row]) -> str:
    return "1 route is unguarded:" if len(unguarded) == 1 else f"{len(unguarded)} routes are unguarded:"


def _name(row: Row) -> str:
    return f"  {', '.join(row.methods)} {printable(row.path)} ({printable(row.endpoint)})"


def _misuse(misused: MisusedGuard) -> str:
    return f"  {misused.name}() in {printable(misused.place)}. To solve this, {misused.remedy}."


def _leftover(leftover: LeftoverParameter) -> str:
    function, path = printable(leftover.function), printable(leftover.path)
    return f"  {printable(leftover.parameter)} in {function} ({printable(leftover.endpoint)}), {path}"


def _members_of_misuse(misused: MisusedGuard) -> dict[str, object]:
    return {"guard": misused.name, "function": misused.function, "file": misused.file, "line": misused.line}
