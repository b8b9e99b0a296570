"""``flask auth0 token``: what it sends, what it prints, and that the secret is in nothing of it."""

from __future__ import annotations

import gzip
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from conftest import AppFactory, bearer
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from programs import command, environment_of, typed
from servers import RawServer, drip, respond

from auth0_blueprint.cli.exchange import MAX_BYTES, ExchangeError, exchange
from auth0_blueprint.testing import LocalIssuer

SECRET = "s3cret with 'quotes'"
CREDENTIALS = {"AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": SECRET}


class TokenEndpoint(RawServer):
    """Answers what it is told to, and keeps what it was sent."""

    def __init__(self, token: str) -> None:
        super().__init__(self.answer_form)
        self.status = 200
        self.document: Any = {"access_token": token, "token_type": "Bearer", "expires_in": 86400, "id_token": "x"}
        self.forms: list[dict[str, list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/oauth/token"

    def refuse(self, status: int, error: str, description: str) -> None:
        self.status, self.document = status, {"error": error, "error_description": description}

    def answer_form(self, connection: socket.socket) -> None:
        head, _, body = self.heads[-1].partition(b"\r\n\r\n")
        (length,) = re.findall(rb"^Content-Length: (\d+)", head, re.MULTILINE)
        while len(body) < int(length):
            body += connection.recv(4096)
        self.forms.append(parse_qs(body.decode()))
        respond(f"{self.status} As told", json.dumps(self.document).encode())(connection)


@pytest.fixture
def endpoint(issuer: LocalIssuer) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(issuer.token()) as server:
        yield server


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


run = command("token")

Ask = Callable[..., Any]


@pytest.fixture
def ask(make_app: AppFactory, endpoint: TokenEndpoint) -> Ask:
    """Return a function that runs ``flask auth0 token`` at *endpoint*, for an app that has its credentials."""
    return lambda *words, **options: run(make_app(**CREDENTIALS), "--endpoint", endpoint.url, *words, **options)


def test_it_prints_the_token_and_nothing_else(make_app: AppFactory, ask: Ask, endpoint: TokenEndpoint) -> None:
    result = ask()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{endpoint.document['access_token']}\n"
    assert make_app().test_client().get("/auth/me", headers=bearer(result.stdout.strip())).status_code == 200


def test_it_gets_one_from_an_issuer_that_knows_the_client(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """At the issuer's own endpoint, with the scope that was asked for; others are refused."""
    issuer.add_client("client", SECRET, scope="read:messages write:messages")
    result = run(make_app(**CREDENTIALS), "--scope", "read:messages", "--json")
    assert (result.exit_code, json.loads(result.stdout)["scope"]) == (0, "read:messages")
    refused = run(make_app(**CREDENTIALS), "--secret-stdin", input="another\n")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: The client id or the client secret is wrong. (access_denied: Unauthorized)\n"


def test_it_sends_the_client_credentials_grant(make_app: AppFactory, endpoint: TokenEndpoint) -> None:
    """RFC 6749 §4.4.2, with Auth0's audience, and no other credentials."""
    app = make_app(**CREDENTIALS, AUTH0_AUDIENCE="https://api.example.com,other")
    run(app, "--endpoint", endpoint.url, "--scope", "read:messages", "--scope", "write:messages")
    (form,) = endpoint.forms
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": [SECRET],
        "audience": ["https://api.example.com"],
        "scope": ["read:messages write:messages"],
    }
    assert b"authorization" not in endpoint.heads[0].lower()


def test_a_client_with_a_key_signs_an_assertion(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """private_key_jwt (RFC 7523); a secret on standard input wins over the key."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    issuer.add_client("keyed", public_key=public)
    app = make_app(AUTH0_CLIENT_ID="keyed", AUTH0_CLIENT_KEY=pem)
    assert run(app).exit_code == 0
    assert run(app, "--secret-stdin", input="a secret\n").exit_code == 1


def test_the_endpoint_may_be_a_setting(make_app: AppFactory, endpoint: TokenEndpoint) -> None:
    assert run(make_app(**CREDENTIALS, AUTH0_TOKEN_URL=endpoint.url)).exit_code == 0
    assert len(endpoint.forms) == 1


def test_options_win_over_settings(ask: Ask, endpoint: TokenEndpoint) -> None:
    ask("--client-id", "other", "--audience", "there")
    (form,) = endpoint.forms
    assert (form["client_id"], form["audience"]) == (["other"], ["there"])
    assert "scope" not in form


def test_the_endpoint_is_that_of_the_issuer(make_app: AppFactory, endpoint: TokenEndpoint) -> None:
    app = make_app(**CREDENTIALS, AUTH0_ISSUER=endpoint.url.removesuffix("oauth/token"))
    assert run(app).exit_code == 0
    assert len(endpoint.forms) == 1


def test_json_has_the_members_of_a_token_response(ask: Ask, endpoint: TokenEndpoint) -> None:
    """Those of RFC 6749 §5.1 that came, and nothing else."""
    token = endpoint.document["access_token"]
    assert json.loads(ask("--json").stdout) == {"access_token": token, "token_type": "Bearer", "expires_in": 86400}


WRONG_CLIENT = "The client id or the client secret is wrong."
NO_API = "Auth0 has no API with this identifier"
NOT_FOR_THIS = "The application is not authorized for this API"


@pytest.mark.parametrize(
    ("status", "error", "description", "explanation"),
    [
        (401, "access_denied", "Unauthorized", WRONG_CLIENT),
        (401, "invalid_client", "", WRONG_CLIENT),
        (403, "access_denied", 'Client is not authorized to access "x".', NOT_FOR_THIS),
        (403, "access_denied", "Service not enabled within domain: x", NO_API),
        (403, "access_denied", "Service not found: x", NO_API),
        (403, "access_denied", "Whatever", "Auth0 denies the request. (access_denied: Whatever)"),
        (403, "unauthorized_client", "Grant type not allowed", "The application may not use the client credentials"),
        (400, "invalid_scope", "", "The API has no such scope"),
        (429, "too_many_requests", "", "Too many requests to Auth0"),
        (400, "something_new", "Why.", "Auth0 returned no token. (something_new: Why.)"),
    ],
)
def test_a_refusal_is_explained(
    ask: Ask, endpoint: TokenEndpoint, status: int, error: str, description: str, explanation: str
) -> None:
    endpoint.refuse(status, error, description)
    result = ask()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {explanation}")
    assert result.stderr.endswith(f"({error}: {description})\n" if description else f"({error})\n")


@pytest.mark.parametrize("before", ["", "\x1b", "x" * 290])
def test_a_secret_that_comes_back_is_not_printed(ask: Ask, endpoint: TokenEndpoint, before: str) -> None:
    endpoint.refuse(401, f"no_{SECRET}", f"{before}{SECRET} is wrong")
    output = ask().output
    assert "s3cret" not in output
    assert "***" in output
    assert "\x1b" not in output


def test_what_is_no_token_endpoint_is_told(make_app: AppFactory) -> None:
    """A page, a redirect, nothing at all: no token, no traceback; and the secret goes nowhere else."""
    with RawServer(respond()) as elsewhere:
        for answer in (respond("302 Found", Location=elsewhere.url), respond("404 Not Found", b"<html>")):
            with RawServer(answer) as server:
                result = run(make_app(**CREDENTIALS), "--endpoint", server.url)
            assert result.exit_code == 1
            assert "without an OAuth error. Is it a token endpoint?" in result.stderr
        assert elsewhere.heads == []
    result = run(make_app(**CREDENTIALS), "--endpoint", server.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no connection, or a broken answer" in result.stderr


@pytest.mark.parametrize(
    ("pack", "headers"), [(bytes, {}), (gzip.compress, {"Content_Encoding": "gzip"})], ids=["plain", "compressed"]
)
def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    pack: Callable[[bytes], bytes], headers: dict[str, str]
) -> None:
    with (
        RawServer(respond(body=pack(b" " * (MAX_BYTES + 1)), **headers)) as server,
        pytest.raises(ExchangeError, match="an answer that is too large"),
    ):
        exchange("GET", server.url, 5)
    with RawServer(respond(body=pack(b" " * MAX_BYTES), **headers)) as server:
        assert exchange("GET", server.url, 5).body == b" " * MAX_BYTES


def test_a_connection_is_shut_down_at_the_deadline() -> None:
    """A command leaves no thread and no socket with a server that drips."""
    with RawServer(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b" ")) as server:
        with pytest.raises(ExchangeError, match="no complete answer in time"):
            exchange("GET", server.url, 0.3)
        assert server.connection_ended.wait(2)


@pytest.mark.parametrize("token", [None, "", 1, "two words", "red\x1b[31m", "ü"])
def test_an_answer_without_a_usable_token_is_a_failure(ask: Ask, endpoint: TokenEndpoint, token: Any) -> None:
    endpoint.document = {"access_token": token}
    result = ask()
    problem = f"Error: {endpoint.url} returned no token: the response contains none.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", problem)


@pytest.mark.skipif(sys.platform != "linux", reason="only here 127.1 is this machine, and a host like any other")
def test_what_a_netrc_file_says_is_not_sent(
    endpoint: TokenEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials of the form are the only ones (RFC 6749 §2.3)."""
    (tmp_path / "netrc").write_text("machine 127.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.1")
    exchange("POST", f"http://127.1:{endpoint.server_address[1]}/oauth/token", 10, form={"client_id": "client"})
    assert endpoint.forms == [{"client_id": ["client"]}]
    assert b"authorization" not in endpoint.heads[0].lower()


@pytest.mark.parametrize("url", ["http://example.com/oauth/token", "ftp://127.0.0.1/", "example.com"])
def test_the_secret_is_sent_by_https_only(make_app: AppFactory, url: str) -> None:
    result = run(make_app(**CREDENTIALS), "--endpoint", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "must be https" in result.stderr


def test_the_secret_is_no_argument(ask: Ask) -> None:
    """Others on the machine could read it."""
    assert ask("--client-secret", "x").exit_code == 2
    assert "client-secret" not in ask("--help").output


def test_the_secret_may_come_from_the_standard_input(ask: Ask, endpoint: TokenEndpoint) -> None:
    """One line of it, which wins over a setting."""
    assert ask("--secret-stdin", input="piped\r\nrest\n").exit_code == 0
    assert endpoint.forms[0]["client_secret"] == ["piped"]


def test_without_client_id_or_secret_the_usage_is_wrong(make_app: AppFactory, endpoint: TokenEndpoint) -> None:
    no_id = run(make_app(AUTH0_CLIENT_SECRET="x"), "--endpoint", endpoint.url)
    no_secret = run(make_app(AUTH0_CLIENT_ID="x"), "--endpoint", endpoint.url)
    assert (no_id.exit_code, no_secret.exit_code) == (2, 2)
    assert "No client id: use --client-id, or set AUTH0_CLIENT_ID." in no_id.stderr
    assert "No client secret: set AUTH0_CLIENT_SECRET, or use --secret-stdin." in no_secret.stderr
    assert endpoint.forms == []


def test_on_a_terminal_the_secret_is_asked_for_and_not_shown(
    tmp_path: Path, endpoint: TokenEndpoint, issuer: LocalIssuer
) -> None:
    """What is caught in a variable is the token alone."""
    settings = {**environment_of(issuer), "AUTH0_CLIENT_ID": "client"}
    words = ["token", "--endpoint", endpoint.url]
    status, output, seen = typed(tmp_path, settings, words, "Client secret: ", SECRET)
    assert (status, output) == (0, f"{endpoint.document['access_token']}\n")
    assert endpoint.forms[0]["client_secret"] == [SECRET]
    assert "s3cret" not in seen
