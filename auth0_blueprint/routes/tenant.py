"""What the caller of an operator route may see and change: the whole app, or its own tenant.

Where a function in ``AUTH0_DOMAIN`` decides which issuers are ours, each of them is a tenant of its own, and an admin
of one is none of another.
"""

from __future__ import annotations

from collections.abc import Mapping

from auth0_blueprint.errors import InsufficientClaimsError, InvalidClaimsError
from auth0_blueprint.guards.authentication import AppState, app_state, current_token, notify_rejected
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.verification.access_token import AccessToken


def own_issuer() -> str | None:
    """Return the issuer whose tokens the caller's rights are about; ``None`` for those of the whole app."""
    return None if app_state().directory is None else current_token.issuer


def own_key_sources(state: AppState) -> Mapping[str, KeySource]:
    """Return the key sets that the caller may see.

    Raises:
        InvalidClaimsError: the function no longer accepts the caller's issuer.
    """
    if state.directory is None:
        return state.key_sources
    # Looked up anew: it may have made room for another since the caller's token was verified.
    keys = state.directory.get(current_token.issuer)
    if keys is None:
        raise InvalidClaimsError("issuer")
    return {current_token.issuer: keys.source}


def sees_whole_app(state: AppState, access_token: AccessToken) -> bool:
    """Tell whether an admin with *access_token* may see what concerns every tenant."""
    return state.directory is None or access_token.issuer in state.settings.admin_issuers


def check_sees_whole_app() -> None:
    """Refuse an admin of a tenant that ``AUTH0_ADMIN_ISSUERS`` does not name.

    Raises:
        InsufficientClaimsError: the caller is one.
    """
    if not sees_whole_app(app_state(), current_token):
        error = InsufficientClaimsError("tenant")
        notify_rejected(error, current_token)
        raise error
