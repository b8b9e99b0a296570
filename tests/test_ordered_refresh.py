"""What an operator has ordered: a key set no older than the order, in this process and, by the board, in all others."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from conftest import MovableClock
from servers import ScriptedIssuer, document
from shared_sources import DUE, OUTAGE, DictBackend, Fleet
from waits import Waits

from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.keysets.shared_copy import refreshed
from auth0_blueprint.keysets.source import KeySource


class Process:
    """A process that has fetched just now, and whose flights land when somebody waits for them."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.scripted = ScriptedIssuer(document("a"))
        self.fleet = Fleet(DictBackend(), self.scripted, clock)
        self.waits = Waits(clock)
        self.source = self.another()
        self.source.snapshot()
        self.waits.max_wait.clear()

    def another(self) -> KeySource:
        """Return the source of a process that has fetched nothing yet."""
        return self.fleet.process(single_flight=self.waits.single_flight)

    def cannot_refresh(self) -> None:
        """Order a refresh, which is not to be had in 5 seconds."""
        with pytest.raises(KeySetUnavailableError):
            self.source.refresh_now(5)

    def learn_of_order(self, seconds_from_now: float = 0) -> None:
        """See on the board that a refresh has been ordered."""
        self.source.on_ordered_refresh({"fetched_at": self.clock.now + seconds_from_now})

    @property
    def key_ids(self) -> frozenset[str]:
        return self.source.snapshot().key_set.key_ids


@pytest.fixture
def process(clock: MovableClock) -> Process:
    return Process(clock)


class TestOrderedHere:
    def test_a_refresh_asks_the_issuer_in_the_cooldown_and_in_the_backoff(self, process: Process) -> None:
        """Paces are for requests."""
        process.scripted.answer = OUTAGE
        for fetches in (2, 3):
            process.clock.move(0.1)
            process.cannot_refresh()
            assert process.scripted.fetch_count == fetches
        process.scripted.answer = document("b")
        assert process.source.refresh_now(5).key_set.key_ids == {"b"}

    def test_a_refresh_of_a_process_without_keys_is_its_first_fetch(self, clock: MovableClock) -> None:
        waits = Waits(clock)
        fleet = Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)
        assert fleet.process(single_flight=waits.single_flight).refresh_now(5).source == "network"

    def test_a_refresh_that_brings_the_same_keys_in_the_same_moment_is_one(self, process: Process) -> None:
        """The issuer was asked, and that is its answer."""
        before = process.source.snapshot()
        assert process.source.refresh_now(5) is not before
        assert process.scripted.fetch_count == 2
        # What is in a snapshot does not say whether the issuer was asked since.
        assert dataclasses.replace(before) != before

    def test_a_refresh_goes_on_after_a_flight_that_was_under_way(self, process: Process) -> None:
        """What that one brings the issuer may have said before the order. The patience is for both."""
        process.clock.move(DUE)
        process.source.snapshot()
        process.waits.takes_seconds = 2
        process.scripted.answer = OUTAGE
        process.cannot_refresh()
        assert (process.scripted.fetch_count, process.waits.max_wait) == (3, [5, 3])

    def test_a_refresh_that_takes_too_long_is_unavailable_and_goes_on(self, process: Process) -> None:
        """Whoever asks next gets what it has brought."""
        process.waits.takes_seconds = 6
        process.scripted.answer = document("b")
        process.cannot_refresh()
        assert (process.key_ids, process.waits.max_wait) == (frozenset({"a"}), [5.0])
        process.waits.begun.pop()()
        assert process.key_ids == {"b"}

    def test_what_another_process_got_before_the_order_is_not_enough(self, process: Process) -> None:
        """The key may have been withdrawn since."""
        process.clock.move(10)
        process.fleet.shared().write(process.fleet.entry("a", "b", seconds_ago=1))
        process.scripted.answer = document("c")
        assert process.source.refresh_now(5).key_set.key_ids == {"c"}

    def test_a_refresh_is_counted_from_when_it_was_ordered(self, process: Process) -> None:
        assert process.source.seconds_since_refresh == float("inf")
        process.scripted.answer = OUTAGE
        process.cannot_refresh()
        process.clock.move(3)
        assert process.source.seconds_since_refresh == 3


class TestOrderedElsewhere:
    def test_processes_of_two_releases_heed_each_other(self) -> None:
        """An order for an issuer has one place on the board, whoever posts it."""
        digest = hashlib.sha256(b"https://issuer.example/").hexdigest()
        assert refreshed("https://issuer.example/") == f"refreshed-{digest[:16]}"

    def test_an_order_is_heeded_by_whoever_has_older_keys(self, process: Process) -> None:
        """Whoever looks at the board waits for it, a second at most."""
        process.clock.move(1)
        process.scripted.answer = document("b")
        process.learn_of_order()
        assert (process.key_ids, process.waits.max_wait) == (frozenset({"b"}), [1.0])

    def test_an_order_is_heeded_once(self, process: Process) -> None:
        """It stays on the board for long. The clock of whoever posted it may be ahead."""
        order = {"fetched_at": process.clock.now + 5}
        process.clock.move(1)
        for _ in range(3):
            process.source.on_ordered_refresh(order)
            process.clock.move(1)
        assert process.scripted.fetch_count == 2
        process.learn_of_order()
        assert process.scripted.fetch_count == 3

    def test_an_order_that_could_not_be_followed_is_heeded_at_the_next_look(self, process: Process) -> None:
        """The look itself has worked."""
        process.clock.move(1)
        for answer in (OUTAGE, document("b")):
            process.scripted.answer = answer
            process.learn_of_order()
        assert process.key_ids == {"b"}

    def test_an_order_binds_nobody_who_has_what_it_brought(self, process: Process) -> None:
        """Nobody waits, also where another flight is under way."""
        process.clock.move(DUE)
        process.source.snapshot()
        process.learn_of_order(seconds_from_now=-DUE)
        assert (process.scripted.fetch_count, process.waits.max_wait, len(process.waits.begun)) == (1, [], 1)

    def test_an_order_binds_nobody_who_has_no_keys_yet(self, process: Process) -> None:
        """There are no old ones, and the first request will ask."""
        process.another().on_ordered_refresh({"fetched_at": process.clock.now})
        assert (process.waits.begun, process.waits.max_wait) == ([], [])

    def test_a_board_without_an_order_binds_nobody(self, process: Process) -> None:
        process.source.on_ordered_refresh(None)
        process.clock.move(1)
        process.learn_of_order()
        process.waits.max_wait.clear()
        process.source.on_ordered_refresh(None)
        assert process.waits.max_wait == []
