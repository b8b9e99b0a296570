"""A name with several addresses, some of which are dead; a look-up that takes its time."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3.util.connection
from networks import Proxy, names, swallowing
from processes import TESTED_PACKAGE, completed
from servers import RawServer, drip, respond

from auth0_blueprint.concurrency.deadline import Deadline, call_within
from auth0_blueprint.http_session.addresses import connect_to_first, in_turns
from auth0_blueprint.keysets.fetch import FetchError, fetch

MAX_BYTES = 10_000
DEFAULT, SHORT = 5.0, 0.3
NAME = "issuer.example"
DEAD = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2, and a backlog that swallows")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A server with a key set, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    with RawServer(respond(body=b"{}")) as server:
        yield server


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give names addresses."""
    return lambda **addresses: monkeypatch.setattr(
        socket, "getaddrinfo", names({name.replace("_", "."): found for name, found in addresses.items()})
    )


def url_of(server: RawServer, name: str = NAME) -> str:
    return server.url.replace("127.0.0.1", name)


def seconds_to_fetch(url: str, timeout_seconds: float = DEFAULT) -> float:
    began = time.monotonic()
    assert fetch(url, timeout_seconds, MAX_BYTES).document == b"{}"
    return time.monotonic() - began


def addresses_of(*hosts: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


class TestAddresses:
    @pytest.mark.parametrize("number", [1, 4])
    def test_addresses_that_swallow_packets_cost_a_quarter_second_each(
        self, server: RawServer, known: Callable[..., None], number: int
    ) -> None:
        known(issuer_example=[*DEAD[:number], "127.0.0.1"])
        with ExitStack() as stack:
            for host in DEAD[:number]:
                stack.enter_context(swallowing(host, server.server_address[1]))
            assert number * 0.25 <= seconds_to_fetch(url_of(server)) < 1.5

    def test_an_address_that_refuses_costs_nothing(self, server: RawServer) -> None:
        """The next one is not left to the clock."""
        port = server.server_address[1]
        with connect_to_first(addresses_of(*DEAD, "127.0.0.1", port=port), 5, delay_seconds=60) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
            assert sock.gettimeout() is None

    def test_after_a_refusal_the_next_one_does_not_wait_for_earlier_ones(self, server: RawServer) -> None:
        port = server.server_address[1]
        found = addresses_of(*DEAD[:2], "127.0.0.1", port=port)
        began = time.monotonic()
        with swallowing(DEAD[0], port):
            connect_to_first(found, 5, delay_seconds=1).close()
        assert 1 <= time.monotonic() - began < 1.9

    def test_an_address_that_answers_late_is_not_given_up(self, server: RawServer) -> None:
        """It goes on while others are tried; the last of them refuses."""
        port = server.server_address[1]
        tried: list[socket.socket] = []
        found = [*addresses_of("127.0.0.1", port=port), *addresses_of(*DEAD, port=port)]
        with connect_to_first(found, 5, tried.append, delay_seconds=0) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"
        assert {sock.fileno() for sock in tried} == {-1}

    @pytest.mark.parametrize("timeout_seconds", [SHORT, 1.0])
    def test_if_all_swallow_packets_the_deadline_ends_it(
        self, server: RawServer, known: Callable[..., None], timeout_seconds: float
    ) -> None:
        known(issuer_example=DEAD[:2])
        began = time.monotonic()
        with (
            swallowing(DEAD[0], server.server_address[1]),
            swallowing(DEAD[1], server.server_address[1]),
            pytest.raises(FetchError, match="in time"),
        ):
            fetch(url_of(server), timeout_seconds, MAX_BYTES)
        assert timeout_seconds <= time.monotonic() - began < timeout_seconds + 1

    @pytest.mark.parametrize("addresses", [DEAD, []])
    def test_if_all_refuse_that_is_said(
        self, server: RawServer, known: Callable[..., None], addresses: list[str]
    ) -> None:
        known(issuer_example=addresses)
        with pytest.raises(FetchError, match="no connection"):
            fetch(url_of(server), DEFAULT, MAX_BYTES)

    def test_families_take_turns(self) -> None:
        """Of many addresses of a dead family one is tried before the first of the other (RFC 8305 §4)."""
        six = [(socket.AF_INET6, 1, 6, "", (f"2001:db8::{number}", 443, 0, 0)) for number in range(3)]
        four = addresses_of("192.0.2.1", port=443)
        assert in_turns([*six, *six, *four]) == [six[0], *four, six[1], six[2]]

    def test_a_family_that_this_machine_lacks_is_passed_over(self, server: RawServer) -> None:
        unknown = (99, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
        found = [unknown, *addresses_of("127.0.0.1", port=server.server_address[1])]
        connect_to_first(found, 5, delay_seconds=60).close()
        with pytest.raises(OSError, match="not supported"):
            connect_to_first([unknown], 5)

    def test_who_allows_ipv4_alone_gets_no_other(self, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """The way to tell urllib3 so, which many apps use."""
        asked: list[Any] = []
        look_up = names({NAME: ["127.0.0.1"]})
        monkeypatch.setattr(urllib3.util.connection, "allowed_gai_family", lambda: socket.AF_INET)

        def noting(*args: Any) -> list[Any]:
            asked.append(args[2])
            return look_up(*args)

        monkeypatch.setattr(socket, "getaddrinfo", noting)
        assert seconds_to_fetch(url_of(server))
        assert asked == [socket.AF_INET]

    @pytest.mark.parametrize("kind", ["http", "socks5h"])
    def test_a_proxy_with_a_dead_first_address_is_reached(
        self, server: RawServer, known: Callable[..., None], monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        known(proxy_example=[DEAD[0], "127.0.0.1"])
        with Proxy(server.server_address[1], is_socks=kind != "http") as proxy, swallowing(DEAD[0], proxy.port):
            monkeypatch.setenv("http_proxy", f"{kind}://proxy.example:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            assert seconds_to_fetch(url_of(server)) < 1.5
            assert proxy.asked


GEVENT = """
from gevent import monkey; monkey.patch_all()
import socket, sys, time
from networks import names, swallowing
from auth0_blueprint.keysets.fetch import fetch
socket.getaddrinfo = names({"issuer.example": ["127.0.0.2", "127.0.0.1"]})
import gevent
turns = []
def others():
    while True:
        turns.append(1)
        gevent.sleep(0.01)
gevent.spawn(others)
port = int(sys.argv[1])
with swallowing("127.0.0.2", port):
    print(fetch(f"http://issuer.example:{port}/jwks.json", 5, 10000).document.decode(), len(turns) > 10)
"""


def test_under_gevent_the_others_go_on_meanwhile(server: RawServer) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*TESTED_PACKAGE.values(), str(Path(__file__).parent)])}
    said = completed([sys.executable, "-c", GEVENT, str(server.server_address[1])], env=environment)
    assert (said.stdout, said.stderr) == ("{} True\n", "")


class TestLookingUp:
    def test_a_slow_look_up_does_not_use_up_the_deadline(
        self, server: RawServer, known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with a dead first name server, which glibc waits for for 5 s: the server has its own time all the same."""
        known(issuer_example=["127.0.0.1"])
        look_up, never = socket.getaddrinfo, threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [never.wait(3 * SHORT), look_up(*args)][1])
        assert seconds_to_fetch(url_of(server), SHORT) >= 3 * SHORT

    @pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
    def test_the_answer_tells_how_long_it_took(self, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
        """A refusal too: an attempt that was long for that reason was not frozen."""
        look_up, never = socket.getaddrinfo, threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [never.wait(SHORT), look_up(*args)][1])
        with RawServer(respond(status, b"{}")) as server:
            try:
                seconds = fetch(server.url, DEFAULT, MAX_BYTES).lookup_seconds
            except FetchError as exc:
                seconds = exc.lookup_seconds
        assert seconds >= SHORT

    def test_after_it_the_deadline_is_as_short_as_ever(
        self, known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known(issuer_example=["127.0.0.1"])
        look_up, never = socket.getaddrinfo, threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [never.wait(SHORT), look_up(*args)][1])
        monkeypatch.setenv("no_proxy", "*")
        began = time.monotonic()
        with RawServer(drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")) as server, pytest.raises(FetchError, match="in time"):
            fetch(url_of(server), SHORT, MAX_BYTES)
        assert 2 * SHORT <= time.monotonic() - began < 2 * SHORT + 1

    def test_a_look_up_without_end_is_not_waited_for(self) -> None:
        deadline = Deadline(0.1, 0.2)

        def look_up() -> None:
            with deadline.waiting():
                threading.Event().wait(3)

        began = time.monotonic()
        with pytest.raises(TimeoutError):
            call_within(deadline, look_up)
        assert 0.3 <= time.monotonic() - began < 1

    def test_several_look_ups_share_their_time(self) -> None:
        deadline = Deadline(1000, 0.01)
        for _ in range(3):
            with deadline.waiting():
                threading.Event().wait(0.01)
        assert 999.97 < deadline.remaining_seconds() <= 1000 - 0.02 + 0.001
