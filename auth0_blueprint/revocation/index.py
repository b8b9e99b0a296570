"""The revocations that this process knows, in memory: each request looks up its token here."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.verification.access_token import AccessToken

KINDS = ("token", "jti", "subject", "client_id")


def token_digest(token: str) -> str:
    """Return the SHA-256 of *token*'s signing input (RFC 7515 §5.1), whatever the encoding of its signature."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


class Revocation(NamedTuple):
    """A revocation, or the lifting of one.

    Attributes:
        kind: ``token``, ``jti``, ``subject`` or ``client_id``.
        value: the token's digest, or the claim.
        issued_up_to: for subjects and clients, the last second (Unix time) whose tokens are revoked.
        expires_at: when the last token that it can match has expired, in Unix time.
        changed_at: when it was made or lifted, in Unix time: of two for the same kind and value, the later one counts.
        reason: why, in the operator's words.
        is_lifted: whether it is no longer in force.
    """

    kind: str
    value: str
    issued_up_to: int | None
    expires_at: float
    changed_at: float
    reason: str | None = None
    is_lifted: bool = False

    def outranks(self, other: Revocation | None) -> bool:
        """Return whether this one counts, rather than *other* for the same kind and value."""
        return other is None or (self.changed_at, self.is_lifted) > (other.changed_at, other.is_lifted)


class RevocationIndex:
    """The revocations in force, and the lifted ones, until they expire.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        #: By kind and value.
        self.known: dict[tuple[str, str], Revocation] = {}
        # By kind, what a request is looked up in: value to the last second whose tokens are revoked.
        self._in_force: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        # Nothing expires before then.
        self._first_expires_at = math.inf

    def __len__(self) -> int:
        return sum(map(len, self._in_force.values()))

    def __iter__(self) -> Iterator[Revocation]:
        """Iterate over all that have not expired, including the lifted ones."""
        now = self._clock.time()
        return iter([known for known in list(self.known.values()) if known.expires_at > now])

    def apply(self, revocations: Iterable[Revocation]) -> list[Revocation]:
        """Apply those that are newer than what is known; return them."""
        now = self._clock.time()
        taken = []
        for revocation in revocations:
            key = (revocation.kind, revocation.value)
            if revocation.expires_at > now and revocation.outranks(self.known.get(key)):
                self.known[key] = revocation
                self._first_expires_at = min(self._first_expires_at, revocation.expires_at)
                self._put_in_force(revocation)
                taken.append(revocation)
        return taken

    def successor(self, revocation: Revocation) -> Revocation:
        """Return *revocation*, changed so that it outranks the known one and keeps every token out that this one did.

        The known one may come from a process whose clock is ahead of ours.
        """
        known = self.known.get((revocation.kind, revocation.value))
        if known is None:
            return revocation
        changed_at = max(revocation.changed_at, math.nextafter(known.changed_at, math.inf))
        if known.is_lifted or revocation.is_lifted:
            return revocation._replace(changed_at=changed_at)
        issued_up_to = revocation.issued_up_to
        if issued_up_to is not None and known.issued_up_to is not None:
            issued_up_to = max(issued_up_to, known.issued_up_to)
        expires_at = max(revocation.expires_at, known.expires_at)
        return revocation._replace(changed_at=changed_at, issued_up_to=issued_up_to, expires_at=expires_at)

    def find(self, kind: str, value: str) -> Revocation | None:
        """Return the revocation of *value*, if one is in force."""
        known = self.known.get((kind, value))
        return known if known and not known.is_lifted and known.expires_at > self._clock.time() else None

    def is_revoked(self, access_token: AccessToken, digest: Callable[[], str]) -> bool:
        """Return whether *access_token* is revoked. *digest* returns its `token_digest`; called only if needed."""
        in_force = self._in_force
        if in_force["token"] and digest() in in_force["token"]:
            return True
        token_id = access_token.token_id
        if token_id is not None and token_id in in_force["jti"]:
            return True
        # Issuers write whole seconds: tokens issued in the same second as the revocation are revoked as well.
        issued_at = math.floor(access_token["iat"])
        if issued_at <= in_force["subject"].get(access_token.subject, -math.inf):
            return True
        # A token may name its client in both claims: neither may hide the other.
        clients = in_force["client_id"]
        return bool(clients) and any(
            issued_at <= clients.get(access_token.get(claim, ""), -math.inf) for claim in ("client_id", "azp")
        )

    def forget_expired(self) -> None:
        """Forget revocations that no token can match any more."""
        now = self._clock.time()
        if now < self._first_expires_at:
            return
        self._first_expires_at = math.inf
        for key, known in list(self.known.items()):
            if known.expires_at <= now:
                del self.known[key]
                self._in_force[known.kind].pop(known.value, None)
            else:
                self._first_expires_at = min(self._first_expires_at, known.expires_at)

    def _put_in_force(self, revocation: Revocation) -> None:
        values = self._in_force[revocation.kind]
        if revocation.is_lifted:
            values.pop(revocation.value, None)
        else:
            values[revocation.value] = math.inf if revocation.issued_up_to is None else revocation.issued_up_to
