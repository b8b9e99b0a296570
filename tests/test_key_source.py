"""One issuer's key set, kept current: what a request gets, and what it causes, in each state."""

from __future__ import annotations

import inspect
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from conftest import MovableClock, middle
from processes import eventually
from servers import ScriptedIssuer, complete, document, in_a_child_process
from shared_sources import (
    ATTEMPT,
    COOLDOWN,
    DUE,
    EDDSA,
    ISSUER,
    MAX_STALE,
    TTL,
    UNAVAILABLE,
    UNKNOWN,
    make_source,
    outcome,
    refresh,
)  # fmt: skip
from waits import Waits

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.concurrency.places import Places
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.keysets.source import REFRESH_MAX_WAIT_SECONDS, KeySource

Fetch = Callable[[bool], FetchedKeySet]
FOREVER = 60.0  # longer than any test: whoever waits so long has been caught


def retry_after(ask: Callable[..., object], *arguments: object) -> float:
    """Return when to come again, as the error says that whoever asks gets."""
    with pytest.raises(KeySetUnavailableError) as caught:
        ask(*arguments)
    return caught.value.retry_after_seconds


class Lone:
    """A source that shares nothing, the issuer that it asks, and the clock that the test moves."""

    def __init__(self, clock: MovableClock, fetch: Fetch | None = None, **changes: Any) -> None:
        self.clock = clock
        self.issuer = ScriptedIssuer(document("a"))
        self.source = make_source(fetch or self.issuer, clock, **changes)

    def publish(self, *key_ids: str) -> None:
        self.issuer.answer = document(*key_ids)

    def go_down(self, status: int = 503, retry_after_seconds: float = 0) -> None:
        self.issuer.answer = FetchError("http_status", status=status, retry_after_seconds=retry_after_seconds)

    def refresh(self) -> None:
        refresh(self.source)

    def fail(self, retry_after_seconds: float = 0) -> None:
        """Have one attempt fail, in the background or not."""
        self.go_down(retry_after_seconds=retry_after_seconds)
        with suppress(KeySetUnavailableError):
            self.source.snapshot()
        complete()

    def ask(self, key_id: str = "a") -> str:
        return outcome(self.source.key_for, key_id)

    def cached(self, key_id: str = "a") -> str:
        return outcome(self.source.cached_key, key_id)

    def key_ids(self, max_wait_seconds: float = REFRESH_MAX_WAIT_SECONDS) -> frozenset[str]:
        return self.source.snapshot(max_wait_seconds).key_set.key_ids

    def jump(self, wall_seconds: float, monotonic_seconds: float) -> None:
        """Move each clock on its own."""
        self.clock.now += wall_seconds
        self.clock.uptime += monotonic_seconds

    @property
    def fetches(self) -> int:
        return self.issuer.fetch_count

    @contextmanager
    def unanswered(self) -> Iterator[None]:
        """Have the issuer asked, and not answer meanwhile."""
        self.issuer.hold()
        yield
        assert self.issuer.is_still_answering()
        self.issuer.release()


Make = Callable[..., Lone]


@pytest.fixture
def make(clock: MovableClock) -> Make:
    return partial(Lone, clock)


@pytest.fixture
def cold(make: Make) -> Lone:
    """A source that has fetched nothing yet."""
    return make()


@pytest.fixture
def warm(cold: Lone) -> Lone:
    """A source that has fetched just now."""
    cold.refresh()
    return cold


class TestWithoutKeys:
    def test_nothing_is_fetched_before_somebody_asks(self, cold: Lone) -> None:
        """Making a source, and asking for its status, opens no connection and starts no thread."""
        status = cold.source.status()
        assert (status.state, status.generation, status.keys, status.skipped) == ("none", 0, 0, ())
        assert (status.source, status.age_seconds, status.refresh_in_seconds) == (None, None, None)
        assert cold.fetches == 0
        assert cold.ask() == "a"

    def test_32_cold_threads_cause_one_fetch(self, cold: Lone) -> None:
        barrier = threading.Barrier(33)

        def ask() -> str:
            barrier.wait(10)
            return cold.ask()

        with ThreadPoolExecutor(32) as pool:
            with cold.unanswered():
                keys = [pool.submit(ask) for _ in range(32)]
                barrier.wait(10)
            assert {key.result(10) for key in keys} == {"a"}
        assert cold.fetches == 1

    def test_a_cold_request_waits_no_longer_than_its_patience_and_the_next_uses_the_fetch(self, cold: Lone) -> None:
        with cold.unanswered():
            assert retry_after(cold.source.snapshot, 0) == 1
        complete()
        assert (cold.ask(), cold.fetches) == ("a", 1)

    def test_a_failed_cold_start_is_unavailable_at_once_in_the_backoff(self, cold: Lone) -> None:
        cold.fail(retry_after_seconds=90)
        assert (retry_after(cold.source.snapshot, FOREVER), cold.fetches) == (90, 1)

    def test_an_unexpected_error_of_a_fetch_is_a_failure(self, cold: Lone, caplog: pytest.LogCaptureFixture) -> None:
        """It is logged with its traceback, and told in fixed words; no thread dies of it."""
        cold.issuer.answer = RuntimeError("SPY")
        assert cold.ask() == UNAVAILABLE
        assert cold.source.status().last_error == "an unexpected error"
        assert [record.getMessage() for record in caplog.records if record.exc_info] == [
            f"unexpected error while getting the key set of {ISSUER}"
        ]


class TestFresh:
    def test_a_snapshot_remembers_what_it_found_and_nothing_else(self, warm: Lone) -> None:
        """Made-up key ids take no memory, and the next snapshot looks for itself."""
        snapshot = warm.source.snapshot()
        choices = [("a", "EdDSA"), (None, "EdDSA"), ("a", "ES256"), ("made up", "EdDSA")]
        found, again = ([snapshot.select(key_id, ALGORITHMS[name]) for key_id, name in choices] for _ in range(2))
        assert [one.key for one in found if one is not None] == [snapshot.key_set.keys[0]] * 2
        assert found[2:] == [None, None]
        assert all(one is other for one, other in zip(found, again, strict=True))
        assert len(snapshot._found) == 2
        later = replace(snapshot, generation=snapshot.generation + 1).select("a", EDDSA)
        assert later is not None
        assert later.generation == snapshot.generation + 1

    @pytest.mark.parametrize("age", [0, DUE - 1])
    def test_a_fresh_set_is_used_without_a_fetch(self, warm: Lone, age: float) -> None:
        warm.clock.move(age)
        assert warm.ask() == "a"
        complete()
        assert (warm.fetches, warm.source.status().state) == (1, "fresh")

    @pytest.mark.parametrize(
        ("uniform", "seconds"), [(min, DUE * 0.9), (middle, DUE), (max, DUE * 1.1)], ids=["early", "middle", "late"]
    )
    def test_the_refresh_is_due_with_a_jitter_of_ten_percent(self, cold: Lone, uniform: Any, seconds: float) -> None:
        """Processes that started together do not refresh together."""
        cold.clock.uniform = uniform
        assert cold.source.snapshot().refresh_after_seconds == pytest.approx(seconds)

    def test_jitter_never_puts_the_refresh_beyond_the_ttl(self, make: Make, clock: MovableClock) -> None:
        clock.uniform = max
        assert make(refresh_ahead_seconds=0).source.snapshot().refresh_after_seconds == TTL


class TestDue:
    def test_a_due_set_is_used_while_one_refresh_flies(self, warm: Lone) -> None:
        warm.clock.move(DUE)
        with warm.unanswered():
            for _ in range(3):
                assert warm.key_ids(FOREVER) == {"a"}
            assert warm.issuer.is_still_answering()
            assert warm.source.status().state == "due"
        complete()
        assert warm.fetches == 2

    def test_the_refresh_ahead_makes_the_set_fresh_again(self, warm: Lone) -> None:
        warm.publish("a", "b")
        warm.clock.move(DUE)
        warm.refresh()
        assert (warm.source.status().state, warm.cached("b")) == ("fresh", "b")

    def test_age_counts_from_the_answer_not_from_the_question(self, cold: Lone) -> None:
        with cold.unanswered():
            retry_after(cold.source.snapshot, 0)
            assert cold.issuer.is_still_answering()
            cold.clock.move(4)
        complete()
        assert cold.source.status().age_seconds == 0


class TestStale:
    def test_nobody_waits_longer_than_3_seconds(self) -> None:
        assert REFRESH_MAX_WAIT_SECONDS == 3.0
        assert inspect.signature(KeySource.snapshot).parameters["max_wait_seconds"].default == 3.0

    def test_a_request_that_finds_the_refresh_done_meanwhile_starts_none(self, clock: MovableClock) -> None:
        """Between its look at the age and its turn, another request may have refreshed."""
        others: list[Callable[[], object]] = []

        def time() -> float:
            now = clock.now
            if others:
                others.pop()()
            return now

        issuer = ScriptedIssuer(document("a"))
        source = make_source(issuer, Clock(time=time, monotonic=clock.monotonic))

        source.snapshot()
        clock.move(TTL)
        others.append(lambda: refresh(source))
        refresh(source)
        assert issuer.fetch_count == 2

    @pytest.mark.parametrize("age", [TTL, MAX_STALE + 1], ids=["stale", "expired"])
    def test_a_set_that_is_too_old_joins_the_fetch(self, warm: Lone, age: float) -> None:
        """The very request that finds it so gets the new keys, and no answer before the issuer gives one."""
        warm.publish("b")
        warm.clock.move(age)
        with ThreadPoolExecutor(1) as pool:
            with warm.unanswered():
                request = pool.submit(warm.key_ids)
                assert warm.issuer.is_still_answering()
                assert not futures.wait([request], timeout=0.1).done
            assert request.result(10) == {"b"}

    @pytest.mark.parametrize(("has_failed", "max_wait_seconds"), [(False, 0), (True, FOREVER)])
    def test_a_stale_set_is_used_when_the_fetch_takes_too_long_and_at_once_while_fetches_fail(
        self, warm: Lone, has_failed: bool, max_wait_seconds: float
    ) -> None:
        """An outage of the issuer costs requests no time."""
        warm.clock.move(TTL)
        if has_failed:
            warm.fail()
            warm.clock.move(30)
        with warm.unanswered():
            assert warm.key_ids(max_wait_seconds) == {"a"}

    @pytest.mark.parametrize("age", [TTL, MAX_STALE])
    def test_known_keys_work_through_an_outage_until_max_stale(self, warm: Lone, age: float) -> None:
        """And the outage is told."""
        warm.clock.move(age)
        warm.fail()
        status = warm.source.status()
        assert (status.state, status.is_usable, status.generation) == ("stale", True, 1)
        assert (status.consecutive_failures, status.last_error) == (1, "HTTP status 503")
        assert (warm.ask(), warm.cached(), warm.source.status().state) == ("a", "a", "stale")


class TestExpired:
    @pytest.mark.parametrize("ask", [KeySource.key_for, KeySource.cached_key], ids=["key_for", "cached_key"])
    def test_keys_over_max_stale_are_never_used(
        self, warm: Lone, ask: Callable[[KeySource, str, object], FoundKey]
    ) -> None:
        warm.clock.move(MAX_STALE + 1)
        warm.fail(retry_after_seconds=17)
        assert retry_after(ask, warm.source, "a", EDDSA) == 17

    def test_keys_that_expire_during_the_wait_are_not_used(self, make: Make, clock: MovableClock) -> None:
        """What counts is the age when the answer is given."""

        def fail_after_a_while() -> FetchedKeySet:
            clock.move(2)
            raise FetchError("http_status", status=503)

        fetches = iter([lambda: FetchedKeySet(document("a")), fail_after_a_while])
        lone = make(lambda _no_cache: next(fetches)())
        lone.source.snapshot()
        clock.move(MAX_STALE - 1)
        with pytest.raises(KeySetUnavailableError):
            lone.source.snapshot()


class TestClocks:
    @pytest.mark.parametrize(
        ("wall_seconds", "monotonic_seconds"),
        [(-100_000, TTL), (TTL, 0)],
        ids=["wall clock set back", "machine asleep, or wall clock set forward"],
    )
    def test_age_is_that_of_the_faster_clock(self, cold: Lone, wall_seconds: float, monotonic_seconds: float) -> None:
        """Neither a wall clock that jumps nor a monotonic one that sleeps makes keys younger than they are."""
        cold.source.snapshot()
        cold.jump(wall_seconds, monotonic_seconds)
        assert (cold.source.status().age_seconds, cold.source.status().state) == (TTL, "stale")

    @pytest.mark.parametrize(("wall_seconds", "monotonic_seconds"), [(DUE, 0), (0, DUE)], ids=["wall", "monotonic"])
    def test_a_refresh_is_due_by_either_clock(self, warm: Lone, wall_seconds: float, monotonic_seconds: float) -> None:
        warm.jump(wall_seconds, monotonic_seconds)
        assert warm.source.status().state == "due"
        warm.refresh()
        assert warm.fetches == 2

    def test_keys_are_not_used_when_the_wall_clock_says_they_are_too_old(self, warm: Lone) -> None:
        """A laptop that wakes up after a day does not trust yesterday's keys."""
        warm.jump(86_400, 0)
        warm.fail()
        assert warm.ask() == UNAVAILABLE

    def test_a_wall_clock_that_is_set_back_does_not_stop_refreshes(self, warm: Lone) -> None:
        warm.jump(-100_000, TTL)
        warm.publish("b")
        assert warm.key_ids() == {"b"}
        assert warm.source.status().age_seconds == 0


class TestBackoff:
    @pytest.mark.parametrize(
        ("uniform", "retry_after_seconds", "delays"),
        [
            (max, 0, [2, 4, 8, 16, 30, 30, 30]),
            (min, 0, [1] * 7),
            # The issuer may slow us down, but not lock us out; and never makes us faster.
            (middle, 90, [90]),
            (middle, 300, [300]),
            (middle, 86_400, [300]),
            (middle, 0.5, [1]),
        ],
    )
    def test_attempts_are_paced_by_a_backoff_of_1_to_30_seconds_and_by_retry_after_up_to_300(
        self, cold: Lone, uniform: Callable[[float, float], float], retry_after_seconds: float, delays: list[float]
    ) -> None:
        """Full jitter under a limit that doubles with each failure, and never less than a second."""
        cold.clock.uniform = uniform
        cold.fail(retry_after_seconds)
        for attempts, delay in enumerate(delays, start=1):
            cold.clock.move(delay - 0.1)
            cold.fail(retry_after_seconds)
            assert cold.fetches == attempts
            cold.clock.move(0.1 + 1e-6)
            cold.fail(retry_after_seconds)
            assert cold.fetches == attempts + 1

    def test_a_success_ends_the_backoff(self, cold: Lone) -> None:
        for _ in range(5):
            cold.fail()
            cold.clock.move(30)
        cold.publish("a")
        cold.source.snapshot()
        assert (cold.source.status().consecutive_failures, cold.source.status().last_error) == (0, None)
        cold.clock.move(TTL)
        cold.fail()
        count = cold.fetches
        cold.clock.move(1)
        cold.fail()
        assert cold.fetches == count + 1


class TestUnknownKeyIds:
    def test_an_unknown_key_id_finds_a_key_that_was_published_meanwhile(self, warm: Lone) -> None:
        """A rotation is learned from the first token that shows it, also right after another fetch."""
        warm.publish("a", "b")
        assert warm.ask("b") == "b"

    def test_unknown_key_ids_cause_three_fetches_per_cooldown(self, warm: Lone) -> None:
        """Then they come back one by one, a third of a cooldown apart. Whoever cannot search does not wait."""
        for seconds, fetches in ((0, 4), (COOLDOWN - 0.1, 4), (0.2, 5), (COOLDOWN / 3, 6), (COOLDOWN / 3, 7), (5, 7)):
            warm.clock.move(seconds)
            assert {warm.ask(f"random-{number}") for number in range(100)} == {UNKNOWN}
            assert warm.fetches == fetches

    @pytest.mark.parametrize("clocks", [(COOLDOWN, 0), (0, COOLDOWN)], ids=["wall", "monotonic"])
    def test_searches_come_back_by_the_clock_that_is_ahead(self, warm: Lone, clocks: tuple[float, float]) -> None:
        """In a process that is frozen between its requests, monotonic time may stand still."""
        for number in range(4):
            warm.ask(f"random-{number}")
        warm.publish("a", "b")
        assert warm.ask("b") == UNKNOWN
        warm.jump(*clocks)
        assert warm.ask("b") == "b"

    def test_scheduled_and_ordered_fetches_cost_no_search(self, warm: Lone) -> None:
        for _ in range(5):
            warm.clock.move(DUE)
            warm.refresh()
            warm.source.refresh_now(5)
        for number in range(1, 4):
            warm.publish("a", f"new-{number}")
            assert warm.ask(f"new-{number}") == f"new-{number}"

    def test_a_search_that_failed_keeps_its_slot_and_known_keys_work(self, warm: Lone) -> None:
        """An issuer in trouble is not asked once more for each unknown id (CVE-2026-48524)."""
        warm.go_down()
        for fetches in (2, 3, 4, 4):
            assert {warm.ask("b") for _ in range(1000)} == {UNAVAILABLE}
            complete()
            assert warm.ask("a") == "a"
            assert warm.fetches == fetches
            warm.clock.move(8)

    def test_while_the_last_fetch_failed_nobody_waits(self, warm: Lone) -> None:
        """The search goes on in the background, and whoever comes later finds what it has brought."""
        warm.go_down()
        assert warm.ask("b") == UNAVAILABLE
        complete()
        warm.clock.move(2)
        warm.publish("a", "b")
        with warm.unanswered():
            assert warm.ask("b") == UNAVAILABLE
        complete()
        assert warm.ask("b") == "b"

    def test_searches_that_failed_spread_out(self, warm: Lone) -> None:
        """Processes that were all refused at the same moment do not all come back when a slot does."""
        warm.clock.uniform = max
        warm.go_down(status=429)
        for _ in range(3):
            assert warm.ask("b") == UNAVAILABLE
            complete()
            warm.clock.move(8.001)
        warm.publish("a", "b")
        warm.clock.move(COOLDOWN + 5 - 3 * 8.001 - 0.1)
        assert (warm.ask("b"), warm.fetches) == (UNAVAILABLE, 4)
        warm.clock.move(0.2)
        warm.ask("b")
        complete()
        assert warm.ask("b") == "b"

    def test_a_search_that_worked_is_not_spread(self, warm: Lone) -> None:
        warm.clock.uniform = max
        for _ in range(4):
            assert warm.ask("b") == UNKNOWN
        warm.clock.move(COOLDOWN)
        warm.publish("a", "b")
        assert warm.ask("b") == "b"

    def test_an_unknown_key_id_respects_retry_after(self, warm: Lone) -> None:
        warm.clock.move(DUE)
        warm.fail(retry_after_seconds=300)
        warm.clock.move(299)
        assert (retry_after(warm.source.key_for, "b", EDDSA), warm.fetches) == (1, 2)

    def test_without_a_shared_cache_and_budget_an_unknown_key_id_starts_no_thread(
        self, warm: Lone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            warm.ask(f"random-{number}")
        started: list[threading.Thread] = []
        monkeypatch.setattr(threading.Thread, "start", started.append)
        assert (warm.ask("b"), started) == (UNKNOWN, [])

    @pytest.mark.parametrize("is_under_way", [False, True])
    def test_a_search_is_waited_for_as_long_as_it_may_take(
        self, make: Make, clock: MovableClock, is_under_way: bool
    ) -> None:
        """4 s of an issuer that takes up to 5 s hurt nobody; a fetch that began earlier is waited for, too."""
        waits = Waits(clock)
        lone = make(single_flight=waits.single_flight)
        lone.source.snapshot()
        clock.move(DUE * is_under_way)
        lone.source.snapshot()
        waits.max_wait.clear()
        waits.takes_seconds = 2.5 if is_under_way else 4
        lone.publish("a", "b")
        assert lone.ask("b") == "b"
        assert waits.max_wait == [ATTEMPT + 1]

    def test_a_fetch_that_began_before_the_key_was_published_is_followed_by_a_search(
        self, make: Make, clock: MovableClock
    ) -> None:
        """Both together take as long as one may."""
        waits = Waits(clock, takes_seconds=2)
        published = [document("a"), document("a"), document("a", "b")]
        lone = make(lambda _no_cache: FetchedKeySet(published.pop(0)), single_flight=waits.single_flight)
        lone.source.snapshot()
        clock.move(DUE)
        lone.source.snapshot()
        waits.max_wait.clear()
        assert lone.ask("b") == "b"
        assert waits.max_wait == [ATTEMPT + 1, ATTEMPT - 1]

    def test_a_request_with_an_unknown_key_id_does_not_wait_for_ever(self, make: Make, clock: MovableClock) -> None:
        """While the fetch is under way there is no telling whether there is such a key."""
        waits = Waits(clock)
        lone = make(single_flight=waits.single_flight)
        lone.source.snapshot()
        waits.takes_seconds = 100
        assert retry_after(lone.source.key_for, "b", EDDSA) == 1

    @pytest.mark.parametrize("number", [0, 1, 3])
    def test_only_so_many_requests_wait_at_once(self, make: Make, number: int) -> None:
        """Whoever comes beyond that is told to come again, at once; the places are free again afterwards."""
        lone = make(places=Places(number))
        lone.source.refresh_now(5)
        lone.publish("a", "b")
        for key_id, found in (("b", "b"), ("c", UNKNOWN)):
            with ThreadPoolExecutor(number + 1) as pool:
                with lone.unanswered():
                    waiting = [pool.submit(lone.ask, key_id) for _ in range(number)]
                    eventually(lambda: len(lone.source._places._free) == 0)
                    assert {lone.ask(key_id) for _ in range(100)} == {UNAVAILABLE}
                assert {one.result(10) for one in waiting} <= {found}
            complete()
            assert lone.ask("b") == "b"

    def test_a_request_with_a_known_key_never_waits_for_an_unknown_one(self, warm: Lone) -> None:
        warm.clock.move(COOLDOWN)
        with ThreadPoolExecutor(1) as pool:
            with warm.unanswered():
                other = pool.submit(warm.source.key_for, "b", EDDSA)
                assert warm.issuer.is_still_answering()
                assert warm.ask() == "a"
            assert isinstance(other.exception(10), UnknownKeyError)

    def test_a_known_key_id_with_another_algorithm_is_an_unknown_key(self, warm: Lone) -> None:
        with pytest.raises(UnknownKeyError):
            warm.source.key_for("a", ALGORITHMS["RS256"])

    def test_a_cached_key_causes_nothing(self, cold: Lone) -> None:
        assert (cold.cached(), cold.fetches) == (UNAVAILABLE, 0)
        cold.source.snapshot()
        cold.clock.move(TTL)
        assert (cold.cached("a"), cold.cached("b")) == ("a", UNKNOWN)
        complete()
        assert cold.fetches == 1

    def test_all_cached_keys_can_be_seen_however_old_they_are(self, cold: Lone) -> None:
        assert cold.source.cached_keys() == ()
        cold.publish("a", "b")
        cold.source.snapshot()
        cold.clock.move(MAX_STALE + 1)
        assert [key.key_id for key in cold.source.cached_keys()] == ["a", "b"]
        assert cold.fetches == 1


class TestReplacing:
    def test_a_removed_key_is_gone_after_the_next_refresh(self, warm: Lone) -> None:
        warm.publish("b", "c")
        warm.clock.move(TTL)
        assert warm.key_ids() == {"b", "c"}
        assert warm.ask("a") == UNKNOWN

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"", "the answer is not JSON of the required form"),
            (b"<html>", "the answer is not JSON of the required form"),
            (b"{}", "the answer is not a JWK Set"),
            (b'{"keys": []}', "the key set holds no usable key"),
            (b'{"keys": [null]}', "the key set holds no usable key (not a JSON object)"),
        ],
    )
    def test_a_set_without_a_usable_key_is_a_failure_and_keeps_the_old_one(
        self, warm: Lone, caplog: pytest.LogCaptureFixture, answer: bytes, reason: str
    ) -> None:
        """An issuer that answers nonsense is treated as one that does not answer."""
        warm.issuer.answer = answer
        warm.clock.move(TTL)
        assert warm.key_ids() == {"a"}
        complete()
        assert (warm.source.status().consecutive_failures, warm.source.status().last_error) == (1, reason)
        assert caplog.messages == [f"the key set of {ISSUER} cannot be fetched: {reason}"]

    def test_the_generation_rises_only_when_key_material_changes(self, warm: Lone) -> None:
        """What was verified with the same keys needs no second look."""
        generations = []
        for key_ids in (("a",), ("a", "b"), ("b", "a"), ("b",), ("a",)):
            warm.publish(*key_ids)
            warm.clock.move(TTL)
            generations.append(warm.source.snapshot().generation)
        assert generations == [1, 2, 2, 3, 4]

    @pytest.mark.parametrize(
        ("age", "state", "is_usable", "refresh_in_seconds"),
        [
            (0, "fresh", True, DUE),
            (100, "fresh", True, DUE - 100),
            (DUE - 0.5, "fresh", True, 0.5),
            (DUE, "due", True, 0),
            (TTL, "stale", True, 0),
            (MAX_STALE, "stale", True, 0),
            (MAX_STALE + 1, "expired", False, 0),
        ],
    )
    def test_the_status_describes_the_set(
        self, warm: Lone, age: float, state: str, is_usable: bool, refresh_in_seconds: float
    ) -> None:
        warm.clock.move(age)
        status = warm.source.status()
        assert (status.issuer, status.source, status.keys, status.age_seconds) == (ISSUER, "network", 1, age)
        assert (status.state, status.is_usable, status.refresh_in_seconds) == (state, is_usable, refresh_in_seconds)


def _raise(*_arguments: object) -> None:
    raise RuntimeError("a listener")


class TestListenersAndLogs:
    def test_listeners_learn_which_keys_came_and_went(self, make: Make) -> None:
        told: list[object] = []
        lone = make(on_refreshed=lambda added, removed: told.append((added, removed)))
        for key_ids in (("b", "a"), ("a", "c")):
            lone.publish(*key_ids)
            lone.refresh()
            lone.clock.move(TTL)
        assert told == [(("a", "b"), ()), (("c",), ("b",))]

    def test_listeners_learn_why_a_fetch_failed(self, make: Make) -> None:
        told: list[Any] = []
        make(on_failed=told.append).fail()
        (error,) = told
        assert (error.code, error.status, str(error)) == ("http_status", 503, "HTTP status 503")

    def test_a_listener_that_raises_does_not_spoil_a_refresh(
        self, make: Make, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The keys are there, the next refresh comes, and the mistake can be found in the log."""
        lone = make(on_refreshed=_raise)
        lone.refresh()
        assert [(record.name, record.getMessage()) for record in caplog.records if record.exc_info] == [
            ("auth0_blueprint", "what follows a refresh failed: sharing its result, or a listener of a signal")
        ]
        lone.clock.move(TTL)
        lone.source.snapshot()
        assert lone.source.status().age_seconds == 0

    def test_a_listener_that_raises_does_not_spoil_a_failure(self, make: Make) -> None:
        lone = make(on_failed=_raise)
        lone.fail()
        assert lone.source.status().consecutive_failures == 1
        lone.clock.move(30)
        lone.publish("a")
        assert lone.key_ids() == {"a"}

    def test_nobody_who_waits_for_keys_waits_for_the_listeners(self, make: Make) -> None:
        has_keys = threading.Event()
        told_after: list[bool] = []
        make(on_refreshed=lambda *_: told_after.append(has_keys.wait(1))).source.snapshot()
        has_keys.set()
        complete()
        assert told_after == [True]

    def test_an_outage_is_logged_once_and_so_is_its_end(self, cold: Lone, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "auth0_blueprint"):
            for _ in range(5):
                cold.fail()
                cold.clock.move(30)
            cold.publish("a")
            for _ in range(3):
                cold.refresh()
                cold.clock.move(TTL)
        assert cold.fetches == 8
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]

    def test_unused_keys_are_logged_once(self, warm: Lone, caplog: pytest.LogCaptureFixture) -> None:
        """As long as the set stays the same, so does what there is to say."""
        warm.issuer.answer = json.dumps({"keys": [None, *json.loads(document("a", "b"))["keys"]]}).encode()
        for _ in range(3):
            warm.clock.move(TTL)
            warm.refresh()
        assert caplog.messages == [f"unusable keys in the key set of {ISSUER}: not a JSON object"]
        assert warm.source.status().skipped == ("not a JSON object",)


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what calls a function in a system out of threads."""

    def cannot_start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", cannot_start)
            return function(*arguments)

    return call


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
class TestForkedChild:
    def test_in_mid_flight_it_fetches_for_itself(self, make: Make) -> None:
        """The flight of the parent never lands in the child (gunicorn --preload)."""
        issuer = ScriptedIssuer(document("a"))
        fetches: list[Fetch] = [issuer]
        lone = make(lambda no_cache: fetches[-1](no_cache))
        issuer.hold()
        retry_after(lone.source.snapshot, 0)
        assert issuer.is_still_answering()

        def ask() -> str:
            fetches.append(lambda _no_cache: FetchedKeySet(document("a")))
            return lone.ask()

        assert in_a_child_process(ask) == "a"
        issuer.release()

    def test_after_a_fetch_it_uses_what_the_parent_fetched(self, warm: Lone) -> None:
        def ask() -> str:
            found = warm.ask()
            complete()
            return f"{found} {warm.fetches}"

        assert in_a_child_process(ask) == "a 1"


class TestThreads:
    def test_a_thread_that_cannot_start_is_no_error_of_its_own(
        self, cold: Lone, without_threads: Callable[..., Any]
    ) -> None:
        without_threads(retry_after, cold.source.snapshot, FOREVER)
        assert (cold.ask(), cold.fetches) == ("a", 1)

    def test_a_fetch_without_a_thread_of_its_own_is_a_failure_of_its_own(
        self, without_threads: Callable[..., Any]
    ) -> None:
        """A system out of threads cannot watch the deadline, so nothing is tried."""
        called: list[str] = []
        with pytest.raises(TimeoutError, match="no thread"):
            without_threads(call_within, 5, lambda: called.append("called"))
        assert called == []
