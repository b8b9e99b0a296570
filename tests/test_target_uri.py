"""The target URI of a request, and which ways to write it name the same."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import WSGIRequestHandler as WerkzeugRequestHandler
from werkzeug.serving import make_server as make_werkzeug_server

from auth0_blueprint.sender_constraining.target_uri import (
    TargetURI,
    _normalized_base,
    base_of_host,
    normalized,
    target_uri,
)

BASE = "https://api.example.com"


def environ(raw_path: str, *, raw_in: str | None = "REQUEST_URI", mounted_at: str = "") -> dict[str, Any]:
    """Return what a server makes of *raw_path*, as PEP 3333 wants it.

    Args:
        raw_path: as the client sent it.
        raw_in: where the server tells it, if it does.
        mounted_at: what of it is ``SCRIPT_NAME``.
    """
    decoded = unquote_to_bytes(raw_path.partition("?")[0]).decode("latin-1")
    told = {} if raw_in is None else {raw_in: raw_path}
    return {"SCRIPT_NAME": mounted_at, "PATH_INFO": decoded.removeprefix(mounted_at), **told}


def names(htu: str, raw_path: str, *, base: str = BASE, **how: Any) -> bool:
    """Tell whether *htu* names the request for *raw_path*."""
    return target_uri(base, environ(raw_path, **how)).is_named_by(normalized(htu))


_SAME = [
    *((f"https://api.example.com{rest}", "/a") for rest in ("/a", ":443/a", ":/a", ":0443/a", "/../../a")),
    *(("HTTPS://API.Example.COM/a", "/a"), (f"{BASE}/a?page=2&q=/../b#top", "/a")),
    *((f"{BASE}{rest}", "/") for rest in ("", "?page=2", "#top", "/..")),
    *((f"{BASE}/a", "/a?page=2"), (f"{BASE}/a?page=2", "/a?page=3")),
    *((f"{BASE}/%61%2Db%5F%7E", "/a-b_~"), (f"{BASE}/a-b_~", "/%61%2db%5f%7e")),
    *((f"{BASE}/caf%c3%a9", "/caf%C3%A9"), (f"{BASE}/%fF", "/%Ff"), (f"{BASE}/users/auth0|1", "/users/auth0%7C1")),
    (f"{BASE}/users/ada%40example.com", "/users/ada@example.com"),
    (f"{BASE}/a:b;c=d,e!$&'()*+", "/a%3Ab%3bc%3Dd%2Ce%21%24%26%27%28%29%2A%2B"),
    *((f"{BASE}/a%20b", "/a%20b"), (f"{BASE}/a%3Fb%23c", "/a%3fb%23c"), (f"{BASE}/100%25", "/100%25")),
    *((f"{BASE}/a/../b/./c", "/b/c"), (f"{BASE}/a/%2E%2e/b", "/b"), (f"{BASE}/a/b/..", "/a/"), (f"{BASE}/a/.", "/a/")),
    *((f"{BASE}{path}", path) for path in ("/a//b", "//", "/...")),
]


_OTHER = [
    *((f"{base}/a", "/a") for base in ("http://api.example.com", "https://evil.example", "https://example.com")),
    *((f"{BASE}{rest}/a", "/a") for rest in (":80", ":8443", ".", ".evil.example")),
    *((f"{BASE}{rest}", "/a") for rest in ("/a/", "/A", "//a", "/a/b", "/", "/a%00")),
    *((f"{BASE}/a", "/a/"), (f"{BASE}/a//b", "/a/b")),
    # Decoded once, not twice.
    *((f"{BASE}/%2561", "/a"), (f"{BASE}/a", "/%2561"), (f"{BASE}/a%252Fb", "/a%2Fb")),
    # A question mark in the path is no query.
    *((f"{BASE}/a%3Fb", "/a?b"), (f"{BASE}/a?b", "/a%3Fb")),
    *((f"{BASE}/a+b", "/a%20b"), (f"{BASE}/caf%E9", "/caf%C3%A9")),
]


@pytest.mark.parametrize("raw_in", ["REQUEST_URI", "RAW_URI", None])
@pytest.mark.parametrize(
    ("htu", "raw_path", "is_named"), [*((*pair, True) for pair in _SAME), *((*pair, False) for pair in _OTHER)]
)
def test_a_uri_is_named_by_its_spellings_and_no_other(
    htu: str, raw_path: str, is_named: bool, raw_in: str | None
) -> None:
    """RFC 3986 §6.2.2, §6.2.3; other is what an app, or whoever stands before it, takes for another resource."""
    assert names(htu, raw_path, raw_in=raw_in) is is_named


@pytest.mark.parametrize(
    "uri",
    [
        *("", "a", "/a", "//api.example.com/a", "https:/api.example.com/a", "https:///a", "https://", "https://:443/a"),
        *("ftp://api.example.com/a", "javascript:alert(1)", "https://ada@api.example.com/a"),
        *("https://ada:secret@api.example.com/a", "https://evil.example\\@api.example.com/a"),
        *("https://api.example.com:99999999/a", "https://api.example.com:https/a"),
        *("https://api.example.com:\u0664\u0664\u0663/a", "https://api.example.com:443:443/a"),
        *("https://api%2Eexample.com/a", "https://api.example.com/a b", "https://api.example.com/a\nb"),
        *("https://api.example.com/a\n", "https://api.example.com\t/a", " https://api.example.com/a"),
        *("https://api.example.com/caf\u00e9", "https://b\u00fccher.example/a", "https://\u212aapi.example.com/a"),
        *("http\u017f://api.example.com/a", "https://[::1/a", "https://::1/a", "https://[api.example.com]x/a"),
    ],
)
def test_what_is_no_http_uri_is_refused(uri: str) -> None:
    """RFC 9110 §4.2: absolute, without user name; RFC 3986 §2: ASCII."""
    with pytest.raises(ValueError, match="not an absolute http or https URI"):
        normalized(uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("HTTP://API.example.com:080/%7ea/./b?x#y", "http://api.example.com/~a/b"),
        ("http://api.example.com:443/", "http://api.example.com:443/"),
        ("https://[2001:DB8::1]:8443/a@b", "https://[2001:db8::1]:8443/a%40b"),
        ("https://127.0.0.1", "https://127.0.0.1/"),
    ],
)
def test_the_one_spelling(uri: str, expected: str) -> None:
    assert normalized(uri) == expected


@pytest.mark.parametrize("raw_in", ["REQUEST_URI", "RAW_URI", None])
@pytest.mark.parametrize(
    ("htu", "raw_path", "is_told_apart"), [("a%2fb", "a%2Fb", False), ("a%2Fb", "a/b", True), ("a/b", "a%2Fb", True)]
)
def test_an_encoded_slash_is_no_slash_as_far_as_the_server_tells(
    htu: str, raw_path: str, is_told_apart: bool, raw_in: str | None
) -> None:
    """RFC 3986 §2.2: a proxy may send the two to different places.

    A client that encodes what it has to must not be refused where the server does not tell: the app sees the same path.
    """
    is_named = names(f"{BASE}/files/{htu}", f"/files/{raw_path}", raw_in=raw_in)
    assert is_named is not (is_told_apart and raw_in is not None)
    assert names(f"{BASE}/files/a/b", "/files/a/b", raw_in=raw_in)


@pytest.mark.parametrize("raw_in", ["REQUEST_URI", None])
@pytest.mark.parametrize("raw_path", ["/files/../keys", "/files/%2E%2e/keys", "/./keys", "/keys/.", "/.."])
def test_a_request_with_dot_segments_is_named_by_nothing(raw_path: str, raw_in: str | None) -> None:
    """Flask does not resolve them: a catch-all view of ``/files/`` would answer to a proof for ``/keys``."""
    for htu in (f"{BASE}{raw_path}", f"{BASE}/keys", f"{BASE}/", f"{BASE}/keys/"):
        assert not names(htu, raw_path, raw_in=raw_in)


@pytest.mark.parametrize("base", ["https://api.example.com/shop/v1", "HTTPS://API.example.com:443/%73hop/x/../v1/?x#y"])
def test_a_prefix_that_a_proxy_takes_off_stands_before_the_path(base: str) -> None:
    """As ``AUTH0_PUBLIC_URL`` says."""
    assert names("https://api.example.com/shop/v1/a%2Fb", "/a%2fb", base=base)
    assert not names("https://api.example.com/a%2Fb", "/a%2Fb", base=base)


@pytest.mark.parametrize("raw_in", ["REQUEST_URI", None])
def test_a_mounted_app_is_named_by_the_whole_path(raw_in: str | None) -> None:
    assert names(f"{BASE}/mounted/a", "/mounted/a", mounted_at="/mounted", raw_in=raw_in)
    assert names(f"{BASE}/mounted", "/mounted", mounted_at="/mounted", raw_in=raw_in)
    assert not names(f"{BASE}/a", "/mounted/a", mounted_at="/mounted", raw_in=raw_in)


@pytest.mark.parametrize(
    "raw_uri", ["/other", "https://api.example.com/a", "*", "", "a", "/a/", "/%2561", "https://evil.example/other"]
)
def test_a_raw_uri_that_says_something_else_is_not_believed(raw_uri: str) -> None:
    """The decoded path is what the app acts on."""
    target = target_uri(BASE, {"SCRIPT_NAME": "", "PATH_INFO": "/a", "REQUEST_URI": raw_uri})
    assert target == TargetURI(f"{BASE}/a", tells_slashes=False)


@pytest.mark.parametrize("path", ["*", ".evil.example/a", ":8443/a", "@evil.example/a", "a"])
def test_a_request_without_a_path_is_named_by_nothing(path: str) -> None:
    """What begins without a slash would become a part of the host."""
    target = target_uri(BASE, {"PATH_INFO": path, "REQUEST_URI": path})
    assert target.uri is None
    assert not target.is_named_by(f"{BASE}{path}")


@pytest.mark.parametrize("base", ["https://api.example.com:99999999", "https://api example.com", "", "https://[::1"])
def test_a_host_that_is_none_is_named_by_nothing(base: str) -> None:
    """A ``Host`` header can hold anything, and nothing is raised for it."""
    assert target_uri(base, environ("/a")).uri is None


def test_an_empty_path_is_a_slash() -> None:
    """RFC 3986 §6.2.3; there is no request without a path."""
    assert target_uri(BASE, {}).uri == f"{BASE}/"


def _app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    target = target_uri(BASE, environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{target.uri} {target.tells_slashes}".encode()]


class _SilentWerkzeugHandler(WerkzeugRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the signature is the base class's
        """Stay silent."""


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is the base class's
        """Stay silent."""


@contextmanager
def _serving(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answers(port: int, *raw_paths: str) -> list[str]:
    answers = []
    for raw_path in raw_paths:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.putrequest("GET", raw_path)
        connection.endheaders()
        answers.append(connection.getresponse().read().decode())
        connection.close()
    return answers


@pytest.mark.parametrize(
    ("serve", "first", "tells_slashes"),
    [
        # Flask's own tells it, by ``REQUEST_URI``.
        (partial(make_werkzeug_server, request_handler=_SilentWerkzeugHandler), "/a%2Fb/%C3%A9", True),
        # Python's own has the decoded path alone.
        (partial(make_server, handler_class=_SilentHandler), "/a/b/%C3%A9", False),
    ],
)
def test_a_server_is_understood_whether_it_tells_the_raw_path_or_not(
    serve: Callable[..., Any], first: str, tells_slashes: bool
) -> None:
    with _serving(serve("127.0.0.1", 0, app=_app)) as port:
        answers = _answers(port, "/a%2fb/%C3%a9?q=1", "/a@b%40|", "/a/../b", "/100%")
    paths = (first, "/a%40b%40%7C", "/a/../b", "/100%25")
    assert answers == [f"{BASE}{path} {tells_slashes}" for path in paths]


def test_middleware_that_moves_the_app_keeps_its_uri() -> None:
    mounted = DispatcherMiddleware(_app, {"/mounted": _app})
    server = make_werkzeug_server("127.0.0.1", 0, ProxyFix(mounted), request_handler=_SilentWerkzeugHandler)
    with _serving(server) as port:
        assert _answers(port, "/mounted/a%2Fb") == [f"{BASE}/mounted/a%2Fb True"]
    told = {"HTTP_X_FORWARDED_PREFIX": "/shop", **environ("/a")}
    seen: list[TargetURI] = []
    ProxyFix(lambda environ, _start: seen.append(target_uri(BASE, environ)) or [], x_prefix=1)(told, lambda *_: None)  # type: ignore[arg-type,func-returns-value]
    assert seen == [TargetURI(f"{BASE}/shop/a", tells_slashes=False)]


# Whatever comes

_LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=20)
_PATHS = st.text(st.sampled_from("/.%2fFeEaé@:?#"), max_size=12)
_BOUNDED = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@_BOUNDED
@given(path=_PATHS)
def test_a_spelling_is_its_own_only_spelling(path: str) -> None:
    try:
        once = normalized(f"https://api.example.com/{path}")
    except ValueError:
        return
    assert normalized(once) == once


@_BOUNDED
@given(script_name=_LATIN_1 | _PATHS, path=_LATIN_1 | _PATHS, raw_uri=_LATIN_1 | _PATHS, base=st.just(BASE) | st.text())
def test_whatever_a_server_says_has_an_answer(script_name: str, path: str, raw_uri: str, base: str) -> None:
    said = {"SCRIPT_NAME": script_name, "PATH_INFO": path, "REQUEST_URI": raw_uri}
    uri = target_uri(base, said).uri
    if base == BASE and (script_name + path).startswith("/"):
        assert uri is not None
        assert unquote_to_bytes(uri.removeprefix(BASE)).decode("latin-1") == script_name + path


@_BOUNDED
@given(raw_path=st.text(st.sampled_from("/.%2fFaé@:|"), max_size=12).map(lambda text: f"/{text}"))
def test_what_is_equal_is_the_same_to_the_app(raw_path: str) -> None:
    """Whatever names a target decodes to the path that the app sees; only dot segments are resolved before."""
    raw = raw_path.encode().decode("latin-1")
    target = target_uri(BASE, environ(raw))
    try:
        named = normalized(f"{BASE}{raw}")
    except ValueError:
        return
    if target.is_named_by(named):
        assert unquote_to_bytes(named.removeprefix(BASE)) == unquote_to_bytes(raw)


@pytest.mark.parametrize(
    ("host", "trusted", "base"),
    [
        ("api.example.com", ["api.example.com"], "https://api.example.com"),
        ("api.example.com:443", ["api.example.com"], "https://api.example.com"),
        ("api.example.com:8443", ["api.example.com"], "https://api.example.com"),
        ("api.example.com:8443", ["api.example.com:8443"], "https://api.example.com:8443"),
        # One text is one host, and not all of its parts.
        ("api.example.com:8443", "api.example.com:8443", "https://api.example.com:8443"),
        ("api.example.com:8", "api.example.com:8443", "https://api.example.com"),
        ("API.Example.com", ["api.example.com"], "https://API.Example.com"),
        ("a.example.com:8443", [".example.com"], "https://a.example.com"),
        ("[::1]:5000", ["[::1]:5000"], "https://[::1]:5000"),
        ("[::1]:5000", ["[::1]"], "https://[::1]"),
        *((host, ["a.example"], "") for host in ("", "a.example:443/files", "a.example:/files", "a b")),
        *((host, ["a.example"], "") for host in ("x@a.example", "a.example?", "a.example#", "a:b")),
    ],
)
def test_a_host_header_adds_nothing_to_a_trusted_name(host: str, trusted: str | list[str], base: str) -> None:
    """No path, and no port that nobody has named: whoever sends a request writes the header."""
    assert base_of_host("https", host, trusted) == base
    assert (target_uri(base, {"PATH_INFO": "/keys"}).uri is None) == (base == "")


def test_a_base_is_brought_into_its_spelling_once() -> None:
    """It is the same in nearly every request."""
    assert _normalized_base("HTTPS://api.example.com:443/") is _normalized_base("HTTPS://api.example.com:443/")
