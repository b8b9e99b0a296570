"""Level 2: what a process believes of a key set in the shared cache, and what a bad cache may cost."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cachelib.serializers import JSONSerializer
from conftest import AppFactory, MovableClock, bearer
from flask import Flask, render_template_string
from flask_caching import Cache
from itsdangerous import Serializer
from servers import ScriptedIssuer, document, in_a_child_process, land
from shared_sources import COOLDOWN, DUE, EDDSA, MAX_STALE, SECRET, TTL, DictBackend, Fleet

from auth0_blueprint import Auth0Blueprint, ConfigurationError
from auth0_blueprint.cache import SharedCache
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.host_cache import backend_opener
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.shared import SharedEntry
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def fleet(clock: MovableClock) -> Fleet:
    return Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)


# What is written


def test_an_entry_is_read_back_by_another_process(fleet: Fleet) -> None:
    """Same issuer, same URL, same secret: same entry."""
    entry = fleet.entry("a", "b")
    fleet.shared().write(entry)
    assert fleet.shared().read() == entry


def test_an_entry_is_text_that_begins_with_json(fleet: Fleet) -> None:
    """Nothing that a reader would have to unpickle: JSON, and behind it the signature."""
    fleet.shared().write(fleet.entry("a"))
    value = fleet.backend.values[fleet.backend.only_key]
    assert isinstance(value, str)
    name, members = json.loads(value.rpartition(".")[0])
    assert name == ""
    assert set(members) == {"document", "fetched_at"}


def test_an_entry_never_holds_the_secret(fleet: Fleet) -> None:
    """Neither in its key nor in its value."""
    fleet.shared().write(fleet.entry("a"))
    assert SECRET not in repr(fleet.backend.values)


def test_keys_differ_by_issuer_url_and_secret_and_are_ascii(fleet: Fleet) -> None:
    """Apps, stages and tenants on one cache never meet, and every backend takes the keys."""
    for names in (
        {},
        {"issuer": "https://bücher.example/"},
        {"url": "https://issuer.example/ü"},
        {"secret": "schlüssel"},
    ):
        fleet.shared(**names).write(fleet.entry("a"))
    assert len(fleet.backend.values) == 4
    assert all(key.isascii() and key.replace("-", "").isalnum() for key in fleet.backend.values)


def test_the_parts_of_a_key_cannot_be_shifted_into_each_other(fleet: Fleet) -> None:
    """What ends one name cannot begin the next."""
    fleet.shared(issuer="https://a.example/", url="x").write(fleet.entry("a"))
    fleet.shared(issuer="https://a.example", url="/x").write(fleet.entry("a"))
    assert len(fleet.backend.values) == 2


def test_without_a_secret_nothing_is_read_or_written(fleet: Fleet) -> None:
    """An unsigned entry could be anybody's: the cache is not even asked."""
    shared = fleet.shared(secret=None)
    shared.write(fleet.entry("a"))
    assert shared.read() is None
    assert fleet.backend.calls == 0


# What is believed


Plant = Callable[[Fleet, str], object]


def written_by(**names: str) -> Plant:
    """Return what plants the entry of a process with other *names* under our key."""

    def plant(fleet: Fleet, _value: str) -> object:
        other = Fleet(DictBackend(), fleet.scripted, fleet.clock)
        other.shared(**names).write(fleet.entry("a"))
        return other.backend.values[other.backend.only_key]

    return plant


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(written_by(secret="guessed"), id="forged with another secret"),
        pytest.param(written_by(issuer="https://other.example/"), id="of another issuer"),
        pytest.param(written_by(url="https://other.example/jwks"), id="of another URL"),
        pytest.param(lambda _fleet, value: value[:-1], id="truncated signature"),
        pytest.param(lambda _fleet, value: value[len(value) // 2 :], id="second half"),
        pytest.param(lambda _fleet, value: value.replace("fetched_at", "fetched_by"), id="changed name"),
        pytest.param(lambda _fleet, value: value.rpartition(".")[0], id="signature cut off"),
        pytest.param(lambda _fleet, value: json.loads(value.rpartition(".")[0]), id="object"),
        pytest.param(lambda _fleet, value: value.encode(), id="bytes"),
        pytest.param(lambda _fleet, value: [value], id="list"),
        pytest.param(lambda _fleet, _value: pickle.dumps("x"), id="pickle"),
        pytest.param(lambda _fleet, _value: "", id="empty"),
        pytest.param(lambda _fleet, _value: "ü.ü", id="not ASCII"),
        pytest.param(lambda _fleet, _value: "[" * 100_000 + ".x", id="deep"),
        pytest.param(lambda _fleet, _value: 0, id="number"),
    ],
)
def test_an_entry_that_is_not_ours_is_ignored_and_counted(fleet: Fleet, plant: Plant) -> None:
    """Only a process with our secret, for our issuer and URL, can have written what we believe."""
    fleet.shared().write(fleet.entry("a"))
    key = fleet.backend.only_key
    fleet.backend.values[key] = plant(fleet, fleet.backend.values[key])
    reader = fleet.shared()
    assert reader.read() is None
    assert reader.ignored == 1


def test_the_secret_signs_and_not_only_names_the_entry(fleet: Fleet) -> None:
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
        fleet.backend.values[key] = serializer.dumps(["", {"document": entry.document, "fetched_at": entry.fetched_at}])
        assert shared.read() is None


def test_entries_that_are_ignored_are_logged_once_in_a_row(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """Not for each look; but again after a good one, and for each process that shares."""
    shared = fleet.shared()
    for text, lines in (("bad", 1), ("worse", 1), (None, 2)):
        if text is None:
            shared.write(fleet.entry("a"))
            assert shared.read() is not None
            text = "bad again"
        for key in list(fleet.backend.values) or [shared._entries._key("key-set", "")]:
            fleet.backend.values[key] = text
        assert shared.read() is None
        assert len(caplog.records) == lines
    assert (shared.ignored, fleet.process().ignored_entries) == (3, 0)


def test_an_ignored_entry_is_logged_without_its_text(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever can write to the cache does not write to the log."""
    fleet.shared().write(fleet.entry("a"))
    fleet.backend.values[fleet.backend.only_key] = "SPY"
    fleet.shared().read()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "SPY" not in caplog.text


@pytest.mark.parametrize(("seconds", "is_believed"), [(0, True), (5, True), (5.1, False), (1e9, False)])
def test_an_entry_from_the_future_is_ignored(fleet: Fleet, seconds: float, is_believed: bool) -> None:
    """Clocks may differ by 5 s. More would make a set look young for too long."""
    fleet.shared().write(fleet.entry("a", seconds_ago=-seconds))
    reader = fleet.shared()
    assert (reader.read() is not None) == is_believed
    assert reader.ignored == (0 if is_believed else 1)


@pytest.mark.parametrize("how", ["read", "write"])
def test_an_entry_older_than_one_seen_before_is_ignored(fleet: Fleet, how: str) -> None:
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


def test_the_same_entry_may_be_read_again(fleet: Fleet) -> None:
    """As old as the newest seen is not older."""
    fleet.shared().write(fleet.entry("a"))
    reader = fleet.shared()
    assert reader.read() == reader.read() is not None
    assert reader.ignored == 0


# A process of the fleet


def test_a_process_adopts_what_another_one_fetched(fleet: Fleet) -> None:
    """One fetch for the fleet."""
    fleet.warm_process()
    second = fleet.process()
    assert second.key_for("a", EDDSA).key.key_id == "a"
    assert second.status().source == "cache"
    assert fleet.scripted.fetch_count == 1


def test_a_copy_never_restarts_the_clock(fleet: Fleet) -> None:
    """The age counts from the network answer, in every process."""
    fleet.warm_process()
    fleet.clock.move(DUE - 80)
    copy = fleet.warm_process()
    assert copy.snapshot().fetched_at == fleet.clock() - (DUE - 80)
    assert (copy.status().age_seconds, copy.status().refresh_in_seconds) == (DUE - 80, 80)


def test_a_copy_of_a_copy_expires_with_the_first(fleet: Fleet) -> None:
    """Keys are never used for longer than MAX_STALE, through however many processes they went."""
    fleet.warm_process()
    fleet.clock.move(DUE - 1)
    copy = fleet.warm_process()
    fleet.clock.move(MAX_STALE - DUE + 2)
    with pytest.raises(KeySetUnavailableError):
        copy.key_at_hand("a", EDDSA)


def test_a_new_key_that_another_process_has_found_is_found_in_the_cooldown(fleet: Fleet) -> None:
    """The cooldown spares the issuer; the shared cache may be asked, once in a second."""
    first, second = fleet.warm_process(), fleet.warm_process()
    fleet.clock.move(40)
    fleet.scripted.answer = document("b")
    with pytest.raises(UnknownKeyError):
        second.key_for("nonsense", EDDSA)
    land()
    fleet.clock.move(5)
    assert fleet.scripted.fetch_count == 2
    assert first.key_for("b", EDDSA).key.key_id == "b"
    assert fleet.scripted.fetch_count == 2


def test_an_unknown_key_id_in_the_cooldown_looks_at_the_cache_once_in_a_second(fleet: Fleet) -> None:
    """What another process has written meanwhile is found, and a flood of unknown key ids does not flood the cache."""
    process = fleet.warm_process()
    calls: list[int] = []
    for seconds in (0, 1, 0, 0.5, 0.5):
        fleet.clock.move(seconds)
        with pytest.raises(UnknownKeyError):
            process.key_for("b", EDDSA)
        land()
        calls.append(fleet.backend.calls)
    before = calls[0]
    look = 2  # for a key set, and for a failure
    assert calls == [before, before + look, before + look, before + look, before + 2 * look]
    fleet.shared().write(fleet.entry("b"))
    fleet.clock.move(1)
    assert process.key_for("b", EDDSA).key.key_id == "b"
    assert (fleet.scripted.fetch_count, process.status().source) == (1, "cache")


@pytest.mark.parametrize("seconds", [0, 5])
def test_an_adopted_set_is_never_younger_than_new(fleet: Fleet, seconds: float) -> None:
    """Also when the clock of the process that fetched it goes ahead."""
    fleet.shared().write(fleet.entry("a", seconds_ago=-seconds))
    assert fleet.warm_process().status().age_seconds == 0


def test_an_entry_without_a_usable_key_is_not_adopted(fleet: Fleet) -> None:
    """Processes of another version may judge keys differently; the issuer is asked instead."""
    fleet.shared().write(SharedEntry('{"keys": []}', fleet.clock()))
    process = fleet.warm_process()
    assert process.status().source == "network"
    assert process.status().consecutive_failures == 0


def test_listeners_are_told_of_a_stale_set_that_is_adopted_and_of_the_fetch_that_failed(fleet: Fleet) -> None:
    """First which keys came from the others, then why there are no newer ones."""
    fleet.shared().write(fleet.entry("a", seconds_ago=TTL))
    fleet.scripted.answer = FetchError("HTTP status 503")
    told: list[object] = []
    process = fleet.process(on_failed=told.append, on_refreshed=lambda *came_and_went: told.append(came_and_went))
    process.snapshot()
    land()
    assert told == [(("a",), ()), "HTTP status 503"]


def test_an_entry_that_is_due_is_not_adopted_instead_of_a_fetch(fleet: Fleet) -> None:
    """It would be due again at once."""
    fleet.warm_process()
    fleet.clock.move(DUE + 1)
    assert fleet.warm_process().status().source == "network"
    assert fleet.scripted.fetch_count == 2


@pytest.mark.parametrize("age", [DUE + 1, MAX_STALE])
def test_a_stale_entry_is_adopted_when_the_fetch_fails(fleet: Fleet, age: float) -> None:
    """A process that starts in an outage works with the keys of the others."""
    fleet.warm_process()
    fleet.clock.move(age)
    fleet.scripted.answer = FetchError("HTTP status 503")
    late = fleet.process()
    assert late.key_for("a", EDDSA).key.key_id == "a"
    land()
    status = late.status()
    assert (status.source, status.age_seconds, status.consecutive_failures) == ("cache", age, 1)


def test_an_expired_entry_is_not_adopted_even_when_the_fetch_fails(fleet: Fleet) -> None:
    """Never older keys than MAX_STALE."""
    fleet.warm_process()
    fleet.clock.move(MAX_STALE + 1)
    fleet.scripted.answer = FetchError("HTTP status 503")
    late = fleet.process()
    with pytest.raises(KeySetUnavailableError):
        late.key_for("a", EDDSA)
    assert late.status().state == "none"


def test_a_fresh_entry_ends_an_outage(fleet: Fleet) -> None:
    """Another process has reached the issuer: nothing is failing any more."""
    fleet.scripted.answer = FetchError("HTTP status 503")
    process = fleet.process()
    with pytest.raises(KeySetUnavailableError):
        process.snapshot()
    land()
    fleet.clock.move(3)
    fleet.scripted.answer = document("a")
    fleet.warm_process()
    assert process.snapshot().source == "cache"
    assert process.status().consecutive_failures == 0


def test_a_refresh_adopts_what_another_process_refreshed(fleet: Fleet) -> None:
    """One refresh for the fleet, and a removed key is gone from all."""
    first, second = fleet.warm_process(), fleet.warm_process()
    fleet.clock.move(DUE)
    fleet.scripted.answer = document("b")
    for process in (first, second):
        process.snapshot()
        land()
    assert fleet.scripted.fetch_count == 2
    assert second.status().generation == 2
    with pytest.raises(UnknownKeyError):
        second.key_at_hand("a", EDDSA)


def test_an_entry_that_is_not_newer_does_not_replace_a_refresh(fleet: Fleet) -> None:
    """Our own entry in the cache is no news: the issuer is asked."""
    process = fleet.warm_process()
    fleet.clock.move(DUE)
    process.snapshot()
    land()
    assert fleet.scripted.fetch_count == 2
    assert process.status().source == "network"


def test_an_unknown_key_id_is_looked_for_in_the_cache_first(fleet: Fleet) -> None:
    """Another process has asked the issuer meanwhile: no need to ask again."""
    first, second = fleet.warm_process(), fleet.warm_process()
    fleet.clock.move(COOLDOWN)
    fleet.scripted.answer = document("a", "b")
    first.key_for("b", EDDSA)
    land()
    assert second.key_for("b", EDDSA).key.key_id == "b"
    assert fleet.scripted.fetch_count == 2


def test_a_fetch_of_another_process_counts_for_the_cooldown(fleet: Fleet) -> None:
    """Unknown key ids cause one fetch per cooldown in the fleet, not one for each process."""
    fleet.warm_process()
    fleet.clock.move(10)
    late = fleet.warm_process()
    fleet.clock.move(COOLDOWN - 10 - 0.1)
    with pytest.raises(UnknownKeyError):
        late.key_for("b", EDDSA)
    assert fleet.scripted.fetch_count == 1
    fleet.clock.move(0.1 + 1e-6)
    with pytest.raises(UnknownKeyError):
        late.key_for("b", EDDSA)
    assert fleet.scripted.fetch_count == 2


def test_a_fetched_set_that_is_a_failure_is_not_shared(fleet: Fleet) -> None:
    """Nonsense from the issuer stays with the process that got it."""
    fleet.scripted.answer = b'{"keys": []}'
    with pytest.raises(KeySetUnavailableError):
        fleet.process().snapshot()
    land()
    assert fleet.shared().read() is None


def test_a_forged_key_set_is_never_used(fleet: Fleet) -> None:
    """Whoever can write to the cache, and does not know the secret, cannot put a key of his own in."""
    fleet.warm_process()
    attacker = Fleet(DictBackend(), fleet.scripted, fleet.clock)
    attacker.shared(secret="guessed").write(fleet.entry("forged"))
    fleet.backend.values[fleet.backend.only_key] = attacker.backend.values[attacker.backend.only_key]
    victim = fleet.warm_process()
    assert victim.snapshot().key_set.key_ids == {"a"}
    assert fleet.scripted.fetch_count == 2


# A cache that is down


class BadBackend(DictBackend):
    """Fails each call in the way that the test wants."""

    def __init__(self, misbehave: Callable[[], object]) -> None:
        super().__init__()
        self.misbehave = misbehave

    def get(self, key: str) -> Any:
        self.calls += 1
        return self.misbehave()

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self.calls += 1
        return self.misbehave()

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self.calls += 1
        return self.misbehave()

    def delete(self, key: str) -> Any:
        self.calls += 1
        return self.misbehave()

    def get_many(self, *keys: str) -> Any:
        self.calls += 1
        return self.misbehave()


def raising(error: BaseException) -> Callable[[], object]:
    """Return what raises *error*."""

    def misbehave() -> object:
        raise error

    return misbehave


@pytest.fixture
def hang() -> Iterator[Callable[[], object]]:
    """What hangs until the test is over."""
    is_over = threading.Event()
    yield lambda: is_over.wait(20)
    is_over.set()


Operation = Callable[[SharedCache], object]
OPERATIONS = pytest.mark.parametrize(
    "operate",
    [
        lambda cache: cache.get("key"),
        lambda cache: cache.set("key", "value", 60),
        # Without a cache nobody else can have added anything.
        lambda cache: None if cache.add("key", "value", 60) else "an entry of somebody else",
        lambda cache: cache.delete("key"),
    ],
    ids=["get", "set", "add", "delete"],
)


@OPERATIONS
@pytest.mark.parametrize("error", [OSError("SPY"), KeyError("SPY"), RuntimeError("SPY")], ids=repr)
def test_a_cache_that_raises_is_left_alone_for_30_seconds(
    clock: MovableClock, caplog: pytest.LogCaptureFixture, operate: Operation, error: Exception
) -> None:
    """Each failure costs one call; the first one of a row is logged, without the error's own text."""
    backend = BadBackend(raising(error))
    cache = SharedCache(lambda: backend, monotonic=clock)
    for seconds, calls in ((0, 1), (0, 1), (29.9, 1), (0.1 + 1e-6, 2)):
        clock.move(seconds)
        assert operate(cache) is None
        assert backend.calls == calls
    assert not cache.is_reachable
    assert len(caplog.records) == 1
    assert "SPY" not in caplog.text


@OPERATIONS
def test_a_cache_that_hangs_costs_one_second_and_is_left_alone(
    clock: MovableClock, hang: Callable[[], object], operate: Operation
) -> None:
    """No operation takes over a second, and the next ones take none."""
    backend = BadBackend(hang)
    cache = SharedCache(lambda: backend, monotonic=clock)
    begin = time.monotonic()
    for _ in range(3):
        assert operate(cache) is None
    assert time.monotonic() - begin < 1.5
    assert backend.calls == 1


def test_a_cache_that_works_again_is_used_again(clock: MovableClock, caplog: pytest.LogCaptureFixture) -> None:
    """After the pause, one good answer is all it takes, and the log says so once."""
    caplog.set_level(logging.INFO)
    backend = BadBackend(raising(OSError()))
    cache = SharedCache(lambda: backend, monotonic=clock)
    cache.get("key")
    backend.misbehave = lambda: "value"
    clock.move(30)
    assert cache.has_failed
    assert [cache.get("key"), cache.get("key")] == ["value", "value"]
    assert not cache.has_failed
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.parametrize("error", [ValueError("SPY"), RecursionError("SPY")], ids=repr)
def test_what_a_backend_cannot_read_is_an_entry_that_nobody_signed(clock: MovableClock, error: Exception) -> None:
    """A text that is no JSON, or nested too deeply, is ignored; the cache is not left alone for it."""
    fleet = Fleet(BadBackend(raising(error)), ScriptedIssuer(document("a")), clock)
    shared = fleet.shared()
    assert shared.read() is None
    assert shared.ignored == 1
    assert shared.is_readable


def test_a_backend_that_says_it_has_stored_nothing_has_failed(clock: MovableClock) -> None:
    """Cachelib's file system swallows its errors, as when the disk is full."""
    cache = SharedCache(lambda: BadBackend(lambda: False), monotonic=clock)
    cache.set("key", "value", 60)
    assert cache.has_failed


def test_a_cache_that_has_failed_is_tried_again_only_after_the_pause(clock: MovableClock) -> None:
    """For health: a cache that nobody else asks would be called away for ever."""
    backend = BadBackend(raising(OSError()))
    cache = SharedCache(lambda: backend, monotonic=clock)
    cache.try_again()
    assert backend.calls == 0
    cache.get("key")
    backend.misbehave = lambda: None
    cache.try_again()
    assert cache.has_failed
    clock.move(30)
    cache.try_again()
    assert (cache.has_failed, backend.calls) == (False, 2)


def test_threads_that_open_a_cache_at_once_open_it_once(clock: MovableClock) -> None:
    """Each private cache has connections of its own."""
    opened: list[DictBackend] = []
    everybody = threading.Barrier(9)

    def open_backend() -> DictBackend:
        opened.append(DictBackend())
        return opened[-1]

    cache = SharedCache(open_backend, monotonic=clock)

    def open_with_all() -> object:
        everybody.wait(10)
        return cache.open()

    with ThreadPoolExecutor(8) as pool:
        backends = [pool.submit(open_with_all) for _ in range(8)]
        everybody.wait(10)
        assert {id(backend.result(10)) for backend in backends} == {id(opened[0])}
    assert len(opened) == 1


def test_a_cache_that_is_away_costs_nothing_but_the_sharing(fleet: Fleet) -> None:
    """Each process fetches for itself."""
    fleet.backend = BadBackend(raising(ConnectionError()))
    for _ in range(2):
        assert fleet.warm_process().key_for("a", EDDSA).key.key_id == "a"
    assert fleet.scripted.fetch_count == 2


def test_nobody_who_waits_for_keys_waits_for_the_cache(fleet: Fleet) -> None:
    """The keys are handed out before they are shared."""
    has_keys = threading.Event()
    written_after: list[bool] = []

    class SlowBackend(DictBackend):
        def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
            if "key-set" in key:
                written_after.append(has_keys.wait(0.8))
            return super().set(key, value, timeout)

    fleet.backend = SlowBackend()
    fleet.process().snapshot()
    has_keys.set()
    land()
    assert written_after == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_while_the_cache_is_opened_can_open_it_itself() -> None:
    """The thread that holds the lock does not exist in the child, and would never let go."""
    is_opening, may_open = threading.Event(), threading.Event()
    parent = os.getpid()
    backend = DictBackend()
    backend.values["key"] = "value"

    def open_backend() -> DictBackend:
        if os.getpid() == parent:
            is_opening.set()
            may_open.wait(10)
        return backend

    cache = SharedCache(open_backend)
    thread = threading.Thread(target=cache.open)
    thread.start()
    assert is_opening.wait(5)
    try:
        assert in_a_child_process(lambda: str(cache.get("key"))) == "value"
    finally:
        may_open.set()
        thread.join()


# The host's cache


def host_app(**config: Any) -> Flask:
    """Return an app with a cache configuration and nothing else."""
    app = Flask("host", static_folder=None)
    app.config.update(config)
    return app


def open_host_cache(app: Flask) -> Any:
    """Return the backend that is found when the host's own cache is given to the blueprint."""
    cache = Cache(app)
    return backend_opener(app, cache)()


def file_system(path: Path, **config: Any) -> dict[str, Any]:
    """Return the configuration of a cache in files below *path*."""
    return {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(path), **config}


def test_a_host_cache_that_pickles_is_refused(tmp_path: Path) -> None:
    """The error names the setting and the remedy."""
    with pytest.raises(ConfigurationError, match=r"CACHE_SERIALIZER: .*cachelib\.serializers\.JSONSerializer"):
        open_host_cache(host_app(**file_system(tmp_path)))


@pytest.mark.parametrize("serializer", [JSONSerializer(), JSONSerializer], ids=["object", "class"])
def test_a_host_cache_that_writes_json_is_accepted(tmp_path: Path, serializer: object) -> None:
    """The remedy of the error above."""
    backend = open_host_cache(host_app(**file_system(tmp_path, CACHE_SERIALIZER=serializer)))
    backend.set("key", "text", timeout=60)
    assert backend.get("key") == "text"


def test_a_host_cache_in_the_memory_of_this_process_is_accepted() -> None:
    """It pickles, but nobody else can plant anything there."""
    open_host_cache(host_app(CACHE_TYPE="SimpleCache"))


def test_a_host_cache_that_keeps_nothing_is_accepted() -> None:
    """It cannot be read from."""
    open_host_cache(host_app(CACHE_TYPE="NullCache", CACHE_NO_NULL_WARNING=True))


def test_a_host_cache_that_was_never_initialised_is_refused_at_the_first_request(make_app: AppFactory) -> None:
    """The error says what to call, and where."""
    app = make_app(Auth0Blueprint(cache=Cache()), TESTING=True)
    with pytest.raises(ConfigurationError, match=r"cache: .*init_app"):
        app.test_client().get("/auth/health")


def test_a_host_cache_of_another_app_is_refused(make_app: AppFactory) -> None:
    """One cache object may serve many apps, but each has to be initialised."""
    cache = Cache(host_app(CACHE_TYPE="SimpleCache"))
    app = make_app(Auth0Blueprint(cache=cache), TESTING=True)
    with pytest.raises(ConfigurationError, match="init_app"):
        app.test_client().get("/auth/health")


def test_a_host_cache_may_be_initialised_after_the_blueprint(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """It is looked for at first use, and two apps on it cause one fetch."""
    config = file_system(tmp_path, CACHE_SERIALIZER=JSONSerializer(), AUTH0_CACHE_SECRET=SECRET)
    for _ in range(2):
        cache = Cache()
        app = make_app(Auth0Blueprint(cache=cache), **config)
        cache.init_app(app)
        assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
        land()
    assert issuer.fetch_count == 1


# The package's own cache


def test_memcached_is_never_read(make_app: AppFactory, caplog: pytest.LogCaptureFixture, issuer: LocalIssuer) -> None:
    """Its clients unpickle what the server marks as a pickle. The app works, shares nothing, and is told."""
    app = make_app(CACHE_TYPE="MemcachedCache", AUTH0_CACHE_SECRET=SECRET)
    assert "MemcachedCache unpickles" in caplog.text
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    assert backend_opener(app, None)() is None


def test_a_cache_type_that_is_no_class_is_refused(make_app: AppFactory) -> None:
    """Nothing but a class of cache can be set up."""
    with pytest.raises(ConfigurationError, match="is not a class of cache: try RedisCache"):
        make_app(CACHE_TYPE="flask_caching.make_template_fragment_key")


def test_without_a_cache_type_there_is_no_cache() -> None:
    """One process has nothing to share, and flask-caching's warning has no place here."""
    assert backend_opener(host_app(), None)() is None


def test_the_private_cache_leaves_the_fragment_cache_of_the_host_alone(make_app: AppFactory) -> None:
    """What a template of the host caches is still in the host's cache, and goes when that is cleared."""
    app = make_app(CACHE_TYPE="SimpleCache", AUTH0_CACHE_SECRET=SECRET)
    host = Cache(app)
    app.test_client().get("/auth/health")  # opens the private one
    template = "{% cache 60, 'fragment' %}{{ word }}{% endcache %}"
    with app.app_context():
        assert render_template_string(template, word="first") == "first"
        assert render_template_string(template, word="second") == "first"
        host.clear()
        assert render_template_string(template, word="third") == "third"


def test_the_private_cache_does_not_disturb_a_host_cache_in_the_same_directory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The host may pickle, prune and clear: neither of the two ever meets what the other one wrote."""
    app = host_app(**file_system(tmp_path, CACHE_THRESHOLD=3))
    host: Any = Cache(app)
    private = backend_opener(app, None)()
    assert private is not None
    with caplog.at_level(logging.WARNING), app.app_context():
        private.set("private", "text", timeout=60)
        caplog.clear()
        for number in range(10):
            host.set(f"host-{number}", number)
        assert host.clear()
    assert private.get("private") == "text"
    assert caplog.messages == []


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


def test_a_pickle_planted_in_the_cache_is_never_run(make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path) -> None:
    """CVE-2021-33026: whoever can write to the cache cannot run code here, and the keys come from the issuer."""
    crater = tmp_path / "crater"
    config = file_system(tmp_path / "cache", AUTH0_CACHE_SECRET=SECRET)

    def ask() -> int:
        status = make_app(**config).test_client().get("/auth/me", headers=bearer(issuer.token())).status_code
        land()
        return status

    assert ask() == 200
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(struct.pack("I", int(time.time()) + 600) + pickle.dumps(Bomb(crater)))
    assert ask() == 200
    assert not crater.exists()
    assert issuer.fetch_count == 2


# Waiting for a turn


def test_who_waits_for_a_turn_looks_ever_more_seldom(fleet: Fleet) -> None:
    """A thousand processes that wait for an issuer that hangs are many for one cache."""
    fleet.shared().fleet._take()
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        fleet.clock.move(seconds)

    waiting = fleet.shared(pause=pause, uniform=lambda _low, high: high)
    *_, lease = waiting.fleet.wait_for_turn()
    assert waits == [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1]
    assert lease is not None


def test_two_who_wait_for_a_turn_seldom_look_at_the_same_time(fleet: Fleet) -> None:
    """Each pause is drawn between a quarter of the longest and the longest."""
    fleet.shared().fleet._take()
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    list(fleet.shared(pause=fleet.clock.move, uniform=draw).fleet.wait_for_turn())
    assert drawn
    assert all(low == high / 4 for low, high in drawn)
