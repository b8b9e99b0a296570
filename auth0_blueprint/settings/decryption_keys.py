"""The private keys that decrypt access tokens, and whether tokens must be encrypted.

A key is PEM text, or the path of a file that holds it. Nothing here shows a key, nor text that might be one: a problem
is named by the number of the key.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from marshmallow import ValidationError, fields

from auth0_blueprint.jose.jwe import DecryptionKey
from auth0_blueprint.jose.jwk import MIN_RSA_BITS, is_key_id
from auth0_blueprint.settings.private_keys import load_private_key

MAX_KEYS = 4
#: An operation with a longer key takes over 20 ms of processor time, and anyone can cause one.
MAX_RSA_BITS = 8192
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_FORM = "must be PEM texts or paths of PEM files: one, a list, or a mapping from kid to key"


class Encryption(NamedTuple):
    """What is accepted of encrypted tokens.

    Attributes:
        keys: those that decrypt; without any, encrypted tokens are refused.
        is_required: whether tokens that are not encrypted are refused.
    """

    keys: tuple[DecryptionKey, ...]
    is_required: bool


def encryption_settings(data: Mapping[str, Any]) -> Encryption:
    """Return what the settings in *data* say."""
    return Encryption(data["AUTH0_DECRYPTION_KEYS"], data["AUTH0_ENCRYPTION"] == "required")


def encryption_problems(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong between the settings in *data*."""
    if data.get("AUTH0_ENCRYPTION") != "required" or data.get("AUTH0_DECRYPTION_KEYS", True):
        return {}
    return {"AUTH0_ENCRYPTION": "needs AUTH0_DECRYPTION_KEYS: without a key every token would be refused"}


class DecryptionKeys(fields.Field[tuple[DecryptionKey, ...]]):
    """Private RSA keys: see `_FORM`. In the environment: PEM text, paths with commas between them, or a JSON object."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[DecryptionKey, ...]:
        named = list(_named_keys(value))
        if not 1 <= len(named) <= MAX_KEYS:
            raise ValidationError(f"must be 1 to {MAX_KEYS} keys")
        keys: list[DecryptionKey] = []
        for number, (key_id, source) in enumerate(named, 1):
            try:
                keys.append(DecryptionKey(key_id, _private_key(source)))
            except ValueError as exc:
                # Without its cause, and so without the frames that hold the text of the key.
                raise ValidationError(f"key {number} {exc}") from None
        key_ids = [key.key_id for key in keys if key.key_id is not None]
        if len(set(key_ids)) < len(key_ids):
            raise ValidationError("must not name a kid twice")
        return tuple(keys)


def decryption_keys() -> DecryptionKeys:
    """Return the field of ``AUTH0_DECRYPTION_KEYS``."""
    return DecryptionKeys(
        load_default=(),
        metadata={
            "secret": True,
            "description": "Private RSA keys for [encrypted access tokens](how-to/encrypted-tokens.md): PEM texts or "
            f"paths of PEM files, at most {MAX_KEYS}; a mapping from `kid` to key where Auth0 has a key identifier. "
            "Unset: such tokens are refused.",
        },
    )


def _named_keys(value: Any) -> Iterator[tuple[str | None, Any]]:
    """Return each key that *value* names, with its ``kid``."""
    items = value if isinstance(value, (list, tuple)) else [value]
    for item in items:
        given = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
        if isinstance(given, str):
            given = _parsed(given)
        if isinstance(given, Mapping):
            yield from _checked_kids(given)
        elif isinstance(given, (list, os.PathLike)):
            yield from ((None, source) for source in (given if isinstance(given, list) else [given]))
        else:
            raise ValidationError(_FORM)


def _parsed(text: str) -> Any:
    """Return the mapping or the list of keys that *text* is."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            raise ValidationError(_FORM) from None
    return [block[0] for block in _PEM_BLOCK.finditer(text)] or text.split(",")


def _checked_kids(keys: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key_id, source in keys.items():
        if not key_id or not is_key_id(key_id):
            raise ValidationError("must have kids that are strings of 1 to 256 characters")
        yield key_id, source


def _private_key(source: Any) -> RSAPrivateKey:
    """Return the key that *source* is, or names.

    Raises:
        ValueError: it cannot be used; the message says why, and holds nothing of it.
    """
    key = load_private_key(source)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is not an RSA key")  # noqa: TRY004 - one kind of error for all of them
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise ValueError(f"must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    return key
