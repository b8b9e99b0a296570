"""Registering the blueprint: everything is checked first, and nothing is left when it fails."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Blueprint, Flask, Response, jsonify
from flask.json.provider import JSONProvider

from auth0_blueprint import Auth0Blueprint, Auth0Error, ConfigurationError, current_token, requires_auth, verify_token
from auth0_blueprint import errors as error_classes
from auth0_blueprint.testing import LocalIssuer


def traces(app: Flask) -> tuple[object, ...]:
    """Return everything of *app* that a registration might change."""
    return (
        dict(app.extensions),
        dict(app.blueprints),
        sorted(app.view_functions),
        [str(rule) for rule in app.url_map.iter_rules()],
        {name: dict(by_code) for name, by_code in app.error_handler_spec.items()},
        {name: list(functions) for name, functions in app.before_request_funcs.items()},
        {name: list(functions) for name, functions in app.teardown_request_funcs.items()},
        app.app_ctx_globals_class,
        sorted(app.config),
        vars(app.json).get("default"),
    )


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"AUTH0_DOMAIN": "a.example.com"},
        {"AUTH0_DOMAIN": "a.example.com", "AUTH0_AUDIENCE": "a", "AUTH0_LEEWAY": -1},
    ],
)
def test_a_failed_registration_leaves_no_trace(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The app can be registered with better settings afterwards."""
    for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE", "API_ID"):
        monkeypatch.delenv(name, raising=False)
    app = Flask("tested")
    app.config.update(config)
    before = traces(app)
    with pytest.raises(ConfigurationError):
        app.register_blueprint(Auth0Blueprint())
    assert traces(app) == before


def test_a_second_registration_on_one_app_is_an_error(app: Flask) -> None:
    """Also under another name."""
    before = traces(app)
    with pytest.raises(RuntimeError, match="already"):
        app.register_blueprint(Auth0Blueprint("other", url_prefix="/other"))
    assert traces(app) == before


def test_a_name_that_is_taken_leaves_no_trace(issuer: LocalIssuer) -> None:
    """Flask refuses the second blueprint of one name; ours has then done nothing."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    app.register_blueprint(Blueprint("auth0", "other"))
    before = traces(app)
    with pytest.raises(ValueError, match="auth0"):
        app.register_blueprint(Auth0Blueprint())
    assert traces(app) == before


@pytest.mark.parametrize("options", [{"url_prefix": "noslash"}, {"url_prefix": "/<nope:x>"}, {"url_prefix": "/<x"}])
def test_a_wrong_option_leaves_no_trace(issuer: LocalIssuer, options: dict[str, Any]) -> None:
    """And the app can be registered properly afterwards."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    before = traces(app)
    with pytest.raises((ValueError, LookupError)):
        app.register_blueprint(Auth0Blueprint(), **options)
    assert traces(app) == before
    app.register_blueprint(Auth0Blueprint())


def test_an_endpoint_that_the_app_has_already_leaves_no_trace(issuer: LocalIssuer) -> None:
    """Half of the routes would be there, and none would work."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    app.add_url_rule("/mine", "auth0.me", lambda: "")
    before = traces(app)
    with pytest.raises(ConfigurationError, match=r"auth0\.me"):
        app.register_blueprint(Auth0Blueprint())
    assert traces(app) == before


@pytest.mark.parametrize("cache_type", ["simple", "elsewhere.Cache", "RedisCash"])
def test_a_cache_type_that_does_not_exist_is_refused_at_registration(make_app: AppFactory, cache_type: str) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match="CACHE_TYPE"):
        make_app(CACHE_TYPE=cache_type)


def test_a_cache_that_cannot_be_set_up_is_named_at_its_first_use(make_app: AppFactory) -> None:
    """Nodes of a cluster that are none: the client library says so only when it is made."""
    app = make_app(CACHE_TYPE="RedisClusterCache", CACHE_REDIS_CLUSTER="nonsense", AUTH0_CACHE_SECRET="x" * 32)
    app.testing = True
    with pytest.raises(ConfigurationError, match="RedisClusterCache cannot be set up"):
        app.test_client().get("/auth/health")


@pytest.mark.parametrize("cache_type", ["RedisCache", "RedisSentinelCache", "RedisClusterCache"])
def test_redis_without_its_client_is_refused_at_registration(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, cache_type: str
) -> None:
    """With the command that brings it, instead of failing each request."""
    monkeypatch.setitem(sys.modules, "redis.connection", None)  # as if it were not installed
    with pytest.raises(ConfigurationError) as raised:
        make_app(CACHE_TYPE=cache_type)
    assert raised.value.problems == {
        "CACHE_TYPE": "needs the client of Redis: pip install 'auth0_blueprint[redis]'",
    }


def test_files_without_a_folder_are_refused_at_registration(make_app: AppFactory) -> None:
    """They would be nowhere."""
    with pytest.raises(ConfigurationError, match="CACHE_DIR"):
        make_app(CACHE_TYPE="FileSystemCache")


@pytest.mark.parametrize("cache_type", ["RedisCache", "RedisClusterCache"])
@pytest.mark.parametrize(
    "url",
    [
        "opensesame",
        "http://opensesame/0",
        "redis://:open#sesame@redis.example:6379/0",
        "redis://:open/sesame@redis.example:6379/0",
        "redis://:open?sesame@redis.example:6379/0",
        "redis://user:1#opensesame@redis.example:6379/0",
        "redis://user:1/opensesame@redis.example:6379/0",
        "redis://user:1?opensesame@redis.example:6379/0",
        "redis://redis.example:opensesame/0",
        "redis://redis.example/opensesame",
        "redis://redis.example/0?socket_timeout=opensesame",
    ],
)
def test_a_redis_url_that_cannot_be_parsed_is_refused_without_a_piece_of_it(
    make_app: AppFactory, cache_type: str, url: str
) -> None:
    """A password that is not percent-encoded breaks it, and errors are logged with all that led to them."""
    with pytest.raises(ConfigurationError) as raised:
        make_app(CACHE_TYPE=cache_type, CACHE_REDIS_URL=url)
    shown = "".join(traceback.format_exception(raised.value))
    assert raised.value.problems.keys() == {"CACHE_REDIS_URL"}
    assert "percent-encoded" in shown
    assert "open" not in shown
    assert "sesame" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis.example",
        "redis://user:p%23%2F%3F@redis.example:6379/3",
        "rediss://:secret@redis.example:6380?ssl_ca_certs=/etc/ca.pem",
        "unix://user@/var/run/redis.sock?db=1",
    ],
)
def test_a_redis_url_that_can_be_parsed_is_accepted(make_app: AppFactory, url: str) -> None:
    """Whatever it says."""
    make_app(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url)


def test_name_and_prefix_are_the_apps_choice(make_app: AppFactory) -> None:
    """The routes move with the prefix."""
    client = make_app(Auth0Blueprint("guard", url_prefix="/internal")).test_client()
    assert client.get("/internal/health/live").status_code == 200
    assert client.get("/auth/health/live").status_code == 404


def test_it_may_be_nested_in_another_blueprint(issuer: LocalIssuer) -> None:
    """The parent's prefix comes first."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    parent = Blueprint("parent", "parent", url_prefix="/v1")
    parent.register_blueprint(Auth0Blueprint())
    app.register_blueprint(parent)
    assert app.test_client().get("/v1/auth/me", headers=bearer(issuer.token())).status_code == 200


@pytest.mark.parametrize("arguments", [{"url_prefix": "auth"}, {"url_prefix": None}, {"cache": object()}])
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, Any]) -> None:
    """Not at registration."""
    with pytest.raises((TypeError, ValueError)):
        Auth0Blueprint(**arguments)


def test_later_changes_of_the_settings_are_not_seen(app: Flask, issuer: LocalIssuer) -> None:
    """They are read once."""
    app.config["AUTH0_AUDIENCE"] = "other"
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200


def test_nothing_starts_before_the_first_request(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """No thread, no fetch."""
    before = set(threading.enumerate())
    make_app()
    assert set(threading.enumerate()) == before
    assert issuer.fetch_count == 0


def test_importing_starts_nothing_and_imports_no_optional_part() -> None:
    """What only tests, async views or a reference app need stays unimported."""
    code = (
        "import sys, threading, auth0_blueprint\n"
        "print(threading.active_count(), "
        "[m for m in ('asgiref', 'auth0_blueprint.testing', 'dotenv', 'flask_cors', 'redis') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split(maxsplit=1) == ["1", "[]\n"]


def test_every_error_class_is_a_public_name() -> None:
    """So that an app can handle each of them."""
    import auth0_blueprint

    classes = {
        name for name, value in vars(error_classes).items() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert classes <= set(auth0_blueprint.__all__)


class TestErrorHandler:
    """Whose handler renders our errors."""

    @staticmethod
    def own(error: Auth0Error) -> tuple[Response, int]:
        return jsonify(mine=error.code), error.status

    def test_the_apps_own_from_before_stays(self, issuer: LocalIssuer) -> None:
        """Ours is not installed over it."""
        app = Flask("tested")
        app.config.update(issuer.settings)
        app.register_error_handler(Auth0Error, self.own)
        app.register_blueprint(Auth0Blueprint())
        assert app.test_client().get("/auth/me").get_json() == {"mine": "authorization_header_missing"}

    def test_the_apps_own_from_afterwards_wins(self, app: Flask) -> None:
        """The last one registered counts, as always in Flask."""
        app.register_error_handler(Auth0Error, self.own)
        assert app.test_client().get("/auth/me").get_json() == {"mine": "authorization_header_missing"}

    def test_the_apps_handler_for_everything_does_not_swallow_ours(self, app: Flask) -> None:
        """``errorhandler(Exception)`` is less specific."""
        app.register_error_handler(Exception, lambda _: ("everything", 500))
        assert app.test_client().get("/auth/me").status_code == 401


class TestJSON:
    """``jsonify`` takes access tokens."""

    def test_a_token_its_proxy_and_each_nested_value(self, app: Flask, issuer: LocalIssuer) -> None:
        """Also as the return value of a view."""
        app.add_url_rule("/proxy", "proxy", requires_auth(lambda: jsonify(current_token)))
        app.add_url_rule("/nested", "nested", requires_auth(lambda: jsonify({"roles": current_token["roles"]})))
        app.add_url_rule("/inside", "inside", requires_auth(lambda: {"token": current_token}))
        client, headers = app.test_client(), bearer(issuer.token(roles=["a"]))
        assert client.get("/proxy", headers=headers).get_json()["roles"] == ["a"]
        assert client.get("/nested", headers=headers).get_json() == {"roles": ["a"]}
        assert client.get("/inside", headers=headers).get_json()["token"]["roles"] == ["a"]
        with app.app_context():
            assert jsonify(verify_token(issuer.token())).get_json()["sub"] == "auth0|local-user"

    def test_what_flask_cannot_serialise_still_fails(self, app: Flask) -> None:
        """Our part is asked last of all for anything else."""
        with app.app_context(), pytest.raises(TypeError):
            jsonify(object())

    def test_a_json_provider_of_another_kind_is_left_alone(self, issuer: LocalIssuer) -> None:
        """It has no ``default``; ``dict(current_token)`` works with all of them."""

        class Provider(JSONProvider):
            def dumps(self, obj: Any, **_: Any) -> str:
                return repr(obj)

            def loads(self, s: str | bytes, **_: Any) -> Any:
                raise NotImplementedError

        app = Flask("tested")
        app.config.update(issuer.settings)
        app.json = Provider(app)
        app.register_blueprint(Auth0Blueprint())
        assert "default" not in vars(app.json)


def test_verify_token_works_outside_of_a_request(app: Flask, issuer: LocalIssuer) -> None:
    """For sockets and queues, with the app's settings and rules."""
    with app.app_context():
        assert verify_token(issuer.token()).subject == "auth0|local-user"
        for bad in (issuer.token(aud="other"), issuer.token(cnf={"jkt": "x"}), "", "x" * 100_000):
            with pytest.raises(Auth0Error):
                verify_token(bad)
        with pytest.raises(TypeError):
            verify_token(b"bytes")  # type: ignore[arg-type]
