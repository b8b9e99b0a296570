"""Token text to `AccessToken`, or a refusal: what makes a token valid, cheapest check first.

1. size, shape, strict JSON (`jws`)                          no key is looked for before 3 is done
2. algorithm, key id, header extensions, type
3. the issuer it claims to be from
4. the key (`keysets.source`), 5. the signature
6. the claims (RFC 7519 §4.1, RFC 9068 §4)
7. whether it is withdrawn (`revocation`)
8. what it is bound to

A token that has passed before is remembered (`token_cache`): then 1 to 3, 5 and what can be said of the claims for good
have been decided; the key set, the times, 7 and 8 are asked again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from auth0_blueprint import jws
from auth0_blueprint.access_token import AccessToken, is_unix_time
from auth0_blueprint.algorithms import ALGORITHMS, Algorithm
from auth0_blueprint.errors import (
    BindingMismatchError,
    ExpiredTokenError,
    InvalidClaimsError,
    InvalidSignatureError,
    MalformedTokenError,
    TokenNotYetValidError,
    UnsupportedAlgorithmError,
)
from auth0_blueprint.keysets.key_set import is_key_id
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.settings import Settings
from auth0_blueprint.token_cache import Lifetime, RememberedToken, TokenCache, digest_of

#: How many JOSE headers are remembered. An issuer has one for each of its keys.
MAX_KNOWN_HEADERS = 64

_ACCESS_TOKEN_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_TYPES_OF_PROFILE = {
    "any": _ACCESS_TOKEN_TYPES | {None},
    "auth0": frozenset({"jwt"}),
    "rfc9068": frozenset({"at+jwt", "application/at+jwt"}),
}
_CLAIMS_OF_PROFILE = {"any": (), "auth0": ("azp",), "rfc9068": ("client_id", "jti")}
_IDENTIFIERS = ("jti", "client_id", "azp", "org_id")


class KeyFinder(Protocol):
    """Where verification keys come from."""

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the key, however long that reasonably takes."""
        ...

    def key_at_hand(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the key if it is known, without any wait."""
        ...

    def generation(self) -> int:
        """Return the generation of the key set in which `key_for` would look."""
        ...


class _KnownHeader(NamedTuple):
    header: dict[str, Any]
    algorithm: Algorithm


class Verifier:
    """Verifies the access tokens of one issuer for one API.

    Args:
        settings: what is accepted.
        keys: the issuer's keys.
        clock: Unix time.
        remembered: the tokens that have passed before.
        keep_up: learns what other processes have done, before anything is decided by it.
        refuse_revoked: raises for a token that is withdrawn; gets its text as well.
        on_remembered: told that a token did not have to be proven again.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyFinder,
        clock: Callable[[], float] = time.time,
        *,
        remembered: TokenCache | None = None,
        keep_up: Callable[[], None] = lambda: None,
        refuse_revoked: Callable[[AccessToken, str], None] = lambda _access_token, _token: None,
        on_remembered: Callable[[], None] = lambda: None,
    ) -> None:
        self._keys = keys
        self._remembered = TokenCache(0) if remembered is None else remembered
        self._known_headers: dict[str, _KnownHeader] = {}
        self._keep_up = keep_up
        self._refuse_revoked = refuse_revoked
        self._on_remembered = on_remembered
        self._clock = clock
        self._max_bytes = settings.max_token_bytes
        self._algorithms = {name: ALGORITHMS[name] for name in _with_both_names(settings.algorithms)}
        self._types = _TYPES_OF_PROFILE[settings.token_profile]
        self._issuer = settings.issuer
        self._audience = frozenset(settings.audience)
        self._organizations = frozenset(settings.organization)
        self._leeway_seconds = settings.leeway_seconds
        self._max_lifetime_seconds = settings.max_token_lifetime_seconds
        self._required_claims = (*_CLAIMS_OF_PROFILE[settings.token_profile], *settings.required_claims)

    def verify(self, token: str, *, at_hand_only: bool = False) -> AccessToken:
        """Prove *token* as a bearer token.

        Args:
            token: the compact serialization, as it came.
            at_hand_only: use only what is known already, cause no fetch and wait for none.

        Raises:
            InvalidTokenError: it is not acceptable; the subclass says why.
            UnavailableError: it cannot be decided now.
        """
        access_token = self.prove(token, at_hand_only=at_hand_only)
        self.check_not_revoked(access_token, token)
        if "cnf" in access_token:
            raise BindingMismatchError
        return access_token

    def check_not_revoked(self, access_token: AccessToken, token: str) -> None:
        """Refuse the *access_token* that *token* has proven to be, if it is withdrawn.

        Raises:
            RevokedTokenError: it is.
            RevocationUnavailableError: it cannot be decided now.
        """
        self._refuse_revoked(access_token, token)

    def prove(self, token: str, *, at_hand_only: bool = False) -> AccessToken:
        """Prove that the issuer has issued *token* for this API, and that it has not expired. No more than that.

        Raises:
            InvalidTokenError: it is not acceptable; the subclass says why.
            KeySetUnavailableError: it cannot be decided now.
        """
        if at_hand_only or len(token) > self._max_bytes:
            return self._prove_anew(token, at_hand_only=at_hand_only).access_token
        digest = digest_of(token)
        known = self._remembered.find(digest)
        if known is not None:
            self._keep_up()
            if known.generation == self._keys.generation():
                self._check_time_again(known.lifetime, digest)
                self._on_remembered()
                return known.access_token
        known = self._prove_anew(token)
        self._remembered.remember(digest, known, self._clock() - self._leeway_seconds)
        return known.access_token

    def _check_time_again(self, lifetime: Lifetime, digest: bytes) -> None:
        try:
            self._check_time(lifetime)
        except ExpiredTokenError:
            self._remembered.forget(digest)
            raise

    def _prove_anew(self, token: str, *, at_hand_only: bool = False) -> RememberedToken:
        header_segment = token.partition(".")[0]
        known = self._known_headers.get(header_segment)
        unverified = jws.parse(token, self._max_bytes, known.header if known else None)
        algorithm = known.algorithm if known else self._check_header(unverified.header)
        # The unverified issuer only decides whether looking for a key makes sense.
        if unverified.claims.get("iss") != self._issuer:
            raise InvalidClaimsError("issuer")
        if not at_hand_only:
            self._keep_up()
        find_key = self._keys.key_at_hand if at_hand_only else self._keys.key_for
        found = find_key(unverified.header.get("kid"), algorithm)
        if not algorithm.verify(unverified.signing_input, found.key.public_key, unverified.signature):
            raise InvalidSignatureError
        # Only now: nobody but the issuer decides what is remembered.
        if known is None:
            self._remember_header(header_segment, _KnownHeader(unverified.header, algorithm))
        access_token = self._check_claims(unverified.claims, unverified.header)
        lifetime = _lifetime(unverified.claims)
        self._check_time(lifetime)
        if lifetime.expires_at - lifetime.issued_at > self._max_lifetime_seconds:
            raise InvalidClaimsError("lifetime")
        return RememberedToken(access_token, lifetime, found.generation)

    def _remember_header(self, segment: str, header: _KnownHeader) -> None:
        if len(self._known_headers) >= MAX_KNOWN_HEADERS:
            self._known_headers.clear()
        self._known_headers[segment] = header

    def _check_header(self, header: dict[str, Any]) -> Algorithm:
        name = header.get("alg")
        algorithm = self._algorithms.get(name) if isinstance(name, str) else None
        if algorithm is None:
            raise UnsupportedAlgorithmError
        if "kid" in header and not is_key_id(header["kid"]):
            raise MalformedTokenError("key_id")
        # RFC 7515 §4.1.11: no extension is understood here, so none may be critical. RFC 7797: b64 is one of them.
        if "crit" in header or "b64" in header:
            raise MalformedTokenError("critical_extension")
        token_type = header.get("typ")
        if isinstance(token_type, str):
            token_type = token_type.lower()  # RFC 7515 §4.1.9: media types know no case
        elif "typ" in header:
            raise MalformedTokenError("type")
        if token_type not in self._types:
            raise MalformedTokenError("type")
        return algorithm

    def _check_claims(self, claims: dict[str, Any], header: dict[str, Any]) -> AccessToken:
        self._check_audience(claims.get("aud"))
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidClaimsError("subject")
        if any(name not in claims for name in self._required_claims):
            raise InvalidClaimsError("missing_claim")
        if any(name in claims and not isinstance(claims[name], str) for name in _IDENTIFIERS):
            raise InvalidClaimsError("identifier")
        if self._organizations and claims.get("org_id") not in self._organizations:
            raise InvalidClaimsError("organization")
        scopes, permissions = _scopes(claims.get("scope", "")), _permissions(claims.get("permissions", []))
        return AccessToken(claims, header, scopes=scopes, permissions=permissions)

    def _check_audience(self, audience: Any) -> None:
        values = [audience] if isinstance(audience, str) else audience
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise InvalidClaimsError("audience")
        if self._audience.isdisjoint(values):
            raise InvalidClaimsError("audience")

    def _check_time(self, lifetime: Lifetime) -> None:
        now, leeway = self._clock(), self._leeway_seconds
        if lifetime.expires_at <= now - leeway:
            raise ExpiredTokenError
        if lifetime.not_before > now + leeway:
            raise TokenNotYetValidError("nbf")
        if lifetime.issued_at > now + leeway:
            raise TokenNotYetValidError("iat")


def _with_both_names(names: tuple[str, ...]) -> set[str]:
    twins = {"EdDSA", "Ed25519"}
    return set(names) | twins if twins & set(names) else set(names)


def _lifetime(claims: dict[str, Any]) -> Lifetime:
    expires_at, issued_at = _unix_time(claims, "exp"), _unix_time(claims, "iat")
    not_before = _unix_time(claims, "nbf") if "nbf" in claims else -math.inf
    return Lifetime(issued_at=issued_at, not_before=not_before, expires_at=expires_at)


def _unix_time(claims: dict[str, Any], name: str) -> int | float:
    value = claims.get(name)
    if not is_unix_time(value):
        raise InvalidClaimsError("time")
    return value


def _scopes(scope: Any) -> frozenset[str]:
    values = scope.split(" ") if isinstance(scope, str) else scope
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidClaimsError("scope")
    return frozenset(values) - {""}


def _permissions(values: Any) -> frozenset[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidClaimsError("permissions")
    return frozenset(values)
