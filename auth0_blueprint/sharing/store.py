"""What the processes of one app share beyond key sets: on an engine that has atomic operations of its own.

A store holds single values, each of which can be taken once, and one log of changes. The log is a sequence of blobs,
and is known by its `Head`. Every operation may be sent twice without harm, as clients do when a reply was lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store cannot be used now. The text is fixed and safe to log.

    Attributes:
        code: ``unreachable``, ``timeout``, ``failed``, or what the engine knows more exactly, such as ``read_only``.
    """

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)


class Head(NamedTuple):
    """Where a log stands. Two processes that see equal heads have the same history before them.

    Attributes:
        incarnation: chosen anew whenever a log is begun.
        version: how many changes were ever appended.
        digest: of the whole history of changes, each chained to the one before: a log that was restored from an older
            copy and has grown to the same version again has another one.
        layout: rises whenever older changes are merged or dropped.
    """

    incarnation: str
    version: int
    digest: str
    layout: int


def chained(digest: str, blob: str) -> str:
    """Return the digest of a history with *digest*, and *blob* after it. Guards against accidents, not attacks."""
    return hashlib.sha1(f"{digest}{blob}".encode(), usedforsecurity=False).hexdigest()


class Store(Protocol):
    """An engine. An operation that fails raises `StoreError`; whether a failed write took effect is not certain."""

    @property
    def reach(self) -> str:
        """Who shares it: the ``fleet``, or the ``machine``."""
        ...

    def take(self, name: str, value: str, seconds: float) -> bool:
        """Store *value* under *name* unless another value is there; tell whether *value* is there now.

        The value should be one of its own for each attempt, so that nobody takes another's success for theirs.
        """
        ...

    def value_of(self, name: str) -> str | None:
        """Return the value under *name*."""
        ...

    def put(self, name: str, value: str, seconds: float) -> None:
        """Store *value* under *name*, whatever is there."""
        ...

    def give_back(self, name: str, value: str) -> None:
        """Remove *value*, if it is still what is under *name*."""
        ...

    def look(self, notices: list[str]) -> tuple[Head | None, list[str | None]]:
        """Return where the log stands, ``None`` if there is none, and the *notices* of these names: one round trip."""
        ...

    def post(self, notice: str, value: str) -> None:
        """Put *value* where `look` finds it, under the name *notice*."""
        ...

    def begin(self, incarnation: str, blobs: list[str], keep_seconds: float) -> bool:
        """Begin a log that holds *blobs*, all at once, unless there is one; tell whether it is ours."""
        ...

    def append(self, incarnation: str, blobs: list[str], keep_seconds: float) -> Head | None:
        """Append *blobs* to the log of that *incarnation*; ``None`` if there is no such log.

        The log is kept for at least *keep_seconds* from now.
        """
        ...

    def changes(self, since: Head, until: Head) -> list[str] | None:
        """Return what was appended between two heads; ``None`` if that is not known any more, or never was so."""
        ...

    def contents(self, head: Head) -> Iterator[dict[int, str]]:
        """Yield all blobs of the log by their versions, some at a time.

        Raises:
            LayoutChangedError: changes were merged meanwhile, so that some may be missing.
        """
        ...

    def blobs(self, versions: list[int]) -> dict[int, str]:
        """Return the blobs of those *versions* that are in the log."""
        ...

    def check(self) -> None:
        """Try every operation on names of its own, and clean up; for ``flask auth0 doctor``."""

    def merge(self, head: Head, versions: list[int], blob: str | None) -> bool:
        """Put *blob* in the place of the changes with these *versions*, unless the layout has changed; tell whether."""
        ...


class LayoutChangedError(Exception):
    """The log was rearranged while it was read: to be read again."""
