"""`AccessToken`: what a view sees of a verified access token. Immutable, so that requests can share it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, Self, TypeGuard, cast

from auth0_blueprint.verification.token_parts import Actor, AuthorizationDetail, actors_in, copied, copied_members

#: 9999-12-31T23:59:59Z, the last second that `datetime` knows.
MAX_UNIX_TIME = 253_402_300_799

_NUMBERS = frozenset({int, float})


def is_unix_time(value: Any) -> TypeGuard[int | float]:
    """Return whether *value* is a valid time in a claim: a JSON number in the years 1970 to 9999 (RFC 7519 §2)."""
    # A bool is an int in Python, but not a number in JSON.
    return type(value) in _NUMBERS and 0 <= value <= MAX_UNIX_TIME


class _Fields:
    """What an `AccessToken` holds, while it is being made."""

    __slots__ = ("_claims", "_digest", "_header", "is_bound", "is_delegated", "permissions", "scopes", "signing_digest")

    def __init__(
        self,
        claims: Mapping[str, Any],
        header: Mapping[str, Any],
        scopes: frozenset[str],
        permissions: frozenset[str],
        digest: bytes,
        signing_digest: str | None,
    ) -> None:
        self._claims: Mapping[str, Any] = claims
        self._header: Mapping[str, Any] = header
        #: Whether the token is bound to a key or certificate in any way (``cnf``, RFC 7800).
        self.is_bound: bool = "cnf" in claims
        #: Whether somebody acts on behalf of the subject (``act``, RFC 8693 §4.1).
        self.is_delegated: bool = "act" in claims
        #: Values of the ``scope`` claim (RFC 8693 §4.2).
        self.scopes: frozenset[str] = scopes
        #: Values of Auth0's RBAC claim ``permissions``. Never merged with the scopes.
        self.permissions: frozenset[str] = permissions
        self._digest: bytes = digest
        #: Of a token that came encrypted: SHA-256 of the signing input inside, by which it is revoked.
        self.signing_digest: str | None = signing_digest


class AccessToken(_Fields, Mapping[str, Any]):
    """The claims of a verified access token (RFC 9068), as an immutable mapping with names for the usual ones.

    Only the verifier creates one. Lists and objects inside are returned as copies, so that changes by a view stay with
    that view. An anonymous request (``requires_auth(optional=True)``) has an empty, falsy one: it has no
    scopes, permissions, actors or authorization details; ``client_id``, ``token_id``, ``organization_id``,
    ``confirmation`` and ``actor`` are ``None``; and what every verified token has (``subject``, ``issuer``,
    ``audience``, ``issued_at``, ``expires_at``) raises ``RuntimeError``.
    """

    __slots__ = ()

    def __new__(
        cls,
        claims: Mapping[str, Any],
        header: Mapping[str, Any],
        *,
        scopes: frozenset[str] = frozenset(),
        permissions: frozenset[str] = frozenset(),
        digest: bytes = b"",
        signing_digest: str | None = None,
    ) -> Self:
        """Return the token with these *claims* and this JOSE *header*."""
        return cast("Self", verified_token(claims, header, scopes, permissions, digest, signing_digest, cls))

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: everything is in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an access token is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an access token is immutable: cannot delete {name!r}")

    def __copy__(self) -> AccessToken:
        return self

    def __deepcopy__(self, _memo: object) -> AccessToken:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("An AccessToken is verified for this process only. To pass its claims on, use .claims.")

    def __getitem__(self, name: str) -> Any:
        return copied(self._claims[name])

    def __contains__(self, name: object) -> bool:
        return name in self._claims

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:
        if not self._claims:
            return "<AccessToken anonymous>"
        return (
            f"<AccessToken subject={self.subject[:80]!r} expires_at={self.expires_at.isoformat()} "
            f"id={self.__caching_id__()}>"
        )

    def __caching_id__(self) -> str:
        """Return an id that tells tokens apart, for flask-caching's ``memoize``: a digest of their whole text.

        It is the same in every process. Neither token nor claims can be guessed from it: the signature is in it.
        """
        if not self._claims:
            return "anonymous"
        return hashlib.blake2b(
            self._digest or self._digest_of_content(), digest_size=16, person=b"caching id"
        ).hexdigest()

    def _digest_of_content(self) -> bytes:
        """Return a digest for a token that no verifier has made, as in a test."""
        content = [self._claims, self._header, sorted(self.scopes), sorted(self.permissions)]
        return hashlib.blake2b(json.dumps(content, sort_keys=True, default=repr).encode()).digest()

    @property
    def claims(self) -> dict[str, Any]:
        """All claims, as a new plain dict."""
        return copied_members(self._claims)

    @property
    def header(self) -> dict[str, Any]:
        """The JOSE header, as a new plain dict."""
        return copied_members(self._header)

    @property
    def subject(self) -> str:
        """``sub``: the user, or ``<client>@clients`` for a machine."""
        return str(self._required("sub"))

    @property
    def client_id(self) -> str | None:
        """The client that the token was issued to: ``client_id``, else ``azp``."""
        return self._text("client_id") or self._text("azp")

    @property
    def issuer(self) -> str:
        """``iss``, exactly as configured."""
        return str(self._required("iss"))

    @property
    def audience(self) -> tuple[str, ...]:
        """Every value of ``aud``."""
        audience = self._required("aud")
        return (audience,) if isinstance(audience, str) else tuple(audience)

    @property
    def issued_at(self) -> datetime:
        """``iat``, in UTC."""
        return datetime.fromtimestamp(self._required("iat"), UTC)

    @property
    def expires_at(self) -> datetime:
        """``exp``, in UTC."""
        return datetime.fromtimestamp(self._required("exp"), UTC)

    @property
    def token_id(self) -> str | None:
        """``jti``; Auth0's default token profile has none."""
        return self._text("jti")

    @property
    def organization_id(self) -> str | None:
        """``org_id``: the Auth0 organization that the user logged in to."""
        return self._text("org_id")

    @property
    def confirmation(self) -> Any:
        """``cnf`` (RFC 7800): what the token is bound to."""
        return self.get("cnf")

    @property
    def actor(self) -> Actor | None:
        """Who acts on behalf of the subject now: the outermost ``act`` (RFC 8693 §4.1), or ``None``.

        Compare its ``subject``. This is the only actor to decide by.
        """
        return next(actors_in(self._claims.get("act")), None)

    @property
    def delegation_chain(self) -> tuple[Actor, ...]:
        """Every actor in ``act``: the current one first, then those before it, which are for information only."""
        return tuple(actors_in(self._claims.get("act")))

    @property
    def authorization_details(self) -> tuple[AuthorizationDetail, ...]:
        """``authorization_details`` (RFC 9396 §9.1): what exactly was authorized, in the order of the token."""
        return tuple(map(AuthorizationDetail, self._claims.get("authorization_details", ())))

    def _text(self, name: str) -> str | None:
        value = self._claims.get(name)
        return None if value is None else str(value)

    def _required(self, name: str) -> Any:
        try:
            return self._claims[name]
        except KeyError:
            raise RuntimeError(
                "This request is anonymous, so its token has no claims. To solve this, check `if current_token:` first."
            ) from None


def verified_token(
    claims: Mapping[str, Any],
    header: Mapping[str, Any],
    scopes: frozenset[str],
    permissions: frozenset[str],
    digest: bytes,
    signing_digest: str | None,
    kind: type[AccessToken] = AccessToken,
) -> AccessToken:
    """Return the `AccessToken` with these fields: what its constructor calls, which takes twice as long."""
    # Filled while it is plain: past the refusing __setattr__, each field would take five times as long.
    fields: Any = _Fields(claims, header, scopes, permissions, digest, signing_digest)
    fields.__class__ = kind
    return cast("AccessToken", fields)


ANONYMOUS = AccessToken({}, {})
