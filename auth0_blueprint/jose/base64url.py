"""Base64url without padding, in its one canonical spelling (RFC 7515 §2, RFC 4648 §3.5)."""

from __future__ import annotations

import base64
import binascii

# The library reads the standard alphabet, with padding: input in either must not get through.
_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = {0: b"", 2: b"==", 3: b"="}
# The unused bits of the last character must be zero. A single character is too few for a byte.
_LAST_CHARACTERS = {1: frozenset[int](), 2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}


def encode(data: bytes) -> str:
    """Encode *data*."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(segment: bytes) -> bytes:
    """Decode *segment*.

    Raises:
        ValueError: it is not what an encoder would have produced: it has padding, white space, another alphabet, or a
            last character with unused bits set.
    """
    rest = len(segment) % 4
    if rest and segment[-1] not in _LAST_CHARACTERS[rest]:
        raise ValueError("not canonical base64url")
    try:
        return binascii.a2b_base64(segment.translate(_STANDARD) + _PADDING[rest], strict_mode=True)
    except binascii.Error as exc:
        raise ValueError("not base64url") from exc
