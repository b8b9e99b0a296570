"""Who shares what this process shares: nobody else (``process``), this ``machine``, or the ``fleet``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What is lost where several processes serve one app, and each has its own cache.
NOT_SHARED = (
    "several worker processes, and no cache that they share: each one fetches the key set for itself, and learns by "
    "itself of a new key or of an outage. To share, set CACHE_TYPE to RedisCache"
)


def is_lost_between_processes(reach: str, environ: Mapping[str, Any]) -> bool:
    """Tell whether this process is one of several, by the WSGI environment of a request, and shares with none."""
    return reach == "process" and bool(environ.get("wsgi.multiprocess"))
