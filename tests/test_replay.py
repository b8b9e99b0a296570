"""Used proofs: each is good once, in one process and in a fleet, and nobody is pushed out (RFC 9449 §11.1)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import MovableClock
from flask import Flask
from fleet.redis_server import RedisServer, empty_redis
from servers import in_a_child_process
from shared_sources import DictBackend

from auth0_blueprint.challenge import response_body, response_headers
from auth0_blueprint.errors import Auth0Error, ReplayMemoryUnavailableError
from auth0_blueprint.extension.cache_backend import backend_opener, reach_of
from auth0_blueprint.sender_constraining.replay import MARGIN_SECONDS, ReplayMemory
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache

SECRET = "a secret of the fleet"
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


class ExpiringBackend(DictBackend):
    """Knows how long each entry is to be kept, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[int | None] = []
        self.is_away = False

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        if self.is_away:
            raise OSError("away")
        self.timeouts.append(timeout)
        return super().add(key, value, timeout)


Processes = Callable[..., ReplayMemory]


@pytest.fixture
def backend() -> ExpiringBackend:
    return ExpiringBackend()


@pytest.fixture
def process(backend: ExpiringBackend, clock: MovableClock) -> Processes:
    """Return what starts one more process of a fleet."""

    def start(*, reach: str = "fleet", is_denying: bool = False, **options: Any) -> ReplayMemory:
        cache = SharedCache(lambda: backend, clock=clock)
        entries = SignedCache(cache, secret=SECRET, names=("fleet", "https://issuer.example/"))
        return ReplayMemory(entries, reach=lambda: reach, is_denying=is_denying, clock=clock, **options)

    return start


# One process


def test_a_proof_is_good_once(process: Processes) -> None:
    """Others are not touched by that."""
    memory = process(reach="process")
    assert [outcome(memory, name) for name in "aabab"] == ["passes", "replayed", "passes", "replayed", "replayed"]


@pytest.mark.parametrize("seconds", [0, 0.5, 299.999, 330])
def test_a_used_proof_is_remembered_until_it_is_too_old_everywhere(
    process: Processes, clock: MovableClock, seconds: float
) -> None:
    """And a margin longer, for clocks that differ; then it is let go of."""
    memory = process(reach="process")
    assert outcome(memory, seconds=seconds) == "passes"
    clock.move(seconds + MARGIN_SECONDS - 0.001)
    assert outcome(memory) == "replayed"
    clock.move(1.001)
    outcome(memory, "another")
    assert len(memory) == 1


def test_a_proof_is_let_go_of_in_the_very_second_that_it_was_kept_for(process: Processes, clock: MovableClock) -> None:
    """Not a second later."""
    memory = process(reach="process")
    outcome(memory, seconds=300)
    clock.move(300 + MARGIN_SECONDS)
    outcome(memory, "another")
    assert len(memory) == 1


def test_proofs_end_in_their_own_order(process: Processes, clock: MovableClock) -> None:
    """Not in that in which they came: each says itself when it was made."""
    memory = process(reach="process")
    for name, seconds in [("late", 300), ("early", 10), ("middle", 100), ("early too", 10)]:
        outcome(memory, name, seconds)
    left = []
    for moment in (9, 11, 101, 301):
        clock.now = 1_800_000_000 + moment + MARGIN_SECONDS
        outcome(memory, moment)
        left.append(len(memory) - 1)  # without the one that has it look
    assert left == [4, 3, 3, 3]
    assert outcome(memory, "late") == "passes"


def test_a_full_memory_refuses_rather_than_forgets(process: Processes) -> None:
    """Whoever floods it cannot have somebody else's proof forgotten."""
    memory = process(reach="process", max_proofs=3)
    assert [outcome(memory, name) for name in "abcd"] == ["passes", "passes", "passes", "full"]
    assert [outcome(memory, name) for name in "abc"] == ["replayed"] * 3
    assert len(memory) == 3


def test_what_has_expired_makes_room(process: Processes, clock: MovableClock) -> None:
    """Before anything is refused."""
    memory = process(reach="process", max_proofs=2)
    outcome(memory, "a", seconds=10)
    outcome(memory, "b", seconds=300)
    assert outcome(memory, "c") == "full"
    clock.move(11 + MARGIN_SECONDS)
    assert [outcome(memory, name) for name in "cb"] == ["passes", "replayed"]
    assert outcome(memory, "d") == "full"


def test_a_full_memory_is_an_outage_and_no_fault_of_the_client(process: Processes) -> None:
    """503 without a challenge."""
    memory = process(reach="process", max_proofs=0)
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


def test_two_threads_cannot_both_be_the_first(process: Processes) -> None:
    """Between the look and the remembering nobody else looks."""
    memory, proof_of_both = process(reach="process"), _ProofWithAMeeting(b"a")
    assert passes_of([memory] * 2, [proof_of_both]) == [1]


def test_of_many_threads_with_one_proof_one_passes(process: Processes) -> None:
    """Whoever comes at the very same moment."""
    memory = process(reach="process")
    assert passes_of([memory] * 16, [proof(name) for name in range(50)]) == [1] * 50


def test_many_threads_do_not_fill_it_beyond_its_limit(process: Processes) -> None:
    """However many come at once."""
    memory = process(reach="process", max_proofs=50)
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda name: outcome(memory, name), range(400)))
    assert (outcomes.count("passes"), outcomes.count("full"), len(memory)) == (50, 350, 50)


def test_a_child_process_is_not_held_up_by_a_lock_of_its_parent(process: Processes) -> None:
    """Forked in the very moment in which another thread remembers a proof."""
    memory = process(reach="process")
    with memory._lock:
        assert in_a_child_process(lambda: outcome(memory)) == "passes"


# A fleet


def test_another_process_refuses_what_was_used(process: Processes) -> None:
    """By way of the cache that they share."""
    one, other = process(), process()
    assert [outcome(one), outcome(other), outcome(one), outcome(other)] == ["passes", *["replayed"] * 3]


def test_a_proof_that_is_known_here_is_not_asked_about(process: Processes, backend: ExpiringBackend) -> None:
    """Whoever repeats one causes no work elsewhere."""
    memory = process()
    for _ in range(5):
        outcome(memory)
    assert len(backend.timeouts) == 1


@pytest.mark.parametrize(("seconds", "kept"), [(300, 330), (330, 360), (0, 30), (0.25, 31), (299.5, 330)])
def test_an_entry_is_kept_as_long_as_in_memory(
    process: Processes, backend: ExpiringBackend, seconds: float, kept: int
) -> None:
    """In whole seconds, and no shorter."""
    outcome(process(), seconds=seconds)
    assert backend.timeouts == [kept]


def test_an_entry_says_nothing_of_the_proof_and_is_small(process: Processes, backend: ExpiringBackend) -> None:
    """A digest, and a signature."""
    outcome(process())
    key, value = next(iter(backend.values.items()))
    assert key.startswith(f"auth0-proof-{proof().hex()}-")
    assert len(key) + len(value) < 300


@pytest.mark.parametrize("reach", ["process", "machine"])
def test_a_cache_that_cannot_decide_is_not_asked(process: Processes, backend: ExpiringBackend, reach: str) -> None:
    """On a file system two would be told that they were the first, and entries pile up."""
    one, other = process(reach=reach, is_denying=True), process(reach=reach)
    assert [outcome(one), outcome(other), outcome(one)] == ["passes", "passes", "replayed"]
    assert backend.values == {}
    backend.is_away = True
    assert outcome(one, "another") == "passes"


def test_a_full_memory_leaves_it_to_the_fleet(process: Processes, backend: ExpiringBackend) -> None:
    """A process with much to do is not to refuse what Redis can decide."""
    one, other = process(max_proofs=1), process(max_proofs=1)
    assert [outcome(one, name) for name in "abab"] == ["passes", "passes", "replayed", "replayed"]
    assert [outcome(other, name) for name in "bc"] == ["replayed", "passes"]
    assert (len(one), len(other)) == (1, 1)
    backend.is_away = True
    assert [outcome(one, name) for name in "ad"] == ["replayed", "full"]


def test_while_the_cache_is_away_this_process_decides_alone(
    process: Processes, backend: ExpiringBackend, clock: MovableClock
) -> None:
    """With ``AUTH0_REVOCATION_ON_ERROR=allow``; and it shares again afterwards."""
    one, other = process(), process()
    backend.is_away = True
    assert [outcome(one), outcome(one), outcome(other)] == ["passes", "replayed", "passes"]
    backend.is_away = False
    clock.move(60)
    assert [outcome(one, "b"), outcome(other, "b")] == ["passes", "replayed"]


def test_while_the_cache_is_away_nothing_passes_where_the_app_says_so(
    process: Processes, backend: ExpiringBackend, clock: MovableClock
) -> None:
    """With ``AUTH0_REVOCATION_ON_ERROR=deny``: 503, also while the cache is left alone."""
    memory = process(is_denying=True)
    backend.is_away = True
    for name in "ab":
        with pytest.raises(ReplayMemoryUnavailableError) as caught:
            memory.use(proof(name), clock.now + 300)
        assert_unavailable(caught.value, CANNOT_TELL)
    backend.is_away = False
    clock.move(60)
    assert outcome(memory, "c") == "passes"


def test_a_proof_that_was_answered_by_503_is_used_up(
    process: Processes, backend: ExpiringBackend, clock: MovableClock
) -> None:
    """A client makes a new one for each request; whether it was stored is not known."""
    memory = process(is_denying=True)
    backend.is_away = True
    assert outcome(memory) == "out_of_touch"
    backend.is_away = False
    clock.move(60)
    assert outcome(memory) == "replayed"


def test_apps_with_other_secrets_do_not_meet(clock: MovableClock, backend: ExpiringBackend) -> None:
    """On one cache, for one issuer."""

    def memory(secret: str) -> ReplayMemory:
        entries = SignedCache(SharedCache(lambda: backend), secret=secret, names=("fleet",))
        return ReplayMemory(entries, reach=lambda: "fleet", is_denying=True, clock=clock)

    assert [outcome(memory("one")), outcome(memory("other")), outcome(memory("one"))] == [
        "passes",
        "passes",
        "replayed",
    ]


# A real Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty one."""
    with empty_redis(tmp_path) as server:
        yield server


@pytest.fixture
def redis_process(redis: RedisServer) -> Processes:
    """Return what starts one more process that shares through Redis."""

    def start(**options: Any) -> ReplayMemory:
        app = Flask("sharing")
        app.config.update(redis.settings)
        entries = SignedCache(SharedCache(backend_opener(app, None)), secret=SECRET, names=("fleet",))
        reach = reach_of(app, None, is_signed=True)
        return ReplayMemory(entries, reach=reach, **{"is_denying": False, **options})

    return start


def test_redis_tells_every_process(redis: RedisServer, redis_process: Processes) -> None:
    """And lets go of the entry by itself."""
    one, other = redis_process(), redis_process()
    assert [outcome(one), outcome(other)] == ["passes", "replayed"]
    (key,) = redis.client.keys("*")
    assert 325 <= redis.client.ttl(key) <= 331


def test_of_many_processes_with_one_proof_one_passes(redis_process: Processes) -> None:
    """``add`` on Redis is atomic."""
    processes = [redis_process(is_denying=True) for _ in range(8)]
    for number, memory in enumerate(processes):
        assert outcome(memory, f"warm {number}") == "passes"
    assert passes_of(processes, [proof(name) for name in range(25)]) == [1] * 25


@pytest.mark.parametrize(("is_denying", "expected"), [(False, "passes"), (True, "out_of_touch")])
def test_a_redis_that_has_died_is_a_cache_that_is_away(
    redis: RedisServer, redis_process: Processes, is_denying: bool, expected: str
) -> None:
    """What then happens is the app's choice."""
    memory = redis_process(is_denying=is_denying)
    assert outcome(memory) == "passes"
    redis.kill()
    assert outcome(memory, "b") == expected
    assert outcome(memory) == "replayed"
