"""One request for a key set, against servers that misbehave."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from certificates import make_credential
from servers import Answer, RawServer, drip, respond
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from auth0_blueprint.http_session import DirectSession, body_of
from auth0_blueprint.http_session.connections import Sockets
from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.keysets.key_set import KeySetError, parse_key_set
from auth0_blueprint.testing import LocalIssuer

MAX_BYTES = 10_000
LONG, SHORT = 10.0, 0.3  # a deadline that no test reaches, and one that the test is about
MALFORMED = ("", "-1", "1.5", "soon", "1e3", "+5", "0x5", "\u00b2", "5s", "1 2")
SLOW_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"


def get(server: RawServer) -> bytes:
    """Fetch from *server*; return the body."""
    return fetch(server.url, LONG, MAX_BYTES).document


def says(message: bytes) -> Answer:
    """Return an answer of these bytes."""
    return lambda connection: connection.sendall(message)


def failure(answer: Answer) -> FetchError:
    """Return the error that *answer* leads to, whose text is that of its code."""
    with RawServer(answer) as server, pytest.raises(FetchError) as caught:
        get(server)
    assert str(caught.value) == FetchError.descriptions[caught.value.code].format(status=caught.value.status)
    return caught.value


def test_each_code_has_the_text_that_health_and_signals_have() -> None:
    """A code is for programs, its text for people; neither changes without the other."""
    errors: list[FetchError | KeySetError] = [FetchError(code, status=404) for code in FetchError.descriptions]
    errors += [KeySetError(code) for code in KeySetError.descriptions]
    assert {error.code: str(error) for error in errors} == {
        "timeout": "no complete answer in time",
        "tls": "no trustworthy TLS connection",
        "connection": "no connection, or a broken answer",
        "http_status": "HTTP status 404",
        "encoded": "an encoded answer that was not asked for",
        "too_large": "an answer that is too large",
        "outdated": "an older copy than the one in use",
        "unexpected": "an unexpected error",
        "not_json": "the answer is not JSON of the required form",
        "not_a_key_set": "the answer is not a JWK Set",
        "no_usable_key": "the key set holds no usable key",
    }


def test_the_body_of_a_good_answer_is_returned(issuer: LocalIssuer) -> None:
    answer = fetch(f"{issuer.issuer}.well-known/jwks.json", LONG, MAX_BYTES)
    assert parse_key_set(answer.document).key_ids == set(issuer.key_ids)


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [(says(CHUNKS), b"{} "), (respond(body=b" " * MAX_BYTES), b" " * MAX_BYTES)],
    ids=["in chunks", "of the greatest size"],
)
def test_a_body_is_returned_whole(answer: Answer, body: bytes) -> None:
    with RawServer(answer) as server:
        assert get(server) == body


GZIPPED, ZLIBBED = gzip.compress(b"{}", mtime=0), zlib.compress(b"{}")
RANDOM = os.urandom(MAX_BYTES)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        *(
            (b"{}", coding)
            for coding in ("identity", "IDENTITY", "Identity", "", " ", " identity ", "identity, identity")
        ),
        *((GZIPPED, coding) for coding in ("gzip", "GZIP", "x-gzip", " gzip ", "identity, gzip", ",gzip,")),
        *((deflated, "deflate") for deflated in (ZLIBBED, ZLIBBED[2:-4])),
        *((compress(RANDOM), coding) for coding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress))),
    ],
)
def test_a_body_in_a_known_coding_is_read_though_none_was_asked_for(body: bytes, coding: str) -> None:
    """Some servers and proxies compress regardless. The limit is for what comes out, not for what was sent."""
    with RawServer(respond(body=body, Content_Encoding=coding)) as server:
        assert get(server) in (b"{}", RANDOM)
        assert b"\r\nAccept-Encoding: identity\r\n" in server.heads[0]


@pytest.mark.parametrize(
    ("fields", "age", "max_age"),
    [
        ({}, 0, None),
        ({"Age": "7", "Cache_Control": "public, max-age=600, stale-if-error=86400"}, 7, 600),
        ({"Age": "0", "Cache_Control": "MAX-AGE = 15"}, 0, 15),
        ({"Age": "9, 4", "Cache_Control": 'max-age="15",max-age=20'}, 9, 15),  # of several, as RFC 9111 says
        ({"Age": " 12 ", "Cache_Control": "s-maxage=9, x-max-age=8, max-age"}, 12, None),
        ({"Age": "99999999999999999999999", "Cache_Control": "max-age=99999999999999999999999"}, 2**31, 2**31),
        ({"Age": "4294967296", "Cache_Control": "max-age=2147483649"}, 2**31, 2**31),
        *(({"Age": value, "Cache_Control": f"max-age={value}"}, 0, None) for value in MALFORMED),
        ({"Age": "x, 5", "Cache_Control": "max-age=x, max-age=5"}, 0, 5),
    ],
)  # fmt: skip
def test_age_and_max_age_are_told_and_ignored_where_malformed(
    fields: dict[str, str], age: float, max_age: float | None
) -> None:
    with RawServer(respond(body=b"{}", **fields)) as server:
        assert fetch(server.url, LONG, MAX_BYTES)[:4] == (b"{}", age, max_age, False)


def test_caches_are_bypassed_only_if_they_are_to_be() -> None:
    with RawServer(respond(body=b"{}")) as server:
        answers = [fetch(server.url, LONG, MAX_BYTES, no_cache=no_cache) for no_cache in (False, True)]
    assert [b"\r\nCache-Control: no-cache\r\n" in head for head in server.heads] == [False, True]
    assert [answer.is_revalidated for answer in answers] == [False, True]


TOO_LARGE, ENCODED = "an answer that is too large", "an encoded answer that was not asked for"


class TestRefusals:
    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
    def test_the_target_of_a_redirect_is_never_asked(self, status: str) -> None:
        with RawServer(respond(body=b'{"keys": []}')) as target:
            error = failure(respond(status, Location=target.url))
            assert target.heads == []
        assert str(error) == f"HTTP status {status[:3]}"

    def test_the_body_of_a_redirect_is_not_read_to_its_end(self) -> None:
        """The size cap holds for answers that are refused anyway: memory is not the server's to fill."""
        size = 64 * 1024 * 1024
        accepted: list[int] = []

        def flood(connection: socket.socket) -> None:
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: {size}\r\n\r\n".encode())
            for _ in range(size // 1_048_576):
                connection.sendall(bytes(1_048_576))
                accepted.append(1_048_576)

        failure(flood)
        assert sum(accepted) < size / 2  # what the sockets' own buffers take is not our concern

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (respond("204 No Content"), "HTTP status 204"),
            (respond("206 Partial Content"), "HTTP status 206"),
            (respond("304 Not Modified"), "HTTP status 304"),
            (respond("404 Not Found"), "HTTP status 404"),
            (respond("500 x"), "HTTP status 500"),
            # A reason is a fixed text, safe to log: it never shows what the server said.
            (respond("503 SPY", body=b"SPY", SPY="SPY"), "HTTP status 503"),
            # More than the cap, announced or not, is left long before the deadline.
            (respond(body=b" " * (MAX_BYTES + 20_000)), TOO_LARGE),
            (respond(body=b" " * (MAX_BYTES + 20_000), Content_Length=str(2**40)), TOO_LARGE),
            (drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" " * MAX_BYTES), TOO_LARGE),
            # Too large once unpacked; what cannot be read, or would multiply; what is damaged, or not what it says.
            (respond(body=gzip.compress(bytes(MAX_BYTES + 1)), Content_Encoding="gzip"), TOO_LARGE),
            *(
                (respond(body=gzip.compress(gzip.compress(b"{}", mtime=0)), Content_Encoding=coding), ENCODED)
                for coding in ("br", "zstd", "compress", "x-unknown", "gzip, gzip", "deflate,identity,gzip", "*")
            ),
            *(
                (respond(body=body, Content_Encoding=coding), "no connection, or a broken answer")
                for coding in ("gzip", "deflate")
                for body in (b"", b"{}", GZIPPED[:-1], GZIPPED[:-9], GZIPPED + b"x", GZIPPED + GZIPPED, b"x" + GZIPPED)
            ),
        ],
    )
    def test_an_answer_that_is_not_acceptable_is_a_failure(self, answer: Answer, reason: str) -> None:
        assert str(failure(answer)) == reason

    @pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_a_bomb_is_not_unpacked(self, coding: str, compress: Callable[[bytes], bytes]) -> None:
        """A body within the limit may unpack to a thousand times its size: memory is not the server's to fill."""
        bomb = compress(bytes(2**23))
        assert len(bomb) < MAX_BYTES
        tracemalloc.start()
        assert str(failure(respond(body=bomb, Content_Encoding=coding))) == TOO_LARGE
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**22

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0),
            ("7", 7),
            ("100000", 100_000),
            *((value, 0) for value in ("", "-5", "1.5", "soon", "\u00b2", "9" * 50)),
            # A date that has passed asks for nothing.
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 01 Jan 1970 00:00:00 -0000", 0),
            # Impossible dates: whatever stands there, the failure stays a FetchError.
            ("Mon, 01 Jan 99999 00:00:00 GMT", 0),
            ("Mon, 32 Jan 2030 00:00:00 GMT", 0),
            ("Mon, 01 Jan 2030 00:00:00 +99999999999999999999", 0),
            ("Mon, 99999999999999999999 Jan 2030 00:00:00 GMT", 0),
        ],
    )
    def test_retry_after_is_told_in_seconds(self, value: str, seconds: float) -> None:
        head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: " + value.encode("latin-1")
        error = failure(says(head + b"\r\n\r\n"))
        assert (str(error), error.retry_after_seconds) == ("HTTP status 503", seconds)

    def test_retry_after_as_a_date_is_told(self) -> None:
        then = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
        error = failure(respond("503 Service Unavailable", Retry_After=format_datetime(then, usegmt=True)))
        assert 95 < error.retry_after_seconds <= 100

    @pytest.mark.parametrize("body", [b"", b"<!doctype html><title>Blocked</title>", b"\xff\xfe", b"null"])
    def test_a_body_that_is_no_key_set_is_not_parsed(self, body: bytes) -> None:
        """A 200 with an empty body, or with the page of some proxy, is not a key set."""
        with RawServer(respond(body=body, Content_Type="text/html")) as server, pytest.raises(KeySetError):
            parse_key_set(get(server))

    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"not HTTP at all\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 1000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://[\r\n\r\n",
        ],
        ids=["nothing", "no HTTP", "no status", "cut", "chunk size", "many headers", "long header", "location"],
    )
    def test_broken_http_is_a_fetch_error(self, message: bytes) -> None:
        failure(says(message))

    def test_an_address_where_nobody_listens_is_a_fetch_error(self) -> None:
        with socket.socket() as reserved:  # bound, and not listening
            reserved.bind(("127.0.0.1", 0))
            for port in (reserved.getsockname()[1], 99999):
                with pytest.raises(FetchError, match="no connection"):
                    fetch(f"http://127.0.0.1:{port}/", LONG, MAX_BYTES)


def runs_out_of_time(server: RawServer, url: str) -> None:
    """Fetch until the deadline is over, when *server* sees us go: no thread and no socket of ours stays with it."""
    begin = time.monotonic()
    with pytest.raises(FetchError, match="in time"):
        fetch(url, SHORT, MAX_BYTES)
    assert SHORT <= time.monotonic() - begin < SHORT + 1
    assert server.connection_ended.wait(2)


class TestDeadline:
    @pytest.mark.parametrize(
        "answer",
        [
            lambda connection: connection.recv(1),
            drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
            drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
            drip(SLOW_BODY, b" "),
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["silence", "headers", "one header", "body", "chunks", "interim answers"],
    )
    def test_a_dripping_answer_ends_at_the_deadline(self, answer: Answer) -> None:
        """The deadline is for the whole exchange: no byte that comes in time buys more of it."""
        with RawServer(answer) as server:
            runs_out_of_time(server, server.url)

    def test_a_hanging_tls_handshake_ends_at_the_deadline(self) -> None:
        with RawServer(respond()) as server:
            runs_out_of_time(server, server.url.replace("http:", "https:"))

    @pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
    def test_silence_is_told_as_such_also_when_the_socket_notices_it_first(self, beginning: bytes) -> None:
        """Its timeout is as long as the deadline: which of the two is noticed first must not change the reason."""

        def answer(connection: socket.socket) -> None:
            connection.sendall(beginning)
            connection.recv(1)

        with RawServer(answer) as server, pytest.raises(TimeoutError, match="a socket has timed out"):
            DirectSession(server.url, SHORT)._exchange("GET", lambda response: body_of(response, MAX_BYTES), {})

    def test_a_connection_made_after_the_deadline_is_not_used(self) -> None:
        """The name may be resolved only then: the request is not sent any more."""
        sockets = Sockets()
        sockets.shut_down()
        with socket.socket() as late, pytest.raises(OSError, match="deadline"):
            sockets.note(late)


class TestTLS:
    def test_a_server_with_an_untrusted_certificate_is_not_asked(self, tmp_path: Path) -> None:
        """Good for 127.0.0.1, and of nobody's trust: keys from whoever sits in between would let everybody in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*make_credential("127.0.0.1").write_to(tmp_path, "server"))
        with RawServer(respond(body=b'{"keys": []}'), context) as server:
            with pytest.raises(FetchError, match="no trustworthy TLS connection"):
                get(server)
            assert server.heads == []


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for every host, where requests would look for them."""
    path = tmp_path / "netrc"
    path.write_text("default login spy password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A proxy for every host."""
    with RawServer(respond()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        yield proxy


class TestEnvironment:
    @pytest.mark.usefixtures("netrc")
    def test_netrc_credentials_are_not_sent_anywhere(self, proxy: RawServer) -> None:
        """The key set is public, and the user's passwords are not ours to send: neither to loopback nor beyond."""
        with RawServer(respond()) as server:
            get(server)
        fetch("http://issuer.example/jwks.json", LONG, MAX_BYTES)
        assert proxy.heads[0].startswith(b"GET http://issuer.example/jwks.json ")
        for (head,) in (server.heads, proxy.heads):
            assert b"authorization" not in head.lower()

    def test_loopback_is_never_asked_through_a_proxy(self, proxy: RawServer) -> None:
        """A local issuer is here, and not wherever the proxy runs."""
        with RawServer(respond(body=b"{}")) as server:
            assert get(server) == b"{}"
        assert proxy.heads == []


@pytest.fixture
def detour(monkeypatch: pytest.MonkeyPatch) -> Callable[[RawServer], None]:
    """Have every connection lead to one server, in the way that recorders, mocks and SOCKS proxies do it."""
    monkeypatch.setenv("no_proxy", "*")

    def install(server: RawServer) -> None:
        class Detour(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0))

        monkeypatch.setattr(HTTPConnectionPool, "ConnectionCls", Detour)

    return install


class TestOtherConnections:
    def test_connections_of_others_are_used(self, detour: Callable[[RawServer], None]) -> None:
        """The pool's own class connects in its own way: no name is resolved here."""
        with RawServer(respond(body=b"{}")) as server:
            detour(server)
            assert fetch("http://issuer.invalid/jwks.json", LONG, MAX_BYTES).document == b"{}"
        assert b"\r\nHost: issuer.invalid\r\n" in server.heads[0]

    def test_connections_of_others_are_shut_down_at_the_deadline_too(self, detour: Callable[[RawServer], None]) -> None:
        with RawServer(drip(SLOW_BODY, b" ")) as server:
            detour(server)
            runs_out_of_time(server, "http://issuer.invalid/jwks.json")
