"""What ``flask auth0 doctor`` says about the way to the issuer: proxy, name servers, certificate authorities."""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Credential, make_credential
from conftest import AppFactory
from networks import names, swallowing
from programs import command
from servers import RawServer, document, respond

from auth0_blueprint.cli import check_network

HOST = "issuer.example"
run = command("doctor")
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", names({HOST: ["127.0.0.1"]}))


@pytest.fixture(scope="module")
def credential() -> Credential:
    return make_credential("issuer", HOST, days=90)


@pytest.fixture
def server(credential: Credential, tmp_path: Path) -> Iterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*credential.write_to(tmp_path, "server"))
    with RawServer(respond(body=document("a")), context) as server:
        yield server


@pytest.fixture
def bundle(credential: Credential, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(credential.pem)
    return path


@pytest.fixture
def lines(make_app: AppFactory, server: RawServer) -> Callable[[], dict[str, str]]:
    """Return the findings by their check: status, text and remedy."""
    app = make_app(AUTH0_ISSUER=f"https://{HOST}:{server.server_address[1]}/", AUTH0_ALGORITHMS="EdDSA")

    def found() -> dict[str, str]:
        result = run(app, "--json")
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert "Traceback" not in result.output
        checks = json.loads(result.stdout)["checks"]
        return {one["check"]: f"{one['status']} {one['text']}: {one['remedy']}" for one in checks}

    return found


Lines = Callable[[], dict[str, str]]


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_the_ca_file_is_named(lines: Lines, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(bundle))
    found = lines()
    assert found["CAs"] == f"ok {bundle}, from {variable}: "
    assert found["key set"].startswith("ok")


def test_without_one_it_is_said_which_authorities_count(lines: Lines) -> None:
    found = lines()
    assert found["CAs"] == "ok those of requests: "
    assert found["tls"].startswith("fail the certificate of issuer.example is not trusted")


def test_those_of_truststore_are_said_to_be_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    truststore = pytest.importorskip("truststore")
    monkeypatch.setattr(ssl, "SSLContext", truststore.SSLContext)
    assert check_network._authorities_of_this_machine() == "those of this system (truststore)"


def damaged(path: Path, credential: Credential) -> None:
    path.write_text(credential.pem.replace("M", "!"))


def unreadable(path: Path, _: Credential) -> None:
    path.symlink_to(path)


WRONG_FILES: dict[str, tuple[Callable[[Path, Credential], object], str]] = {
    "missing": (lambda path, _: None, "does not exist: correct the path"),
    "empty": (lambda path, _: path.write_text("\n"), "is empty: it must hold certificates in PEM form"),
    "DER": (lambda path, credential: path.write_bytes(credential.der), "is DER, not PEM: convert it: openssl x509"),
    "a page": (lambda path, _: path.write_text("<html>"), "is not PEM: it must hold certificates"),
    "damaged": (damaged, "holds a damaged certificate: "),
    "a folder": (lambda path, _: path.mkdir(), "is a folder without certificates under their hash: run openssl rehash"),
    "a pipe": (lambda path, _: os.mkfifo(path), "is neither a file nor a folder: "),
    "a circle": (unreadable, "cannot be read ("),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_what_is_wrong_with_the_ca_file_is_said(
    lines: Lines, credential: Credential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "wrong.pem"
    make, text = WRONG_FILES[kind]
    make(path, credential)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    found = lines()
    assert found["CAs"].startswith(f"fail {path}, from SSL_CERT_FILE, {text}")
    assert "key set" not in found


def test_a_folder_of_authorities_is_fine(
    lines: Lines, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "0123abcd.0").write_text(bundle.read_text())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    assert lines()["CAs"].startswith("ok")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("http://user:hunter2/x@127.0.0.1:1", "HTTPS_PROXY is not the URL of a proxy: set it to http://host:port"),
        ("http://user:12/hunter2@127.0.0.1:1", "HTTPS_PROXY is not the URL of a proxy: "),
        ("http://user:hunter2@[", "HTTPS_PROXY is not the URL of a proxy: "),
        ("http://user:hunter2@h:99999", "HTTPS_PROXY is not the URL of a proxy: "),
        ("ftp://user:hunter2@127.0.0.1:1", "HTTPS_PROXY has an unknown scheme: use one of http, https, socks4"),
        (
            "http://user:hunter2@nowhere.invalid:1",
            "http://user:***@nowhere.invalid:1, from HTTPS_PROXY, has no address",
        ),
        ("user:hunter2@127.0.0.1:1", "HTTPS_PROXY is not the URL of a proxy: "),
        ("127.0.0.1:1", "http://127.0.0.1:1, from HTTPS_PROXY, refuses connections: check"),
        ("http://user@127.0.0.1:1", "http://user@127.0.0.1:1, from HTTPS_PROXY, refuses connections: check"),
        ("socks5h://127.0.0.1:1", "socks5h://127.0.0.1:1, from HTTPS_PROXY, refuses connections: check"),
        ("http://[::1]:1", "http://[::1]:1, from HTTPS_PROXY, "),
    ],
)
def test_what_is_wrong_with_the_proxy_is_said(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, value: str, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    found = lines()
    assert found["proxy"].startswith(f"fail {text}")
    assert "hunter2" not in str(found)
    assert "dns" not in found


def test_a_socks_proxy_needs_pysocks(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert lines()["proxy"] == (
        "fail ALL_PROXY names a SOCKS proxy, which needs PySocks: pip install 'requests[socks]'"
    )


def test_a_proxy_that_is_set_aside_is_named(lines: Lines, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", HOST)
    found = lines()
    assert found["proxy"] == f"ok not used: NO_PROXY excepts {HOST} from https_proxy: "
    assert found["key set"].startswith("ok")


@pytest.mark.parametrize("name", [*PROXY_VARIABLES, *CA_VARIABLES])
@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "\udcff", "é", "\x1b[31m", "a\nb", "://", "http://", "a:b:c", "//", "[", "::1", "@", "/", "0", "*"),
        *("http://a b", "x" * 5000, "http://\u2100", "http://%00", "socks5://", "SOCKS5H://a", "http://127.0.0.1:1?@"),
        "~/ca.pem",
    ],
)
def test_no_value_of_the_environment_ends_in_a_traceback(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    found = lines()
    assert "app" in found
    assert "\x1b" not in str(list(found.values()))


def test_an_address_that_does_not_answer_is_a_warning(
    lines: Lines, server: RawServer, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setattr(socket, "getaddrinfo", names({HOST: ["127.0.0.2", "127.0.0.1"]}))
    with swallowing("127.0.0.2", server.server_address[1]):
        found = lines()
    assert found["tls"].startswith("warn issuer.example speaks TLSv1.3")
    assert "127.0.0.1 has answered, 127.0.0.2 has not: check the route to that address" in found["tls"]
    assert found["key set"].startswith("ok")


def test_a_slow_look_up_is_a_warning(lines: Lines, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_network, "_SLOW_LOOKUP_SECONDS", 0.05)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    look_up, never = socket.getaddrinfo, threading.Event()
    slow: Callable[..., Any] = lambda *args, **more: [never.wait(0.1), look_up(*args, **more)][1]  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert lines()["dns"].startswith("warn issuer.example is 127.0.0.1, found after 0.1 s: check the name servers")


def test_a_403_may_be_a_firewall_that_dislikes_the_user_agent(make_app: AppFactory) -> None:
    with RawServer(respond("403 Forbidden")) as server:
        app = make_app(AUTH0_JWKS_URL=server.url, AUTH0_JWKS_USER_AGENT="Mine/1.0 (x)")
        output = run(app).output
        heads = server.heads
    assert "a firewall may refuse the User-Agent Mine/1.0 (x): set AUTH0_JWKS_USER_AGENT" in output
    assert heads
    assert all(b"\r\nUser-Agent: Mine/1.0 (x)\r\n" in head for head in heads)
