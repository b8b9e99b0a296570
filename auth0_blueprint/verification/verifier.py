"""Token text to `AccessToken`, or a refusal: what makes a token valid, cheapest check first.

0. an encrypted token is decrypted (`encryption`), and the one inside goes on
1. size, shape, strict JSON (`jws`)                          no key is looked up before 3 is done
2. algorithm, key id, header extensions, type (`header`)
3. the issuer it claims to be from
4. the key (`keysets.source`, or `secret_keys`), 5. the signature
6. the claims (`claims`)

What may still refuse a proven token, such as a revocation or a binding, is the rest of the `sequence`. A token that has
passed before is remembered (`token_cache`): 0 to 3, 5 and the unchanging part of 6 are then decided; the key set and
the times are checked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import (
    ExpiredTokenError,
    InvalidClaimsError,
    InvalidSignatureError,
    TokenNotYetValidError,
)
from auth0_blueprint.jose import jws
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.claims import ClaimsChecker, times_of
from auth0_blueprint.verification.encryption import open_token
from auth0_blueprint.verification.header import algorithms_named, check_header
from auth0_blueprint.verification.token_cache import RememberedToken, TokenCache, digest_of

#: How many JOSE headers are remembered. An issuer has one for each of its keys.
MAX_KNOWN_HEADERS = 64

# RFC 7515 §4.1.9: a type without a slash is short for the one below ``application/``.
_JWT = frozenset({"jwt", "application/jwt"})
_AT_JWT = frozenset({"at+jwt", "application/at+jwt"})
_TYPES_OF_PROFILE = {
    "any": _JWT | _AT_JWT | {None},
    "auth0": _JWT,
    "rfc9068": _AT_JWT,
}


class Keys(Protocol):
    """The keys of one issuer, as they are at one moment."""

    @property
    def generation(self) -> int:
        """Rises when key material changes: a remembered token is proven again then."""
        ...


class KeyFinder(Protocol):
    """Where the verification keys of one issuer come from."""

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the key; may wait for a fetch, within the usual limits."""
        ...

    def cached_key(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the key if it is cached; never waits."""
        ...

    def snapshot(self) -> Keys:
        """Return the keys that `key_for` would search; may wait for a fetch, within the usual limits."""
        ...


class KeyFinders(Protocol):
    """The issuers whose tokens are accepted, each with its own keys: a mapping, or what answers as one does."""

    def get(self, issuer: str, /) -> KeyFinder | None:
        """Return the keys of *issuer*; ``None`` if its tokens are not accepted."""
        ...


class _KnownHeader(NamedTuple):
    header: dict[str, Any]
    algorithm: Algorithm


class Verifier:
    """Verifies access tokens for one API.

    Args:
        settings: what is accepted.
        keys: the issuers whose tokens are accepted, each with its own keys.
        clock: tells the time.
        remembered: the tokens that have passed before.
        sync_if_due: fetches what other processes have changed, before a decision depends on it.
        on_remembered: called when a token was remembered, so not proven again.
        on_proven: called when a token was not remembered, so proven.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyFinders,
        *,
        clock: Clock = SYSTEM_CLOCK,
        remembered: TokenCache | None = None,
        sync_if_due: Callable[[], None] = lambda: None,
        on_remembered: Callable[[], object] = lambda: None,
        on_proven: Callable[[], object] = lambda: None,
    ) -> None:
        self._keys = keys
        self._remembered = TokenCache(0) if remembered is None else remembered
        self._find = self._remembered.find
        self._known_headers: dict[bytes, _KnownHeader] = {}
        self._sync_if_due = sync_if_due
        self._on_remembered = on_remembered
        self._on_proven = on_proven
        self._time = clock.time
        self._max_bytes = settings.max_token_bytes
        self._encryption = settings.encryption
        self._algorithms = algorithms_named(settings.algorithms)
        self._types = _TYPES_OF_PROFILE[settings.token_profile]
        self._check_claims = ClaimsChecker(settings).check
        self._leeway_seconds = settings.leeway_seconds
        self._max_lifetime_seconds = settings.max_token_lifetime_seconds

    def prove(self, token: str, *, cached_only: bool = False) -> AccessToken:
        """Prove that a trusted issuer issued *token* for this API, and that it has not expired; nothing more.

        Args:
            token: the compact serialization, as received.
            cached_only: use only cached keys: cause no fetch and wait for none.

        Raises:
            InvalidTokenError: it is not acceptable; the subclass says why.
            KeySetUnavailableError: it cannot be decided now.
        """
        text = token.encode("utf-8", "surrogatepass")  # the encoding of any other text is not a valid token either
        if cached_only or len(text) > self._max_bytes:
            return self._prove_anew(text, cached_only=cached_only).access_token
        digest = digest_of(text)
        known = self._find(digest)
        if known is not None:
            self._sync_if_due()
            if known.generation == known.keys.snapshot().generation:
                try:
                    self._check_time(known)
                except ExpiredTokenError:
                    self._remembered.forget(digest)
                    raise
                self._on_remembered()
                return known.access_token
        known = self._prove_anew(text, digest)
        self._remembered.remember(digest, known, self._time() - self._leeway_seconds)
        self._on_proven()
        return known.access_token

    def _prove_anew(self, token: bytes, digest: bytes = b"", *, cached_only: bool = False) -> RememberedToken:
        opened = open_token(token, self._max_bytes, self._encryption) if self._encryption.keys else None
        if opened is not None:
            token, digest = opened.inner, b""
        header_segment = token.partition(b".")[0]
        known = self._known_headers.get(header_segment)
        unverified = jws.parse(token, self._max_bytes, known.header if known else None)
        algorithm = known.algorithm if known else check_header(unverified.header, self._algorithms, self._types)
        if opened is not None:
            opened.check_repeated(unverified.claims)
        # The unverified issuer only decides whether to look for a key, and in which issuer's key set.
        issuer = unverified.claims.get("iss")
        keys = self._keys.get(issuer) if isinstance(issuer, str) else None
        if keys is None:
            raise InvalidClaimsError("issuer")
        if not cached_only:
            self._sync_if_due()
        find_key = keys.cached_key if cached_only else keys.key_for
        found = find_key(unverified.header.get("kid"), algorithm)
        if not algorithm.verify(unverified.signing_input, found.key.material, unverified.signature):
            raise InvalidSignatureError
        # Only now, so that nobody but the issuer can decide what is remembered.
        if known is None:
            self._remember_header(header_segment, _KnownHeader(unverified.header, algorithm))
        signing_digest = None if opened is None else hashlib.sha256(unverified.signing_input).hexdigest()
        access_token = self._check_claims(
            unverified.claims, unverified.header, digest or digest_of(token), signing_digest
        )
        proven = RememberedToken(access_token, *times_of(unverified.claims), found.generation, keys)
        self._check_time(proven)
        if proven.expires_at - proven.issued_at > self._max_lifetime_seconds:
            raise InvalidClaimsError("lifetime")
        return proven

    def _remember_header(self, segment: bytes, header: _KnownHeader) -> None:
        if len(self._known_headers) >= MAX_KNOWN_HEADERS:
            self._known_headers.clear()
        self._known_headers[segment] = header

    def _check_time(self, token: RememberedToken) -> None:
        now, leeway = self._time(), self._leeway_seconds
        if token.expires_at <= now - leeway:
            raise ExpiredTokenError
        if token.not_before > now + leeway:
            raise TokenNotYetValidError("nbf")
        if token.issued_at > now + leeway:
            raise TokenNotYetValidError("iat")
