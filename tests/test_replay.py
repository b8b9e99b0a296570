"""Used proofs: each is good once, in one process and in a fleet, and nobody is pushed out (RFC 9449 §11.1)."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, MovableClock
from fleet.redis_server import RedisServer, empty_redis
from memory_store import MemoryStore, shared
from servers import in_a_child_process

from auth0_blueprint.errors import Auth0Error, ReplayMemoryUnavailableError
from auth0_blueprint.guards.challenge import response_body, response_headers
from auth0_blueprint.sender_constraining.replay import MARGIN_SECONDS, ReplayMemory

SECRET = "a secret of the fleet, long enough"
CANNOT_TELL = "The DPoP proof cannot be checked for earlier use right now."
CANNOT_REMEMBER = "No further DPoP proofs can be accepted right now."


def proof(name: object = "a") -> bytes:
    """Return the digest of one proof."""
    return hashlib.sha256(str(name).encode()).digest()


def outcome(memory: ReplayMemory, name: object = "a", seconds: float = 300) -> str:
    """Return ``passes``, or why a proof that is acceptable for *seconds* is refused."""
    return outcome_of(memory, proof(name), seconds)


def outcome_of(memory: ReplayMemory, digest: bytes, seconds: float = 300) -> str:
    """Do the same, given the digest of the proof."""
    try:
        memory.use(digest, memory._clock.time() + seconds)
    except Auth0Error as exc:
        return exc.reason
    return "passes"


class NotingStore(MemoryStore):
    """Notes for how long each entry is to be kept, and loses the first reply: its client sends the command again."""

    def __init__(self, clock: MovableClock, reach: str) -> None:
        super().__init__(clock, reach)
        self.kept: list[float] = []

    def take(self, name: str, value: str, seconds: float) -> bool:
        self.kept.append(seconds)
        super().take(name, value, seconds)
        return super().take(name, value, seconds)


Processes = Callable[..., ReplayMemory]


@pytest.fixture(params=["fleet", "machine"])
def store(clock: MovableClock, request: pytest.FixtureRequest) -> NotingStore:
    return NotingStore(clock, request.param)


@pytest.fixture
def process(store: NotingStore, clock: MovableClock) -> Processes:
    """Return what starts one more process that shares *store*."""

    def start(*, is_denying: bool = False, **options: Any) -> ReplayMemory:
        return ReplayMemory(shared(store, clock), is_denying=is_denying, clock=clock, **options)

    return start


@pytest.fixture
def loner(clock: MovableClock) -> Processes:
    """Return what starts a process that shares nothing."""
    return functools.partial(ReplayMemory, shared(None, clock), is_denying=False, clock=clock)


# One process


def test_a_proof_is_good_once(loner: Processes) -> None:
    """Others are not touched by that."""
    memory = loner()
    assert [outcome(memory, name) for name in "aabab"] == ["passes", "replayed", "passes", "replayed", "replayed"]


@pytest.mark.parametrize("seconds", [0, 0.5, 299.999, 330])
def test_a_used_proof_is_remembered_until_it_is_too_old_everywhere(
    loner: Processes, clock: MovableClock, seconds: float
) -> None:
    """And a margin longer, for clocks that differ; then it is let go of."""
    memory = loner()
    assert outcome(memory, seconds=seconds) == "passes"
    clock.move(seconds + MARGIN_SECONDS - 0.001)
    assert outcome(memory) == "replayed"
    clock.move(1.001)
    outcome(memory, "another")
    assert len(memory) == 1


def test_a_proof_is_let_go_of_in_the_very_second_that_it_was_kept_for(loner: Processes, clock: MovableClock) -> None:
    """Not a second later."""
    memory = loner()
    outcome(memory, seconds=300)
    clock.move(300 + MARGIN_SECONDS)
    outcome(memory, "another")
    assert len(memory) == 1


def test_proofs_end_in_their_own_order(loner: Processes, clock: MovableClock) -> None:
    """Not in that in which they came: each says itself when it was made."""
    memory = loner()
    for name, seconds in [("late", 300), ("early", 10), ("middle", 100), ("early too", 10)]:
        outcome(memory, name, seconds)
    left = []
    for moment in (9, 11, 101, 301):
        clock.now = 1_800_000_000 + moment + MARGIN_SECONDS
        outcome(memory, moment)
        left.append(len(memory) - 1)  # without the one that has it look
    assert left == [4, 3, 3, 3]
    assert outcome(memory, "late") == "passes"


def test_a_full_memory_refuses_rather_than_forgets(loner: Processes) -> None:
    """Whoever floods it cannot have somebody else's proof forgotten."""
    memory = loner(max_proofs=3)
    assert [outcome(memory, name) for name in "abcd"] == ["passes", "passes", "passes", "full"]
    assert [outcome(memory, name) for name in "abc"] == ["replayed"] * 3
    assert len(memory) == 3


def test_what_has_expired_makes_room(loner: Processes, clock: MovableClock) -> None:
    """Before anything is refused."""
    memory = loner(max_proofs=2)
    outcome(memory, "a", seconds=10)
    outcome(memory, "b", seconds=300)
    assert outcome(memory, "c") == "full"
    clock.move(11 + MARGIN_SECONDS)
    assert [outcome(memory, name) for name in "cb"] == ["passes", "replayed"]
    assert outcome(memory, "d") == "full"


def test_a_full_memory_is_an_outage_and_no_fault_of_the_client(loner: Processes) -> None:
    """503 without a challenge."""
    memory = loner(max_proofs=0)
    with pytest.raises(ReplayMemoryUnavailableError) as caught:
        memory.use(proof(), memory._clock.time())
    assert_unavailable(caught.value, CANNOT_REMEMBER)


def assert_unavailable(error: Auth0Error, description: str) -> None:
    assert error.status == 503
    assert dict(response_headers(error, "api")) == {"Cache-Control": "no-store", "Retry-After": "1"}
    assert response_body(error) == {
        "error": "temporarily_unavailable",
        "error_description": description,
        "code": "replay_memory_unavailable",
    }


def passes_of(memories: list[ReplayMemory], proofs: list[bytes]) -> list[int]:
    """Have all of *memories* use one proof at the same moment, then the next; return how often each has passed."""
    barrier = threading.Barrier(len(memories))

    def use(memory: ReplayMemory, digest: bytes) -> bool:
        barrier.wait(10)
        return outcome_of(memory, digest) == "passes"

    with ThreadPoolExecutor(len(memories)) as threads:
        return [sum(threads.map(use, memories, [digest] * len(memories))) for digest in proofs]


class _ProofWithAMeeting(bytes):
    """Whoever looks for it, or remembers it, goes on only when another one does the same, or cannot."""

    _meeting = threading.Barrier(2)

    def __hash__(self) -> int:
        with suppress(threading.BrokenBarrierError):
            self._meeting.wait(0.2)
        return super().__hash__()


def test_two_threads_cannot_both_be_the_first(loner: Processes) -> None:
    """Between the look and the remembering nobody else looks."""
    memory, proof_of_both = loner(), _ProofWithAMeeting(b"a")
    assert passes_of([memory] * 2, [proof_of_both]) == [1]


def test_of_many_threads_with_one_proof_one_passes(loner: Processes) -> None:
    """Whoever comes at the very same moment."""
    memory = loner()
    assert passes_of([memory] * 16, [proof(name) for name in range(50)]) == [1] * 50


def test_many_threads_do_not_fill_it_beyond_its_limit(loner: Processes) -> None:
    """However many come at once."""
    memory = loner(max_proofs=50)
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda name: outcome(memory, name), range(400)))
    assert (outcomes.count("passes"), outcomes.count("full"), len(memory)) == (50, 350, 50)


def test_a_child_process_is_not_held_up_by_a_lock_of_its_parent(loner: Processes) -> None:
    """Forked in the very moment in which another thread remembers a proof."""
    memory = loner()
    with memory._lock():
        assert in_a_child_process(lambda: outcome(memory)) == "passes"


# A fleet, or a machine


def test_another_process_refuses_what_was_used(process: Processes) -> None:
    """By way of the store that they share."""
    one, other = process(), process()
    assert [outcome(one), outcome(other), outcome(one), outcome(other)] == ["passes", *["replayed"] * 3]


def test_a_proof_that_is_known_here_is_not_asked_about(process: Processes, store: NotingStore) -> None:
    """Whoever repeats one causes no work elsewhere."""
    memory = process()
    for _ in range(5):
        outcome(memory)
    assert len(store.kept) == 1


@pytest.mark.parametrize(("seconds", "kept"), [(300, 330), (330, 360), (0, 30), (0.25, 31), (299.5, 330)])
def test_an_entry_is_kept_as_long_as_in_memory(
    process: Processes, store: NotingStore, seconds: float, kept: int
) -> None:
    """In whole seconds, and no shorter."""
    outcome(process(), seconds=seconds)
    assert store.kept == [kept]


def test_an_entry_says_nothing_of_the_proof_and_is_small(process: Processes, store: NotingStore) -> None:
    """A digest, and what tells one attempt from another."""
    outcome(process())
    ((key, (value, _until)),) = store.contents_now.taken.items()
    assert key == f"proof:{proof().hex()}"
    assert len(key) + len(value) < 100


def test_each_attempt_tells_its_own_success_from_that_of_another(process: Processes, store: NotingStore) -> None:
    """A command that is sent again, as its reply was lost, is no second use; nobody else writes the same."""
    for name in "ab":
        assert outcome(process(), name) == "passes"
    assert len({value for value, _until in store.contents_now.taken.values()}) == 2


def test_a_store_that_cannot_decide_is_not_asked(loner: Processes) -> None:
    """In the memory of one process there is nobody else, whatever the app says about failures."""
    one, other = loner(is_denying=True), loner()
    assert [outcome(one), outcome(other), outcome(one)] == ["passes", "passes", "replayed"]


def test_a_full_memory_leaves_it_to_the_fleet(process: Processes, store: NotingStore) -> None:
    """A process with much to do is not to refuse what the store can decide."""
    one, other = process(max_proofs=1), process(max_proofs=1)
    assert [outcome(one, name) for name in "abab"] == ["passes", "passes", "replayed", "replayed"]
    assert [outcome(other, name) for name in "bc"] == ["replayed", "passes"]
    assert (len(one), len(other)) == (1, 1)
    store.is_away = True
    assert [outcome(one, name) for name in "ad"] == ["replayed", "full"]


def test_while_the_store_is_away_this_process_decides_alone(
    process: Processes, store: NotingStore, clock: MovableClock
) -> None:
    """With ``AUTH0_REVOCATION_ON_ERROR=allow``; and it shares again afterwards."""
    one, other = process(), process()
    store.is_away = True
    assert [outcome(one), outcome(one), outcome(other)] == ["passes", "replayed", "passes"]
    store.is_away = False
    clock.move(1)
    assert [outcome(one, "b"), outcome(other, "b")] == ["passes", "replayed"]


def test_while_the_store_is_away_nothing_passes_where_the_app_says_so(
    process: Processes, store: NotingStore, clock: MovableClock
) -> None:
    """With ``AUTH0_REVOCATION_ON_ERROR=deny``: 503, also while the store is left alone."""
    memory = process(is_denying=True)
    store.is_away = True
    for name in "ab":
        with pytest.raises(ReplayMemoryUnavailableError) as caught:
            memory.use(proof(name), clock.now + 300)
        assert_unavailable(caught.value, CANNOT_TELL)
    store.is_away = False
    clock.move(1)
    assert outcome(memory, "c") == "passes"


def test_a_proof_that_was_answered_by_503_is_used_up(
    process: Processes, store: NotingStore, clock: MovableClock
) -> None:
    """A client makes a new one for each request; whether it was stored is not known."""
    memory = process(is_denying=True)
    store.is_away = True
    assert outcome(memory) == "out_of_touch"
    store.is_away = False
    clock.move(1)
    assert outcome(memory) == "replayed"


@pytest.mark.parametrize("is_denying", [False, True])
def test_a_store_that_refuses_writes_cannot_decide(process: Processes, store: NotingStore, is_denying: bool) -> None:
    """A replica, or one that is full: it can be read, and the proof is not."""
    store.refuses_writes = True
    one, other = (process(is_denying=is_denying) for _ in range(2))
    expected = "out_of_touch" if is_denying else "passes"
    assert [outcome(one), outcome(other), outcome(one)] == [expected, expected, "replayed"]


# Real stores


@pytest.fixture(params=["redis", "sqlite"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of apps that share through a Redis, or the files of their machine."""
    if request.param == "sqlite":
        return {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    server: RedisServer = request.getfixturevalue("redis")
    return dict(server.settings)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty one."""
    with empty_redis(tmp_path) as server:
        yield server


def memory_of_app(make_app: AppFactory, settings: Mapping[str, Any], *, is_denying: bool = True) -> ReplayMemory:
    """Return the memory of one more process, with the store of its app."""
    app = make_app(**{"AUTH0_CACHE_SECRET": SECRET, **settings})
    return ReplayMemory(app.extensions["auth0"].store, is_denying=is_denying)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_store_tells_every_process(make_app: AppFactory, settings: dict[str, Any]) -> None:
    """Those with the same secret, and no others."""
    one, other = (memory_of_app(make_app, settings) for _ in range(2))
    stranger = memory_of_app(make_app, {**settings, "AUTH0_CACHE_SECRET": "another secret, which is long enough"})
    assert outcome(one) == "passes"
    assert in_a_child_process(lambda: outcome(other)) == "replayed"
    assert [outcome(memory) for memory in (other, stranger)] == ["replayed", "passes"]


def test_of_many_processes_with_one_proof_one_passes(make_app: AppFactory, settings: dict[str, Any]) -> None:
    """``SET NX`` on Redis is atomic, and so is a transaction of SQLite."""
    processes = [memory_of_app(make_app, settings) for _ in range(8)]
    for number, memory in enumerate(processes):
        assert outcome(memory, f"warm {number}") == "passes"
    assert passes_of(processes, [proof(name) for name in range(25)]) == [1] * 25


def test_redis_lets_go_of_an_entry_by_itself(make_app: AppFactory, redis: RedisServer) -> None:
    """When the proof is too old everywhere."""
    outcome(memory_of_app(make_app, redis.settings))
    (key,) = redis.client.keys("*")
    assert 325 <= redis.client.ttl(key) <= 331


@pytest.mark.parametrize(("is_denying", "expected"), [(False, "passes"), (True, "out_of_touch")])
def test_a_redis_that_has_died_is_a_store_that_is_away(
    make_app: AppFactory, redis: RedisServer, is_denying: bool, expected: str
) -> None:
    """What then happens is the app's choice."""
    memory = memory_of_app(make_app, redis.settings, is_denying=is_denying)
    assert outcome(memory) == "passes"
    redis.kill()
    assert outcome(memory, "b") == expected
    assert outcome(memory) == "replayed"
