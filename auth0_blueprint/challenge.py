"""What an error looks like on the wire: the challenge, the other headers and the body (RFC 6750 §3)."""

from __future__ import annotations

from auth0_blueprint.errors import (
    Auth0Error,
    AuthenticationError,
    AuthorizationError,
    InsufficientUserAuthenticationError,
    MethodNotAllowedError,
)


def response_body(error: Auth0Error) -> dict[str, str]:
    """Return ``error`` (where RFC 6750 has one), ``error_description`` and ``code``."""
    body = {"error_description": error.description, "code": error.code}
    return body if error.error is None else {"error": error.error, **body}


def response_headers(error: Auth0Error, realm: str, *, resource_metadata: str | None = None) -> dict[str, str]:
    """Return the headers of the answer to *error*: never to be stored, and a challenge where there is a way in.

    Args:
        error: what is answered.
        realm: names what is protected.
        resource_metadata: the URL of this API's metadata (RFC 9728 §5.1), for the challenge.
    """
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        headers["WWW-Authenticate"] = bearer_challenge(error, realm, resource_metadata)
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = ", ".join(error.allowed)
    if error.retry_after_seconds:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return headers


def bearer_challenge(error: Auth0Error, realm: str, resource_metadata: str | None = None) -> str:
    """Return the ``Bearer`` challenge for *error*; without an error code it is bare (RFC 6750 §3.1)."""
    parameters = {"realm": realm}
    if error.error is not None:
        parameters["error"] = error.error
        parameters["error_description"] = error.description
        if error.scope:
            parameters["scope"] = " ".join(error.scope)
    if isinstance(error, InsufficientUserAuthenticationError):
        parameters.update(_step_up(error))
    if resource_metadata is not None:
        parameters["resource_metadata"] = resource_metadata
    return "Bearer " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items())


def _step_up(error: InsufficientUserAuthenticationError) -> dict[str, str]:
    """Return what a new login has to be like (RFC 9470 §3)."""
    parameters: dict[str, str] = {}
    if error.acr_values:
        parameters["acr_values"] = " ".join(error.acr_values)
    if error.max_age_seconds is not None:
        parameters["max_age"] = str(error.max_age_seconds)
    return parameters


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')  # RFC 9110 §5.6.4
