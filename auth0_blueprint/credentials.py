"""Request to credentials: one header, one scheme, one token (RFC 6750 §2.1).

Only the header is read. Tokens in query strings and form bodies end up in logs and histories (RFC 9700 §4.3.2).
"""

from __future__ import annotations

from auth0_blueprint.errors import AmbiguousHeaderError, InvalidHeaderError, MissingCredentialsError

_WHITESPACE = " \t"  # RFC 9110 §5.6.3: nothing else surrounds a field's value


def bearer_token(authorization: str | None) -> str:
    """Return the token in the value of the ``Authorization`` header.

    Raises:
        MissingCredentialsError: there is no header.
        InvalidHeaderError: the scheme is another one, or nothing comes after it.
        AmbiguousHeaderError: there is more than one token. WSGI servers join repeated headers with a comma.
    """
    if authorization is not None and authorization.startswith("Bearer "):
        token = authorization[7:]
        if token and " " not in token and "," not in token and "\t" not in token:
            return token  # as nearly all come; the rest of the rules finds nothing to say to it
    authorization = (authorization or "").strip(_WHITESPACE)
    if not authorization:
        raise MissingCredentialsError
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "bearer":
        is_followed_by_ours = any(other.strip(_WHITESPACE).lower().startswith("bearer ") for other in rest.split(","))
        raise AmbiguousHeaderError if is_followed_by_ours else InvalidHeaderError("other_scheme")
    token = rest.strip(_WHITESPACE)
    if not token:
        raise InvalidHeaderError("no_token")
    if " " in token or "," in token:
        raise AmbiguousHeaderError
    return token
