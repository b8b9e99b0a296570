"""A fleet of processes on simulated time, and what is seen of it from outside.

The processes run the package's own `KeySource` with everything below it. Only what is at its seams is made up: time,
threads, the Redis and the network.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.keysets.shared_copy import SharedKeySet
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.signed_cache import SignedCache
from benchmarks.simulated_network import ALGORITHM, FETCH_TIMEOUT, SimulatedIssuer, SimulatedRedis
from benchmarks.simulated_time import SimulatedEvent, Timeline

TTL, AHEAD, MAX_STALE, COOLDOWN = 600, 120, 3600, 30

_ISSUER = "https://tenant.example/"
_EPOCH = 1_800_000_000.0
_CLOCK_SKEW_SECONDS = 0.25
QUIET_GAP_SECONDS, _CLOSE_GAP_SECONDS, _REFUSED_GAP_SECONDS = 60.0, 1.0, 300.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A good token was refused by one process from *since* to *until*, with these codes."""

    since: float
    until: float
    codes: frozenset[str]


class Fleet:
    """Processes, their cache, their issuer, and what was seen of them.

    Args:
        process_count: how many.
        is_sharing: whether they have a cache to share through.
        seed: the same gives the same day.

    Attributes:
        refusals: of good tokens.
        trusted: the last time at which any process trusted a withdrawn key, by key id.
    """

    def __init__(self, process_count: int, *, is_sharing: bool, seed: int = 1) -> None:
        self.time = Timeline()
        self.random = random.Random(seed)
        self.issuer = SimulatedIssuer(self.time, self.random.uniform)
        self.redis = SimulatedRedis(self.time, self.random.uniform)
        self.is_sharing = is_sharing
        self.refusals: list[Refusal] = []
        self.trusted: dict[str, float] = {}
        self._closely = (0.0, 0.0)
        self._processes = [Process(self) for _ in range(process_count)]
        for process in self._processes:
            self.time.start(process.serve, at=process.phase % _CLOSE_GAP_SECONDS)

    @property
    def process_count(self) -> int:
        """How many there are."""
        return len(self._processes)

    def look_closely(self, since: float, until: float) -> None:
        """Ask each process once a second from *since* to *until*, instead of once a minute."""
        self._closely = (since, until)

    def next_request_at(self, phase: float, *, is_refused: bool) -> float:
        """Return when a process is asked again: soon where its last answer was a refusal that need not be."""
        # From a window's beginning, each process is asked more often once its next quiet request has come: were all
        # asked in its first second, that would be an incident of its own.
        now, (since, until) = self.time.now, self._closely
        is_close = since <= now < until
        if is_refused and not is_close and self.issuer.away is not None:
            # Nothing is learnt from refusals that have to be, so they are seldom asked for.
            later = self._after(_REFUSED_GAP_SECONDS, phase)
            return min(later, since + phase) if now < since else later
        return self._after(_CLOSE_GAP_SECONDS if is_close or is_refused else QUIET_GAP_SECONDS, phase)

    def _after(self, gap: float, phase: float) -> float:
        # Rounded: as floats go, the next time could be the present one.
        return self.time.now + (gap - round(self.time.now - phase, 6) % gap)

    def flood(self, per_second: float, seconds: float) -> None:
        """Send random key ids to random processes."""
        for _ in range(int(per_second * seconds)):
            self.time.start(self.random.choice(self._processes).serve_nonsense)
            self.time.sleep(1 / per_second)

    def restart(self, share: float) -> None:
        """Replace a *share* of the processes by new ones, as a deployment does; at least one."""
        for process in self._processes[: max(1, int(self.process_count * share))]:
            process.restart()

    def end(self) -> None:
        """Note what is still refused."""
        for process in self._processes:
            process.end()


class Process:
    """One process: its key source, and the requests it gets.

    Attributes:
        phase: when its requests come, within the minute between two of them.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._refused: dict[str, tuple[float, set[str]]] = {}
        self.phase = fleet.random.uniform(0, QUIET_GAP_SECONDS)
        self._source = self._new_source()

    def restart(self) -> None:
        """Forget everything."""
        self._source = self._new_source()

    def serve(self) -> None:
        """Serve good tokens, one of each key at a time, for ever."""
        fleet, issuer, time = self._fleet, self._fleet.issuer, self._fleet.time
        while True:
            for key_id in issuer.good:
                self._ask(key_id)
            if self._refused:
                self._forget_withdrawn()
            for key_id, since in reversed(issuer.withdrawn.items()):
                if time.now - since > MAX_STALE + QUIET_GAP_SECONDS:
                    break
                if self._trusts(key_id):
                    fleet.trusted[key_id] = time.now
            time.sleep(fleet.next_request_at(self.phase, is_refused=bool(self._refused)) - time.now)

    def serve_nonsense(self) -> None:
        """Serve a token with a random key id."""
        try:
            self._source.key_for(f"random-{self._fleet.random.random()}", ALGORITHM)
        except Auth0Error:
            return
        raise AssertionError("a process has found a key that nobody has")

    def end(self) -> None:
        """Note what is still refused."""
        for key_id in list(self._refused):
            self._note_end(key_id, self._fleet.time.now)

    def _ask(self, key_id: str) -> None:
        asked_at = self._fleet.time.now
        try:
            key = self._source.key_for(key_id, ALGORITHM).key
        except Auth0Error as exc:
            self._refused.setdefault(key_id, (asked_at, set()))[1].add(exc.code)
            return
        self._fleet.issuer.check(key_id, key)
        if key_id in self._refused:
            self._note_end(key_id, self._fleet.time.now)

    def _trusts(self, key_id: str) -> bool:
        try:
            self._source.cached_key(key_id, ALGORITHM)
        except Auth0Error:
            return False
        return True

    def _forget_withdrawn(self) -> None:
        """End the refusals that have become right."""
        withdrawn = self._fleet.issuer.withdrawn
        for key_id in self._refused.keys() & withdrawn.keys():
            self._note_end(key_id, withdrawn[key_id])

    def _note_end(self, key_id: str, until: float) -> None:
        since, codes = self._refused.pop(key_id)
        if since < until:
            self._fleet.refusals.append(Refusal(since, until, frozenset(codes)))

    def _new_source(self) -> KeySource:
        fleet, time = self._fleet, self._fleet.time
        skew = fleet.random.uniform(-_CLOCK_SKEW_SECONDS, _CLOCK_SKEW_SECONDS)

        clock = Clock(
            time=lambda: _EPOCH + skew + time.now,
            monotonic=lambda: time.now,
            sleep=time.sleep,
            uniform=fleet.random.uniform,
        )
        # Nothing leaves the thread: the time that an operation takes, or hangs, is simulated.
        names = (_ISSUER, f"{_ISSUER}.well-known/jwks.json")
        guards: dict[str, Any] = {"clock": clock, "call_within": lambda _seconds, operation: operation()}
        redis: Any = fleet.redis if fleet.is_sharing else None
        store = SharedStore(lambda: redis, reach=lambda: "fleet" if fleet.is_sharing else "process", **guards)
        secret = "of this fleet" if fleet.is_sharing else None
        return KeySource(
            _ISSUER,
            ttl_seconds=TTL,
            refresh_ahead_seconds=AHEAD,
            max_stale_seconds=MAX_STALE,
            cooldown_seconds=COOLDOWN,
            fetch=fleet.issuer.answer,
            shared=SharedKeySet(
                SignedCache(SharedCache(lambda: redis, **guards), secret=secret, names=names),
                store,
                EntrySigner(secret or "", *names),
                keep_seconds=MAX_STALE,
                attempt_seconds=FETCH_TIMEOUT,
                clock=clock,
            ),
            clock=clock,
            single_flight=SingleFlight(start=time.start, make_event=partial(SimulatedEvent, time), clock=clock),
        )
