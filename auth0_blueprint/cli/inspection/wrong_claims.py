"""Mistakes that show in the claims: a token for something else, from somewhere else, or for another time."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake
from auth0_blueprint.cli.inspection.values import duration, shown
from auth0_blueprint.cli.output import printable
from auth0_blueprint.verification.access_token import is_unix_time

# Of a token for somebody else: one for this API may hold them as well.
_SIGNS_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "auth_time", "sid", "email_verified", "updated_at")
_TENANTS = ".auth0.com"
#: Later than this it is hardly the clock.
_CLOCK_SECONDS = 60


def _texts(value: Any) -> list[str]:
    """Return the texts in *value*, which is one, or a list, or anything."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _is_for_us(case: InspectedToken) -> bool:
    return not set(case.settings.audience).isdisjoint(_texts(case.claims.get("aud")))


def _id_token(case: InspectedToken) -> str | None:
    audience = _texts(case.claims.get("aud"))
    if not audience or _is_for_us(case):
        return None
    clients = {*_texts(case.claims.get("azp")), case.settings.client_id}
    if clients.isdisjoint(audience) and not any(name in case.claims for name in _SIGNS_OF_ID_TOKENS):
        return None
    return "This is an ID token: it tells an application who has logged in, and is for no API."


def _audience_spelling(case: InspectedToken) -> str | None:
    if _is_for_us(case):
        return None
    ours = {_plain(audience): audience for audience in case.settings.audience}
    for audience in _texts(case.claims.get("aud")):
        if _plain(audience) in ours:
            meant = ours[_plain(audience)]
            return f"The token is for {shown(audience)}, and AUTH0_AUDIENCE is {shown(meant)}: each character counts."
    return None


def _other_audience(case: InspectedToken) -> str | None:
    audience = _texts(case.claims.get("aud"))
    if not audience or _is_for_us(case) or _id_token(case) or _audience_spelling(case):
        return None
    ours = ", ".join(map(shown, case.settings.audience))
    return f"The token is for {', '.join(map(shown, audience))}, and AUTH0_AUDIENCE is {ours}."


def _issuer_spelling(case: InspectedToken) -> str | None:
    issuer = case.claims.get("iss")
    if not isinstance(issuer, str) or issuer in case.settings.issuers:
        return None
    ours = {_plain(known): known for known in case.settings.issuers}
    if _plain(issuer) not in ours:
        return None
    return f"The token is from {shown(issuer)}, this app trusts {shown(ours[_plain(issuer)])}: each character counts."


def _custom_domain(case: InspectedToken) -> str | None:
    issuer = str(case.claims.get("iss"))
    if not _is_elsewhere(case) or not _is_of_tenant(issuer) ^ any(map(_is_of_tenant, case.settings.issuers)):
        return None
    return (
        f"The token is from {shown(issuer)}, and this app trusts {_known(case)}: one may be the other's custom domain."
    )


def _other_tenant(case: InspectedToken) -> str | None:
    if not _is_elsewhere(case) or _custom_domain(case):
        return None
    return f"The token is from {shown(case.claims['iss'])}, and this app trusts {_known(case)}."


def _is_elsewhere(case: InspectedToken) -> bool:
    issuer = case.claims.get("iss")
    return isinstance(issuer, str) and issuer not in case.settings.issuers and not _issuer_spelling(case)


def _known(case: InspectedToken) -> str:
    return ", ".join(map(shown, case.settings.issuers))


def _is_of_tenant(issuer: str) -> bool:
    try:
        return (urlsplit(issuer).hostname or "").endswith(_TENANTS)
    except ValueError:
        return False


def _plain(url: str) -> str:
    """Return *url* without what is often mistaken: the scheme, the case, and a slash at the end."""
    return re.sub(r"^https?://", "", url.lower()).removesuffix("/")


def _clock(case: InspectedToken) -> str | None:
    leeway = case.settings.leeway_seconds
    for name, verb in (("iat", "was issued"), ("nbf", "becomes valid")):
        value = case.claims.get(name)
        if is_unix_time(value) and value > case.now + leeway:
            return (
                f"By the clock here the token {verb} {duration(value - case.now)} from now; {leeway:g} s are allowed."
            )
    seconds = _seconds_expired(case)
    if not leeway <= seconds <= leeway + _CLOCK_SECONDS:
        return None
    return f"By the clock here the token has expired {duration(seconds)} ago; {leeway:g} s are allowed."


def _expired(case: InspectedToken) -> str | None:
    seconds = _seconds_expired(case)
    if seconds <= case.settings.leeway_seconds + _CLOCK_SECONDS:
        return None
    return f"The token has expired {duration(seconds)} ago."


def _seconds_expired(case: InspectedToken) -> float:
    """Return how long ago the token has expired; less than nothing if it has not."""
    value = case.claims.get("exp")
    return case.now - value if is_unix_time(value) else -1.0


def _scope_as_permission(case: InspectedToken) -> str | None:
    scope = case.claims.get("scope")
    scopes = scope.split(" ") if isinstance(scope, str) else _texts(scope)
    names = sorted(case.scopes.intersection(_texts(case.claims.get("permissions"))) - {*scopes})
    if not names:
        return None
    return f"Routes demand {shown(' '.join(names))} in scope, and the token has it in permissions only."


def _permission_as_scope(case: InspectedToken) -> str | None:
    token = case.access_token
    if token is None:
        return None
    labels = [
        requirement.label
        for requirement in case.requirements
        if requirement.kind == "permission"
        and not requirement.is_met_by_values(token.permissions)
        and requirement.is_met_by_values(token.scopes)
    ]
    if not labels:
        return None
    return f"The route demands {' and '.join(map(printable, labels))}, and the token has it in scope only."


MISTAKES: tuple[Mistake, ...] = (
    Mistake("ID token", _id_token, "Send the access token, and ask for it with AUTH0_AUDIENCE as the audience."),
    Mistake(
        "audience spelling", _audience_spelling, "Set AUTH0_AUDIENCE to the identifier of the API, as Auth0 has it."
    ),
    Mistake(
        "other audience",
        _other_audience,
        "Ask Auth0 for a token with AUTH0_AUDIENCE as the audience, or set AUTH0_AUDIENCE to that of the token.",
    ),
    Mistake(
        "issuer spelling", _issuer_spelling, "Set AUTH0_DOMAIN to the bare host name, or AUTH0_ISSUER to iss as it is."
    ),
    Mistake("custom domain", _custom_domain, "Log in by the domain in AUTH0_DOMAIN, or name both domains there."),
    Mistake("other tenant", _other_tenant, "Get a token of this tenant, or set AUTH0_DOMAIN to that of the token."),
    Mistake("clock", _clock, "Synchronize the clocks (NTP); AUTH0_LEEWAY allows for what remains."),
    Mistake("expired", _expired, "Get a new one, and let the client do so before exp."),
    Mistake(
        "scope as permission",
        _scope_as_permission,
        "Guard the route with requires_permission, or have Auth0 grant the scope.",
    ),
    Mistake(
        "permission as scope",
        _permission_as_scope,
        "Guard the route with requires_scope, or switch on RBAC and permissions in the token for the API in Auth0.",
    ),
)
