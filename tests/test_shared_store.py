"""The store as callers use it: every operation ends in time, reads and writes fail apart, and nothing leaks."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import MovableClock
from memory_store import MemoryStore
from servers import in_a_child_process

from auth0_blueprint import ConfigurationError
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.sharing.shared_store import OPERATION_TIMEOUT_SECONDS, OperationStatus, SharedStore
from auth0_blueprint.sharing.store import LayoutChangedError, Store, StoreError

SPY = "redis://user:password@10.0.0.1"


class Guarded(SharedStore):
    """A guard with its store, and what it opens it with."""

    def __init__(self, clock: MovableClock, **options: Any) -> None:
        self.store = MemoryStore(clock)
        self.open: Callable[[], Store | None] = lambda: self.store
        super().__init__(lambda: self.open(), reach=lambda: "fleet", clock=clock, **options)

    def outcomes(self) -> list[str | None]:
        """Return how one more read, and one more write, end: ``None``, or the code of the error."""
        return [_code(lambda: self.read(lambda store: store.value_of("a"))), _code(self.put)]

    def put(self) -> None:
        self.write(lambda store: store.put("a", "b", 60))


def _code(operate: Callable[[], object]) -> str | None:
    try:
        operate()
    except StoreError as exc:
        return exc.code
    return None


@pytest.fixture
def guarded(clock: MovableClock) -> Guarded:
    return Guarded(clock)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hanging operations wait for."""
    event = threading.Event()
    yield event
    event.set()


def test_what_an_operation_returns_is_returned(guarded: Guarded) -> None:
    """Each is handed the store."""
    guarded.put()
    assert guarded.read(lambda store: store.value_of("a")) == "b"


def test_reads_and_writes_fail_apart(guarded: Guarded, clock: MovableClock) -> None:
    """A replica answers: whoever only reads goes on."""
    guarded.store.refuses_writes = True
    assert guarded.outcomes() == [None, "read_only"]
    assert (guarded.reads.code, guarded.writes.code) == (None, "read_only")
    guarded.store.refuses_writes = False
    clock.move(1)
    assert guarded.outcomes() == [None, None]
    assert guarded.writes == OperationStatus(succeeded_at=clock.uptime)


def test_after_a_failure_there_is_a_pause_of_a_second(guarded: Guarded, clock: MovableClock) -> None:
    """In it the error is that of the failure, and the store is not asked."""
    guarded.store.is_away = True
    assert guarded.outcomes() == ["unreachable", "unreachable"]
    guarded.store.is_away = False
    clock.move(0.999)
    with pytest.raises(StoreError, match=r"^the store is away$") as caught:
        guarded.put()
    assert caught.value.code == "unreachable"
    assert guarded.outcomes() == ["unreachable", "unreachable"]
    clock.move(0.001)
    assert guarded.outcomes() == [None, None]


def test_failures_are_logged_once_for_each_change(
    guarded: Guarded, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And that it works again."""
    caplog.set_level(logging.INFO)
    names = ("reads", "writes")
    failing = [("WARNING", f"{name} of the shared store fail: the store is away") for name in names]
    working = [("INFO", f"{name} of the shared store work again") for name in names]
    for is_away, said in ((True, failing), (True, []), (False, working), (False, []), (True, failing)):
        caplog.clear()
        guarded.store.is_away = is_away
        guarded.outcomes()
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == said
        clock.move(1)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConnectionError(SPY), "unreachable"), (KeyError(SPY), "unreachable"), (TimeoutError(SPY), "timeout")],
)
def test_whatever_goes_wrong_is_one_error_that_gives_nothing_away(
    guarded: Guarded, caplog: pytest.LogCaptureFixture, error: Exception, code: str
) -> None:
    """Its text may hold an address or a password."""

    def fail() -> Store:
        raise error

    guarded.open = fail
    with pytest.raises(StoreError) as caught:
        guarded.put()
    assert caught.value.code == guarded.writes.code == code
    said = [*traceback.format_exception(caught.value), *caplog.messages, guarded.writes.reason]
    assert SPY not in "".join(map(str, said))


def test_no_store_is_a_store_that_is_away(guarded: Guarded) -> None:
    """Callers that go by `reach` do not ask one."""
    guarded.open = lambda: None
    assert guarded.outcomes() == ["unreachable", "unreachable"]
    assert guarded.reads.reason == "there is no store to share through"
    assert guarded.reach() == "fleet"


@pytest.mark.parametrize(
    "error", [ConfigurationError({"cache": "wrong"}), LayoutChangedError()], ids=["setting", "layout"]
)
def test_what_is_no_failure_of_the_store_causes_no_pause(guarded: Guarded, error: Exception) -> None:
    """A setting that is wrong, and a log that was rearranged while it was read."""

    def fail(_store: Store) -> None:
        raise error

    with pytest.raises(type(error)):
        guarded.read(fail)
    assert guarded.outcomes() == [None, None]


def test_an_operation_that_hangs_costs_its_time_and_is_not_started_twice(
    guarded: Guarded, clock: MovableClock, release: threading.Event
) -> None:
    """Each further one would leave another thread behind. Once the first has ended, the next one is tried."""
    started = []

    def hang(_store: Store) -> None:
        started.append(threading.current_thread())
        release.wait(20)

    begin = time.monotonic()
    assert _code(lambda: guarded.read(hang)) == "timeout"
    assert OPERATION_TIMEOUT_SECONDS <= time.monotonic() - begin < 2 * OPERATION_TIMEOUT_SECONDS
    for _ in range(5):
        clock.move(60)
        assert _code(lambda: guarded.read(hang)) == "timeout"
    assert time.monotonic() - begin < 2 * OPERATION_TIMEOUT_SECONDS
    assert len(started) == 1
    assert _code(guarded.put) is None
    release.set()
    started[0].join(5)
    assert guarded.outcomes() == [None, None]


def test_a_caller_may_wait_for_less_time(guarded: Guarded, release: threading.Event) -> None:
    """Or for more, where much is read."""
    begin = time.monotonic()
    assert _code(lambda: guarded.write(lambda _store: release.wait(20), 0.05)) == "timeout"
    assert time.monotonic() - begin < OPERATION_TIMEOUT_SECONDS


def test_a_thread_that_could_not_be_started_does_not_hang(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next operation is tried after the pause."""
    guarded = Guarded(clock, call_within=call_within)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda _thread: _raise(RuntimeError("can't start new thread")))
        assert guarded.outcomes() == ["timeout", "timeout"]
    clock.move(1)
    assert guarded.outcomes() == [None, None]


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_does_not_wait_for_an_operation_of_its_parent(
    guarded: Guarded, clock: MovableClock, release: threading.Event
) -> None:
    """The thread that it hangs in does not exist in the child, and would never end."""
    assert _code(lambda: guarded.read(lambda _store: release.wait(20), 0.05)) == "timeout"
    clock.move(1)
    assert guarded.outcomes() == ["timeout", None]
    assert in_a_child_process(lambda: str(guarded.outcomes())) == "[None, None]"


def test_a_probe_writes_only_what_no_write_has_shown(guarded: Guarded, clock: MovableClock) -> None:
    """Health asks for it; a failure is in the status, and goes no further."""
    guarded.probe_writes(10)
    assert guarded.writes.succeeded_at == clock.uptime
    guarded.store.refuses_writes = True
    clock.move(10)
    guarded.probe_writes(10)
    assert guarded.writes.code is None
    clock.move(0.001)
    guarded.probe_writes(10)
    assert guarded.writes.code == "read_only"
