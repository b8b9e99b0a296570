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
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.revocation.blobs import Blob, BlobSigner
from auth0_blueprint.revocation.index import Revocation, RevocationIndex
from auth0_blueprint.revocation.log_layout import LogLayout
from auth0_blueprint.revocation.log_position import LogPosition
from auth0_blueprint.revocation.tidying import WHOLE_SET_SECONDS, Replacement, Tidier
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import Head, LayoutChangedError, Store, StoreError, chained

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: The newest changes are left as they are, so that processes that look once in an interval can read on.
RECENT_CHANGES = 500
#: How long one process may keep others from writing all that they know; if it dies meanwhile, they wait as long.
WRITER_SECONDS, WRITTEN_PER_SECOND = 2.0, 20_000
_WRITER = "writer"
#: A clock that was set back by more than this makes what it had expired count again.
_SET_BACK_SECONDS = 1.0
_ATTEMPTS = 3
_APPENDED_AT_ONCE = 20


class SyncOutcome(NamedTuple):
    """What following the log has brought.

    Attributes:
        changed: what this process has learned, by kind; what changed twice is there twice.
        restored: how many changes the store lacked and has again.
    """

    changed: dict[str, list[str]]
    restored: int = 0


class SharedSet(LogPosition):
    """One process's copy of the set, kept equal to the store's.

    Args:
        store: where the log is.
        signer: writes and reads its blobs.
        index: the copy.
        keep_seconds: how long the store keeps a log that nobody writes to: as long as a revocation can live.
        recent_changes: how many of the newest changes `tidy` leaves as they are.
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
        recent_changes: int = RECENT_CHANGES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(signer, recent_changes=recent_changes)
        self._store = store
        self._index = index
        self._keep_seconds = keep_seconds
        self._clock = clock
        self.is_loaded: bool = False
        # What is known here and still has to be written, and what was learned and not yet reported.
        self._lacking: set[tuple[str, str]] = set()
        self._learned: dict[str, list[str]] = {}
        self._last_time = -math.inf

    def follow(self, head: Head | None) -> SyncOutcome:
        """Make this copy and the store agree, given where the log stands now.

        What the store lacks and cannot be written now is tried again each time.

        Raises:
            StoreError: the store cannot be read now; what was learned until then is kept.
        """
        self._notice_clock()
        seen = self._unconfirmed or self._head
        if head is not None and seen is not None and head.version < seen.version:
            head = self._look()  # perhaps this process has appended something since
        restored = 0
        if head is None:
            restored, head = self._begin()
        if head is not None:
            if self._is_untidied(head) or not (self._is_known(head) or self._read_on(head)):
                self._merge_whole(head)
            self.is_loaded = True
        restored += self.write_back()
        learned, self._learned = self._learned, {}
        return SyncOutcome(learned, restored)

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
            head = self._look()
            if head is None and self._write_log([*self._index, *changes]):
                return
        raise StoreError("failed", "the log of revocations was replaced again and again")

    def add(self, revocations: Iterable[Revocation]) -> int:
        """Take over what came from elsewhere: known here at once, and in the store when it is written back.

        Returns:
            how much of it was not known here.
        """
        count = len(self._lacking)
        for one in revocations:
            for value in self._index.apply(one.kind, [(one.value, one.entry)]):
                self._learned.setdefault(one.kind, []).append(value)
                self._lacking.add((one.kind, value))
        return len(self._lacking) - count

    def write_back(self) -> int:
        """Write what the store lacks; return how much that was. What cannot be written now stays to be written."""
        lacking, count = list(self._lacking), 0
        at_once = _APPENDED_AT_ONCE * self._signer.max_changes
        for number in range(0, len(lacking), at_once):
            part = lacking[number : number + at_once]
            revocations = [found for kind, value in part if (found := self._known(kind, value)) is not None]
            try:
                if revocations:
                    self.publish(revocations)
            except StoreError as exc:
                logger.debug("what the store lacks cannot be written now: %s", exc.code)
                break
            self._lacking.difference_update(part)
            count += len(revocations)
        return count

    def tidy(self) -> None:
        """Merge changes that are not new any more, and drop what has expired. Of several who do, one succeeds.

        Raises:
            StoreError: the store cannot be used now.
        """
        if not self._tidying().acquire(blocking=False):
            return
        try:
            with self._lock():
                head, layout = self._head, self._layout
            # Where another process has rearranged it, that one knows what is where.
            if head is not None and layout is not None and layout.is_of(head):
                tidier = Tidier(self._store, self._signer, self._index, self._clock)
                replacement = tidier.replacement(head, layout)
                if replacement is not None:
                    self._replace(head, layout, replacement)
        finally:
            self._tidying().release()

    # Following

    def _look(self) -> Head | None:
        head, _notices = self._store.read(lambda store: store.look([]))
        return head

    def _notice_clock(self) -> None:
        now = self._clock.time()
        if now < self._last_time - _SET_BACK_SECONDS:
            self._head = None  # what had expired by the clock as it was must be read again
        self._last_time = now

    def _read_on(self, head: Head) -> bool:
        """Read what was appended since this process last looked; tell whether that says it all."""
        known, unconfirmed = self._head, self._unconfirmed
        if known is None or known.incarnation != head.incarnation:
            return False
        if not 0 < head.version - known.version <= self._recent_changes:
            return False
        blobs = self._store.read(lambda store: store.changes(known, head), WHOLE_SET_SECONDS)
        if blobs is None:
            return False
        digests = list(itertools.accumulate(blobs, chained, initial=known.digest))
        if digests[-1] != head.digest or (unconfirmed is not None and unconfirmed.digest not in digests):
            return False
        for _ in self._take_over(head, dict(enumerate(blobs, known.version + 1)), self._layout):
            pass
        with self._lock():
            self._stand_at(head)
            self._confirm(unconfirmed)
        return True

    def _merge_whole(self, head: Head) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self._merge_once(head)
            except LayoutChangedError:
                now = self._look()
                if now is None:
                    break
                head = now
            else:
                return
        raise StoreError("failed", "the log of revocations changed again and again while it was read")

    def _merge_once(self, head: Head) -> None:
        # Whatever was known before has to be in the store as well, at least as late.
        lacking = {(kind, value) for kind, entries in self._index.entries.items() for value in list(entries)}
        unconfirmed = self._unconfirmed
        layout = LogLayout(head, max_changes=self._signer.max_changes, recent_changes=self._recent_changes)

        def read(store: Store) -> None:
            for blobs in store.contents(head):
                for blob in self._take_over(head, blobs, layout):
                    if lacking:
                        lacking.difference_update(one[:2] for one in self._index.not_outranked(blob.changes))

        self._store.read(read, WHOLE_SET_SECONDS)
        with self._lock():
            self._head, self._layout, self._rearranged_at = head, layout, head.version
            self._confirm(unconfirmed)
        self._lacking = lacking

    def _take_over(self, head: Head, blobs: dict[int, str], layout: LogLayout | None) -> Iterator[Blob]:
        for version, text in blobs.items():
            blob = self._signer.read(head.incarnation, text)
            if blob is None:
                continue
            for kind, rows in blob.changes.items():
                self._learned.setdefault(kind, []).extend(self._index.apply(kind, rows))
            self._note_size(layout, head, version, blob)
            yield blob

    def _known(self, kind: str, value: str) -> Revocation | None:
        entry = self._index.entries[kind].get(value)
        return None if entry is None or entry[1] <= self._clock.time() else Revocation(kind, value, *entry)

    # Writing

    def _append(self, head: Head, revocations: list[Revocation]) -> bool:
        """Append *revocations* to the log of *head*; tell whether there is such a log."""
        blobs = list(self._signer.write(head.incarnation, revocations))
        appended = self._store.write(lambda store: store.append(head.incarnation, blobs, self._keep_seconds))
        if appended is None:
            return False
        self._note_appended(head, appended, blobs)
        return True

    def _begin(self) -> tuple[int, Head | None]:
        """Write all that is known into a new log, unless another process is at it; return how much that was.

        And where the log of another process stands, if there is one by now.
        """
        known = list(self._index)
        if not known:
            # A process that has just started waits for what another one is writing.
            if not self.is_loaded:
                self.is_loaded = self._store.read(lambda store: store.value_of(_WRITER)) is None
            return 0, None
        writer, seconds = secrets.token_hex(8), WRITER_SECONDS + len(known) / WRITTEN_PER_SECOND
        try:
            # Never given back: whoever has seen no log, and then no writer either, could have missed both.
            if self._store.write(lambda store: store.take(_WRITER, writer, seconds)) and self._write_log(known):
                self.is_loaded = True
                return len(known), None
        except StoreError as exc:
            logger.debug("the log cannot be begun now: %s", exc.code)
            self.is_loaded = True
            return 0, None
        return 0, self._look()

    def _write_log(self, revocations: list[Revocation]) -> bool:
        incarnation = secrets.token_hex(8)
        blobs = list(self._signer.write(incarnation, revocations))
        return self._store.write(lambda store: store.begin(incarnation, blobs, self._keep_seconds), WHOLE_SET_SECONDS)

    # Tidying

    def _replace(self, head: Head, layout: LogLayout, replacement: Replacement) -> None:
        versions, left, blob = replacement
        is_done = self._store.write(lambda store: store.merge(head, versions, blob))
        self._note_replaced(head, layout, versions, [revocation.entry for revocation in left] if is_done else None)
