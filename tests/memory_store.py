"""A store in memory, for tests of what stands on one: it can be away, refuse writes, and go back to an earlier state.

It keeps the promises of `Store`, which ``test_store.py`` asks of it as of the real engines.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import Head, LayoutChangedError, StoreError, chained


@dataclass
class _Contents:
    head: Head | None = None
    changes: dict[int, tuple[str, str]] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    taken: dict[str, tuple[str, float]] = field(default_factory=dict)


class MemoryStore:
    """The store of the processes that a test makes up.

    Attributes:
        reach: who shares it.
        is_away: whether every operation fails.
        refuses_writes: whether those that write fail.
        looks: how often its head was looked at.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK, reach: str = "fleet") -> None:
        self._clock = clock
        self.reach = reach
        self.contents_now = _Contents()
        self.is_away = self.refuses_writes = False
        self.looks = 0
        self._lock = threading.Lock()

    def snapshot(self) -> _Contents:
        """Return what is there, as it is written to a disk."""
        return deepcopy(self.contents_now)

    def restore(self, snapshot: _Contents) -> None:
        """Be as it was then."""
        self.contents_now = deepcopy(snapshot)

    def flush(self) -> None:
        """Lose everything."""
        self.contents_now = _Contents()

    def take(self, name: str, value: str, seconds: float) -> bool:
        self._check_writes()
        taken, now = self.contents_now.taken, self._clock.time()
        with self._lock:
            if name not in taken or taken[name][1] <= now:
                taken[name] = (value, now + max(1, seconds))
            return taken[name][0] == value

    def value_of(self, name: str) -> str | None:
        self._check()
        value, until = self.contents_now.taken.get(name, ("", 0))
        return value if until > self._clock.time() else None

    def put(self, name: str, value: str, seconds: float) -> None:
        self._check_writes()
        self.contents_now.taken[name] = (value, self._clock.time() + max(1, seconds))

    def give_back(self, name: str, value: str) -> None:
        self._check_writes()
        if self.contents_now.taken.get(name, ("", 0))[0] == value:
            del self.contents_now.taken[name]

    def look(self, notices: list[str]) -> tuple[Head | None, list[str | None]]:
        self._check()
        self.looks += 1
        return self.contents_now.head, [self.contents_now.notices.get(name) for name in notices]

    def post(self, notice: str, value: str) -> None:
        self._check_writes()
        self.contents_now.notices[notice] = value

    def begin(self, incarnation: str, blobs: list[str], keep_seconds: float) -> bool:
        self._check_writes()
        if self.contents_now.head is None:
            self.contents_now.head = Head(incarnation, 0, "", 0)
            self.append(incarnation, blobs, keep_seconds)
        return self.contents_now.head.incarnation == incarnation

    def append(self, incarnation: str, blobs: list[str], keep_seconds: float) -> Head | None:
        self._check_writes()
        head = self.contents_now.head
        if head is None or head.incarnation != incarnation:
            return None
        for blob in blobs:
            head = head._replace(version=head.version + 1, digest=chained(head.digest, blob))
            self.contents_now.changes[head.version] = (head.digest, blob)
        self.contents_now.head = head
        return head

    def changes(self, since: Head, until: Head) -> list[str] | None:
        self._check()
        changes = self.contents_now.changes
        if since.version and changes.get(since.version, ("",))[0] != since.digest:
            return None
        found = [changes.get(version) for version in range(since.version + 1, until.version + 1)]
        return None if None in found else [change[1] for change in found if change is not None]

    def contents(self, head: Head) -> Iterator[dict[int, str]]:
        self._check()
        for version in list(self.contents_now.changes):
            if version not in self.contents_now.changes:
                raise LayoutChangedError
            yield {version: self.contents_now.changes[version][1]}
        now = self.contents_now.head
        if now is None or (now.incarnation, now.layout) != (head.incarnation, head.layout):
            raise LayoutChangedError

    def blobs(self, versions: list[int]) -> dict[int, str]:
        self._check()
        changes = self.contents_now.changes
        return {version: changes[version][1] for version in versions if version in changes}

    def check(self) -> None:
        self._check_writes()

    def merge(self, head: Head, versions: list[int], blob: str | None) -> bool:
        self._check_writes()
        now, changes = self.contents_now.head, self.contents_now.changes
        if now is None or (now.incarnation, now.layout) != (head.incarnation, head.layout):
            return False
        last = max(versions)
        digest = changes[last][0]
        for version in versions:
            changes.pop(version, None)
        if blob is not None:
            changes[last] = (digest, blob)
        self.contents_now.head = now._replace(layout=now.layout + 1)
        return True

    def _check(self) -> None:
        if self.is_away:
            raise StoreError("unreachable", "the store is away")

    def _check_writes(self) -> None:
        self._check()
        if self.refuses_writes:
            raise StoreError("read_only", "the store accepts no writes")


def shared(store: MemoryStore | None, clock: Clock = SYSTEM_CLOCK) -> SharedStore:
    """Return *store* as one process uses it; ``None`` shares with nobody. Nothing runs in a thread of its own."""
    return SharedStore(
        lambda: store,
        reach=lambda: "process" if store is None else store.reach,
        clock=clock,
        call_within=lambda _seconds, call: call(),
    )
