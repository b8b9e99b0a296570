"""The issued tokens that this process keeps, until shortly before they expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import Clock, Moment
from auth0_blueprint.token_requests.issued_token import IssuedToken
from auth0_blueprint.token_requests.token_request import Subject

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
        subject: on whose behalf it was issued; ``None`` for the API itself.
    """

    token: IssuedToken
    obtained_at: float
    until: Moment
    subject: Subject | None = None

    def __repr__(self) -> str:
        return "<KeptToken>"


class KeptTokens:
    """Tokens by the names of their requests; the least recently used goes first.

    Args:
        clock: tells the time.
        may_use: tells whether a token may still be handed out, if asked for by its subject.
        size: how many, at most.
    """

    def __init__(self, clock: Clock, may_use: Callable[[KeptToken], bool], size: int = MAX_KEPT) -> None:
        self._clock = clock
        self._may_use = may_use
        self._size = size
        self._tokens: dict[str, KeptToken] = {}
        self._next_sweep = Moment()
        self._lock = ProcessLock()

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, name: str) -> KeptToken | None:
        """Return what is kept under *name*, unless it is about to expire, or may not be used any more."""
        with self._lock():
            kept = self._tokens.pop(name, None)
            if kept is None or self._is_over(kept):
                return None
            self._tokens[name] = kept  # the last one now
            return kept

    def keep(self, name: str, kept: KeptToken) -> None:
        """Keep *kept* under *name*; drop what is too much and, now and then, what is over."""
        with self._lock():
            if self._clock.seconds_since(self._next_sweep) >= 0:
                self._next_sweep = self._clock.moment(_SWEEP_SECONDS)
                self._tokens = {name: one for name, one in self._tokens.items() if not self._is_over(one)}
            self._tokens.pop(name, None)
            self._tokens[name] = kept
            while len(self._tokens) > self._size:
                del self._tokens[next(iter(self._tokens))]

    def _is_over(self, kept: KeptToken) -> bool:
        return self._clock.seconds_since(kept.until) >= 0 or not self._may_use(kept)
