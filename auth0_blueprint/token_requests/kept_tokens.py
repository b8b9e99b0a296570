"""The issued tokens that this process keeps, until shortly before they expire."""

from __future__ import annotations

from typing import NamedTuple

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import Clock, Moment
from auth0_blueprint.token_requests.issued_token import IssuedToken

#: How many, at most. Each takes about as much memory as its text.
MAX_KEPT = 1024
# A token that is handed out must last until the other API has checked it.
_MARGIN, _MAX_MARGIN_SECONDS = 0.1, 60.0
_SWEEP_SECONDS = 60.0


def keep_seconds(lifetime_seconds: float) -> float:
    """Return how long a token with this lifetime is handed out: 10 % less, and at most a minute."""
    return lifetime_seconds - min(_MARGIN * lifetime_seconds, _MAX_MARGIN_SECONDS)


class KeptToken(NamedTuple):
    """A token, and how long it may be handed out.

    Attributes:
        token: what was issued.
        obtained_at: when it was asked for, in Unix time.
        until: when it is no longer handed out.
    """

    token: IssuedToken
    obtained_at: float
    until: Moment

    def __repr__(self) -> str:
        return "<KeptToken>"


class KeptTokens:
    """At most *size* tokens by the names of their requests; the least recently used goes first."""

    def __init__(self, clock: Clock, size: int = MAX_KEPT) -> None:
        self._clock = clock
        self._size = size
        self._tokens: dict[str, KeptToken] = {}
        self._next_sweep = Moment()
        self._lock = ProcessLock()

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, name: str) -> KeptToken | None:
        """Return what is kept under *name*, unless it is about to expire."""
        with self._lock():
            kept = self._tokens.pop(name, None)
            if kept is None or self._is_over(kept):
                return None
            self._tokens[name] = kept  # the last one now
            return kept

    def keep(self, name: str, kept: KeptToken) -> None:
        """Keep *kept* under *name*; drop what is about to expire, and what is too much."""
        with self._lock():
            if self._clock.seconds_since(self._next_sweep) >= 0:
                self._next_sweep = self._clock.moment(_SWEEP_SECONDS)
                self._tokens = {name: one for name, one in self._tokens.items() if not self._is_over(one)}
            self._tokens.pop(name, None)
            self._tokens[name] = kept
            while len(self._tokens) > self._size:
                del self._tokens[next(iter(self._tokens))]

    def forget(self, name: str) -> None:
        """Drop what is kept under *name*."""
        with self._lock():
            self._tokens.pop(name, None)

    def _is_over(self, kept: KeptToken) -> bool:
        return self._clock.seconds_since(kept.until) >= 0
