"""Reads logout tokens (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import Effect, Event
from auth0_blueprint.revocation.events.event_token import EventToken
from auth0_blueprint.revocation.events.members import text_at

#: The member of ``events`` that makes a token a logout token (§2.4).
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

_KINDS = {"sub": "subject", "sid": "session"}


def logout_event(token: EventToken, *, session_only: bool = False) -> Event:
    """Return the event that *token* tells of: it revokes what was issued up to ``iat`` to ``sub``, and in ``sid``.

    Args:
        token: verified.
        session_only: where both are named, as by Auth0, revoke what was issued in the session alone. Access tokens must
            have its id for that.

    Raises:
        EventRefusedError: it is no logout token, or names neither a user nor a session (§2.6).
    """
    events = token.claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise EventRefusedError("events")
    named = {claim: text_at(token.claims, claim, reason="subject") for claim in _KINDS if claim in token.claims}
    if not named:
        raise EventRefusedError("subject")
    if session_only and "sid" in named:
        named.pop("sub", None)
    return Event(
        source="logout",
        sender=token.issuer,
        id=token.claims["jti"],
        type="backchannel-logout",
        occurred_at=token.claims["iat"],
        effects=tuple(Effect("revoke", _KINDS[claim], value) for claim, value in named.items()),
    )
