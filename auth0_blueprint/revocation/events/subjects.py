"""Whom an event is about: subject identifiers (RFC 9493)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import MAX_VALUE_LENGTH
from auth0_blueprint.settings.event_senders import EventSender


def subject_effects(
    subject: dict[str, Any], sender: EventSender, issuers: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Return kind and value of the revocations about *subject*, as *sender* names it.

    Args:
        subject: decoded JSON.
        sender: who names it.
        issuers: of access tokens.

    Raises:
        EventRefusedError: it is not understood, or is a user of another issuer.
    """
    if subject.get("format") == "iss_sub":
        return (("subject", _subject(_text(subject, "iss"), _text(subject, "sub"), sender, issuers)),)
    if subject.get("format") == "email" and sender.email_claim is not None:
        return (("email", _text(subject, "email").lower()),)
    raise EventRefusedError("subject")


def _subject(issuer: str, name: str, sender: EventSender, issuers: Collection[str]) -> str:
    if issuer in issuers:
        return name
    if issuer != sender.issuer or sender.subject_template is None:
        raise EventRefusedError("foreign_subject")
    return sender.subject_template.replace("{sub}", name)


def _text(subject: dict[str, Any], name: str) -> str:
    value = subject.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_VALUE_LENGTH:
        raise EventRefusedError("subject")
    return value
