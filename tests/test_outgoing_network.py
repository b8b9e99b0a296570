"""Proxies, certificate authorities, recorders and mocks between the package and its issuer."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests_mock
import responses
import vcr
from certificates import Credential, make_credential
from conftest import AppFactory
from documents import ROOT, blocks_of
from networks import Proxy, names
from processes import completed
from servers import RawServer, respond

from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.settings.user_agent import DEFAULT_USER_AGENT
from benchmarks import stale_edge
from benchmarks.networks import SITUATIONS

TIMEOUT, MAX_BYTES = 5.0, 10_000
HOST = "issuer.example"
URL = f"https://{HOST}/jwks.json"
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def credential() -> Credential:
    return make_credential("issuer", HOST, "proxy.example")


@pytest.fixture
def bundle(credential: Credential, tmp_path: Path) -> Path:
    """A file with the one CA that has signed all certificates here."""
    path = tmp_path / "ca.pem"
    path.write_text(credential.pem)
    return path


@pytest.fixture
def context(credential: Credential, tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*credential.write_to(tmp_path, "server"))
    return context


@pytest.fixture
def server(context: ssl.SSLContext) -> Iterator[RawServer]:
    with RawServer(respond(body=b"{}"), context) as server:
        yield server


def get(url: str) -> bytes:
    return fetch(url, TIMEOUT, MAX_BYTES).document


class TestProxies:
    @pytest.mark.parametrize(
        ("scheme", "asked"),
        [
            ("http", f"CONNECT {HOST}:443"),
            ("https", f"CONNECT {HOST}:443"),
            # Looked up here, or by the proxy.
            ("socks5", "address 127.0.0.9"),
            ("socks5h", f"name {HOST}"),
        ],
    )
    @pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
    def test_a_proxy_of_each_kind_is_used(
        self,
        server: RawServer,
        context: ssl.SSLContext,
        bundle: Path,
        monkeypatch: pytest.MonkeyPatch,
        scheme: str,
        asked: str,
        variable: str,
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", names({HOST: ["127.0.0.9"], "proxy.example": ["127.0.0.1"]}))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        tls = context if scheme == "https" else None
        with Proxy(server.server_address[1], is_socks=scheme.startswith("socks"), tls=tls) as proxy:
            monkeypatch.setenv(variable, f"{scheme}://user:p%40ss@proxy.example:{proxy.port}")
            assert get(URL) == b"{}"
        assert (proxy.asked, proxy.credentials) == ([asked], ["user:p@ss"])
        assert f"\r\nHost: {HOST}\r\n".encode() in server.heads[0]

    @pytest.mark.parametrize("excepted", [HOST, ".example", f"a.example,{HOST}:443", "*"])
    def test_no_proxy_is_kept_to(
        self, server: RawServer, bundle: Path, monkeypatch: pytest.MonkeyPatch, excepted: str
    ) -> None:
        port = server.server_address[1]
        monkeypatch.setattr(socket, "getaddrinfo", names({HOST: ["127.0.0.1"]}))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with Proxy(server.server_address[1]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("NO_PROXY", excepted.replace("443", str(port)))
            assert get(f"https://{HOST}:{port}/jwks.json") == b"{}"
        assert proxy.asked == []

    @pytest.mark.parametrize(
        "value", ["http://[", "http://", "ftp://127.0.0.1:1", "http://127.0.0.1:99999", "http://u:ü€@127.0.0.1:1"]
    )
    def test_what_is_no_proxy_is_a_fetch_error(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("HTTPS_PROXY", value)
        with pytest.raises(FetchError, match="no connection"):
            get(URL)


class TestAuthorities:
    @pytest.mark.parametrize("variable", CA_VARIABLES)
    def test_those_of_the_environment_are_trusted_for_loopback_too(
        self, server: RawServer, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        with pytest.raises(FetchError, match="TLS"):
            get(server.url)
        monkeypatch.setenv(variable, str(bundle))
        assert get(server.url) == b"{}"

    @pytest.mark.parametrize("first", [0, 1])
    def test_the_first_variable_counts_alone(
        self, server: RawServer, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
    ) -> None:
        other = tmp_path / "other.pem"
        other.write_text(make_credential("somebody else").pem)
        monkeypatch.setenv(CA_VARIABLES[first], str(bundle))
        monkeypatch.setenv(CA_VARIABLES[first + 1], str(other))
        assert get(server.url) == b"{}"
        monkeypatch.setenv(CA_VARIABLES[first], str(other))
        with pytest.raises(FetchError, match="TLS"):
            get(server.url)

    @pytest.mark.parametrize("is_other_named", [False, True])
    def test_they_stand_instead_of_the_usual_ones(self, server: RawServer, bundle: Path, is_other_named: bool) -> None:
        """As with curl and OpenSSL: whoever names a file wants no other. Here the usual ones have signed."""
        other = bundle.with_name("other.pem")
        other.write_text(make_credential("somebody else").pem)
        code = (
            "import certifi, sys; certifi.where = lambda: sys.argv[2]\n"
            "from auth0_blueprint.keysets.fetch import FetchError, fetch\n"
            "try: print(fetch(sys.argv[1], 5, 10000).document)\n"
            "except FetchError as exc: print(exc)"
        )
        named = {"SSL_CERT_FILE": str(other)} if is_other_named else {}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **named}
        said = completed([sys.executable, "-c", code, server.url, str(bundle)], env=environment)
        assert (said.stdout, said.stderr) == ("no trustworthy TLS connection\n" if is_other_named else "b'{}'\n", "")

    @pytest.mark.parametrize("content", [None, b"", b"0\x82", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
    def test_a_file_that_is_none_is_told_as_a_matter_of_tls(
        self, server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
    ) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(FetchError, match="TLS"):
            get(server.url)
        assert server.heads == []
        with RawServer(respond(body=b"{}")) as plain:  # without TLS it is not needed
            assert get(plain.url) == b"{}"

    def test_truststore_is_used_where_it_is_injected(self, server: RawServer, bundle: Path) -> None:
        """It reads SSL_CERT_FILE too, by way of OpenSSL; here the only thing in it is the store of this process."""
        (block,) = (
            found for found in blocks_of(ROOT / "docs/how-to" / "outgoing-network.md") if found.language == "python"
        )
        code = (
            f"import sys, ssl\n{block.code}\n"
            "from auth0_blueprint.keysets.fetch import fetch\n"
            "from auth0_blueprint.http_session import environment\n"
            "environment.CA_VARIABLES = ()\n"
            "print(ssl.SSLContext.__module__, fetch(sys.argv[1], 5, 10000).document)"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SSL_CERT_FILE": str(bundle)}
        said = completed([sys.executable, "-c", code, server.url], env=environment)
        assert (said.stdout, said.stderr) == ("truststore._api b'{}'\n", "")


class TestUserAgent:
    def test_it_has_the_version_of_the_package(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert f"auth0_blueprint/{project['version']}" == DEFAULT_USER_AGENT

    @pytest.mark.parametrize("agent", [None, "Mine/1.0 (+https://example.com)"])
    def test_a_fetch_and_each_command_say_it(self, make_app: AppFactory, agent: str | None) -> None:
        with RawServer(respond(body=b"{}")) as server:
            issuer = server.url.removesuffix("jwks.json")
            app = make_app(
                AUTH0_ISSUER=issuer, AUTH0_JWKS_USER_AGENT=agent, AUTH0_CLIENT_ID="a", AUTH0_CLIENT_SECRET="b"
            )
            app.test_client().get("/auth/health")
            for words in (["doctor"], ["token"]):
                app.test_cli_runner().invoke(args=["auth0", *words])
        assert len(server.heads) == 4  # the key set, again with the discovery document, and the token
        assert all(f"\r\nUser-Agent: {agent or DEFAULT_USER_AGENT}\r\n".encode() in head for head in server.heads)


class TestRecordersAndMocks:
    """A suite that has taken the network away is not to notice how connections are made here."""

    @pytest.fixture(autouse=True)
    def nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", self.refuse)

    @staticmethod
    def refuse(*_: object) -> list[object]:
        raise AssertionError("a name was looked up")

    def test_responses(self) -> None:
        with responses.RequestsMock() as mock:
            mock.get(URL, body=b"{}")
            mock.get(URL, status=403)
            assert get(URL) == b"{}"
            with pytest.raises(FetchError, match="HTTP status 403"):
                get(URL)

    def test_requests_mock(self) -> None:
        with requests_mock.Mocker() as mock:
            mock.get(URL, content=b"{}")
            assert get(URL) == b"{}"
            assert mock.last_request is not None
            assert mock.last_request.headers["User-Agent"].startswith("auth0_blueprint/")

    def test_a_cassette_of_vcr_is_recorded_and_played(
        self, tmp_path: Path, bundle: Path, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        cassette = str(tmp_path / "cassette.yaml")
        with RawServer(respond(body=b"{}"), context) as server:
            url = server.url.replace("127.0.0.1", HOST)
            monkeypatch.setattr(socket, "getaddrinfo", names({HOST: ["127.0.0.1"]}))
            with vcr.use_cassette(cassette):
                assert get(url) == b"{}"
        monkeypatch.setattr(socket, "getaddrinfo", self.refuse)
        with vcr.use_cassette(cassette, record_mode="none") as played:
            assert get(url) == b"{}"
        assert played.play_count == 1

    def test_whoever_replaces_create_connection_is_asked(
        self, server: RawServer, bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A common way to pin the address of a name."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        connect: Callable[..., socket.socket] = socket.create_connection
        asked: list[tuple[str, int]] = []
        monkeypatch.setattr(socket, "getaddrinfo", names({}))

        def pinned(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
            asked.append(address)
            return connect(server.server_address[:2])

        monkeypatch.setattr("urllib3.util.connection.create_connection", pinned)
        assert get(URL) == b"{}"
        assert asked == [(HOST, 443)]


def rows_of(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table under *heading* by the first one of each row."""
    page = (ROOT / "docs/how-to" / "outgoing-network.md").read_text(encoding="utf-8")
    section = page.partition(f"# {heading}\n")[2].partition("\n#")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return {name: cells for name, *cells in rows}


def test_the_table_of_networks_has_a_row_for_each_that_is_measured() -> None:
    assert list(rows_of("Compared with others")) == [situation.name for situation in SITUATIONS]


def test_the_table_of_a_stale_edge_says_what_is_measured() -> None:
    clients = ["ours", "requests", "PyJWKClient"]
    found = {
        situation: ["accepted" if accepted[name] else "refused" for name in clients]
        for situation, accepted in stale_edge.measure(clients).items()
    }
    assert found == {name: cells[:3] for name, cells in rows_of("A stale copy at the edge of a CDN").items()}
