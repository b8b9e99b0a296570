"""Who asks: the User-Agent of every request that this package sends."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def default_user_agent() -> str:
    """Return ``auth0_blueprint/<version>``, or the name alone where the package is not installed."""
    try:
        return f"auth0_blueprint/{version('auth0_blueprint')}"
    except PackageNotFoundError:
        return "auth0_blueprint"
