"""Reads private keys: PEM text, or the path of a file that holds it. No error shows text that might be a key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_MAX_FILE_BYTES = 65_536


def load_private_key(source: Any) -> Any:
    """Return the key, an object of ``cryptography``, that *source* is, or names.

    Raises:
        ValueError: it cannot be used; the message says why, and holds nothing of it.
    """
    text = source.decode("utf-8", "replace") if isinstance(source, bytes) else source
    if not isinstance(text, (str, os.PathLike)):
        raise ValueError("is neither PEM text nor a path")  # noqa: TRY004 - one kind of error for all of them
    if not isinstance(text, str) or "-----BEGIN" not in text:
        text = _text_of_file(text)
    # Environments often hold the two characters \n instead of a line break.
    data = text.replace("\\n", "\n").strip().encode("utf-8", "replace")
    if b"PRIVATE KEY-----" not in data:
        raise ValueError("is not a private key in PEM format")
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise ValueError("is protected by a passphrase: save it without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("cannot be read as a private key in PEM format") from None


def _text_of_file(path: str | os.PathLike[str]) -> str:
    try:
        with Path(path.strip() if isinstance(path, str) else path).open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"is neither PEM text nor a file that can be read ({exc.strerror})") from None
    except ValueError:  # a NUL in it
        raise ValueError("is neither PEM text nor a file that can be read") from None
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError(f"is in a file of more than {_MAX_FILE_BYTES} bytes")
    return data.decode("utf-8", "replace")
