"""Connects to the first address of a name that answers (Happy Eyeballs, RFC 8305)."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any

#: One result of ``socket.getaddrinfo``: family, type, protocol, canonical name, address.
Address = tuple[Any, Any, int, str, Any]

#: How long an attempt has the field to itself before the next address is tried beside it (RFC 8305 §5 and §8).
ATTEMPT_DELAY_SECONDS = 0.25


def connect_to_first(
    addresses: Iterable[Address],
    timeout_seconds: float,
    prepare: Callable[[socket.socket], object] = lambda _: None,
    *,
    delay_seconds: float = ATTEMPT_DELAY_SECONDS,
) -> socket.socket:
    """Return a socket that is connected to one of *addresses*: the first one that accepts.

    They are tried in their order, families in turn. The next one is tried as soon as an attempt fails, or after 250 ms
    without an answer; earlier attempts go on. One that refuses costs nothing, one that swallows packets 250 ms.

    Args:
        addresses: what ``socket.getaddrinfo`` has returned.
        timeout_seconds: for all attempts together.
        prepare: called with each socket before it connects, to set its options.
        delay_seconds: how long an attempt has the field to itself.

    Raises:
        TimeoutError: none of them has accepted in time.
        OSError: all of them have failed; the error of the last one.
    """
    race = _Race(addresses, timeout_seconds, prepare, delay_seconds)
    try:
        return race.winner()
    finally:
        race.close()


def in_turns(addresses: Iterable[Address]) -> list[Address]:
    """Return *addresses* in the order in which they are tried (RFC 8305 §4): one family after the other."""
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    return [address for address in chain(*zip_longest(*families.values())) if address is not None]


class _Race:
    def __init__(
        self,
        addresses: Iterable[Address],
        timeout_seconds: float,
        prepare: Callable[[socket.socket], object],
        delay_seconds: float,
    ) -> None:
        self._delay_seconds = delay_seconds
        self._waiting = deque(in_turns(addresses))
        self._prepare = prepare
        self._ends_at = time.monotonic() + timeout_seconds
        self._next_at = 0.0
        self._error = OSError("the name has no address")
        # Looked up late: under gevent this class, like that of the sockets, is replaced.
        self._selector: Any = selectors.DefaultSelector()
        self._running: set[socket.socket] = set()

    def winner(self) -> socket.socket:
        while self._waiting or self._running:
            now = time.monotonic()
            if now >= self._ends_at:
                raise TimeoutError("no address has accepted in time")
            if self._waiting and (now >= self._next_at or not self._running):
                self._start(self._waiting.popleft())
                continue
            until = min(self._next_at, self._ends_at) if self._waiting else self._ends_at
            for key, _ in self._selector.select(until - now):
                if self._has_connected(key.fileobj):
                    return self._handed_out(key.fileobj)
        raise self._error

    def close(self) -> None:
        for sock in self._running:
            sock.close()
        self._selector.close()

    def _start(self, address: Address) -> None:
        family, kind, protocol, _, target = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as exc:  # such as IPv6 on a machine without it
            self._error = exc
            return
        self._running.add(sock)
        try:
            self._prepare(sock)
            sock.setblocking(False)
            with suppress(BlockingIOError):
                sock.connect(target)
            self._selector.register(sock, selectors.EVENT_WRITE)
            self._next_at = time.monotonic() + self._delay_seconds
        except OSError as exc:
            self._lose(sock, exc)

    def _has_connected(self, sock: socket.socket) -> bool:
        self._selector.unregister(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            return True
        self._lose(sock, OSError(code, os.strerror(code)))
        return False

    def _lose(self, sock: socket.socket, error: OSError) -> None:
        self._running.discard(sock)
        sock.close()
        self._error = error
        self._next_at = 0.0  # the next one starts at once

    def _handed_out(self, sock: socket.socket) -> socket.socket:
        self._running.discard(sock)
        sock.setblocking(True)
        return sock
