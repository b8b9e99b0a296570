"""The revocations of one process, kept up with the fleet: asked by each request, changed by admins."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import RevocationUnavailableError, RevokedTokenError
from auth0_blueprint.revocation.index import Revocation, RevocationIndex, token_digest
from auth0_blueprint.revocation.log import HEAD, RevocationLog
from auth0_blueprint.sharing.fleet_sync import CacheUnavailableError, FleetSync
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: How long health says that the store had lost revocations.
RESTORED_SECONDS = 600.0


class RevocationStatus(NamedTuple):
    """What health and admin endpoints may say. ``age_seconds`` is that of the last look at the board, if any.

    ``was_restored``: lately the store had lost revocations, which this process has written again.
    """

    known: int
    reach: str
    age_seconds: float | None
    is_current: bool
    was_restored: bool


class Revocations:
    """Withdrawn tokens.

    Args:
        log: what the fleet knows.
        fleet_sync: where a process sees that there is news.
        reach: tells who shares the log: ``process`` (nobody), ``machine`` or ``fleet``.
        max_lifetime_seconds: how long a token can live at most.
        leeway_seconds: how much longer it is accepted.
        max_stale_seconds: after how long without a look at the log this process is out of touch.
        is_denying: whether it then refuses, rather than goes on with what it knows.
        clock: tells the time.
        on_changed: told the revocation that this process has learnt of, or made.
    """

    def __init__(
        self,
        log: RevocationLog,
        fleet_sync: FleetSync,
        *,
        reach: Callable[[], str],
        max_lifetime_seconds: float,
        leeway_seconds: float,
        max_stale_seconds: float,
        is_denying: bool,
        clock: Clock = SYSTEM_CLOCK,
        on_changed: Callable[[Revocation], None] = lambda _revocation: None,
    ) -> None:
        self._index = RevocationIndex(clock)
        self._log = log
        self._fleet_sync = fleet_sync
        self._reach = reach
        self._max_lifetime_seconds = max_lifetime_seconds
        self._leeway_seconds = leeway_seconds
        self._max_stale_seconds = max_stale_seconds
        self._is_denying = is_denying
        self._clock = clock
        self._on_changed = on_changed
        self._restored_at = -math.inf
        fleet_sync.subscribe(HEAD, self._on_change)

    def check_not_revoked(self, access_token: AccessToken, presentation: Presentation) -> None:
        """Refuse *access_token* if it is withdrawn.

        Raises:
            RevokedTokenError: it is.
            RevocationUnavailableError: this process is out of touch, and is told to refuse then.
        """
        if self._is_denying and self._is_out_of_touch():
            raise RevocationUnavailableError
        if self._index.known and self._index.is_revoked(access_token, lambda: token_digest(presentation.token)):
            raise RevokedTokenError

    def revoke_token(self, access_token: AccessToken, token: str, reason: str | None) -> Revocation:
        """Withdraw one token."""
        expires_at = access_token["exp"] + self._leeway_seconds
        return self._change(Revocation("token", token_digest(token), None, expires_at, self._clock.time(), reason))

    def revoke(self, kind: str, value: str, reason: str | None) -> Revocation:
        """Withdraw the tokens with a ``jti``, or those issued so far for a ``subject`` or to a ``client_id``.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        now = self._clock.time()
        issued_up_to = None if kind == "jti" else math.floor(now)
        # Those with a jti may have been issued a little in the future.
        grace_seconds = self._leeway_seconds * (2 if kind == "jti" else 1)
        expires_at = now + self._max_lifetime_seconds + grace_seconds
        return self._change(Revocation(kind, value, issued_up_to, expires_at, now, reason))

    def find(self, kind: str, value: str) -> Revocation | None:
        """Return the revocation that is in force, also if another process has made it just now."""
        self._fleet_sync.sync_now()
        return self._index.find(kind, value)

    def lift(self, kind: str, value: str) -> Revocation | None:
        """Let the tokens in again; return what was lifted, or ``None`` if there is nothing to lift.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        found = self.find(kind, value)
        if found is not None:
            self._change(found._replace(changed_at=self._clock.time(), is_lifted=True))
        return found

    def status(self) -> RevocationStatus:
        """Describe the present, and cause nothing."""
        age = self._fleet_sync.age_seconds
        return RevocationStatus(
            known=len(self._index),
            reach=self._reach(),
            age_seconds=None if math.isinf(age) else age,
            is_current=not self._is_out_of_touch(),
            was_restored=self._clock.time() - self._restored_at < RESTORED_SECONDS,
        )

    def _is_out_of_touch(self) -> bool:
        return self._fleet_sync.age_seconds > self._max_stale_seconds and self._reach() != "process"

    def _change(self, revocation: Revocation) -> Revocation:
        # Others may have changed the same, by another clock: ours has to count.
        self._fleet_sync.sync_now()
        revocation = self._index.successor(revocation)
        # First where all see it: nothing is in force here that the fleet does not know.
        if self._reach() != "process":
            try:
                self._log.append([revocation])
            except CacheUnavailableError as exc:
                raise RevocationUnavailableError("not_stored") from exc
        self._apply([revocation])
        return revocation

    def _on_change(self, head: Any) -> Callable[[], None] | None:
        """Learn what is new. Called at each look at the board; returns what is then to be written."""
        self._index.forget_expired()
        if self._reach() == "process":
            return None
        changes = self._log.read_changes(head)
        self._apply(changes.revocations)
        if changes.is_gone and self._index.known:
            self._note_restored("the revocations in the shared cache are gone: written again from memory")
            return lambda: self._log.begin_anew(self._index)
        if changes.whole_log is not None and (lacking := self._lacking(changes.whole_log)):
            self._note_restored("%d revocations were not in the shared cache: written again", len(lacking))
            return lambda: self._log.append(lacking)
        return self._log.repair if changes.needs_repair else None

    def _note_restored(self, message: str, *values: object) -> None:
        logger.warning(message, *values)
        self._restored_at = self._clock.time()

    def _lacking(self, revocations: tuple[Revocation, ...]) -> list[Revocation]:
        there = {(known.kind, known.value): known for known in revocations}
        return [known for known in self._index if known.outranks(there.get((known.kind, known.value)))]

    def _apply(self, revocations: Any) -> None:
        for revocation in self._index.apply(revocations):
            self._on_changed(revocation)
