"""Several local issuers in one app: each of them is a tenant of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auth0_blueprint.testing.local_issuer import LocalIssuer


def tenant_settings(tenants: Mapping[str, LocalIssuer]) -> dict[str, Any]:
    """Return the settings that make an app accept the tokens of each issuer at its own host, and nowhere else.

    The app under test may have a function in ``AUTH0_DOMAIN`` that knows its real tenants: this one replaces it.

    Args:
        tenants: the running issuers, by the host (without a port) of the requests that they are for. They must have
            the audience and algorithm of the first one, and no HS256.

    Example::

        with LocalIssuer() as acme, LocalIssuer() as umbrella:
            app = create_app(tenant_settings({"acme.example.com": acme, "umbrella.example.com": umbrella}))
            client = bearer_client(app, acme.token())
            assert client.get("/api/me", base_url="https://acme.example.com").status_code == 200
    """
    issuers = {host: tenant.issuer for host, tenant in tenants.items()}

    def is_ours(issuer: str, request: Any) -> bool:
        # A command asks without a request.
        if request is None:
            return issuer in issuers.values()
        return issuers.get(request.host.partition(":")[0]) == issuer

    return {**next(iter(tenants.values())).settings, "AUTH0_ISSUER": None, "AUTH0_DOMAIN": is_ours}
