"""Mistakes that show only beside the settings and routes of this app: a good token that it does not take."""

from __future__ import annotations

from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake
from auth0_blueprint.cli.inspection.values import shown
from auth0_blueprint.errors import UnsupportedAlgorithmError
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.sender_constraining.client_certificate import THUMBPRINT as CERTIFICATE_THUMBPRINT
from auth0_blueprint.sender_constraining.dpop import THUMBPRINT as KEY_THUMBPRINT
from auth0_blueprint.verification.access_token import is_unix_time


def _other_algorithm(case: InspectedToken) -> str | None:
    algorithm = case.header.get("alg")
    is_other = isinstance(case.error, UnsupportedAlgorithmError) and isinstance(algorithm, str)
    if not is_other or algorithm not in ALGORITHMS:
        return None
    return f"The token is signed with {algorithm}, and AUTH0_ALGORITHMS is {','.join(case.settings.algorithms)}."


def _key_binding(case: InspectedToken) -> str | None:
    if case.settings.dpop != "disabled" or not _is_bound_by(case, KEY_THUMBPRINT):
        return None
    return "The token is bound to a DPoP key, and AUTH0_DPOP is disabled."


def _certificate_binding(case: InspectedToken) -> str | None:
    if case.settings.mtls_cert is not None or not _is_bound_by(case, CERTIFICATE_THUMBPRINT):
        return None
    return "The token is bound to a client certificate, and AUTH0_MTLS_CERT does not say where that is."


def _is_bound_by(case: InspectedToken, member: str) -> bool:
    confirmation = case.claims.get("cnf")
    return isinstance(confirmation, dict) and member in confirmation


def _lifetime(case: InspectedToken) -> str | None:
    issued_at, expires_at = case.claims.get("iat"), case.claims.get("exp")
    limit = case.settings.max_token_lifetime_seconds
    if not (is_unix_time(issued_at) and is_unix_time(expires_at)) or expires_at - issued_at <= limit:
        return None
    return f"The token is valid for {expires_at - issued_at:.12g} s, and AUTH0_MAX_TOKEN_LIFETIME is {limit:.12g}."


def _other_organization(case: InspectedToken) -> str | None:
    ours = case.settings.organization
    organization = case.claims.get("org_id")
    if case.content.claims is None or not ours or organization in ours:
        return None
    theirs = "no organization" if organization is None else shown(organization)
    return f"The token is for {theirs}, and AUTH0_ORGANIZATION is {', '.join(map(shown, ours))}."


def _not_granted(case: InspectedToken) -> str | None:
    token = case.access_token
    if token is None:
        return None
    # As if the two were one: a value that is in the wrong one of them is another mistake.
    granted = token.scopes | token.permissions
    labels = [
        requirement.label
        for requirement in case.requirements
        if requirement.kind in {"scope", "permission"} and not requirement.is_met_by_values(granted)
    ]
    if not labels:
        return None
    return f"The route demands {' and '.join(labels)}, and scope and permissions of the token together do not hold it."


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "other algorithm",
        _other_algorithm,
        "Set the signing algorithm of the API in Auth0 to one of AUTH0_ALGORITHMS, or add that of the token there.",
    ),
    Mistake("DPoP", _key_binding, "Set AUTH0_DPOP to allowed, or have the client ask for a bearer token."),
    Mistake(
        "client certificate",
        _certificate_binding,
        "Set AUTH0_MTLS_CERT, or have the client ask for a token without its certificate.",
    ),
    Mistake(
        "lifetime",
        _lifetime,
        "Shorten the expiration of tokens for the API in Auth0, or raise AUTH0_MAX_TOKEN_LIFETIME.",
    ),
    Mistake(
        "other organization",
        _other_organization,
        "Log in to one of AUTH0_ORGANIZATION, or add that of the token there.",
    ),
    Mistake(
        "not granted",
        _not_granted,
        "Grant it to the application or the user in Auth0, and have the client ask for it.",
    ),
)
