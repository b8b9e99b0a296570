"""The board that each process looks at once in a while: when it looks, who waits for that, and what faults cost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import MovableClock
from servers import land
from shared_sources import SECRET, DictBackend
from waits import Waits

from auth0_blueprint.cache import SharedCache
from auth0_blueprint.fleet_board import BoardUnavailableError, FleetBoard
from auth0_blueprint.flight import SingleFlight
from auth0_blueprint.signed_cache import SignedCache

INTERVAL = 5


class Backend(DictBackend):
    """A cache that is away for as long as a test says, and slow while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def get(self, key: str) -> Any:
        self._fail()
        return super().get(key)

    def get_many(self, *keys: str) -> Any:
        self.is_asked.set()
        self.may_answer.wait(5)
        self._fail()
        return super().get_many(*keys)

    def _fail(self) -> None:
        if self.is_away:
            raise ConnectionError


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def waits(clock: MovableClock) -> Waits:
    return Waits(clock)


MakeBoard = Callable[..., FleetBoard]


@pytest.fixture
def make_board(clock: MovableClock, backend: Backend, waits: Waits) -> MakeBoard:
    """Return a factory of boards, each as one more process sees it, which look while somebody waits."""

    def make(interval_seconds: float = INTERVAL, flights: SingleFlight | None = None) -> FleetBoard:
        cache = SharedCache(
            lambda: backend, monotonic=clock, pause_seconds=1, call_within=lambda _seconds, operation: operation()
        )
        return FleetBoard(
            SignedCache(cache, secret=SECRET, names=("fleet",)),
            interval_seconds=interval_seconds,
            monotonic=clock,
            flights=flights or waits.flights,
        )

    return make


@pytest.fixture
def board(make_board: MakeBoard) -> FleetBoard:
    """A board that was never looked at."""
    return make_board()


@pytest.fixture
def heard(board: FleetBoard) -> list[Any]:
    """What a subscriber has been told at each look."""
    heard: list[Any] = []
    board.subscribe("name", heard.append)
    return heard


# When


def test_what_was_posted_is_heard_at_the_next_look(
    board: FleetBoard, heard: list[Any], make_board: MakeBoard, clock: MovableClock
) -> None:
    """And who subscribes hears of nothing, too."""
    board.keep_up()
    make_board().post("name", {"it": "happened"}, 60)
    clock.move(INTERVAL)
    board.keep_up()
    assert heard == [None, {"it": "happened"}]


def test_each_look_is_told_with_whether_it_has_worked(board: FleetBoard, backend: Backend, clock: MovableClock) -> None:
    """One that fails as well; not a request that looks for none."""
    told: list[bool] = []
    board.tell_looks(told.append)
    for is_away in (False, True, False):
        backend.is_away = is_away
        clock.move(2 * INTERVAL)
        board.keep_up()
        board.keep_up()
    assert told == [True, False, True]


def test_each_subscriber_hears_what_is_meant_for_it(board: FleetBoard) -> None:
    """All in one read."""
    heard: dict[str, list[Any]] = {"one": [], "two": []}
    for name in heard:
        board.post(name, {"name": name}, 60)
        board.subscribe(name, heard[name].append)
    board.look_now()
    assert heard == {"one": [{"name": "one"}], "two": [{"name": "two"}]}


def test_nobody_looks_again_before_the_interval_is_over(
    board: FleetBoard, heard: list[Any], clock: MovableClock
) -> None:
    """However many requests there are."""
    for seconds, looks in ((0, 1), (INTERVAL - 0.5, 1), (0.25, 1), (0.25, 2), (0, 2)):
        clock.move(seconds)
        board.keep_up()
        assert len(heard) == looks


def test_with_an_interval_of_0_each_request_looks(make_board: MakeBoard, clock: MovableClock) -> None:
    """Also two that come in the same moment."""
    board, heard = make_board(interval_seconds=0), list[Any]()
    board.subscribe("name", heard.append)
    for looks, seconds in enumerate((0, 0, 1), start=1):
        clock.move(seconds)
        board.keep_up()
        assert len(heard) == looks


def test_an_operator_looks_whatever_the_interval_says(board: FleetBoard, heard: list[Any]) -> None:
    """What was posted before the call is known after it."""
    board.keep_up()
    board.look_now()
    assert len(heard) == 2


def test_the_age_is_that_of_the_last_look_that_worked(board: FleetBoard, clock: MovableClock) -> None:
    """It counts from when the look began: what came after that it may not have seen."""
    assert board.age_seconds == float("inf")
    board.subscribe("name", lambda _value: clock.move(2))
    board.keep_up()
    assert board.age_seconds == 2


# Who waits


def test_a_request_waits_3_seconds_for_the_first_look_and_1_for_another(
    board: FleetBoard, waits: Waits, clock: MovableClock
) -> None:
    """At most: the first one knows nothing yet."""
    for _ in range(2):
        board.keep_up()
        clock.move(INTERVAL)
    assert waits.patience == [3, 1]


@pytest.mark.parametrize(("seconds", "looks"), [(INTERVAL - 0.5, 1), (INTERVAL, 2), (INTERVAL + 0.5, 2)])
def test_a_look_under_way_is_enough_unless_it_began_too_early(
    make_board: MakeBoard, backend: Backend, clock: MovableClock, seconds: float, looks: int
) -> None:
    """Whoever joins it waits for another one then."""
    board, heard = make_board(flights=SingleFlight()), list[Any]()
    board.subscribe("name", heard.append)
    backend.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(board.keep_up)
        assert backend.is_asked.wait(5)
        clock.move(seconds)
        second = pool.submit(board.keep_up)
        backend.may_answer.set()
        first.result(10)
        second.result(10)
    land()
    assert len(heard) == looks


def test_nobody_waits_for_a_look_under_way_before_the_interval_is_over(board: FleetBoard, waits: Waits) -> None:
    """It was begun for an operator."""
    board.keep_up()
    waits.takes_seconds = 2
    board.look_now()
    board.keep_up()
    assert (waits.patience, len(waits.begun)) == ([3, 1], 1)


def test_nobody_who_waits_for_a_look_waits_for_what_is_left_to_do(board: FleetBoard, waits: Waits) -> None:
    """It is done when the look has landed; a subscriber need not leave anything."""
    under_way: list[object] = []
    board.subscribe("nothing", lambda _value: None)
    board.subscribe("something", lambda _value: lambda: under_way.append(waits.flights.current))
    board.look_now()
    assert under_way == [None]


# Faults


def test_nobody_waits_for_looks_that_fail_but_for_the_first_after_a_quiet_time(
    board: FleetBoard, backend: Backend, waits: Waits, clock: MovableClock
) -> None:
    """A cache that is back is noticed by the first request of a process that had nothing to do meanwhile."""
    board.subscribe("name", lambda _value: None)
    assert not board.is_away
    backend.is_away = True
    board.keep_up()
    assert (len(waits.patience), board.is_away) == (1, True)
    for seconds in (1, 1, 5.9):
        clock.move(seconds)
        board.keep_up()
        assert (len(waits.patience), len(waits.begun)) == (1, 1)
        waits.begun.pop()()
        assert board.is_away
    backend.is_away = False
    clock.move(6)
    board.keep_up()
    assert (len(waits.patience), board.is_away, board.age_seconds) == (2, False, 0)


def test_a_look_that_failed_is_made_again_after_a_second(
    board: FleetBoard, backend: Backend, waits: Waits, clock: MovableClock
) -> None:
    """Not at each request, and not only after the interval; an operator waits no less."""
    board.subscribe("name", lambda _value: None)
    backend.is_away = True
    board.keep_up()
    clock.move(0.9)
    board.keep_up()
    board.look_now()
    assert waits.begun == []
    clock.move(0.1 + 1e-6)
    board.keep_up()
    assert len(waits.begun) == 1


def test_looks_are_waited_for_again_once_one_has_worked(
    make_board: MakeBoard, backend: Backend, waits: Waits, clock: MovableClock
) -> None:
    """However lately another one has failed."""
    board = make_board(interval_seconds=1)
    board.subscribe("name", lambda _value: None)
    backend.is_away = True
    board.keep_up()
    backend.is_away = False
    clock.move(1)
    board.keep_up()
    waits.begun.pop()()
    clock.move(1)
    board.keep_up()
    assert (waits.patience, waits.begun) == ([3, 1], [])


def away(_value: Any) -> None:
    raise BoardUnavailableError


def broken(_value: Any) -> None:
    raise LookupError("SPY")


def left_broken(_value: Any) -> Callable[[], None]:
    return lambda: broken(None)


@pytest.mark.parametrize(("heed", "is_logged"), [(away, False), (broken, True), (left_broken, True)])
def test_a_subscriber_that_fails_is_asked_again_after_a_second(
    board: FleetBoard, waits: Waits, clock: MovableClock, caplog: pytest.LogCaptureFixture, heed: Any, is_logged: bool
) -> None:
    """Nobody else hears of it; what it has not expected is in the log."""
    board.subscribe("name", heed)
    board.look_now()
    assert board.is_away
    told = [("auth0_blueprint", logging.ERROR)] if is_logged else []
    assert [(record.name, record.levelno) for record in caplog.records] == told
    board.look_now()
    assert waits.begun == []
    clock.move(1)
    board.look_now()
    assert len(waits.begun) == 1


def test_a_cache_that_answers_for_too_few_is_away(
    board: FleetBoard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no telling what is meant for whom."""
    board.subscribe("name", lambda _value: None)
    monkeypatch.setattr(board._entries, "read_many", lambda *_: [])
    board.look_now()
    assert (board.is_away, len(caplog.records)) == (True, 1)


# One name, right now


def test_processes_of_two_releases_have_one_board(board: FleetBoard, backend: Backend) -> None:
    """It stays where it is."""
    board.post("name", {}, 60)
    assert backend.only_key.startswith("auth0-board-name-")


def test_what_stands_under_a_name_can_be_read_right_now(
    board: FleetBoard, backend: Backend, make_board: MakeBoard
) -> None:
    """Or it is said that the cache is away."""
    assert board.read("name") is None
    make_board().post("name", {"it": "happened"}, 60)
    assert board.read("name") == {"it": "happened"}
    backend.is_away = True
    with pytest.raises(BoardUnavailableError):
        board.read("name")
