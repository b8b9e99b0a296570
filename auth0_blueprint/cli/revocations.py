"""``flask auth0 revocations``: lists the revocations in force, and where each one came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from auth0_blueprint.cli.command_errors import Command, with_app
from auth0_blueprint.cli.issuer_option import issuer_option, tenant_of
from auth0_blueprint.cli.output import json_option, print_json, print_lines, table
from auth0_blueprint.cli.revocation_facts import cell, moment
from auth0_blueprint.cli.shared_revocations import shared_revocations
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.index import KINDS, SOURCES, Revocation
from auth0_blueprint.routes.revocation_pages import DEFAULT_LIMIT, RevocationPageSchema, page

_HEADINGS = ("KIND", "VALUE", "ISSUED UP TO", "SINCE", "SOURCE", "WHO", "REASON", "EXPIRES")


@click.command("revocations", cls=Command, short_help="List the revocations in force.")
@click.option("--kind", type=click.Choice(KINDS), help="Only these.")
@click.option("--source", type=click.Choice(SOURCES), help="Only those that came from there.")
@click.option("--prefix", default="", help="Only those whose value begins so.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=DEFAULT_LIMIT, show_default=True, help="How many, the newest first."
)
@issuer_option
@json_option
@with_app
def command(kind: str | None, source: str | None, prefix: str, limit: int, issuer: str | None, as_json: bool) -> None:
    """List the revocations in force in all processes, the newest first. Times are in UTC.

    Exits with 1 if the processes share none, or the shared cache cannot be used.
    """
    filters: dict[str, Any] = {
        "kind": kind,
        "source": source,
        "prefix": prefix,
        "issuer": tenant_of(app_state(), issuer),
    }
    with shared_revocations() as revocations:
        if as_json:
            found = page(revocations, app_state().reach(), limit=limit, **filters)
            document: Any = RevocationPageSchema().dump(found)
            print_json(document)
        else:
            print_lines(_lines(revocations.newest(limit + 1, **filters), limit))


def _lines(found: list[Revocation], limit: int) -> Iterator[str]:
    yield from table([_HEADINGS, *(_row(revocation) for revocation in found[:limit])])
    if len(found) > limit:
        yield f"There are more than {limit}: use --limit, --kind, --source or --prefix."


def _row(revocation: Revocation) -> list[str]:
    source, _, actor = revocation.origin or (None, None, None)
    up_to = revocation.issued_up_to
    return [
        revocation.kind,
        cell(revocation.value),
        cell(None if up_to is None else moment(up_to)),
        moment(revocation.changed_at),
        *(cell(text) for text in (source, actor, revocation.reason)),
        moment(revocation.expires_at),
    ]
