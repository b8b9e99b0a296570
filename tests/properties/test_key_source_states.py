"""Section 6 as a state machine: clocks, fetches and requests in any order, against what the contract promises."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from servers import complete
from shared_sources import COOLDOWN, EDDSA, MAX_STALE, TTL

from auth0_blueprint.concurrency.clock import Moment
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.source import REFRESH_MAX_WAIT_SECONDS
from properties.conftest import SLOW
from properties.key_source_world import (
    KEY_IDS,
    MAX_SPREAD,
    SURELY_DUE,
    SURELY_FRESH,
    Attempt,
    Freeze,
    Outcome,
    Process,
    Publication,
    World,
    copied,
    published,
    seconds_between,
)

NO_WAIT_SECONDS = 0.4  # by any clock: somebody who had to wait so long may be told to come again

#: What an attempt gets that was frozen: what the issuer said then is of no use.
_STALE_ANSWERS = (published(frozenset({"of old"})).answer, published(frozenset({"a", "of old"})).answer)
#: What an attempt has failed with that had to bring what the issuer has now.
_OUTDATED = "an older copy than the one in use"
#: How often a request can have attempts made that are frozen: three times for each of two calls.
_MOST_FROZEN = 6

_KEY_SETS = st.frozensets(st.sampled_from(KEY_IDS), min_size=1)
_TAKES = st.sampled_from([0.0, 0.0, 0.0, 1.0, 4.0, 5.0])
_PAUSES = (0, 0, 0.5, 17, 90, 300, 86_400)
_FAILURES = st.sampled_from(
    [
        *(FetchError("http_status", status=503, retry_after_seconds=seconds) for seconds in _PAUSES),
        RuntimeError("something else"),
        *(b"", b"<html>", b"[]", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AA", "kid": "a"}]}'),
    ]
)
_FAILS = st.builds(Outcome, _FAILURES, key_ids=st.none(), takes_seconds=_TAKES)
#: No two of them, and no sums of the moves, meet at a limit, where rounding would decide.
_AGES = st.sampled_from([1.1, 3.15, 100.2, 450.25, 1000.3, MAX_STALE - 99.65, MAX_STALE + 99.4, 50_000.45])
_COPIES = st.builds(copied, _KEY_SETS, _AGES, _TAKES)
_OUTCOMES = st.builds(published, _KEY_SETS, _TAKES) | _FAILS
_AROUND_THE_LIMITS = (COOLDOWN - 0.5, SURELY_DUE, MAX_STALE - 600, MAX_STALE - 0.5, MAX_STALE + 0.5)
_MOVES = st.sampled_from([0.5, 1.0, 2.0, 5.0, 90.0, 299.0, 301.0, 430.0, *_AROUND_THE_LIMITS])
_FREEZES = st.builds(
    Freeze,
    st.sampled_from([6.5, 20.0, 300.0, 2000.0]),
    st.sampled_from([("now", "uptime"), ("now",), ("uptime",)]),
    st.sampled_from([FetchError("timeout"), RuntimeError("something else"), b"", *_STALE_ANSWERS]),
)
_REQUESTED = st.sampled_from([*KEY_IDS, "never published", "never published", None])
_REQUESTS = st.lists(st.tuples(st.integers(0, 2), st.just(0.0) | _MOVES, _REQUESTED), min_size=1, max_size=4)


@dataclass(frozen=True)
class Before:
    is_known: bool
    is_surely_fresh: bool
    is_surely_due: bool
    is_used_at_once: bool
    candidates: tuple[Publication, ...]
    now: Moment
    attempt_count: int
    history: tuple[Attempt, ...]


class KeySourceMachine(RuleBasedStateMachine):
    """One process with an issuer, and no cache."""

    process_count = 1
    is_sharing = False

    def __init__(self) -> None:
        super().__init__()
        self.world = World(is_sharing=self.is_sharing)
        self.processes = [Process(self.world) for _ in range(self.process_count)]
        self.searches: list[tuple[int, Attempt]] = []

    def teardown(self) -> None:
        self.world.scripted.release()
        complete()

    @rule(seconds=_MOVES)
    def time_passes(self, seconds: float) -> None:
        self.world.clock.move(seconds)

    @rule(seconds=_MOVES)
    def the_machine_sleeps(self, seconds: float) -> None:
        self.world.clock.now += seconds
        self.world.disturb()

    @rule(freezes=st.lists(_FREEZES, min_size=1, max_size=4))
    def the_processes_will_be_frozen(self, freezes: list[Freeze]) -> None:
        self.world.freezes = freezes

    @rule(outcome=_OUTCOMES)
    def the_issuer_will(self, outcome: Outcome) -> None:
        self.world.outcome = outcome

    @rule(jitter=st.sampled_from([0.0, 0.5, 1.0]))
    def chance_will(self, jitter: float) -> None:
        self.world.jitter = jitter

    @rule(requests=_REQUESTS)
    def requests_come(self, requests: list[tuple[int, float, str | None]]) -> None:
        for number, seconds, key_id in requests:
            self.world.clock.move(seconds)
            self._request(self.processes[number % self.process_count], key_id)

    def _request(self, process: Process, key_id: str | None) -> None:
        before = self._before(process, key_id)
        started_at = time.monotonic()
        answer: str | None = None
        error: Exception | None = None
        try:
            answer = process.source.key_for(key_id, EDDSA).key.key_id
        except (UnknownKeyError, KeySetUnavailableError) as exc:
            error = exc
        event(type(error).__name__ if error else "a key")
        took_seconds = time.monotonic() - started_at
        was_slow = max(took_seconds, self.world.clock.uptime - before.now.monotonic) >= NO_WAIT_SECONDS
        complete()
        if took_seconds < REFRESH_MAX_WAIT_SECONDS:
            self._check_repeats(process, before, error)
        self._check_attempts(process, key_id, before)
        if error is None:
            self._check_key(process, key_id, before, answer)
        elif not was_slow:
            self._check_refusal(process, key_id, before, error)

    @rule(number=st.integers(0, 2), moves=st.lists(_MOVES, max_size=2))
    def requests_while_the_issuer_takes_its_time(self, number: int, moves: list[float]) -> None:
        process = self.processes[number % self.process_count]
        attempt_count = len(process.attempts)
        self.world.scripted.hold()
        for seconds in [0.0, *moves, 0.0]:
            self.world.clock.move(seconds)
            with contextlib.suppress(KeySetUnavailableError):
                process.source.snapshot(max_wait_seconds=0)
            self._wait_until_the_issuer_is_asked()
            self.only_keys_of_the_issuer_are_at_hand()
        assert len(process.attempts) <= attempt_count + 1
        assert not any(attempt.is_past_caches for attempt in process.attempts[attempt_count:])
        self.world.scripted.release()
        complete()

    @rule(number=st.integers(0, 2))
    def an_operator_refreshes(self, number: int) -> None:
        """It asks past the caches, regardless of pauses, and says whether the keys were refreshed."""
        process = self.processes[number % self.process_count]
        attempt_count = len(process.attempts)
        is_refreshed = True
        try:
            process.source.refresh_now(60)
        except KeySetUnavailableError:
            is_refreshed = False
        complete()
        new = process.attempts[attempt_count:]
        assert all(attempt.is_past_caches for attempt in new)
        if not self.is_sharing:
            assert 1 <= len(new) <= _MOST_FROZEN / 2
            assert is_refreshed == (new[-1].has_failed is False)

    @invariant()
    def only_keys_of_the_issuer_are_at_hand(self) -> None:
        """The keys at hand are those of one answer, not over MAX_STALE, and never of an older one than before."""
        for process in self.processes:
            key_ids = process.key_ids()
            fitting = [publication for publication in process.candidates() if publication.key_ids == key_ids]
            if key_ids:
                assert fitting
                process.floor = min(fitting, key=lambda publication: publication.order)
            else:
                assert process.floor is None or self.world.age(process.floor) > MAX_STALE
            assert process.source.status().is_usable == bool(key_ids)

    @invariant()
    def the_issuer_is_asked_once_at_a_time(self) -> None:
        assert all(process.most_under_way <= 1 for process in self.processes)

    def _wait_until_the_issuer_is_asked(self) -> None:
        """Wait for the flights that there are to ask, or to land without."""
        flights = [thread for thread in threading.enumerate() if thread.name == "auth0-blueprint-background"]
        for flight in flights:
            while flight.is_alive() and not self.world.scripted.asked.is_set():
                flight.join(0.001)

    def _before(self, process: Process, key_id: str | None) -> Before:
        age = float("inf") if process.floor is None else self.world.age(process.floor)
        history = process.history(self.processes)
        latest = history[-1].publication if history else None
        candidates = process.candidates()
        is_latest_fresh = (
            latest is not None
            and self.world.age(latest) < SURELY_FRESH
            and all(self.world.age(own) < SURELY_FRESH or self._replaces(latest, own) for own in candidates)
        )
        return Before(
            is_known=process.holds(key_id),
            is_surely_fresh=age < SURELY_FRESH or is_latest_fresh,
            is_surely_due=age >= SURELY_DUE,
            is_used_at_once=age < TTL,
            candidates=tuple(candidates),
            now=self.world.clock.moment(),
            attempt_count=len(process.attempts),
            history=history,
        )

    def _replaces(self, shared: Publication, own: Publication) -> bool:
        """Tell whether a set that another process has is surely taken: it is not older, nor of the same moment."""
        return shared.order > own.order and self.world.shared_age(shared) <= self.world.whole_age(own)

    def _check_attempts(self, process: Process, key_id: str | None, before: Before) -> None:
        """Check that the request has made the process ask if it had to, and not where it must not."""
        new = process.attempts[before.attempt_count :]
        settled = [attempt for attempt in new if attempt.has_failed is not None]
        assert len(settled) <= 2  # one that is scheduled, and a search
        # A newer set of another process may lack the key, which is then an unknown one.
        stays_known = before.is_known and all(key_id in publication.key_ids for publication in before.candidates)
        if before.is_surely_fresh and stays_known:
            assert not new
        if stays_known and all(key_id in attempt.publication.key_ids for attempt in settled if attempt.publication):
            assert len(settled) <= 1
            assert not any(attempt.is_past_caches for attempt in new)  # scheduled: caches may spare the issuer
        self._check_budget(new, before)
        last = before.history[-1] if before.history else None
        if last is not None and new:
            is_paused = bool(last.has_failed) and not self.world.is_newer_than(last)
            assert not is_paused or seconds_between(last.started, new[0].started) >= last.least_pause
        if not self.is_sharing:
            must_search = not before.is_known and self._has_surely_budget(process, before)
            must_ask = before.is_surely_due or must_search
            may_be_paused = (
                last is not None
                and bool(last.has_failed)
                and seconds_between(last.ended, before.now) < last.longest_pause
            )
            assert new or may_be_paused or not must_ask

    def _check_repeats(self, process: Process, before: Before, error: Exception | None) -> None:
        """Check that attempts that were frozen were made again, and by a waiting request in two calls if need be."""
        new = process.attempts[before.attempt_count :]
        if not new or any(attempt.has_failed is not None for attempt in new):
            return
        if before.is_surely_fresh:  # each attempt of a search costs one of the budget
            assert len(new) < _MOST_FROZEN / 2 or not isinstance(error, UnknownKeyError)
        elif not self.is_sharing and (before.is_known or before.is_surely_due):  # else they may be those of a search
            was_failing = bool(before.history) and bool(before.history[-1].has_failed)
            is_waiting = not before.is_used_at_once and not was_failing
            assert len(new) >= (_MOST_FROZEN if is_waiting else _MOST_FROZEN / 2)

    def _check_budget(self, new: list[Attempt], before: Before) -> None:
        """Check that unknown key ids do not make the fleet ask more than three times in a cooldown."""
        searches = new if before.is_surely_fresh else new[1:] if new and new[0].has_failed is not None else []
        for attempt in searches:
            attempt.is_search = True
            assert attempt.is_past_caches
            self.searches.append((self.world.tampered_with, attempt))
        for (tampered, earlier), (tampered_later, later) in zip(self.searches, self.searches[3:], strict=False):
            if tampered == tampered_later:
                assert seconds_between(earlier.started, later.started) >= COOLDOWN - 1e-3

    def _has_surely_budget(self, process: Process, before: Before) -> bool:
        """Tell whether of three slots one is free for certain, whatever the last attempts were made for."""
        longest = 5 / 3 * COOLDOWN + MAX_SPREAD
        earlier = process.attempts[: before.attempt_count]
        return sum(seconds_between(attempt.started, before.now) < longest for attempt in earlier) < 3

    def _check_key(self, process: Process, key_id: str | None, before: Before, answer: str | None) -> None:
        """Check that the key was in a set that could be used, when it came or, where nobody had to wait, before."""
        assert key_id in {None, answer}
        was_failing = bool(before.history) and bool(before.history[-1].has_failed)
        was_frozen = self._frozen(process, before) >= _MOST_FROZEN / 2
        usable = process.candidates()
        if before.is_used_at_once or was_failing or was_frozen or self._has_heard_of_failures():
            # Its age is that of the moment when it was asked for: a flight in the background may take time.
            usable += before.candidates
        elif self.is_sharing:
            usable += [publication for publication in before.candidates if self.world.age(publication) <= MAX_STALE]
        assert any(answer in publication.key_ids for publication in usable)

    def _check_refusal(self, process: Process, key_id: str | None, before: Before, error: Exception) -> None:
        own = [attempt for attempt in process.attempts if attempt.has_failed is not None]
        last = own[-1] if own else None
        is_failing = last is not None and bool(last.has_failed)
        # Known before and after, and so all the time: time does not go back, nor does the issuer take back its answer.
        # A fleet may have had a set without it in between.
        sets = [*before.candidates, *process.candidates()] if self.is_sharing else []
        stayed_known = before.is_known and all(key_id in publication.key_ids for publication in sets)
        assert not (stayed_known and process.holds(key_id))
        if isinstance(error, UnknownKeyError):
            assert process.key_ids()
            assert not process.holds(key_id)
            assert last is None or not is_failing or self.world.is_newer_than(last)
        else:
            assert isinstance(error, KeySetUnavailableError)
            assert 1 <= error.retry_after_seconds <= 300
            was_frozen = self._frozen(process, before) > 0
            # While the last fetch failed nobody waits for the next one, which may be fast all the same.
            is_failing = is_failing or (bool(before.history) and bool(before.history[-1].has_failed))
            assert is_failing or was_frozen or self._has_heard_of_failures() or not process.key_ids()

    def _frozen(self, process: Process, before: Before) -> int:
        """Return how many attempts were frozen."""
        return sum(attempt.has_failed is None for attempt in process.attempts[before.attempt_count :])

    def _has_heard_of_failures(self) -> bool:
        """Tell whether a process may know of a failure of another one: for as long as the cache keeps it."""
        return self.is_sharing and any(attempt.has_failed for p in self.processes for attempt in p.attempts)


class OneProcessMachine(KeySourceMachine):
    @rule(copies=st.lists(_COPIES, min_size=1, max_size=3))
    def an_edge_answers_next_with(self, copies: list[Outcome]) -> None:
        self.world.copies = copies

    @rule(copy=_COPIES)
    def an_edge_answers_from_now_on_with(self, copy: Outcome) -> None:
        self.world.outcome = copy

    @invariant()
    def it_says_why_the_last_attempt_failed(self) -> None:
        settled = [attempt for attempt in self.processes[0].attempts if attempt.has_failed is not None]
        last_error = self.processes[0].source.status().last_error
        assert (last_error is not None) == bool(settled and settled[-1].has_failed)
        assert (last_error == _OUTDATED) == bool(settled and settled[-1].is_outdated)

    @rule(seconds=_MOVES)
    def the_wall_clock_is_set_back(self, seconds: float) -> None:
        self.world.clock.now -= seconds
        self.world.tampered_with += 1  # set back and then forward, it may give searches back


class FleetMachine(KeySourceMachine):
    """Three processes with one cache, to which more processes write, and somebody who has no secret.

    No edge is behind here: which of several sets with the same keys a process holds cannot be seen, and their ages
    would decide. ``tests/test_aged_answers.py`` has such fleets.
    """

    process_count = 3
    is_sharing = True

    @rule(key_ids=_KEY_SETS, seconds_ago=st.just(0.0) | _MOVES)
    def another_process_shares(self, key_ids: frozenset[str], seconds_ago: float) -> None:
        self.world.plant(key_ids, seconds_ago)

    @rule(text=st.sampled_from(["", "{}", "null", "garbage.signature"]))
    def somebody_scribbles_in_the_cache(self, text: str) -> None:
        self.world.disturb()
        for name in list(self.world.backend.values):
            self.world.backend.set(name, text, 3600)
        self.world.tampered_with += 1
        for name in ("lease", "search-0", "search-1", "search-2"):
            self.world.store.put(name, text, 3600)


TestOneProcess = OneProcessMachine.TestCase
TestFleet = FleetMachine.TestCase
TestOneProcess.settings = TestFleet.settings = SLOW
