"""The key sets of an app whose issuers are found at run time: one for each issuer that a function of its own accepts.

The function is asked before anything is looked up, so that an issuer it does not know costs no fetch and no key set.
The number of key sets is bounded: the least recently used makes room. Anyone can make up tokens of a known issuer, so
key sets that have proven no token yet push out those that have only up to a quarter of the places, and then one
another. Reading takes no lock.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import InvalidClaimsError
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.issuer_identifier import is_issuer_identifier
from auth0_blueprint.keysets.shared_copy import refreshed
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.sharing.fleet_sync import FleetSync

#: For how long a negative answer is remembered, and how many.
REFUSED_SECONDS, MAX_REFUSED = 1.0, 1024

_only_issuer: ContextVar[str | None] = ContextVar("auth0_blueprint_only_issuer", default=None)


@contextmanager
def limited_to(issuer: str | None) -> Iterator[None]:
    """Accept no other issuer in this block, whatever the function says; ``None`` limits nothing."""
    limit = _only_issuer.set(issuer)
    try:
        yield
    finally:
        _only_issuer.reset(limit)


class _NoKeys:
    """The keys of a key set that made room for another: no generation that a token was proven with."""

    generation = -1


_NO_KEYS = _NoKeys()


class LiveKeys:
    """The keys of one issuer, as long as it is in the directory; whoever is using them then may finish."""

    __slots__ = ("is_retired", "source", "used_at")

    def __init__(self, source: KeySource) -> None:
        self.source: KeySource = source
        #: When a token that was proven with them was last accepted; ``None``: none was so far.
        self.used_at: float | None = None
        self.is_retired: bool = False

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the key, as `KeySource.key_for` does."""
        return self.source.key_for(key_id, algorithm)

    def cached_key(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the key, as `KeySource.cached_key` does."""
        return self.source.cached_key(key_id, algorithm)

    def snapshot(self) -> Snapshot | _NoKeys:
        """Return the keys that a remembered token depends on: none once they made room, so it is proven anew.

        The fleet tells only key sets in the directory of a refresh that an operator ordered.
        """
        return _NO_KEYS if self.is_retired else self.source.snapshot()


class LiveSources(Mapping[str, KeySource]):
    """The key sets that are in a directory now. What it iterates over does not change meanwhile."""

    def __init__(self, directory: IssuerDirectory) -> None:
        self._directory = directory

    def __getitem__(self, issuer: str) -> KeySource:
        return self._directory.live[issuer].source

    def __iter__(self) -> Iterator[str]:
        return iter(self._directory.live)

    def __len__(self) -> int:
        return len(self._directory.live)

    def items(self) -> ItemsView[str, KeySource]:
        """Return issuers and key sets of one moment."""
        return {issuer: keys.source for issuer, keys in self._directory.live.items()}.items()

    def values(self) -> ValuesView[KeySource]:
        """Return the key sets of one moment."""
        return dict(self.items()).values()


class IssuerDirectory:
    """The issuers that are accepted, each with its keys.

    Args:
        is_ours: asks the function of the app about an issuer, for the request under way.
        circumstances: returns a digest of what its answer may depend on, the issuer included.
        make: makes the key set of an issuer; opens nothing.
        max_issuers: how many key sets are kept.
        fleet_sync: tells key sets of a refresh that another process ordered.
        clock: tells the time.

    Attributes:
        live: the key sets that are kept. Replaced by another dict when it changes.
        sources: the same, for whoever only looks.
    """

    def __init__(
        self,
        is_ours: Callable[[str], bool],
        *,
        circumstances: Callable[[str], bytes],
        make: Callable[[str], KeySource],
        max_issuers: int,
        fleet_sync: FleetSync,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._is_ours = is_ours
        self._circumstances = circumstances
        self._make = make
        self._max_issuers = max_issuers
        self._fleet_sync = fleet_sync
        self._monotonic = clock.monotonic
        self.live: dict[str, LiveKeys] = {}
        self.sources: LiveSources = LiveSources(self)
        self._refused: dict[bytes, float] = {}
        self._lock = ProcessLock()

    def get(self, issuer: str) -> LiveKeys | None:
        """Return the keys of *issuer*, which is unverified; ``None`` if it is not one of ours.

        Raises:
            KeySetUnavailableError: the function failed.
        """
        keys = self.live.get(issuer)
        if not self._is_accepted(issuer, is_live=keys is not None):
            return None
        return self._added(issuer) if keys is None else keys

    def check(self, issuer: str) -> None:
        """Refuse a token of *issuer* that was proven, or remembered, if it is not one of ours now.

        The answer may depend on the request, and may change: a tenant was removed.

        Raises:
            InvalidClaimsError: it is not.
            KeySetUnavailableError: the function failed.
        """
        keys = self.live.get(issuer)
        if not self._is_accepted(issuer, is_live=keys is not None):
            raise InvalidClaimsError("issuer")
        if keys is not None:
            keys.used_at = self._monotonic()  # here alone: tokens that anyone can make up are no use of it

    def _is_accepted(self, issuer: str, *, is_live: bool) -> bool:
        if _only_issuer.get() not in (None, issuer):
            return False
        if is_live:
            return self._is_ours(issuer)
        if not is_issuer_identifier(issuer):
            return False
        # Only for issuers that nobody uses here: else whoever sends one where it does not belong would remember it
        # as refused for those who do belong.
        circumstances = self._circumstances(issuer)
        if self._monotonic() < self._refused.get(circumstances, 0.0):
            return False
        if self._is_ours(issuer):
            return True
        self._remember_refused(circumstances)
        return False

    def _remember_refused(self, circumstances: bytes) -> None:
        with self._lock():
            self._refused.pop(circumstances, None)
            self._refused[circumstances] = self._monotonic() + REFUSED_SECONDS
            while len(self._refused) > MAX_REFUSED:
                del self._refused[next(iter(self._refused))]

    def _added(self, issuer: str) -> LiveKeys:
        with self._lock():
            known = self.live.get(issuer)
            if known is not None:
                return known
            live = dict(self.live)
            while len(live) >= self._max_issuers:
                self._retire(live)
            keys = live[issuer] = LiveKeys(self._make(issuer))
            self._fleet_sync.subscribe(refreshed(issuer), keys.source.on_ordered_refresh)
            self.live = live
            return keys

    def _retire(self, live: dict[str, LiveKeys]) -> None:
        used_at = {issuer: keys.used_at for issuer, keys in live.items()}  # of one moment: requests write it
        unproven = [issuer for issuer, moment in used_at.items() if moment is None]
        is_their_turn = len(unproven) >= max(1, self._max_issuers // 4)
        proven = {issuer: moment for issuer, moment in used_at.items() if moment is not None}
        issuer = unproven[0] if is_their_turn or not proven else min(proven, key=proven.__getitem__)
        live.pop(issuer).is_retired = True
        self._fleet_sync.unsubscribe(refreshed(issuer))
