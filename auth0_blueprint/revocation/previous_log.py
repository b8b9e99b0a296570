"""Reads the log of revocations in its earlier layout, so that a rolling deployment loses none.

It is only read: what a process of an earlier release has revoked is taken over into the set that processes share now.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from typing import Any

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.revocation.shared_set import SharedSet
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError
from auth0_blueprint.sharing.signed_cache import SignedCache

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: How long after its start, and how often, a process looks for changes made by processes of an earlier release.
TAKEOVER_SECONDS, TAKEOVER_INTERVAL_SECONDS = 3600.0, 60.0

_BATCH = 200


class PreviousLog:
    """The log of an earlier release.

    Args:
        places: where processes of that release may share one.
    """

    def __init__(self, *places: SignedCache) -> None:
        #: Each place with the epoch of its log, and how far that was read.
        self._read_to: dict[SignedCache, tuple[str, int]] = dict.fromkeys(places, ("", 0))

    def read(self) -> list[Revocation]:
        """Return what was not read before; nothing where there is no such log.

        Raises:
            CacheUnavailableError: it cannot be read now.
        """
        found: list[Revocation] = []
        read_to = {place: _read(place, *position, found) for place, position in self._read_to.items()}
        self._read_to = read_to  # only when all is read: what is found before a failure is not returned
        return found


class Takeover:
    """Takes over what processes of an earlier release have revoked, for as long as there may be such processes.

    Args:
        log: theirs.
        shared_set: where it is taken over to.
        clock: tells the time.
    """

    def __init__(self, log: PreviousLog, shared_set: SharedSet, clock: Clock) -> None:
        self._log = log
        self._shared_set = shared_set
        self._monotonic = clock.monotonic
        self._ends_at = clock.monotonic() + TAKEOVER_SECONDS
        self._next_at = -math.inf

    def run(self) -> None:
        """Take over what is new, if it is time to look for it."""
        now = self._monotonic()
        if not self._next_at <= now < self._ends_at:
            return
        with suppress(CacheUnavailableError):
            count = self._shared_set.add(self._log.read())
            if count:
                self._shared_set.write_back()
                logger.info("took over %d revocations from an earlier release", count)
            self._next_at = now + TAKEOVER_INTERVAL_SECONDS


def _read(entries: SignedCache, known_epoch: str, known_next: int, found: list[Revocation]) -> tuple[str, int]:
    """Add what is new to *found*; return the epoch of the log, and where it ends."""
    manifest: Any = entries.read("board", "revocations")
    if manifest is None:
        return known_epoch, known_next
    epoch, first, end = str(manifest["epoch"]), int(manifest["first"]), int(manifest["next"])
    begin = max(first, known_next) if epoch == known_epoch else first
    for number in range(begin, end, _BATCH):
        names = [f"{epoch}-{one}" for one in range(number, min(number + _BATCH, end))]
        values = entries.read_many("revocation", names)
        found += [Revocation(**value) for value in values if value is not None]
    return epoch, end
