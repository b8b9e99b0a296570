"""Processes that are frozen between their requests, as by AWS Lambda: nothing goes on in the background.

A frozen process has not seen the time that passed. By its clocks an attempt may have taken an hour; monotonic time may
have gone on meanwhile, or stood still.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from conftest import MovableClock
from servers import ScriptedIssuer, document
from shared_sources import ATTEMPT, DUE, MAX_STALE, TTL, UNAVAILABLE, DictBackend, Fleet, ask, make_source
from waits import Waits

from auth0_blueprint.concurrency.single_flight import Call
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.source import KeySource
from benchmarks.simulated_freezes import DAY, FrozenProcess

CLOCKS = pytest.mark.parametrize(
    "clocks", [("now", "uptime"), ("now",), ("uptime",)], ids=["both", "wall", "monotonic"]
)
FROZEN = ATTEMPT + 1 + 0.01


class Freezing:
    """An issuer that answers while the process is frozen: each of the next attempts ends only after so many seconds."""

    def __init__(self, clock: MovableClock, clocks: tuple[str, ...]) -> None:
        self._clock = clock
        self._clocks = clocks
        self.answer: bytes | Exception = document("a")
        self.freezes: list[float] = []
        self.fetches = 0
        self.on_asked: Callable[[], object] = lambda: None

    def __call__(self, _no_cache: bool) -> FetchedKeySet:
        self.fetches += 1
        self.on_asked()
        answer = self.answer
        if self.freezes:
            for name in self._clocks:
                setattr(self._clock, name, getattr(self._clock, name) + self.freezes[0])
            if self.freezes.pop(0) and "uptime" in self._clocks:
                raise FetchError("timeout")
        if isinstance(answer, Exception):
            raise answer
        return FetchedKeySet(answer)


class Frozen:
    """A source whose background work goes on only while a request waits for it."""

    def __init__(self, clock: MovableClock, clocks: tuple[str, ...]) -> None:
        self.clock = clock
        self.issuer = Freezing(clock, clocks)
        self.waits = Waits(clock)
        self.failures: list[str] = []
        self.source: KeySource = make_source(
            self.issuer,
            clock,
            single_flight=self.waits.single_flight,
            on_failed=lambda error: self.failures.append(str(error)),
        )
        self.source.snapshot()

    def be_frozen_in_the_attempt_under_way(self, seconds: float = FROZEN) -> None:
        """Let the call under way ask the issuer, and nothing else happen until somebody waits for it."""
        is_asked, may_go_on = threading.Event(), threading.Event()

        def freeze() -> None:
            self.issuer.on_asked = lambda: None
            is_asked.set()
            assert may_go_on.wait(5)

        def thaw() -> None:
            may_go_on.set()
            thread.join(5)

        self.issuer.on_asked = freeze
        thread = threading.Thread(target=self.waits.begun.pop())
        thread.start()
        assert is_asked.wait(5)
        self.waits.begun.append(thaw)
        self.clock.move(seconds)


@pytest.fixture
def frozen(clock: MovableClock, clocks: tuple[str, ...]) -> Frozen:
    return Frozen(clock, clocks)


@CLOCKS
@pytest.mark.parametrize("freezes", [[1200.0], [7.0], [1200.0, 600.0]])
def test_a_frozen_attempt_is_no_failure_and_is_made_again_while_the_request_waits(
    frozen: Frozen, freezes: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it brought: an answer may have been waiting as long, and may be one from before a key was withdrawn."""
    frozen.clock.move(TTL)
    frozen.issuer.freezes = list(freezes)
    assert frozen.source.snapshot().fetched_at == frozen.clock.now
    assert frozen.issuer.fetches == 2 + len(freezes)
    assert (frozen.failures, caplog.records) == ([], [])
    assert frozen.source.status().consecutive_failures == 0


@CLOCKS
def test_an_attempt_that_is_frozen_again_and_again_ends_and_the_request_makes_one_more(frozen: Frozen) -> None:
    """Three times in a row end a call, without an outcome."""
    frozen.clock.move(TTL)
    frozen.issuer.freezes = [100.0] * 4
    assert frozen.source.snapshot().fetched_at == frozen.clock.now
    assert frozen.issuer.fetches == 1 + 3 + 2
    frozen.clock.move(TTL)
    frozen.issuer.freezes = [100.0] * 100
    assert frozen.source.snapshot().key_set.key_ids == {"a"}
    assert (frozen.issuer.fetches, frozen.failures) == (6 + 6, [])
    frozen.clock.move(MAX_STALE)
    assert ask(frozen.source) == UNAVAILABLE
    frozen.issuer.freezes.clear()
    assert ask(frozen.source) == "a"


@CLOCKS
def test_a_search_that_was_frozen_all_the_time_says_nothing_about_the_key(frozen: Frozen) -> None:
    """503, not 401. Each attempt of a search costs one of the budget, as the issuer may have seen it."""
    frozen.issuer.answer = document("a", "b")
    frozen.issuer.freezes = [7.0] * 3
    assert ask(frozen.source, "b") == UNAVAILABLE
    assert frozen.issuer.fetches == 1 + 3


@pytest.mark.parametrize("clocks", [("now", "uptime")])
def test_an_attempt_that_is_only_late_is_a_failure(frozen: Frozen) -> None:
    """A second is what a busy machine may need to notice the deadline."""
    frozen.clock.move(TTL)
    frozen.issuer.freezes = [ATTEMPT + 1.0]
    frozen.source.snapshot()
    assert (frozen.issuer.fetches, frozen.failures) == (2, ["no complete answer in time"])


@CLOCKS
def test_an_earlier_failure_does_not_keep_a_frozen_process_from_its_keys(frozen: Frozen) -> None:
    """While fetches fail nobody waits for the next one. Where nothing goes on otherwise, that would be for ever."""
    frozen.clock.move(TTL)
    frozen.issuer.answer = FetchError("http_status", status=503)
    frozen.source.snapshot()
    frozen.issuer.answer = document("b")
    frozen.clock.move(60)
    assert frozen.source.snapshot().key_set.key_ids == {"a"}  # it begins an attempt, and is frozen
    frozen.be_frozen_in_the_attempt_under_way()
    assert frozen.source.snapshot().key_set.key_ids == {"b"}


@CLOCKS
def test_an_attempt_that_was_begun_ahead_of_time_is_waited_for_when_the_keys_are_stale(frozen: Frozen) -> None:
    frozen.clock.move(DUE)
    frozen.issuer.answer = document("b")
    assert frozen.source.snapshot().key_set.key_ids == {"a"}
    frozen.be_frozen_in_the_attempt_under_way(TTL - DUE)
    assert frozen.source.snapshot().key_set.key_ids == {"b"}


@pytest.mark.parametrize("seconds", [300, 0], ids=["both clocks", "monotonic"])
def test_what_another_process_fetched_meanwhile_is_adopted(clock: MovableClock, seconds: float) -> None:
    """A frozen attempt is made again from its beginning: with a look into the shared cache, and a lease of its own."""
    fleet = Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)
    attempts = count()

    def fetch(_no_cache: bool) -> FetchedKeySet:
        if next(attempts) == 0:
            clock.move(seconds)
            clock.uptime += 300 - seconds
            fleet.shared().write(fleet.entry("b"))
        return FetchedKeySet(document("c"))

    source = make_source(fetch, clock, fleet.shared(), single_flight=Waits(clock).single_flight)
    assert source.snapshot().key_set.key_ids == {"b"}
    assert (next(attempts), fleet.store.value_of("lease")) == (1, None)


def test_a_request_that_was_frozen_while_it_waited_waits_again(clock: MovableClock) -> None:
    """Its time is over when it wakes up; the call that it waits for has not seen that time, either."""
    waits = list[float | None]()

    class Sleeping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            clock.move(1200)
            return False

    Call(Sleeping, clock).wait(3)
    assert waits == [3, 3]


@pytest.mark.parametrize("stands_still", [False, True], ids=["monotonic goes on", "monotonic stands still"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_a_process_that_is_frozen_whenever_it_has_answered(seed: int, stands_still: bool) -> None:
    """An event each 10 to 300 s, at the default settings: no event on old keys, and none refused without need."""
    account = FrozenProcess(seed, stands_still=stands_still).live(DAY)
    assert len(account.ages) > 500
    assert max(account.ages) <= TTL + ATTEMPT
    assert account.trusted <= TTL + ATTEMPT
    assert account.refused == 0
    assert account.fetches <= DAY / DUE * 3  # an attempt may be frozen twice


@pytest.mark.parametrize("stands_still", [False, True], ids=["monotonic goes on", "monotonic stands still"])
def test_after_an_outage_such_a_process_has_new_keys_with_its_third_event(stands_still: bool) -> None:
    """The first one begins an attempt, in the second it is made again, and whoever waits gets its keys."""
    process = FrozenProcess(1, stands_still=stands_still)
    process.time.start(partial(process.issuer.go_away, "refuses", 2400.0), at=3600.0)
    account = process.live(3 * 3600)
    assert account.refused == 0
    (back_at,) = (until for _since, until in process.issuer.outages)
    late = [at for at, age in zip(account.times, account.ages, strict=True) if age > TTL + ATTEMPT]
    assert late
    assert sum(at > back_at for at in late) <= 2


@pytest.mark.parametrize("lookup_seconds", [0.0, 6.0])
def test_slow_name_servers_are_no_freeze(clock: MovableClock, lookup_seconds: float) -> None:
    """The time that a look-up took is told with the error, and does not count."""
    failures: list[str] = []

    def fail(_no_cache: bool) -> FetchedKeySet:
        clock.move(ATTEMPT + 6)
        error = FetchError("timeout")
        error.lookup_seconds = lookup_seconds
        raise error

    waits = Waits(clock)
    source = make_source(
        fail, clock, single_flight=waits.single_flight, on_failed=lambda error: failures.append(str(error))
    )
    with pytest.raises(KeySetUnavailableError):
        source.snapshot()
    assert failures == ([] if lookup_seconds == 0 else ["no complete answer in time"])
