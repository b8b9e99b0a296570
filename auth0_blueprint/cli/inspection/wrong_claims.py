"""Mistakes visible in the claims: a token for another API, from another issuer, or for another time."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flask import request

from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake
from auth0_blueprint.cli.inspection.values import duration, shown
from auth0_blueprint.cli.output import printable
from auth0_blueprint.errors import InvalidClaimsError
from auth0_blueprint.verification.access_token import is_unix_time

# Only in a token for another audience: one for this API may have these claims as well.
_SIGNS_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "auth_time", "sid", "email_verified", "updated_at")
_TENANTS = ".auth0.com"
#: A larger difference is hardly the clock.
_CLOCK_SECONDS = 60


def _texts(value: Any) -> list[str]:
    """Return the strings in *value*, which may be a string, a list or anything else."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _is_for_us(inspected: InspectedToken) -> bool:
    return not set(inspected.settings.audience).isdisjoint(_texts(inspected.claims.get("aud")))


def _id_token(inspected: InspectedToken) -> str | None:
    audience = _texts(inspected.claims.get("aud"))
    if not audience or _is_for_us(inspected):
        return None
    clients = {*_texts(inspected.claims.get("azp")), inspected.settings.own_client.client_id}
    if clients.isdisjoint(audience) and not any(name in inspected.claims for name in _SIGNS_OF_ID_TOKENS):
        return None
    return "This is an ID token: it tells an application who has logged in, and is not meant for an API."


def _audience_spelling(inspected: InspectedToken) -> str | None:
    if _is_for_us(inspected):
        return None
    ours = {_plain(audience): audience for audience in inspected.settings.audience}
    for audience in _texts(inspected.claims.get("aud")):
        if _plain(audience) in ours:
            meant = ours[_plain(audience)]
            return f"The token is for {shown(audience)}, but AUTH0_AUDIENCE is {shown(meant)}: they must match exactly."
    return None


def _other_audience(inspected: InspectedToken) -> str | None:
    audience = _texts(inspected.claims.get("aud"))
    if not audience or _is_for_us(inspected) or _id_token(inspected) or _audience_spelling(inspected):
        return None
    ours = ", ".join(map(shown, inspected.settings.audience))
    return f"The token is for {', '.join(map(shown, audience))}, but AUTH0_AUDIENCE is {ours}."


def _issuer_spelling(inspected: InspectedToken) -> str | None:
    issuer = inspected.claims.get("iss")
    if not isinstance(issuer, str) or issuer in inspected.settings.issuers:
        return None
    ours = {_plain(known): known for known in inspected.settings.issuers}
    if _plain(issuer) not in ours:
        return None
    trusted = shown(ours[_plain(issuer)])
    return f"The token is from {shown(issuer)}, but this app trusts {trusted}: they must match exactly."


def _custom_domain(inspected: InspectedToken) -> str | None:
    issuer = str(inspected.claims.get("iss"))
    if not _is_elsewhere(inspected) or not _is_of_tenant(issuer) ^ any(map(_is_of_tenant, inspected.settings.issuers)):
        return None
    return (
        f"The token is from {shown(issuer)}, but this app trusts {_known(inspected)}: "
        "one may be the other's custom domain."
    )


def _other_tenant(inspected: InspectedToken) -> str | None:
    if not _is_elsewhere(inspected) or _custom_domain(inspected):
        return None
    return f"The token is from {shown(inspected.claims['iss'])}, but this app trusts {_known(inspected)}."


def _not_accepted(inspected: InspectedToken) -> str | None:
    function, error = inspected.settings.domain_function, inspected.error
    if function is None or not isinstance(error, InvalidClaimsError) or error.reason != "issuer":
        return None
    issuer, host = shown(inspected.claims.get("iss")), shown(request.host)
    return f"The function {function.name} does not accept {issuer} for the host {host}."


def _is_elsewhere(inspected: InspectedToken) -> bool:
    issuer = inspected.claims.get("iss")
    if inspected.settings.domain_function is not None:  # the step says what it answers
        return False
    return isinstance(issuer, str) and issuer not in inspected.settings.issuers and not _issuer_spelling(inspected)


def _known(inspected: InspectedToken) -> str:
    return ", ".join(map(shown, inspected.settings.issuers))


def _is_of_tenant(issuer: str) -> bool:
    try:
        return (urlsplit(issuer).hostname or "").endswith(_TENANTS)
    except ValueError:
        return False


def _plain(url: str) -> str:
    """Return *url* without what is often mistaken: the scheme, upper inspected and a trailing slash."""
    return re.sub(r"^https?://", "", url.lower()).removesuffix("/")


def _clock(inspected: InspectedToken) -> str | None:
    leeway = inspected.settings.leeway_seconds
    for name, verb in (("iat", "was issued"), ("nbf", "becomes valid")):
        value = inspected.claims.get(name)
        if is_unix_time(value) and value > inspected.now + leeway:
            distance = duration(value - inspected.now)
            return f"By this machine's clock the token {verb} {distance} in the future; {leeway:g} s are tolerated."
    seconds = _seconds_expired(inspected)
    if not leeway <= seconds <= leeway + _CLOCK_SECONDS:
        return None
    return f"By this machine's clock the token expired {duration(seconds)} ago; {leeway:g} s are tolerated."


def _expired(inspected: InspectedToken) -> str | None:
    seconds = _seconds_expired(inspected)
    if seconds <= inspected.settings.leeway_seconds + _CLOCK_SECONDS:
        return None
    return f"The token expired {duration(seconds)} ago."


def _seconds_expired(inspected: InspectedToken) -> float:
    """Return how long ago the token expired; negative if it has not."""
    value = inspected.claims.get("exp")
    return inspected.now - value if is_unix_time(value) else -1.0


def _scope_as_permission(inspected: InspectedToken) -> str | None:
    scope = inspected.claims.get("scope")
    scopes = scope.split(" ") if isinstance(scope, str) else _texts(scope)
    names = sorted(inspected.scopes.intersection(_texts(inspected.claims.get("permissions"))) - {*scopes})
    if not names:
        return None
    return f"Routes require {shown(' '.join(names))} in scope, but the token has it only in permissions."


def _permission_as_scope(inspected: InspectedToken) -> str | None:
    token = inspected.access_token
    if token is None:
        return None
    labels = [
        requirement.label
        for requirement in inspected.requirements
        if requirement.kind == "permission"
        and not requirement.is_met_by_values(token.permissions)
        and requirement.is_met_by_values(token.scopes)
    ]
    if not labels:
        return None
    return f"The route requires {' and '.join(map(printable, labels))}, but the token has it only in scope."


MISTAKES: tuple[Mistake, ...] = (
    Mistake("ID token", _id_token, "Send the access token instead, requested with AUTH0_AUDIENCE as the audience."),
    Mistake(
        "audience spelling", _audience_spelling, "Set AUTH0_AUDIENCE to the identifier of the API exactly as in Auth0."
    ),
    Mistake(
        "other audience",
        _other_audience,
        "Request the token with AUTH0_AUDIENCE as the audience, or set AUTH0_AUDIENCE to that of the token.",
    ),
    Mistake(
        "issuer spelling", _issuer_spelling, "Set AUTH0_DOMAIN to the bare host name, or AUTH0_ISSUER to the exact iss."
    ),
    Mistake("custom domain", _custom_domain, "Log in through the domain in AUTH0_DOMAIN, or list both domains there."),
    Mistake("other tenant", _other_tenant, "Get a token of this tenant, or set AUTH0_DOMAIN to that of the token."),
    Mistake(
        "issuer not accepted",
        _not_accepted,
        "If it depends on the host, name that in --path https://HOST/...; else have it know this exact iss.",
    ),
    Mistake("clock", _clock, "Synchronize the clocks (NTP); AUTH0_LEEWAY covers small differences."),
    Mistake("expired", _expired, "Get a new one, and have the client renew it before exp."),
    Mistake(
        "scope as permission",
        _scope_as_permission,
        "Guard the route with requires_permission, or have Auth0 grant the scope.",
    ),
    Mistake(
        "permission as scope",
        _permission_as_scope,
        "Guard the route with requires_scope, or enable RBAC and permissions in the token for the API in Auth0.",
    ),
)
