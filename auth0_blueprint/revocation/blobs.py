"""Revocations as text that processes share: compact, and signed as a whole.

A blob holds any number of changes. It is bound to its fleet and to the incarnation of the log, so that nobody without
the secret can make one, or carry one over from elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from itsdangerous import BadSignature, Signer

from auth0_blueprint.revocation.index import KINDS, Entry, Revocation

#: How many changes one blob holds at most.
MAX_CHANGES = 1000
_DEFAULTS = (None, False)  # of the last two members of an entry, which are left out where they have these

#: What a blob says: the values of each kind, and what is known of them.
Changes = dict[str, list[tuple[str, Entry]]]


class BlobSigner:
    """Writes and reads the blobs of one fleet.

    Args:
        secret: ``AUTH0_CACHE_SECRET``.
        name: tells this fleet from others.

    Attributes:
        ignored: how many blobs were not believed.
    """

    def __init__(self, secret: str, name: str) -> None:
        self._secret = secret
        self._name = name
        self._signers: dict[str, Signer] = {}
        self.ignored: int = 0

    def write(self, incarnation: str, revocations: Iterable[Revocation]) -> Iterator[str]:
        """Yield as many blobs as *revocations* need."""
        rows: dict[str, list[list[Any]]] = {}
        count = 0
        for kind, value, *entry in revocations:
            while entry and len(entry) > 3 and entry[-1] == _DEFAULTS[len(entry) - 4]:
                entry.pop()
            rows.setdefault(kind, []).append([value, *entry])
            count += 1
            if count == MAX_CHANGES:
                yield self._signed(incarnation, rows)
                rows, count = {}, 0
        if rows:
            yield self._signed(incarnation, rows)

    def read(self, incarnation: str, blob: str) -> Changes | None:
        """Return what *blob* says; ``None`` if it is not one of this fleet's, of that *incarnation*."""
        with suppress(BadSignature, ValueError, TypeError, AttributeError):
            rows = json.loads(self._signer(incarnation).unsign(blob))
            return {kind: [(row[0], _entry(row)) for row in rows[kind]] for kind in rows if kind in KINDS}
        self.ignored += 1
        return None

    def _signed(self, incarnation: str, rows: dict[str, list[list[Any]]]) -> str:
        text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
        return self._signer(incarnation).sign(text).decode("utf-8")

    def _signer(self, incarnation: str) -> Signer:
        if incarnation not in self._signers:
            self._signers.clear()  # of an earlier log
            salt = f"auth0_blueprint.revocations.{self._name}.{incarnation}"
            self._signers[incarnation] = Signer(self._secret, salt=salt, digest_method=hashlib.sha256)
        return self._signers[incarnation]


def _entry(row: list[Any]) -> Entry:
    """Return the entry of a row that we have written: its defaults are left out."""
    return (*row[1:], *_DEFAULTS[len(row) - 4 :]) if len(row) < 6 else tuple(row[1:])
