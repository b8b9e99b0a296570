"""What an error looks like on the wire: the challenge, the other headers and the body (RFC 6750 §3, RFC 9449 §7.1)."""

from __future__ import annotations

from auth0_blueprint.errors import (
    Auth0Error,
    AuthenticationError,
    AuthorizationError,
    InsufficientAuthorizationDetailsError,
    InsufficientUserAuthenticationError,
    MethodNotAllowedError,
)
from auth0_blueprint.jose.algorithms import PROOF_ALGORITHMS


def response_body(error: Auth0Error) -> dict[str, str]:
    """Return the body of the answer to *error*, for an error handler of the app's own: what the package itself answers.

    Returns:
        Ready for ``jsonify``. ``error``: the error code of OAuth (RFC 6750 §3.1), absent where the request has no
        usable credentials, as it is from the challenge. ``error_description``: one fixed sentence for each reason.
        ``code``: finer than ``error``; it never changes. Nothing of the token or the request is in them.
    """
    body = {"error_description": error.description, "code": error.code}
    return body if error.error is None else {"error": error.error, **body}


def response_headers(
    error: Auth0Error,
    realm: str,
    *,
    schemes: tuple[str, ...] = ("Bearer",),
    resource_metadata: str | None = None,
) -> list[tuple[str, str]]:
    """Return the headers of the answer to *error*: ``no-store``, and challenges where better credentials would help.

    Args:
        error: the error to answer.
        realm: of the challenges: what is protected.
        schemes: those that the API accepts, that of the request first: its challenge carries the error.
        resource_metadata: the URL of this API's metadata (RFC 9728 §5.1), for the challenges.
    """
    headers = [("Cache-Control", "no-store")]
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        reported: Auth0Error | None = error
        for scheme in schemes:
            headers.append(("WWW-Authenticate", _challenge(scheme, realm, reported, resource_metadata)))
            reported = None
    if isinstance(error, MethodNotAllowedError):
        headers.append(("Allow", ", ".join(error.allowed)))
    if error.retry_after_seconds:
        headers.append(("Retry-After", str(error.retry_after_seconds)))
    return headers


def _challenge(scheme: str, realm: str, error: Auth0Error | None, resource_metadata: str | None) -> str:
    """Return one challenge; without an error code it is bare (RFC 6750 §3.1)."""
    parameters = {"realm": realm}
    if error is not None and error.error is not None:
        parameters["error"] = error.error
        parameters["error_description"] = error.description
        if error.scope:
            parameters["scope"] = " ".join(error.scope)
    if isinstance(error, InsufficientUserAuthenticationError):
        parameters.update(_step_up(error))
    if isinstance(error, InsufficientAuthorizationDetailsError) and error.types:
        parameters["authorization_details_types"] = " ".join(error.types)
    if scheme == "DPoP":
        parameters["algs"] = " ".join(PROOF_ALGORITHMS)
    if resource_metadata is not None:
        parameters["resource_metadata"] = resource_metadata
    return f"{scheme} " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items())


def _step_up(error: InsufficientUserAuthenticationError) -> dict[str, str]:
    """Return what a new login must satisfy (RFC 9470 §3)."""
    parameters: dict[str, str] = {}
    if error.acr_values:
        parameters["acr_values"] = " ".join(error.acr_values)
    if error.max_age_seconds is not None:
        parameters["max_age"] = str(error.max_age_seconds)
    return parameters


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')  # RFC 9110 §5.6.4
