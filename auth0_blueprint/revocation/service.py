"""The revocations that one process knows, in sync with the fleet: checked by each request, changed by admins."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import RevocationUnavailableError, RevokedTokenError
from auth0_blueprint.revocation.index import Revocation, RevocationIndex, token_digest
from auth0_blueprint.revocation.log import MANIFEST, RevocationLog
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: How long health reports that the shared cache had lost revocations.
RESTORED_SECONDS = 600.0


class RevocationStatus(NamedTuple):
    """What health and admin endpoints report. ``age_seconds`` is the age of the last successful sync, if any.

    ``was_restored``: the shared cache recently lost revocations, and this process restored those it knew.
    """

    known: int
    reach: str
    age_seconds: float | None
    is_current: bool
    was_restored: bool


class Revocations:
    """Checks and changes revocations.

    Args:
        log: the revocations that the fleet knows.
        fleet_sync: notices that the log has changed.
        reach: returns how far sharing reaches: ``process``, ``machine`` or ``fleet``.
        max_lifetime_seconds: the longest lifetime of a token.
        leeway_seconds: how long after its end a token is still accepted.
        max_stale_seconds: after how long without a sync this process is out of touch.
        is_denying: whether to reject all tokens then, instead of using what is known.
        clock: tells the time.
        on_changed: called with each revocation that this process makes or learns.
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
        fleet_sync.subscribe(MANIFEST, self._on_change)

    def check_not_revoked(self, access_token: AccessToken, presentation: Presentation) -> None:
        """Reject *access_token* if it is revoked.

        Raises:
            RevokedTokenError: it is revoked.
            RevocationUnavailableError: this process is out of touch, and ``AUTH0_REVOCATION_ON_ERROR`` is ``deny``.
        """
        if self._is_denying and self._is_out_of_touch():
            raise RevocationUnavailableError
        if self._index.known and self._index.is_revoked(access_token, lambda: token_digest(presentation.token)):
            raise RevokedTokenError

    def revoke_token(self, access_token: AccessToken, token: str, reason: str | None) -> Revocation:
        """Revoke one token.

        Raises:
            RevocationUnavailableError: it could not be stored.
        """
        expires_at = access_token["exp"] + self._leeway_seconds
        return self._change(Revocation("token", token_digest(token), None, expires_at, self._clock.time(), reason))

    def revoke(self, kind: str, value: str, reason: str | None) -> Revocation:
        """Revoke the tokens with a ``jti``, or those issued so far for a ``subject`` or to a ``client_id``.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        now = self._clock.time()
        issued_up_to = None if kind == "jti" else math.floor(now)
        # A token with that jti may have been issued a little in the future.
        grace_seconds = self._leeway_seconds * (2 if kind == "jti" else 1)
        expires_at = now + self._max_lifetime_seconds + grace_seconds
        return self._change(Revocation(kind, value, issued_up_to, expires_at, now, reason))

    def find(self, kind: str, value: str) -> Revocation | None:
        """Return the revocation in force, also if another process made it just now."""
        self._fleet_sync.sync_now()
        return self._index.find(kind, value)

    def lift(self, kind: str, value: str) -> Revocation | None:
        """Accept the tokens again; return the lifted revocation, or ``None`` if there is none.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        found = self.find(kind, value)
        if found is not None:
            self._change(found._replace(changed_at=self._clock.time(), is_lifted=True))
        return found

    def status(self) -> RevocationStatus:
        """Describe the current state, without side effects."""
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
        # Another process, with another clock, may have changed the same one: our change must win.
        self._fleet_sync.sync_now()
        revocation = self._index.successor(revocation)
        # Stored first: nothing is in force here that the fleet does not know.
        if self._reach() != "process":
            try:
                self._log.append([revocation])
            except CacheUnavailableError as exc:
                raise RevocationUnavailableError("not_stored") from exc
        self._apply([revocation])
        return revocation

    def _on_change(self, manifest: Any) -> Callable[[], None] | None:
        """Apply what is new. Called at each sync; returns what must be written afterwards, if anything.

        Raises:
            CacheUnavailableError: the log cannot be read.
        """
        self._index.forget_expired()
        if self._reach() == "process":
            return None
        changes = self._log.read_changes(manifest)
        self._apply(changes.revocations)
        if changes.is_missing and self._index.known:
            self._note_restored("the shared cache lost its revocations; this process restored those it knew")
            return lambda: self._log.recreate(self._index)
        if changes.complete_log is not None and (lost := self._missing_from(changes.complete_log)):
            self._note_restored(
                "%d revocations were missing in the shared cache; this process restored them", len(lost)
            )
            return lambda: self._log.append(lost)
        return self._log.repair if changes.needs_repair else None

    def _note_restored(self, message: str, *values: object) -> None:
        logger.warning(message, *values)
        self._restored_at = self._clock.time()

    def _missing_from(self, revocations: tuple[Revocation, ...]) -> list[Revocation]:
        stored = {(known.kind, known.value): known for known in revocations}
        return [known for known in self._index if known.outranks(stored.get((known.kind, known.value)))]

    def _apply(self, revocations: Any) -> None:
        for revocation in self._index.apply(revocations):
            self._on_changed(revocation)
