"""Says at startup which settings are looser than they need to be, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def loose_settings(data: Mapping[str, Any], issuers: tuple[str, ...], resource: str | None) -> Iterator[str]:
    """Yield a warning for each loose setting.

    Args:
        data: the settings, all valid.
        issuers: the issuers whose tokens are accepted.
        resource: the resource identifier, where ``AUTH0_RESOURCE_METADATA`` is on.
    """
    if data["AUTH0_SIGNING_SECRET"]:
        yield (
            "AUTH0_SIGNING_SECRET is set: anyone who can read it can also issue tokens. With RS256 as the signing "
            "algorithm of the API in Auth0 this app would hold no secret"
        )
    if not data["AUTH0_ADMIN_RBAC"]:
        yield f"AUTH0_ADMIN_RBAC is false: any client that may request {data['AUTH0_ADMIN_SCOPE']} is an admin"
    if not data["AUTH0_REVOCATION"]:
        yield "AUTH0_REVOCATION is false: a stolen token stays valid until it expires"
    if data["AUTH0_HEALTH_DETAILS"] == "always":
        yield "AUTH0_HEALTH_DETAILS is always: anyone can see the details in /auth/health"
    if data["AUTH0_OTEL"] and data["AUTH0_OTEL_SUBJECT"]:
        yield "AUTH0_OTEL_SUBJECT is true: anyone who can read the traces can see which user made which request"
    if data["AUTH0_JWKS_COOLDOWN"] < 1:
        yield "AUTH0_JWKS_COOLDOWN is under 1 s: anyone who sends random key ids makes this API call Auth0"
    if resource is not None and resource not in data["AUTH0_AUDIENCE"]:
        yield (
            f"AUTH0_RESOURCE_METADATA names the resource {resource}, which is not in AUTH0_AUDIENCE: the tokens that "
            "clients request for it (RFC 8707) are not accepted here"
        )
    if any(f"{issuer}api/v2/" in data["AUTH0_AUDIENCE"] for issuer in issuers):
        yield "AUTH0_AUDIENCE contains Auth0's Management API: its tokens are for Auth0, not for this API"
