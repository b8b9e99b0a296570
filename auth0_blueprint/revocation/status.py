"""How revocations are doing in one process, for health and admins."""

from __future__ import annotations

from typing import NamedTuple


class RevocationStatus(NamedTuple):
    """What health and admin endpoints report. ``age_seconds`` is the age of the last successful sync, if any.

    ``was_restored``: the store recently lost revocations, and this process restored those it knew.
    ``is_loaded``: this process has the whole set.
    """

    known: int
    reach: str
    age_seconds: float | None
    is_current: bool
    was_restored: bool
    is_loaded: bool
