"""Request to credentials: one header, one scheme, one token (RFC 6750 §2.1).

Only the header is read. Tokens in query strings and form bodies end up in logs and histories (RFC 9700 §4.3.2).
"""

from __future__ import annotations

from auth0_blueprint.errors import AmbiguousHeaderError, InvalidHeaderError, MissingCredentialsError


def bearer_token(authorization: str | None) -> str:
    """Return the token in the value of the ``Authorization`` header.

    Raises:
        MissingCredentialsError: there is no header.
        InvalidHeaderError: the scheme is another one, or nothing comes after it.
        AmbiguousHeaderError: there is more than one token. WSGI servers join repeated headers with a comma.
    """
    if authorization is None or not authorization.strip():
        raise MissingCredentialsError
    scheme, _, rest = authorization.strip(" ").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidHeaderError("other_scheme")
    token = rest.strip(" ")
    if not token:
        raise InvalidHeaderError("no_token")
    if " " in token or "," in token:
        raise AmbiguousHeaderError
    return token
