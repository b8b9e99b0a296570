"""``flask auth0 jwks``: shows the key sets as this app sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import click

from auth0_blueprint.cli.command_errors import Command, with_app
from auth0_blueprint.cli.issuer_option import issuer_option, tenant_of
from auth0_blueprint.cli.output import json_option, print_json, print_lines, printable, table
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.guards.authentication import AppState, app_state
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.routes.admin import KeySetsSchema, key_set_report, key_sets_document
from auth0_blueprint.verification.secret_keys import NO_KEY_SET


@click.command("jwks", cls=Command, short_help="Show the key sets as this app sees them.")
@issuer_option
@json_option
@with_app
def command(issuer: str | None, as_json: bool) -> None:
    """Show the issuer's key set as this app sees it; with several domains, one for each.

    It comes from the shared cache if that has a fresh one, else from the issuer. With
    AUTH0_SIGNING_SECRET there is none; where a function decides which issuers are accepted, --issuer names one.

    Exits with 1 if any issuer has no usable key set.
    """
    state = app_state()
    reports: list[Any] = []
    are_all_usable = True
    for source in _sources(state, issuer):
        try:
            source.snapshot(state.settings.jwks_timeout_seconds)
        except KeySetUnavailableError:  # the report says why
            are_all_usable = False
        reports.append(key_set_report(state, source))
    document = cast("dict[str, Any]", KeySetsSchema().dump(key_sets_document(reports)))
    if as_json:
        print_json(document)
    else:
        print_lines(_lines(document["key_sets"]) if reports else [NO_KEY_SET])
    if not are_all_usable:
        raise click.exceptions.Exit(1)


def _sources(state: AppState, issuer: str | None) -> Iterable[KeySource]:
    tenant = tenant_of(state, issuer)
    if tenant is None or state.directory is None:
        return state.key_sources.values()
    keys = state.directory.get(tenant)
    return () if keys is None else (keys.source,)  # the option was refused if it is not ours


def _lines(reports: list[dict[str, Any]]) -> Iterator[str]:
    for number, report in enumerate(reports):
        if number:
            yield ""
        yield from _lines_of_one(report)


def _lines_of_one(report: dict[str, Any]) -> Iterator[str]:
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
