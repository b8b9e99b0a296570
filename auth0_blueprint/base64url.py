"""Base64url without padding, in its one canonical spelling (RFC 7515 §2, RFC 4648 §3.5)."""

from __future__ import annotations

import base64
import binascii


def decode(segment: str) -> bytes:
    """Decode *segment*.

    Raises:
        ValueError: for anything but the spelling an encoder would have produced: padding, white space, another
            alphabet, or a last character whose unused bits are set.
    """
    try:
        text = segment.encode("ascii")
        data = base64.urlsafe_b64decode(text + b"==")  # more padding than needed does no harm
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("not base64url") from exc
    # The library skips what it does not know. Only the canonical spelling survives the way back.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise ValueError("not canonical base64url")
    return data
