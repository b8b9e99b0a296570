"""How far sharing reaches: this ``process`` only, this ``machine``, or the ``fleet``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What several processes without a shared cache lose, and the remedy.
NOT_SHARED = (
    "Several worker processes but no shared cache: each fetches the key set separately. Set CACHE_TYPE=RedisCache to "
    "share it."
)

#: What a secret too short to sign what leaves the machine means, and the remedy.
WITHHELD = (
    "The secret is shorter than 32 bytes: nothing is shared beyond this machine. Set AUTH0_CACHE_SECRET to 32 random "
    "bytes or more."
)


def is_lost_between_processes(reach: str, environ: Mapping[str, Any]) -> bool:
    """Return whether this is one of several processes (by the WSGI *environ* of a request) and shares with none."""
    return reach == "process" and bool(environ.get("wsgi.multiprocess"))
