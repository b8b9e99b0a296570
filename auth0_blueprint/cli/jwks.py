"""``flask auth0 jwks``: the key sets, as this app sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
from flask.cli import with_appcontext

from auth0_blueprint.cli.output import printable, table
from auth0_blueprint.current import app_state
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.routes.admin import KeySetSchema, key_set_report


@click.command("jwks")
@with_appcontext
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for each issuer.")
def command(as_json: bool) -> None:
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
    yield from table(facts.items())
    if report["keys"]:
        yield ""
        rows = [[key["kid"], key["kty"], key["crv"], key["alg"]] for key in report["keys"]]
        yield from table([["KEY ID", "TYPE", "CURVE", "ALGORITHM"], *([_cell(value) for value in row] for row in rows)])
    for reason in report["skipped"]:
        yield f"not used: {reason}"


def _cell(value: str | None) -> str:
    return "-" if value is None else printable(value)  # a key id may be any text
