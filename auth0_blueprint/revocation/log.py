"""The revocations of a fleet: an append-only log of signed entries in the shared cache.

::

    head       {epoch, first, next, filled_at}                        where the log begins and ends
    entry n    one `Revocation`, stored by ``add`` and never changed     for first <= n < next

``add`` works on every backend, so two processes never write one number. A log that is gone, because the cache was
emptied or restarted, is begun anew, under another epoch, by a process that still knows what was in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.sharing.fleet_sync import BOARD, CacheUnavailableError
from auth0_blueprint.sharing.signed_cache import SignedCache

_ENTRY = "revocation"
#: Where the head is on the board.
HEAD = "revocations"
_BATCH = 200
# A log that is being begun anew is complete at the latest then, or whoever began it has died.
_FILLING_SECONDS = 30.0


class _Head(NamedTuple):
    epoch: str
    first: int
    next: int
    #: Until then (Unix time) somebody may still be filling in what was there before.
    filled_at: float


class LogChanges(NamedTuple):
    """What a look into the log has found.

    Attributes:
        revocations: those that were not read before.
        is_gone: there is no log, though there may have been one.
        whole_log: of another log than before, now that it is complete, all that it holds: what it lacks has to be
            written again.
        needs_repair: `RevocationLog.repair` has something to do.
    """

    revocations: tuple[Revocation, ...] = ()
    is_gone: bool = False
    whole_log: tuple[Revocation, ...] | None = None
    needs_repair: bool = False


class RevocationLog:
    """One process's view of the log.

    Args:
        entries: where it is.
        keep_seconds: how long entries live: as long as a token at most.
        clock: tells the time.
    """

    def __init__(self, entries: SignedCache, *, keep_seconds: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self._entries = entries
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._head: _Head | None = None
        # All of a log that is new to this process, until it can be compared with what is known.
        self._whole_log: list[Revocation] | None = None
        self._unconfirmed: dict[tuple[str, int], Revocation] = {}

    def read_changes(self, head_value: dict[str, Any] | None) -> LogChanges:
        """Read what is new, by the head as the board shows it: nothing is read if nothing is.

        Raises:
            CacheUnavailableError: the cache is away.
        """
        if head_value is None:
            self._head = None
            return LogChanges(is_gone=True)
        head, known = _Head(**head_value), self._head
        if known is None or known.epoch != head.epoch:
            self._whole_log = []
            begin = head.first
        else:
            begin = known.next
        revocations = self._read(head.epoch, range(begin, head.next))
        # From here on nothing may fail: what was read once is not read again.
        self._head = head._replace(next=max(head.next, begin))
        whole_log = None
        if self._whole_log is not None:
            self._whole_log += revocations
            if self._clock.time() >= head.filled_at:
                whole_log, self._whole_log = tuple(self._whole_log), None
        needs_repair = head.next < begin or bool(self._unconfirmed)
        return LogChanges(tuple(revocations), whole_log=whole_log, needs_repair=needs_repair)

    def repair(self) -> None:
        """Put right what writers who did not see each other have left.

        Raises:
            CacheUnavailableError: the cache is away; to be tried again after the next look.
        """
        seen, head = self._head, self._read_head()
        if seen is None or head is None or head.epoch != seen.epoch:
            return
        if head.next < seen.next:  # written by somebody who had not seen all, or put back
            head = head._replace(next=seen.next)
            self._write_head(head)
        self._write_lost_ones_again(head)

    def append(self, revocations: Iterable[Revocation]) -> None:
        """Add *revocations* for the fleet.

        Raises:
            CacheUnavailableError: the cache is away; whether anything was written is not certain.
        """
        head = self._read_head() or self._begin(filled_at=0)
        self._append(head, revocations)

    def begin_anew(self, revocations: Iterable[Revocation]) -> None:
        """Write *revocations* into a new log, unless another process has begun one.

        Raises:
            CacheUnavailableError: the cache is away.
        """
        head = self._begin(filled_at=self._clock.time() + _FILLING_SECONDS)
        if head.next == 0:
            self._append(head, revocations, filled_at=0)

    def _begin(self, filled_at: float) -> _Head:
        head = _Head(epoch=secrets.token_hex(8), first=0, next=0, filled_at=filled_at)
        if self._entries.add(BOARD, head._asdict(), self._keep_seconds, name=HEAD):
            self._check()
            return head
        found = self._read_head()
        if found is None:  # expired, or not ours, and in the way
            self._entries.write(BOARD, head._asdict(), self._keep_seconds, name=HEAD)
            self._check()
            return head
        return found

    def _append(self, head: _Head, revocations: Iterable[Revocation], filled_at: float | None = None) -> None:
        number = head.next
        for revocation in revocations:
            value = revocation._asdict()
            while not self._entries.add(_ENTRY, value, self._keep_seconds, name=f"{head.epoch}-{number}"):
                number += 1
            self._check()
            self._unconfirmed[head.epoch, number] = revocation
            number += 1
        self._write_head(head._replace(next=number, filled_at=head.filled_at if filled_at is None else filled_at))

    def _write_head(self, head: _Head) -> None:
        """Write *head*, and go on while entries lie beyond it: two who write at once must not hide one of theirs."""
        while True:
            self._entries.write(BOARD, head._asdict(), self._keep_seconds, name=HEAD)
            self._check()
            if not self._read(head.epoch, range(head.next, head.next + 1)):
                return
            head = head._replace(next=head.next + 1)

    def _write_lost_ones_again(self, head: _Head) -> None:
        # On a file system two who add at the same moment may both be told that they have. Whoever finds that out writes
        # both again: others may have read either.
        lost: list[Revocation] = []
        checked = list(self._unconfirmed.items())
        for (epoch, number), revocation in checked:
            there = self._read(epoch, range(number, number + 1)) if epoch == head.epoch else [revocation]
            if revocation not in there:
                lost += [revocation, *there]
        if lost:
            self._append(head, lost)
        for place, _ in checked:
            self._unconfirmed.pop(place, None)

    def _read(self, epoch: str, numbers: range) -> list[Revocation]:
        found: list[Revocation] = []
        for begin in range(numbers.start, numbers.stop, _BATCH):
            names = [f"{epoch}-{number}" for number in numbers[begin - numbers.start :][:_BATCH]]
            values = self._entries.read_many(_ENTRY, names)
            self._check()
            found.extend(Revocation(**value) for value in values if value is not None)
        return found

    def _read_head(self) -> _Head | None:
        value = self._entries.read(BOARD, HEAD)
        self._check()
        return None if value is None else _Head(**value)

    def _check(self) -> None:
        if self._entries.is_away:
            raise CacheUnavailableError
