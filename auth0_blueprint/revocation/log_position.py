"""How far one process has read the log of revocations, and what it knows of where things are in it."""

from __future__ import annotations

from functools import reduce

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.revocation.blobs import Blob, BlobSigner
from auth0_blueprint.revocation.index import Entry
from auth0_blueprint.revocation.log_layout import LogLayout
from auth0_blueprint.sharing.store import Head, chained

#: Every so many times the recent changes something is merged, unless the process that did so has ended.
_UNTIDIED = 4


class LogPosition:
    """Where one process stands in the log.

    Args:
        signer: reads its blobs.
        recent_changes: how many of the newest changes are left as they are.
    """

    def __init__(self, signer: BlobSigner, *, recent_changes: int) -> None:
        self._signer = signer
        self._recent_changes = recent_changes
        # All of the log up to there is known here.
        self._head: Head | None = None
        # What this process has appended behind changes that it has not read: until it has, they may be lost together.
        self._unconfirmed: Head | None = None
        # What is where, unless another process has rearranged the log since; and at which version it last was.
        self._layout: LogLayout | None = None
        self._rearranged_at = 0
        # Changes are published by requests while the set is followed and tidied in the background.
        self._lock = ProcessLock()
        self._tidying = ProcessLock()

    def _is_known(self, head: Head) -> bool:
        known = self._head
        if known is None or known[:3] != head[:3] or self._unconfirmed is not None:
            return False
        with self._lock():
            self._stand_at(head)
        return True

    def _stand_at(self, head: Head) -> None:
        """Note that all up to *head* is known. The lock is held."""
        if self._head is None or self._head.layout != head.layout:
            self._rearranged_at = head.version
        self._head = head

    def _is_untidied(self, head: Head) -> bool:
        """Tell whether whoever knew what is where has ended: so much was appended, and nothing was rearranged."""
        known, layout = self._head, self._layout
        if (layout is not None and layout.is_of(head)) or known is None or known.layout != head.layout:
            return False
        return head.version - self._rearranged_at > _UNTIDIED * self._recent_changes

    def _confirm(self, unconfirmed: Head | None) -> None:
        """Note that what was *unconfirmed* when the log was read has been read. The lock is held."""
        if self._unconfirmed is unconfirmed:
            self._unconfirmed = None

    def _note_appended(self, head: Head, appended: Head, blobs: list[str]) -> None:
        """Note that this process has appended *blobs* to the log of *head*, which now stands at *appended*."""
        with self._lock():
            known, unconfirmed = self._head, self._unconfirmed
            if known is not None and appended.digest == reduce(chained, blobs, known.digest):
                # Nothing came between what this process knows and what it has appended.
                for version, text in enumerate(blobs, known.version + 1):
                    self._note_size(self._layout, head, version, self._signer.read(head.incarnation, text))
                self._stand_at(appended)
            elif unconfirmed is None or unconfirmed.version < appended.version:
                self._unconfirmed = appended

    def _note_size(self, layout: LogLayout | None, head: Head, version: int, blob: Blob | None) -> None:
        if layout is None or layout.incarnation != head.incarnation:
            return
        # Once another process has rearranged the log, nothing is noted of it.
        if head.layout <= layout.number or self._tidying().locked():
            layout.note(version, blob)

    def _note_replaced(self, head: Head, layout: LogLayout, versions: list[int], left: list[Entry] | None) -> None:
        """Note that those *versions* were replaced by what is *left* of them; ``None`` if the layout was another."""
        with self._lock():
            if left is None:
                self._layout = None
                return
            layout.rearranged(versions, left)
            now = self._head
            if now is not None and (now.incarnation, now.layout) == (head.incarnation, head.layout):
                self._head = now._replace(layout=layout.number)
