"""``flask auth0 doctor``: what it finds, what it says to do, and its exit status."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from certificates import make_credential
from conftest import AppFactory
from flask import Flask
from flask.cli import ScriptInfo
from flask_caching import Cache
from flask_caching.backends import FileSystemCache
from fleet.redis_server import RedisServer, empty_redis
from processes import TESTED_PACKAGE
from servers import RawServer, document, respond

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.cli import check_issuer
from auth0_blueprint.extension.commands import auth0
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.testing import LocalIssuer

CHECKS = ["app", "settings", "dns", "tls", "key set", "discovery", "clock", "cache", "workers"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many workers as nobody has set, and no proxy."""
    for name in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def run(app: Flask, *arguments: str) -> Any:
    """Return the result of ``flask auth0 doctor``."""
    return app.test_cli_runner().invoke(args=["auth0", "doctor", *arguments])


def found(app: Flask, check: str) -> list[dict[str, Any]]:
    """Return what *check* has found."""
    return [one for one in json.loads(run(app, "--json").stdout)["checks"] if one["check"] == check]


def one(app: Flask, check: str) -> tuple[str, str]:
    """Return status and text, with remedy, of the one finding of *check*."""
    (only,) = found(app, check)
    return only["status"], f"{only['text']}: {only['remedy']}"


Routes = dict[str, tuple[str, bytes]]


def answering(routes: Callable[[str], Routes], **headers: str) -> RawServer:
    """Return a server that answers paths as *routes* says, which is told its own address first."""
    server: RawServer

    def answer(connection: socket.socket) -> None:
        path = server.heads[-1].split()[1].decode()
        root = f"http://127.0.0.1:{server.server_address[1]}/"
        status, body = routes(root).get(path, ("404 Not Found", b""))
        respond(status, body, **headers)(connection)

    server = RawServer(answer)
    return server


JWKS, DISCOVERY = "/.well-known/jwks.json", "/.well-known/openid-configuration"


def app_for(make_app: AppFactory, server: RawServer, **settings: Any) -> Flask:
    """Return an app whose issuer is *server*, which has keys for EdDSA."""
    root = f"http://127.0.0.1:{server.server_address[1]}/"
    return make_app(AUTH0_ISSUER=root, AUTH0_ALGORITHMS="EdDSA", **settings)


def discovery(**members: Any) -> Callable[[str], Routes]:
    """Return an issuer with a key set, and a discovery document that is right but for *members*."""

    def routes(root: str) -> Routes:
        body = {"issuer": root, "jwks_uri": f"{root}.well-known/jwks.json", **members}
        return {JWKS: ("200 OK", document("a")), DISCOVERY: ("200 OK", json.dumps(body).encode())}

    return routes


# All is well


def test_all_is_well_against_a_local_issuer(app: Flask, issuer: LocalIssuer) -> None:
    """A line for each check, and exit status 0."""
    result = run(app)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line[6:17].strip() for line in lines] == CHECKS
    assert {line[:6] for line in lines} == {"ok    "}
    assert f"1 usable for RS256 from {issuer.issuer}.well-known/jwks.json in " in lines[4]
    assert result.stderr == ""


def test_machines_get_one_json_object(app: Flask, issuer: LocalIssuer) -> None:
    """The same findings, with the issuer that each is about."""
    result = run(app, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["status"]) == (0, "ok")
    assert [one["check"] for one in report["checks"]] == CHECKS
    assert {tuple(one) for one in report["checks"]} == {("check", "status", "text", "remedy", "issuer")}
    assert [one["issuer"] for one in report["checks"]] == [None] * 2 + [issuer.issuer] * 5 + [None] * 2


def test_each_domain_is_looked_at(make_app: AppFactory) -> None:
    """One that fails does not hide the other."""
    app = make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN=["one.invalid", "two.invalid"])
    findings = found(app, "dns")
    assert [finding["issuer"] for finding in findings] == ["https://one.invalid/", "https://two.invalid/"]
    assert {finding["status"] for finding in findings} == {"fail"}


# The issuer


def test_a_domain_that_does_not_exist_is_named(make_app: AppFactory) -> None:
    """And nothing is tried that cannot work any more."""
    app = make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN="example.invalid")
    result = run(app)
    assert result.exit_code == 1
    assert "fail  dns        example.invalid has no address: check AUTH0_DOMAIN for a typo" in result.stdout
    assert "key set" not in result.stdout
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        ("404 Not Found", b"", "HTTP status 404 from {url}: no keys are published there: check AUTH0_DOMAIN"),
        ("302 Found", b"", "HTTP status 302 from {url}: the key set has moved, and redirects are not followed"),
        ("429 Too Many Requests", b"", "HTTP status 429 from {url}: try again"),
        ("503 Service Unavailable", b"", "HTTP status 503 from {url}: try again"),
        ("200 OK", b"<html>", "the answer is not JSON of the required form: {url}: check AUTH0_DOMAIN"),
        ("200 OK", b'{"keys": []}', "the key set holds no usable key: {url}: check AUTH0_DOMAIN"),
        ("200 OK", b'{"error": 1}', "the answer is not a JWK Set: {url}: check AUTH0_DOMAIN"),
        ("200 OK", b"[" * 300_000, "an answer that is too large from {url}: raise AUTH0_JWKS_MAX_BYTES"),
    ],
)
def test_a_key_set_that_cannot_be_used_is_explained(make_app: AppFactory, status: str, body: bytes, text: str) -> None:
    """Exit status 1."""
    with RawServer(respond(status, body)) as server:
        app = make_app(AUTH0_JWKS_URL=server.url)
        got, said = one(app, "key set")
        assert run(app).exit_code == 1
    assert got == "fail"
    assert said.startswith(text.format(url=server.url))


def test_a_failed_tls_connection_has_a_remedy_of_its_own() -> None:
    """The check of TLS before it leaves out what a proxy presents."""
    assert check_issuer._remedy_for(FetchError("tls")).startswith("check AUTH0_DOMAIN and")


def test_an_issuer_that_takes_no_connection_is_a_failure(make_app: AppFactory) -> None:
    """Nobody listens on that port any more."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    app = make_app(AUTH0_ISSUER=f"http://127.0.0.1:{port}/")
    status, said = one(app, "key set")
    assert status == "fail"
    assert said.startswith("no connection, or a broken answer from http://127.0.0.1")


def test_keys_for_other_algorithms_are_a_failure(make_app: AppFactory) -> None:
    """They would let nobody in."""
    with RawServer(respond(body=document("a"))) as server:
        status, said = one(make_app(AUTH0_JWKS_URL=server.url, AUTH0_ALGORITHMS="RS256"), "key set")
    assert status == "fail"
    assert said.startswith("no key for RS256: the published keys are for OKP: set AUTH0_ALGORITHMS to the signing")


def test_keys_that_are_not_used_are_a_warning(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """And why, but never the key."""
    keys = [*issuer.key_set["keys"], {"kty": "oct", "k": "c2VjcmV0"}]
    with RawServer(respond(body=json.dumps({"keys": keys}).encode())) as server:
        app = make_app(AUTH0_JWKS_URL=server.url)
        status, said = one(app, "key set")
        output = run(app).output
    assert status == "warn"
    assert "1 usable" in said
    assert "not used: holds secret material" in said
    assert "c2VjcmV0" not in output


def test_a_discovery_document_that_agrees_is_fine(make_app: AppFactory) -> None:
    """Issuer and key set."""
    with answering(discovery()) as server:
        app = app_for(make_app, server)
        status, said = one(app, "discovery")
    assert status == "ok"
    assert "names the same issuer and key set" in said


@pytest.mark.parametrize(
    ("members", "status", "text"),
    [
        (
            {"issuer": "https://example.eu.auth0.com/"},
            "fail",
            "calls itself https://example.eu.auth0.com/, not http://",
        ),
        ({"issuer": None}, "fail", "the issuer calls itself None, not http://"),
        ({"issuer": "\x1b[31m"}, "fail", r"calls itself '\x1b[31m', not http://"),
        (
            {"jwks_uri": "https://e.example/k"},
            "warn",
            "the issuer publishes its keys at https://e.example/k, not at http://",
        ),
    ],
)
def test_a_discovery_document_that_differs_is_told(
    make_app: AppFactory, members: dict[str, Any], status: str, text: str
) -> None:
    """Another issuer refuses every token; another key set may be the same by another name."""
    with answering(discovery(**members)) as server:
        app = app_for(make_app, server)
        got, said = one(app, "discovery")
        result = run(app)
    assert got == status
    assert text in said
    assert result.exit_code == (1 if status == "fail" else 0)
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        ("404 Not Found", b"", ("ok", "has no discovery document (HTTP status 404): nothing to compare: ")),
        ("200 OK", b"<html>", ("warn", "is not JSON: check AUTH0_DOMAIN")),
    ],
)
def test_an_issuer_need_not_have_a_discovery_document(
    make_app: AppFactory, status: str, body: bytes, expected: tuple[str, str]
) -> None:
    """What it calls so should be one."""
    with answering(lambda _root: {JWKS: ("200 OK", document("a")), DISCOVERY: (status, body)}) as server:
        got, said = one(app_for(make_app, server), "discovery")
    assert got == expected[0]
    assert said.endswith(expected[1])


@pytest.mark.parametrize(
    ("offset_seconds", "status", "text"),
    [
        (3, "ok", "within "),
        (60, "fail", "s behind the clock of http://127.0.0.1"),
        (-60, "fail", "s ahead of the clock of http://127.0.0.1"),
    ],
)
def test_a_clock_beyond_the_leeway_is_a_failure(
    make_app: AppFactory, offset_seconds: float, status: str, text: str
) -> None:
    """By the Date header of the issuer."""
    with answering(discovery(), Date=formatdate(time.time() + offset_seconds, usegmt=True)) as server:
        got, said = one(app_for(make_app, server), "clock")
    assert got == status
    assert text in said


def test_an_answer_from_a_cache_is_as_old_as_it_says(make_app: AppFactory) -> None:
    """The Age header counts."""
    with answering(discovery(), Date=formatdate(time.time() - 600, usegmt=True), Age="600") as server:
        assert one(app_for(make_app, server), "clock")[0] == "ok"


def test_an_issuer_that_does_not_tell_the_time_is_a_warning(make_app: AppFactory) -> None:
    """Nothing to compare with."""
    with answering(discovery()) as server:
        assert one(app_for(make_app, server), "clock")[0] == "warn"


# TLS. 127.1 is this machine for the resolver of Linux, and a host like any other for the package.


@pytest.fixture(params=[0.05, 90], ids=["soon", "later"])
def tls_server(request: Any, tmp_path: Path) -> Iterator[tuple[RawServer, Path, float]]:
    certificate, key = make_credential("issuer", "127.1", days=request.param).write_to(tmp_path, "issuer")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with RawServer(respond(body=document("a")), context) as server:
        yield server, certificate, request.param


needs_short_addresses = pytest.mark.skipif(sys.platform != "linux", reason="only here 127.1 is a host name")


@needs_short_addresses
def test_a_trusted_certificate_is_fine_and_one_that_ends_soon_a_warning(
    make_app: AppFactory, tls_server: tuple[RawServer, Path, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom the environment trusts is trusted."""
    server, certificate, days = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    app = make_app(AUTH0_ISSUER=f"https://127.1:{server.server_address[1]}/", AUTH0_ALGORITHMS="EdDSA")
    status, said = one(app, "tls")
    assert status == ("ok" if days > 14 else "warn")
    assert said.startswith(f"127.1 speaks TLSv1.3; its certificate is valid for {89 if days > 14 else 0} more days")
    assert one(app, "key set")[0] == "ok"


@needs_short_addresses
@pytest.mark.parametrize("tls_server", [90], indirect=True)
def test_a_certificate_that_nobody_vouches_for_is_a_failure(
    make_app: AppFactory, tls_server: tuple[RawServer, Path, float]
) -> None:
    """The key set is not even asked for."""
    app = make_app(AUTH0_ISSUER=f"https://127.1:{tls_server[0].server_address[1]}/")
    status, said = one(app, "tls")
    assert status == "fail"
    assert said.startswith("the certificate of 127.1 is not trusted: self-signed certificate: check AUTH0_DOMAIN")
    assert found(app, "key set") == []
    assert run(app).exit_code == 1


def test_a_server_without_tls_is_a_failure(make_app: AppFactory) -> None:
    """It speaks something else on that port."""

    class Greeter(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"220 mail.example.com ready\r\n")
            self.request.recv(4096)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        port = server.server_address[1]
        status, said = one(make_app(AUTH0_ISSUER=f"https://127.0.0.1:{port}/"), "tls")
        server.shutdown()
        thread.join()
    assert status == "fail"
    assert said.startswith(f"127.0.0.1 does not speak TLS on port {port}: check AUTH0_DOMAIN")


def test_a_port_that_nobody_listens_on_is_a_failure(make_app: AppFactory) -> None:
    """Of an issuer that would speak TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, said = one(make_app(AUTH0_ISSUER=f"https://127.0.0.1:{port}/"), "tls")
    assert status == "fail"
    assert said == f"127.0.0.1 refuses connections on port {port}: check AUTH0_DOMAIN and the firewall"


def test_behind_a_proxy_names_are_not_looked_up_here(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy does that; its password is nobody's business."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{unused.getsockname()[1]}")
    app = make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN="example.invalid")
    output = run(app).output
    assert "example.invalid is not looked up here: the environment sets a proxy" in output
    assert "fail  key set" in output
    assert "hunter2" not in output


# Settings


def test_loose_settings_are_warnings_and_exit_with_0(make_app: AppFactory) -> None:
    """As the log has them at registration, and once."""
    app = make_app(AUTH0_REVOCATION=False, AUTH0_HEALTH_DETAILS="always")
    result = run(app)
    assert result.exit_code == 0
    assert "warn  settings   AUTH0_REVOCATION is false: a stolen token stays valid until it expires" in result.stdout
    assert result.stdout.count("AUTH0_HEALTH_DETAILS is always: anyone can see the details in /auth/health\n") == 1
    assert "AUTH0_HEALTH" not in result.stderr


def doctor_of(create_app: Callable[[], Flask], *arguments: str) -> Any:
    """Return the result for an app that is made only then."""
    runner = Flask("runs").test_cli_runner()
    return runner.invoke(auth0, ["doctor", *arguments], obj=ScriptInfo(create_app=create_app))


def test_an_app_that_cannot_start_for_its_settings_has_its_issuer_checked_all_the_same(issuer: LocalIssuer) -> None:
    """By what is in app.config and sound."""

    def create_app() -> Flask:
        app = Flask("broken")
        app.config.update(issuer.settings, AUTH0_LEEWAY=-1, AUTH0_CACHE_SECRET=1.5)
        app.register_blueprint(Auth0Blueprint())
        return app

    result = doctor_of(create_app)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0] == "fail  app        cannot start with these settings"
    assert lines[1].startswith("fail  settings   AUTH0_LEEWAY must be a number of seconds")
    assert lines[2].startswith("fail  settings   AUTH0_CACHE_SECRET ")
    assert lines[2].endswith("(got ***)")
    assert [line[:17].split(maxsplit=1)[1].strip() for line in lines[3:]] == [
        "dns",
        "tls",
        "key set",
        "discovery",
        "clock",
    ]
    assert {line[:4] for line in lines[3:]} == {"ok  "}


def test_an_app_that_cannot_start_for_another_reason_has_its_settings_checked(issuer: LocalIssuer) -> None:
    """They are not to blame, and no control character of the reason reaches the terminal."""

    def create_app() -> Flask:
        app = Flask("broken")
        app.config.update(issuer.settings)
        raise OSError("no database\x1b[31m\nand more")

    result = doctor_of(create_app)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == r"fail  app        cannot start: 'OSError: no database\x1b[31m'"
    assert "ok    settings   valid; 3 from app.config" in result.stdout
    assert "ok    key set" in result.stdout


def test_an_app_that_knows_no_issuer_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to ask, and nothing else to say."""
    for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)

    def create_app() -> Flask:
        app = Flask("empty")
        app.register_blueprint(Auth0Blueprint())
        return app

    result = doctor_of(create_app)
    assert result.exit_code == 1
    assert [line.split()[:3] for line in result.stdout.splitlines()] == [
        ["fail", "app", "cannot"],
        ["fail", "settings", "AUTH0_AUDIENCE"],
        ["fail", "settings", "AUTH0_DOMAIN"],
    ]


def test_what_was_set_after_the_app_had_started_changes_nothing(app: Flask) -> None:
    """Those settings count that the app works with."""
    app.config["AUTH0_LEEWAY"] = -1
    assert [finding["status"] for finding in found(app, "settings")] == ["ok"]


def test_an_app_without_the_blueprint_is_told_so(issuer: LocalIssuer) -> None:
    """With the remedy."""

    def create_app() -> Flask:
        app = Flask("unguarded")
        app.config.update(issuer.settings)
        return app

    result = doctor_of(create_app)
    assert result.exit_code == 1
    assert "fail  app        has no Auth0Blueprint: register one" in result.stdout


BROKEN = """
from flask import Flask
from auth0_blueprint import Auth0Blueprint

def create_app():
    app = Flask(__name__)
    app.register_blueprint(Auth0Blueprint())
    raise RuntimeError("the database is away")
"""


def flask_auth0_doctor(folder: Path, app: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the real program in *folder*, with nothing but *environ* in its environment."""
    environ = {"PATH": "", **TESTED_PACKAGE, **environ}
    command = [sys.executable, "-m", "flask", "--app", app, "auth0", "doctor"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_says_why_an_app_cannot_start(tmp_path: Path, issuer: LocalIssuer) -> None:
    """And checks what the environment and .env say; never a traceback."""
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / ".env").write_text(f"AUTH0_ISSUER={issuer.issuer}\n")
    result = flask_auth0_doctor(tmp_path, "broken", AUTH0_AUDIENCE="https://api.example.com")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("fail  app        cannot start: RuntimeError: the database is away\n")
    assert "ok    settings   valid; 2 from the environment; audience https://api.example.com" in result.stdout
    assert "ok    key set" in result.stdout


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("this is no Python", "SyntaxError: invalid syntax (broken.py, line 1)"),
        (BROKEN, "cannot start with these settings"),
    ],
)
def test_the_program_needs_no_app_that_can_be_imported(tmp_path: Path, code: str, reason: str) -> None:
    """Nor any settings: then it says which are missing."""
    (tmp_path / "broken.py").write_text(code)
    result = flask_auth0_doctor(tmp_path, "broken")
    assert result.returncode == 1
    assert reason in result.stdout.splitlines()[0]
    assert "fail  settings   AUTH0_DOMAIN is missing" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


# The cache


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis."""
    with empty_redis(tmp_path) as server:
        yield server


def test_a_cache_that_all_share_is_written_read_and_emptied(make_app: AppFactory, redis: RedisServer) -> None:
    """It leaves nothing behind."""
    app = make_app(SECRET_KEY="s" * 32, **redis.settings)
    before = set(redis.client.keys())
    assert one(app, "cache") == ("ok", "RedisCache writes, reads and deletes; shared by the whole fleet: ")
    assert one(app, "eviction") == ("ok", "Redis does not evict entries (noeviction): ")
    assert one(app, "workers")[0] == "ok"
    assert set(redis.client.keys()) == before
    assert run(app).exit_code == 0


def test_a_redis_that_evicts_is_a_warning(make_app: AppFactory, redis: RedisServer) -> None:
    """Revocations would be lost; without revocation and DPoP nothing would."""
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    app = make_app(SECRET_KEY="s" * 32, **redis.settings)
    status, said = one(app, "eviction")
    assert status == "warn"
    assert "may evict revocations (maxmemory-policy allkeys-lru): set maxmemory-policy to noeviction" in said
    assert run(app).exit_code == 0
    assert found(make_app(SECRET_KEY="s" * 32, AUTH0_REVOCATION=False, **redis.settings), "eviction") == []


def test_a_redis_that_does_not_tell_is_a_warning(make_app: AppFactory, redis: RedisServer) -> None:
    """Providers take INFO away."""
    redis.client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info"])
    status, said = one(make_app(SECRET_KEY="s" * 32, **redis.settings), "eviction")
    assert (status, said) == (
        "warn",
        "unknown: Redis does not answer INFO: make sure that maxmemory-policy is noeviction",
    )


def test_a_redis_that_is_away_is_a_failure(make_app: AppFactory, redis: RedisServer) -> None:
    """Within a second or so."""
    redis.kill()
    app = make_app(SECRET_KEY="s" * 32, **redis.settings)
    status, said = one(app, "cache")
    assert (status, said.split(":")[0]) == (
        "fail",
        "RedisCache cannot be reached, or does not answer within 1 s",
    )
    assert found(app, "eviction") == []
    assert run(app).exit_code == 1


def test_a_shared_cache_without_a_secret_is_a_warning(make_app: AppFactory, tmp_path: Path) -> None:
    """Nothing is shared through it."""
    app = make_app(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path / "cache"))
    round_trip, secret = found(app, "cache")
    assert round_trip["status"] == "ok"
    assert (secret["status"], secret["text"]) == (
        "warn",
        "not used for sharing: there is no secret to sign entries with",
    )
    assert secret["remedy"].startswith("set AUTH0_CACHE_SECRET")


def test_a_cache_that_cannot_be_shared_through_is_a_warning(make_app: AppFactory) -> None:
    """Whoever has set it may have meant to share something."""
    text = "NullCache cannot be shared: nothing is shared between processes: "
    assert one(make_app(CACHE_TYPE="NullCache"), "cache") == ("warn", text)


class _KeepsAll(FileSystemCache):
    """Says that it has deleted."""

    def delete(self, key: str, mgmt_element: bool = False) -> bool:
        return True


def test_a_cache_that_deletes_nothing_is_a_failure(make_app: AppFactory, tmp_path: Path) -> None:
    """A revocation could not be lifted."""
    kind = f"{__name__}._KeepsAll"
    app = make_app(CACHE_TYPE=kind, CACHE_DIR=str(tmp_path / "cache"), SECRET_KEY="s" * 32)
    status, said = one(app, "cache")
    assert (status, said.split(":")[0]) == ("fail", "_KeepsAll does not delete entries")


def test_a_cache_that_keeps_nothing_is_a_failure(make_app: AppFactory) -> None:
    """The host's own may be one."""
    cache = Cache(config={"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True})
    app = make_app(Auth0Blueprint(cache=cache), SECRET_KEY="s" * 32)
    cache.init_app(app)
    assert one(app, "cache") == ("fail", "NullCache does not keep what is written: set CACHE_TYPE to RedisCache")


def test_a_cache_that_pickles_is_a_failure(make_app: AppFactory, tmp_path: Path) -> None:
    """As at the first request."""
    cache = Cache(config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "pickles")})
    app = make_app(Auth0Blueprint(cache=cache), SECRET_KEY="s" * 32)
    cache.init_app(app)
    status, said = one(app, "cache")
    assert status == "fail"
    assert said.startswith("CACHE_SERIALIZER the cache of this app uses pickle")


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_CONCURRENCY", "4"), ("GUNICORN_CMD_ARGS", "--bind :80 --workers=4"), ("GUNICORN_CMD_ARGS", "-w 4")],
)
def test_several_workers_without_a_cache_to_share_are_a_warning(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """As far as the environment tells."""
    monkeypatch.setenv(name, value)
    status, said = one(make_app(), "workers")
    assert status == "warn"
    assert said.startswith("4 according to the environment. Several worker processes but no shared cache")


def test_several_workers_with_a_cache_to_share_are_fine(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of one machine, if that is how far it reaches."""
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    app = make_app(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path / "cache"), SECRET_KEY="s" * 32)
    assert one(app, "workers") == (
        "ok",
        "4 according to the environment; the cache is shared by all processes on this machine: ",
    )
