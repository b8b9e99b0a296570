"""``--issuer``: which tenant a command is about, where a function in ``AUTH0_DOMAIN`` decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.guards.authentication import AppState

issuer_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--issuer", metavar="URL", help="The tenant. Required where a function decides which issuers are accepted."
)
_HINT = "'--issuer'"


def tenant_of(state: AppState, issuer: str | None) -> str | None:
    """Return the issuer that a command is about; ``None`` where the app has one tenant.

    Raises:
        click.UsageError: it is missing, has no meaning here, or the function of the app does not accept it.
    """
    if state.directory is None:
        if issuer is not None:
            raise click.UsageError(
                "--issuer is for apps where a function in AUTH0_DOMAIN decides: this app has one tenant."
            )
        return None
    if issuer is None:
        raise click.UsageError(
            "AUTH0_DOMAIN is a function, so the app cannot list its tenants: name one with --issuer URL."
        )
    try:
        is_ours = state.directory.get(issuer) is not None
    except KeySetUnavailableError:
        raise click.BadParameter("the function in AUTH0_DOMAIN failed; the log says how.", param_hint=_HINT) from None
    if not is_ours:
        raise click.BadParameter(
            "the function in AUTH0_DOMAIN does not accept it, asked without a request: it must be the exact iss.",
            param_hint=_HINT,
        )
    return issuer
