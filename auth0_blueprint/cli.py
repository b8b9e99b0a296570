"""``flask auth0 ...``: what an operator may ask on the command line. Plain text, or ``--json`` for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click
from flask import Blueprint
from flask.cli import with_appcontext

from auth0_blueprint.current import app_state
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.routes.admin import KeySetSchema, key_set_report


def add_commands(blueprint: Blueprint) -> None:
    """Add the commands to those of *blueprint*."""
    blueprint.cli.help = "Ask about Auth0, the issuer of this app's access tokens."
    blueprint.cli.add_command(jwks)


@click.command()
@with_appcontext
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for each issuer.")
def jwks(as_json: bool) -> None:
    """Show the issuer's key set as this app sees it; with several domains, that of each.

    It comes from the shared cache if it is fresh there, else from the issuer.

    Exits with 1 if there is none that is usable, of whichever issuer.
    """
    state = app_state()
    reports: list[Any] = []
    are_all_usable = True
    for issuer, source in state.key_sources.items():
        try:
            source.snapshot(state.settings.jwks_timeout_seconds)
        except KeySetUnavailableError:  # the report says why
            are_all_usable = False
        reports.append(KeySetSchema().dump(key_set_report(state, issuer)))
    texts = [json.dumps(report) if as_json else "\n".join(_lines(report)) for report in reports]
    click.echo(("\n" if as_json else "\n\n").join(texts))
    if not are_all_usable:
        raise click.exceptions.Exit(1)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    facts = {"issuer": report["issuer"], "key set": report["url"], "state": report["state"]}
    if report["age_seconds"] is not None:
        facts["from"] = f"{report['source']}, {report['age_seconds']:.0f} s ago"
    if report["last_error"] is not None:
        facts["last error"] = report["last_error"]
    yield from _table(facts.items())
    if report["keys"]:
        yield ""
        rows = [[key["kid"], key["kty"], key["crv"], key["alg"]] for key in report["keys"]]
        yield from _table(
            [["KEY ID", "TYPE", "CURVE", "ALGORITHM"], *([_cell(value) for value in row] for row in rows)]
        )
    for reason in report["skipped"]:
        yield f"not used: {reason}"


def _cell(value: str | None) -> str:
    # A key id may be any text. repr() shows what a terminal would obey.
    return "-" if value is None else value if value.isprintable() else repr(value)


def _table(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    cells = [list(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
