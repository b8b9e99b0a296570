"""Verifies the signed tokens that tell of events: as strictly as access tokens, and never one for the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import EventRefusedError, InvalidTokenError
from auth0_blueprint.jose import jws
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.revocation.events.members import id_at
from auth0_blueprint.revocation.events.timestamps import is_too_old
from auth0_blueprint.verification.access_token import is_unix_time
from auth0_blueprint.verification.claims import is_for
from auth0_blueprint.verification.header import algorithms_named, check_header

#: Claims of access tokens and ID tokens. OpenID Connect Back-Channel Logout 1.0 §2.4: ``nonce`` is in no logout token.
_CLAIMS_OF_OTHERS = ("nonce", "scope", "permissions")
#: What a reason of the parts that access tokens use as well is called here; the others are ``malformed``.
_REASONS = {
    "too_long": "too_large",
    "encrypted": "encrypted",
    "type": "type",
    "unsupported_algorithm": "algorithm",
    "unknown_key": "unknown_key",
    "no_key_id": "unknown_key",
}


class Issuer(NamedTuple):
    """Whose tokens are believed: what finds its keys, what its tokens must be for, and how it signs them."""

    key_for: Callable[[str | None, Algorithm], FoundKey]
    audience: frozenset[str]
    algorithms: tuple[str, ...]


class Issuers(Protocol):
    """Whose tokens are believed, by issuer identifier: a mapping, or what answers as one does."""

    def get(self, issuer: str, /) -> Issuer | None:
        """Return what is known of *issuer*; ``None`` if its tokens are not believed."""
        ...


class EventToken(NamedTuple):
    """A verified token that tells of an event."""

    issuer: str
    claims: dict[str, Any]


class EventTokenVerifier:
    """Verifies the tokens of one kind of event.

    Args:
        issuers: whose tokens are believed, by issuer identifier.
        types: the acceptable values of ``typ``, in lower case; ``None`` where it may be absent.
        max_bytes: longer tokens are refused before anything is parsed.
        leeway_seconds: how much clocks may differ.
        requires_expiry: whether ``exp`` must be present.
        clock: tells the time.
    """

    def __init__(
        self,
        issuers: Issuers,
        *,
        types: frozenset[str | None],
        max_bytes: int,
        leeway_seconds: float,
        requires_expiry: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._issuers = issuers
        self._types = types
        self._max_bytes = max_bytes
        self._leeway_seconds = leeway_seconds
        self._requires_expiry = requires_expiry
        self._clock = clock

    def verify(self, text: str) -> EventToken:
        """Return what *text*, a compact JWS, says.

        Checked: size, form, strict JSON, issuer, header (algorithm, type, no extensions), key, signature, audience,
        ``jti``, ``iat`` (not in the future, not too old), ``exp`` and ``nbf`` if present,
        and that it is no access token or ID token: no ``nonce``, ``scope`` or ``permissions``.

        Raises:
            EventRefusedError: it is not acceptable.
            KeySetUnavailableError: this cannot be decided now.
        """
        try:
            return self._verified(text.encode("utf-8", "surrogatepass"))
        except InvalidTokenError as exc:
            raise EventRefusedError(_REASONS.get(exc.reason, "malformed")) from exc

    def _verified(self, text: bytes) -> EventToken:
        unverified = jws.parse(text, self._max_bytes)
        claims = unverified.claims
        # The unverified issuer only decides whether to look for a key, and in which issuer's key set.
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise EventRefusedError("issuer")
        algorithm = check_header(unverified.header, algorithms_named(issuer.algorithms), self._types)
        found = issuer.key_for(unverified.header.get("kid"), algorithm)
        if not algorithm.verify(unverified.signing_input, found.key.material, unverified.signature):
            raise EventRefusedError("signature")
        if not is_for(issuer.audience, claims.get("aud")):
            raise EventRefusedError("audience")
        if not claims.keys().isdisjoint(_CLAIMS_OF_OTHERS):
            raise EventRefusedError("not_an_event")
        id_at(claims, "jti")
        self._check_times(claims)
        return EventToken(claims["iss"], claims)

    def _check_times(self, claims: dict[str, Any]) -> None:
        now, leeway = self._clock.time(), self._leeway_seconds
        required = ("iat", "exp") if self._requires_expiry else ("iat",)
        if not all(is_unix_time(claims.get(name)) for name in {*required, *(claims.keys() & {"exp", "nbf"})}):
            raise EventRefusedError("time")
        if claims["iat"] > now + leeway or claims.get("nbf", now) > now + leeway:
            raise EventRefusedError("time")
        if is_too_old(claims["iat"], now):
            raise EventRefusedError("too_old")
        if "exp" in claims and claims["exp"] <= now - leeway:
            raise EventRefusedError("expired")
