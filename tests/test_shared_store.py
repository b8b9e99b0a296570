"""The store as callers use it: every operation ends in time, fails in one way, and reads fail apart from writes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MovableClock
from memory_store import MemoryStore
from servers import in_a_child_process

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.sharing.shared_store import (
    PAUSE_SECONDS,
    OperationStatus,
    SharedStore,
)
from auth0_blueprint.sharing.store import LayoutChangedError, Store, StoreError

AWAY = "the store is away"
Operate = Callable[[SharedStore, Callable[[Store], Any]], Any]
READ_AND_WRITE: list[Operate] = [
    lambda store, operation: store.read(operation),
    lambda *asked: asked[0].write(asked[1]),
]


@pytest.fixture
def engine(clock: MovableClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def store(engine: MemoryStore, clock: MovableClock) -> SharedStore:
    return SharedStore(lambda: engine, reach=lambda: "fleet", clock=clock)


def look(store: Store) -> Any:
    return store.look([])


def post(store: Store) -> None:
    store.post("name", "value")


@pytest.mark.parametrize("operate", READ_AND_WRITE)
def test_an_operation_returns_what_the_engine_does(store: SharedStore, operate: Operate) -> None:
    """Whatever that is; and the store says who shares it."""
    assert store.reach() == "fleet"
    assert operate(store, look) == (None, [])
    assert operate(store, lambda _: "x") == "x"


def test_the_store_is_opened_at_first_use(clock: MovableClock) -> None:
    """And asked for each time: whoever opens it may have found another one."""
    opened: list[MemoryStore] = []

    def open_store() -> Store:
        opened.append(MemoryStore(clock))
        return opened[-1]

    store = SharedStore(open_store, reach=lambda: "fleet", clock=clock)
    assert opened == []
    store.read(look)
    store.write(post)
    assert len(opened) == 2


def test_the_last_of_each_is_known(store: SharedStore, engine: MemoryStore, clock: MovableClock) -> None:
    """A store that takes no writes is read all the same."""
    assert (store.reads, store.writes) == (OperationStatus(), OperationStatus())
    engine.refuses_writes = True
    clock.move(1)
    store.read(look)
    with pytest.raises(StoreError):
        store.write(post)
    assert store.reads == OperationStatus(clock.uptime)
    assert store.writes == OperationStatus(reason="the store accepts no writes", code="read_only")
    engine.refuses_writes, engine.is_away = False, True
    clock.move(1)
    with pytest.raises(StoreError):
        store.read(look)
    assert store.reads == OperationStatus(clock.uptime - 1, AWAY, "unreachable")
    engine.is_away = False
    clock.move(1)
    store.read(look)
    store.write(post)
    assert store.reads == store.writes == OperationStatus(clock.uptime)


@pytest.mark.parametrize("operate", READ_AND_WRITE)
def test_after_a_failure_nothing_is_tried_for_a_second(
    store: SharedStore, engine: MemoryStore, clock: MovableClock, operate: Operate
) -> None:
    """It fails with the same reason, and the other kind is not concerned."""
    engine.is_away = True
    with pytest.raises(StoreError, match=AWAY):
        operate(store, look)
    engine.is_away = False
    clock.move(PAUSE_SECONDS - 0.001)
    with pytest.raises(StoreError, match=AWAY) as refused:
        operate(store, look)
    assert (refused.value.code, engine.looks) == ("unreachable", 0)
    (other,) = (one for one in READ_AND_WRITE if one is not operate)
    other(store, look)
    clock.move(0.001)
    operate(store, look)
    assert engine.looks == 2


def test_a_failure_counts_though_a_slower_operation_succeeds_after_it(store: SharedStore, engine: MemoryStore) -> None:
    """It was begun before, and says nothing of what is now."""

    def fail_meanwhile(_: Store) -> None:
        engine.is_away = True
        with pytest.raises(StoreError):
            store.read(look)
        engine.is_away = False

    store.read(fail_meanwhile)
    with pytest.raises(StoreError, match="failed just now") as refused:
        store.read(look)
    assert refused.value.code == "failed"


def test_an_operation_takes_a_second_unless_it_may_take_longer(clock: MovableClock) -> None:
    """Reading a whole set does."""
    seconds: list[float] = []

    def call_within(timeout_seconds: float, operation: Callable[[], Any]) -> Any:
        seconds.append(timeout_seconds)
        return operation()

    store = SharedStore(lambda: MemoryStore(), reach=lambda: "fleet", clock=clock, call_within=call_within)
    for operate in (store.read, store.write):
        operate(look)
        operate(look, 30)
    assert seconds == [1, 30] * 2


@pytest.mark.parametrize("operate", ["read", "write"])
def test_an_operation_that_hangs_is_not_started_again(store: SharedStore, clock: MovableClock, operate: str) -> None:
    """Each would leave another thread behind. The other kind is not concerned, nor a child of this process."""
    may_end, ended = threading.Event(), threading.Event()

    def hang(_: Store) -> None:
        may_end.wait(10)
        ended.set()

    threads = threading.active_count()
    with pytest.raises(StoreError, match="did not answer in time") as refused:
        getattr(store, operate)(hang, 0.01)
    assert refused.value.code == getattr(store, f"{operate}s").code == "timeout"
    clock.move(60)
    for _ in range(3):
        with pytest.raises(StoreError, match="still waits") as refused:
            getattr(store, operate)(look)
        assert refused.value.code == "timeout"
    assert threading.active_count() == threads + 1
    getattr(store, {"read": "write", "write": "read"}[operate])(look)
    may_end.set()
    assert ended.wait(10)
    for thread in threading.enumerate():
        if thread.name.startswith("auth0-"):
            thread.join(10)
    assert getattr(store, operate)(look) == (None, [])


@pytest.mark.parametrize("operate", ["read", "write"])
def test_a_child_does_not_wait_for_what_only_its_parent_has(
    store: SharedStore, clock: MovableClock, operate: str
) -> None:
    """The thread of that operation does not exist there."""
    may_end = threading.Event()
    with pytest.raises(StoreError):
        getattr(store, operate)(lambda _: may_end.wait(10), 0.01)
    clock.move(60)

    def ask() -> str:
        return str(getattr(store, operate)(look))

    assert in_a_child_process(ask) == "(None, [])"
    may_end.set()


def fails_to_connect() -> Store:
    raise ConnectionRefusedError("redis://:secret@host/")


@pytest.mark.parametrize(
    ("open_store", "reason"),
    [
        (fails_to_connect, "the store cannot be opened (ConnectionRefusedError)"),
        (lambda: None, "there is no store to share through"),
    ],
)
def test_a_store_that_cannot_be_opened_is_away(
    clock: MovableClock, caplog: pytest.LogCaptureFixture, open_store: Callable[[], Store | None], reason: str
) -> None:
    """Whatever connecting raises, whose text may hold a password."""
    store = SharedStore(open_store, reach=lambda: "fleet", clock=clock)
    for operate in (store.read, store.write):
        with pytest.raises(StoreError) as refused:
            operate(look)
        assert (str(refused.value), refused.value.code) == (reason, "unreachable")
    assert store.reads == store.writes == OperationStatus(reason=reason, code="unreachable")
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [ConfigurationError({"CACHE_TYPE": "no such type"}), LayoutChangedError()])
def test_what_is_no_failure_of_the_store_comes_through(store: SharedStore, error: Exception) -> None:
    """The app is set up wrongly, or the log was rearranged meanwhile; the store may be asked again at once."""

    def fail(_: Store) -> None:
        raise error

    with pytest.raises(type(error)):
        store.read(fail)
    assert store.reads.reason is None
    store.read(look)


def test_a_failure_is_logged_once_and_so_is_its_end(
    store: SharedStore, engine: MemoryStore, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Of reads and writes each."""
    caplog.set_level(logging.INFO)
    for is_away in (False, True, True, False, False, True):
        engine.is_away = is_away
        for operate in (store.read, store.write):
            try:
                operate(look)
            except StoreError:
                clock.move(0)
        clock.move(1)
    begin, end = "{} of the shared store fail: the store is away", "{} of the shared store work again"
    expected = [text.format(name) for text in (begin, end, begin) for name in ("reads", "writes")]
    assert caplog.messages == expected
    assert {record.name for record in caplog.records} == {"auth0_blueprint"}
    assert {record.levelno for record in caplog.records if "again" in record.message} == {logging.INFO}
    assert {record.levelno for record in caplog.records if "fail" in record.message} == {logging.WARNING}


def test_writes_are_tried_unless_one_has_succeeded_lately(
    store: SharedStore, engine: MemoryStore, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """So that health knows of a store that nobody has written to."""
    caplog.set_level(logging.DEBUG)

    def has_probed() -> bool:
        engine.contents_now.taken.clear()
        store.probe_writes(10)
        assert engine.contents_now.taken in ({}, {"probe": ("", clock.now + 60)})
        return bool(engine.contents_now.taken)

    assert has_probed()
    assert not has_probed()
    clock.move(10)
    assert not has_probed()
    clock.move(0.001)
    assert has_probed()
    clock.move(60)
    engine.refuses_writes = True
    assert not has_probed()
    assert store.writes.code == "read_only"
    assert caplog.messages[-1] == "the probe of the store failed: read_only"
    assert not has_probed()
    engine.refuses_writes = False
    clock.move(1)
    assert has_probed()
    assert store.writes.reason is None
