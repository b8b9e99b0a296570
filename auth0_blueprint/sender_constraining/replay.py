"""Remembers used DPoP proofs, so that none is accepted twice (RFC 9449 §11.1).

A process remembers each proof until it is too old to be accepted anyway. Where processes share a store, the proof is
taken there as well: of several processes that take it, only one succeeds.
"""

from __future__ import annotations

import heapq
import math
import secrets

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import InvalidProofError, ReplayMemoryUnavailableError
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import StoreError

#: 30 MB: enough for 750 requests per second while each proof is remembered.
MAX_PROOFS = 250_000
#: How much longer than necessary a proof is remembered: another machine's clock may be behind, or ours may be set back.
MARGIN_SECONDS = 30


class ReplayMemory:
    """The used proofs that one process knows.

    Args:
        store: the store that processes share.
        is_denying: whether to reject proofs while the store is unavailable, instead of deciding by what this process
            knows.
        max_proofs: how many to remember here. Beyond that only the store decides, and without one a proof is rejected:
            none is forgotten to make room for another.
        clock: tells the time.
    """

    def __init__(
        self,
        store: SharedStore,
        *,
        is_denying: bool,
        max_proofs: int = MAX_PROOFS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._store = store
        self._is_denying = is_denying
        self._max_proofs = max_proofs
        self._clock = clock
        self._used: set[bytes] = set()
        # Proofs that expire in the same second are forgotten together; a heap of these seconds avoids any search.
        self._ending_in: dict[int, list[bytes]] = {}
        self._seconds: list[int] = []
        self._lock = ProcessLock()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, proof: bytes, acceptable_until: float) -> None:
        """Mark *proof* as used, also if it is then rejected: a client makes a new one per request (RFC 9449 §4).

        Args:
            proof: a digest that identifies it.
            acceptable_until: when it becomes too old, in Unix time.

        Raises:
            InvalidProofError: it was used before.
            ReplayMemoryUnavailableError: whether it was used before is unknown, or it cannot be remembered.
        """
        now = self._clock.time()
        forget_at = math.ceil(acceptable_until) + MARGIN_SECONDS
        is_remembered = self._remember(proof, now, forget_at)
        if self._store.reach() != "process":
            # Of its own for each attempt: a client that sends the command again recognises its own success.
            attempt, seconds = secrets.token_hex(8), forget_at - math.floor(now)
            try:
                is_first_use = self._store.write(lambda store: store.take(f"proof:{proof.hex()}", attempt, seconds))
            except StoreError as exc:
                if self._is_denying:
                    raise ReplayMemoryUnavailableError("out_of_touch") from exc
            else:
                if not is_first_use:
                    raise InvalidProofError("replayed")
                return
        if not is_remembered:
            raise ReplayMemoryUnavailableError("full")

    def _remember(self, proof: bytes, now: float, forget_at: int) -> bool:
        """Remember *proof* if there is room; return whether there was.

        Raises:
            InvalidProofError: it is remembered already.
        """
        with self._lock():
            while self._seconds and self._seconds[0] <= now:
                self._used.difference_update(self._ending_in.pop(heapq.heappop(self._seconds)))
            if proof in self._used:
                raise InvalidProofError("replayed")
            if len(self._used) >= self._max_proofs:
                return False
            if forget_at not in self._ending_in:
                self._ending_in[forget_at] = []
                heapq.heappush(self._seconds, forget_at)
            self._ending_in[forget_at].append(proof)
            self._used.add(proof)
            return True
