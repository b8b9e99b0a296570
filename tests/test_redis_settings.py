"""What is wrong with the settings of Redis is said at registration, and no piece of a password in any output."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import AppFactory
from flask import Flask
from flask.cli import ScriptInfo
from flask_caching import Cache
from flask_caching.backends import RedisCache

from auth0_blueprint import Auth0Blueprint, ConfigurationError
from auth0_blueprint.extension.commands import auth0
from auth0_blueprint.testing import LocalIssuer

HOST = "redis.example:6379/0"
#: What no output may hold.
PIECES = ("xyzzy", "plugh")
#: Passwords as they stand in a URL: with each special character, also where it may be taken for a part of the URL, and
#: with all of them encoded.
WRITTEN_PASSWORDS = [
    *(f"xyzzy{special}plugh" for special in "#/?@%[ "),
    *("1#plugh", "1/plugh", "1?plugh", "1@plugh"),
    quote("xyzzy#/?@%[] plugh", safe=""),
]
WRONG_URLS = [
    "xyzzyplugh",
    "http://xyzzyplugh/0",
    *(f"{scheme}:xyzzy{special}plugh@{HOST}" for special in "#/?" for scheme in ("redis://", "rediss://user")),
    *(f"redis://user:1{special}xyzzyplugh@{HOST}" for special in "#/?"),
    *(f"redis://:xyzzy{special}plugh@{HOST}" for special in "[]"),
    "redis://:xyzzyplugh\u2100@redis.example/0",
    "redis://redis.example:xyzzyplugh/0",
    "redis://redis.example:99999/0",
    "redis://redis.example/xyzzyplugh",
    "redis://redis.example/0?socket_timeout=xyzzyplugh",
    b"redis://:xyzzy#plugh@redis.example/0",
    6379,
]


def everything_said_by(error: BaseException | None) -> str:
    """Return what a log or a tracker of errors may show of *error*, and of all that led to it."""
    texts = ["".join(traceback.format_exception(error))] if error is not None else []
    while error is not None:
        texts += [repr(error), str(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def assert_silent(*texts: str) -> None:
    for text in texts:
        assert not any(piece in text for piece in PIECES), text


@pytest.mark.parametrize("cache_type", ["RedisCache", "RedisClusterCache"])
@pytest.mark.parametrize("has_own_cache", [False, True])
@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_redis_url_that_cannot_be_parsed_is_refused_without_a_piece_of_it(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture, cache_type: str, has_own_cache: bool, url: Any
) -> None:
    """A password that is not percent-encoded breaks it, and errors are logged with all that led to them."""
    caplog.set_level(logging.DEBUG)
    blueprint = Auth0Blueprint(cache=Cache(config={"CACHE_TYPE": cache_type}) if has_own_cache else None)
    with pytest.raises(ConfigurationError) as raised:
        make_app(blueprint, CACHE_TYPE=cache_type, CACHE_REDIS_URL=url)
    assert raised.value.problems.keys() == {"CACHE_REDIS_URL"}
    assert "percent-encoded" in str(raised.value)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert_silent(everything_said_by(raised.value), caplog.text)


@pytest.mark.parametrize("initialises", ["nothing", "early", "late"])
@pytest.mark.parametrize("password", WRITTEN_PASSWORDS)
def test_doctor_and_an_app_that_runs_show_no_piece_of_a_password(
    issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, initialises: str, password: str
) -> None:
    """Whether the URL is right or wrong, whoever finds that out, and with no Redis there."""
    caplog.set_level(logging.DEBUG)
    cache = None if initialises == "nothing" else Cache()

    def create_app() -> Flask:
        app = Flask("made", static_folder=None)
        url = f"redis://:{password}@127.0.0.1:9/0"
        app.config.update(issuer.settings, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url, SECRET_KEY="x" * 32)
        if cache is not None and initialises == "early":
            cache.init_app(app)
        app.register_blueprint(Auth0Blueprint(cache=cache))
        if cache is not None and initialises == "late":
            cache.init_app(app)
        return app

    result = Flask("runs").test_cli_runner().invoke(auth0, ["doctor"], obj=ScriptInfo(create_app=create_app))
    assert result.exit_code == 1
    assert "fail" in result.stdout
    assert_silent(result.output, result.stderr, caplog.text)
    if password == WRITTEN_PASSWORDS[-1]:
        assert "fail  cache" in result.stdout
        answer = create_app().test_client().get("/auth/health")
        assert_silent(answer.text, caplog.text)


SERVER, SENTINEL, CLUSTER = ({"CACHE_TYPE": f"Redis{kind}Cache"} for kind in ("", "Sentinel", "Cluster"))
URL = "redis://redis.example/0"
NODE = "redis.example:6379"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        *(({**SERVER, "CACHE_REDIS_HOST": host}, "CACHE_REDIS_HOST") for host in (None, "", 6379, "a b", URL, "u@h")),
        *(
            ({**SERVER, "CACHE_REDIS_PORT": port}, "CACHE_REDIS_PORT")
            for port in (0, -1, 65536, "x", "", None, 1.5, True, "\u0666", [6379])
        ),
        *(
            ({**kind, "CACHE_REDIS_DB": database}, "CACHE_REDIS_DB")
            for database in (-1, "x", None, 1.0, False)
            for kind in (SERVER, SENTINEL, {**SERVER, "CACHE_REDIS_URL": URL})
        ),
        *(({**kind, "CACHE_REDIS_PASSWORD": ["p"]}, "CACHE_REDIS_PASSWORD") for kind in (SERVER, SENTINEL)),
        ({**SENTINEL, "CACHE_REDIS_SENTINEL_PASSWORD": True}, "CACHE_REDIS_SENTINEL_PASSWORD"),
        *(
            ({**SENTINEL, "CACHE_REDIS_SENTINELS": sentinels}, "CACHE_REDIS_SENTINELS")
            for sentinels in (
                NODE,
                [],
                [NODE],
                [("redis.example",)],
                [("redis.example", "x")],
                [(1, 2)],
                {"a": 1},
                None,
            )
        ),
        *(({**SENTINEL, "CACHE_REDIS_SENTINEL_MASTER": name}, "CACHE_REDIS_SENTINEL_MASTER") for name in ("", None, 1)),
        *(
            ({**CLUSTER, "CACHE_REDIS_CLUSTER": nodes}, "CACHE_REDIS_CLUSTER")
            for nodes in ("nonsense", "", None, "host:x", f"{NODE},", "::1:6379", [NODE], "host:0", f"u@{NODE}")
        ),
        (CLUSTER, "CACHE_REDIS_CLUSTER"),
        *(
            ({**SERVER, "CACHE_REDIS_URL": f"rediss://redis.example/0?{query}"}, "CACHE_REDIS_URL")
            for query in ("ssl_cert_reqs=bogus", "ssl_ca_certs=/not/there", "unknown=1", "decode_responses=true")
        ),
        ({**SERVER, "CACHE_OPTIONS": {"ssl": True, "ssl_cert_reqs": "bogus"}}, "CACHE_OPTIONS"),
        ({**SERVER, "CACHE_OPTIONS": {"ssl": True, "ssl_keyfile": "/not/there"}}, "CACHE_OPTIONS"),
        ({**SENTINEL, "CACHE_OPTIONS": {"unknown": "xyzzyplugh"}}, "CACHE_OPTIONS"),
        ({**SERVER, "CACHE_OPTIONS": {"unknown": "xyzzyplugh"}}, "CACHE_TYPE"),
        ({**SERVER, "CACHE_OPTIONS": {"decode_responses": True}}, "CACHE_TYPE"),
        ({"CACHE_TYPE": 6379}, "CACHE_TYPE"),
        ({"CACHE_TYPE": "redis://:xyzzyplugh@redis.example:6379/0"}, "CACHE_TYPE"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_registration(
    make_app: AppFactory, settings: dict[str, Any], key: str
) -> None:
    """Not at the first request. The app is left as it was."""
    with pytest.raises(ConfigurationError) as raised:
        make_app(**settings)
    assert raised.value.problems.keys() == {key}
    assert_silent(everything_said_by(raised.value))


class Telling(RedisCache):
    """A backend of the app's own, whose error has the whole URL in it."""

    @classmethod
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> RedisCache:
        raise ValueError(config["CACHE_REDIS_URL"])


def test_what_a_backend_says_of_its_settings_is_not_repeated(make_app: AppFactory) -> None:
    settings = {"CACHE_TYPE": f"{__name__}.Telling", "CACHE_REDIS_URL": f"redis://:{''.join(PIECES)}@redis.example/0"}
    with pytest.raises(ConfigurationError, match="Telling cannot be set up: ValueError") as raised:
        make_app(**settings)
    assert_silent(everything_said_by(raised.value))


@pytest.mark.parametrize("query", ["ssl_cert_reqs=bogus", "unknown=1", "ssl_ca_certs=/not/there"])
def test_options_of_a_host_cache_that_cannot_work_are_refused_at_registration(issuer: LocalIssuer, query: str) -> None:
    """Of one that was initialised before; redis-py itself would say so at the first command."""
    app = Flask("host", static_folder=None)
    url = f"rediss://redis.example/0?{query}"
    app.config.update(issuer.settings, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url)
    with pytest.raises(ConfigurationError, match="CACHE_REDIS_URL"):
        app.register_blueprint(Auth0Blueprint(cache=Cache(app)))


@pytest.mark.parametrize(
    "settings",
    [
        SERVER,
        {**SERVER, "CACHE_REDIS_HOST": "::1", "CACHE_REDIS_PORT": "6380", "CACHE_REDIS_DB": "15"},
        {**SERVER, "CACHE_REDIS_PASSWORD": "xyzzy#/?@% plugh", "CACHE_OPTIONS": {"username": "auth0"}},
        *(
            {**SERVER, "CACHE_REDIS_URL": url}
            for url in (
                "redis://redis.example",
                "redis://[::1]:6379/3?health_check_interval=5",
                "rediss://user:p%23%2F%3F%40%25%20@redis.example/0?ssl_cert_reqs=none",
                "redis://user:p@ss word%@redis.example/0",
                "unix:///run/redis.sock?db=1",
                "unix://user:secret@/run/redis/0",
            )
        ),
        SENTINEL,
        {**SENTINEL, "CACHE_REDIS_SENTINELS": [["sentinel-1", 26379], ("sentinel-2", "26379")]},
        {**CLUSTER, "CACHE_REDIS_CLUSTER": "redis-1:6379, redis-2:6379"},
        {**CLUSTER, "CACHE_REDIS_URL": "rediss://user:secret@redis.example:6379"},
    ],
)
def test_settings_that_work_are_accepted_without_a_connection(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it connects")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert "auth0" in make_app(SECRET_KEY="x" * 32, **settings).extensions


def test_a_file_of_tls_that_can_be_read_is_accepted(make_app: AppFactory, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    make_app(**SERVER, CACHE_REDIS_URL=f"rediss://redis.example/0?ssl_ca_certs={file}")


def test_a_client_instead_of_a_host_name_is_accepted(make_app: AppFactory) -> None:
    """As cachelib takes it."""
    redis = pytest.importorskip("redis")
    make_app(**SERVER, CACHE_REDIS_HOST=redis.Redis(port=9), CACHE_REDIS_PORT=None)
