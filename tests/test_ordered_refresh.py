"""What an operator has ordered: a key set no older than the order, in this process and, by the board, in all others."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from conftest import MovableClock
from servers import ScriptedIssuer, document
from shared_sources import DUE, DictBackend, Fleet
from waits import Waits

from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.source import KeySource, refreshed

OUTAGE = FetchError("http_status", status=503)


@pytest.fixture
def scripted() -> ScriptedIssuer:
    return ScriptedIssuer(document("a"))


@pytest.fixture
def fleet(clock: MovableClock, scripted: ScriptedIssuer) -> Fleet:
    return Fleet(DictBackend(), scripted, clock)


@pytest.fixture
def waits(clock: MovableClock) -> Waits:
    return Waits(clock)


@pytest.fixture
def process(fleet: Fleet, waits: Waits) -> KeySource:
    """A process that has fetched just now, and whose flights land when somebody waits for them."""
    process = fleet.process(single_flight=waits.single_flight)
    process.snapshot()
    waits.max_wait.clear()
    return process


# Ordered here


def test_a_refresh_asks_the_issuer_in_the_cooldown_and_in_the_backoff(
    process: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """Paces are for requests."""
    scripted.answer = OUTAGE
    for fetches in (2, 3):
        clock.move(0.1)
        with pytest.raises(KeySetUnavailableError):
            process.refresh_now(5)
        assert scripted.fetch_count == fetches
    scripted.answer = document("b")
    assert process.refresh_now(5).key_set.key_ids == {"b"}


def test_a_refresh_of_a_process_without_keys_is_its_first_fetch(fleet: Fleet, waits: Waits) -> None:
    """There is nothing that it could do without."""
    assert fleet.process(single_flight=waits.single_flight).refresh_now(5).source == "network"


def test_a_refresh_that_brings_the_same_keys_in_the_same_moment_is_one(
    process: KeySource, scripted: ScriptedIssuer
) -> None:
    """The issuer was asked, and that is its answer."""
    before = process.snapshot()
    assert process.refresh_now(5) is not before
    assert scripted.fetch_count == 2


def test_a_snapshot_is_told_from_another_with_the_same_keys_of_the_same_time(process: KeySource) -> None:
    """What is in them does not say whether the issuer was asked since."""
    snapshot = process.snapshot()
    assert dataclasses.replace(snapshot) != snapshot


def test_a_refresh_goes_on_after_a_flight_that_was_under_way(
    process: KeySource, scripted: ScriptedIssuer, clock: MovableClock, waits: Waits
) -> None:
    """What that one brings the issuer may have said before the order. The patience is for both."""
    clock.move(DUE)
    process.snapshot()
    waits.takes_seconds = 2
    scripted.answer = OUTAGE
    with pytest.raises(KeySetUnavailableError):
        process.refresh_now(5)
    assert (scripted.fetch_count, waits.max_wait) == (3, [5, 3])


def test_a_refresh_that_takes_too_long_is_unavailable_and_goes_on(
    process: KeySource, scripted: ScriptedIssuer, waits: Waits
) -> None:
    """Whoever asks next gets what it has brought."""
    waits.takes_seconds = 6
    scripted.answer = document("b")
    with pytest.raises(KeySetUnavailableError):
        process.refresh_now(5)
    assert (process.snapshot().key_set.key_ids, waits.max_wait) == (frozenset({"a"}), [5.0])
    waits.begun.pop()()
    assert process.snapshot().key_set.key_ids == {"b"}


def test_what_another_process_got_before_the_order_is_not_enough(
    fleet: Fleet, process: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The key may have been withdrawn since."""
    clock.move(10)
    fleet.shared().write(fleet.entry("a", "b", seconds_ago=1))
    scripted.answer = document("c")
    assert process.refresh_now(5).key_set.key_ids == {"c"}


def test_a_refresh_is_counted_from_when_it_was_ordered(
    process: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    assert process.seconds_since_refresh == float("inf")
    scripted.answer = OUTAGE
    with pytest.raises(KeySetUnavailableError):
        process.refresh_now(5)
    clock.move(3)
    assert process.seconds_since_refresh == 3


# Ordered elsewhere


def test_processes_of_two_releases_heed_each_other() -> None:
    """An order for an issuer has one place on the board, whoever posts it."""
    digest = hashlib.sha256(b"https://issuer.example/").hexdigest()
    assert refreshed("https://issuer.example/") == f"refreshed-{digest[:16]}"


def test_an_order_is_heeded_by_whoever_has_older_keys(
    process: KeySource, scripted: ScriptedIssuer, clock: MovableClock, waits: Waits
) -> None:
    """Whoever looks at the board waits for it, a second at most."""
    clock.move(1)
    scripted.answer = document("b")
    process.on_ordered_refresh({"fetched_at": clock.now})
    assert (process.snapshot().key_set.key_ids, waits.max_wait) == (frozenset({"b"}), [1.0])


def test_an_order_is_heeded_once(process: KeySource, scripted: ScriptedIssuer, clock: MovableClock) -> None:
    """It stays on the board for long. The clock of whoever posted it may be ahead."""
    order = {"fetched_at": clock.now + 5}
    clock.move(1)
    for _ in range(3):
        process.on_ordered_refresh(order)
        clock.move(1)
    assert scripted.fetch_count == 2
    process.on_ordered_refresh({"fetched_at": clock.now})
    assert scripted.fetch_count == 3


def test_an_order_that_could_not_be_followed_is_heeded_at_the_next_look(
    process: KeySource, scripted: ScriptedIssuer, clock: MovableClock
) -> None:
    """The look itself has worked."""
    clock.move(1)
    order = {"fetched_at": clock.now}
    scripted.answer = OUTAGE
    process.on_ordered_refresh(order)
    scripted.answer = document("b")
    process.on_ordered_refresh(order)
    assert process.snapshot().key_set.key_ids == {"b"}


def test_an_order_binds_nobody_who_has_what_it_brought(
    process: KeySource, scripted: ScriptedIssuer, clock: MovableClock, waits: Waits
) -> None:
    """Nobody waits, also where another flight is under way."""
    order = {"fetched_at": process.snapshot().fetched_at}
    clock.move(DUE)
    process.snapshot()
    process.on_ordered_refresh(order)
    assert (scripted.fetch_count, waits.max_wait, len(waits.begun)) == (1, [], 1)


def test_an_order_binds_nobody_who_has_no_keys_yet(fleet: Fleet, clock: MovableClock, waits: Waits) -> None:
    """There are no old ones, and the first request will ask."""
    fleet.process(single_flight=waits.single_flight).on_ordered_refresh({"fetched_at": clock.now})
    assert (waits.begun, waits.max_wait) == ([], [])


def test_a_board_without_an_order_binds_nobody(process: KeySource, clock: MovableClock, waits: Waits) -> None:
    process.on_ordered_refresh(None)
    clock.move(1)
    process.on_ordered_refresh({"fetched_at": clock.now})
    waits.max_wait.clear()
    process.on_ordered_refresh(None)
    assert waits.max_wait == []
