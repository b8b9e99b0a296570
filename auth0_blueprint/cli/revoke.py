"""``flask auth0 revoke``: revokes a token, or the tokens of a user, a client, a session or an organization."""

from __future__ import annotations

import click

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.given_token import given_token
from auth0_blueprint.cli.inspection.unverified import bare_token
from auth0_blueprint.cli.issuer_option import issuer_option, tenant_of
from auth0_blueprint.cli.output import print_lines
from auth0_blueprint.cli.revocation_facts import facts_of
from auth0_blueprint.cli.shared_revocations import check_text, origin_of_command, shared_revocations
from auth0_blueprint.errors import InvalidRequestError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.index import KINDS, MAX_REASON_LENGTH, MAX_VALUE_LENGTH
from auth0_blueprint.routes.audit import notify_command_acted, target_of
from auth0_blueprint.routes.revocations import check_can_match, revoke_token

_NOT_OURS = (
    "The token is not an access token of this API that is still valid, so there is nothing to revoke. "
    "flask auth0 inspect says why."
)
_NO_EMAIL_CLAIM = "No sender of events is configured with an email_claim, so no token would match."


@click.command("revoke", cls=Command, short_help="Revoke a token, or the tokens of a user, a client, ...")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("value")
@click.option("--reason", help="Why, for the audit trail.")
@issuer_option
@with_app
def command(kind: str, value: str, reason: str | None, issuer: str | None) -> None:
    """Revoke the tokens issued so far for VALUE, in all processes: a jti, or a value of the claim that KIND names.

    A token itself is read from standard input, so that neither other users nor the shell's history see it: KIND token,
    VALUE "-". It is never printed.

    Exits with 1 if the processes share no revocations, or it could not be stored.
    """
    tenant = tenant_of(app_state(), issuer)
    max_token_bytes = app_state().settings.max_token_bytes
    if kind == "token":
        if value != "-":
            raise click.UsageError('A token is read from standard input: use "-" for VALUE.')
        value = bare_token(given_token("", max_token_bytes, "revoke token -"))
    check_text(value, max_token_bytes if kind == "token" else MAX_VALUE_LENGTH, "'VALUE'")
    check_text(reason or "", MAX_REASON_LENGTH, "'--reason'")
    if not value:
        raise click.BadParameter("must not be empty.", param_hint="'VALUE'")
    origin = origin_of_command()
    with shared_revocations() as revocations:
        try:
            check_can_match(kind)
            made = (
                revoke_token(value, reason, origin, tenant)
                if kind == "token"
                else revocations.revoke(kind, value, reason, origin, issuer=tenant)
            )
        except InvalidRequestError as exc:
            raise CommandError(_NOT_OURS if kind == "token" else _NO_EMAIL_CLAIM) from exc
        notify_command_acted("revoke", target_of(made), reason, origin.actor)
    print_lines(facts_of(made))
