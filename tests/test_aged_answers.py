"""What a process makes of answers that caches on the way have kept for a while: `Age` and `max-age`, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MovableClock
from servers import RawServer, ScriptedIssuer, document, respond
from shared_sources import (
    COOLDOWN,
    DUE,
    MAX_STALE,
    TTL,
    UNAVAILABLE,
    UNKNOWN,
    DictBackend,
    Fleet,
    ask,
    make_source,
    refresh,
)
from waits import Waits

from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.keysets.fetch import FetchedKeySet, fetch
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.keysets.shared_copy import SharedEntry
from auth0_blueprint.keysets.source import KeySource

HALF = DUE / 2  # as much of an age as counts at most


class Edge(RawServer):
    """A cache in front of the issuer, on loopback. It says what a test wants."""

    def __init__(self) -> None:
        self.holds("a")
        super().__init__(lambda connection: self._respond(connection))

    def holds(self, *key_ids: str, age: object = None, **fields: str) -> None:
        """Have it answer with these keys, of this age."""
        headers = fields if age is None else {"Age": str(age), **fields}
        self._respond = respond(body=document(*key_ids), **headers)

    def fetch(self, no_cache: bool) -> FetchedKeySet:
        return fetch(self.url, 10, 100_000, no_cache=no_cache)

    @property
    def bypassed(self) -> list[bool]:
        """For each request, whether it asked for what the issuer has now."""
        return [b"\r\nCache-Control: no-cache\r\n" in head for head in self.heads]


Make = Callable[..., KeySource]


@pytest.fixture
def edge() -> Any:
    with Edge() as edge:
        yield edge


@pytest.fixture
def make(edge: Edge, clock: MovableClock) -> Make:
    def make(**changes: Any) -> KeySource:
        source = make_source(edge.fetch, clock, **changes)
        refresh(source)
        return source

    return make


def keys_of(source: KeySource) -> set[str]:
    return set(source.snapshot().key_set.key_ids)


class TestOlderCopies:
    @pytest.mark.parametrize(("age", "is_taken"), [(0, True), (DUE, True), (DUE + 2, True), (DUE + 3, False)])
    def test_a_copy_older_than_the_set_in_use_does_not_replace_it(
        self, make: Make, edge: Edge, clock: MovableClock, age: int, is_taken: bool
    ) -> None:
        """An edge that is behind would withdraw a new key, or bring a withdrawn one back. Seconds are rounded."""
        source = make()
        edge.holds("b", age=age)
        clock.move(DUE)
        refresh(source)
        assert keys_of(source) == {"b" if is_taken else "a"}
        assert (len(edge.heads), source.status().consecutive_failures) == (2, 0)

    def test_the_age_of_the_set_in_use_counts_too(self, make: Make, edge: Edge, clock: MovableClock) -> None:
        edge.holds("a", age=1000)
        source = make()
        edge.holds("b", age=1200)
        clock.move(HALF)
        refresh(source)
        assert (keys_of(source), len(edge.heads)) == ({"b"}, 2)  # 1240 s old by then

    def test_an_edge_that_stays_behind_is_asked_at_a_steady_pace_and_no_request_is_refused(
        self, make: Make, edge: Edge, clock: MovableClock
    ) -> None:
        """As if the set in use had been the answer: nothing newer is to be had there, and that is no outage."""
        source = make()
        edge.holds("old", age=50_000)
        clock.move(DUE)
        refresh(source)
        for _ in range(13):
            clock.move(HALF - 1)
            refresh(source)
            assert ask(source) == "a"
            clock.move(1)
            refresh(source)
        assert (keys_of(source), len(edge.heads), source.status().state) == ({"a"}, 15, "fresh")
        assert source.status().generation == 1

    @pytest.mark.parametrize("searches", [False, True])
    def test_an_edge_whose_age_is_always_wrong_locks_nobody_out_for_good(
        self, make: Make, edge: Edge, clock: MovableClock, searches: bool
    ) -> None:
        """What it calls old may be new. After MAX_STALE it is believed, at the next refresh."""
        source = make()
        edge.holds("b", age=50_000)
        for _ in range((MAX_STALE + DUE) // COOLDOWN):
            clock.move(COOLDOWN)
            if searches:
                ask(source, "b")
            refresh(source)
        assert (keys_of(source), source.status().last_error) == ({"b"}, None)

    def test_a_set_that_is_too_old_to_be_used_is_replaced_by_whatever_comes(
        self, make: Make, edge: Edge, clock: MovableClock
    ) -> None:
        """As at a start: an old copy is what every other client has then, and better than an outage."""
        source = make()
        edge.holds("b", age=50_000)
        clock.move(MAX_STALE + 1)
        assert keys_of(source) == {"b"}
        assert ask(make()) == UNKNOWN  # "a", in a process that starts

    @pytest.mark.parametrize("wall_seconds", [-100_000, 0, 100_000])
    def test_what_comes_from_the_issuer_itself_is_taken_whatever_the_clocks_say(
        self, make: Make, edge: Edge, clock: MovableClock, wall_seconds: float
    ) -> None:
        source = make()
        edge.holds("b")
        clock.now += wall_seconds
        clock.move(DUE)
        refresh(source)
        assert keys_of(source) == {"b"}


class TestSearches:
    def test_a_search_and_an_operator_ask_for_what_the_issuer_has_now(
        self, make: Make, edge: Edge, clock: MovableClock
    ) -> None:
        source = make()
        clock.move(DUE)
        refresh(source)
        clock.move(COOLDOWN)
        edge.holds("a", "b")
        assert ask(source, "b") == "b"
        assert source.refresh_now(5).answer.is_revalidated
        assert edge.bypassed == [False, False, True, True]

    @pytest.mark.parametrize(("age", "outcome"), [(0, UNKNOWN), (100, UNKNOWN), (103, UNAVAILABLE)])
    def test_a_search_that_gets_an_older_copy_has_failed(
        self, make: Make, edge: Edge, clock: MovableClock, age: int, outcome: str
    ) -> None:
        """The key may be at the issuer: 401 would have a client throw away a good token. It comes again after 503."""
        source = make()
        clock.move(100)
        edge.holds("old", age=age)
        if outcome == UNKNOWN:
            edge.holds("a", age=age)
        assert ask(source, "new") == outcome
        assert keys_of(source) == {"a"}
        failed = outcome == UNAVAILABLE
        assert source.status().last_error == ("an older copy than the one in use" if failed else None)

    def test_an_operator_who_gets_an_older_copy_is_told(self, make: Make, edge: Edge, clock: MovableClock) -> None:
        """The keys were not refreshed. With a copy that is not older they were, as far as that edge lets anybody."""
        source = make()
        clock.move(100)
        edge.holds("old", age=1000)
        with pytest.raises(KeySetUnavailableError):
            source.refresh_now(5)
        assert keys_of(source) == {"a"}
        edge.holds("b", age=50)
        assert source.refresh_now(5).key_set.key_ids == {"b"}

    @pytest.mark.parametrize(("age", "bypassed"), [(None, [False, False]), (7, [False, False, True])])
    def test_a_scheduled_answer_from_a_cache_is_not_what_an_operator_ordered(
        self, make: Make, edge: Edge, clock: MovableClock, age: int | None, bypassed: list[bool]
    ) -> None:
        """Though it comes after the order: the refresh was under way. One from the issuer itself is."""
        source = make(single_flight=Waits(clock).single_flight)
        clock.move(DUE)
        edge.holds("b", age=age)
        source.snapshot()
        assert source.refresh_now(5).key_set.key_ids == {"b"}
        source.on_ordered_refresh({"fetched_at": clock.now})
        assert edge.bypassed == bypassed


class TestPace:
    @pytest.mark.parametrize(
        ("age", "due_in"), [("0", DUE), ("100", DUE - 100), ("500", HALF), ("999999999999", HALF), ("x", DUE)]
    )
    def test_an_age_makes_a_set_due_earlier_but_never_twice_as_often(
        self, make: Make, edge: Edge, clock: MovableClock, age: str, due_in: float
    ) -> None:
        """An edge that always says 500 must not have us fetch at each request."""
        edge.holds("a", age=age)
        source = make()
        assert source.status().age_seconds == DUE - due_in
        for fetches in range(1, 5):
            clock.move(due_in - 1)
            refresh(source)
            assert len(edge.heads) == fetches
            clock.move(1)
            refresh(source)
            assert len(edge.heads) == fetches + 1

    @pytest.mark.parametrize("age", [None, 50_000])
    @pytest.mark.parametrize(
        ("honors", "field", "ttl"),
        [
            (False, "max-age=15", TTL),
            (True, "public", TTL),
            (True, "max-age=300, stale-if-error=86400", 300),
            (True, "max-age=15", 60),
            (True, "max-age=0", 60),
            (True, "max-age=86400", TTL),
            (True, "max-age=soon", TTL),
        ],
    )
    def test_max_age_shortens_the_ttl_if_a_setting_says_so(
        self, make: Make, edge: Edge, clock: MovableClock, age: int | None, honors: bool, field: str, ttl: float
    ) -> None:
        """Never below 60 s, also with an age; the refresh is ahead in proportion, and an outage is survived as long."""
        edge.holds("a", age=age, Cache_Control=field)
        source = make(honors_max_age=honors)
        due_in = ttl * DUE / TTL
        counted = max(0, min(due_in / 2, due_in - 60)) if age else 0
        assert source.status().refresh_in_seconds == due_in - counted
        edge._respond = respond("503 Busy")
        for seconds, state in ((due_in, "fresh"), (ttl, "due"), (MAX_STALE, "stale"), (MAX_STALE + 2, "expired")):
            clock.move(seconds - 1 - source.status().age_seconds)  # type: ignore[operator]
            assert source.status().state == state

    def test_a_ttl_under_60_seconds_stays_what_it_is(self, make: Make, edge: Edge) -> None:
        edge.holds("a", age=500, Cache_Control="max-age=15")
        source = make(ttl_seconds=30, refresh_ahead_seconds=10, honors_max_age=True)
        assert source.status().refresh_in_seconds == 20


class TestSharing:
    @pytest.fixture
    def fleet(self, clock: MovableClock) -> Fleet:
        return Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)

    def test_age_and_max_age_hold_in_every_process(self, fleet: Fleet) -> None:
        fleet.scripted.answer = FetchedKeySet(document("a"), 100, 300)
        first, second = (fleet.process(honors_max_age=honors) for honors in (False, True))
        for process in (first, second):
            refresh(process)
        assert [process.status().refresh_in_seconds for process in (first, second)] == [DUE - 100, 240 - 100]
        assert (fleet.fetches, second.snapshot().source) == (1, "cache")

    def test_a_set_that_was_kept_is_shared_so_that_one_process_asks(self, fleet: Fleet) -> None:
        processes = [fleet.warm_process() for _ in range(3)]
        fleet.scripted.answer = FetchedKeySet(document("old"), 50_000)
        for seconds, fetches in ((DUE, 2), (HALF, 3), (HALF, 4)):
            fleet.clock.move(seconds)
            for process in processes:
                refresh(process)
                assert (keys_of(process), fleet.fetches) == ({"a"}, fetches)

    def test_an_older_copy_that_another_process_has_shared_is_not_adopted(self, fleet: Fleet) -> None:
        """It had to begin with what an edge gave it. Its copy is replaced by what is newer."""
        process = fleet.warm_process()
        fleet.clock.move(DUE)
        fleet.shared().write(SharedEntry(document("old").decode(), fleet.clock.now, 1000))
        fleet.publish("b")
        refresh(process)
        assert (keys_of(process), keys_of(fleet.warm_process()), fleet.fetches) == ({"b"}, {"b"}, 2)

    def test_entries_of_earlier_releases_are_read_and_they_read_ours(self, fleet: Fleet) -> None:
        entry = fleet.entry("a", "b")
        shared = fleet.shared()
        shared._entries.write("key-set", {"document": entry.document, "fetched_at": entry.fetched_at}, 60)
        assert shared.read() == entry
        assert keys_of(fleet.warm_process()) == {"a", "b"}
        shared.write(SharedEntry.of(FetchedKeySet(document("a"), 7, 15, is_revalidated=True), fleet.clock.now + 1))
        members = json.loads(fleet.backend.values[fleet.backend.only_key].rpartition(".")[0])[1]
        assert members["fetched_at"] == fleet.clock.now + 1
        assert parse_key_set(members["document"].encode()).key_ids == {"a"}
