"""Limits how often the issuer is asked for unknown key ids: whoever makes them up must not make this API flood it."""

from __future__ import annotations

from contextlib import suppress

from auth0_blueprint.concurrency.clock import Clock, Moment
from auth0_blueprint.keysets.lease import Fleet
from auth0_blueprint.sharing.store import StoreError

# For how many cooldowns a search takes each slot: three searches may follow each other at once, and after such a burst
# the slots come back one by one, a third of a cooldown apart. No slot serves twice within one cooldown.
SLOT_COOLDOWNS = (1, 4 / 3, 5 / 3)
MAX_SPREAD_SECONDS = 5.0


class SearchBudget:
    """The searches that the fleet may make within a cooldown. Only the call under way spends; every thread reads.

    Without a store, or while it is unavailable, each process has a budget of its own.

    Args:
        fleet: shares the slots.
        cooldown_seconds: ``AUTH0_JWKS_COOLDOWN``; 0 means no limit.
        clock: tells the time.
    """

    def __init__(self, fleet: Fleet, *, cooldown_seconds: float, clock: Clock) -> None:
        self._fleet = fleet
        self._cooldown_seconds = cooldown_seconds
        self._clock = clock
        # As far as this process knows: those that it took, and those that it found taken by others.
        self._taken_until = [Moment()] * len(SLOT_COOLDOWNS)
        self._last_taken: int | None = None

    @property
    def may_have_any(self) -> bool:
        """Whether a search may be possible, by what this process knows."""
        return self._cooldown_seconds == 0 or any(self._is_free(number) for number in range(len(SLOT_COOLDOWNS)))

    def spend(self) -> bool:
        """Take the first free slot; return whether there was one. It stays taken if the search fails."""
        if self._cooldown_seconds == 0:
            return True
        for number, cooldowns in enumerate(SLOT_COOLDOWNS):
            if self._is_free(number):
                seconds = cooldowns * self._cooldown_seconds
                taken_seconds = 0.0
                with suppress(StoreError):
                    taken_seconds = self._fleet.take_search(number, seconds)
                self._taken_until[number] = self._clock.moment(taken_seconds or seconds)
                if not taken_seconds:
                    self._last_taken = number
                    return True
        return False

    def spread(self) -> None:
        """Keep the slot of a search that failed for a random time longer.

        Processes without a shared cache see a new key at the same moment. If the issuer rejects them for their number,
        they must not all return at once whenever a slot comes back.
        """
        if self._last_taken is not None:
            until = self._taken_until[self._last_taken]
            seconds = self._clock.uniform(0, min(MAX_SPREAD_SECONDS, self._cooldown_seconds))
            self._taken_until[self._last_taken] = Moment(until.time + seconds, until.monotonic + seconds)
            self._last_taken = None

    def _is_free(self, number: int) -> bool:
        return self._clock.seconds_since(self._taken_until[number]) >= 0
