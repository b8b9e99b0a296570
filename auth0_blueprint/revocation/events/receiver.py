"""Puts events into force: each one once in the fleet, and never acknowledged before its effects are stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import RevocationUnavailableError
from auth0_blueprint.revocation.events.event import MAX_EVENT_AGE_SECONDS, Effect, Event, Outcome
from auth0_blueprint.revocation.index import Origin, Revocation
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import StoreError

#: Some clocks are behind, and an event may be a little older than that when it has been handled.
KEEP_SECONDS = MAX_EVENT_AGE_SECONDS + 3600
#: How many handled events a process remembers; of more than that, the store alone knows.
MAX_REMEMBERED = 20_000


class EventReceiver:
    """Handles events for one process.

    Args:
        revocations: what events change.
        store: where the fleet remembers which events were handled.
        clock: tells the time.
    """

    def __init__(self, revocations: Revocations, store: SharedStore, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._revocations = revocations
        self._store = store
        self._clock = clock
        # In the order of handling, with the time: the oldest are forgotten first.
        self._handled: dict[str, float] = {}
        self._bound: dict[str, str] = {}
        self._lock = ProcessLock()

    def handle(self, event: Event) -> Outcome:
        """Put *event* into force, unless that was done before.

        Two processes that get the same event at once may both put it into force, which changes nothing twice: its
        effects reach up to the time of the event. One of them says that it was effective.

        Raises:
            RevocationUnavailableError: it could not be stored. Whoever sent it is to send it again.
        """
        if not event.effects:
            return Outcome("without_effect")  # and so nothing to remember: a stream of logs is full of these
        name = f"event:{_digest(event.source, event.sender, event.id)}"
        if self._was_handled(name):
            return Outcome("repeated")
        origin = Origin(event.source, event.id, event.sender)
        effects = tuple((effect.kind, effect.value) for effect in event.effects if self._apply(effect, event, origin))
        if not effects and any(self._has_made(origin, effect, event.sender) for effect in event.effects):
            # By another process just now, or before the store lost its marks. The mark is for whoever did it.
            return Outcome("repeated")
        if not self._mark_handled(name):
            return Outcome("repeated")
        return Outcome("effective" if effects else "without_effect", effects)

    def bind(self, event: Event) -> bool:
        """Return whether the id of *event* stands for these effects, and for no others from now on, in the fleet.

        For a sender whose proof comes apart from what it says: with other effects it proves nothing.

        Raises:
            RevocationUnavailableError: this cannot be decided now.
        """
        name = f"bound:{_digest(event.source, event.sender, event.id)}"
        effects = _digest(*event.effects)
        if self._store.reach() == "process":
            with self._lock():
                is_bound = self._bound.setdefault(name, effects) == effects
                while len(self._bound) > MAX_REMEMBERED:
                    del self._bound[next(iter(self._bound))]
            return is_bound
        try:
            return self._store.write(lambda store: store.take(name, effects, KEEP_SECONDS))
        except StoreError as exc:
            raise RevocationUnavailableError("not_stored") from exc

    def _apply(self, effect: Effect, event: Event, origin: Origin) -> bool:
        kind, value = effect.kind, effect.value
        if effect.action == "revoke":
            changed = self._revocations.revoke_up_to(
                event.occurred_at, kind, value, event.type, origin, issuer=event.sender
            )
        else:
            changed = self._revocations.lift(kind, value, origin, _may_lift(effect, event), issuer=event.sender)
        return changed is not None

    def _has_made(self, origin: Origin, effect: Effect, issuer: str) -> bool:
        return self._revocations.last_origin(effect.kind, effect.value, issuer=issuer) == origin

    def _was_handled(self, name: str) -> bool:
        if name in self._handled:
            return True
        if self._store.reach() == "process":
            return False
        try:
            return self._store.read(lambda store: store.value_of(name)) is not None
        except StoreError as exc:
            raise RevocationUnavailableError("not_stored") from exc

    def _mark_handled(self, name: str) -> bool:
        """Return whether nobody else has."""
        is_first_here = self._remember(name)
        if self._store.reach() == "process":
            return is_first_here
        # Of its own for each attempt: a client that sends the command again recognises its own success.
        attempt = secrets.token_hex(8)
        try:
            return self._store.write(lambda store: store.take(name, attempt, KEEP_SECONDS))
        except StoreError:
            # All effects are stored, and say by which event they were made.
            return is_first_here

    def _remember(self, name: str) -> bool:
        now = self._clock.time()
        with self._lock():
            is_new = name not in self._handled
            self._handled[name] = now
            while len(self._handled) > MAX_REMEMBERED or next(iter(self._handled.values())) < now - KEEP_SECONDS:
                del self._handled[next(iter(self._handled))]
        return is_new


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _may_lift(effect: Effect, event: Event) -> Callable[[Revocation], bool]:
    def may_lift(revocation: Revocation) -> bool:
        origin = revocation.origin
        is_of_sender = origin is not None and (origin.source, origin.actor) == (event.source, event.sender)
        # What was revoked after the event is not its to lift.
        is_later = revocation.issued_up_to is not None and revocation.issued_up_to > event.occurred_at
        return is_of_sender and revocation.reason == effect.undoes and not is_later

    return may_lift
