"""A process on simulated time that is frozen as soon as it has answered, as AWS Lambda does: what its keys are like.

Background work goes on only while a request is being served. Run as a program it prints a day at the default settings.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from greenlet import getcurrent, greenlet

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.shared_copy import SharedKeySet
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.signed_cache import SignedCache
from benchmarks.simulated_fleet import AHEAD, COOLDOWN, MAX_STALE, TTL
from benchmarks.simulated_network import ALGORITHM, FETCH_TIMEOUT, SimulatedIssuer
from benchmarks.simulated_time import SimulatedEvent, Timeline

DAY = 86_400.0
GAP_SECONDS = (10.0, 300.0)
ANSWER_SECONDS = 0.005
ROTATION_SECONDS = 3 * 3600.0

_ISSUER = "https://tenant.example/"
_EPOCH = 1_800_000_000.0


@dataclass
class Account:
    """What was seen of the events of a day.

    Attributes:
        times: when each event was answered.
        ages: how old the keys were that each event was answered with, in seconds.
        refused: how many good tokens were refused.
        trusted: for how long a withdrawn key was trusted at most, in seconds.
        fetches: how often the issuer was asked.
    """

    ages: list[float]
    times: list[float]
    refused: int = 0
    trusted: float = 0.0
    fetches: int = 0

    def share_older_than(self, seconds: float) -> float:
        """Return which share of the events had older keys."""
        return sum(age > seconds for age in self.ages) / len(self.ages)


class FrozenProcess:
    """A process that is awake only while it serves an event.

    Args:
        seed: the same gives the same day.
        stands_still: whether monotonic time stands still while it is frozen.
    """

    def __init__(self, seed: int, *, stands_still: bool) -> None:
        self.time = Timeline()
        self._random = random.Random(seed)
        self.issuer = SimulatedIssuer(self.time, self._random.uniform)
        self.account = Account([], [])
        self._stands_still = stands_still
        self._is_awake = False
        self._held_up: list[greenlet] = []
        self._awake_seconds = self._woken_at = 0.0
        self._source = self._new_source()

    def live(self, seconds: float) -> Account:
        """Serve events for so long, while keys are published and withdrawn, and return what was seen."""
        self.time.start(self._serve)
        self.time.start(self._rotate)
        self.time.run(until=seconds)
        self.account.fetches = len(self.issuer.asked_at)
        return self.account

    def _serve(self) -> None:
        while True:
            self.time.sleep(self._random.uniform(*GAP_SECONDS))
            self._wake_up()
            for key_id in self.issuer.good:
                self._ask(key_id)
            age = self._source.status().age_seconds
            self.account.times.append(self.time.now)
            self.account.ages.append(MAX_STALE if age is None else age)
            for key_id, since in self.issuer.withdrawn.items():
                if self._is_trusted(key_id):
                    self.account.trusted = max(self.account.trusted, self.time.now - since)
            self.time.sleep(ANSWER_SECONDS)
            self._freeze()

    def _ask(self, key_id: str) -> None:
        try:
            self._source.key_for(key_id, ALGORITHM)
        except Auth0Error:
            self.account.refused += 1

    def _is_trusted(self, key_id: str) -> bool:
        try:
            self._source.cached_key(key_id, ALGORITHM)
        except Auth0Error:
            return False
        return True

    def _rotate(self) -> None:
        while True:
            self.time.sleep(ROTATION_SECONDS)
            self.issuer.sign_with(self.issuer.publish())
            self.time.sleep(ROTATION_SECONDS / 2)
            self.issuer.withdraw(self.issuer.good[0])

    def _wake_up(self) -> None:
        self._is_awake, self._woken_at = True, self.time.now
        held_up, self._held_up = self._held_up, []
        for activity in held_up:
            self.time.at(self.time.now, activity)
        if self._random.random() < 0.5:  # either the background or the event goes on first
            self.time.sleep(0)

    def _freeze(self) -> None:
        self._is_awake = False
        self._awake_seconds += self.time.now - self._woken_at

    def _monotonic(self) -> float:
        if self._stands_still:
            return self._awake_seconds + (self.time.now - self._woken_at if self._is_awake else 0.0)
        return self.time.now

    def _go_on_awake(self) -> None:
        while not self._is_awake:
            self._held_up.append(getcurrent())
            self.time.wait_in_hub()

    def _start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            self._go_on_awake()
            work()

        self.time.start(run)

    def _fetch(self, no_cache: bool) -> FetchedKeySet:
        asked_at = self._monotonic()
        try:
            answer = self.issuer.answer(no_cache)
        finally:
            self._go_on_awake()
        if self._monotonic() - asked_at > FETCH_TIMEOUT:
            raise FetchError("timeout")
        return answer

    def _new_source(self) -> KeySource:
        clock = Clock(
            time=lambda: _EPOCH + self.time.now,
            monotonic=self._monotonic,
            sleep=self.time.sleep,
            uniform=self._random.uniform,
        )
        signer = EntrySigner("", _ISSUER)
        nobody = SharedStore(lambda: None, reach=lambda: "process", clock=clock)
        cache = SignedCache(SharedCache(lambda: None, clock=clock), secret=None, names=(_ISSUER,))
        return KeySource(
            _ISSUER,
            ttl_seconds=TTL,
            refresh_ahead_seconds=AHEAD,
            max_stale_seconds=MAX_STALE,
            cooldown_seconds=COOLDOWN,
            fetch=self._fetch,
            shared=SharedKeySet(
                cache, nobody, signer, keep_seconds=MAX_STALE, attempt_seconds=FETCH_TIMEOUT, clock=clock
            ),
            clock=clock,
            single_flight=SingleFlight(start=self._start, make_event=partial(SimulatedEvent, self.time), clock=clock),
        )


def main() -> None:
    """Print a day of ten processes for each kind of monotonic clock."""
    print("| monotonic time while frozen | events | keys older than TTL | oldest | good tokens refused | trusted |")
    print("|---|---|---|---|---|---|")
    for stands_still in (False, True):
        accounts = [FrozenProcess(seed, stands_still=stands_still).live(DAY) for seed in range(10)]
        ages = [age for account in accounts for age in account.ages]
        late = max(account.share_older_than(TTL) for account in accounts)
        refused, trusted = sum(one.refused for one in accounts), max(one.trusted for one in accounts)
        clock = "stands still" if stands_still else "goes on"
        print(f"| {clock} | {len(ages):,} | {late:.0%} | {max(ages):,.0f} s | {refused} | {trusted:,.0f} s |")


if __name__ == "__main__":
    main()
