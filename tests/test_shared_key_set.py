"""Level 2: what a process believes of a key set in the shared cache, and what it makes of it."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MovableClock
from itsdangerous import Serializer
from servers import ScriptedIssuer, complete, document
from shared_sources import (
    ATTEMPT,
    COOLDOWN,
    DUE,
    MAX_STALE,
    OUTAGE,
    SECRET,
    TTL,
    UNAVAILABLE,
    UNKNOWN,
    DictBackend,
    Fleet,
    ask,
    outcome,
    refresh,
)  # fmt: skip
from waits import Waits

from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.shared_copy import SharedEntry


@pytest.fixture
def fleet(clock: MovableClock) -> Fleet:
    return Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)


Names = tuple[dict[str, str], ...]


NAMES: list[Names] = [
    ({}, {"issuer": "https://bücher.example/"}, {"url": "https://issuer.example/ü"}, {"secret": "schlüssel"}),
    # What ends one name cannot begin the next.
    ({"issuer": "https://a.example/", "url": "x"}, {"issuer": "https://a.example", "url": "/x"}),
]


class TestWriting:
    def test_an_entry_is_read_back_by_another_process(self, fleet: Fleet) -> None:
        entry = fleet.entry("a", "b")
        fleet.shared().write(entry)
        assert fleet.shared().read() == entry

    def test_an_entry_is_text_that_begins_with_json_and_holds_no_secret(self, fleet: Fleet) -> None:
        """Nothing that a reader would have to unpickle: JSON, and behind it the signature."""
        fleet.shared().write(fleet.entry("a"))
        value = fleet.backend.values[fleet.backend.only_key]
        assert isinstance(value, str)
        name, members = json.loads(value.rpartition(".")[0])
        assert name == ""
        assert {"document", "fetched_at"} < members.keys()  # which is what earlier releases read
        assert SECRET not in repr(fleet.backend.values)

    @pytest.mark.parametrize("all_names", NAMES)
    def test_keys_differ_by_issuer_url_and_secret_and_are_ascii(self, fleet: Fleet, all_names: Names) -> None:
        """Apps, stages and tenants on one cache never meet, and every backend takes the keys."""
        for names in all_names:
            fleet.shared(**names).write(fleet.entry("a"))
        assert len(fleet.backend.values) == len(all_names)
        assert all(key.isascii() and key.replace("-", "").isalnum() for key in fleet.backend.values)

    def test_without_a_secret_nothing_is_read_or_written(self, fleet: Fleet) -> None:
        """An unsigned entry could be anybody's: the cache is not even asked."""
        shared = fleet.shared(secret=None)
        shared.write(fleet.entry("a"))
        assert shared.read() is None
        assert fleet.backend.calls == 0


Plant = Callable[[Fleet, str], object]


def written_by(**names: str) -> Plant:
    """Return what plants the entry of a process with other *names* under our key."""

    def plant(fleet: Fleet, _value: str) -> object:
        other = Fleet(DictBackend(), fleet.scripted, fleet.clock)
        other.shared(**names).write(fleet.entry("a"))
        return other.backend.values[other.backend.only_key]

    return plant


PLANTS: dict[str, Plant] = {
    "forged with another secret": written_by(secret="guessed"),
    "of another issuer": written_by(issuer="https://other.example/"),
    "of another URL": written_by(url="https://other.example/jwks"),
    "truncated signature": lambda _fleet, value: value[:-1],
    "second half": lambda _fleet, value: value[len(value) // 2 :],
    "changed name": lambda _fleet, value: value.replace("fetched_at", "fetched_by"),
    "signature cut off": lambda _fleet, value: value.rpartition(".")[0],
    "object": lambda _fleet, value: json.loads(value.rpartition(".")[0]),
    "bytes": lambda _fleet, value: value.encode(),
    "list": lambda _fleet, value: [value],
    "pickle": lambda _fleet, _value: pickle.dumps("x"),
    "empty": lambda _fleet, _value: "",
    "not ASCII": lambda _fleet, _value: "ü.ü",
    "deep": lambda _fleet, _value: "[" * 100_000 + ".x",
    "number": lambda _fleet, _value: 0,
}


class TestBelieving:
    @pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
    def test_an_entry_that_is_not_ours_is_ignored_and_counted(self, fleet: Fleet, plant: Plant) -> None:
        """Only a process with our secret, for our issuer and URL, can have written what we believe."""
        fleet.shared().write(fleet.entry("a"))
        key = fleet.backend.only_key
        fleet.backend.values[key] = plant(fleet, fleet.backend.values[key])
        reader = fleet.shared()
        assert reader.read() is None
        assert reader.ignored == 1

    def test_the_secret_signs_and_not_only_names_the_entry(self, fleet: Fleet) -> None:
        """Whoever can read the keys of the cache, and the source of this package, knows everything but the secret."""
        shared = fleet.shared()
        shared.write(fleet.entry("a"))
        key = fleet.backend.only_key
        digest = key.rpartition("-")[2]
        for guess in ("", "None", digest):
            serializer = Serializer(
                guess, salt=f"auth0_blueprint.key-set.{digest}", signer_kwargs={"digest_method": hashlib.sha256}
            )
            entry = fleet.entry("forged")
            fleet.backend.values[key] = serializer.dumps(
                ["", {"document": entry.document, "fetched_at": entry.fetched_at}]
            )
            assert shared.read() is None

    def test_entries_that_are_ignored_are_logged_once_in_a_row(
        self, fleet: Fleet, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Again after a good one, and for each process that shares; never their text: it could be anybody's."""
        shared = fleet.shared()
        for text, lines in (("SPY", 1), ("another SPY", 1), (None, 2)):
            if text is None:
                shared.write(fleet.entry("a"))
                assert shared.read() is not None
                text = "SPY again"
            for key in list(fleet.backend.values) or [shared._entries._key("key-set", "")]:
                fleet.backend.values[key] = text
            assert shared.read() is None
            assert [record.levelname for record in caplog.records] == ["WARNING"] * lines
        assert (shared.ignored, fleet.process().ignored_entries) == (3, 0)
        assert "SPY" not in caplog.text

    @pytest.mark.parametrize(("seconds", "is_believed"), [(0, True), (5, True), (5.1, False), (1e9, False)])
    def test_an_entry_from_the_future_is_ignored(self, fleet: Fleet, seconds: float, is_believed: bool) -> None:
        """Clocks may differ by 5 s. More would make a set look young for too long."""
        fleet.shared().write(fleet.entry("a", seconds_ago=-seconds))
        reader = fleet.shared()
        assert (reader.read() is not None) == is_believed
        assert reader.ignored == (0 if is_believed else 1)

    @pytest.mark.parametrize("how", ["read", "write"])
    def test_an_entry_older_than_one_seen_before_is_ignored(self, fleet: Fleet, how: str) -> None:
        """Whoever puts back an old entry does not bring back a removed key."""
        fleet.shared().write(fleet.entry("a", seconds_ago=10))
        older = dict(fleet.backend.values)
        process = fleet.shared()
        if how == "read":
            fleet.shared().write(fleet.entry("b"))
            process.read()
        else:
            process.write(fleet.entry("b"))
        fleet.backend.values.update(older)
        assert process.read() is None
        assert process.ignored == 1

    def test_the_same_entry_may_be_read_again(self, fleet: Fleet) -> None:
        fleet.shared().write(fleet.entry("a"))
        reader = fleet.shared()
        assert reader.read() == reader.read() is not None
        assert reader.ignored == 0


class TestProcesses:
    def test_a_process_adopts_what_another_one_fetched(self, fleet: Fleet) -> None:
        fleet.warm_process()
        second = fleet.process()
        assert ask(second) == "a"
        assert (second.status().source, fleet.fetches) == ("cache", 1)

    def test_a_copy_never_restarts_the_clock(self, fleet: Fleet) -> None:
        """The age counts from the network answer, in every process."""
        fleet.warm_process()
        fleet.clock.move(DUE - 80)
        copy = fleet.warm_process()
        assert copy.snapshot().fetched_at == fleet.clock.now - (DUE - 80)
        assert (copy.status().age_seconds, copy.status().refresh_in_seconds) == (DUE - 80, 80)

    def test_a_copy_of_a_copy_expires_with_the_first(self, fleet: Fleet) -> None:
        """Keys are never used for longer than MAX_STALE, through however many processes they went."""
        fleet.warm_process()
        fleet.clock.move(DUE - 1)
        copy = fleet.warm_process()
        fleet.clock.move(MAX_STALE - DUE + 2)
        assert outcome(copy.cached_key, "a") == UNAVAILABLE

    def test_a_new_key_that_another_process_has_found_is_found_with_the_budget_used_up(self, fleet: Fleet) -> None:
        """The budget spares the issuer; the shared cache may be asked, once in a second."""
        first, second = fleet.warm_process(), fleet.warm_process()
        for number in range(3):
            assert ask(second, f"nonsense-{number}") == UNKNOWN
        complete()
        assert ask(first, "nonsense") == UNKNOWN
        fleet.publish("b")
        fleet.clock.move(1)
        second.refresh_now(5)
        complete()
        assert (ask(first, "b"), fleet.fetches) == ("b", 5)

    @pytest.mark.parametrize("seconds_later", [0, COOLDOWN])
    def test_an_unknown_key_id_is_looked_for_in_the_cache_first(self, fleet: Fleet, seconds_later: float) -> None:
        """Also where the issuer might be asked: another process has asked meanwhile."""
        first, second = fleet.warm_process(), fleet.warm_process()
        fleet.clock.move(COOLDOWN)
        fleet.publish("a", "b")
        assert ask(first, "b") == "b"
        complete()
        fleet.clock.move(seconds_later)
        assert (ask(second, "b"), fleet.fetches) == ("b", 2)

    def test_a_key_that_the_flight_under_way_brings_is_not_looked_for_again(self, fleet: Fleet) -> None:
        """It was begun for a refresh, and has learned of the key from another process."""
        waits = Waits(fleet.clock)
        process = fleet.process(single_flight=waits.single_flight)
        process.snapshot()
        fleet.clock.move(DUE)
        fleet.shared().write(fleet.entry("a", "b", seconds_ago=COOLDOWN))
        process.snapshot()
        waits.max_wait.clear()
        assert ask(process, "b") == "b"
        assert (waits.max_wait, fleet.fetches) == ([ATTEMPT + 1], 1)

    def test_with_the_budget_used_up_an_unknown_key_id_looks_at_the_cache_once_in_a_second(self, fleet: Fleet) -> None:
        """What another process has written is found, and a flood of unknown key ids does not flood the cache."""
        process = fleet.warm_process()
        for number in range(3):
            ask(process, f"nonsense-{number}")
            complete()
        calls: list[int] = []
        for seconds in (0, 1, 0, 0.5, 0.5):
            fleet.clock.move(seconds)
            assert ask(process, "b") == UNKNOWN
            complete()
            calls.append(fleet.backend.calls)
        before = calls[0]
        look = 2  # for a key set, and for a failure
        assert calls == [before, before + look, before + look, before + look, before + 2 * look]
        fleet.shared().write(fleet.entry("b"))
        fleet.clock.move(1)
        assert ask(process, "b") == "b"
        assert (fleet.fetches, process.status().source) == (4, "cache")

    @pytest.mark.parametrize("seconds", [0, 5])
    def test_an_adopted_set_is_never_younger_than_new(self, fleet: Fleet, seconds: float) -> None:
        """Also when the clock of the process that fetched it goes ahead."""
        fleet.shared().write(fleet.entry("a", seconds_ago=-seconds))
        assert fleet.warm_process().status().age_seconds == 0

    def test_an_entry_without_a_usable_key_is_not_adopted(self, fleet: Fleet) -> None:
        """Processes of another version may judge keys differently; the issuer is asked instead."""
        fleet.shared().write(SharedEntry('{"keys": []}', fleet.clock.now))
        status = fleet.warm_process().status()
        assert (status.source, status.consecutive_failures) == ("network", 0)

    def test_listeners_are_told_of_a_stale_set_that_is_adopted_and_of_the_fetch_that_failed(self, fleet: Fleet) -> None:
        """First which keys came from the others, then why there are no newer ones."""
        fleet.shared().write(fleet.entry("a", seconds_ago=TTL))
        fleet.go_down()
        told: list[object] = []
        process = fleet.process(
            on_failed=lambda error: told.append(str(error)),
            on_refreshed=lambda *came_and_went: told.append(came_and_went),
        )
        refresh(process)
        assert told == [(("a",), ()), "HTTP status 503"]

    def test_an_entry_that_is_due_is_not_adopted_instead_of_a_fetch(self, fleet: Fleet) -> None:
        """It would be due again at once."""
        fleet.warm_process()
        fleet.clock.move(DUE + 1)
        assert (fleet.warm_process().status().source, fleet.fetches) == ("network", 2)

    @pytest.mark.parametrize("age", [DUE + 1, MAX_STALE])
    def test_a_stale_entry_is_adopted_when_the_fetch_fails(self, fleet: Fleet, age: float) -> None:
        """A process that starts in an outage works with the keys of the others."""
        fleet.warm_process()
        fleet.clock.move(age)
        fleet.go_down()
        late = fleet.process()
        assert ask(late) == "a"
        complete()
        status = late.status()
        assert (status.source, status.age_seconds, status.consecutive_failures) == ("cache", age, 1)

    def test_an_expired_entry_is_not_adopted_even_when_the_fetch_fails(self, fleet: Fleet) -> None:
        fleet.warm_process()
        fleet.clock.move(MAX_STALE + 1)
        fleet.go_down()
        late = fleet.process()
        assert (ask(late), late.status().state) == (UNAVAILABLE, "none")

    def test_a_fresh_entry_ends_an_outage(self, fleet: Fleet) -> None:
        """Another process has reached the issuer: nothing is failing any more."""
        fleet.go_down()
        process = fleet.process()
        assert ask(process) == UNAVAILABLE
        complete()
        fleet.clock.move(3)
        fleet.publish("a")
        fleet.warm_process()
        assert process.snapshot().source == "cache"
        assert process.status().consecutive_failures == 0

    def test_a_refresh_adopts_what_another_process_refreshed(self, fleet: Fleet) -> None:
        """One refresh for the fleet, and a removed key is gone from all."""
        first, second = fleet.warm_process(), fleet.warm_process()
        fleet.clock.move(DUE)
        fleet.publish("b")
        for process in (first, second):
            refresh(process)
        assert (fleet.fetches, second.status().generation) == (2, 2)
        assert outcome(second.cached_key, "a") == UNKNOWN

    def test_an_entry_that_is_not_newer_does_not_replace_a_refresh(self, fleet: Fleet) -> None:
        """Our own entry in the cache is no news: the issuer is asked."""
        process = fleet.warm_process()
        fleet.clock.move(DUE)
        refresh(process)
        assert (fleet.fetches, process.status().source) == (2, "network")

    def test_a_fetched_set_that_is_a_failure_is_not_shared(self, fleet: Fleet) -> None:
        fleet.publish()
        assert ask(fleet.process()) == UNAVAILABLE
        complete()
        assert fleet.shared().read() is None

    def test_a_forged_key_set_is_never_used(self, fleet: Fleet) -> None:
        """Whoever can write to the cache, and does not know the secret, cannot put a key of his own in."""
        fleet.warm_process()
        attacker = Fleet(DictBackend(), fleet.scripted, fleet.clock)
        attacker.shared(secret="guessed").write(fleet.entry("forged"))
        fleet.backend.values[fleet.backend.only_key] = attacker.backend.values[attacker.backend.only_key]
        assert fleet.warm_process().snapshot().key_set.key_ids == {"a"}
        assert fleet.fetches == 2

    @pytest.mark.parametrize(("answer", "kind"), [(document("a"), "key-set"), (OUTAGE, "failure")])
    def test_the_fleet_has_the_result_before_a_request_goes_on(
        self, fleet: Fleet, answer: bytes | FetchError, kind: str
    ) -> None:
        """A server without threads freezes the rest of a refresh when the request has ended, and its lease with it."""
        goes_on = threading.Event()
        is_late: list[bool] = []

        class WatchedBackend(DictBackend):
            def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
                if kind in key:
                    is_late.append(goes_on.wait(0.3))
                return super().set(key, value, timeout)

        fleet.backend = WatchedBackend()
        fleet.scripted.answer = answer
        ask(fleet.process())
        goes_on.set()
        complete()
        assert is_late == [False]
