"""Processes that share revocations, without the processes: one store that a test can break, and one clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import memory_store
from conftest import MovableClock
from memory_store import MemoryStore
from shared_sources import ISSUER, SECRET, DictBackend

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.errors import RevokedTokenError
from auth0_blueprint.revocation.blobs import BlobSigner
from auth0_blueprint.revocation.index import Revocation, RevocationIndex
from auth0_blueprint.revocation.previous_log import PreviousLog
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.revocation.shared_set import SharedSet
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.signed_cache import SignedCache
from auth0_blueprint.sharing.store import Head, StoreError
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation

INTERVAL, STALE, LIFETIME, LEEWAY = 5, 60, 86_400, 5
FLEET = "fleet"

_READS = ("value_of", "look", "changes", "contents", "blobs")
_WRITES = ("take", "put", "give_back", "post", "begin", "append", "merge", "check")


class FragileStore(MemoryStore):
    """A store that fails, stalls and lets others come in between, as a test says.

    Attributes:
        asked: the operations, in order.
        before: what else happens before the next operation of that name.
        dies_after: how many operations it still does before it is away.
        is_slow: whether all that takes longer than a look takes too long.
        is_hanging: whether everything does.
        loses_replies: whether writes take effect, and are not confirmed.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.asked: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.dies_after: int | None = None
        self.is_slow = self.is_hanging = self.loses_replies = False
        self.lock = threading.Lock()

    def connected(self) -> MemoryStore:
        """Return the store as a process sees it."""
        return cast("MemoryStore", _Connection(self))

    def contents(self, head: Head) -> Iterator[dict[int, str]]:
        for part in super().contents(head):
            yield part
            self.before.pop("the next part", lambda: None)()

    def mend(self) -> None:
        """Be well from now on."""
        self.is_away = self.refuses_writes = self.is_slow = self.is_hanging = self.loses_replies = False
        self.dies_after = None

    @property
    def head(self) -> Head:
        head = self.contents_now.head
        assert head is not None
        return head

    def plant(self, *blobs: str) -> None:
        """Append what no process of the fleet has written."""
        self.append(self.head.incarnation, list(blobs), 0)

    @property
    def blobs_now(self) -> dict[int, str]:
        return {version: blob for version, (_, blob) in self.contents_now.changes.items()}


class _Connection:
    def __init__(self, store: FragileStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        store, found = self._store, getattr(self._store, name)
        if name not in _READS + _WRITES:
            return found
        store.asked.append(name)
        store.before.pop(name, lambda: None)()
        if store.dies_after is not None:
            store.is_away = store.is_away or store.dies_after <= 0
            store.dies_after -= 1
        if store.is_hanging or (store.is_slow and name != "look"):
            raise StoreError("timeout", "the store did not answer in time")
        found = _alone(store.lock, found)
        return _unconfirmed(found) if store.loses_replies and name in _WRITES else found


def _alone(lock: threading.Lock, operation: Callable[..., Any]) -> Callable[..., Any]:
    def operate(*arguments: Any) -> Any:
        with lock:
            return operation(*arguments)

    return operate


def _unconfirmed(operation: Callable[..., Any]) -> Callable[..., Any]:
    def operate(*arguments: Any) -> Any:
        operation(*arguments)
        raise StoreError("timeout", "the store did not answer in time")

    return operate


class Process:
    """One process: requests, and an admin's calls.

    Attributes:
        ahead_seconds: by how much its clock is fast.
    """

    make_index: type[RevocationIndex] = RevocationIndex
    make_set: type[SharedSet] = SharedSet
    make_revocations: type[Revocations] = Revocations

    def __init__(
        self, fleet: RevokerFleet, *, is_denying: bool = False, ahead_seconds: float = 0, is_alone: bool = False
    ) -> None:
        self.fleet = fleet
        self.ahead_seconds = ahead_seconds
        self.clock = Clock(time=lambda: fleet.clock.now + self.ahead_seconds, monotonic=fleet.clock.monotonic)
        self.store: SharedStore = memory_store.shared(None if is_alone else fleet.store.connected(), self.clock)
        self.fleet_sync = FleetSync(
            self.store,
            EntrySigner(SECRET, FLEET),
            interval_seconds=fleet.interval,
            clock=self.clock,
            # What happens in the background happens at once.
            single_flight=SingleFlight(start=lambda work: work()),
        )
        self.changed: list[Revocation] = []
        self.signer = BlobSigner(SECRET, FLEET, max_changes=fleet.max_changes)
        self.index = self.make_index(self.clock)
        self.shared_set = self.make_set(
            self.store,
            self.signer,
            self.index,
            keep_seconds=LIFETIME + 2 * LEEWAY,
            recent_changes=fleet.recent_changes,
            clock=self.clock,
        )
        self.revocations = self.make_revocations(
            self.index,
            self.shared_set,
            self.fleet_sync,
            previous_log=PreviousLog(fleet.previous_entries()),
            reach=self.store.reach,
            max_lifetime_seconds=LIFETIME,
            leeway_seconds=LEEWAY,
            max_stale_seconds=STALE,
            is_denying=is_denying,
            clock=self.clock,
            on_changed=lambda: self.changed.append,
        )

    @property
    def known(self) -> set[Revocation]:
        """What is in force here, and what was lifted."""
        return set(self.index)

    def lets_in(self, token_id: str, **claims: Any) -> bool:
        """Answer a request with a token of that ``jti``, as the verifier does."""
        self.fleet_sync.sync_if_due()
        token = AccessToken({"sub": "s", "iat": int(self.fleet.clock.now), "jti": token_id, **claims}, {})
        try:
            self.revocations.check_not_revoked(token, Presentation("h.p.s"))
        except RevokedTokenError:
            return False
        return True

    def revoke(self, *token_ids: str) -> None:
        for token_id in token_ids:
            self.revocations.revoke("jti", token_id, None)

    def lift(self, token_id: str) -> bool:
        return self.revocations.lift("jti", token_id) is not None


class RevokerFleet:
    """Processes with one store and one clock."""

    make_process: type[Process] = Process

    def __init__(
        self,
        clock: MovableClock,
        interval: float = INTERVAL,
        *,
        recent_changes: int = 500,
        max_changes: int = 1000,
    ) -> None:
        self.clock = clock
        self.interval = interval
        self.recent_changes = recent_changes
        self.max_changes = max_changes
        self.store = FragileStore(clock)
        #: The cache in which processes of the release before this one share.
        self.cache = DictBackend()

    def process(self, **options: Any) -> Process:
        return self.make_process(self, **options)

    def previous_entries(self) -> SignedCache:
        """Return the entries of processes of the release before this one."""
        cache = SharedCache(lambda: self.cache, clock=self.clock, call_within=lambda _seconds, call: call())
        return SignedCache(cache, secret=SECRET, names=("fleet", ISSUER))

    def pass_interval(self, *processes: Process, times: int = 1) -> None:
        """Let an interval go by, with a request in each of *processes* after it."""
        for _ in range(times):
            self.clock.move(self.interval)
            for process in processes:
                process.lets_in("x")
