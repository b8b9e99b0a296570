"""Whom an event is about: subject identifiers (RFC 9493, SSF 1.0 §3), as kinds and values of revocations."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, NamedTuple

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.members import text_at
from auth0_blueprint.revocation.index import canonical_value
from auth0_blueprint.settings.event_senders import EventSender

#: The kind of a revocation, and its value.
Pair = tuple[str, str]

_text = partial(text_at, reason="subject")


def subject_effects(
    subject: Any, sender: EventSender, issuers: Collection[str], *, is_exact: bool = False
) -> tuple[Pair, ...]:
    """Return what to revoke, or lift, for *subject*: kinds and values of revocations, at least one, none twice.

    ``iss_sub``, ``opaque``, ``email`` and ``jwt_id`` name one thing each. ``aliases`` name one user in several ways:
    all that are understood count, since tokens may have any of them.

    A complex subject is one principal, described by all of its members together; SSF 1.0 §3.6 asks for a best effort
    with those that a receiver cannot process. Its session is the narrowest that a token can name. Without one that is
    understood its user counts, and what narrows the user further (a device, an application) is left out: all of the
    user's tokens end, which costs a login, while a refused event would let a stolen session go on. A tenant counts
    only where it stands alone: beside a device or a group, all of its users would be logged out for one of them.

    Args:
        subject: a subject identifier, as decoded from JSON.
        sender: who sent it.
        issuers: of access tokens.
        is_exact: refuse a complex subject if a member of it would be left out: for a lift, which must not reach
            further than what it is about.

    Raises:
        EventRefusedError: ``foreign_subject``: it is a user of another issuer; ``subject``: it is malformed, or of a
            form that is unknown here.
    """
    return tuple(dict.fromkeys(_Reader(sender, issuers, is_exact).pairs(subject)))


class _Reader(NamedTuple):
    sender: EventSender
    issuers: Collection[str]
    is_exact: bool

    def pairs(self, subject: Any) -> tuple[Pair, ...]:
        # The drafts before SSF 1.0 have no format in complex subjects.
        is_older = isinstance(subject, dict) and "format" not in subject
        if is_older or _format(subject) == "complex":
            return self._complex(subject)
        return self._simple(subject)

    def _simple(self, subject: Any) -> tuple[Pair, ...]:
        if _format(subject) == "aliases":
            return self._aliases(subject)
        return (self._one(subject),)

    def _one(self, subject: Any) -> Pair:
        match _format(subject):
            case "iss_sub":
                return "subject", self._sub(_text(subject, "iss"), _text(subject, "sub"))
            case "opaque":
                # RFC 9493 §3.2.4: it means nothing but to its sender, whose users it names.
                if not self._names_users():
                    raise EventRefusedError("subject")
                return "subject", self._sub(self.sender.issuer, _text(subject, "id"))
            case "email":
                if self.sender.email_claim is None:
                    raise EventRefusedError("subject")
                return "email", canonical_value("email", _text(subject, "email"))
            case "jwt_id":  # SSF 1.0 §3.5.1
                return "jti", self._of_issuer(subject, "jti")
            case _:
                raise EventRefusedError("subject")

    def _names_users(self) -> bool:
        return self.sender.issuer in self.issuers or self.sender.subject_template is not None

    def _sub(self, issuer: str, subject: str) -> str:
        """Return the ``sub`` that access tokens have.

        Whose users have a template may name no others, nor sessions, organizations and tokens, which may be anybody's:
        an identity provider is not trusted with the users of the rest.
        """
        template = self.sender.subject_template
        if issuer in self.issuers and not self._has_own_users_only():
            return subject
        if issuer != self.sender.issuer or template is None:
            raise EventRefusedError("foreign_subject")
        return template.replace("{sub}", subject)

    def _has_own_users_only(self) -> bool:
        return self.sender.subject_template is not None and self.sender.issuer not in self.issuers

    def _of_issuer(self, subject: Any, name: str) -> str:
        issuer, value = _text(subject, "iss"), _text(subject, name)
        if issuer not in self.issuers or self._has_own_users_only():
            raise EventRefusedError("foreign_subject")
        return value

    def _aliases(self, subject: Any) -> tuple[Pair, ...]:
        identifiers = subject.get("identifiers")
        if not isinstance(identifiers, list) or any(_format(one) == "aliases" for one in identifiers):
            raise EventRefusedError("subject")  # RFC 9493 §3.2.8: not nested
        refused, found = list[str](), list[Pair]()
        for identifier in identifiers:
            try:
                found.append(self._one(identifier))
            except EventRefusedError as exc:
                refused.append(exc.reason)
        if not found:
            raise EventRefusedError("foreign_subject" if "foreign_subject" in refused else "subject")
        return tuple(found)

    def _complex(self, subject: Any) -> tuple[Pair, ...]:
        members = subject.keys() - {"format"}
        for name, pairs in self._understood(subject):
            # What else is said of a session is true of all of its tokens.
            if self.is_exact and name != "session" and members != {name}:
                raise EventRefusedError("subject")
            return pairs
        if members != {"tenant"}:
            raise EventRefusedError("subject")
        return (("organization", self._named_by_issuer(subject["tenant"])),)

    def _understood(self, subject: Any) -> Iterator[tuple[str, tuple[Pair, ...]]]:
        if "session" in subject:
            try:
                yield "session", (("session", self._named_by_issuer(subject["session"])),)
            except EventRefusedError:
                if "user" not in subject:
                    raise
        if "user" in subject:
            yield "user", self._simple(subject["user"])

    def _named_by_issuer(self, member: Any) -> str:
        """Return what an issuer of access tokens calls a session or an organization."""
        if _format(member) == "iss_sub":
            return self._of_issuer(member, "sub")
        if _format(member) == "opaque" and self.sender.issuer in self.issuers:
            return _text(member, "id")
        raise EventRefusedError("subject")


def _format(subject: Any) -> str:
    found = subject.get("format") if isinstance(subject, dict) else None
    if not isinstance(found, str):
        raise EventRefusedError("subject")
    return found
