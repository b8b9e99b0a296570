"""Revocations as text that processes share: compact, and signed as a whole.

A blob holds any number of changes. It is bound to its fleet and to the incarnation of the log, so that nobody without
the secret can make one, or carry one over from elsewhere.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from itsdangerous import BadSignature, Signer

from auth0_blueprint.revocation.index import KINDS, Entry, Origin, Revocation

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: How many changes one blob holds at most.
MAX_CHANGES = 1000
_ROW_LENGTH = 7
_ORIGIN_LENGTH = len(Origin._fields)
_DEFAULTS = (None, False, None)  # of the last members of an entry, which are left out where they have these

#: The values of each kind, and what is known of them.
Changes = dict[str, list[tuple[str, Entry]]]


class Blob(NamedTuple):
    """What a blob says.

    Attributes:
        changes: of the kinds that this release knows.
        is_understood: whether that is all: a later release may have written more.
    """

    changes: Changes
    is_understood: bool


class BlobSigner:
    """Writes and reads the blobs of one fleet.

    Args:
        secret: ``AUTH0_CACHE_SECRET``.
        name: tells this fleet from others.
        max_changes: how many changes one blob holds at most.

    Attributes:
        ignored: how many blobs were not believed.
    """

    def __init__(self, secret: str, name: str, *, max_changes: int = MAX_CHANGES) -> None:
        self._secret = secret
        self._name = name
        self.max_changes = max_changes
        self._signers: dict[str, Signer] = {}
        self._is_logged = False
        self.ignored: int = 0

    def write(self, incarnation: str, revocations: Iterable[Revocation]) -> Iterator[str]:
        """Yield as many blobs as *revocations* need."""
        rows: dict[str, list[list[Any]]] = {}
        count = 0
        for kind, value, *entry in revocations:
            del entry[_ROW_LENGTH - 1 :]  # the issuer, which is part of the value
            while entry and len(entry) > 3 and entry[-1] == _DEFAULTS[len(entry) - 4]:
                entry.pop()
            rows.setdefault(kind, []).append([value, *entry])
            count += 1
            if count == self.max_changes:
                yield self._signed(incarnation, rows)
                rows, count = {}, 0
        if rows:
            yield self._signed(incarnation, rows)

    def read(self, incarnation: str, text: str) -> Blob | None:
        """Return what the blob *text* says; ``None`` if it is not one of this fleet's, of that *incarnation*."""
        try:
            rows = json.loads(self._signer(incarnation).unsign(text))
            known = {kind: [(row[0], _entry(row)) for row in rows[kind]] for kind in rows if kind in KINDS}
            is_known = _are_known(itertools.chain.from_iterable(rows[kind] for kind in known))
        except (BadSignature, ValueError, TypeError, LookupError):
            self._ignore()
            return None
        self._is_logged = False
        return Blob(known, len(known) == len(rows) and is_known)

    def _ignore(self) -> None:
        self.ignored += 1
        if not self._is_logged:  # the first of several in a row
            self._is_logged = True
            logger.warning("ignored a forged, damaged or outdated entry in the shared store (revocations)")

    def _signed(self, incarnation: str, rows: dict[str, list[list[Any]]]) -> str:
        text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
        return self._signer(incarnation).sign(text).decode("utf-8")

    def _signer(self, incarnation: str) -> Signer:
        signer = self._signers.get(incarnation)
        if signer is None:
            salt = f"auth0_blueprint.revocations.{self._name}.{incarnation}"
            signer = Signer(self._secret, salt=salt, digest_method=hashlib.sha256)
            self._signers = {incarnation: signer}  # and none of an earlier log
        return signer


def _entry(row: list[Any]) -> Entry:
    """Return the entry of a row that we have written: its defaults are left out."""
    if len(row) < _ROW_LENGTH:
        return cast("Entry", (*row[1:], *_DEFAULTS[len(row) - 4 :]))
    origin = row[_ROW_LENGTH - 1]
    if origin is not None and not isinstance(origin, list):
        raise TypeError("not an origin")
    return cast("Entry", (*row[1 : _ROW_LENGTH - 1], None if origin is None else Origin(*origin[:_ORIGIN_LENGTH])))


def _are_known(rows: Iterable[list[Any]]) -> bool:
    """Tell whether this release writes all that *rows* have."""
    whole = [row for row in rows if len(row) >= _ROW_LENGTH]
    return all(len(row) == _ROW_LENGTH and len(row[-1] or ()) <= _ORIGIN_LENGTH for row in whole)
