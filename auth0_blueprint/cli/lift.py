"""``flask auth0 lift``: lifts a revocation, so that the tokens are accepted again."""

from __future__ import annotations

import click

from auth0_blueprint.cli.command_errors import Command, with_app
from auth0_blueprint.cli.issuer_option import issuer_option, tenant_of
from auth0_blueprint.cli.output import print_lines, printable
from auth0_blueprint.cli.shared_revocations import origin_of_command, shared_revocations
from auth0_blueprint.errors import NotFoundError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.index import KINDS
from auth0_blueprint.routes.audit import notify_command_acted, target_of


@click.command("lift", cls=Command, short_help="Lift a revocation.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("value")
@issuer_option
@with_app
def command(kind: str, value: str, issuer: str | None) -> None:
    """Lift the revocation of VALUE, in all processes: its tokens are accepted again until they expire.

    For KIND token, VALUE is its digest, which flask auth0 revocations and inspect show.

    Exits with 1 if there is no such revocation, the processes share none, or it could not be stored.
    """
    tenant, origin = tenant_of(app_state(), issuer), origin_of_command()
    with shared_revocations() as revocations:
        lifted = revocations.lift(kind, value, origin, issuer=tenant)
        if lifted is None:
            raise NotFoundError("no_revocation")
        notify_command_acted("lift", target_of(lifted), None, origin.actor)
    print_lines([f"lifted {lifted.kind} {printable(lifted.value)}"])
