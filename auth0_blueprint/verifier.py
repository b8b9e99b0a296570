"""Token text to `AccessToken`, or a refusal: what makes a token valid, cheapest check first.

1. size, shape, strict JSON (`jws`)                          no key is looked for before 3 is done
2. algorithm, key id, header extensions, type
3. the issuer it claims to be from
4. the key (`keysets.source`), 5. the signature
6. the claims (RFC 7519 §4.1, RFC 9068 §4)
7. whether it is withdrawn (`revocation`)
8. what it is bound to
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

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
from auth0_blueprint.keysets.key_set import VerificationKey, is_key_id
from auth0_blueprint.settings import Settings

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

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey:
        """Return the key, however long that reasonably takes."""
        ...

    def key_at_hand(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey:
        """Return the key if it is known, without any wait."""
        ...


class Verifier:
    """Verifies the access tokens of one issuer for one API.

    Args:
        settings: what is accepted.
        keys: the issuer's keys.
        clock: Unix time.
        keep_up: learns what other processes have done, before anything is decided by it.
        refuse_revoked: raises for a token that is withdrawn; gets its text as well.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyFinder,
        clock: Callable[[], float] = time.time,
        *,
        keep_up: Callable[[], None] = lambda: None,
        refuse_revoked: Callable[[AccessToken, str], None] = lambda _access_token, _token: None,
    ) -> None:
        self._keys = keys
        self._keep_up = keep_up
        self._refuse_revoked = refuse_revoked
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
        unverified = jws.parse(token, self._max_bytes)
        algorithm = self._check_header(unverified.header)
        # The unverified issuer only decides whether looking for a key makes sense.
        if unverified.claims.get("iss") != self._issuer:
            raise InvalidClaimsError("issuer")
        if not at_hand_only:
            self._keep_up()
        find_key = self._keys.key_at_hand if at_hand_only else self._keys.key_for
        key = find_key(unverified.header.get("kid"), algorithm)
        if not algorithm.verify(unverified.signing_input, key.public_key, unverified.signature):
            raise InvalidSignatureError
        return self._check_claims(unverified.claims, unverified.header)

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
        self._check_times(claims)
        return AccessToken(claims, header, scopes=scopes, permissions=permissions)

    def _check_audience(self, audience: Any) -> None:
        values = [audience] if isinstance(audience, str) else audience
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise InvalidClaimsError("audience")
        if self._audience.isdisjoint(values):
            raise InvalidClaimsError("audience")

    def _check_times(self, claims: dict[str, Any]) -> None:
        expires_at, issued_at = _unix_time(claims, "exp"), _unix_time(claims, "iat")
        not_before = _unix_time(claims, "nbf") if "nbf" in claims else -math.inf
        now, leeway = self._clock(), self._leeway_seconds
        if expires_at <= now - leeway:
            raise ExpiredTokenError
        if not_before > now + leeway:
            raise TokenNotYetValidError("nbf")
        if issued_at > now + leeway:
            raise TokenNotYetValidError("iat")
        if expires_at - issued_at > self._max_lifetime_seconds:
            raise InvalidClaimsError("lifetime")


def _with_both_names(names: tuple[str, ...]) -> set[str]:
    twins = {"EdDSA", "Ed25519"}
    return set(names) | twins if twins & set(names) else set(names)


def _unix_time(claims: dict[str, Any], name: str) -> int | float:
    value = claims.get(name)
    if not is_unix_time(value):
        raise InvalidClaimsError("time")
    return value


def _scopes(scope: Any) -> frozenset[str]:
    values = scope.split(" ") if isinstance(scope, str) else scope
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidClaimsError("scope")
    return frozenset(value for value in values if value)


def _permissions(values: Any) -> frozenset[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidClaimsError("permissions")
    return frozenset(values)
