"""``flask auth0 doctor``: what it finds, what it says to do, and its exit status."""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import time
from collections.abc import Iterator
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
from flask_caching.backends.base import BaseCache
from fleet.redis_server import RedisServer, empty_redis
from programs import APP, FLASK, command, run_program
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


run = command("doctor")


def found(app: Flask, check: str) -> list[dict[str, Any]]:
    return [one for one in json.loads(run(app, "--json").stdout)["checks"] if one["check"] == check]


def said(app: Flask, check: str, status: str, number: int = 0) -> str:
    """Return text, with remedy, of the last finding of *check*, which has *status*; *number* come before it."""
    *before, only = found(app, check)
    assert len(before) == number
    assert only["status"] == status
    return f"{only['text']}: {only['remedy']}"


def issuer_with(status: str = "200 OK", body: bytes | None = None, headers: Any = None, **members: Any) -> RawServer:
    """Return an issuer with a key set, and a discovery document that is right but for *members*, or is *body*."""
    server: RawServer

    def answer(connection: socket.socket) -> None:
        root = root_of(server)
        right = {"issuer": root, "jwks_uri": f"{root}.well-known/jwks.json", **members}
        discovery = json.dumps(right).encode() if body is None else body
        answers = {
            b"/.well-known/jwks.json": ("200 OK", document("a")),
            b"/.well-known/openid-configuration": (status, discovery),
        }
        found = answers.get(server.heads[-1].split()[1], ("404 Not Found", b""))
        respond(*found, **headers or {})(connection)

    server = RawServer(answer)
    return server


def root_of(server: RawServer, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.server_address[1]}/"


def app_for(make_app: AppFactory, server: RawServer) -> Flask:
    """Return an app whose issuer is *server*, which has keys for EdDSA."""
    return make_app(AUTH0_ISSUER=root_of(server), AUTH0_ALGORITHMS="EdDSA")


def test_all_is_well_against_a_local_issuer(app: Flask, issuer: LocalIssuer) -> None:
    result = run(app)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line[6:17].strip() for line in lines] == CHECKS
    assert {line[:6] for line in lines} == {"ok    "}
    assert f"1 usable for RS256 from {issuer.issuer}.well-known/jwks.json in " in lines[4]
    assert result.stderr == ""


def test_machines_get_one_json_object(app: Flask, issuer: LocalIssuer) -> None:
    result = run(app, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["status"]) == (0, "ok")
    assert [one["check"] for one in report["checks"]] == CHECKS
    assert {tuple(one) for one in report["checks"]} == {("check", "status", "text", "remedy", "issuer")}
    assert [one["issuer"] for one in report["checks"]] == [None] * 2 + [issuer.issuer] * 5 + [None] * 2


def test_each_domain_is_looked_at(make_app: AppFactory) -> None:
    app = make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN=["one.invalid", "two.invalid"])
    findings = found(app, "dns")
    assert [finding["issuer"] for finding in findings] == ["https://one.invalid/", "https://two.invalid/"]
    assert {finding["status"] for finding in findings} == {"fail"}


def test_a_domain_that_does_not_exist_is_named(make_app: AppFactory) -> None:
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
        (
            "200 OK",
            b'{"keys": [null]}',
            "the key set holds no usable key (not a JSON object): {url}: have the issuer publish public signing",
        ),
        ("200 OK", b'{"error": 1}', "the answer is not a JWK Set: {url}: check AUTH0_DOMAIN"),
        ("200 OK", b"[" * 300_000, "an answer that is too large from {url}: raise AUTH0_JWKS_MAX_BYTES"),
    ],
)
def test_a_key_set_that_cannot_be_used_is_explained(make_app: AppFactory, status: str, body: bytes, text: str) -> None:
    with RawServer(respond(status, body)) as server:
        app = make_app(AUTH0_JWKS_URL=server.url)
        assert said(app, "key set", "fail").startswith(text.format(url=server.url))
        assert run(app).exit_code == 1


def test_a_failed_tls_connection_has_a_remedy_of_its_own() -> None:
    """The check of TLS before it leaves out what a proxy presents."""
    assert check_issuer._remedy_for(FetchError("tls"), "").startswith("check AUTH0_DOMAIN and")


@pytest.mark.parametrize(
    ("scheme", "check", "text"),
    [
        ("http", "key set", r"no connection, or a broken answer from http://127\.0\.0\.1.*"),
        ("https", "tls", r"127\.0\.0\.1 refuses connections on port {port}: check AUTH0_DOMAIN and the firewall"),
    ],
)
def test_a_port_that_nobody_listens_on_is_a_failure(make_app: AppFactory, scheme: str, check: str, text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    app = make_app(AUTH0_ISSUER=f"{scheme}://127.0.0.1:{port}/")
    assert re.fullmatch(text.format(port=port), said(app, check, "fail"))


def test_keys_for_other_algorithms_are_a_failure(make_app: AppFactory) -> None:
    text = "no key for RS256: the published keys are for OKP: set AUTH0_ALGORITHMS to the signing"
    with RawServer(respond(body=document("a"))) as server:
        app = make_app(AUTH0_JWKS_URL=server.url, AUTH0_ALGORITHMS="RS256")
        assert said(app, "key set", "fail").startswith(text)


def test_keys_that_are_not_used_are_a_warning(make_app: AppFactory, issuer: LocalIssuer) -> None:
    keys = [*issuer.key_set["keys"], {"kty": "oct", "k": "c2VjcmV0"}]
    with RawServer(respond(body=json.dumps({"keys": keys}).encode())) as server:
        app = make_app(AUTH0_JWKS_URL=server.url)
        text = said(app, "key set", "warn")
        output = run(app).output
    assert "1 usable" in text
    assert "not used: holds secret material" in text
    assert "c2VjcmV0" not in output


@pytest.mark.parametrize(
    ("members", "status", "text"),
    [
        ({}, "ok", "names the same issuer and key set"),
        ({"issuer": "https://a.example/"}, "fail", "calls itself https://a.example/, not http://"),
        ({"issuer": None}, "fail", "the issuer calls itself None, not http://"),
        ({"issuer": "\x1b[31m"}, "fail", r"calls itself '\x1b[31m', not http://"),
        (
            {"jwks_uri": "https://a.example"},
            "warn",
            "the issuer publishes its keys at https://a.example, not at http://",
        ),
    ],
)
def test_a_discovery_document_is_compared(
    make_app: AppFactory, members: dict[str, Any], status: str, text: str
) -> None:
    """Another issuer refuses every token; another key set may be the same by another name."""
    with issuer_with(**members) as server:
        app = app_for(make_app, server)
        assert text in said(app, "discovery", status)
        result = run(app)
    assert result.exit_code == (1 if status == "fail" else 0)
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("answer", "body", "status", "end"),
    [
        ("404 Not Found", b"", "ok", "has no discovery document (HTTP status 404): nothing to compare: "),
        ("200 OK", b"<html>", "warn", "is not JSON: check AUTH0_DOMAIN"),
    ],
)
def test_an_issuer_need_not_have_a_discovery_document(
    make_app: AppFactory, answer: str, body: bytes, status: str, end: str
) -> None:
    with issuer_with(answer, body) as server:
        assert said(app_for(make_app, server), "discovery", status).endswith(end)


@pytest.mark.parametrize(
    ("offset_seconds", "headers", "status", "text"),
    [
        (3, {}, "ok", "within "),
        (60, {}, "fail", "s behind the clock of http://127.0.0.1"),
        (-60, {}, "fail", "s ahead of the clock of http://127.0.0.1"),
        # An answer from a cache is as old as it says.
        (-600, {"Age": "600"}, "ok", "within "),
        # It does not tell the time.
        (None, {}, "warn", ""),
    ],
)
def test_a_clock_beyond_the_leeway_is_a_failure(
    make_app: AppFactory, offset_seconds: float | None, headers: dict[str, str], status: str, text: str
) -> None:
    if offset_seconds is not None:
        headers = {**headers, "Date": formatdate(time.time() + offset_seconds, usegmt=True)}
    with issuer_with(headers=headers) as server:
        assert text in said(app_for(make_app, server), "clock", status)


# TLS. 127.1 is this machine for the resolver of Linux, and a host like any other for the package.


Tls = tuple[RawServer, Path, float]


@pytest.fixture(params=[0.05, 90], ids=["soon", "later"])
def tls_server(request: Any, tmp_path: Path) -> Iterator[Tls]:
    certificate, key = make_credential("issuer", "127.1", days=request.param).write_to(tmp_path, "issuer")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with RawServer(respond(body=document("a")), context) as server:
        yield server, certificate, request.param


needs_short_addresses = pytest.mark.skipif(sys.platform != "linux", reason="only here 127.1 is a host name")


@needs_short_addresses
def test_a_trusted_certificate_is_fine_and_one_that_ends_soon_a_warning(
    make_app: AppFactory, tls_server: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificate, days = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    app = make_app(AUTH0_ISSUER=root_of(server, "https", "127.1"), AUTH0_ALGORITHMS="EdDSA")
    text = f"127.1 speaks TLSv1.3; its certificate is valid for {89 if days > 14 else 0} more days"
    assert said(app, "tls", "ok" if days > 14 else "warn").startswith(text)
    assert said(app, "key set", "ok")


@needs_short_addresses
@pytest.mark.parametrize("tls_server", [90], indirect=True)
def test_a_certificate_that_nobody_vouches_for_is_a_failure(make_app: AppFactory, tls_server: Tls) -> None:
    app = make_app(AUTH0_ISSUER=root_of(tls_server[0], "https", "127.1"))
    text = "the certificate of 127.1 is not trusted: self-signed certificate: check AUTH0_DOMAIN"
    assert said(app, "tls", "fail").startswith(text)
    assert found(app, "key set") == []
    assert run(app).exit_code == 1


def test_a_server_without_tls_is_a_failure(make_app: AppFactory) -> None:
    class Greeter(RawServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            request.sendall(b"220 mail.example.com ready\r\n")
            request.recv(4096)

    with Greeter(respond()) as server:
        text = said(make_app(AUTH0_ISSUER=root_of(server, "https")), "tls", "fail")
    assert text.startswith(f"127.0.0.1 does not speak TLS on port {server.server_address[1]}: check AUTH0_DOMAIN")


def test_behind_a_proxy_names_are_not_looked_up_here(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy does that; its password is nobody's business."""
    app = make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN="example.invalid")
    with RawServer(respond("502 Bad Gateway")) as proxy:
        address = f"127.0.0.1:{proxy.server_address[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@{address}")
        output = run(app).output
    assert f"ok    proxy      http://user:***@{address}, from HTTPS_PROXY\n" in output
    assert "example.invalid is not looked up here: the environment sets a proxy" in output
    assert "fail  key set" in output
    assert f"fail  proxy      http://user:***@{address}, from HTTPS_PROXY, refuses connections" in run(app).output
    assert "hunter2" not in output + run(app).output


def test_loose_settings_are_warnings_and_exit_with_0(make_app: AppFactory) -> None:
    app = make_app(AUTH0_REVOCATION=False, AUTH0_HEALTH_DETAILS="always")
    result = run(app)
    assert result.exit_code == 0
    assert "warn  settings   AUTH0_REVOCATION is false: a stolen token stays valid until it expires" in result.stdout
    assert result.stdout.count("AUTH0_HEALTH_DETAILS is always: anyone can see the details in /auth/health\n") == 1
    assert "AUTH0_HEALTH" not in result.stderr


def doctor_of(error: Exception | None = None, *, has_blueprint: bool = True, **settings: Any) -> Any:
    """Return the result for an app that is made only then, and raises *error* or may have no blueprint."""

    def create_app() -> Flask:
        app = Flask("made")
        app.config.update(settings)
        if error is not None:
            raise error
        if has_blueprint:
            app.register_blueprint(Auth0Blueprint())
        return app

    return Flask("runs").test_cli_runner().invoke(auth0, ["doctor"], obj=ScriptInfo(create_app=create_app))


def test_an_app_that_cannot_start_for_its_settings_has_its_issuer_checked_all_the_same(issuer: LocalIssuer) -> None:
    result = doctor_of(**issuer.settings, AUTH0_LEEWAY=-1, AUTH0_CACHE_SECRET=1.5)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0] == "fail  app        cannot start with these settings"
    assert lines[1].startswith("fail  settings   AUTH0_LEEWAY must be a number of seconds")
    assert lines[2].startswith("fail  settings   AUTH0_CACHE_SECRET ")
    assert lines[2].endswith("(got ***)")
    assert [line[6:17].strip() for line in lines[3:]] == ["dns", "tls", "key set", "discovery", "clock"]
    assert {line[:4] for line in lines[3:]} == {"ok  "}


def test_an_app_that_cannot_start_for_another_reason_has_its_settings_checked(issuer: LocalIssuer) -> None:
    """They are not to blame, and no control character of the reason reaches the terminal."""
    result = doctor_of(OSError("no database\x1b[31m\nand more"), **issuer.settings)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == r"fail  app        cannot start: 'OSError: no database\x1b[31m'"
    assert "ok    settings   valid; 3 from app.config" in result.stdout
    assert "ok    key set" in result.stdout


def test_an_app_that_knows_no_issuer_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    result = doctor_of()
    assert result.exit_code == 1
    assert [line.split()[:3] for line in result.stdout.splitlines()] == [
        ["fail", "app", "cannot"],
        ["fail", "settings", "AUTH0_AUDIENCE"],
        ["fail", "settings", "AUTH0_DOMAIN"],
    ]


def test_an_app_without_the_blueprint_is_told_so(issuer: LocalIssuer) -> None:
    result = doctor_of(has_blueprint=False, **issuer.settings)
    assert result.exit_code == 1
    assert "fail  app        has no Auth0Blueprint: register one" in result.stdout


def test_what_was_set_after_the_app_had_started_changes_nothing(app: Flask) -> None:
    app.config["AUTH0_LEEWAY"] = -1
    assert [finding["status"] for finding in found(app, "settings")] == ["ok"]


BROKEN = APP.replace("return app", 'raise RuntimeError("the database is away")')


def test_the_program_says_why_an_app_cannot_start(tmp_path: Path, issuer: LocalIssuer) -> None:
    (tmp_path / ".env").write_text(f"AUTH0_ISSUER={issuer.issuer}\n")
    result = run_program(tmp_path, [*FLASK, "doctor"], BROKEN, AUTH0_AUDIENCE="https://api.example.com")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("fail  app        cannot start: RuntimeError: the database is away\n")
    assert "ok    settings   valid; 2 from the environment; audience https://api.example.com" in result.stdout
    assert "ok    key set" in result.stdout


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("this is no Python", "SyntaxError: invalid syntax (served.py, line 1)"),
        (BROKEN, "cannot start with these settings"),
    ],
)
def test_the_program_needs_no_app_that_can_be_imported(tmp_path: Path, code: str, reason: str) -> None:
    result = run_program(tmp_path, [*FLASK, "doctor"], code)
    assert result.returncode == 1
    assert reason in result.stdout.splitlines()[0]
    assert "fail  settings   AUTH0_DOMAIN is missing" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with empty_redis(tmp_path) as server:
        yield server


def test_a_cache_that_all_share_is_written_read_and_emptied(make_app: AppFactory, redis: RedisServer) -> None:
    app = make_app(SECRET_KEY="s" * 32, **redis.settings)
    before = set(redis.client.keys())
    assert said(app, "cache", "ok") == "RedisCache writes, reads and deletes; shared by the whole fleet: "
    assert said(app, "eviction", "ok") == "Redis does not evict entries (noeviction): "
    assert said(app, "workers", "ok")
    assert set(redis.client.keys()) == before
    assert run(app).exit_code == 0


def test_a_redis_that_evicts_is_a_warning(make_app: AppFactory, redis: RedisServer) -> None:
    """Revocations would be lost; without revocation and DPoP nothing would."""
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    app = make_app(SECRET_KEY="s" * 32, **redis.settings)
    text = "may evict revocations (maxmemory-policy allkeys-lru): set maxmemory-policy to noeviction"
    assert text in said(app, "eviction", "warn")
    assert run(app).exit_code == 0
    assert found(make_app(SECRET_KEY="s" * 32, AUTH0_REVOCATION=False, **redis.settings), "eviction") == []


def test_a_redis_that_does_not_tell_is_a_warning(make_app: AppFactory, redis: RedisServer) -> None:
    """Providers take INFO away."""
    redis.client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info"])
    text = "unknown: Redis does not answer INFO: make sure that maxmemory-policy is noeviction"
    assert said(make_app(SECRET_KEY="s" * 32, **redis.settings), "eviction", "warn") == text


def test_a_redis_that_is_away_is_a_failure(make_app: AppFactory, redis: RedisServer) -> None:
    redis.kill()
    app = make_app(SECRET_KEY="s" * 32, **redis.settings)
    text = "RedisCache cannot be reached, or does not answer within 1 s"
    assert said(app, "cache", "fail").split(":")[0] == text
    assert found(app, "eviction") == []
    assert run(app).exit_code == 1


def test_a_shared_cache_without_a_secret_is_a_warning(make_app: AppFactory, tmp_path: Path) -> None:
    app = make_app(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path / "cache"))
    round_trip, secret = found(app, "cache")
    assert round_trip["status"] == "ok"
    text = "not used for sharing: there is no secret to sign entries with"
    assert (secret["status"], secret["text"]) == ("warn", text)
    assert secret["remedy"].startswith("set AUTH0_CACHE_SECRET")


def test_a_cache_that_cannot_be_shared_through_is_a_warning(make_app: AppFactory) -> None:
    """Whoever has set it may have meant to share something."""
    text = "NullCache cannot be shared: nothing is shared between processes: "
    assert said(make_app(CACHE_TYPE="NullCache"), "cache", "warn") == text


class _KeepsAll(FileSystemCache):
    def delete(self, key: str, mgmt_element: bool = False) -> bool:
        return True


def test_a_cache_that_deletes_nothing_is_a_failure(make_app: AppFactory, tmp_path: Path) -> None:
    """A revocation could not be lifted."""
    kind = f"{__name__}._KeepsAll"
    app = make_app(CACHE_TYPE=kind, CACHE_DIR=str(tmp_path / "cache"), SECRET_KEY="s" * 32)
    assert said(app, "cache", "fail").split(":")[0] == "_KeepsAll does not delete entries"


class _WithoutSerializer(BaseCache):
    """As those for memcached are."""


@pytest.mark.parametrize("has_own_cache", [False, True])
@pytest.mark.parametrize("key", ["AUTH0_CACHE_SECRET", "SECRET_KEY"])
def test_a_short_secret_is_a_warning(make_app: AppFactory, has_own_cache: bool, key: str) -> None:
    """Of the settings, and of the cache that is not used for it."""
    cache = Cache() if has_own_cache else None
    settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:9/0", key: "dev"}
    app = make_app(Auth0Blueprint(cache=cache), **settings)
    if cache is not None:
        cache.init_app(app)
    assert said(app, "settings", "warn", 1).startswith(f"{key} is shorter than 32 bytes: nothing is shared beyond")
    assert said(app, "cache", "warn").startswith("not used. The secret is shorter than 32 bytes")
    assert found(app, "store") == []
    assert run(app).exit_code == 0


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("NullCache", "NullCache does not keep what is written: set CACHE_TYPE to RedisCache"),
        (f"{__name__}._WithoutSerializer", "cache _WithoutSerializer may unpickle what its server sends.*"),
    ],
)
def test_a_cache_of_the_host_that_keeps_nothing_or_pickles_is_a_failure(
    make_app: AppFactory, kind: str, text: str
) -> None:
    cache = Cache()
    app = make_app(Auth0Blueprint(cache=cache), SECRET_KEY="s" * 32)
    cache.init_app(app, {"CACHE_TYPE": kind, "CACHE_NO_NULL_WARNING": True})
    assert re.fullmatch(text, said(app, "cache", "fail"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_CONCURRENCY", "4"), ("GUNICORN_CMD_ARGS", "--bind :80 --workers=4"), ("GUNICORN_CMD_ARGS", "-w 4")],
)
def test_several_workers_are_fine_with_a_cache_to_share_and_a_warning_without(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    text = "4 according to the environment. Several worker processes but no shared cache"
    assert said(make_app(), "workers", "warn").startswith(text)
    app = make_app(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path / "cache"), SECRET_KEY="s" * 32)
    text = "4 according to the environment; the cache is shared by all processes on this machine: "
    assert said(app, "workers", "ok") == text
