"""Where the key sets of the issuers are."""

from __future__ import annotations

from typing import Any

from auth0_blueprint.settings.rules import issuers_of


def key_set_urls_of(data: dict[str, Any]) -> dict[str, str]:
    """Return each known issuer with the URL of its key set; none with signing secrets. *data* is valid."""
    if data["AUTH0_SIGNING_SECRET"]:
        return {}
    return {issuer: data["AUTH0_JWKS_URL"] or key_set_url_of(issuer) for issuer in issuers_of(data)}


def key_set_url_of(issuer: str) -> str:
    """Return where Auth0 publishes the key set of *issuer*."""
    return f"{issuer.removesuffix('/')}/.well-known/jwks.json"
