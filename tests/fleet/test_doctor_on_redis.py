"""``flask auth0 doctor`` on a real Redis that is set up wrongly: the cause and the remedy, not just that it fails."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from certificates import make_credential
from conftest import AppFactory
from processes import eventually

from .proxy import Proxy
from .redis_server import RedisServer
from .servers import SECRET

pytestmark = pytest.mark.usefixtures("unmeasured")

PASSWORD = "open" + "sesame"


class Doctor:
    """Runs the command on apps with other settings."""

    def __init__(self, make_app: AppFactory) -> None:
        self._make_app = make_app

    def findings(self, **settings: Any) -> dict[str, tuple[str, str, str]]:
        """Return status, text and remedy, by check; none shows a password."""
        app = self._make_app(AUTH0_CACHE_SECRET=SECRET, CACHE_TYPE="RedisCache", **settings)
        result = app.test_cli_runner().invoke(args=["auth0", "doctor", "--json"])
        assert PASSWORD not in result.output
        checks = json.loads(result.stdout)["checks"]
        return {one["check"]: (one["status"], one["text"], one["remedy"] or "") for one in checks}

    def failure(self, **settings: Any) -> tuple[str, str]:
        """Return text and remedy of the one failure."""
        findings = self.findings(**settings)
        ((text, remedy),) = [(text, remedy) for status, text, remedy in findings.values() if status == "fail"]
        return text, remedy


@pytest.fixture
def doctor(make_app: AppFactory) -> Doctor:
    return Doctor(make_app)


@pytest.fixture
def clean(clean_redis: RedisServer) -> Iterator[RedisServer]:
    """A Redis whose users and limits are put back afterwards."""
    yield clean_redis
    client = clean_redis.client
    for user in client.acl_users():
        if user != "default":
            client.acl_deluser(user)
    clean_redis.make_room()
    clean_redis.need_replicas(0)
    client.config_set("requirepass", "")


def with_user(redis: RedisServer, *rules: str) -> str:
    """Make a user with *rules*; return the URL that uses it."""
    redis.client.execute_command("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", *rules)
    return redis.url.replace("redis://", f"redis://app:{PASSWORD}@")


EVERYTHING = ("~*", "+@all")


def test_all_is_well(doctor: Doctor, clean: RedisServer) -> None:
    """Nothing stays behind."""
    findings = doctor.findings(CACHE_REDIS_URL=with_user(clean, *EVERYTHING))
    assert findings["cache"][0] == findings["store"][0] == "ok"
    assert clean.client.keys("*") == []


@pytest.mark.parametrize(
    "command",
    [
        "get",
        "mget",
        "set",
        "del",
        "evalsha",
        "hmget",
        "hset",
        "hkeys",
        "hget",
        "hdel",
        "hincrby",
        "pexpire",
        "pttl",
        "rename",
        "exists",
    ],
)
def test_a_command_that_the_user_may_not_run(doctor: Doctor, clean: RedisServer, command: str) -> None:
    """Each one that the package uses."""
    text, remedy = doctor.failure(CACHE_REDIS_URL=with_user(clean, *EVERYTHING, f"-{command}"))
    assert "the Redis user may not run the command or use the key" in text
    assert "docs/how-to/redis.md" in remedy


def test_keys_that_the_user_may_not_use(doctor: Doctor, clean: RedisServer) -> None:
    """Those of another app."""
    text, _ = doctor.failure(CACHE_REDIS_URL=with_user(clean, "~other_*", "+@all"))
    assert "the Redis user may not run the command or use the key" in text


@pytest.mark.parametrize("user", ["", "app", "nobody"])
def test_a_wrong_password(doctor: Doctor, clean: RedisServer, user: str) -> None:
    """Of the default user, of another, and of one that is not there."""
    with_user(clean, *EVERYTHING)
    clean.client.config_set("requirepass", "another")
    try:
        text, remedy = doctor.failure(CACHE_REDIS_URL=clean.url.replace("://", f"://{user}:{PASSWORD}x@"))
        assert text == "RedisCache cannot be used: Redis rejects the user name or password"
        assert "CACHE_REDIS_URL" in remedy
        text, _ = doctor.failure(CACHE_REDIS_URL=clean.url)
        assert text == "RedisCache cannot be used: Redis rejects the user name or password"
    finally:
        clean.with_password("another").config_set("requirepass", "")


def test_a_full_redis(doctor: Doctor, clean: RedisServer) -> None:
    """It has to be given room."""
    clean.fill_up()
    text, remedy = doctor.failure(CACHE_REDIS_URL=clean.url)
    assert text == "RedisCache cannot be used: Redis is full and accepts no writes (maxmemory)"
    assert "maxmemory" in remedy


def test_one_without_replicas(doctor: Doctor, clean: RedisServer) -> None:
    """It wants some."""
    clean.need_replicas(1)
    text, remedy = doctor.failure(CACHE_REDIS_URL=clean.url)
    assert text.endswith("too few replicas are in sync (min-replicas-to-write)")
    assert "min-replicas-to-write" in remedy


def test_a_replica(doctor: Doctor, clean: RedisServer, redis: RedisServer) -> None:
    """The primary is elsewhere."""
    redis.follow(clean)
    text, remedy = doctor.failure(CACHE_REDIS_URL=redis.url)
    assert text == "RedisCache cannot be used: Redis accepts no writes: this is a read-only replica"
    assert remedy.startswith("connect to the primary")


def test_a_database_that_is_not_there(doctor: Doctor, clean: RedisServer) -> None:
    """Redis has 16."""
    text, _ = doctor.failure(CACHE_REDIS_URL=clean.url.replace("/0", "/99"))
    assert text == "RedisCache cannot be used: Redis has no database of this number"


def test_a_cluster_that_is_none(doctor: Doctor, make_app: AppFactory, clean: RedisServer) -> None:
    """The type for one server is the remedy."""
    app = make_app(
        AUTH0_CACHE_SECRET=SECRET, CACHE_TYPE="RedisClusterCache", CACHE_REDIS_CLUSTER=f"127.0.0.1:{clean.port}"
    )
    output = app.test_cli_runner().invoke(args=["auth0", "doctor"]).output
    assert "this Redis is not part of a cluster: set CACHE_TYPE to RedisCache" in output


def test_a_member_of_a_cluster(doctor: Doctor, redis_server: str, tmp_path: Path) -> None:
    """The type for clusters is the remedy."""
    with ExitStack() as servers:
        empty, whole = (servers.enter_context(node(redis_server, tmp_path / name)) for name in ("empty", "whole"))
        whole.client.execute_command("CLUSTER ADDSLOTS", *range(16384))
        empty.client.execute_command("CLUSTER MEET", "127.0.0.1", whole.port)
        eventually(lambda: empty.client.execute_command("CLUSTER INFO")["cluster_state"] == "ok", 30)
        text, remedy = doctor.failure(CACHE_REDIS_URL=empty.url)
    assert text == "RedisCache cannot be used: this Redis is part of a cluster"
    assert remedy == "set CACHE_TYPE to RedisClusterCache"


def node(program: str, directory: Path) -> RedisServer:
    """Make a member of a cluster, with a folder of its own."""
    directory.mkdir()
    return RedisServer(program, directory, "--cluster-enabled", "yes")


class TestTLS:
    """TLS in front of Redis, as with a managed one."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> tuple[Path, Path]:
        return make_credential("redis").write_to(tmp_path, "redis")

    @pytest.fixture
    def tls(self, clean: RedisServer, authority: tuple[Path, Path]) -> Iterator[Proxy]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority)
        with Proxy(clean.port, context) as proxy:
            yield proxy

    def test_the_right_way(self, doctor: Doctor, tls: Proxy, authority: tuple[Path, Path]) -> None:
        """With its CA."""
        url = f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={authority[0]}"
        findings = doctor.findings(CACHE_REDIS_URL=url)
        assert findings["cache"][0] == findings["store"][0] == "ok"

    def test_a_client_without_a_certificate(
        self, doctor: Doctor, clean: RedisServer, authority: tuple[Path, Path]
    ) -> None:
        """It is asked for one, as a Redis with TLS does by default."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority)
        context.load_verify_locations(authority[0])
        context.verify_mode = ssl.CERT_REQUIRED
        certificate, key = authority
        with Proxy(clean.port, context) as tls:
            url = f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={certificate}"
            text, remedy = doctor.failure(CACHE_REDIS_URL=url)
            assert text.endswith("Redis ends the TLS connection, as it does without a client certificate")
            assert "ssl_certfile" in remedy
            findings = doctor.findings(CACHE_REDIS_URL=f"{url}&ssl_certfile={certificate}&ssl_keyfile={key}")
            assert findings["cache"][0] == "ok"

    def test_a_plain_client_at_a_tls_port(self, doctor: Doctor, tls: Proxy) -> None:
        """It must speak TLS."""
        text, remedy = doctor.failure(CACHE_REDIS_URL=f"redis://127.0.0.1:{tls.port}/0")
        assert text == "RedisCache cannot be used: Redis expects TLS on this port"
        assert "rediss://" in remedy

    def test_a_tls_client_at_a_plain_port(self, doctor: Doctor, clean: RedisServer) -> None:
        """It must not."""
        text, remedy = doctor.failure(CACHE_REDIS_URL=clean.url.replace("redis://", "rediss://"))
        assert text == "RedisCache cannot be used: Redis does not speak TLS on this port"
        assert "redis://" in remedy

    def test_a_certificate_that_nobody_knows(self, doctor: Doctor, tls: Proxy) -> None:
        """Its CA must be named."""
        text, remedy = doctor.failure(CACHE_REDIS_URL=f"rediss://127.0.0.1:{tls.port}/0")
        assert text.startswith("RedisCache cannot be used: the TLS certificate of Redis is not trusted")
        assert "ssl_ca_certs" in remedy


def test_one_that_is_away_cannot_be_reached(doctor: Doctor) -> None:
    """And nothing else is said to be so."""
    text, _ = doctor.failure(CACHE_REDIS_URL="redis://127.0.0.1:9/0")
    assert text == "RedisCache cannot be reached, or does not answer within 1 s"
