"""Which tokens are revoked, as this process knows it: looked up in memory, for each request.

The set is a map from kind and value to the latest change about them, so merging two of them is safe in any order. It is
kept small: one tuple for each entry, and no second copy of anything.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, get_args

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.settings.event_sources import Source
from auth0_blueprint.verification.access_token import AccessToken

KINDS = ("token", "jti", "subject", "client_id", "session", "organization", "email")
#: Where a change may come from: an admin, the command line, or an event.
SOURCES = ("admin", "command", *get_args(Source))
#: What a revocation is about, as a ``sub`` or ``sid``, must not be longer; nor the reason that a person gives.
MAX_VALUE_LENGTH, MAX_REASON_LENGTH = 1024, 500

# Where a token names what a kind is about, besides its subject.
_CLAIMS_OF_KIND = {"client_id": ("client_id", "azp"), "organization": ("org_id",)}
#: What expires within the same stretch of time is forgotten together, so that nothing is ever searched for.
_BUCKET_SECONDS = 600
_KELVIN = "\N{KELVIN SIGN}"


class Origin(NamedTuple):
    """Where a change came from.

    Attributes:
        source: one of `SOURCES`; a later release may have more.
        event_id: the ``jti`` or ``id`` of the event.
        actor: who: the subject of the admin's token, the user who ran the command, or the issuer that sent the event.
    """

    source: str
    event_id: str | None = None
    actor: str | None = None


#: ``issued_up_to``, ``expires_at``, ``changed_at``, ``reason``, ``is_lifted``, ``origin`` of a `Revocation`.
Entry = tuple[int | None, float, float, str | None, bool, Origin | None]


def token_digest(token: str) -> str:
    """Return what names *token*: the SHA-256 of its signing input (RFC 7515 §5.1), whatever follows the last dot."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def canonical_value(kind: str | None, value: str) -> str:
    """Return *value* as revocations of *kind* have it: email addresses in lower case.

    The Kelvin sign keeps its own: it is the one character that would become an ASCII letter, and the address that of
    somebody else.
    """
    return _KELVIN.join(map(str.lower, value.split(_KELVIN))) if kind == "email" else value


class Revocation(NamedTuple):
    """What is revoked, or no longer.

    Attributes:
        kind: ``token``, ``jti``, ``subject``, ``client_id``, ``session`` (``sid``, or the claim of
            ``AUTH0_SESSION_CLAIM``), ``organization`` (``org_id``), or ``email`` (the claim that a sender of events is
            configured with).
        value: the token's digest, or the claim.
        issued_up_to: the last second (Unix time) whose tokens are revoked; ``None`` for ``token`` and ``jti``.
        expires_at: when the last token that it could match has expired, in Unix time.
        changed_at: when it was made or lifted, in Unix time: of two changes about the same, the later one counts.
        reason: why, in the operator's words.
        is_lifted: whether it no longer holds.
        origin: where the change came from; ``None`` if it was made by an earlier release.
        issuer: whose tokens it matches, where each issuer is a tenant of its own and it is shown to people.
    """

    kind: str
    value: str
    issued_up_to: int | None
    expires_at: float
    changed_at: float
    reason: str | None = None
    is_lifted: bool = False
    origin: Origin | None = None
    issuer: str | None = None

    @property
    def entry(self) -> Entry:
        """What is kept under kind and value."""
        return self[2:8]


def joined_reason(known: Revocation, reason: str | None, origin: Origin | None) -> str | None:
    """Return why a value is revoked for which *known* is in force, and which *origin* revokes for *reason* as well.

    What undoes one of several reasons must not undo the others, so all of them are named.
    """
    who, known_who = (None if one is None else (one.source, one.actor) for one in (origin, known.origin))
    if (known_who, known.reason) == (who, reason):
        return reason
    added, earlier = reason or "revoked", (known.reason or "revoked").split("; ")
    return "; ".join(earlier if len(earlier) > 1 and added in earlier else [*earlier, added])


def outranks(entry: Entry, other: Entry) -> bool:
    """Tell whether *entry* counts, rather than *other* about the same: the later; of one moment, the lifting.

    Of two that are alike in both, every process must choose the same one: that which revokes more.
    """
    return entry[2] > other[2] if entry[2] != other[2] else _rank(entry) > _rank(other)


def _rank(entry: Entry) -> tuple[bool, float, float, list[str], list[str]]:
    issued_up_to, expires_at, _, reason, is_lifted, origin = entry
    up_to = math.inf if issued_up_to is None else issued_up_to
    return is_lifted, up_to, expires_at, _texts(reason), _texts(*origin or ())


def _texts(*texts: str | None) -> list[str]:
    return ["" if text is None else f" {text}" for text in texts]  # None before the empty text


class RevocationIndex:
    """The revocations that are in force, and those lifted, until they expire.

    Args:
        clock: tells the time.
        email_claims: the claims that hold the user's email address, for the kind ``email``.
        session_claim: the claim that holds the id of the session, for the kind ``session``.

    Attributes:
        claims, email_claims: where a token names what a kind is about, besides its subject; email addresses apart.
        entries: by kind, then by value; read without a lock.
        in_force: how many are in force, or were until they expired a few minutes ago.
    """

    def __init__(
        self, clock: Clock = SYSTEM_CLOCK, email_claims: tuple[str, ...] = (), session_claim: str = "sid"
    ) -> None:
        self._clock = clock
        self.claims: dict[str, tuple[str, ...]] = {**_CLAIMS_OF_KIND, "session": (session_claim,)}
        self.email_claims: tuple[str, ...] = email_claims
        self.entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self.in_force: int = 0
        # Values by the stretch of time in which they expire, and by kind.
        self._expiring: dict[int, dict[str, list[str]]] = {}
        self._lock = ProcessLock()

    def __len__(self) -> int:
        """Return how many there are, those lifted as well."""
        return sum(map(len, self.entries.values()))

    def stored(self, kind: str | None, value: str, issuer: str | None) -> str:  # noqa: ARG002 - see `TenantIndex`
        """Return what a revocation of *value* by *issuer* is stored under: all domains of a tenant share them."""
        return canonical_value(kind, value)

    def shown(self, revocation: Revocation) -> Revocation:
        """Return *revocation* as people are shown it."""
        return revocation

    def __iter__(self) -> Iterator[Revocation]:
        """Iterate over all that have not expired, those lifted as well."""
        now = self._clock.time()
        for kind, entries in self.entries.items():
            for value, entry in list(entries.items()):
                if entry[1] > now:
                    yield Revocation(kind, value, *entry)

    def apply(self, kind: str, changes: Iterable[tuple[str, Entry]]) -> list[str]:
        """Take over what is later than what is known of the same; return the values that changed."""
        now, entries, taken = self._clock.time(), self.entries[kind], list[str]()
        with self._lock():
            for value, entry in changes:
                known = entries.get(value)
                if entry[1] > now and (known is None or outranks(entry, known)):
                    entries[value] = entry
                    taken.append(value)
                    self.in_force += (not entry[4]) - (known is not None and not known[4])
                    if known is None or known[1] != entry[1]:
                        self._note_expiry(kind, value, entry[1])
        return taken

    def not_outranked(self, changes: Mapping[str, list[tuple[str, Entry]]]) -> Iterator[tuple[str, str, Entry]]:
        """Yield kind, value and entry of those *changes*, by kind, instead of which nothing else counts here."""
        for kind, rows in changes.items():
            known = self.entries[kind]
            for value, entry in rows:
                other = known.get(value)
                if other is None or not outranks(other, entry):
                    yield kind, value, entry

    def successor(self, revocation: Revocation) -> Revocation:
        """Return *revocation* so that it counts, and lets nothing in again, whatever is known of the same.

        The clock of whoever made the one that is known may have been ahead of ours.
        """
        entry = self.entries[revocation.kind].get(revocation.value)
        if entry is None:
            return revocation
        known = Revocation(revocation.kind, revocation.value, *entry)
        changed_at = max(revocation.changed_at, math.nextafter(known.changed_at, math.inf))
        if known.is_lifted or revocation.is_lifted:
            return revocation._replace(changed_at=changed_at)
        issued_up_to = revocation.issued_up_to
        if issued_up_to is not None and known.issued_up_to is not None:
            issued_up_to = max(issued_up_to, known.issued_up_to)
        expires_at = max(revocation.expires_at, known.expires_at)
        return revocation._replace(changed_at=changed_at, issued_up_to=issued_up_to, expires_at=expires_at)

    def find(self, kind: str, value: str) -> Revocation | None:
        """Return the revocation of *value* that is in force."""
        entry = self.entries.get(kind, {}).get(value)
        return None if entry is None or entry[4] or entry[1] <= self._clock.time() else Revocation(kind, value, *entry)

    def is_revoked(self, access_token: AccessToken, digest: Callable[[], str]) -> bool:
        """Tell whether *access_token* is revoked.

        *digest* returns the `token_digest` of one that was not encrypted; called only if needed.
        """
        entries = self.entries
        if entries["token"] and is_in_force(entries["token"].get(access_token.signing_digest or digest())):
            return True
        token_id = access_token.token_id
        if token_id is not None and is_in_force(entries["jti"].get(token_id)):
            return True
        # Whole seconds, as issuers write them: whatever was issued in the second of the call is revoked as well.
        issued_at = math.floor(access_token["iat"])
        if is_in_force(entries["subject"].get(access_token.subject), issued_at):
            return True
        for kind, claims in self.claims.items():
            known = entries[kind]
            # Both, where a token names its client twice: neither may hide the other.
            if known and any(
                is_in_force(known.get(text_or_nothing(access_token.get(claim))), issued_at) for claim in claims
            ):
                return True
        emails = entries["email"]
        return bool(emails) and any(
            is_in_force(emails.get(canonical_value("email", text_or_nothing(access_token.get(claim)))), issued_at)
            for claim in self.email_claims
        )

    def forget_expired(self) -> None:
        """Let go of what no token can match any more, and has not for up to ten minutes."""
        now = self._clock.time()
        due = [bucket for bucket in list(self._expiring) if (bucket + 1) * _BUCKET_SECONDS <= now]
        with self._lock():
            for bucket in due:
                for kind, values in self._expiring.pop(bucket, {}).items():
                    self._forget(kind, values, now)

    def _forget(self, kind: str, values: list[str], now: float) -> None:
        entries = self.entries[kind]
        for value in values:
            entry = entries.get(value)
            if entry is not None and entry[1] <= now:  # and has not been changed since
                del entries[value]
                self.in_force -= not entry[4]

    def _note_expiry(self, kind: str, value: str, expires_at: float) -> None:
        bucket = int(expires_at // _BUCKET_SECONDS)
        self._expiring.setdefault(bucket, {}).setdefault(kind, []).append(value)


def is_in_force(entry: Entry | None, issued_at: int | None = None) -> bool:
    """Return whether *entry* revokes a token issued at *issued_at* (Unix time); ``None``: whenever it was issued."""
    if entry is None or entry[4]:
        return False
    return entry[0] is None or issued_at is None or issued_at <= entry[0]


def text_or_nothing(value: object) -> str:
    """Return *value*, a claim, if it is text."""
    return value if isinstance(value, str) else ""  # which nothing is revoked under
