"""Who asks: the User-Agent of every request that this package sends."""

from __future__ import annotations

#: With the version of ``pyproject.toml``. Looking it up in the metadata of the installed package takes 6 ms.
DEFAULT_USER_AGENT = "auth0_blueprint/0.1.0"
