"""Reads the credentials of a request: one header, one scheme, one token (RFC 6750 §2.1, RFC 9449 §7.1).

Only the header is read: tokens in query strings and form bodies end up in logs and histories (RFC 9700 §4.3.2).
"""

from __future__ import annotations

from auth0_blueprint.errors import AmbiguousHeaderError, InvalidHeaderError, MissingCredentialsError

BEARER, DPOP = "bearer", "dpop"

_WHITESPACE = " \t"  # RFC 9110 §5.6.3: only these may surround a field's value


def scheme_and_token(authorization: str | None, *, takes_dpop: bool = False) -> tuple[str, str]:
    """Return the scheme, ``bearer`` or ``dpop``, and the token in the value of the ``Authorization`` header.

    Args:
        authorization: the value.
        takes_dpop: whether the ``DPoP`` scheme is accepted.

    Raises:
        MissingCredentialsError: there is no header.
        InvalidHeaderError: the scheme is not accepted, or no token follows it.
        AmbiguousHeaderError: there is more than one token. WSGI servers join repeated headers with a comma.
    """
    if authorization is not None and authorization.startswith("Bearer "):
        token = authorization[7:]
        if token and " " not in token and "," not in token and "\t" not in token:
            return BEARER, token  # the usual case, for which the other rules change nothing
    authorization = (authorization or "").strip(_WHITESPACE)
    if not authorization:
        raise MissingCredentialsError
    scheme, _, rest = authorization.partition(" ")
    scheme = scheme.lower()
    schemes = (BEARER, DPOP) if takes_dpop else (BEARER,)
    if scheme not in schemes:
        others = [other.strip(_WHITESPACE).lower() for other in rest.split(",")]
        is_followed_by_ours = any(other.startswith(f"{ours} ") for other in others for ours in schemes)
        raise AmbiguousHeaderError if is_followed_by_ours else InvalidHeaderError("other_scheme")
    token = rest.strip(_WHITESPACE)
    if not token:
        raise InvalidHeaderError("no_token")
    if " " in token or "," in token:
        raise AmbiguousHeaderError
    return scheme, token


def is_by_dpop(authorization: str | None) -> bool:
    """Return whether the request uses the ``DPoP`` scheme, even in a malformed way."""
    return authorization is not None and authorization.strip(_WHITESPACE).partition(" ")[0].lower() == DPOP
