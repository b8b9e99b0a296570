"""What is where in the log of revocations, so that old changes can be merged and what has expired dropped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

from auth0_blueprint.revocation.blobs import Blob
from auth0_blueprint.revocation.index import Entry
from auth0_blueprint.sharing.store import Head

#: How many blobs are merged, or dropped, at once; of large ones fewer.
_VERSIONS_AT_ONCE, _FULL_BLOBS_AT_ONCE = 1000, 20


class _Size(NamedTuple):
    """How much a blob holds: so many changes, of which fewer than half a blob remain at ``halved_at``, then none."""

    changes: int
    halved_at: float
    expires_at: float


class LogLayout:
    """Which blobs are in a log, and how large they are, until somebody else rearranges it.

    Args:
        head: where the log stands.
        max_changes: how many changes one blob holds at most.
        recent_changes: how many of the newest changes are left as they are.

    Attributes:
        number: how often the log was rearranged.
    """

    def __init__(self, head: Head, *, max_changes: int, recent_changes: int) -> None:
        self.incarnation: str = head.incarnation
        self.number: int = head.layout
        self._max_changes = max_changes
        self._recent_changes = recent_changes
        self._sizes: dict[int, _Size] = {}
        self._counted_up_to = 0

    def __len__(self) -> int:
        """Return how many blobs are known."""
        return len(self._sizes)

    def is_of(self, head: Head) -> bool:
        """Tell whether the log of *head* is laid out so."""
        return (self.incarnation, self.number) == (head.incarnation, head.layout)

    def note(self, version: int, blob: Blob | None) -> None:
        """Note what the blob of that *version* holds."""
        if blob is not None and blob.is_understood:  # what a later release has written is left to it
            self.count(version, (entry for rows in blob.changes.values() for _, entry in rows))

    def count(self, version: int, entries: Iterable[Entry]) -> None:
        """Note that *entries* are what still counts of the blob of that *version*."""
        expiries, half = sorted((entry[1] for entry in entries), reverse=True), self._max_changes // 2
        halved_at = expiries[half - 1] if len(expiries) >= half else -math.inf
        self._sizes[version] = _Size(len(expiries), halved_at, expiries[0] if expiries else -math.inf)

    def forget(self, version: int) -> None:
        """Forget a blob that somebody else took away, or changed."""
        self._sizes.pop(version, None)

    def rearranged(self, versions: list[int], left: list[Entry]) -> None:
        """Note that the blobs of these *versions* were replaced by one that holds what is *left*, or by none."""
        for version in versions:
            self._sizes.pop(version, None)
        if left:
            self.count(max(versions), left)
        self.number += 1

    def due(self, version: int, now: float) -> list[int]:
        """Return which blobs of a log that stands at *version* should be replaced by one, or by none; maybe none.

        Args:
            version: where the log stands.
            now: what has expired by then can be dropped.
        """
        most = self._max_changes
        expired, small = list[tuple[int, int]](), list[tuple[int, int]]()
        for number, size in self._sizes.copy().items():
            if number <= version - self._recent_changes:
                if size.expires_at <= now:
                    expired.append((size.changes, number))
                elif size.halved_at <= now:
                    small.append((min(size.changes, most // 2), number))
        if expired:
            return _first(expired, _FULL_BLOBS_AT_ONCE * most)
        if len(small) >= self._recent_changes or sum(changes for changes, _ in small) >= 2 * most:
            return _first(small, most)
        return []

    def doubtful(self, version: int, known: int) -> list[int]:
        """Return blobs that should be counted again, as much of what the log holds must be outdated; maybe none.

        Args:
            version: where the log stands.
            known: of how much there is a latest change.
        """
        if sum(size.changes for size in self._sizes.copy().values()) <= 2 * known + 4 * self._max_changes:
            return []
        after = sorted(number for number in self._sizes.copy() if number > self._counted_up_to)
        chosen = [number for number in after if number <= version - self._recent_changes][:_FULL_BLOBS_AT_ONCE]
        self._counted_up_to = chosen[-1] if chosen else 0
        return chosen


def _first(blobs: list[tuple[int, int]], most: int) -> list[int]:
    """Return the versions of *blobs*, which are changes and versions, as far as they hold *most* changes together."""
    smallest = sorted(blobs)[:_VERSIONS_AT_ONCE]
    totals = itertools.accumulate(changes for changes, _ in smallest)
    return [version for (_, version), total in zip(smallest, totals, strict=True) if total <= most]
