"""`IssuedToken`: what the token endpoint has issued to this API. Immutable, and silent about the token."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn


class IssuedToken:
    """An access token that the token endpoint has issued to this API (RFC 6749 §5.1, RFC 8693 §2.2.1).

    It is no dataclass and no mapping, so that ``jsonify`` refuses it instead of showing the token to a client.

    Attributes:
        access_token: its text, for the ``Authorization`` header of a request to the other API.
        token_type: ``Bearer``; ``N_A`` if what was issued is no access token of OAuth.
        expires_at: when it expires, as an aware UTC datetime; ``None`` if the endpoint does not say.
        scopes: what it may be used for; where the endpoint does not say, what was asked for (RFC 6749 §5.1).
        issued_token_type: the identifier of its type (RFC 8693 §3), if the endpoint says.
    """

    __slots__ = ("access_token", "expires_at", "issued_token_type", "scopes", "token_type")

    access_token: str
    token_type: str
    expires_at: datetime | None
    scopes: frozenset[str]
    issued_token_type: str | None

    def __init__(
        self,
        access_token: str,
        *,
        token_type: str = "Bearer",  # noqa: S107 - the name of a type
        expires_at: datetime | None = None,
        scopes: frozenset[str] = frozenset(),
        issued_token_type: str | None = None,
    ) -> None:
        values = (access_token, expires_at, issued_token_type, scopes, token_type)
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that presents it (RFC 6750 §2.1)."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an issued token is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an issued token is immutable: cannot delete {name!r}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("An IssuedToken is not pickled, because it is a secret. To pass it on, use .access_token.")

    def __copy__(self) -> IssuedToken:
        return self

    def __deepcopy__(self, _memo: object) -> IssuedToken:
        return self

    def __repr__(self) -> str:
        until = "unknown" if self.expires_at is None else self.expires_at.isoformat()
        return f"<IssuedToken type={self.token_type} expires_at={until}>"
