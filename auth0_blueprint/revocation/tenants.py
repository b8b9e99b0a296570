"""Revocations of several tenants in one set: each is stored under its issuer, and matches tokens of that issuer only.

An app of one tenant stores what it always has, and pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from auth0_blueprint.revocation.index import Revocation, RevocationIndex, canonical_value
from auth0_blueprint.revocation.inquiries import matches
from auth0_blueprint.verification.access_token import AccessToken

#: Between issuer and value. No issuer identifier that is accepted here has a space: see `keysets.issuer_identifier`.
_SEPARATOR = " "


class TenantIndex(RevocationIndex):
    """Revocations that match only tokens of the issuer that they are stored under."""

    def stored(self, kind: str | None, value: str, issuer: str | None) -> str:
        """Return what a revocation of *value* by *issuer* is stored under.

        Raises:
            ValueError: no issuer: it would match tokens of every tenant, or of none.
        """
        if not issuer or _SEPARATOR in issuer:
            raise ValueError("An app of several tenants revokes for one issuer.")
        return f"{issuer}{_SEPARATOR}{canonical_value(kind, value)}"

    def shown(self, revocation: Revocation) -> Revocation:
        """Return *revocation* with its value and its issuer apart."""
        issuer, _, value = revocation.value.partition(_SEPARATOR)
        return revocation._replace(value=value, issuer=issuer)

    def is_revoked(self, access_token: AccessToken, digest: Callable[[], str]) -> bool:
        """Tell whether *access_token* is revoked, within its tenant."""
        known = access_token.signing_digest or (digest() if self.entries["token"] else "")
        return next(matches(self, access_token, known), None) is not None
