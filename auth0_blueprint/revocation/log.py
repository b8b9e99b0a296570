"""The revocations of a fleet: an append-only log of signed entries in the shared cache.

::

    manifest   {epoch, first, next, filled_at}                        which log is in use, and where it starts and ends
    entry n    one `Revocation`, stored by ``add`` and never changed     for first <= n < next

``add`` works on every backend, so two processes never write the same number. When the cache was emptied or restarted
and the log is missing, a process that still knows its revocations recreates it under another epoch.

Every method raises `CacheUnavailableError` if the cache cannot be used.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.sharing.fleet_sync import SYNC
from auth0_blueprint.sharing.signed_cache import SignedCache

_ENTRY = "revocation"
#: The name of the manifest among the entries that every sync reads.
MANIFEST = "revocations"
_BATCH = 200
# A log that is being recreated is complete by then, or the process that recreates it has died.
_FILLING_SECONDS = 30.0


class _Manifest(NamedTuple):
    epoch: str
    first: int
    next: int
    #: Until then (Unix time) a process may still be adding what the log held before it was lost.
    filled_at: float


class LogChanges(NamedTuple):
    """What is new in the log.

    Attributes:
        revocations: those that were not read before.
        is_missing: there is no log, though there may have been one.
        complete_log: everything in a log that is new to this process, once it is complete. What it lacks must be
            written again.
        needs_repair: `RevocationLog.repair` has something to do.
    """

    revocations: tuple[Revocation, ...] = ()
    is_missing: bool = False
    complete_log: tuple[Revocation, ...] | None = None
    needs_repair: bool = False


class RevocationLog:
    """One process's view of the log.

    Args:
        entries: the shared entries.
        keep_seconds: how long entries are kept: the longest lifetime of a token.
        clock: tells the time.
    """

    def __init__(self, entries: SignedCache, *, keep_seconds: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self._entries = entries
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._manifest: _Manifest | None = None
        # Everything in a log that is new to this process, until the log is complete.
        self._new_log: list[Revocation] | None = None
        self._unconfirmed: dict[tuple[str, int], Revocation] = {}

    def read_changes(self, manifest_value: dict[str, Any] | None) -> LogChanges:
        """Read what is new according to the manifest that a sync has read. Costs no read if nothing is.

        Raises:
            CacheUnavailableError: the entries cannot be read.
        """
        if manifest_value is None:
            self._manifest = None
            return LogChanges(is_missing=True)
        manifest, known = _Manifest(**manifest_value), self._manifest
        if known is None or known.epoch != manifest.epoch:
            self._new_log = []
            start = manifest.first
        else:
            start = known.next
        revocations = self._read(manifest.epoch, range(start, manifest.next))
        # Nothing may fail from here on: what was read once is not read again.
        self._manifest = manifest._replace(next=max(manifest.next, start))
        complete_log = None
        if self._new_log is not None:
            self._new_log += revocations
            if self._clock.time() >= manifest.filled_at:
                complete_log, self._new_log = tuple(self._new_log), None
        needs_repair = manifest.next < start or bool(self._unconfirmed)
        return LogChanges(tuple(revocations), complete_log=complete_log, needs_repair=needs_repair)

    def repair(self) -> None:
        """Fix what processes that wrote at the same time have left behind.

        Raises:
            CacheUnavailableError: it must be tried again after the next sync.
        """
        seen, manifest = self._manifest, self._read_manifest()
        if seen is None or manifest is None or manifest.epoch != seen.epoch:
            return
        if manifest.next < seen.next:  # written by a process that had not seen all entries, or an older one put back
            manifest = manifest._replace(next=seen.next)
            self._write_manifest(manifest)
        self._restore_overwritten(manifest)

    def append(self, revocations: Iterable[Revocation]) -> None:
        """Add *revocations* for the fleet.

        Raises:
            CacheUnavailableError: whether anything was written is not certain.
        """
        manifest = self._read_manifest() or self._create(filled_at=0)
        self._append(manifest, revocations)

    def recreate(self, revocations: Iterable[Revocation]) -> None:
        """Write *revocations* into a new log, unless another process has created one.

        Raises:
            CacheUnavailableError: whether anything was written is not certain.
        """
        manifest = self._create(filled_at=self._clock.time() + _FILLING_SECONDS)
        if manifest.next == 0:
            self._append(manifest, revocations, filled_at=0)

    def _create(self, filled_at: float) -> _Manifest:
        """Create an empty log, and return its manifest, or that of another process that was faster."""
        manifest = _Manifest(epoch=secrets.token_hex(8), first=0, next=0, filled_at=filled_at)
        if self._entries.add(SYNC, manifest._asdict(), self._keep_seconds, name=MANIFEST):
            return manifest
        found = self._read_manifest()
        if found is None:  # an expired or forged entry that blocks the key
            self._entries.write(SYNC, manifest._asdict(), self._keep_seconds, name=MANIFEST)
            return manifest
        return found

    def _append(self, manifest: _Manifest, revocations: Iterable[Revocation], filled_at: float | None = None) -> None:
        number = manifest.next
        for revocation in revocations:
            value = revocation._asdict()
            while not self._entries.add(_ENTRY, value, self._keep_seconds, name=f"{manifest.epoch}-{number}"):
                number += 1
            self._unconfirmed[manifest.epoch, number] = revocation
            number += 1
        filled_at = manifest.filled_at if filled_at is None else filled_at
        self._write_manifest(manifest._replace(next=number, filled_at=filled_at))

    def _write_manifest(self, manifest: _Manifest) -> None:
        """Write *manifest*, again if entries lie beyond it: of two that write at once, none may hide an entry."""
        while True:
            self._entries.write(SYNC, manifest._asdict(), self._keep_seconds, name=MANIFEST)
            if not self._read(manifest.epoch, range(manifest.next, manifest.next + 1)):
                return
            manifest = manifest._replace(next=manifest.next + 1)

    def _restore_overwritten(self, manifest: _Manifest) -> None:
        # On a file system two simultaneous ``add`` calls can both succeed. The process that finds out writes both
        # revocations again: others may have read either.
        overwritten: list[Revocation] = []
        checked = list(self._unconfirmed.items())
        for (epoch, number), revocation in checked:
            found = self._read(epoch, range(number, number + 1)) if epoch == manifest.epoch else [revocation]
            if revocation not in found:
                overwritten += [revocation, *found]
        if overwritten:
            self._append(manifest, overwritten)
        for place, _ in checked:
            self._unconfirmed.pop(place, None)

    def _read(self, epoch: str, numbers: range) -> list[Revocation]:
        found: list[Revocation] = []
        for begin in range(numbers.start, numbers.stop, _BATCH):
            names = [f"{epoch}-{number}" for number in numbers[begin - numbers.start :][:_BATCH]]
            values = self._entries.read_many(_ENTRY, names)
            found.extend(Revocation(**value) for value in values if value is not None)
        return found

    def _read_manifest(self) -> _Manifest | None:
        value = self._entries.read(SYNC, MANIFEST)
        return None if value is None else _Manifest(**value)
