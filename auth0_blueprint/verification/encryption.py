"""Encrypted access tokens: a signed JWT inside a JWE (RFC 7516, RFC 7519 §5.2 and §11.2).

Whatever is wrong before the inner token is there is one error for the sender. The inner token is then verified as any
other, and it is the one that is revoked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from auth0_blueprint.errors import MalformedTokenError
from auth0_blueprint.jose import jwe
from auth0_blueprint.settings.decryption_keys import Encryption

# RFC 7515 §4.1.9 and §4.1.10: a media type without a slash is short for the one below ``application/``.
_TYPES = frozenset({None, "jwt", "at+jwt", "application/jwt", "application/at+jwt"})
#: Claims that a header may repeat, so that they can be read without decryption (RFC 7519 §5.3).
REPEATED_CLAIMS = ("iss", "sub", "aud")


class OpenedToken(NamedTuple):
    """A decrypted token.

    Attributes:
        inner: the signed token, of which nothing is verified.
        header: of the JWE.
    """

    inner: bytes
    header: dict[str, Any]

    def check_repeated(self, claims: dict[str, Any]) -> None:
        """Check that what the header repeats of *claims* is the same there.

        Raises:
            MalformedTokenError: it differs.
        """
        if any(name in self.header and self.header[name] != claims.get(name) for name in REPEATED_CLAIMS):
            raise MalformedTokenError("undecryptable")


def open_token(token: bytes, max_bytes: int, encryption: Encryption) -> OpenedToken | None:
    """Decrypt *token*; return ``None`` for one that is not encrypted, as far as such tokens are accepted.

    Args:
        token: its text.
        max_bytes: longer ones are left alone.
        encryption: the keys, and whether tokens must be encrypted.

    Raises:
        MalformedTokenError: it cannot be decrypted, or is a signed token although tokens must be encrypted.
    """
    dots = token.count(b".")
    if len(token) > max_bytes or dots not in (2, 4):
        return None
    if dots == 2:
        if encryption.is_required:
            raise MalformedTokenError("not_encrypted")
        return None
    try:
        return decrypted(token, encryption)
    except jwe.JWEError as exc:
        raise MalformedTokenError("undecryptable") from exc


def decrypted(token: bytes, encryption: Encryption) -> OpenedToken:
    """Decrypt *token*.

    Raises:
        jwe.JWEError: that is not possible, or there is no signed token in it.
    """
    encrypted = jwe.parse(token)
    if not (_is_of_tokens(encrypted.header.get("typ")) and _is_of_tokens(encrypted.header.get("cty"))):
        raise jwe.JWEError("type")
    inner = encrypted.decrypt(encryption.keys)
    if inner.count(b".") != 2:
        raise jwe.JWEError("nested")
    return OpenedToken(inner, encrypted.header)


def _is_of_tokens(media_type: object) -> bool:
    if isinstance(media_type, str):
        return media_type.lower() in _TYPES
    return media_type is None
