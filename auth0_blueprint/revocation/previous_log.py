"""Reads the log of revocations in its earlier layout, so that a rolling deployment loses none.

It is only read: what a process of an earlier release has revoked is taken over into the set that processes share now.
"""

from __future__ import annotations

from typing import Any

from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.sharing.signed_cache import SignedCache

_BATCH = 200


class PreviousLog:
    """The log of an earlier release.

    Args:
        entries: what processes of that release share.
    """

    def __init__(self, entries: SignedCache) -> None:
        self._entries = entries
        self._epoch: str | None = None
        self._next = 0

    def read(self) -> list[Revocation]:
        """Return what was not read before; nothing where there is no such log.

        Raises:
            CacheUnavailableError: it cannot be read now.
        """
        manifest: Any = self._entries.read("board", "revocations")
        if manifest is None:
            return []
        epoch, first, end = str(manifest["epoch"]), int(manifest["first"]), int(manifest["next"])
        begin = max(first, self._next) if epoch == self._epoch else first
        found: list[Revocation] = []
        for number in range(begin, end, _BATCH):
            names = [f"{epoch}-{one}" for one in range(number, min(number + _BATCH, end))]
            values = self._entries.read_many("revocation", names)
            found += [Revocation(**value) for value in values if value is not None]
        self._epoch, self._next = epoch, end
        return found
