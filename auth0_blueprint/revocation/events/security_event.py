"""Reads security event tokens (RFC 8417): events of the Shared Signals Framework, CAEP and RISC."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import UNKNOWN_TYPE, Effect, Event
from auth0_blueprint.revocation.events.subjects import Pair, subject_effects
from auth0_blueprint.settings.event_senders import EventSender
from auth0_blueprint.verification.access_token import is_unix_time

#: What a lift undoes: RISC's ``account-enabled`` is the only one by default.
UNDONE = "account-disabled"

#: By short name, what events do unless a setting says otherwise.
DEFAULT_EFFECTS = {
    # CAEP 1.0 §3
    "session-revoked": "revoke",
    "token-claims-change": "revoke",
    "credential-change": "revoke",
    "assurance-level-change": "revoke",
    # RISC 1.0 §2
    "account-disabled": "revoke",
    "account-purged": "revoke",
    "account-enabled": "lift",
    # SSF 1.0 §8.1.4.1, §8.1.5
    "verification": "ignore",
    "stream-updated": "ignore",
}

# CAEP, RISC and SSF each have a base of their own; older transmitters send some events below the base of another.
_SHORT = re.compile(r"https://schemas\.openid\.net/secevent/[a-z]+/event-type/([a-z0-9-]+)\Z")


class _Member(NamedTuple):
    """One event in the token: its type, what it does, and what it says."""

    type: str
    effect: str
    payload: dict[str, Any]


def security_event(claims: dict[str, Any], sender: EventSender, issuers: Collection[str]) -> Event:
    """Return the event that a verified security event token tells of.

    Several members of ``events`` tell of one event in several ways (RFC 8417 §2): all of their effects count. Its type
    is that of the first that does something.

    Args:
        claims: of the token; ``jti`` and ``iat`` are verified.
        sender: who sent it.
        issuers: of access tokens.

    Raises:
        EventRefusedError: it is not acceptable.
    """
    members = _members(claims.get("events"), sender)
    members.sort(key=lambda member: (member.effect == "ignore", member.type == UNKNOWN_TYPE))
    acting = [member for member in members if member.effect != "ignore"]
    if ("sub" in claims or "exp" in claims) and (acting or any(map(_SHORT.match, claims["events"]))):
        # SSF 1.0 §4.1.3: against confusion with ID tokens and access tokens. Events of other families may have them.
        raise EventRefusedError("not_an_event")
    if len({member.effect for member in acting}) > 1:
        raise EventRefusedError("events")  # it says that the account is closed and open
    effects = dict.fromkeys(effect for member in acting for effect in _effects(member, claims, sender, issuers))
    return Event(
        *("security", sender.issuer, claims["jti"], members[0].type),
        _occurred_at(claims, members),
        tuple(effects),
    )


def _members(events: Any, sender: EventSender) -> list[_Member]:
    if not isinstance(events, dict) or not events or not all(isinstance(payload, dict) for payload in events.values()):
        raise EventRefusedError("events")
    return [_member(uri, payload, sender) for uri, payload in events.items()]


def _member(uri: str, payload: dict[str, Any], sender: EventSender) -> _Member:
    known = _SHORT.match(uri)
    short = known[1] if known else ""
    configured = sender.effects.get(uri) or sender.effects.get(short)
    if configured is None and short not in DEFAULT_EFFECTS:
        return _Member(UNKNOWN_TYPE, "ignore", payload)
    effect = configured or DEFAULT_EFFECTS[short]
    if configured is None and short == "assurance-level-change" and payload.get("change_direction") == "increase":
        effect = "ignore"
    return _Member(uri.rpartition("/")[2] or UNKNOWN_TYPE, effect, payload)


def _effects(
    member: _Member, claims: dict[str, Any], sender: EventSender, issuers: Collection[str]
) -> tuple[Effect, ...]:
    subject = _subject(claims, member.payload)
    if member.effect == "lift":
        pairs = subject_effects(subject, sender, issuers, is_exact=True)
        return tuple(Effect("lift", kind, value, UNDONE) for kind, value in pairs)
    pairs = subject_effects(subject, sender, issuers)
    if member.type == "session-revoked":
        pairs += _as_session(subject, sender, issuers)
    return tuple(Effect("revoke", kind, value) for kind, value in pairs)


def _as_session(subject: Any, sender: EventSender, issuers: Collection[str]) -> tuple[Pair, ...]:
    """Return the session that an ``opaque`` subject may be (CAEP 1.0 §3.1.2): it does not say whether it is a user."""
    if subject.get("format") != "opaque" or sender.issuer not in issuers:
        return ()
    return subject_effects({"format": "complex", "session": subject}, sender, issuers)


def _subject(claims: dict[str, Any], payload: dict[str, Any]) -> Any:
    """Return ``sub_id``, or ``subject`` inside the event, where transmitters had it before SSF 1.0 (§3.1.1)."""
    found = [place[name] for place, name in ((claims, "sub_id"), (payload, "subject")) if name in place]
    if not found or found[0] != found[-1]:
        raise EventRefusedError("subject")
    return found[0]


def _occurred_at(claims: dict[str, Any], members: list[_Member]) -> float:
    """Return the time of the event: as the event says (CAEP 1.0 §2), or ``toe`` (RFC 8417 §2.2), or ``iat``."""
    told = [member.payload["event_timestamp"] for member in members if "event_timestamp" in member.payload]
    times = [*told, *(claims[name] for name in ("toe", "iat") if name in claims)]
    if not all(map(is_unix_time, times)):
        raise EventRefusedError("time")
    return float(max(told, default=times[0]))
