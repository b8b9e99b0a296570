"""What a simulated fleet talks to: an issuer with real keys, and a Redis. Both can fail as real ones do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.sharing.shared_cache import OPERATION_TIMEOUT_SECONDS
from auth0_blueprint.testing import LocalIssuer
from benchmarks.simulated_time import Timeline

FETCH_TIMEOUT = 5
REQUESTS_PER_SECOND = 20
ALGORITHM = ALGORITHMS["EdDSA"]

_ANSWER_SECONDS = (0.1, 0.3)
_REDIS_SECONDS = (0.0002, 0.001)
_SIGNING_INPUT = b"header.claims"


class SimulatedIssuer:
    """Publishes real keys, answers in 0.1 to 0.3 s, and 429 to more than 20 requests in a second.

    Attributes:
        asked: how often it was asked, by second.
        asked_at: each of these times.
        away: ``refuses`` (503 at once) or ``hangs`` during an outage.
        outages: when it was away.
        good: the key ids of good tokens.
        withdrawn: the key ids that are trusted no more, and since when.
    """

    def __init__(self, time: Timeline, uniform: Callable[[float, float], float]) -> None:
        self._time = time
        self._uniform = uniform
        self._keys = LocalIssuer(algorithm="EdDSA")
        self.asked: Counter[int] = Counter()
        self.asked_at: list[float] = []
        self.away: str | None = None
        self.outages: list[tuple[float, float]] = []
        self.good: tuple[str, ...] = tuple(self._keys.key_ids)
        self.withdrawn: dict[str, float] = {}
        self._document = self._published()
        self._proven: set[tuple[str, str]] = set()

    def publish(self) -> str:
        """Publish a new key, which signs nothing yet; return its key id."""
        key_id = self._keys.rotate()
        self._document = self._published()
        return key_id

    def sign_with(self, key_id: str) -> None:
        """Issue tokens with *key_id* from now on. Those of the other published keys stay good."""
        self.good = (*self.good, key_id)

    def withdraw(self, key_id: str) -> None:
        """Publish *key_id* no more."""
        self._keys.remove_key(key_id)
        self._document = self._published()
        self.good = tuple(other for other in self.good if other != key_id)
        self.withdrawn[key_id] = self._time.now

    def go_away(self, how: str, seconds: float) -> None:
        """Fail every request for so long."""
        self.outages.append((self._time.now, self._time.now + seconds))
        self.away = how
        self._time.sleep(seconds)
        self.away = None

    def answer(self, _no_cache: bool) -> FetchedKeySet:
        """Answer a request for the key set."""
        second = int(self._time.now)
        self.asked[second] += 1
        self.asked_at.append(self._time.now)
        if self.asked[second] > REQUESTS_PER_SECOND:
            self._time.sleep(self._uniform(*_ANSWER_SECONDS))
            raise FetchError("http_status", status=429)
        if self.away == "hangs":
            self._time.sleep(FETCH_TIMEOUT)
            raise FetchError("timeout")
        document, is_away = self._document, self.away is not None
        self._time.sleep(self._uniform(*_ANSWER_SECONDS))
        if is_away:
            raise FetchError("http_status", status=503)
        return FetchedKeySet(document)

    def check(self, key_id: str, key: VerificationKey) -> None:
        """Prove that *key* verifies what *key_id* has signed. Each pair is proven once: a key is a key."""
        if (key_id, key.fingerprint) in self._proven or key_id in self.withdrawn:
            return
        signature = self._keys.signing_key(key_id).sign(_SIGNING_INPUT)
        if not ALGORITHM.verify(_SIGNING_INPUT, key.material, signature):
            raise AssertionError("a process took the wrong key")
        self._proven.add((key_id, key.fingerprint))

    def _published(self) -> bytes:
        return json.dumps(self._keys.key_set).encode()


class SimulatedRedis:
    """A Redis that holds the cache and the store of a fleet. It can be away, hang, or come back empty.

    It has the operations that key sets and leases need, under the names of `CacheBackend` and `Store`.

    Attributes:
        mode: ``up``, ``away`` (refuses connections) or ``hangs``.
        operations: how many it was asked for, by second.
    """

    reach = "fleet"

    def __init__(self, time: Timeline, uniform: Callable[[float, float], float]) -> None:
        self._time = time
        self._uniform = uniform
        self._entries: dict[str, tuple[Any, float]] = {}
        self.mode = "up"
        self.operations: Counter[int] = Counter()

    def fail(self, mode: str, seconds: float) -> None:
        """Be ``away``, or hang, for so long."""
        self.mode = mode
        self._time.sleep(seconds)
        self.mode = "up"

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""
        self._arrive()
        return self._value(key)

    def set(self, key: str, value: Any, timeout: float | None = None) -> bool:
        """Store *value* for *timeout* seconds."""
        self._arrive()
        self._entries[key] = (value, self._time.now + (timeout or 0))
        return True

    def take(self, name: str, value: str, seconds: float) -> bool:
        """Store *value* unless another one is there; tell whether *value* is there now."""
        self._arrive()
        if self._value(name) is None:
            self._entries[name] = (value, self._time.now + seconds)
        return bool(self._value(name) == value)

    def value_of(self, name: str) -> Any:
        """Return the value, or ``None``."""
        return self.get(name)

    def put(self, name: str, value: str, seconds: float) -> None:
        """Store *value* for *seconds*."""
        self.set(name, value, seconds)

    def give_back(self, name: str, value: str) -> None:
        """Remove *value*, if it is still there."""
        self._arrive()
        if self._value(name) == value:
            del self._entries[name]

    def clear(self) -> None:
        """Lose everything."""
        self._entries.clear()

    def plant(self, text: str) -> None:
        """Put *text* in the place of every entry."""
        for key, (_, expires_at) in self._entries.items():
            self._entries[key] = (text, expires_at)

    def _arrive(self) -> None:
        """Take the time of the network, or fail as it does."""
        if self.mode == "hangs":
            self._time.sleep(OPERATION_TIMEOUT_SECONDS)
            raise TimeoutError
        if self.mode == "away":
            raise ConnectionError
        self._time.sleep(self._uniform(*_REDIS_SECONDS))
        self.operations[int(self._time.now)] += 1

    def _value(self, key: str) -> Any:
        value, expires_at = self._entries.get(key, (None, 0.0))
        return value if self._time.now < expires_at else None
