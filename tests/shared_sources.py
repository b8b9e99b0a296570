"""Key sources, and processes of one fleet without the processes: with one cache, store, clock and issuer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import memory_store
from conftest import MovableClock
from memory_store import MemoryStore
from servers import ScriptedIssuer, complete, document

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.shared_copy import SharedEntry, SharedKeySet
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_cache import CacheBackend, SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache

TTL, AHEAD, MAX_STALE, COOLDOWN, ATTEMPT = 600, 120, 3600, 30, 5
DUE = TTL - AHEAD
ISSUER = "https://issuer.example/"
URL = "https://issuer.example/.well-known/jwks.json"
SECRET = "a secret of the fleet, long enough"
EDDSA = ALGORITHMS["EdDSA"]
UNKNOWN, UNAVAILABLE = UnknownKeyError.code, KeySetUnavailableError.code
OUTAGE = FetchError("http_status", status=503)


def outcome(look: Callable[[str, Any], FoundKey], key_id: str) -> str:
    """Return the id of the key that *look* finds, or the code of its refusal."""
    try:
        return look(key_id, EDDSA).key.key_id or ""
    except (UnknownKeyError, KeySetUnavailableError) as error:
        return error.code


def ask(source: KeySource, key_id: str = "a") -> str:
    """Return what a request that needs the key gets."""
    return outcome(source.key_for, key_id)


def refresh(source: KeySource) -> None:
    """Ask for the keys, and have done what this causes."""
    source.snapshot()
    complete()


def make_shared(
    clock: Clock,
    open_backend: Callable[[], CacheBackend | None] = lambda: None,
    *,
    call_within: Callable[..., Any] = call_within,
    store: MemoryStore | None = None,
    issuer: str = ISSUER,
    url: str = URL,
    secret: str | None = SECRET,
    **changes: Any,
) -> SharedKeySet:
    """Return the shared copy of a key set; without a backend none is shared, and without a store no lease."""
    arguments: dict[str, Any] = {"keep_seconds": MAX_STALE, "attempt_seconds": ATTEMPT, **changes}
    cache = SharedCache(open_backend, clock=clock, call_within=call_within)
    entries = SignedCache(cache, secret=secret, names=(issuer, url))
    signer = EntrySigner(secret or "", issuer, url)
    return SharedKeySet(entries, memory_store.shared(store, clock), signer, clock=clock, **arguments)


def make_source(
    fetch: Callable[[bool], FetchedKeySet], clock: Clock, shared: SharedKeySet | None = None, **changes: Any
) -> KeySource:
    """Return a key source that has fetched nothing yet, with the paces above; by default it shares nothing."""
    arguments: dict[str, Any] = {
        "issuer": ISSUER,
        "ttl_seconds": TTL,
        "refresh_ahead_seconds": AHEAD,
        "max_stale_seconds": MAX_STALE,
        "cooldown_seconds": COOLDOWN,
        **changes,
    }
    return KeySource(fetch=fetch, clock=clock, shared=shared or make_shared(clock, secret=None), **arguments)


class DictBackend:
    """A cache backend whose entries a test can read, plant and break."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.calls = 0

    def get(self, key: str) -> Any:
        self.calls += 1
        return self.values.get(key)

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self.calls += 1
        self.values[key] = value
        return True

    def get_many(self, *keys: str) -> Any:
        self.calls += 1
        return [self.values.get(key) for key in keys]

    def delete(self, key: str) -> Any:
        self.calls += 1
        return self.values.pop(key, None) is not None

    @property
    def only_key(self) -> str:
        return self.key_of("")

    def key_of(self, kind: str) -> str:
        (key,) = (key for key in self.values if kind in key)
        return key


class Fleet:
    """Processes with one cache, one store, one clock and one issuer.

    Attributes:
        backend: of the cache. A test may put another one in its place at any time.
        store: what later processes take leases from.
    """

    def __init__(self, backend: DictBackend, scripted: ScriptedIssuer, clock: MovableClock) -> None:
        self.backend = backend
        self.store = MemoryStore(clock)
        self.scripted = scripted
        self.clock = clock

    def shared(self, **changes: Any) -> SharedKeySet:
        """Return the shared copy as one more process sees it."""
        arguments = {"store": self.store, **changes}
        return make_shared(self.clock, lambda: cast("CacheBackend", _PresentBackend(self)), **arguments)

    def process(self, **changes: Any) -> KeySource:
        """Return the source of one more process."""
        return make_source(self.scripted, self.clock, self.shared(), **changes)

    def warm_process(self) -> KeySource:
        """Return the source of a process that has fetched, or adopted, a key set just now."""
        process = self.process()
        refresh(process)
        return process

    def publish(self, *key_ids: str) -> None:
        """Have the issuer publish these keys and no others."""
        self.scripted.answer = document(*key_ids)

    def go_down(self) -> None:
        """Have the issuer refuse to answer."""
        self.scripted.answer = OUTAGE

    @property
    def fetches(self) -> int:
        """How often the issuer was asked."""
        return self.scripted.fetch_count

    def entry(self, *key_ids: str, seconds_ago: float = 0) -> SharedEntry:
        """Return an entry as it was fetched some time ago."""
        return SharedEntry(document(*key_ids).decode(), self.clock.now - seconds_ago)


class _PresentBackend:
    """Whatever the backend of a fleet is right now: a cache is opened only once."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fleet.backend, name)
