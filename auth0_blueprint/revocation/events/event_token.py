"""Verifies the signed tokens that tell of events: as strictly as access tokens, and never one for the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.verification.verifier import KeyFinder


class Issuer(NamedTuple):
    """Whose tokens are believed: where its keys come from, what its tokens must be for, and how it signs them."""

    keys: KeyFinder
    audience: frozenset[str]
    algorithms: tuple[str, ...]


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
        clock: tells the time.
    """

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        *,
        types: frozenset[str | None],
        max_bytes: int,
        leeway_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._issuers = issuers
        self._types = types
        self._max_bytes = max_bytes
        self._leeway_seconds = leeway_seconds
        self._clock = clock

    def verify(self, text: str) -> EventToken:
        """Return what *text*, a compact JWS, says.

        Checked: size, form, strict JSON, header (algorithm, type, no extensions), issuer, key, signature, audience,
        ``jti``, ``iat`` (not in the future, no older than `MAX_EVENT_AGE_SECONDS`), ``exp`` and ``nbf`` if present,
        and that it is no access token or ID token: no ``nonce``, ``scope`` or ``permissions``.

        Raises:
            EventRefusedError: it is not acceptable.
            KeySetUnavailableError: this cannot be decided now.
        """
        raise NotImplementedError
