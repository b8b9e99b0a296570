"""Keeps a process in sync with the fleet: one look at the store per interval finds what other processes changed.

A request that arrives when the last sync is older than the interval starts one and waits for it, so a change that was
posted an interval ago is known to every process that answers. While the store is unavailable nobody waits, and what is
known stays in force.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.single_flight import Call, SingleFlight
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import Head, StoreError

logger: logging.Logger = logging.getLogger("auth0_blueprint")

FIRST_MAX_WAIT_SECONDS = 3.0
MAX_WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
FAILURE_COUNTS_SECONDS = 5.0

_NOTICE = "notice"

#: What is left to do after a sync, when nobody waits any more.
FollowUp = Callable[[], None]
#: Takes the value of a notice.
OnNotice = Callable[[Any], None]
#: Takes where the log stands, and returns what is left to do, if anything.
OnHead = Callable[[Head | None], FollowUp | None]


class FleetSync:
    """Reads what other processes posted, and hands it to the subscribers.

    Args:
        store: the store of the fleet.
        signer: signs the notices.
        interval_seconds: how old the last sync may be; 0 makes every request sync.
        clock: tells the time.
        single_flight: runs the syncs in the background.
    """

    def __init__(
        self,
        store: SharedStore,
        signer: EntrySigner,
        *,
        interval_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
        single_flight: SingleFlight | None = None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._interval_seconds = interval_seconds
        self._monotonic = clock.monotonic
        self._single_flight = SingleFlight(name="fleet_sync") if single_flight is None else single_flight
        self._on_notice: dict[str, OnNotice] = {}
        self._on_head: OnHead | None = None
        self._listeners: list[Callable[[bool], object]] = []
        self._synced_at = self._next_sync_at = -math.inf
        self._retry_at = -math.inf
        #: Whether the last sync failed, and why if the store failed it: the code of a `StoreError`.
        self.is_failing: bool = False
        self.failure_code: str | None = None

    def subscribe(self, name: str, on_notice: OnNotice) -> None:
        """Call *on_notice* at each sync with the value posted as *name*, or ``None``."""
        # A new dict: a sync may be under way.
        self._on_notice = {**self._on_notice, name: on_notice}

    def unsubscribe(self, name: str) -> None:
        """Call nobody any more for what is posted as *name*."""
        self._on_notice = {known: on_notice for known, on_notice in self._on_notice.items() if known != name}

    def follow_log(self, on_head: OnHead) -> None:
        """Call *on_head* at each sync with where the log stands. If it raises `StoreError`, the sync has failed."""
        self._on_head = on_head

    def subscribe_to_outcomes(self, listener: Callable[[bool], object]) -> None:
        """Call *listener* after each sync with whether it succeeded."""
        self._listeners.append(listener)

    def read(self, name: str) -> Any:
        """Return the value posted as *name* right now, or ``None``.

        Raises:
            StoreError: it cannot be read.
        """
        _, (value,) = self._look([name])
        return value

    def post(self, name: str, value: dict[str, Any]) -> None:
        """Post *value* as *name*, for the next sync of every process.

        Raises:
            StoreError: it may not have been stored.
        """
        if self._store.reach() != "process":
            text = self._signer.sign(_NOTICE, name, value)
            self._store.write(lambda store: store.post(name, text))

    @property
    def age_seconds(self) -> float:
        """The age of the last successful sync; infinite if there was none."""
        return self._monotonic() - self._synced_at

    def sync_if_due(self) -> None:
        """Sync unless the last sync is younger than the interval; no error if the store is unavailable."""
        now = self._monotonic()
        if now >= self._next_sync_at:
            self._sync_after(now - self._interval_seconds)

    def sync_now(self) -> bool:
        """Sync, also if the last sync is younger than the interval; tell whether what was posted by now is known."""
        moment = self._monotonic()
        self._sync_after(moment)
        return self._synced_at >= moment and not self.is_failing

    def _sync_after(self, moment: float) -> None:
        def may_sync() -> bool:
            # Another thread may have synced since we asked: one sync is enough for all.
            return self._synced_at <= moment and self._monotonic() >= self._retry_at

        if self.is_failing and self._monotonic() < self._retry_at + FAILURE_COUNTS_SECONDS:
            # While syncs fail nobody waits for one; but the first request after a quiet time finds out.
            self._single_flight.join_or_start(self._sync, may_sync)
        else:
            # A sync that is under way may have started too early for us.
            max_wait_seconds = FIRST_MAX_WAIT_SECONDS if math.isinf(self._synced_at) else MAX_WAIT_SECONDS
            self._single_flight.join_then_start(self._sync, may_sync, max_wait_seconds)

    def _sync(self, call: Call) -> None:
        has_worked = self._try_to_sync(call)
        for listener in self._listeners:
            listener(has_worked)

    def _try_to_sync(self, call: Call) -> bool:
        started_at = self._monotonic()
        try:
            follow_up = self._notify_subscribers()
            self._synced_at, self._next_sync_at = started_at, started_at + self._interval_seconds
            self.is_failing = False
            self._single_flight.complete(call)
            if follow_up is not None:
                follow_up()
        except Exception as exc:
            self.failure_code = exc.code if isinstance(exc, StoreError) else None
            if self.failure_code is None:
                logger.exception("unexpected error while syncing with other processes")
            self._retry_at = self._monotonic() + RETRY_SECONDS
            self.is_failing = True
            return False
        return True

    def _notify_subscribers(self) -> FollowUp | None:
        subscribed = self._on_notice
        head, values = self._look(list(subscribed))
        for on_notice, value in zip(subscribed.values(), values, strict=True):
            on_notice(value)
        return None if self._on_head is None else self._on_head(head)

    def _look(self, names: list[str]) -> tuple[Head | None, list[Any]]:
        if self._store.reach() == "process":
            return None, [None] * len(names)
        head, texts = self._store.read(lambda store: store.look(names))
        return head, [self._signer.verify(_NOTICE, name, text) for name, text in zip(names, texts, strict=True)]
