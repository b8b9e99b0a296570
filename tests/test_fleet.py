"""Many processes, one client: who asks the issuer, who waits, and what they learn from each other."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import MovableClock
from memory_store import MemoryStore
from servers import ScriptedIssuer, complete, document
from shared_sources import COOLDOWN, DUE, EDDSA, MAX_STALE, TTL, DictBackend, Fleet

from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.lease import Failure
from auth0_blueprint.keysets.source import KeySource

OUTAGE = FetchError("http_status", status=503)


@pytest.fixture
def backend() -> DictBackend:
    return DictBackend()


@pytest.fixture
def fleet(clock: MovableClock, backend: DictBackend) -> Fleet:
    return Fleet(backend, ScriptedIssuer(document("a")), clock)


def ask(process: KeySource, key_id: str = "a") -> str:
    """Return what a request that names *key_id* gets from *process*."""
    try:
        return str(process.key_for(key_id, EDDSA).key.key_id)
    except (UnknownKeyError, KeySetUnavailableError) as exc:
        return exc.code


def fail(process: KeySource, fleet: Fleet, retry_after_seconds: float = 0) -> None:
    """Have an attempt of *process* fail."""
    fleet.scripted.answer = FetchError("http_status", status=503, retry_after_seconds=retry_after_seconds)
    assert ask(process) == "key_set_unavailable"
    complete()


# One at a time


def test_a_cold_start_of_many_processes_is_one_fetch(fleet: Fleet) -> None:
    """One asks; the others wait for it, and adopt what it was told."""
    fleet.scripted.hold()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, fleet.process()) for _ in range(8)]
        assert fleet.scripted.is_still_answering()
        fleet.scripted.release()
        assert {answer.result(10) for answer in answers} == {"a"}
    assert fleet.scripted.fetch_count == 1


def test_a_rotation_is_one_fetch(fleet: Fleet, clock: MovableClock) -> None:
    """A new key id comes to all at once: one asks, and all find the key."""
    processes = [fleet.warm_process() for _ in range(8)]
    clock.move(COOLDOWN)
    fleet.scripted.answer = document("a", "b")
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, process, "b") for process in processes]
        assert {answer.result(10) for answer in answers} == {"b"}
    assert fleet.scripted.fetch_count == 2


def test_news_that_came_with_the_lease_is_looked_at(fleet: Fleet) -> None:
    """Between a look and the lease another process may have finished: the issuer is not asked again."""

    class Busy(MemoryStore):
        def take(self, name: str, value: str, seconds: float) -> bool:
            self.take = super().take  # type: ignore[method-assign]  # once
            other.snapshot()
            return super().take(name, value, seconds)

    fleet.store = Busy(fleet.clock)
    other = fleet.process(single_flight=SingleFlight(start=lambda work: work()))
    late = fleet.process()
    assert ask(late) == "a"
    complete()
    assert fleet.scripted.fetch_count == 1
    assert late.status().source == "cache"


# One pace


def test_a_failure_is_a_failure_of_the_fleet(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """Another process does not ask before the backoff is over, and says why it has no keys."""
    fail(fleet.process(), fleet)
    late = fleet.process()
    caplog.clear()
    assert ask(late) == "key_set_unavailable"
    complete()
    status = late.status()
    assert (status.consecutive_failures, status.last_error) == (1, "HTTP status 503")
    assert fleet.scripted.fetch_count == 1
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "the key set of https://issuer.example/ cannot be fetched: HTTP status 503"
    ]


def test_the_backoff_of_the_fleet_grows_with_each_failure(fleet: Fleet, clock: MovableClock) -> None:
    """Whoever fails next counts on from the last: many processes do not ask more often than one."""
    for failures in range(1, 5):
        process = fleet.process()
        fail(process, fleet)
        assert process.status().consecutive_failures == failures
        clock.move(30)
    assert fleet.scripted.fetch_count == 4


def test_retry_after_binds_the_fleet_up_to_300_seconds(fleet: Fleet, clock: MovableClock) -> None:
    """What the issuer asks of one process it asks of all."""
    fail(fleet.process(), fleet, retry_after_seconds=900)
    late = fleet.process()
    for seconds, fetches in ((1, 1), (298, 1), (2, 2)):
        clock.move(seconds)
        ask(late)
        complete()
        assert fleet.scripted.fetch_count == fetches


def test_failed_searches_of_other_processes_count(fleet: Fleet, clock: MovableClock) -> None:
    """Unknown key ids cause three attempts per cooldown in the fleet, failed ones included."""
    processes = [fleet.warm_process() for _ in range(4)]
    fleet.scripted.answer = OUTAGE
    for process, fetches in zip(processes, (2, 3, 4, 4), strict=True):
        assert ask(process, "b") == "key_set_unavailable"
        complete()
        assert fleet.scripted.fetch_count == fetches
        clock.move(7)
    clock.move(COOLDOWN - 4 * 7)
    ask(processes[3], "b")
    complete()
    assert fleet.scripted.fetch_count == 5


def test_an_old_failure_is_no_news(fleet: Fleet, clock: MovableClock) -> None:
    """Since then the issuer has answered somebody."""
    fail(fleet.process(), fleet)
    clock.move(2)
    fleet.scripted.answer = document("a")
    fleet.warm_process()
    late = fleet.warm_process()
    assert (late.status().source, late.status().consecutive_failures) == ("cache", 0)


def test_a_failure_that_is_not_ours_is_ignored(fleet: Fleet, backend: DictBackend) -> None:
    """Whoever can write to the cache cannot keep us from asking."""
    fail(fleet.process(), fleet, retry_after_seconds=300)
    backend.values[backend.key_of("failure")] = "forged"
    fleet.scripted.answer = document("a")
    assert ask(fleet.process()) == "a"


def test_a_failure_that_the_cache_has_forgotten_is_no_news(
    fleet: Fleet, backend: DictBackend, clock: MovableClock
) -> None:
    """Nothing is made of it, and the issuer is asked."""
    fail(fleet.process(), fleet)
    late = fleet.process()
    ask(late)
    complete()
    del backend.values[backend.key_of("failure")]
    clock.move(2)
    fleet.scripted.answer = document("a")
    assert ask(late) == "a"


@pytest.mark.parametrize("seconds_ago", [0.5, -3])
def test_a_failure_counts_from_when_it_was_and_never_from_later_than_now(
    fleet: Fleet, clock: MovableClock, seconds_ago: float
) -> None:
    """The clock of the process that failed may go ahead, and its pause may be longer than any is."""
    process = fleet.warm_process()
    clock.move(1)
    fleet.shared().fleet.share_failure(Failure(clock.now - seconds_ago, clock.now + 900, 1, "HTTP status 503"))
    for seconds, fetches in ((0, 1), (300 - max(0, seconds_ago) - 0.01, 1), (0.02, 2)):
        clock.move(seconds)
        assert ask(process, "b") == "key_set_unavailable" or fetches == 2
        complete()
        assert fleet.scripted.fetch_count == fetches


# What a process gets that may not ask


def test_a_cold_process_in_the_backoff_answers_at_once_and_finds_what_another_got(
    fleet: Fleet, clock: MovableClock
) -> None:
    """At most 503 first; the look into the shared cache that it causes serves the next request."""
    cold = fleet.process()
    fail(cold, fleet, retry_after_seconds=300)
    clock.move(1)
    other_cache = fleet.shared()
    other_cache.write(fleet.entry("a"))
    assert ask(cold) in {"key_set_unavailable", "a"}  # nobody waits for the look, which may be faster all the same
    complete()
    assert ask(cold) == "a"
    assert fleet.scripted.fetch_count == 1


def test_a_cold_process_looks_into_the_cache_once_in_a_second(
    fleet: Fleet, backend: DictBackend, clock: MovableClock
) -> None:
    """However many requests come during an outage."""
    cold = fleet.process()
    fail(cold, fleet, retry_after_seconds=300)
    clock.move(1)
    ask(cold)
    complete()
    calls = backend.calls
    for _ in range(10):
        ask(cold)
        complete()
    assert backend.calls == calls


def test_a_process_that_has_never_looked_into_the_cache_may_do_so_at_once(fleet: Fleet) -> None:
    """The second counts from one look to the next."""
    assert fleet.process()._refresh.may_learn()


def test_a_cold_process_uses_a_set_that_is_due_while_it_is_refreshed(fleet: Fleet, clock: MovableClock) -> None:
    """The keys of the others are good: nobody waits for a slow issuer."""
    fleet.warm_process()
    clock.move(DUE + 1)
    fleet.scripted.hold()
    assert fleet.process().snapshot(max_wait_seconds=60).key_set.key_ids == {"a"}
    assert fleet.scripted.is_still_answering()
    fleet.scripted.release()


def test_a_set_that_is_due_is_used_without_a_look_into_the_cache(fleet: Fleet, clock: MovableClock) -> None:
    """A cache that hangs holds nobody up who has good keys."""
    process = fleet.warm_process()
    clock.move(DUE)
    is_asked, is_over = threading.Event(), threading.Event()

    class Hanging(DictBackend):
        def get(self, key: str) -> Any:
            is_asked.set()
            return None if is_over.wait(5) else "the test has never ended"

    fleet.backend = Hanging()
    assert process.snapshot(max_wait_seconds=60).key_set.key_ids == {"a"}
    has_waited = process._shared._entries._cache.has_failed  # an operation that hangs fails after a second
    assert is_asked.wait(5)
    is_over.set()
    assert not has_waited


def test_a_stale_set_in_the_backoff_causes_no_look_into_the_cache(
    fleet: Fleet, backend: DictBackend, clock: MovableClock
) -> None:
    """It is used at once, and the next attempt will look."""
    process = fleet.warm_process()
    clock.move(TTL)
    fleet.scripted.answer = FetchError("http_status", status=503, retry_after_seconds=300)
    process.snapshot()
    complete()
    calls = backend.calls
    clock.move(2)
    process.snapshot()
    complete()
    assert backend.calls == calls


def test_a_flight_that_breaks_is_a_failure_and_lets_the_next_one_start(fleet: Fleet, clock: MovableClock) -> None:
    """Whatever breaks: here what comes out of the cache."""
    process = fleet.process()

    class Broken(DictBackend):
        def get(self, key: str) -> Any:
            return BrokenText("text")

    class BrokenText(str):
        def encode(self, *_: object, **__: object) -> bytes:
            raise LookupError("SPY")

    working, fleet.backend = fleet.backend, Broken()
    assert ask(process) == "key_set_unavailable"
    complete()
    assert process.status().last_error == "an unexpected error"
    fleet.backend = working
    clock.move(2)
    assert ask(process) == "a"


def test_a_cold_process_joins_the_fetch_when_the_shared_set_is_stale(fleet: Fleet, clock: MovableClock) -> None:
    """As a process does that has had the stale set itself."""
    fleet.warm_process()
    clock.move(TTL)
    fleet.scripted.answer = document("b")
    assert ask(fleet.process(), "b") == "b"


def test_an_unknown_key_id_goes_on_to_the_issuer_when_the_newer_shared_set_lacks_it(
    fleet: Fleet, clock: MovableClock
) -> None:
    """What another process got before the key was published is no answer."""
    first, second = fleet.warm_process(), fleet.process()
    second.snapshot()
    complete()
    clock.move(DUE)
    first.snapshot()
    complete()
    clock.move(COOLDOWN)
    fleet.scripted.answer = document("a", "b")
    assert ask(second, "b") == "b"
    assert fleet.scripted.fetch_count == 3


def test_an_expired_process_adopts_what_another_kept(fleet: Fleet, clock: MovableClock) -> None:
    """During an outage, whoever got the last set shares it."""
    first, second = fleet.warm_process(), fleet.warm_process()
    clock.move(DUE)
    first.snapshot()
    complete()
    fleet.scripted.answer = OUTAGE
    clock.move(MAX_STALE - DUE + 1)
    assert ask(second) == "a"
    assert second.status().age_seconds == MAX_STALE - DUE + 1
