"""Reads requests of identity providers to end all of a user's tokens (draft-parecki-oauth-global-token-revocation)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from auth0_blueprint.revocation.events.event import Effect, Event
from auth0_blueprint.revocation.events.event_token import EventToken
from auth0_blueprint.revocation.events.subjects import subject_effects
from auth0_blueprint.settings.event_senders import EventSender


def global_revocation_event(
    token: EventToken, subject: dict[str, Any], senders: Iterable[EventSender], issuers: Collection[str]
) -> Event:
    """Return the event: it revokes what was issued to *subject* up to the time of *token*.

    Args:
        token: proves who asks, and gives the request its id and time. It says nothing about the subject.
        subject: decoded JSON: a subject identifier (RFC 9493).
        senders: who may ask; one of them is the issuer of *token*.
        issuers: of access tokens.

    Raises:
        EventRefusedError: the subject is not understood, or is a user of another issuer.
    """
    sender = next(sender for sender in senders if sender.issuer == token.issuer)
    effects = tuple(Effect("revoke", kind, value) for kind, value in subject_effects(subject, sender, issuers))
    return Event(
        source="global-token-revocation",
        sender=token.issuer,
        id=token.claims["jti"],
        type="global-token-revocation",
        occurred_at=token.claims["iat"],
        effects=effects,
    )
