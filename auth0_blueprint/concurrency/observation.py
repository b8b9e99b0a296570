"""Where tracing learns of work in other threads, and of waits for it. Only slow paths come along here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class Observed(Protocol):
    """A call in the background that may be waited for.

    Attributes:
        name: what it gets, such as ``key_set``.
        note: what the observer keeps about it.
    """

    name: str
    note: object


class Observer(Protocol):
    """Follows work from one thread into another."""

    def carried(self, function: Callable[[], T], call: Observed | None, /) -> Callable[[], T]:
        """Return *function* as it is to run in another thread, for *call* if that is what runs there."""
        ...

    def waiting(self, call: Observed, /) -> AbstractContextManager[object]:
        """Return what is around a wait for *call*."""
        ...


_observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Have *observer* follow all work of this process that begins from now on, instead of another one."""
    _observers[:] = [observer]


def carried(function: Callable[[], T], call: Observed | None = None) -> Callable[[], T]:
    """Return *function* as it is to run in another thread; itself while nobody observes."""
    for observer in _observers:
        return observer.carried(function, call)
    return function


def waiting(call: Observed) -> AbstractContextManager[object]:
    """Return what is around a wait for *call*."""
    for observer in _observers:
        return observer.waiting(call)
    return nullcontext()
