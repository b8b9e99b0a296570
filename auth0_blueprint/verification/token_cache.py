"""Verified tokens of this process: what was proven of a token once need not be proven again.

Kept is only what stays true of a text that was good once: its claims, and under which key set its signature was. All
that can change is asked again at each use, by the verifier: the key set, the time, revocation, and what the token is
bound to. A cache belongs to one verifier, whose settings never change; refusals are not remembered, as there is no end
of them, and the tokens themselves are not kept.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth0_blueprint.concurrency.after_fork import reset_in_children
from auth0_blueprint.verification.access_token import AccessToken

SWEEP_SECONDS = 60.0


class KeySet(Protocol):
    """The key set of one issuer, as far as a remembered token asks for it."""

    @property
    def generation(self) -> int:
        """Rises when key material changes; the number says nothing to another issuer."""
        ...


class KeySetKeeper(Protocol):
    """Who keeps the key set of one issuer current."""

    def snapshot(self) -> KeySet:
        """Return the key set, however long that reasonably takes."""
        ...


@dataclass(slots=True)  # frozen ones take five times as long to make
class RememberedToken:
    """What was proven of a token. Never changed.

    Attributes:
        access_token: its claims; immutable, so that all requests may share them.
        issued_at, not_before, expires_at: when they hold, in Unix time.
        generation: the generation of the key set under which the signature was good.
        keys: who keeps that key set, its issuer's, current.
    """

    access_token: AccessToken
    issued_at: float
    not_before: float
    expires_at: float
    generation: int
    keys: KeySetKeeper


def digest_of(token: bytes) -> bytes:
    """Return what a token is remembered by: the BLAKE2b-512 (RFC 7693) of its whole text, signature included."""
    # Inside a request twice as fast as SHA-256, which Python has OpenSSL look up each time.
    return hashlib.blake2b(token).digest()


class TokenCache:
    """At most *size* remembered tokens, of which the oldest goes first. Looking one up takes no lock.

    Args:
        size: ``AUTH0_TOKEN_CACHE_SIZE``; 0 remembers nothing.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._tokens: dict[bytes, RememberedToken] = {}
        #: Returns what is remembered under a digest, or ``None``.
        self.find: Callable[[bytes], RememberedToken | None] = self._tokens.get
        self._swept_at = math.inf
        self._lock = threading.Lock()
        reset_in_children(self)

    def __len__(self) -> int:
        return len(self._tokens)

    def remember(self, digest: bytes, token: RememberedToken, oldest_expiry: float) -> None:
        """Remember *token*; forget those that expired before *oldest_expiry* (Unix time), and what is too much."""
        with self._lock:
            if abs(oldest_expiry - self._swept_at) >= SWEEP_SECONDS:  # either way: clocks are set back as well
                self._swept_at = oldest_expiry
                for known, remembered in list(self._tokens.items()):
                    if remembered.expires_at <= oldest_expiry:
                        self._tokens.pop(known, None)
            self._tokens[digest] = token
            while len(self._tokens) > self._size:
                del self._tokens[next(iter(self._tokens))]

    def forget(self, digest: bytes) -> None:
        """Forget the token of *digest*, if it is remembered."""
        with self._lock:
            self._tokens.pop(digest, None)

    def purge(self) -> None:
        """Forget all."""
        with self._lock:
            self._tokens.clear()

    def reset_after_fork(self) -> None:
        """Have a lock of this process's own; what the parent process has proven is as true here."""
        self._lock = threading.Lock()
