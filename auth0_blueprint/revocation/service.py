"""The revocations that one process knows, in sync with the fleet: checked by each request, changed by admins."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import RevocationUnavailableError, RevokedTokenError
from auth0_blueprint.revocation.index import (
    Origin,
    Revocation,
    RevocationIndex,
    joined_reason,
    token_digest,
)
from auth0_blueprint.revocation.inquiries import last_origin, matching, newest
from auth0_blueprint.revocation.previous_log import PreviousLog, Takeover
from auth0_blueprint.revocation.shared_set import SharedSet
from auth0_blueprint.revocation.status import RevocationStatus
from auth0_blueprint.sharing.fleet_sync import FleetSync, FollowUp
from auth0_blueprint.sharing.store import Head, StoreError
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: How long health reports that the store had lost revocations.
RESTORED_SECONDS = 600.0


class Revocations:
    """Checks and changes revocations.

    Args:
        index: the revocations that this process knows.
        shared_set: keeps them equal to those of the fleet.
        fleet_sync: notices that the fleet's have changed.
        previous_log: the log of an earlier release, if there may be one.
        reach: returns how far sharing reaches: ``process``, ``machine`` or ``fleet``.
        max_lifetime_seconds: the longest lifetime of a token.
        leeway_seconds: how long after its end a token is still accepted.
        max_stale_seconds: after how long without a sync this process is out of touch.
        is_denying: whether to reject all tokens then, instead of using what is known.
        clock: tells the time.
        on_changed: called with each revocation that this process makes or learns; ``None`` if nobody wants to know.
    """

    def __init__(
        self,
        index: RevocationIndex,
        shared_set: SharedSet,
        fleet_sync: FleetSync,
        *,
        previous_log: PreviousLog | None = None,
        reach: Callable[[], str],
        max_lifetime_seconds: float,
        leeway_seconds: float,
        max_stale_seconds: float,
        is_denying: bool,
        clock: Clock = SYSTEM_CLOCK,
        on_changed: Callable[[], Callable[[Revocation], None] | None] = lambda: None,
    ) -> None:
        self._index = index
        self._shared_set = shared_set
        self._fleet_sync = fleet_sync
        self._takeover = None if previous_log is None else Takeover(previous_log, shared_set, clock)
        self._reach = reach
        self._max_lifetime_seconds = max_lifetime_seconds
        self._leeway_seconds = leeway_seconds
        self._max_stale_seconds = max_stale_seconds
        self._is_denying = is_denying
        self._clock = clock
        self._on_changed = on_changed
        self._restored_at = -math.inf
        # Whether the whole set was read once, or the store said that there is none; whether requests may be answered.
        self._is_loaded = self._is_ready = False
        self._slow_since: float | None = None
        fleet_sync.follow_log(self._follow)

    def check_not_revoked(self, access_token: AccessToken, presentation: Presentation) -> None:
        """Reject *access_token* if it is revoked.

        Raises:
            RevokedTokenError: it is revoked.
            RevocationUnavailableError: this process has not loaded the set yet, although the store can be reached; or
                it is out of touch, and ``AUTH0_REVOCATION_ON_ERROR`` is ``deny``.
        """
        if not self._is_ready:
            self._check_ready()
        if self._is_denying and self._is_out_of_touch():
            raise RevocationUnavailableError
        if self._index.in_force and self._index.is_revoked(access_token, lambda: token_digest(presentation.token)):
            raise RevokedTokenError

    def revoke_token(
        self, access_token: AccessToken, token: str, reason: str | None, origin: Origin | None = None
    ) -> Revocation:
        """Revoke one token.

        Raises:
            RevocationUnavailableError: it could not be stored.
        """
        self.sync()
        now, digest = self._clock.time(), access_token.signing_digest or token_digest(token)
        value = self._index.stored("token", digest, access_token.get("iss"))
        expires_at = access_token["exp"] + self._leeway_seconds
        return self._change(Revocation("token", value, None, expires_at, now, reason, origin=origin))

    def revoke(
        self, kind: str, value: str, reason: str | None, origin: Origin | None = None, *, issuer: str | None = None
    ) -> Revocation:
        """Revoke the tokens with a ``jti``, or those issued so far for whatever else *kind* names.

        Here and below, *issuer* is whose tokens are meant, where each is a tenant of its own; else it has no effect.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        self.sync()
        value, now = self._index.stored(kind, value, issuer), self._clock.time()
        issued_up_to = None if kind == "jti" else math.floor(now)
        # A token with that jti may have been issued a little in the future.
        grace_seconds = self._leeway_seconds * (2 if kind == "jti" else 1)
        expires_at = now + self._max_lifetime_seconds + grace_seconds
        return self._change(Revocation(kind, value, issued_up_to, expires_at, now, reason, origin=origin))

    def revoke_up_to(
        self,
        moment: float,
        kind: str,
        value: str,
        reason: str | None,
        origin: Origin | None,
        *,
        issuer: str | None = None,
    ) -> Revocation | None:
        """Revoke the tokens issued up to *moment* (Unix time) or now, whichever is earlier.

        Returns:
            the revocation; ``None`` if they were revoked already for that reason, or have all expired: nothing was
            changed then. Of several reasons all are kept, so that what undoes one of them does not undo the others.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        value, now = self._index.stored(kind, value, issuer), self._clock.time()
        issued_up_to = math.floor(moment := min(moment, now))
        expires_at = issued_up_to + 1 + self._max_lifetime_seconds + self._leeway_seconds * (2 if kind == "jti" else 1)
        if expires_at <= now:
            return None
        self.sync()
        known = self._index.find(kind, value)
        if known is not None:
            reason = joined_reason(known, reason, origin)
            if reason == known.reason and (known.issued_up_to is None or known.issued_up_to >= issued_up_to):
                return None
        bound = None if kind == "jti" else issued_up_to
        # As if made at that moment: of two that two processes make at once, the one that reaches further counts.
        return self._change(Revocation(kind, value, bound, expires_at, moment, reason, origin=origin))

    def sync(self) -> None:
        """Learn all that was changed so far.

        Raises:
            RevocationUnavailableError: the store cannot be used now.
        """
        if not self._fleet_sync.sync_now() and self._reach() != "process":
            raise RevocationUnavailableError("not_stored")

    def last_origin(self, kind: str, value: str, *, issuer: str | None = None) -> Origin | None:
        """Return where the last change about *value* came from, a lifting too."""
        return last_origin(self._index, kind, value, issuer)

    def newest(self, limit: int, **filters: Any) -> list[Revocation]:
        """Return revocations in force, the newest first: see `inquiries.newest`."""
        self._fleet_sync.sync_now()
        return newest(self._index, limit, **filters)

    def matching(self, access_token: AccessToken, token: str, **lifted: float) -> list[Revocation]:
        """Return the revocations for which *token* is refused, the newest first: see `inquiries.matching`."""
        return matching(self._index, access_token, token_digest(token), **lifted)

    def find(self, kind: str, value: str, *, issuer: str | None = None) -> Revocation | None:
        """Return the revocation in force, also if another process made it just now."""
        self._fleet_sync.sync_now()
        found = self._index.find(kind, self._index.stored(kind, value, issuer))
        return None if found is None else self._index.shown(found)

    def lift(
        self,
        kind: str,
        value: str,
        origin: Origin | None = None,
        may_lift: Callable[[Revocation], bool] = lambda _revocation: True,
        *,
        issuer: str | None = None,
    ) -> Revocation | None:
        """Accept the tokens again; return the revocation that was lifted, or ``None`` if there is none.

        Args:
            kind: of the revocation.
            value: of the revocation.
            origin: who lifts it.
            may_lift: tells whether the one that is in force may be lifted; if not, it is as if there were none.
            issuer: as for `revoke`.

        Raises:
            RevocationUnavailableError: the store cannot be reached.
        """
        self.sync()
        found = self._index.find(kind, self._index.stored(kind, value, issuer))
        if found is None or not may_lift(found):
            return None
        self._change(found._replace(changed_at=self._clock.time(), is_lifted=True, origin=origin))
        return self._index.shown(found)

    def status(self) -> RevocationStatus:
        """Describe the current state, without side effects."""
        age = self._fleet_sync.age_seconds
        return RevocationStatus(
            known=self._index.in_force,
            reach=self._reach(),
            age_seconds=None if math.isinf(age) else age,
            is_current=not self._is_out_of_touch(),
            was_restored=self._clock.time() - self._restored_at < RESTORED_SECONDS,
            is_loaded=self._is_loaded or self._reach() == "process",
        )

    def _check_ready(self) -> None:
        if self._reach() == "process" or self._is_loaded:
            self._is_ready = True
        elif not self._fleet_sync.is_failing or self._is_slow():
            # The store can be reached, and what it holds is on its way: not a reason to admit what it may revoke.
            raise RevocationUnavailableError("loading")

    def _is_slow(self) -> bool:
        """Return whether the store answers too late or not as it should, which is to be away only after a while."""
        if self._fleet_sync.failure_code not in ("timeout", "failed"):
            return False
        now = self._clock.monotonic()
        self._slow_since = now if self._slow_since is None else self._slow_since
        return now - self._slow_since <= self._max_stale_seconds

    def _is_out_of_touch(self) -> bool:
        return self._fleet_sync.age_seconds > self._max_stale_seconds and self._reach() != "process"

    def _change(self, revocation: Revocation) -> Revocation:
        # It counts more than what the last sync told, whatever the clocks; what is made elsewhere since then may win.
        revocation = self._index.successor(revocation)
        # Stored first: nothing is in force here that the fleet does not know.
        if self._reach() != "process":
            try:
                self._shared_set.publish([revocation])
            except StoreError as exc:
                raise RevocationUnavailableError("not_stored") from exc
        self._notify(revocation.kind, self._index.apply(revocation.kind, [(revocation.value, revocation.entry)]))
        return self._index.shown(revocation)

    def _follow(self, head: Head | None) -> FollowUp | None:
        """Learn what is new. Called at each sync; returns what is left to do.

        Raises:
            StoreError: the store cannot be used.
        """
        self._index.forget_expired()
        if self._reach() == "process":
            return None
        outcome = self._shared_set.follow(head)
        for kind, values in outcome.changed.items():
            self._notify(kind, values)
        if outcome.restored:
            logger.warning("the shared store had lost %d revocations; this process restored them", outcome.restored)
            self._restored_at = self._clock.time()
        if not self._shared_set.is_loaded:
            # To be looked for soon, rather than after the interval.
            raise StoreError("timeout", "another process is writing the revocations that the store had lost")
        if self._takeover is not None:
            self._takeover.run()
        self._is_loaded = True
        return self._tidy

    def _tidy(self) -> None:
        # Only ever put off: the status of the store says why.
        with suppress(StoreError):
            self._shared_set.tidy()

    def _notify(self, kind: str, values: Iterable[str]) -> None:
        on_changed = self._on_changed()
        if on_changed is None:
            return
        for value in dict.fromkeys(values):
            entry = self._index.entries[kind].get(value)
            if entry is not None:
                on_changed(self._index.shown(Revocation(kind, value, *entry)))
