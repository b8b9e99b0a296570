"""Tokens for the API's own calls: what is asked of the token endpoint, what is kept, for whom, and what is said."""

from __future__ import annotations

import copy
import json
import pickle
import socket
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from conftest import AppFactory, MovableClock, bearer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from documents import ROOT, python_blocks, run_block
from flask import Flask, current_app
from refusals import seen
from servers import RawServer, respond

from auth0_blueprint import (
    AccessToken,
    ConfigurationError,
    IssuedToken,
    TokenExchangeError,
    TokenExchangeUnavailableError,
    client_token,
    connection_token,
    exchange_token,
    requires_auth,
)
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import DPoPKey, EncryptionKey, LocalIssuer, tenant_settings
from auth0_blueprint.testing.token_endpoint import LIFETIME_SECONDS
from auth0_blueprint.token_requests.flights import Flights
from auth0_blueprint.token_requests.service import TokenRequests
from auth0_blueprint.token_requests.token_request import Subject

PAGE = ROOT / "docs" / "how-to" / "calling-other-apis.md"
BILLING = "https://billing.example"
CLIENT = {"AUTH0_CLIENT_ID": "own", "AUTH0_CLIENT_SECRET": "the secret of the API/itself & x=1!"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CONNECTION = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"

Call = Callable[[], IssuedToken]
MakeOwn = Callable[..., Flask]


def on_behalf() -> IssuedToken:
    return exchange_token(BILLING, "read:invoices")


@pytest.fixture
def make_own(make_app: AppFactory, issuer: LocalIssuer) -> MakeOwn:
    """Return what makes an app whose one view gets a token by *call*, and shows its claims or its text."""
    issuer.add_client("own", CLIENT["AUTH0_CLIENT_SECRET"], scope="read:invoices")
    issuer.token_endpoint.add_api(BILLING)

    def make(call: Call = on_behalf, clock: MovableClock | None = None, **settings: Any) -> Flask:
        app = make_app(clock=clock, **{**CLIENT, **settings})
        app.testing = True  # errors that nobody handles reach the test

        @app.get("/call")
        @requires_auth(optional=True)
        def view() -> str:
            return call().access_token

        return app

    return make


def get(app: Flask, issuer: LocalIssuer, **claims: Any) -> str:
    """Return the token that the view got for a caller with a new token of these *claims*."""
    return get_with(app, issuer.token(**claims))


def get_with(app: Flask, token: str) -> str:
    response = app.test_client().get("/call", headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.text


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


class TestWhatIsAsked:
    def test_a_token_of_the_caller_becomes_one_for_another_api(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """RFC 8693: of the same user, for the other audience, with this API as the actor."""
        act = {"sub": "gateway"}
        claims = claims_of(get(make_own(), issuer, sub="auth0|ada", org_id="org_1", act=act))
        assert [claims[name] for name in ("sub", "aud", "scope", "org_id")] == [
            "auth0|ada", BILLING, "read:invoices", "org_1",
        ]  # fmt: skip
        assert claims["act"] == {"sub": "own", "act": act}

    def test_token_vault_gives_the_token_of_a_connection(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        text = issuer.token_endpoint.connect_account("auth0|ada", "google-oauth2")
        app = make_own(lambda: connection_token("google-oauth2", login_hint="ada"))
        assert get(app, issuer, sub="auth0|ada") == text
        assert issuer.token_endpoint.requests == [CONNECTION]
        refused = app.test_client().get("/call", headers=bearer(issuer.token(sub="auth0|bob")))
        assert (refused.status_code, refused.get_json()["code"]) == (502, "token_exchange_failed")

    def test_the_api_gets_one_of_its_own_without_a_request(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        with make_own().app_context():
            token = client_token(BILLING, ["read:invoices", "write:invoices"])
        claims = claims_of(token.access_token)
        assert (claims["sub"], claims["aud"], claims["scope"]) == ("own@clients", BILLING, "read:invoices")
        assert token.scopes == {"read:invoices"}  # what was granted, not what was asked for
        assert token.expires_at is not None
        assert token.expires_at.tzinfo is not None
        assert (token.token_type, token.headers) == ("Bearer", {"Authorization": f"Bearer {token.access_token}"})

    def test_a_view_without_a_guard_is_told_what_to_do(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """As is one whose caller is anonymous."""
        app = make_own()
        with app.test_request_context(headers=bearer(issuer.token())):
            for call in (on_behalf, lambda: connection_token("x")):
                with pytest.raises(RuntimeError, match="put a guard such as @requires_auth"):
                    call()
        with pytest.raises(RuntimeError, match="acts on behalf of the caller"):
            app.test_client().get("/call")
        assert issuer.token_endpoint.requests == []

    @pytest.mark.parametrize("how", ["another", "garbage", "none"])
    def test_only_the_very_token_that_was_verified_is_exchanged(
        self, make_own: MakeOwn, issuer: LocalIssuer, how: str
    ) -> None:
        """What changed the header is a bug of the app, and no 401 for the caller."""

        def swap() -> IssuedToken:
            from flask import request

            headers = {"another": f"Bearer {issuer.token(sub='auth0|another')}", "garbage": "Bearer x", "none": ""}
            request.environ["HTTP_AUTHORIZATION"] = headers[how]
            return on_behalf()

        with pytest.raises(RuntimeError, match="does not find the access token that the guard has verified"):
            get(make_own(swap), issuer)
        assert issuer.token_endpoint.requests == []

    @pytest.mark.parametrize("code", ["token_revoked", "token_expired"])
    def test_a_long_request_gets_no_token_once_the_callers_is_refused(
        self, make_own: MakeOwn, issuer: LocalIssuer, code: str
    ) -> None:
        clock = MovableClock()

        def stay() -> IssuedToken:
            on_behalf()
            if code == "token_revoked":
                current_app.extensions["auth0"].revocations.revoke("subject", "auth0|ada", None)
            else:
                clock.move(600)
            return on_behalf()

        app, now = make_own(stay, clock=clock), int(clock.now)
        token = issuer.token(sub="auth0|ada", iat=now, exp=now + 300)
        response = app.test_client().get("/call", headers=bearer(token))
        assert (response.status_code, response.get_json()["code"]) == (401, code)
        assert issuer.token_endpoint.requests == [EXCHANGE]

    def test_a_bound_token_is_not_exchanged_for_a_bearer_token(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        app, key = make_own(AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL="http://localhost"), DPoPKey()
        token = issuer.token(cnf=key.confirmation)
        response = app.test_client().get("/call", headers=key.headers("GET", "http://localhost/call", token))
        assert (response.status_code, response.get_json()["code"]) == (502, "token_exchange_failed")
        assert "bound to a key" in response.get_json()["error_description"]
        assert issuer.token_endpoint.requests == []

    def test_an_encrypted_token_is_sent_as_it_came(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """The local issuer cannot read it; what matters is that it was asked."""
        key = EncryptionKey()
        app, token = make_own(AUTH0_DECRYPTION_KEYS=key.pem), issuer.token(encrypted_for=key)
        response = app.test_client().get("/call", headers=bearer(token))
        assert (response.status_code, issuer.token_endpoint.requests) == (502, [EXCHANGE])

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"scope": 'a "b"'}, ValueError), ({"scope": [1]}, TypeError), ({"audience": ""}, ValueError),
            ({"audience": ["a"]}, TypeError), ({"audience": "\ud800"}, ValueError),
            ({"audience": "a" * 2049}, ValueError),
        ],
    )  # fmt: skip
    def test_wrong_arguments_are_refused(
        self, make_own: MakeOwn, arguments: dict[str, Any], error: type[Exception]
    ) -> None:
        with make_own().app_context():
            with pytest.raises(error):
                client_token(**arguments)
            client_token(BILLING)  # no failure of the endpoint


KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def pem_of(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


class TestTheClient:
    @pytest.mark.parametrize("algorithm", KEYS)
    def test_it_may_have_a_key_instead_of_a_secret(
        self, make_own: MakeOwn, issuer: LocalIssuer, algorithm: str
    ) -> None:
        """private_key_jwt (RFC 7523): each assertion is for this issuer, short-lived, and used once."""
        key = KEYS[algorithm]()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        issuer.add_client("keyed", public_key=public, scope="read:invoices")
        app = make_own(AUTH0_CLIENT_ID="keyed", AUTH0_CLIENT_SECRET=None, AUTH0_CLIENT_KEY=pem_of(key))
        with app.app_context():
            tokens = [client_token(BILLING, scope) for scope in ("read:invoices", None)]
        assert [claims_of(token.access_token)["sub"] for token in tokens] == ["keyed@clients"] * 2
        assert app.extensions["auth0"].settings.own_client.key.algorithm == algorithm

    @pytest.mark.parametrize("missing", ["AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET"])
    def test_what_is_missing_is_told_at_first_use(self, make_own: MakeOwn, missing: str) -> None:
        with make_own(**{missing: None}).app_context(), pytest.raises(ConfigurationError) as caught:
            client_token(BILLING)
        assert list(caught.value.problems) == [missing]

    def test_with_a_function_the_endpoint_of_no_tenant_gets_a_callers_token(
        self, make_own: MakeOwn, issuer: LocalIssuer
    ) -> None:
        """The API's own application belongs to one tenant, and the caller may be another's."""
        settings = tenant_settings({"localhost": issuer})
        url = f"{issuer.issuer}oauth/token"
        with pytest.raises(ConfigurationError) as caught:
            get(make_own(AUTH0_TOKEN_URL=url, **settings), issuer)
        assert list(caught.value.problems) == ["AUTH0_DOMAIN"]
        with make_own(**settings).app_context(), pytest.raises(ConfigurationError) as caught:
            client_token(BILLING)
        assert list(caught.value.problems) == ["AUTH0_TOKEN_URL"]
        assert issuer.token_endpoint.requests == []
        with make_own(AUTH0_TOKEN_URL=url, **settings).app_context():
            assert claims_of(client_token(BILLING).access_token)["sub"] == "own@clients"

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"AUTH0_CLIENT_KEY": pem_of(KEYS["ES256"]()), **CLIENT}, "AUTH0_CLIENT_KEY"),
            ({"AUTH0_CLIENT_KEY": "no key"}, "AUTH0_CLIENT_KEY"),
            ({"AUTH0_CLIENT_KEY": pem_of(ec.generate_private_key(ec.SECP256K1()))}, "AUTH0_CLIENT_KEY"),
            ({"AUTH0_CLIENT_KEY": pem_of(rsa.generate_private_key(65537, 1024))}, "AUTH0_CLIENT_KEY"),
            ({"AUTH0_TOKEN_URL": "http://auth.example/token"}, "AUTH0_TOKEN_URL"),
        ],
    )
    def test_unfit_settings_are_refused_and_no_secret_is_shown(self, settings: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_settings({"AUTH0_DOMAIN": "a.example.com", "AUTH0_AUDIENCE": "a", **settings}, {})
        assert list(caught.value.problems) == [named]
        assert not any(secret in str(caught.value) for secret in ("no key", "BEGIN", CLIENT["AUTH0_CLIENT_SECRET"]))

    @pytest.mark.parametrize(
        ("issuer_of_token", "settings", "url"),
        [
            ("https://b.example.com/", {}, "https://b.example.com/oauth/token"),
            (None, {}, "https://a.example.com/oauth/token"),
            ("https://c.example.com/", {}, "https://a.example.com/oauth/token"),
            ("https://b.example.com/", {"AUTH0_TOKEN_URL": "https://t.example/x"}, "https://t.example/x"),
        ],
    )
    def test_its_secret_goes_to_an_issuer_of_the_settings_only(
        self, issuer_of_token: str | None, settings: dict[str, Any], url: str
    ) -> None:
        """That of the caller's token; for itself to the first."""
        loaded = {"AUTH0_DOMAIN": "a.example.com,b.example.com", "AUTH0_AUDIENCE": "a", **CLIENT, **settings}
        own = TokenRequests(load_settings(loaded, {}), shared=None, was_revoked=lambda *_: False, clock=SYSTEM_CLOCK)
        subject = None if issuer_of_token is None else Subject(AccessToken({"iss": issuer_of_token}, {}), "")
        assert own._endpoint(subject).url == url

    def test_its_secret_is_in_no_repr(self) -> None:
        settings = load_settings({"AUTH0_DOMAIN": "a.example.com", "AUTH0_AUDIENCE": "a", **CLIENT}, {})
        assert CLIENT["AUTH0_CLIENT_SECRET"] not in repr(settings) + repr(settings.own_client)


class TestWhatIsKept:
    def test_equal_calls_with_one_token_ask_once(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        app, token = make_own(), issuer.token()
        assert get_with(app, token) == get_with(app, token)
        assert issuer.token_endpoint.requests == [EXCHANGE]

    @pytest.mark.parametrize("other", [{"sub": "auth0|bob"}, {"scope": "less"}, {"act": {"sub": "x"}}, {"jti": "2"}])
    def test_nobody_gets_what_another_token_was_exchanged_for(
        self, make_own: MakeOwn, issuer: LocalIssuer, other: dict[str, Any]
    ) -> None:
        """Not another user, nor the same one with another login."""
        app = make_own()
        get(app, issuer, sub="auth0|ada")
        get(app, issuer, **{"sub": "auth0|ada", **other})
        assert issuer.token_endpoint.requests == [EXCHANGE] * 2

    def test_each_audience_and_scope_has_its_own(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        issuer.token_endpoint.add_api("https://other.example")
        with make_own().app_context():
            texts = [client_token(BILLING), client_token("https://other.example"), client_token(BILLING, "x")]
            assert client_token(BILLING).access_token == texts[0].access_token
        assert len({token.access_token for token in texts}) == len(issuer.token_endpoint.requests) == 3

    def test_one_that_is_about_to_expire_is_not_handed_out(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """A minute before, so that the other API still accepts it."""
        clock = MovableClock()
        with make_own(clock=clock).app_context():
            client_token(BILLING)
            clock.move(LIFETIME_SECONDS - 61)
            client_token(BILLING)
            assert len(issuer.token_endpoint.requests) == 1
            clock.move(2)
            client_token(BILLING)
        assert len(issuer.token_endpoint.requests) == 2

    def test_the_least_recently_used_goes_first(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        app = make_own()
        with app.app_context():
            client_token(BILLING)
            kept = app.extensions["auth0"].token_requests()._kept
            kept._size = 2
            client_token(BILLING, "a")
            client_token(BILLING)
            client_token(BILLING, "b")
            assert (len(kept), len(issuer.token_endpoint.requests)) == (2, 3)
            client_token(BILLING)
            assert len(issuer.token_endpoint.requests) == 3

    def test_two_threads_make_one_request(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """For each caller."""
        app, tokens, start = make_own(), [issuer.token(sub=name) for name in "ab"], threading.Barrier(8)

        def ask(number: int) -> str:
            start.wait()
            return get_with(app, tokens[number % 2])

        with ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(ask, range(8)))
        assert (len(set(texts)), issuer.token_endpoint.requests) == (2, [EXCHANGE] * 2)

    @pytest.mark.parametrize("lift", [False, True])
    def test_a_revocation_ends_what_was_kept(self, make_own: MakeOwn, issuer: LocalIssuer, lift: bool) -> None:
        """The guard refuses the caller; and if that is undone, the token from before is not handed out again."""
        clock = MovableClock()
        app, now = make_own(clock=clock), int(clock.now)
        token = issuer.token(iat=now, exp=now + 600)
        get_with(app, token)
        revocations = app.extensions["auth0"].revocations
        with app.app_context():
            clock.move(10)
            revocations.revoke("subject", claims_of(token)["sub"], None)
            clock.move(10)
            if lift:
                revocations.lift("subject", claims_of(token)["sub"])
        response = app.test_client().get("/call", headers=bearer(token))
        assert response.status_code == (200 if lift else 401)
        assert len(issuer.token_endpoint.requests) == (2 if lift else 1)

    def test_what_a_revoked_caller_had_does_not_stay_in_memory(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """Though nobody asks for it any more."""
        clock = MovableClock()
        app, now = make_own(clock=clock), int(clock.now)
        get_with(app, issuer.token(sub="auth0|ada", iat=now, exp=now + 600))
        with app.app_context():
            clock.move(61)
            app.extensions["auth0"].revocations.revoke("subject", "auth0|ada", None)
            client_token(BILLING)
        assert len(app.extensions["auth0"].token_requests()._kept) == 1


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "error", "code", "answered"),
        [
            (401, "access_denied", "token_exchange_failed", 502), (403, "mfa_required", "token_exchange_failed", 502),
            (400, "invalid_grant", "token_exchange_failed", 502),
            (429, "too_many_requests", "token_exchange_unavailable", 503),
            (500, "server_error", "token_exchange_unavailable", 503),
        ],
    )  # fmt: skip
    def test_it_is_never_the_callers_and_nothing_of_it_is_told(
        self, make_own: MakeOwn, issuer: LocalIssuer, status: int, error: str, code: str, answered: int
    ) -> None:
        """No 401, no challenge, a fixed body; the app reads the code of the endpoint from the error."""
        caught: list[TokenExchangeError] = []

        def call() -> IssuedToken:
            try:
                return on_behalf()
            except TokenExchangeError as exc:
                caught.append(exc)
                raise

        with issuer.token_endpoint.failing(status, error, "What <nobody> is to read"):
            response = make_own(call).test_client().get("/call", headers=bearer(issuer.token()))
        answer = seen(response)
        assert (answer.status, answer.challenges, answer.body["code"]) == (answered, (), code)
        assert answer.body["error"] == ("server_error" if answered == 502 else "temporarily_unavailable")
        assert "nobody" not in response.text
        assert error not in answer.body["error_description"]
        assert (response.headers.get("Retry-After") is not None) is (answered == 503)
        assert [(exc.status, exc.code, exc.endpoint_error) for exc in caught] == [(answered, code, error)]

    def test_an_endpoint_in_trouble_is_left_alone(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        clock = MovableClock()
        with make_own(clock=clock).app_context():
            for seconds, requests in ((0, 1), (0, 1), (1.1, 2), (1.1, 2), (1.1, 3)):
                clock.move(seconds)
                with issuer.token_endpoint.failing(503), pytest.raises(TokenExchangeUnavailableError) as caught:
                    client_token(BILLING)
                assert caught.value.retry_after_seconds >= 1
                assert len(issuer.token_endpoint.requests) == requests
            clock.move(10)
            client_token(BILLING)

    def test_failures_at_once_count_once_and_no_answer_under_way_ends_the_pause(self, make_own: MakeOwn) -> None:
        """One request fails last, though it began with the others; another one succeeds after a 429 asked for 60 s."""
        here, told_to_wait = threading.Barrier(4), threading.Event()

        def answer(connection: socket.socket) -> None:
            order = here.wait(10)
            if order == 0:
                told_to_wait.wait(10)
            status = "200 OK" if order == 0 else "429 Too Many Requests"
            respond(status, json.dumps(GOOD).encode(), Retry_After="60")(connection)

        def ask(scope: str) -> bool:
            with app.app_context():
                try:
                    return bool(client_token(BILLING, scope))
                except TokenExchangeUnavailableError:
                    refused.append(scope)
                    if len(refused) == 3:
                        told_to_wait.set()
                    return False

        refused: list[str] = []
        with RawServer(answer) as endpoint, ThreadPoolExecutor(4) as pool:
            app = make_own(AUTH0_TOKEN_URL=endpoint.url, clock=MovableClock())
            assert sum(pool.map(ask, "abcd")) == 1
            assert not ask("e")
        (backoff,) = app.extensions["auth0"].token_requests()._backoffs.values()
        assert (len(endpoint.heads), backoff.failures, backoff.retry_after_seconds()) == (4, 1, 60)

    def test_after_the_pause_one_request_tries_and_nobody_else_waits(
        self, make_own: MakeOwn, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An endpoint that hangs stops one thread, not all of them."""
        clock, entered, go_on = MovableClock(), threading.Event(), threading.Event()
        app, answer = make_own(clock=clock), issuer.token_endpoint.answer

        def ask(scope: str) -> IssuedToken:
            with app.app_context():
                return client_token(BILLING, scope)

        def answer_late(request: Any) -> Any:
            entered.set()
            go_on.wait(4)
            return answer(request)

        with issuer.token_endpoint.failing(503), pytest.raises(TokenExchangeUnavailableError):
            ask("a")
        clock.move(3)
        monkeypatch.setattr(issuer.token_endpoint, "answer", answer_late)
        with ThreadPoolExecutor(1) as pool:
            trial = pool.submit(ask, "a")
            entered.wait(10)
            with pytest.raises(TokenExchangeUnavailableError):
                ask("b")
            go_on.set()
            assert trial.result()
        assert ask("b")
        assert len(issuer.token_endpoint.requests) == 3

    def test_no_variable_of_its_traceback_is_a_secret(self, make_own: MakeOwn, issuer: LocalIssuer) -> None:
        """Error trackers record them."""
        app, secret = make_own(), CLIENT["AUTH0_CLIENT_SECRET"]
        with issuer.token_endpoint.failing(400, description=secret), app.app_context():
            with pytest.raises(TokenExchangeError) as caught:
                client_token(BILLING)
            frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        assert caught.value.__context__ is None
        assert not any(secret in repr(value) for frame in frames[1:] for value in frame.f_locals.values())

    def test_one_that_is_not_there_is_503(self, make_own: MakeOwn) -> None:
        app = make_own(AUTH0_TOKEN_URL="http://127.0.0.1:9/token")
        with app.app_context(), pytest.raises(TokenExchangeUnavailableError) as caught:
            client_token(BILLING)
        assert (caught.value.reason, caught.value.endpoint_error) == ("unreachable", None)

    def test_a_bug_of_ours_wakes_up_who_waits_and_the_next_one_tries(self) -> None:
        flights, entered, go_on = Flights(10, SYSTEM_CLOCK), threading.Event(), threading.Event()

        def fail() -> IssuedToken:
            entered.set()
            go_on.wait(10)
            raise ZeroDivisionError

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(flights.run, "a", fail)
            entered.wait(10)
            second = pool.submit(flights.run, "a", lambda: IssuedToken("x"))
            go_on.set()
            assert isinstance(first.exception(), ZeroDivisionError)
            assert second.result().access_token == "x"

    def test_nobody_waits_for_ever(self) -> None:
        flights, entered, go_on = Flights(0.01, SYSTEM_CLOCK), threading.Event(), threading.Event()

        def hang() -> IssuedToken:
            entered.set()
            go_on.wait(10)
            return IssuedToken("x")

        with ThreadPoolExecutor(1) as pool:
            pool.submit(flights.run, "a", hang)
            entered.wait(10)
            with pytest.raises(TokenExchangeUnavailableError):
                flights.run("a", hang)
            go_on.set()


GOOD: dict[str, Any] = {"access_token": "opaque-token", "token_type": "bearer", "expires_in": 600}
AskEndpoint = Callable[..., tuple[IssuedToken, RawServer]]


@pytest.fixture
def ask_endpoint(make_own: MakeOwn) -> AskEndpoint:
    """Return what asks twice at an endpoint that always answers with this status and body."""

    def ask(status: int, document: Any, **headers: str) -> tuple[IssuedToken, RawServer]:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        with RawServer(respond(f"{status} As told", body, **headers)) as endpoint:
            app = make_own(AUTH0_TOKEN_URL=endpoint.url, AUTH0_JWKS_MAX_BYTES=2048)
            with app.app_context():
                client_token(BILLING, "a b")
                return client_token(BILLING, "b a"), endpoint

    return ask


class TestAnswers:
    def test_what_the_endpoint_leaves_out_is_filled_in(self, ask_endpoint: AskEndpoint) -> None:
        """RFC 6749 §5.1: the scope that was asked for. The request is one of the package, and goes to no redirect."""
        token, endpoint = ask_endpoint(200, {**GOOD, "refresh_token": "r", "issued_token_type": "urn:x"})
        assert (token.token_type, token.issued_token_type, sorted(token.scopes)) == ("Bearer", "urn:x", ["a", "b"])
        assert len(endpoint.heads) == 1
        assert b"User-Agent: auth0_blueprint/" in endpoint.heads[0]

    def test_one_without_a_lifetime_is_not_kept(self, ask_endpoint: AskEndpoint) -> None:
        token, endpoint = ask_endpoint(200, {"access_token": "x", "token_type": "N_A"})
        assert (token.expires_at, token.token_type, len(endpoint.heads)) == (None, "N_A", 2)

    @pytest.mark.parametrize(
        "document",
        [
            {**GOOD, "token_type": "DPoP"}, {**GOOD, "access_token": "two words"}, {**GOOD, "access_token": "x\r\ny"},
            {**GOOD, "access_token": None}, {**GOOD, "expires_in": 0}, {**GOOD, "expires_in": -1}, [GOOD],
            {**GOOD, "expires_in": True}, {**GOOD, "expires_in": 10**12}, {**GOOD, "expires_in": "soon"}, b"<html>",
            b'{"access_token": "a", "access_token": "b", "token_type": "Bearer"}', {**GOOD, "scope": ["a"]},
        ],
    )  # fmt: skip
    def test_what_makes_no_sense_is_refused(
        self, ask_endpoint: AskEndpoint, document: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(TokenExchangeError) as caught:
            ask_endpoint(200, document)
        assert (caught.value.status, caught.value.reason) == (502, "invalid_answer")
        assert "opaque-token" not in caplog.text

    @pytest.mark.parametrize(
        ("status", "headers", "reason"),
        [
            (302, {"Location": "https://elsewhere.example/"}, "invalid_answer"), (404, {}, "invalid_answer"),
            (503, {"Retry_After": "7"}, "out_of_order"), (429, {"Retry_After": "7"}, "rate_limited"),
            (429, {"Retry_After": "99999"}, "rate_limited"),
        ],
    )  # fmt: skip
    def test_other_statuses(self, ask_endpoint: AskEndpoint, status: int, headers: dict[str, str], reason: str) -> None:
        """No redirect is followed with a secret; ``Retry-After`` is respected, up to 5 minutes."""
        with pytest.raises(TokenExchangeError) as caught:
            ask_endpoint(status, b"", **headers)
        asked = int(headers.get("Retry_After", 0))
        assert (caught.value.reason, caught.value.retry_after_seconds) == (reason, min(asked, 300))

    def test_an_answer_that_is_too_large_is_not_read(self, ask_endpoint: AskEndpoint) -> None:
        with pytest.raises(TokenExchangeUnavailableError):
            ask_endpoint(200, {**GOOD, "more": "x" * 4096})

    @pytest.mark.parametrize(
        ("error", "endpoint_error"),
        [
            ("invalid_grant", "invalid_grant"), ("eyJhbGciOi.J9", None), ("s3cret", None), (["x"], None),
            ("a" * 65, None), ("Not\nnice", None),
        ],
    )  # fmt: skip
    def test_only_a_code_is_believed_and_nothing_is_logged_that_could_be_a_token(
        self, ask_endpoint: AskEndpoint, error: Any, endpoint_error: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
        sent = CLIENT["AUTH0_CLIENT_SECRET"]
        said = f"Bad\n{token} and {token[:17]}, {sent}, {quote_plus(sent)} {'x' * 780} {token}"
        with pytest.raises(TokenExchangeError) as caught:
            ask_endpoint(400, {"error": error, "error_description": said})
        assert caught.value.endpoint_error == endpoint_error
        assert "'Bad\\n*** and ***, ***, *** *** ***'" in caplog.text
        assert not any(part in caplog.text for part in (*token.split("."), "s3cret", "Not\nnice", "a" * 65))


def test_the_page_is_right(monkeypatch: pytest.MonkeyPatch, make_own: MakeOwn, issuer: LocalIssuer) -> None:
    """Its app passes its test, and whoever has connected no account is not refused."""
    monkeypatch.setenv("no_proxy", "*")
    blocks: list[Any] = [run_block(PAGE, block.code) for block in python_blocks(PAGE)]
    app_block, without_account, test_block = blocks
    test_block["create_app"] = app_block["create_app"]
    test_block["test_invoices"]()
    app = make_own(lambda: without_account["calendar_token"]() or IssuedToken("connect an account"))
    assert get(app, issuer) == "connect an account"


def test_the_token_is_in_no_repr_no_pickle_and_no_json(app: Flask) -> None:
    """`jsonify` refuses it, rather than send it to a client."""
    token = IssuedToken("secret-text")
    assert repr(token) == str(token) == f"{token}" == "<IssuedToken type=Bearer expires_at=unknown>"
    assert repr(copy.deepcopy(token)) == repr(token)
    refusals: list[Callable[[Any], object]] = [
        *(pickle.dumps, app.json.dumps, dict, vars),
        *(lambda one: setattr(one, "scopes", ()), lambda one: delattr(one, "scopes")),
    ]
    for refused in refusals:
        with pytest.raises((TypeError, AttributeError)):
            refused(token)
