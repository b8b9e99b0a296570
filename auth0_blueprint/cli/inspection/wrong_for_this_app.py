"""Mistakes visible only with the settings and routes of this app: a valid token that it does not accept."""

from __future__ import annotations

from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake
from auth0_blueprint.cli.inspection.values import shown
from auth0_blueprint.errors import BindingMismatchError, InvalidSignatureError, UnsupportedAlgorithmError
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.sender_constraining.confirmation import CERTIFICATE_THUMBPRINT, KEY_THUMBPRINT
from auth0_blueprint.verification.access_token import is_unix_time


def _other_algorithm(inspected: InspectedToken) -> str | None:
    algorithm = inspected.header.get("alg")
    is_other = isinstance(inspected.error, UnsupportedAlgorithmError) and isinstance(algorithm, str)
    if not is_other or algorithm not in ALGORITHMS or inspected.settings.signing_secrets:
        return None
    return f"The token is signed with {algorithm}, but AUTH0_ALGORITHMS is {','.join(inspected.settings.algorithms)}."


def _other_than_the_secret(inspected: InspectedToken) -> str | None:
    if not inspected.settings.signing_secrets or not isinstance(inspected.error, UnsupportedAlgorithmError):
        return None
    return f"The token is signed with {shown(inspected.header.get('alg'))}, but AUTH0_SIGNING_SECRET is for HS256 only."


def _other_secret(inspected: InspectedToken) -> str | None:
    if not inspected.settings.signing_secrets or not isinstance(inspected.error, InvalidSignatureError):
        return None
    return "The token is signed with another secret than AUTH0_SIGNING_SECRET, or was changed."


def _key_binding(inspected: InspectedToken) -> str | None:
    if inspected.settings.dpop != "disabled" or not _is_bound_by(inspected, KEY_THUMBPRINT):
        return None
    return "The token is bound to a DPoP key, but AUTH0_DPOP is disabled."


def _certificate_binding(inspected: InspectedToken) -> str | None:
    if inspected.settings.mtls_cert is not None or not _is_bound_by(inspected, CERTIFICATE_THUMBPRINT):
        return None
    return "The token is bound to a client certificate, but AUTH0_MTLS_CERT is not set."


def _no_certificate(inspected: InspectedToken) -> str | None:
    if not isinstance(inspected.error, BindingMismatchError) or inspected.error.reason != "certificate_required":
        return None
    return "The token is not bound to a client certificate, but AUTH0_MTLS is required."


def _is_bound_by(inspected: InspectedToken, member: str) -> bool:
    confirmation = inspected.claims.get("cnf")
    return isinstance(confirmation, dict) and member in confirmation


def _lifetime(inspected: InspectedToken) -> str | None:
    issued_at, expires_at = inspected.claims.get("iat"), inspected.claims.get("exp")
    limit = inspected.settings.max_token_lifetime_seconds
    if not (is_unix_time(issued_at) and is_unix_time(expires_at)) or expires_at - issued_at <= limit:
        return None
    return f"The token is valid for {expires_at - issued_at:.12g} s, but AUTH0_MAX_TOKEN_LIFETIME is {limit:.12g}."


def _other_organization(inspected: InspectedToken) -> str | None:
    ours = inspected.settings.organization
    organization = inspected.claims.get("org_id")
    if inspected.content.claims is None or not ours or organization in ours:
        return None
    theirs = "no organization" if organization is None else shown(organization)
    return f"The token is for {theirs}, but AUTH0_ORGANIZATION is {', '.join(map(shown, ours))}."


def _not_granted(inspected: InspectedToken) -> str | None:
    token = inspected.access_token
    if token is None:
        return None
    # Both together: a value in the wrong one of the two is another mistake.
    granted = token.scopes | token.permissions
    labels = [
        requirement.label
        for requirement in inspected.requirements
        if requirement.kind in {"scope", "permission"} and not requirement.is_met_by_values(granted)
    ]
    if not labels:
        return None
    return f"The route requires {' and '.join(labels)}, but the token has it neither in scope nor in permissions."


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "other algorithm",
        _other_algorithm,
        "Set the signing algorithm of the API in Auth0 to one of AUTH0_ALGORITHMS, or add that of the token.",
    ),
    Mistake(
        "no secret",
        _other_than_the_secret,
        "Set the signing algorithm of the API in Auth0 to HS256, or unset AUTH0_SIGNING_SECRET.",
    ),
    Mistake(
        "other secret",
        _other_secret,
        "Set AUTH0_SIGNING_SECRET to the signing secret of the API in Auth0, not to the secret of an application.",
    ),
    Mistake("DPoP", _key_binding, "Set AUTH0_DPOP to allowed, or have the client request a bearer token."),
    Mistake(
        "client certificate",
        _certificate_binding,
        "Set AUTH0_MTLS_CERT, or have the client request a token without its certificate.",
    ),
    Mistake(
        "no certificate",
        _no_certificate,
        "Turn on sender-constraining by mTLS for the API in Auth0, or set AUTH0_MTLS to allowed.",
    ),
    Mistake(
        "lifetime",
        _lifetime,
        "Shorten the token expiration of the API in Auth0, or raise AUTH0_MAX_TOKEN_LIFETIME.",
    ),
    Mistake(
        "other organization",
        _other_organization,
        "Log in to an organization in AUTH0_ORGANIZATION, or add that of the token.",
    ),
    Mistake(
        "not granted",
        _not_granted,
        "Grant it to the application or the user in Auth0, and have the client request it.",
    ),
)
