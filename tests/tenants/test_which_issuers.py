"""A function in ``AUTH0_DOMAIN``: what it is asked, when, and what its answers do."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from conftest import MovableClock
from flask import Flask
from refusals import INVALID_SIGNATURE, KEY_SET_UNAVAILABLE, OTHER_ISSUER

from auth0_blueprint import Auth0Blueprint, ConfigurationError, InvalidClaimsError, verify_token
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.keysets.directory import MAX_REFUSED, REFUSED_SECONDS, IssuerDirectory
from auth0_blueprint.keysets.issuer_identifier import is_issuer_identifier
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer, bearer_client, tenant_settings
from tenants.apps import AUDIENCE, Tenants, answer_to, ask, at_umbrella

UMBRELLA = {"host": "umbrella.example.com"}


def directory_of(app: Flask) -> IssuerDirectory:
    directory = app.extensions["auth0"].directory
    assert isinstance(directory, IssuerDirectory)
    return directory


class TestAnswers:
    def test_each_issuer_is_accepted_where_the_function_says_so(self, app: Flask, tenants: Tenants) -> None:
        acme, umbrella = tenants.acme.token(), tenants.umbrella.token()
        for _ in range(2):  # proven, then remembered
            assert answer_to(app, acme).status == answer_to(app, umbrella, **UMBRELLA).status == 200
            assert answer_to(app, umbrella) == answer_to(app, acme, **UMBRELLA) == OTHER_ISSUER

    def test_one_tenant_cannot_sign_in_the_name_of_the_other(self, app: Flask, tenants: Tenants) -> None:
        assert answer_to(app, tenants.umbrella.token(iss=tenants.acme.issuer)) == INVALID_SIGNATURE

    def test_it_is_asked_for_every_request_so_a_removed_tenant_is_out_at_once(
        self, app: Flask, tenants: Tenants
    ) -> None:
        token = tenants.acme.token()
        assert ask(app, token).status_code == 200
        tenants.asked.clear()
        assert ask(app, token).status_code == 200
        assert tenants.asked == [(tenants.acme.issuer, "acme.example.com")]
        tenants.removed.add(tenants.acme.issuer)
        assert answer_to(app, token) == OTHER_ISSUER

    def test_an_unknown_issuer_costs_no_fetch_and_no_key_set(self, app: Flask, tenants: Tenants) -> None:
        before = tenants.acme.fetch_count, tenants.umbrella.fetch_count
        assert answer_to(app, tenants.umbrella.token()) == OTHER_ISSUER
        assert (tenants.acme.fetch_count, tenants.umbrella.fetch_count) == before
        assert directory_of(app).live == {}

    def test_outside_of_a_request_it_is_asked_without_one(self, app: Flask, tenants: Tenants) -> None:
        with app.app_context():
            assert verify_token(tenants.acme.token())["iss"] == tenants.acme.issuer
            with pytest.raises(InvalidClaimsError):
                verify_token(tenants.acme.token(iss="https://stranger.example/"))
        assert {host for _, host in tenants.asked} == {None}

    @pytest.mark.parametrize("answer", [None, 1, "yes", "no", [True], object()])
    def test_only_true_accepts(self, tenants: Tenants, answer: object, caplog: pytest.LogCaptureFixture) -> None:
        app = tenants.make_app(AUTH0_DOMAIN=lambda _issuer, _request: answer)
        token = tenants.acme.token()
        assert answer_to(app, token) == OTHER_ISSUER
        assert f"returned {type(answer).__name__}: refused, because only True accepts" in caplog.text
        assert tenants.acme.issuer not in caplog.text

    @pytest.mark.parametrize("kind", ["raises", "awaitable", "system_error"])
    def test_one_that_fails_is_answered_503_and_logged_by_type(
        self, tenants: Tenants, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def later() -> bool:
            return True

        def fail(issuer: str, _request: Any) -> Any:
            if kind == "awaitable":
                return later()
            raise (LookupError if kind == "raises" else RecursionError)(issuer)

        app = tenants.make_app(AUTH0_DOMAIN=fail)
        response = ask(app, tenants.acme.token())
        assert response.headers["Retry-After"] == "1"
        assert answer_to(app, tenants.acme.token()) == KEY_SET_UNAVAILABLE
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 3
        assert all(record.exc_info is None for record in errors)
        assert {"raises": "LookupError", "awaitable": "not async", "system_error": "RecursionError"}[
            kind
        ] in caplog.text
        assert tenants.acme.issuer not in caplog.text

    def test_a_remembered_token_is_answered_503_too_while_it_fails(self, tenants: Tenants) -> None:
        answers: list[Any] = [True]

        def is_ours(_issuer: str, _request: Any) -> Any:
            return answers[0] if answers else 1 / 0

        app = tenants.make_app(AUTH0_DOMAIN=is_ours)
        token = tenants.acme.token()
        assert ask(app, token).status_code == 200
        answers.clear()
        assert answer_to(app, token) == KEY_SET_UNAVAILABLE

    def test_health_with_a_token_asks_too_and_fetches_nothing(self, app: Flask, tenants: Tenants) -> None:
        assert at_umbrella(app, tenants.acme.token(), "/auth/health").get_json() == {"status": "pass"}
        assert directory_of(app).live == {}


class TestNegativeAnswers:
    def test_one_is_remembered_for_a_moment_for_the_same_request_alone(
        self, tenants: Tenants, clock: MovableClock
    ) -> None:
        app = tenants.make_app(clock=clock.monotonic_only)
        token = tenants.umbrella.token()
        for _ in range(3):
            ask(app, token)
        assert len(tenants.asked) == 1
        ask(app, tenants.umbrella.token(sub="another"))
        assert len(tenants.asked) == 1
        ask(app, token, headers={"X-Tenant": "umbrella"})
        ask(app, token, "/theirs")
        assert len(tenants.asked) == 3
        clock.move(REFUSED_SECONDS)
        ask(app, token)
        assert len(tenants.asked) == 4

    def test_nobody_shuts_a_tenant_out_by_sending_its_tokens_elsewhere(self, app: Flask, tenants: Tenants) -> None:
        token = tenants.umbrella.token()
        assert answer_to(app, token) == OTHER_ISSUER
        assert answer_to(app, token, **UMBRELLA).status == 200
        assert answer_to(app, token) == OTHER_ISSUER
        assert answer_to(app, token, **UMBRELLA).status == 200

    def test_a_live_tenant_is_asked_about_each_time(self, app: Flask, tenants: Tenants) -> None:
        token = tenants.acme.token()
        ask(app, token)
        tenants.removed.add(tenants.acme.issuer)
        assert answer_to(app, token) == OTHER_ISSUER
        tenants.removed.clear()
        assert answer_to(app, token).status == 200

    def test_a_flood_of_unknown_issuers_fetches_nothing_and_fills_no_memory(
        self, tenants: Tenants, unmeasured: None
    ) -> None:
        fetched: list[str] = []
        app = tenants.make_app()
        state = app.extensions["auth0"]
        app.extensions["auth0"] = state = assemble(
            app,
            state.settings,
            None,
            state.rules,
            fetch=lambda url, *_, **__: fetched.append(url),  # type: ignore[arg-type]
        )
        directory = directory_of(app)
        for number in range(3 * MAX_REFUSED):
            assert directory.get(f"https://tenant-{number}.example/") is None
        assert (fetched, directory.live) == ([], {})
        assert len(directory._refused) == MAX_REFUSED


class TestShape:
    @pytest.mark.parametrize(
        "text",
        [
            *("https://example.eu.auth0.com/", "https://idp.example", "https://idp.example:8443/oauth2/ausAbc"),
            *(
                "http://127.0.0.1:5000/",
                "http://localhost/",
                "http://[::1]:8044/",
                "https://a/b.c_d~e-f",
            ),
        ],
    )
    def test_an_issuer(self, text: str) -> None:
        assert is_issuer_identifier(text)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "https://", "https:///", "https://Example.com/", "HTTPS://example.com/", "http://example.com/"),
            *("https://u@example.com/", "https://u:p@example.com/", "https://example.com/?q", "https://example.com/#f"),
            *(
                "https://example.com:443/",
                "https://example.com:0/",
                "https://example.com//",
                "https://example.com/a//b",
            ),
            *(
                "https://example.com/../",
                "https://example.com/./a",
                "https://example.com/a/..",
                "https://example.com/%2e",
            ),
            *(
                "https://example.com\\@evil.example/",
                "https://example.com /",
                " https://example.com/",
                "ftp://a.example/",
            ),
            *(
                "https://example.com/\n",
                "https://exämple.com/",
                "https://-a.example/",
                "https://a..example/",
                "file:///etc",
            ),
            *("http://127.0.0.1.evil.example/", "http://[::ffff]x/", "http://[:::]/", f"https://a.example/{'a' * 512}"),
            "https://example.com/\ud800",
        ],
    )
    def test_no_issuer_and_the_function_is_not_asked(self, app: Flask, tenants: Tenants, text: str) -> None:
        assert not is_issuer_identifier(text)
        with app.test_request_context():
            assert directory_of(app).get(text) is None
        assert tenants.asked == []


GOOD: dict[str, Any] = {"AUTH0_AUDIENCE": AUDIENCE}
SENDER = {"issuer": "https://a.example/", "jwks_url": "https://a.example/keys", "audience": ["a"]}


def takes_one(_issuer: str) -> bool:
    return True


def accepts(_issuer: str, _request: object = None) -> bool:
    return True


async def asynchronous(_issuer: str, _request: object) -> bool:
    return True


class AsynchronousCall:
    async def __call__(self, _issuer: str, _request: object) -> bool:
        return True


class TestSettings:
    def test_a_function_may_be_named(self, tenants: Tenants) -> None:
        settings = load_settings({**GOOD, "AUTH0_DOMAIN": f" {__name__}:accepts "}, {})
        assert settings.domain_function is not None
        assert (settings.domain_function.function, settings.issuers) == (accepts, ())
        shown = {setting.key: setting.value for setting in settings.effective}
        assert (shown["AUTH0_DOMAIN"], shown["AUTH0_ISSUER"]) == (f"{__name__}:accepts", None)
        app = tenants.make_app(AUTH0_DOMAIN=f"{__name__}:accepts")
        assert answer_to(app, tenants.umbrella.token()).status == 200

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("no.such.module:is_ours", "cannot be imported (ModuleNotFoundError: No module named 'no'): name a"),
            (f"{__name__}:no_such_function", "has no attribute 'no_such_function'): name a function as module:"),
            ("tenants.fails_to_load:is_ours", "cannot be imported (KeyError): name a function"),
            (f"{__name__}:GOOD", "must be a function, as module:function names one, or host names"),
            (f"{__name__}:TestSettings", "must be a function"),
            (f"{__name__}:takes_one", "must be a function of two arguments, the issuer and the request"),
            (asynchronous, "must be a plain function"),
            (AsynchronousCall(), "must be a plain function"),
            ("example.com:8443", "must be a bare host name"),
            ("example.com:", "must be a bare host name"),
            (":is_ours", "must be a bare host name"),
            ("https://example.com", "must be a bare host name"),
        ],
    )
    def test_what_is_no_function_is_refused_at_startup(self, value: object, problem: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings({**GOOD, "AUTH0_DOMAIN": value}, {})
        assert problem in caught.value.problems["AUTH0_DOMAIN"]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("AUTH0_ISSUER", "https://a.example/"),
            ("AUTH0_JWKS_URL", "https://a.example/keys"),
            ("AUTH0_SIGNING_SECRET", "s" * 32),
            ("AUTH0_ORGANIZATION", "org_a"),
            ("AUTH0_EVENT_TRANSMITTERS", [SENDER]),
            ("AUTH0_GLOBAL_REVOCATION", [SENDER]),
            ("AUTH0_EVENT_SECRETS", "s" * 32),
            ("AUTH0_HEALTH_DETAILS", "always"),
            ("AUTH0_AUDIENCE", "https://a.example/userinfo"),
        ],
    )  # fmt: skip
    def test_what_names_one_tenant_is_refused_with_it(self, key: str, value: object) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings({**GOOD, "AUTH0_DOMAIN": accepts, key: value}, {})
        assert list(caught.value.problems) == [key]

    def test_admin_issuers_need_a_function(self) -> None:
        with pytest.raises(ConfigurationError, match="AUTH0_ADMIN_ISSUERS"):
            load_settings(
                {**GOOD, "AUTH0_DOMAIN": "a.example.com", "AUTH0_ADMIN_ISSUERS": "https://a.example.com/"}, {}
            )
        with pytest.raises(ConfigurationError, match="AUTH0_ADMIN_ISSUERS"):
            load_settings({**GOOD, "AUTH0_DOMAIN": accepts, "AUTH0_ADMIN_ISSUERS": "a.example.com"}, {})

    def test_nothing_is_left_on_the_app_when_it_cannot_be_imported(self) -> None:
        app = Flask("tested", static_folder=None)
        app.config.update(GOOD, AUTH0_DOMAIN="no.such.module:is_ours")
        with pytest.raises(ConfigurationError):
            app.register_blueprint(Auth0Blueprint())
        assert app.extensions == {}


def test_the_test_kit_has_an_app_of_several_tenants(tenants: Tenants) -> None:
    settings = tenant_settings({"acme.example.com": tenants.acme, "umbrella.example.com": tenants.umbrella})
    app = tenants.make_app(**settings)
    client = bearer_client(app, tenants.acme.token())
    assert client.get("/ours", base_url="http://acme.example.com:5000").status_code == 200
    assert client.get("/ours", base_url="http://umbrella.example.com").status_code == 401
    with app.app_context():
        assert verify_token(tenants.umbrella.token()).issuer == tenants.umbrella.issuer


def test_a_single_issuer_pays_nothing(session_issuer: LocalIssuer) -> None:
    app = Flask("tested", static_folder=None)
    app.config.update(session_issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    state = app.extensions["auth0"]
    assert (state.directory, [step.name for step in state.sequence.steps]) == (None, ["revocation", "binding", "rules"])
