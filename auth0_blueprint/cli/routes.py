"""``flask auth0 routes``: shows each route of the app and what guards it."""

from __future__ import annotations

import click
from flask import Flask, current_app

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.output import json_option, print_json, print_lines, printable, table
from auth0_blueprint.cli.protected_routes import ProtectedRoute, protected_routes
from auth0_blueprint.cli.protection import GUARDED, NONE
from auth0_blueprint.extension.leftover_parameters import LeftoverParameter, leftover_parameters_of
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.misused_guards import MisusedGuard, misused_guards_of

_REMEDY = (
    "To solve this, put a guard below the route decorator, call protect() on the blueprint or the app, or mark the "
    "view @public."
)
_ASKED_INSIDE = "These functions call guards inside, where they check nothing:"
_UNFILLED = (
    "These parameters are filled by no route, and guards pass no claims to views. To solve this, remove each, and read "
    "current_token instead:"
)


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
    rows = protected_routes(app, app_state().settings)
    unguarded = [row for row in rows if row.protection.guard == NONE]
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


def _cells(row: ProtectedRoute) -> list[str]:
    return [", ".join(row.methods), printable(row.path), printable(row.endpoint), _guard(row)]


def _guard(row: ProtectedRoute) -> str:
    if row.protection.guard == GUARDED:
        return printable("; ".join(row.protection.labels))
    return "-" if row.protection.guard == NONE else row.protection.guard


def _members(row: ProtectedRoute) -> dict[str, object]:
    return {
        "methods": row.methods,
        "path": row.path,
        "endpoint": row.endpoint,
        "guard": row.protection.guard,
        "demands": row.protection.labels,
    }


def _count(unguarded: list[ProtectedRoute]) -> str:
    return "1 route is unguarded:" if len(unguarded) == 1 else f"{len(unguarded)} routes are unguarded:"


def _name(row: ProtectedRoute) -> str:
    return f"  {', '.join(row.methods)} {printable(row.path)} ({printable(row.endpoint)})"


def _misuse(misused: MisusedGuard) -> str:
    return f"  {misused.name}() in {printable(misused.place)}. To solve this, {misused.remedy}."


def _leftover(leftover: LeftoverParameter) -> str:
    function, path = printable(leftover.function), printable(leftover.path)
    return f"  {printable(leftover.parameter)} in {function} ({printable(leftover.endpoint)}), {path}"


def _members_of_misuse(misused: MisusedGuard) -> dict[str, object]:
    return {"guard": misused.name, "function": misused.function, "file": misused.file, "line": misused.line}
