"""The proofs that were used, each of which is good once (RFC 9449 §11.1).

A process remembers those that it has seen until they are too old to be accepted anyway. Where the shared cache reaches
the fleet, each one is added there as well: ``add`` on Redis says to one only that there was none.

A cache of another kind is not asked. On a file system two who add at the same moment are both told that they have, an
entry stays in the way after it has expired, and when there are too many files, which is after some hours of any load,
those that expire first are thrown away, in use or not.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Callable

from auth0_blueprint.concurrency.after_fork import reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import InvalidProofError, ReplayMemoryUnavailableError
from auth0_blueprint.sharing.signed_cache import SignedCache

#: 30 MB, and 750 requests a second for as long as each proof is remembered.
MAX_PROOFS = 250_000
#: How much longer they are remembered than our own clock says: that of another machine may be behind, or ours set back.
MARGIN_SECONDS = 30

_PROOF = "proof"


class ReplayMemory:
    """The used proofs that one process knows of.

    Args:
        entries: what the fleet shares.
        reach: tells who shares it: ``process`` (nobody), ``machine`` or ``fleet``.
        is_denying: whether a proof is refused while the cache is away, rather than judged by what this process knows.
        max_proofs: how many are remembered here. Beyond that the fleet decides alone, and without a fleet a proof is
            refused: none is forgotten for another.
        clock: tells the time.
    """

    def __init__(
        self,
        entries: SignedCache,
        *,
        reach: Callable[[], str],
        is_denying: bool,
        max_proofs: int = MAX_PROOFS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._entries = entries
        self._reach = reach
        self._is_denying = is_denying
        self._max_proofs = max_proofs
        self._clock = clock
        self._used: set[bytes] = set()
        # What ends in one second is let go of together; the seconds are a heap, so that nothing is ever searched for.
        self._ending_in: dict[int, list[bytes]] = {}
        self._seconds: list[int] = []
        self._lock = threading.Lock()
        reset_in_children(self)

    def __len__(self) -> int:
        return len(self._used)

    def use(self, proof: bytes, acceptable_until: float) -> None:
        """Use *proof* up.

        It is used up also if it is then refused: a client makes a new one for each request (RFC 9449 §4).

        Args:
            proof: a digest of what makes it this one.
            acceptable_until: when it is too old, in Unix time.

        Raises:
            InvalidProofError: it was used before.
            ReplayMemoryUnavailableError: that cannot be told, or not be remembered.
        """
        now = self._clock.time()
        forget_at = math.ceil(acceptable_until) + MARGIN_SECONDS
        is_remembered = self._remember(proof, now, forget_at)
        if self._reach() == "fleet":
            if not self._entries.add(_PROOF, {}, forget_at - math.floor(now), name=proof.hex()):
                raise InvalidProofError("replayed")
            if not self._entries.is_away:
                return
            if self._is_denying:
                raise ReplayMemoryUnavailableError("out_of_touch")
        if not is_remembered:
            raise ReplayMemoryUnavailableError("full")

    def reset_after_fork(self) -> None:
        """Replace the lock, which a fork may have copied while it was held."""
        self._lock = threading.Lock()

    def _remember(self, proof: bytes, now: float, forget_at: int) -> bool:
        """Remember *proof*, unless there is no room; tell whether there was."""
        with self._lock:
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
