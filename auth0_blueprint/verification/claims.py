"""Checks the claims of a token whose signature is verified (RFC 7519 §4.1, RFC 9068 §4)."""

from __future__ import annotations

import functools
from typing import Any

from auth0_blueprint.errors import InvalidClaimsError
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.access_token import AccessToken, is_unix_time, verified_token

_CLAIMS_OF_PROFILE = {"any": (), "auth0": ("azp",), "rfc9068": ("client_id", "jti")}
_NO_SCOPE = frozenset({""})  # the value between two spaces
#: How the types of events begin that are known here: of logout (OIDC Back-Channel Logout 1.0 §2.4), CAEP, RISC and SSF.
EVENT_TYPES = ("http://schemas.openid.net/event/", "https://schemas.openid.net/secevent/")
#: How many actors a token may name, the current one included. Auth0 nests up to five.
MAX_ACTORS = 10
#: How many values of ``scope``, and of ``permissions``, are remembered with what is in them.
MAX_KNOWN_SETS = 128
_IDENTIFIERS = ("jti", "client_id", "azp", "org_id")


class ClaimsChecker:
    """Decides which claims are acceptable for one API, except for times, which are checked at every use of a token.

    Args:
        settings: what is accepted.
    """

    def __init__(self, settings: Settings) -> None:
        self._audience = frozenset(settings.audience)
        self._organizations = frozenset(settings.organization)
        self._identity_claim = settings.identity_claim
        self._required_claims = (*_CLAIMS_OF_PROFILE[settings.token_profile], *settings.required_claims)

    def check(
        self, claims: dict[str, Any], header: dict[str, Any], digest: bytes, signing_digest: str | None = None
    ) -> AccessToken:
        """Return the access token with these *claims* and this JOSE *header*, whose text has this *digest*.

        *signing_digest* is for a token that came encrypted.

        Raises:
            InvalidClaimsError: a claim is missing, ill-typed, or not acceptable.
        """
        if not is_for(self._audience, claims.get("aud")):
            raise InvalidClaimsError("audience")
        if is_event(claims):
            raise InvalidClaimsError("event")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise InvalidClaimsError("subject")
        if claims.get(self._identity_claim) is None:  # null would be the identity of nobody
            raise InvalidClaimsError("missing_claim")
        for name in self._required_claims:
            if name not in claims:
                raise InvalidClaimsError("missing_claim")
        _check_optional(claims)
        if self._organizations and claims.get("org_id") not in self._organizations:
            raise InvalidClaimsError("organization")
        scopes = _scopes(claims.get("scope", ""))
        permissions = _permissions(claims["permissions"]) if "permissions" in claims else frozenset()
        return verified_token(claims, header, scopes, permissions, digest, signing_digest)


def is_for(accepted: frozenset[str], audience: Any) -> bool:
    """Return whether *audience*, an ``aud`` claim, is one string or a list of strings, and names one of *accepted*."""
    if isinstance(audience, str):
        return audience in accepted
    return _are_texts(audience) and not accepted.isdisjoint(audience)


def is_event(claims: dict[str, Any]) -> bool:
    """Return whether *claims* are those of an event (RFC 8417 §4): of a logout token, or of a security event token.

    Other tokens may have a claim of that name, which says nothing of the kind.
    """
    events = claims.get("events")
    return isinstance(events, dict) and any(map(_is_event_type, events))


def _is_event_type(name: str) -> bool:
    return name.startswith(EVENT_TYPES)


def times_of(claims: dict[str, Any]) -> tuple[float, float, float]:
    """Return ``iat``, ``nbf`` (or the beginning of time) and ``exp``.

    Raises:
        InvalidClaimsError: one is missing, or is not a Unix time.
    """
    times: Any = (claims.get("iat"), claims.get("nbf", 0), claims.get("exp"))
    for value in times:
        if not is_unix_time(value):
            raise InvalidClaimsError("time")
    # A clock's reading is compared with a float four times as fast as with an int. These are exact.
    issued_at, not_before, expires_at = times
    return float(issued_at), float(not_before), float(expires_at)


def _are_texts(values: Any) -> bool:
    if not isinstance(values, list):
        return False
    for value in values:  # noqa: SIM110 - all() with a generator takes three times as long
        if not isinstance(value, str):
            return False
    return True


def _check_optional(claims: dict[str, Any]) -> None:
    for name in _IDENTIFIERS:
        if name in claims and not isinstance(claims[name], str):
            raise InvalidClaimsError("identifier")
    if "act" in claims:
        _check_actors(claims["act"])
    if "authorization_details" in claims:
        _check_details(claims["authorization_details"])


def _check_actors(act: Any) -> None:
    """Refuse an *act* that is not an object with a subject, or has one inside that is not (RFC 8693 §4.1)."""
    for _ in range(MAX_ACTORS):
        if not isinstance(act, dict) or not _is_name(act.get("sub")) or not isinstance(act.get("iss", ""), str):
            raise InvalidClaimsError("actor")
        if "act" not in act:
            return
        act = act["act"]
    raise InvalidClaimsError("actors")


def _check_details(details: Any) -> None:
    """Refuse *details* that are not a list of objects with a type (RFC 9396 §2)."""
    if not isinstance(details, list):
        raise InvalidClaimsError("authorization_details")
    for detail in details:
        if not isinstance(detail, dict) or not _is_name(detail.get("type")):
            raise InvalidClaimsError("authorization_details")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _scopes(scope: Any) -> frozenset[str]:
    if isinstance(scope, str):
        return _scopes_in(scope)
    if not _are_texts(scope):
        raise InvalidClaimsError("scope")
    return frozenset(scope) - _NO_SCOPE


# Most tokens of an API have one of a few values, and share the set here. Only an issuer can add to them.
@functools.lru_cache(MAX_KNOWN_SETS)
def _scopes_in(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" ")) - _NO_SCOPE


def _permissions(values: Any) -> frozenset[str]:
    if not _are_texts(values):
        raise InvalidClaimsError("permissions")
    return _permissions_in(tuple(values))


@functools.lru_cache(MAX_KNOWN_SETS)
def _permissions_in(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(values)
