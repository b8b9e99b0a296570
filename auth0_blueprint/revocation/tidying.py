"""What can be replaced in the log of revocations: old changes by one blob that holds them, what has expired by none."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.revocation.blobs import BlobSigner
from auth0_blueprint.revocation.index import Revocation, RevocationIndex
from auth0_blueprint.revocation.log_layout import LogLayout
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import Head

#: How long one reading of many changes may take, on a store that answers.
WHOLE_SET_SECONDS = 30.0
#: How long what has expired stays in the log: by another clock, it may not have.
CLOCKS_DIFFER_SECONDS = 600.0


class Replacement(NamedTuple):
    """What takes the place of some blobs.

    Attributes:
        versions: which blobs.
        left: what is left of them.
        blob: the one that holds it; ``None`` if nothing is left.
    """

    versions: list[int]
    left: list[Revocation]
    blob: str | None


class Tidier:
    """Finds what can be replaced in a log.

    Args:
        store: where the log is.
        signer: writes and reads its blobs.
        index: all that is known of it.
        clock: tells the time.
    """

    def __init__(self, store: SharedStore, signer: BlobSigner, index: RevocationIndex, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._index = index
        self._clock = clock

    def replacement(self, head: Head, layout: LogLayout) -> Replacement | None:
        """Return what to replace in the log of *head*; ``None`` if nothing is due, for which blobs may be recounted.

        Raises:
            StoreError: the store cannot be read now.
        """
        versions = layout.due(head.version, self._clock.time() - CLOCKS_DIFFER_SECONDS)
        if versions:
            return self._merged(head, layout, versions)
        doubtful = layout.doubtful(head.version, len(self._index))
        if doubtful:
            for version, left in self._left_in(head, layout, doubtful).items():
                layout.count(version, (revocation.entry for revocation in left))
        return None

    def _merged(self, head: Head, layout: LogLayout, versions: list[int]) -> Replacement | None:
        """Return one blob with what is left of those *versions*, or none, unless that makes them no fewer."""
        left_in = self._left_in(head, layout, versions)
        left = list(dict.fromkeys(itertools.chain.from_iterable(left_in.values())))
        blobs = list(self._signer.write(head.incarnation, left))
        if len(blobs) < len(left_in) and len(blobs) <= 1:
            return Replacement(list(left_in), left, blobs[0] if blobs else None)
        return None

    def _left_in(self, head: Head, layout: LogLayout, versions: list[int]) -> dict[int, list[Revocation]]:
        """Return what still counts of the blobs of those *versions* that can be read.

        By what is there, rather than by what was noted, so that nothing can be dropped that is not known.
        """
        texts = self._store.read(lambda store: store.blobs(versions), WHOLE_SET_SECONDS)
        now, found = self._clock.time() - CLOCKS_DIFFER_SECONDS, dict[int, list[Revocation]]()
        for version in versions:
            blob = self._signer.read(head.incarnation, texts.get(version, ""))
            if blob is None or not blob.is_understood:
                layout.forget(version)  # somebody else took it away, or changed it
                continue
            found[version] = [
                Revocation(kind, value, *entry)
                for kind, value, entry in self._index.not_outranked(blob.changes)
                # What counts instead of it is elsewhere in the log, where this process has it from, or will be.
                if entry[1] > now
            ]
        return found
