"""The verified tokens of this process: what was proven about a token need not be proven again.

An entry holds only what stays true of a verified token: its claims, and the key set that verified its signature. The
verifier checks everything that can change at each use: the key set, the time, revocation, and what the token is bound
to. A cache belongs to one verifier, whose settings never change. Refusals are not remembered, as their number is
unlimited, and the tokens themselves are not kept.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.verification.access_token import AccessToken

SWEEP_SECONDS = 60.0

_SHA256 = hashlib.sha256()


class KeySet(Protocol):
    """The key set of one issuer, as far as a remembered token depends on it."""

    @property
    def generation(self) -> int:
        """Rises when key material changes; not comparable between issuers."""
        ...


class KeySetKeeper(Protocol):
    """Keeps the key set of one issuer current."""

    def snapshot(self) -> KeySet:
        """Return the key set; may wait within the usual limits."""
        ...


@dataclass(slots=True)  # frozen ones take five times as long to create
class RememberedToken:
    """What was proven about a token. Never changed.

    Attributes:
        access_token: its claims; immutable, so that all requests can share them.
        issued_at, not_before, expires_at: when it is valid, in Unix time.
        generation: the generation of the key set that verified the signature.
        keys: the keeper of that key set, which is its issuer's.
    """

    access_token: AccessToken
    issued_at: float
    not_before: float
    expires_at: float
    generation: int
    keys: KeySetKeeper


def digest_of(token: bytes) -> bytes:
    """Return the key under which a token is remembered: SHA-256 (FIPS 180-4) of its text, signature included."""
    digest = _SHA256.copy()  # a new one would have OpenSSL look the algorithm up
    digest.update(token)
    return digest.digest()


class TokenCache:
    """Remembers at most *size* tokens, and drops the oldest first. Lookups take no lock.

    Args:
        size: ``AUTH0_TOKEN_CACHE_SIZE``; 0 remembers nothing.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        # A plain dict would look for its oldest entry behind the places of all that were dropped before.
        self._tokens: OrderedDict[bytes, RememberedToken] = OrderedDict()
        #: Returns the token remembered under a digest, or ``None``.
        self.find: Callable[[bytes], RememberedToken | None] = self._tokens.get
        self._swept_at = math.inf
        self._lock = ProcessLock()

    def __len__(self) -> int:
        return len(self._tokens)

    def remember(self, digest: bytes, token: RememberedToken, oldest_expiry: float) -> None:
        """Remember *token*; forget those that expired before *oldest_expiry* (Unix time), and any beyond the size."""
        tokens = self._tokens
        with self._lock():
            if abs(oldest_expiry - self._swept_at) >= SWEEP_SECONDS:  # in both directions: clocks are also set back
                self._swept_at = oldest_expiry
                for known, remembered in list(tokens.items()):
                    if remembered.expires_at <= oldest_expiry:
                        tokens.pop(known, None)
            tokens[digest] = token
            while len(tokens) > self._size:
                tokens.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        """Forget the token with *digest*, if it is remembered."""
        with self._lock():
            self._tokens.pop(digest, None)

    def purge(self) -> None:
        """Forget all tokens."""
        with self._lock():
            self._tokens.clear()
