"""The audit trail: who did what, to what, and why. It never contains the token."""

from __future__ import annotations

import logging

from flask import current_app

from auth0_blueprint.guards.authentication import app_state, current_token
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.signals import admin_acted

logger: logging.Logger = logging.getLogger("auth0_blueprint")


def target_of(revocation: Revocation) -> str:
    """Return what the audit trail calls *revocation*: kind and value, and whose tokens it is about if it says so."""
    tenant = "" if revocation.issuer is None else f" of {revocation.issuer}"
    return f"{revocation.kind} {revocation.value}{tenant}"


def notify_admin_acted(action: str, target: str, reason: str | None) -> None:
    """Log what the calling admin did, and send the signal."""
    subject, client_id, actor = current_token.subject, current_token.client_id, current_token.actor
    acting = "" if actor is None else f", actor {ascii(actor.subject)[:300]}"
    # The same subject may be another person in another tenant.
    tenant = "" if app_state().directory is None else f" of {current_token.issuer}"
    who = f"admin {ascii(subject)[:300]}{tenant} (client {ascii(client_id)[:300]}{acting})"
    _notify_acted(who, action, target, reason, subject, client_id, None if actor is None else actor.subject)


def notify_command_acted(action: str, target: str, reason: str | None, user: str | None) -> None:
    """Log what *user* did on the command line, and send the signal: without a client, and with *user* as subject."""
    who = "command line" if user is None else f"command line {ascii(user)[:300]}"
    _notify_acted(who, action, target, reason, user, None, None)


def _notify_acted(
    who: str,
    action: str,
    target: str,
    reason: str | None,
    subject: str | None,
    client_id: str | None,
    actor: str | None,
) -> None:
    # ascii() escapes whatever could end a line or hide something in it.
    logger.warning(
        "%s: %s %s%s",
        who,
        action,
        ascii(target)[:600],
        "" if reason is None else f", because {ascii(reason)[:600]}",
    )
    admin_acted.send(
        current_app._get_current_object(),  # type: ignore[attr-defined]
        action=action,
        subject=subject,
        client_id=client_id,
        actor=actor,
        target=target,
        reason=reason,
    )
