"""What is wrong with a file or folder of certificate authorities."""

from __future__ import annotations

import re
import ssl
import stat
from pathlib import Path
from typing import NamedTuple

_MAX_BYTES = 16_777_216
_HASHED_NAME = r"[0-9a-f]{8}\.[0-9]+"
_AS_PEM = "it must hold certificates in PEM form, each from -----BEGIN CERTIFICATE----- on"


class Problem(NamedTuple):
    """What is wrong, as the end of a sentence about the file, and what to do."""

    text: str
    remedy: str


def problem_with(path: str) -> Problem | None:
    """Return what is wrong with the CAs at *path*, or ``None`` if OpenSSL can use them."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            return _problem_with_folder(Path(path))
        if not stat.S_ISREG(mode):
            return Problem("is neither a file nor a folder", _AS_PEM)
        with Path(path).open("rb") as file:
            content = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return Problem("does not exist", "correct the path, in full: ~ is not expanded")
    except (OSError, ValueError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or "not a path"
        return Problem(f"cannot be read ({reason})", "let the user that this app runs as read it")
    return _problem_with_content(path, content)


def _problem_with_folder(path: Path) -> Problem | None:
    if any(re.fullmatch(_HASHED_NAME, entry.name) for entry in path.iterdir()):
        return None
    return Problem("is a folder without certificates under their hash", "run openssl rehash on it, or name a file")


def _problem_with_content(path: str, content: bytes) -> Problem | None:
    if not content.strip():
        return Problem("is empty", _AS_PEM)
    try:
        ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError, ValueError):
        if content[:1] == b"\x30":  # the tag of an ASN.1 sequence
            return Problem("is DER, not PEM", "convert it: openssl x509 -inform der -in FILE -out FILE.pem")
        if b"-----BEGIN CERTIFICATE-----" in content:
            return Problem("holds a damaged certificate", _AS_PEM)
        return Problem("is not PEM", _AS_PEM)
    return None
