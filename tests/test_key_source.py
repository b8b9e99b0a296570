"""One issuer's key set, kept current: what a request gets, and what it causes, in each state."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import shared_sources
from conftest import MovableClock, middle
from servers import ScriptedIssuer, complete, document, in_a_child_process
from shared_sources import COOLDOWN, DUE, EDDSA, ISSUER, MAX_STALE, TTL

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.keysets.source import REFRESH_MAX_WAIT_SECONDS, UNKNOWN_KEY_MAX_WAIT_SECONDS, KeySource

FOREVER = 60.0  # longer than any test: whoever waits so long has been caught


MakeSource = Callable[..., KeySource]


@pytest.fixture
def scripted() -> ScriptedIssuer:
    return ScriptedIssuer(document("a"))


@pytest.fixture
def make_source(scripted: ScriptedIssuer, clock: MovableClock) -> MakeSource:
    """Return a factory of sources that share nothing, on the clock that the test moves."""
    return partial(shared_sources.make_source, fetch=scripted, clock=clock)


@pytest.fixture
def source(make_source: MakeSource) -> KeySource:
    """A source that has fetched nothing yet."""
    return make_source()


@pytest.fixture
def warm(source: KeySource) -> KeySource:
    """A source that has fetched just now."""
    source.snapshot()
    complete()
    return source


def has(source: KeySource, key_id: str) -> bool:
    """Tell whether *source* has the key at hand."""
    try:
        source.cached_key(key_id, EDDSA)
    except (UnknownKeyError, KeySetUnavailableError):
        return False
    return True


def fail(scripted: ScriptedIssuer, source: KeySource, retry_after_seconds: float = 0) -> None:
    """Have one attempt fail, in the background or not."""
    scripted.answer = FetchError("http_status", status=503, retry_after_seconds=retry_after_seconds)
    with contextlib.suppress(KeySetUnavailableError):
        source.snapshot()
    complete()


# None


def test_nothing_is_fetched_before_somebody_asks(source: KeySource, scripted: ScriptedIssuer) -> None:
    """Making a source, and asking for its status, opens no connection and starts no thread."""
    status = source.status()
    assert (status.state, status.source, status.age_seconds, status.refresh_in_seconds) == ("none", None, None, None)
    assert (status.generation, status.keys, status.skipped) == (0, 0, ())
    assert scripted.fetch_count == 0


def test_the_first_request_gets_the_fetched_keys(source: KeySource) -> None:
    """A cold start waits for the one fetch."""
    assert source.key_for("a", EDDSA).key.key_id == "a"


def test_32_cold_threads_cause_one_fetch(source: KeySource, scripted: ScriptedIssuer) -> None:
    """Whoever comes while the fetch is under way joins it, and gets its keys."""
    barrier = threading.Barrier(33)
    scripted.hold()

    def ask() -> VerificationKey:
        barrier.wait(10)
        return source.key_for("a", EDDSA).key

    with ThreadPoolExecutor(32) as pool:
        keys = [pool.submit(ask) for _ in range(32)]
        barrier.wait(10)
        assert scripted.is_still_answering()
        scripted.release()
        assert {key.result(10).key_id for key in keys} == {"a"}
    assert scripted.fetch_count == 1


def test_a_cold_request_waits_no_longer_than_its_patience(source: KeySource, scripted: ScriptedIssuer) -> None:
    """While the fetch goes on, the answer is that there are no keys, and to come again."""
    scripted.hold()
    with pytest.raises(KeySetUnavailableError) as caught:
        source.snapshot(max_wait_seconds=0)
    assert scripted.is_still_answering()
    assert caught.value.retry_after_seconds == 1
    scripted.release()


def test_a_fetch_that_nobody_waits_for_any_more_is_used_by_the_next(
    source: KeySource, scripted: ScriptedIssuer
) -> None:
    """It goes on, and whoever comes later gets its result."""
    scripted.hold()
    with pytest.raises(KeySetUnavailableError):
        source.snapshot(max_wait_seconds=0)
    scripted.release()
    complete()
    assert source.key_for("a", EDDSA).key.key_id == "a"
    assert scripted.fetch_count == 1


def test_a_failed_cold_start_is_unavailable_at_once_in_the_backoff(source: KeySource, scripted: ScriptedIssuer) -> None:
    """Nobody is asked and nobody waits; the error says when to come again."""
    fail(scripted, source, retry_after_seconds=90)
    with pytest.raises(KeySetUnavailableError) as caught:
        source.snapshot(FOREVER)
    assert scripted.fetch_count == 1
    assert caught.value.retry_after_seconds == 90


def test_an_unexpected_error_of_a_fetch_is_a_failure(
    source: KeySource, scripted: ScriptedIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback, and told in fixed words; no thread dies of it."""
    scripted.answer = RuntimeError("SPY")
    with pytest.raises(KeySetUnavailableError):
        source.snapshot()
    assert source.status().last_error == "an unexpected error"
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        f"unexpected error while getting the key set of {ISSUER}"
    ]


# Fresh


@pytest.mark.parametrize("age", [0, DUE - 1])
def test_a_fresh_set_is_used_without_a_fetch(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock, age: float
) -> None:
    """Nothing at all is caused before the refresh is due."""
    clock.move(age)
    warm.key_for("a", EDDSA)
    complete()
    assert scripted.fetch_count == 1
    assert warm.status().state == "fresh"


@pytest.mark.parametrize(
    ("uniform", "seconds"), [(min, DUE * 0.9), (middle, DUE), (max, DUE * 1.1)], ids=["early", "middle", "late"]
)
def test_the_refresh_is_due_with_a_jitter_of_ten_percent(
    source: KeySource, clock: MovableClock, uniform: Callable[[float, float], float], seconds: float
) -> None:
    """Processes that started together do not refresh together."""
    clock.uniform = uniform
    assert source.snapshot().refresh_after_seconds == pytest.approx(seconds)


def test_jitter_never_puts_the_refresh_beyond_the_ttl(make_source: MakeSource, clock: MovableClock) -> None:
    """With no time ahead, the refresh is due at the TTL."""
    source, clock.uniform = make_source(refresh_ahead_seconds=0), max
    assert source.snapshot().refresh_after_seconds == TTL


# Due


def test_a_due_set_is_used_while_one_refresh_flies(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Requests do not wait for the refresh ahead, and start no second one."""
    clock.move(DUE)
    scripted.hold()
    for _ in range(3):
        assert warm.snapshot(FOREVER).key_set.key_ids == {"a"}
    assert scripted.is_still_answering()
    assert warm.status().state == "due"
    scripted.release()
    complete()
    assert scripted.fetch_count == 2


def test_the_refresh_ahead_makes_the_set_fresh_again(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Keys that came meanwhile are there for the next request, without a wait."""
    scripted.answer = document("a", "b")
    clock.move(DUE)
    warm.snapshot()
    complete()
    assert warm.status().state == "fresh"
    assert has(warm, "b")


def test_age_counts_from_the_answer_not_from_the_question(
    source: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Time that the issuer took is not time that the keys have aged."""
    scripted.hold()
    with pytest.raises(KeySetUnavailableError):
        source.snapshot(max_wait_seconds=0)
    assert scripted.is_still_answering()
    clock.move(4)
    scripted.release()
    complete()
    assert source.status().age_seconds == 0


# Stale


def answer_of_one_who_joins(source: KeySource, scripted: ScriptedIssuer) -> frozenset[str]:
    """Return the key ids that a request gets which has to wait for the issuer."""
    scripted.hold()
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(source.snapshot)
        assert scripted.is_still_answering()
        # It must not answer before the issuer does.
        assert not futures.wait([request], timeout=0.1).done
        scripted.release()
        return request.result(10).key_set.key_ids


def test_nobody_waits_longer_than_3_seconds_or_half_a_second_for_an_unknown_key() -> None:
    """The patience of a request, where its caller says nothing else."""
    assert (REFRESH_MAX_WAIT_SECONDS, UNKNOWN_KEY_MAX_WAIT_SECONDS) == (3.0, 0.5)
    assert inspect.signature(KeySource.snapshot).parameters["max_wait_seconds"].default == 3.0


def test_a_request_that_finds_the_refresh_done_meanwhile_starts_none(
    scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Between its look at the age and its turn, another request may have refreshed."""
    others: list[Callable[[], object]] = []

    def time() -> float:
        now = clock.now
        if others:
            others.pop()()
        return now

    source = shared_sources.make_source(scripted, Clock(time=time, monotonic=clock.monotonic))

    def refresh() -> None:
        source.snapshot()
        complete()

    source.snapshot()
    clock.move(TTL)
    others.append(refresh)
    source.snapshot()
    complete()
    assert scripted.fetch_count == 2


def test_a_stale_set_joins_the_fetch(warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """The very request that finds the set stale gets the new keys."""
    scripted.answer = document("b")
    clock.move(TTL)
    assert answer_of_one_who_joins(warm, scripted) == {"b"}


def test_a_stale_set_is_used_when_the_fetch_takes_too_long(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """After the wait, the keys at hand are used all the same."""
    clock.move(TTL)
    scripted.hold()
    assert warm.snapshot(max_wait_seconds=0).key_set.key_ids == {"a"}
    assert scripted.is_still_answering()
    scripted.release()


def test_a_stale_set_is_used_at_once_while_fetches_fail(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """An outage of the issuer costs requests no time."""
    clock.move(TTL)
    fail(scripted, warm)
    clock.move(30)
    scripted.hold()
    assert warm.snapshot(FOREVER).key_set.key_ids == {"a"}
    assert scripted.is_still_answering()
    scripted.release()


def test_an_outage_of_the_issuer_is_told(warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """The status has the state, the failures and the reason."""
    clock.move(TTL)
    fail(scripted, warm)
    status = warm.status()
    assert (status.state, status.consecutive_failures, status.last_error) == ("stale", 1, "HTTP status 503")
    assert status.is_usable


@pytest.mark.parametrize("age", [TTL, MAX_STALE])
def test_known_keys_work_through_an_outage_until_max_stale(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock, age: float
) -> None:
    """The last second of MAX_STALE is still good."""
    clock.move(age)
    fail(scripted, warm)
    assert warm.key_for("a", EDDSA).key.key_id == "a"
    assert has(warm, "a")
    assert warm.status().state == "stale"


# Expired


@pytest.mark.parametrize("ask", [KeySource.key_for, KeySource.cached_key], ids=["key_for", "cached_key"])
def test_keys_over_max_stale_are_never_used(
    warm: KeySource,
    scripted: ScriptedIssuer,
    clock: MovableClock,
    ask: Callable[[KeySource, str, object], FoundKey],
) -> None:
    """The error says when to come again: when the issuer may be asked next."""
    clock.move(MAX_STALE + 1)
    fail(scripted, warm, retry_after_seconds=17)
    with pytest.raises(KeySetUnavailableError) as caught:
        ask(warm, "a", EDDSA)
    assert caught.value.retry_after_seconds == 17


def test_an_expired_set_is_not_usable_by_its_status(warm: KeySource, clock: MovableClock) -> None:
    """Health can tell without asking for a key."""
    clock.move(MAX_STALE + 1)
    assert warm.status().state == "expired"
    assert not warm.status().is_usable


def test_an_expired_set_joins_the_fetch(warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """After a long idle time the next request gets new keys."""
    scripted.answer = document("b")
    clock.move(MAX_STALE + 1)
    assert answer_of_one_who_joins(warm, scripted) == {"b"}


def test_keys_that_expire_during_the_wait_are_not_used(make_source: MakeSource, clock: MovableClock) -> None:
    """What counts is the age when the answer is given."""

    def fail_after_a_while() -> bytes:
        clock.move(2)
        raise FetchError("http_status", status=503)

    fetches = iter([lambda: document("a"), fail_after_a_while])
    source = make_source(fetch=lambda: next(fetches)())
    source.snapshot()
    clock.move(MAX_STALE - 1)
    with pytest.raises(KeySetUnavailableError):
        source.snapshot()


# Clocks


@pytest.mark.parametrize(
    ("wall_seconds", "monotonic_seconds"),
    [(-100_000, TTL), (TTL, 0)],
    ids=["wall clock set back", "machine asleep, or wall clock set forward"],
)
def test_age_is_that_of_the_faster_clock(
    source: KeySource, clock: MovableClock, wall_seconds: float, monotonic_seconds: float
) -> None:
    """Neither a wall clock that jumps nor a monotonic one that sleeps makes keys younger than they are."""
    source.snapshot()
    clock.now += wall_seconds
    clock.uptime += monotonic_seconds
    assert source.status().age_seconds == TTL
    assert source.status().state == "stale"


@pytest.mark.parametrize(("wall_seconds", "monotonic_seconds"), [(DUE, 0), (0, DUE)], ids=["wall", "monotonic"])
def test_a_refresh_is_due_by_either_clock(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock, wall_seconds: float, monotonic_seconds: float
) -> None:
    """In the very moment that it says so."""
    clock.now += wall_seconds
    clock.uptime += monotonic_seconds
    assert warm.status().state == "due"
    warm.snapshot()
    complete()
    assert scripted.fetch_count == 2


def test_keys_are_not_used_when_the_wall_clock_says_they_are_too_old(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """A laptop that wakes up after a day does not trust yesterday's keys."""
    clock.now += 86_400
    fail(scripted, warm)
    with pytest.raises(KeySetUnavailableError):
        warm.key_for("a", EDDSA)


def test_a_wall_clock_that_is_set_back_does_not_stop_refreshes(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The set that was fetched after the jump replaces the one from the future."""
    clock.now -= 100_000
    clock.uptime += TTL
    scripted.answer = document("b")
    assert warm.snapshot().key_set.key_ids == {"b"}
    assert warm.status().age_seconds == 0


# Backoff


@pytest.mark.parametrize(
    ("uniform", "delays"), [(max, [2, 4, 8, 16, 30, 30, 30]), (min, [1] * 7)], ids=["most", "least"]
)
def test_attempts_are_paced_by_a_backoff_of_1_to_30_seconds(
    source: KeySource,
    scripted: ScriptedIssuer,
    clock: MovableClock,
    uniform: Callable[[float, float], float],
    delays: list[float],
) -> None:
    """Full jitter under a limit that doubles with each failure, and never less than a second."""
    clock.uniform = uniform
    fail(scripted, source)
    for attempts, delay in enumerate(delays, start=1):
        clock.move(delay - 0.1)
        fail(scripted, source)
        assert scripted.fetch_count == attempts
        clock.move(0.1 + 1e-6)
        fail(scripted, source)
        assert scripted.fetch_count == attempts + 1


@pytest.mark.parametrize(("asked_for", "honoured"), [(90, 90), (300, 300), (86_400, 300), (0.5, 1)])
def test_retry_after_is_honoured_up_to_300_seconds(
    source: KeySource, scripted: ScriptedIssuer, clock: MovableClock, asked_for: float, honoured: float
) -> None:
    """The issuer may slow us down, but not lock us out; and never makes us faster."""
    fail(scripted, source, retry_after_seconds=asked_for)
    clock.move(honoured - 0.1)
    fail(scripted, source)
    assert scripted.fetch_count == 1
    clock.move(0.1 + 1e-6)
    fail(scripted, source)
    assert scripted.fetch_count == 2


def test_a_success_ends_the_backoff(source: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """The next failure begins anew, with the shortest delay."""
    for _ in range(5):
        fail(scripted, source)
        clock.move(30)
    scripted.answer = document("a")
    source.snapshot()
    assert source.status().consecutive_failures == 0
    assert source.status().last_error is None
    clock.move(TTL)
    fail(scripted, source)
    count = scripted.fetch_count
    clock.move(1)
    fail(scripted, source)
    assert scripted.fetch_count == count + 1


# Unknown key ids


def test_an_unknown_key_id_finds_a_key_that_was_published_meanwhile(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """A rotation is learned from the first token that shows it."""
    clock.move(COOLDOWN)
    scripted.answer = document("a", "b")
    assert warm.key_for("b", EDDSA).key.key_id == "b"


def test_unknown_key_ids_cause_one_fetch_per_cooldown(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """A thousand random key ids are one fetch."""
    clock.move(COOLDOWN)
    for number in range(1000):
        with pytest.raises(UnknownKeyError):
            warm.key_for(f"random-{number}", EDDSA)
    assert scripted.fetch_count == 2


def test_the_first_fetch_counts_for_the_cooldown(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Keys that were fetched just now are not fetched again for an unknown id."""
    clock.move(COOLDOWN - 0.1)
    with pytest.raises(UnknownKeyError):
        warm.key_for("b", EDDSA)
    assert scripted.fetch_count == 1


def test_a_scheduled_refresh_counts_for_the_cooldown(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Whatever the reason of the last attempt was."""
    clock.move(DUE)
    warm.snapshot()
    complete()
    clock.move(COOLDOWN - 0.1)
    with pytest.raises(UnknownKeyError):
        warm.key_for("b", EDDSA)
    assert scripted.fetch_count == 2


def test_a_failed_attempt_counts_for_the_cooldown(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """An issuer in trouble is not asked once more for each unknown id (CVE-2026-48524)."""
    clock.move(COOLDOWN)
    scripted.answer = FetchError("http_status", status=503)
    for _ in range(1000):
        with pytest.raises(KeySetUnavailableError):
            warm.key_for("b", EDDSA)
    clock.move(COOLDOWN - 0.1)
    with pytest.raises(KeySetUnavailableError):
        warm.key_for("b", EDDSA)
    assert scripted.fetch_count == 2


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (5, 5)])
def test_searches_that_failed_spread_out(
    source: KeySource, scripted: ScriptedIssuer, clock: MovableClock, failures: int, seconds: float
) -> None:
    """Processes that were all refused at the same moment do not all come back at the end of the cooldown."""
    clock.uniform = max
    source.snapshot()
    complete()
    scripted.answer = FetchError("http_status", status=429)
    for _ in range(failures):
        clock.move(2 * COOLDOWN)
        with pytest.raises(KeySetUnavailableError):
            source.key_for("b", EDDSA)
        complete()
    scripted.answer = document("a", "b")
    clock.move(COOLDOWN + seconds - 0.1)
    with pytest.raises(KeySetUnavailableError):
        source.key_for("b", EDDSA)
    clock.move(0.2)
    assert source.key_for("b", EDDSA).key.key_id == "b"


def test_a_lone_search_that_worked_is_not_spread(
    source: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The cooldown alone counts again, once the issuer has answered."""
    clock.uniform = max
    scripted.answer = FetchError("http_status", status=429)
    with pytest.raises(KeySetUnavailableError):
        source.snapshot()
    complete()
    clock.move(2 * COOLDOWN)
    scripted.answer = document("a")
    source.snapshot()
    complete()
    clock.move(COOLDOWN)
    scripted.answer = document("a", "b")
    assert source.key_for("b", EDDSA).key.key_id == "b"


def test_an_unknown_key_id_respects_retry_after(warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """The cooldown is over, but the issuer has asked for more time."""
    clock.move(DUE)
    fail(scripted, warm, retry_after_seconds=300)
    clock.move(299)
    with pytest.raises(KeySetUnavailableError) as caught:
        warm.key_for("b", EDDSA)
    assert scripted.fetch_count == 2
    assert caught.value.retry_after_seconds == 1


def test_without_a_shared_cache_an_unknown_key_id_starts_no_thread_in_the_cooldown(
    warm: KeySource, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nobody to ask."""
    clock.move(COOLDOWN - 1)
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    with pytest.raises(UnknownKeyError):
        warm.key_for("b", EDDSA)
    assert started == []


def test_known_keys_work_while_unknown_ones_are_unavailable(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """An outage is nobody's fault who has a good token."""
    clock.move(COOLDOWN)
    scripted.answer = FetchError("http_status", status=503)
    with pytest.raises(KeySetUnavailableError):
        warm.key_for("b", EDDSA)
    assert warm.key_for("a", EDDSA).key.key_id == "a"


def test_a_request_with_an_unknown_key_id_does_not_wait_for_ever(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """While the fetch is under way there is no telling whether there is such a key."""
    clock.move(COOLDOWN)
    scripted.hold()
    with pytest.raises(KeySetUnavailableError) as caught:
        warm.key_for("b", EDDSA)
    assert scripted.is_still_answering()
    assert caught.value.retry_after_seconds == 1
    scripted.release()


def test_a_request_with_a_known_key_never_waits_for_an_unknown_one(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The fresh set is used while the fetch for somebody else hangs."""
    clock.move(COOLDOWN)
    scripted.hold()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(warm.key_for, "b", EDDSA)
        assert scripted.is_still_answering()
        warm.key_for("a", EDDSA)
        assert scripted.is_still_answering()
        scripted.release()
        assert isinstance(other.exception(10), UnknownKeyError)


def test_a_known_key_id_with_another_algorithm_is_an_unknown_key(warm: KeySource) -> None:
    """Key and algorithm have to fit."""
    with pytest.raises(UnknownKeyError):
        warm.key_for("a", ALGORITHMS["RS256"])


def test_a_key_at_hand_causes_nothing(source: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """Neither without keys, nor when a refresh is due, nor for an unknown id."""
    with pytest.raises(KeySetUnavailableError):
        source.cached_key("a", EDDSA)
    assert scripted.fetch_count == 0
    source.snapshot()
    clock.move(TTL)
    assert source.cached_key("a", EDDSA).key.key_id == "a"
    with pytest.raises(UnknownKeyError):
        source.cached_key("b", EDDSA)
    complete()
    assert scripted.fetch_count == 1


def test_all_keys_at_hand_can_be_seen_however_old_they_are(
    source: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """None before there are any; and looking causes nothing."""
    assert source.cached_keys() == ()
    scripted.answer = document("a", "b")
    source.snapshot()
    clock.move(MAX_STALE + 1)
    assert [key.key_id for key in source.cached_keys()] == ["a", "b"]
    assert scripted.fetch_count == 1


# Replacing


def test_a_removed_key_is_gone_after_the_next_refresh(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """A fetch replaces the whole set: nothing of the old one stays."""
    scripted.answer = document("b", "c")
    clock.move(TTL)
    assert warm.snapshot().key_set.key_ids == {"b", "c"}
    with pytest.raises(UnknownKeyError):
        warm.key_for("a", EDDSA)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "the answer is not JSON of the required form"),
        (b"<html>", "the answer is not JSON of the required form"),
        (b"{}", "the answer is not a JWK Set"),
        (b'{"keys": []}', "the key set holds no usable key"),
        (b'{"keys": [null]}', "the key set holds no usable key"),
    ],
)
def test_a_set_without_a_usable_key_is_a_failure_and_keeps_the_old_one(
    warm: KeySource,
    scripted: ScriptedIssuer,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
    answer: bytes,
    reason: str,
) -> None:
    """An issuer that answers nonsense is treated as one that does not answer."""
    scripted.answer = answer
    clock.move(TTL)
    assert warm.snapshot().key_set.key_ids == {"a"}
    complete()
    assert (warm.status().consecutive_failures, warm.status().last_error) == (1, reason)
    assert caplog.messages == [f"the key set of {ISSUER} cannot be fetched: {reason}"]


def test_the_generation_rises_only_when_key_material_changes(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """What was verified with the same keys needs no second look."""
    generations = []
    for key_ids in (("a",), ("a", "b"), ("b", "a"), ("b",), ("a",)):
        scripted.answer = document(*key_ids)
        clock.move(TTL)
        generations.append(warm.snapshot().generation)
    assert generations == [1, 2, 2, 3, 4]


def test_a_failure_does_not_change_the_generation(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The old set stays what it was."""
    clock.move(TTL)
    fail(scripted, warm)
    assert warm.status().generation == 1


def test_the_status_describes_the_set(warm: KeySource, clock: MovableClock) -> None:
    """All that health and admin endpoints show."""
    clock.move(100)
    status = warm.status()
    assert (status.issuer, status.state, status.source, status.keys) == (ISSUER, "fresh", "network", 1)
    assert (status.age_seconds, status.refresh_in_seconds) == (100, DUE - 100)


@pytest.mark.parametrize(("age", "seconds"), [(DUE - 0.5, 0.5), (DUE, 0), (TTL, 0)])
def test_the_time_to_the_next_refresh_is_never_negative(
    warm: KeySource, clock: MovableClock, age: float, seconds: float
) -> None:
    """A refresh that is due is due now."""
    clock.move(age)
    assert warm.status().refresh_in_seconds == seconds


# Listeners and logs


def test_listeners_learn_which_keys_came_and_went(
    make_source: MakeSource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Sorted, after each fetch."""
    told: list[object] = []
    source = make_source(on_refreshed=lambda added, removed: told.append((added, removed)))
    for key_ids in (("b", "a"), ("a", "c")):
        scripted.answer = document(*key_ids)
        source.snapshot()
        complete()
        clock.move(TTL)
    assert told == [(("a", "b"), ()), (("c",), ("b",))]


def test_listeners_learn_why_a_fetch_failed(make_source: MakeSource, scripted: ScriptedIssuer) -> None:
    """In fixed words."""
    told: list[Any] = []
    fail(scripted, make_source(on_failed=told.append))
    (error,) = told
    assert (error.code, error.status, str(error)) == ("http_status", 503, "HTTP status 503")


def _raise(*_arguments: object) -> None:
    raise RuntimeError("a listener")


def test_a_listener_that_raises_does_not_spoil_a_refresh(
    make_source: MakeSource, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The keys are there, the next refresh comes, and the mistake can be found in the log."""
    source = make_source(on_refreshed=_raise)
    source.snapshot()
    complete()
    assert [(record.name, record.getMessage()) for record in caplog.records if record.exc_info] == [
        ("auth0_blueprint", "a listener of a key-set signal failed")
    ]
    clock.move(TTL)
    source.snapshot()
    assert source.status().age_seconds == 0


def test_a_listener_that_raises_does_not_spoil_a_failure(
    make_source: MakeSource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The failure is counted once, and the next attempt comes."""
    source = make_source(on_failed=_raise)
    fail(scripted, source)
    assert source.status().consecutive_failures == 1
    clock.move(30)
    scripted.answer = document("a")
    assert source.snapshot().key_set.key_ids == {"a"}


def test_nobody_who_waits_for_keys_waits_for_the_listeners(make_source: MakeSource) -> None:
    """The keys are handed out before anybody is told of them."""
    has_keys = threading.Event()
    told_after: list[bool] = []
    source = make_source(on_refreshed=lambda *_: told_after.append(has_keys.wait(1)))
    source.snapshot()
    has_keys.set()
    complete()
    assert told_after == [True]


def test_an_outage_is_logged_once_and_so_is_its_end(
    source: KeySource, scripted: ScriptedIssuer, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each change of state, not for each attempt."""
    with caplog.at_level(logging.INFO, "auth0_blueprint"):
        for _ in range(5):
            fail(scripted, source)
            clock.move(30)
        scripted.answer = document("a")
        for _ in range(3):
            source.snapshot()
            complete()
            clock.move(TTL)
    assert scripted.fetch_count == 8
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_unused_keys_are_logged_once(
    warm: KeySource, scripted: ScriptedIssuer, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as the set stays the same, so does what there is to say."""
    keys = json.loads(document("a", "b"))["keys"]
    scripted.answer = json.dumps({"keys": [None, *keys]}).encode()
    for _ in range(3):
        clock.move(TTL)
        warm.snapshot()
        complete()
    assert [record.getMessage() for record in caplog.records] == [
        f"unusable keys in the key set of {ISSUER}: not a JSON object"
    ]
    assert warm.status().skipped == ("not a JSON object",)


# Threads and processes


def test_a_thread_that_cannot_start_is_no_error_of_its_own(
    source: KeySource, scripted: ScriptedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system out of threads is unavailable, and well again as soon as it has some."""

    def cannot_start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", cannot_start)
        with pytest.raises(KeySetUnavailableError):
            source.snapshot(FOREVER)
    assert source.key_for("a", EDDSA).key.key_id == "a"
    assert scripted.fetch_count == 1


def test_a_fetch_without_a_thread_of_its_own_is_a_failure_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system out of threads cannot watch the deadline, so nothing is tried."""
    called: list[str] = []

    def cannot_start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", cannot_start)
        with pytest.raises(TimeoutError, match="no thread"):
            call_within(5, lambda: called.append("called"))
    assert called == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_in_mid_flight_fetches_for_itself(make_source: MakeSource, scripted: ScriptedIssuer) -> None:
    """The flight of the parent never lands in the child (gunicorn --preload)."""
    fetches: list[Callable[[], bytes]] = [scripted]
    source = make_source(fetch=lambda: fetches[-1]())
    scripted.hold()
    with pytest.raises(KeySetUnavailableError):
        source.snapshot(max_wait_seconds=0)
    assert scripted.is_still_answering()

    def ask() -> str:
        fetches.append(lambda: document("a"))
        return source.key_for("a", EDDSA).key.key_id or ""

    assert in_a_child_process(ask) == "a"
    scripted.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_after_a_fetch_uses_what_the_parent_fetched(warm: KeySource, scripted: ScriptedIssuer) -> None:
    """No fetch for each worker."""

    def ask() -> str:
        warm.key_for("a", EDDSA)
        complete()
        return str(scripted.fetch_count)

    assert in_a_child_process(ask) == "1"


@pytest.mark.parametrize(
    ("age", "state", "is_usable"),
    [
        (0, "fresh", True),
        (DUE, "due", True),
        (TTL, "stale", True),
        (MAX_STALE, "stale", True),
        (MAX_STALE + 1, "expired", False),
    ],
)
def test_a_set_is_usable_until_it_is_expired(
    warm: KeySource, clock: MovableClock, age: float, state: str, is_usable: bool
) -> None:
    """What readiness asks."""
    clock.move(age)
    assert (warm.status().state, warm.status().is_usable) == (state, is_usable)
