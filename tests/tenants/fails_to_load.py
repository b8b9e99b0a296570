"""A module that cannot be imported, for a reason of its own that may hold anything."""

from __future__ import annotations

SECRET = {"a": 1}["secret"]
