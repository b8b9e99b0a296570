"""What processes share of the set of revocations: a log of changes in the store, which each process follows.

State, not positions: a process that sees the head it has seen before has nothing to do; one that stood further back
reads what was appended; and whenever the log is another one, is shorter, or has another history, the whole set is
merged both ways. Merging is safe in any order, because the later change about something wins wherever the two meet.

Old changes are merged into blobs of up to a thousand, and what has expired is dropped, so that the log grows with what
is in force, and not with what was ever written.
"""

from __future__ import annotations

import itertools
import logging
import math
import secrets
import threading
from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

from auth0_blueprint.concurrency.after_fork import reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.revocation.blobs import MAX_CHANGES, BlobSigner, Changes
from auth0_blueprint.revocation.index import Revocation, RevocationIndex, outranks
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import Head, LayoutChangedError, Store, StoreError, chained

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: The newest changes are left as they are, so that processes that look once in an interval can read on.
RECENT_CHANGES = 500
#: How long one merging of the whole set may take, on a store that answers.
WHOLE_SET_SECONDS = 30.0
#: How long one process may keep others from writing all that they know; if it dies meanwhile, they wait as long.
WRITER_SECONDS, WRITTEN_PER_SECOND = 2.0, 20_000
_WRITER = "writer"
_ATTEMPTS = 3
_APPENDED_AT_ONCE = 20


class SyncOutcome(NamedTuple):
    """What following the log has brought.

    Attributes:
        changed: what this process has learned, by kind.
        restored: how many changes the store lacked and has again.
    """

    changed: dict[str, list[str]]
    restored: int = 0


class SharedSet:
    """One process's copy of the set, kept equal to the store's.

    Args:
        store: where the log is.
        signer: writes and reads its blobs.
        index: the copy.
        keep_seconds: how long the store keeps a log that nobody writes to: as long as a revocation can live.
        clock: tells the time.

    Attributes:
        is_loaded: whether this process has seen the whole set once, or that there is none.
    """

    def __init__(
        self,
        store: SharedStore,
        signer: BlobSigner,
        index: RevocationIndex,
        *,
        keep_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._store = store
        self._signer = signer
        self._index = index
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._head: Head | None = None
        self.is_loaded: bool = False
        # What is in the log, by version: how many changes, and when the last of them expires. True of one layout only.
        self._sizes: dict[int, tuple[int, float]] = {}
        self._layout = -1
        # Changes are published by requests while the set is followed and tidied in the background.
        self._lock = threading.Lock()
        self._tidying = threading.Lock()
        reset_in_children(self)

    def follow(self, head: Head | None) -> SyncOutcome:
        """Make this copy and the store agree, given where the log stands now.

        Raises:
            StoreError: the store cannot be used now; what was learned until then is kept.
        """
        if head is None:
            return SyncOutcome({}, self._follow_none())
        if self._head is not None and head.version < self._head.version:
            # Perhaps this process has appended something since *head* was read.
            now, _notices = self._store.read(lambda store: store.look([]))
            head = head if now is None else now
        if self._is_known(head):
            with self._lock:
                self._head = head  # with its layout
            return SyncOutcome({})
        outcome = self._read_on(head) or self._merge_whole(head)
        self.is_loaded = True
        return outcome

    def publish(self, revocations: Iterable[Revocation]) -> None:
        """Append changes for the fleet.

        Raises:
            StoreError: the store cannot be used now; whether anything was written is not certain.
        """
        changes = list(revocations)
        head = self._head
        for _ in range(_ATTEMPTS):
            if head is not None and self._append(head, changes):
                return
            head, _notices = self._store.read(lambda store: store.look([]))
            if head is None and self._write_log([*self._index, *changes]):
                return
        raise StoreError("failed", "the log of revocations was replaced again and again")

    def tidy(self) -> None:
        """Merge changes that are not new any more, and drop what has expired. Of several who do, one succeeds.

        Raises:
            StoreError: the store cannot be used now.
        """
        if not self._tidying.acquire(blocking=False):
            return
        try:
            with self._lock:
                head, sizes = self._head, dict(self._sizes)
            # Where another process has merged some, that one knows what is where.
            if head is not None and self._layout == head.layout:
                self._tidy(head, sizes)
        finally:
            self._tidying.release()

    def _tidy(self, head: Head, sizes: dict[int, tuple[int, float]]) -> None:
        now = self._clock.time()
        settled = {version: size for version, size in sizes.items() if version <= head.version - RECENT_CHANGES}
        expired = [version for version, (_, expires_at) in settled.items() if expires_at <= now]
        small = [
            version for version, (count, expires_at) in settled.items() if count < MAX_CHANGES and expires_at > now
        ]
        if expired:
            self._replace(head, expired, [])
        elif sum(sizes[version][0] for version in small) >= 2 * MAX_CHANGES or len(small) >= MAX_CHANGES:
            self._merge_some(head, sorted(small))

    def reset_after_fork(self) -> None:
        """Replace the locks, which may have been held when the process forked."""
        self._lock, self._tidying = threading.Lock(), threading.Lock()

    def _is_known(self, head: Head) -> bool:
        known = self._head
        return known is not None and known[:3] == head[:3]

    def _read_on(self, head: Head) -> SyncOutcome | None:
        """Read what was appended since this process last looked; ``None`` if that does not say it all."""
        known = self._head
        if known is None or known.incarnation != head.incarnation or known.version >= head.version:
            return None
        if head.version - known.version > RECENT_CHANGES:
            return None
        blobs = self._store.read(lambda store: store.changes(known, head))
        if blobs is None:
            return None
        changed: dict[str, list[str]] = {}
        for version, blob in enumerate(blobs, known.version + 1):
            self._take_over(head, {version: blob}, changed)
        self._head = head
        return SyncOutcome(changed)

    def _merge_whole(self, head: Head) -> SyncOutcome:
        for _ in range(_ATTEMPTS):
            try:
                return self._merge_once(head)
            except LayoutChangedError:
                now, _ = self._store.read(lambda store: store.look([]))
                if now is None:
                    break
                head = now
        raise StoreError("failed", "the log of revocations changed again and again while it was read")

    def _merge_once(self, head: Head) -> SyncOutcome:
        # Whatever was known before has to be in the store as well, at least as late.
        lacking = {(kind, value) for kind, entries in self._index.entries.items() for value in entries}
        changed: dict[str, list[str]] = {}
        self._sizes, self._layout = {}, head.layout

        def read(store: Store) -> None:
            for blobs in store.contents(head):
                for changes in self._take_over(head, blobs, changed):
                    lacking.difference_update(self._held_by(changes) if lacking else ())

        self._store.read(read, WHOLE_SET_SECONDS)
        self._head = head
        restored = [found for kind, value in lacking if (found := self._known(kind, value)) is not None]
        for number in range(0, len(restored), _APPENDED_AT_ONCE * MAX_CHANGES):
            if not self._append(head, restored[number : number + _APPENDED_AT_ONCE * MAX_CHANGES]):
                raise StoreError("failed", "the log of revocations was replaced while it was restored")
        return SyncOutcome(changed, len(restored))

    def _held_by(self, changes: Changes) -> Iterable[tuple[str, str]]:
        """Yield what *changes* hold at least as late as this process knows it."""
        for kind, rows in changes.items():
            entries = self._index.entries[kind]
            for value, entry in rows:
                known = entries.get(value)
                if known is None or not outranks(known, entry):
                    yield kind, value

    def _known(self, kind: str, value: str) -> Revocation | None:
        entry = self._index.entries[kind].get(value)
        return None if entry is None or entry[1] <= self._clock.time() else Revocation(kind, value, *entry)

    def _take_over(self, head: Head, blobs: dict[int, str], changed: dict[str, list[str]]) -> list[Changes]:
        taken = []
        for version, blob in blobs.items():
            changes = self._signer.read(head.incarnation, blob)
            if changes is None:
                continue
            for kind, rows in changes.items():
                changed.setdefault(kind, []).extend(self._index.apply(kind, rows))
            self._note_size(version, changes)
            taken.append(changes)
        return taken

    def _note_size(self, version: int, changes: Changes) -> None:
        expires_at = max((entry[1] for rows in changes.values() for _, entry in rows), default=-math.inf)
        self._sizes[version] = (sum(map(len, changes.values())), expires_at)

    def _append(self, head: Head, revocations: list[Revocation]) -> bool:
        """Append *revocations* to the log of *head*; tell whether there is such a log."""
        blobs = list(self._signer.write(head.incarnation, revocations))
        appended = self._store.write(lambda store: store.append(head.incarnation, blobs, self._keep_seconds))
        if (
            appended is not None
            and self._head is not None
            and appended.digest == reduce(chained, blobs, self._head.digest)
        ):
            # Nothing came between what this process knows and what it has appended.
            for version, blob in enumerate(blobs, self._head.version + 1):
                self._note_size(version, self._signer.read(head.incarnation, blob) or {})
            self._head = appended
        return appended is not None

    def _follow_none(self) -> int:
        """Write all that is known into a new log, unless another process is at it; return how much that was."""
        known = list(self._index)
        if not known:
            # A process that has just started waits for what another one is writing.
            if not self.is_loaded:
                self.is_loaded = self._store.read(lambda store: store.value_of(_WRITER)) is None
            return 0
        writer, seconds = secrets.token_hex(8), WRITER_SECONDS + len(known) / WRITTEN_PER_SECOND
        # Never given back: whoever has seen no log, and then no writer either, could have missed both.
        if not self._store.write(lambda store: store.take(_WRITER, writer, seconds)):
            return 0
        is_written = self._write_log(known)
        self.is_loaded = True
        return len(known) if is_written else 0

    def _write_log(self, revocations: list[Revocation]) -> bool:
        incarnation = secrets.token_hex(8)
        blobs = list(self._signer.write(incarnation, revocations))
        return self._store.write(lambda store: store.begin(incarnation, blobs, self._keep_seconds), WHOLE_SET_SECONDS)

    def _merge_some(self, head: Head, versions: list[int]) -> None:
        """Merge the first of *versions*, as many as make one blob."""
        counts = itertools.accumulate(self._sizes[version][0] for version in versions)
        chosen = [version for version, total in zip(versions, counts, strict=True) if total <= MAX_CHANGES]
        if len(chosen) < 2:
            return
        blobs = self._store.read(lambda store: store.blobs(chosen))
        seen: dict[tuple[str, str], Revocation] = {}
        for blob in blobs.values():
            changes = self._signer.read(head.incarnation, blob) or {}
            for kind, rows in changes.items():
                for value, _ in rows:
                    # What this process knows of it is as late as what was written, or later.
                    known = self._known(kind, value)
                    if known is not None:
                        seen[kind, value] = known
        self._replace(head, chosen, list(seen.values()))

    def _replace(self, head: Head, versions: list[int], revocations: list[Revocation]) -> None:
        blob = next(iter(self._signer.write(head.incarnation, revocations)), None)
        if not self._store.write(lambda store: store.merge(head, versions, blob)):
            return
        with self._lock:
            for version in versions:
                self._sizes.pop(version, None)
            if blob is not None:
                expires_at = max(revocation.expires_at for revocation in revocations)
                self._sizes[max(versions)] = (len(revocations), expires_at)
            now = self._head
            if now is not None and (now.incarnation, now.layout) == (head.incarnation, head.layout):
                self._head = now._replace(layout=head.layout + 1)
                self._layout = head.layout + 1
