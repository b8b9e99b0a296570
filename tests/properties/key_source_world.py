"""The world around key sources, for a model of section 6: two clocks, an issuer, a shared cache, and other processes.

What the model takes for granted about the package, all of it in this file:

- the public methods of `KeySource` and `SharedKeySet`, which `shared_sources` makes;
- flights are threads whose name `servers.land` knows;
- a cache backend has ``get``, ``set`` and ``delete``, with timeouts in seconds of the wall clock;
- processes of one fleet keep one backoff, as far as the cache lets them know (`Process.history`), and one budget of
  searches for unknown keys, as far as nobody tampers with the store or sets the clock back (`World.tampered_with`);
- a fetch is told whether to ask caches on the way for what the issuer has now: searches and operators do.

With a shared cache the model says only what must not happen, with a single process also what must.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from conftest import MovableClock
from memory_store import MemoryStore
from servers import ScriptedIssuer, document
from shared_sources import AHEAD, ATTEMPT, EDDSA, MAX_STALE, SECRET, TTL, DictBackend, make_shared, make_source

from auth0_blueprint.concurrency.clock import Moment
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.shared_copy import SharedEntry, SharedKeySet
from auth0_blueprint.keysets.source import KeySource

SURELY_FRESH, SURELY_DUE = 0.9 * (TTL - AHEAD), 1.1 * (TTL - AHEAD)
MAX_BACKOFF, MAX_RETRY_AFTER, MAX_SPREAD = 30.0, 300.0, 5.0
POLL = 0.5
#: Of two answers one is older if it is by so much: ``Age`` is rounded.
ROUNDING = 2.0
#: How much of an ``Age`` counts at most, so that an edge that is always behind is not asked all the time.
MOST_COUNTED = (TTL - AHEAD) / 2
# After three sets that are each a bit older than the one before.
_SURELY_OLDER = 3 * ROUNDING + 1e-3

KEY_IDS = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Publication:
    """A key set that the issuer, or a cache on the way, gave to some process, when, and how old it was then."""

    key_ids: frozenset[str]
    wall: float
    monotonic: float
    order: float
    given_age: float = 0


@dataclass
class Attempt:
    """One question to the issuer.

    Attributes:
        started, ended: by both clocks.
        has_failed: ``None`` while it is under way, and if the process was frozen: then it says nothing.
        is_search: whether it was surely made for an unknown key alone.
        is_past_caches: whether caches on the way were asked for what the issuer has now.
        is_outdated: whether it has failed because it had to bring that, and brought an older copy.
        is_told: whether other processes hear of it; of an error that nobody expected they do not.
        publication: what it has brought.
    """

    started: Moment
    is_past_caches: bool
    ended: Moment = field(default_factory=Moment)
    has_failed: bool | None = None
    is_search: bool = False
    is_outdated: bool = False
    retry_after_seconds: float = 0
    is_told: bool = True
    publication: Publication | None = None

    @property
    def started_at(self) -> float:
        """When it began, on the monotonic clock."""
        return self.started.monotonic

    @property
    def least_pause(self) -> float:
        """For how long the issuer may not be asked after the start of this failure, for other processes a bit less."""
        return max(1.0, min(self.retry_after_seconds, MAX_RETRY_AFTER))

    @property
    def longest_pause(self) -> float:
        """After how long since the end of this failure the issuer has to be asked again."""
        return max(MAX_BACKOFF, min(self.retry_after_seconds, MAX_RETRY_AFTER))


def seconds_between(earlier: Moment, later: Moment) -> float:
    """Return the time in between, by the clock that was ahead."""
    return max(later.time - earlier.time, later.monotonic - earlier.monotonic)


@dataclass(frozen=True)
class Outcome:
    """What comes of asking the issuer; without ``key_ids`` it is a failure."""

    answer: bytes | FetchedKeySet | Exception
    key_ids: frozenset[str] | None = None
    takes_seconds: float = 0
    age: float = 0


@dataclass(frozen=True)
class Freeze:
    """What the next attempts meet: the process is frozen, and what they get is of no use."""

    seconds: float
    clocks: tuple[str, ...]
    answer: bytes | Exception


def published(key_ids: frozenset[str], takes_seconds: float = 0) -> Outcome:
    return Outcome(document(*sorted(key_ids)), key_ids, takes_seconds)


def copied(key_ids: frozenset[str], age: float, takes_seconds: float = 0) -> Outcome:
    """Return what a cache on the way has kept for *age* seconds."""
    return Outcome(FetchedKeySet(document(*sorted(key_ids)), age), key_ids, takes_seconds, age)


class ClockedBackend(DictBackend):
    """A cache backend that forgets by the clock which the test moves."""

    def __init__(self, clock: MovableClock) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()

    def get(self, key: str) -> Any:
        value, until = self.values.get(key, (None, 0.0))
        return value if self._clock.now < until else None

    def get_many(self, *keys: str) -> Any:
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        return super().set(key, (value, self._clock.now + (timeout or 300)))


class World:
    """Everything that the processes of one fleet have in common."""

    def __init__(self, *, is_sharing: bool) -> None:
        self.clock = MovableClock()
        self.clock.sleep = lambda _seconds: self.clock.move(POLL)
        self.clock.uniform = self.uniform
        self.is_sharing = is_sharing
        self.backend = ClockedBackend(self.clock)
        self.store = MemoryStore(self.clock)
        self.scripted = ScriptedIssuer(b"")
        self.outcome = published(frozenset({"a"}))
        self.copies: list[Outcome] = []
        self.freezes: list[Freeze] = []
        self.tampered_with = 0
        self.jitter = 0.5
        self.publications: list[Publication] = []
        self.disturbed_at = self.clock.uptime

    def disturb(self) -> None:
        """Note that what the processes know of each other has got lost, or counts by a clock that has jumped."""
        self.disturbed_at = self.clock.uptime

    def next_outcome(self) -> Outcome:
        """Return what comes of asking now: `pass_time` has to follow."""
        if self.freezes:
            return Outcome(self.freezes[0].answer)
        return self.copies.pop(0) if self.copies else self.outcome

    def pass_time(self, outcome: Outcome) -> None:
        """Let the time pass that the answer takes, or that the processes are frozen and do not see."""
        if not self.freezes:
            return self.clock.move(outcome.takes_seconds)
        freeze = self.freezes.pop(0)
        # In a fleet the wall clock never stands still: of a copy it alone says how old it is.
        for name in {*freeze.clocks, "now"} if self.is_sharing else freeze.clocks:
            setattr(self.clock, name, getattr(self.clock, name) + freeze.seconds)
        return self.disturb()

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.jitter

    def shared(self) -> SharedKeySet:
        return make_shared(
            self.clock,
            lambda: self.backend if self.is_sharing else None,
            # No second by the real clock, which a busy machine might take: that would be a cache that is down.
            call_within=lambda _seconds, operation: operation(),
            store=self.store if self.is_sharing else None,
            secret=SECRET if self.is_sharing else None,
        )

    def note(self, key_ids: frozenset[str], seconds_ago: float = 0, given_age: float = 0) -> Publication:
        wall, monotonic = self.clock.now - seconds_ago, self.clock.uptime - seconds_ago
        # Only without sharing can the wall clock go back, and only then the order of the answers is that of the ages.
        order = wall if self.is_sharing else float(len(self.publications))
        publication = Publication(key_ids, wall, monotonic, order, given_age)
        self.publications.append(publication)
        return publication

    def plant(self, key_ids: frozenset[str], seconds_ago: float) -> None:
        """Let another process share what it has fetched some time ago."""
        publication = self.note(key_ids, seconds_ago)
        self.disturb()
        self.shared().write(SharedEntry(document(*sorted(key_ids)).decode(), publication.wall))

    def age(self, publication: Publication) -> float:
        """Return the age that says what may be done with it, by the faster clock."""
        return self._elapsed(publication) + min(publication.given_age, MOST_COUNTED)

    def whole_age(self, publication: Publication) -> float:
        """Return how long ago the issuer itself sent it, by the faster clock."""
        return self._elapsed(publication) + publication.given_age

    def shared_age(self, publication: Publication) -> float:
        """Return the same as other processes see it, who know the time of the wall clock only."""
        return self.clock.now - publication.wall + publication.given_age

    def _elapsed(self, publication: Publication) -> float:
        return max(self.clock.now - publication.wall, self.clock.uptime - publication.monotonic)

    def is_newer_than(self, attempt: Attempt) -> bool:
        return any(publication.monotonic >= attempt.started_at for publication in self.publications)


@dataclass
class Process:
    """A key source, all that it has asked, and what it is known to hold at least.

    Attributes:
        floor: it holds this or something newer.
        most_under_way: how many questions it has had under way at a time.
    """

    world: World
    attempts: list[Attempt] = field(default_factory=list)
    floor: Publication | None = None
    most_under_way: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.source: KeySource = make_source(self._fetch, self.world.clock, self.world.shared())

    def _fetch(self, no_cache: bool) -> FetchedKeySet:
        world = self.world
        attempt = Attempt(world.clock.moment(), no_cache)
        with self._lock:
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
            self.attempts.append(attempt)
        outcome = world.next_outcome()
        world.scripted.answer = copy.copy(outcome.answer)  # or each raise would add to one and the same traceback
        try:
            answer = world.scripted(no_cache)
        except FetchError as exc:
            attempt.retry_after_seconds = exc.retry_after_seconds
            raise
        except RuntimeError:
            attempt.is_told = False
            raise
        finally:
            world.pass_time(outcome)
            attempt.ended = world.clock.moment()
            given_age = outcome.age if self._can_tell_ages() else 0
            if seconds_between(attempt.started, attempt.ended) <= ATTEMPT + 1:
                attempt.publication = self._brought(outcome.key_ids, given_age, attempt)
                attempt.has_failed = attempt.publication is None
                self.floor = attempt.publication or self.floor
            with self._lock:
                self._under_way -= 1
        return answer._replace(age_seconds=given_age)

    def _brought(self, key_ids: frozenset[str] | None, given_age: float, attempt: Attempt) -> Publication | None:
        """Return what there is to work with after an answer: its keys, or those in use once more; ``None`` fails."""
        world = self.world
        if key_ids is None:
            return None
        in_use = self._in_use()
        age_in_use = world.whole_age(in_use[0]) if in_use else float("inf")
        if age_in_use > MAX_STALE or given_age <= age_in_use + ROUNDING:
            return world.note(key_ids, given_age=given_age)
        attempt.is_outdated = attempt.is_past_caches
        return None if attempt.is_outdated else world.note(in_use[0].key_ids, given_age=age_in_use)

    def _in_use(self) -> list[Publication]:
        """Return the set in use, if any; where processes share, all those that it may be."""
        if not self.world.is_sharing:
            return self.candidates()[-1:]
        key_ids = self.key_ids()
        return [publication for publication in self.candidates() if publication.key_ids == key_ids]

    def _can_tell_ages(self) -> bool:
        """Tell whether it is known how old the set in use is. If not, no cache answers: the model could not judge."""
        world = self.world
        ages = [age(publication) for publication in self._in_use() for age in (world.whole_age, world.shared_age)]
        return not world.is_sharing or not ages or max(ages) - min(ages) < 1e-3

    def history(self, everybody: Iterable[Process]) -> tuple[Attempt, ...]:
        """Return its attempts, and those of others that it has to know of, in their order."""
        told = [
            attempt
            for process in everybody
            for attempt in process.attempts
            if attempt.has_failed is not None
            and (process is self or (attempt.is_told and attempt.started_at > self.world.disturbed_at))
        ]
        return tuple(sorted(told, key=lambda attempt: attempt.started_at))

    def holds(self, key_id: str | None) -> bool:
        """Tell whether the key is at hand; asking causes nothing."""
        try:
            self.source.cached_key(key_id, EDDSA)
        except (UnknownKeyError, KeySetUnavailableError):
            return False
        return True

    def key_ids(self) -> frozenset[str]:
        return frozenset(key_id for key_id in KEY_IDS if self.holds(key_id))

    def candidates(self) -> list[Publication]:
        """Return the key sets that it may work with now."""
        floor = -float("inf") if self.floor is None else self.floor.order
        return [
            publication
            for publication in self.world.publications
            if publication.order >= floor
            and self.world.age(publication) <= MAX_STALE
            and not self._is_surely_older(publication)
        ]

    def _is_surely_older(self, publication: Publication) -> bool:
        """Tell whether it replaces nothing here: others may share what an edge that is behind has given them."""
        if self.floor is None or publication is self.floor:
            return False
        age_in_use = self.world.whole_age(self.floor)
        return age_in_use <= MAX_STALE and self.world.shared_age(publication) > age_in_use + _SURELY_OLDER
