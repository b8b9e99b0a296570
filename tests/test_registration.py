"""Registering the blueprint: everything is checked first, and nothing is left when it fails."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


Errors = type[Exception] | tuple[type[Exception], ...]


@contextmanager
def no_trace_left(on: Flask, error: Errors, match: str | None = None) -> Iterator[None]:
    """Expect *error*, after which the app is as before."""
    before = traces(on)
    with pytest.raises(error, match=match):
        yield
    assert traces(on) == before


@pytest.fixture
def bare(issuer: LocalIssuer) -> Flask:
    """An app with the settings, and without the blueprint."""
    app = Flask("tested")
    app.config.update(issuer.settings)
    return app


class TestRefusing:
    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"AUTH0_DOMAIN": "a.example.com"},
            {"AUTH0_DOMAIN": "a.example.com", "AUTH0_AUDIENCE": "a", "AUTH0_LEEWAY": -1},
        ],
    )
    def test_wrong_settings_leave_no_trace(self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE", "API_ID"):
            monkeypatch.delenv(name, raising=False)
        app = Flask("tested")
        app.config.update(config)
        with no_trace_left(app, ConfigurationError):
            app.register_blueprint(Auth0Blueprint())

    def test_a_second_registration_on_one_app_is_an_error(self, app: Flask) -> None:
        with no_trace_left(app, RuntimeError, "already"):
            app.register_blueprint(Auth0Blueprint("other", url_prefix="/other"))

    def test_a_name_that_is_taken_leaves_no_trace(self, bare: Flask) -> None:
        """Flask refuses the second blueprint of one name; ours has then done nothing."""
        bare.register_blueprint(Blueprint("auth0", "other"))
        with no_trace_left(bare, ValueError, "auth0"):
            bare.register_blueprint(Auth0Blueprint())

    @pytest.mark.parametrize("prefix", ["noslash", "/<nope:x>", "/<x"])
    def test_a_wrong_option_leaves_no_trace(self, bare: Flask, prefix: str) -> None:
        with no_trace_left(bare, (ValueError, LookupError)):
            bare.register_blueprint(Auth0Blueprint(), url_prefix=prefix)
        bare.register_blueprint(Auth0Blueprint())

    def test_an_endpoint_that_the_app_has_already_leaves_no_trace(self, bare: Flask) -> None:
        """Half of the routes would be there, and none would work."""
        bare.add_url_rule("/mine", "auth0.me", lambda: "")
        with no_trace_left(bare, ConfigurationError, r"auth0\.me"):
            bare.register_blueprint(Auth0Blueprint())

    @pytest.mark.parametrize("cache_type", ["simple", "elsewhere.Cache", "RedisCash"])
    def test_a_cache_type_that_does_not_exist_is_refused_at_registration(
        self, make_app: AppFactory, cache_type: str
    ) -> None:
        with pytest.raises(ConfigurationError, match="CACHE_TYPE"):
            make_app(CACHE_TYPE=cache_type)

    @pytest.mark.parametrize("arguments", [{"url_prefix": "auth"}, {"url_prefix": None}, {"cache": object()}])
    def test_wrong_arguments_are_refused_at_once(self, arguments: dict[str, Any]) -> None:
        with pytest.raises((TypeError, ValueError)):
            Auth0Blueprint(**arguments)


class TestRegistered:
    def test_name_and_prefix_are_the_apps_choice(self, make_app: AppFactory) -> None:
        client = make_app(Auth0Blueprint("guard", url_prefix="/internal")).test_client()
        assert client.get("/internal/health/live").status_code == 200
        assert client.get("/auth/health/live").status_code == 404

    def test_it_may_be_nested_in_another_blueprint(self, bare: Flask, issuer: LocalIssuer) -> None:
        parent = Blueprint("parent", "parent", url_prefix="/v1")
        parent.register_blueprint(Auth0Blueprint())
        bare.register_blueprint(parent)
        assert bare.test_client().get("/v1/auth/me", headers=bearer(issuer.token())).status_code == 200

    def test_later_changes_of_the_settings_are_not_seen(self, app: Flask, issuer: LocalIssuer) -> None:
        app.config["AUTH0_AUDIENCE"] = "other"
        assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200

    def test_nothing_starts_before_the_first_request(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        before = set(threading.enumerate())
        make_app()
        assert set(threading.enumerate()) == before
        assert issuer.fetch_count == 0

    def test_importing_starts_nothing_and_imports_no_optional_part(self) -> None:
        """What only tests, async views or a reference app need stays unimported."""
        code = (
            "import sys, threading, auth0_blueprint\n"
            "print(threading.active_count(), "
            "[m for m in ('asgiref', 'auth0_blueprint.testing', 'dotenv', 'flask_cors', 'redis') if m in sys.modules])"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.split(maxsplit=1) == ["1", "[]\n"]

    def test_every_error_class_is_a_public_name(self) -> None:
        """So that an app can handle each of them."""
        import auth0_blueprint

        classes = {name: value for name, value in vars(error_classes).items() if isinstance(value, type)}
        errors = {name for name, value in classes.items() if issubclass(value, Exception)}
        assert errors <= set(auth0_blueprint.__all__)

    def test_verify_token_works_outside_of_a_request(self, app: Flask, issuer: LocalIssuer) -> None:
        """For sockets and queues, with the app's settings and rules."""
        with app.app_context():
            assert verify_token(issuer.token()).subject == "auth0|local-user"
            for bad in (issuer.token(aud="other"), issuer.token(cnf={"jkt": "x"}), "", "x" * 100_000):
                with pytest.raises(Auth0Error):
                    verify_token(bad)
            with pytest.raises(TypeError):
                verify_token(b"bytes")  # type: ignore[arg-type]


class TestErrorHandler:
    """Whose handler renders our errors."""

    @pytest.mark.parametrize("is_first", [True, False])
    def test_the_apps_own_wins(self, bare: Flask, is_first: bool) -> None:
        """Ours is not installed over it; and the last one registered counts, as always in Flask."""

        def own(error: Auth0Error) -> tuple[Response, int]:
            return jsonify(mine=error.code), error.status

        if is_first:
            bare.register_error_handler(Auth0Error, own)
        bare.register_blueprint(Auth0Blueprint())
        if not is_first:
            bare.register_error_handler(Auth0Error, own)
        assert bare.test_client().get("/auth/me").get_json() == {"mine": "authorization_header_missing"}

    def test_the_apps_handler_for_everything_does_not_swallow_ours(self, app: Flask) -> None:
        """``errorhandler(Exception)`` is less specific."""
        app.register_error_handler(Exception, lambda _: ("everything", 500))
        assert app.test_client().get("/auth/me").status_code == 401


class TestJSON:
    """``jsonify`` takes access tokens."""

    def test_a_token_its_proxy_and_each_nested_value(self, app: Flask, issuer: LocalIssuer) -> None:
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

    def test_a_json_provider_of_another_kind_is_left_alone(self, bare: Flask) -> None:
        """It has no ``default``; ``dict(current_token)`` works with all of them."""

        class Provider(JSONProvider):
            def dumps(self, obj: Any, **_: Any) -> str:
                return repr(obj)

            def loads(self, s: str | bytes, **_: Any) -> Any:
                raise NotImplementedError

        bare.json = Provider(bare)
        bare.register_blueprint(Auth0Blueprint())
        assert "default" not in vars(bare.json)


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
