"""Requests whose tokens are bound to a key: through guards, by each scheme, in each mode, with the right challenges."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import AppFactory, MovableClock, bearer
from dpop_client import DPoPClient
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import get_jwt, jwt_required
from refusals import ABSENT
from werkzeug.test import TestResponse

from auth0_blueprint import (
    Auth0Blueprint,
    BindingMismatchError,
    ConfigurationError,
    current_token,
    requires_auth,
    requires_scope,
    verify_token,
)
from auth0_blueprint.jose.algorithms import PROOF_ALGORITHMS
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.sequence import Presentation

API = "https://api.example.com"
URI = f"{API}/messages"
ALGS = 'algs="ES256 RS256 PS256 EdDSA Ed25519"'
PLAIN = 'Bearer realm="api"'
DPOP = f'DPoP realm="api", {ALGS}'
MODES = ("allowed", "required")
#: The challenges to a request by the Bearer scheme or none, and by the DPoP scheme.
CHALLENGES = {"disabled": (PLAIN,), "allowed": (PLAIN, DPOP), "required": (DPOP,)}
BY_DPOP = {"allowed": (DPOP, PLAIN), "required": (DPOP,)}
HOLDER = DPoPClient("ES256")


def serve(make_app: AppFactory, **settings: Any) -> FlaskClient:
    app = make_app(AUTH0_PUBLIC_URL=API, **settings)

    messages = requires_auth(lambda: {"subject": current_token.subject})
    app.add_url_rule("/messages", "messages", messages, methods=["GET", "POST"])
    app.add_url_rule("/scope", "scope", requires_scope("read:messages")(lambda: ""))
    app.add_url_rule("/stock", "stock", jwt_required()(lambda: {"subject": get_jwt()["sub"]}))
    return app.test_client()


def proven(
    token: str, holder: DPoPClient = HOLDER, uri: str = URI, method: str = "GET", header: Any = None, **claims: Any
) -> dict[str, str]:
    """Return the headers of a request with *token* and a proof of *holder*, with changes in its header and claims."""
    proof = holder.sign(holder.header(**(header or {})), holder.claims(method, uri, token, time.time(), **claims))
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


def ask(
    client: FlaskClient, token: str, holder: DPoPClient = HOLDER, *, uri: str = URI, method: str = "GET", **changes: Any
) -> TestResponse:
    """Send *token* with a proof of *holder*; *changes* go into the proof."""
    path = uri.partition("?")[0].removeprefix(API)
    return client.open(path, method=method, headers=proven(token, holder, uri, method, **changes))


@pytest.fixture
def token(issuer: LocalIssuer) -> str:
    """A token that is bound to the key of the holder."""
    return issuer.token(cnf=HOLDER.confirmation)


def assert_refused(response: TestResponse, code: str, *challenges: str) -> None:
    """Assert the whole refusal."""
    error = "invalid_dpop_proof" if code == "invalid_dpop_proof" else "invalid_token"
    description: str = response.get_json()["error_description"]
    told = f', error="{error}", error_description="{description}"'
    scheme, rest = challenges[0].split(" ", 1)
    realm, comma, more = rest.partition(", ")
    expected = (f"{scheme} {realm}{told}{comma}{more}", *challenges[1:])
    assert (response.status_code, response.get_json()["code"], response.get_json()["error"]) == (401, code, error)
    assert tuple(response.headers.getlist("WWW-Authenticate")) == expected
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
def test_the_holder_of_the_key_is_let_in(make_app: AppFactory, issuer: LocalIssuer, mode: str, algorithm: str) -> None:
    client, holder = serve(make_app, AUTH0_DPOP=mode), DPoPClient(algorithm)
    token = issuer.token(cnf=holder.confirmation)
    for _ in range(2):  # the second time the token is remembered
        assert ask(client, token, holder).get_json() == {"subject": "auth0|local-user"}
    assert ask(client, token, holder, method="POST").status_code == 200
    assert ask(client, token, holder, uri=f"{API}/stock").status_code == 200
    assert ask(client, token, holder, uri=f"{URI}?page=2").status_code == 200


@pytest.mark.parametrize("mode", MODES)
def test_a_proof_is_good_once(make_app: AppFactory, token: str, mode: str) -> None:
    """Also for the stolen pair of token and proof, and whatever Host header goes with it."""
    client = serve(make_app, AUTH0_DPOP=mode)
    assert ask(client, token, jti="once").status_code == 200
    assert_refused(ask(client, token, jti="once"), "invalid_dpop_proof", *BY_DPOP[mode])


def test_a_proof_has_the_age_that_the_clock_of_the_app_says(make_app: AppFactory, token: str) -> None:
    """As a token has, and it is remembered by that clock as well."""
    clock = MovableClock(time.time())
    client = serve(make_app, AUTH0_DPOP="allowed", clock=clock)
    assert ask(client, token, jti="once", iat=clock.now).status_code == 200
    clock.move(301)
    assert_refused(ask(client, token, iat=clock.now - 301), "invalid_dpop_proof", DPOP, PLAIN)
    clock.move(30)
    assert ask(client, token, jti="once", iat=clock.now).status_code == 200
    clock.move(4000)
    assert_refused(ask(client, token, iat=clock.now), "token_expired", DPOP, PLAIN)


def test_a_host_header_does_not_make_a_proof_fit(make_app: AppFactory, token: str) -> None:
    """A proof that was made for another API is one for another API, whoever the request says it is for."""
    client = serve(make_app, AUTH0_DPOP="allowed")
    elsewhere = "https://elsewhere.example"
    headers = proven(token, uri=f"{elsewhere}/messages")
    for base in (elsewhere, API):
        response = client.get("/messages", base_url=base, headers={**headers, "X-Forwarded-Host": "elsewhere.example"})
        assert_refused(response, "invalid_dpop_proof", DPOP, PLAIN)


def test_one_text_of_trusted_hosts_is_one_host(make_app: AppFactory, token: str) -> None:
    """As for Flask. A part of its port is another service."""
    app = make_app(AUTH0_DPOP="required", TRUSTED_HOSTS="api.example.com:8443")
    app.add_url_rule("/messages", view_func=requires_auth(lambda: ""), endpoint="messages")
    for base, status in ((f"{API}:8443", 200), (f"{API}:8", 401), ("https://pi.example.com", 400)):
        headers = proven(token, uri=f"{base}/messages")
        assert app.test_client().get("/messages", base_url=base, headers=headers).status_code == status


def test_trusted_hosts_take_the_place_of_a_public_url(make_app: AppFactory, token: str) -> None:
    """Then the request says which of them it is for; a host that is none is Flask's 400."""
    app = make_app(AUTH0_DPOP="required", TRUSTED_HOSTS=["api.example.com", "two.example"])
    app.add_url_rule("/messages", view_func=requires_auth(lambda: ""), endpoint="messages")
    client = app.test_client()
    for base, status in ((API, 200), ("https://two.example", 200), ("https://evil.example", 400)):
        headers = proven(token, uri=f"{base}/messages")
        assert client.get("/messages", base_url=base, headers=headers).status_code == status
    response = client.get("/messages", base_url="https://two.example", headers=proven(token))
    assert_refused(response, "invalid_dpop_proof", DPOP)


CLAIM_FAULTS: dict[str, list[Any]] = {
    "htm": ["POST", "get", ABSENT, 1],
    "htu": [f"{API}/other", "/messages", f"http{URI[5:]}", ABSENT, 1],
    "ath": ["x", "", ABSENT, None],
    "iat": [1, 9_999_999_999, "1", True, ABSENT],
    "jti": ["", "x" * 257, 1, ABSENT],
}
HEADER_FAULTS: dict[str, list[Any]] = {
    "typ": ["JWT", "at+jwt", ABSENT],
    "alg": ["none", "HS256", "ES384", "RS256", ABSENT],
    "jwk": [{}, "x", ABSENT],
    "crit": [["b64"]],
    "b64": [False],
}


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name, values in CLAIM_FAULTS.items() for value in values),
        *({"header": {name: value}} for name, values in HEADER_FAULTS.items() for value in values),
    ],
)
def test_a_faulty_proof_is_told_on_the_dpop_challenge(
    make_app: AppFactory, token: str, changes: dict[str, Any]
) -> None:
    """401 invalid_dpop_proof (RFC 9449 §7.1). Whatever else a proof can be is tried without Flask."""
    client = serve(make_app, AUTH0_DPOP="allowed")
    assert_refused(ask(client, token, **changes), "invalid_dpop_proof", DPOP, PLAIN)


@pytest.mark.parametrize("proof", [None, "", "a.b.c", "a.b.c, a.b.c", "ü"])
def test_a_bound_token_needs_a_proof(make_app: AppFactory, token: str, proof: str | None) -> None:
    headers = {"Authorization": f"DPoP {token}", **({} if proof is None else {"DPoP": proof})}
    response = serve(make_app, AUTH0_DPOP="required").get("/messages", headers=headers)
    assert_refused(response, "invalid_dpop_proof", DPOP)


def test_another_key_proves_nothing(make_app: AppFactory, token: str) -> None:
    """Whoever stole the token has one of their own."""
    client = serve(make_app, AUTH0_DPOP="allowed")
    assert_refused(ask(client, token, DPoPClient("ES256")), "binding_mismatch", DPOP, PLAIN)


CONFIRMATIONS: list[Any] = [
    *(None, "x", 1, True, [], {}, {"jwk": {}}, {"jkt": 1}, {"jkt": None}),
    *({"x5t#S256": "x"}, {"x5t#S256": 1}, {"kid": "x"}),
]


@pytest.mark.parametrize("mode", ["disabled", *MODES])
def test_a_bound_token_is_never_a_plain_one(make_app: AppFactory, token: str, mode: str) -> None:
    """By the Bearer scheme it is refused in every mode, also with a proof beside it."""
    client = serve(make_app, AUTH0_DPOP=mode)
    for headers in (bearer(token), {**proven(token), **bearer(token)}):
        for _ in range(2):
            assert_refused(client.get("/messages", headers=headers), "binding_mismatch", *CHALLENGES[mode])


@pytest.mark.parametrize("mode", ["disabled", *MODES])
@pytest.mark.parametrize("confirmation", CONFIRMATIONS, ids=repr)
def test_a_confirmation_that_is_not_understood_is_refused(
    make_app: AppFactory, issuer: LocalIssuer, mode: str, confirmation: Any
) -> None:
    client = serve(make_app, AUTH0_DPOP=mode)
    token = issuer.token(cnf=confirmation)
    assert_refused(client.get("/messages", headers=bearer(token)), "binding_mismatch", *CHALLENGES[mode])
    response = ask(client, token)
    if mode == "disabled":
        assert (response.status_code, response.get_json()["code"]) == (401, "invalid_header")
    else:
        assert_refused(response, "binding_mismatch", *BY_DPOP[mode])


def test_two_confirmations_at_once_are_refused(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """A token is bound to one key (RFC 7800 §3.1): what the other member demands, nobody would check."""
    client = serve(make_app, AUTH0_DPOP="allowed", AUTH0_MTLS_CERT="environ:SSL_CLIENT_CERT")
    token = issuer.token(cnf={**HOLDER.confirmation, "x5t#S256": "x"})
    assert_refused(ask(client, token), "binding_mismatch", DPOP, PLAIN)
    assert_refused(client.get("/messages", headers=bearer(token)), "binding_mismatch", PLAIN, DPOP)


@pytest.mark.parametrize("mode", MODES)
def test_a_plain_token_is_never_a_bound_one(make_app: AppFactory, issuer: LocalIssuer, mode: str) -> None:
    client = serve(make_app, AUTH0_DPOP=mode)
    assert_refused(ask(client, issuer.token()), "binding_mismatch", *BY_DPOP[mode])


@pytest.mark.parametrize("mode", ["disabled", *MODES])
def test_a_plain_token_passes_unless_proofs_are_required(make_app: AppFactory, issuer: LocalIssuer, mode: str) -> None:
    """With a proof beside it, somebody means to be bound and is not."""
    client, headers = serve(make_app, AUTH0_DPOP=mode), bearer(issuer.token())
    plain, with_proof = (client.get("/messages", headers=headers | more) for more in ({}, {"DPoP": "a.b.c"}))
    assert_refused(with_proof, "binding_mismatch", *CHALLENGES[mode])
    if mode == "required":
        assert_refused(plain, "binding_mismatch", DPOP)
    else:
        assert plain.status_code == 200


def test_a_plain_token_has_nothing_to_prove(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app(AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL=API)
    token = issuer.token()
    with app.app_context():
        access_token = verify_token(token)
    app.extensions["auth0"].binding.check(access_token, Presentation(token, environ={}))


def test_a_scope_that_is_missing_is_told_on_the_scheme_of_the_request(make_app: AppFactory, token: str) -> None:
    """403 (RFC 9449 §7.1)."""
    client = serve(make_app, AUTH0_DPOP="allowed")
    response = ask(client, token, uri=f"{API}/scope")
    description = response.get_json()["error_description"]
    told = f'error="insufficient_scope", error_description="{description}", scope="read:messages"'
    assert response.status_code == 403
    assert response.headers.getlist("WWW-Authenticate") == [f'DPoP realm="api", {told}, {ALGS}', PLAIN]


def test_without_credentials_both_ways_are_shown(make_app: AppFactory) -> None:
    """Bare (RFC 6750 §3.1)."""
    for mode, challenges in CHALLENGES.items():
        response = serve(make_app, AUTH0_DPOP=mode).get("/messages")
        assert response.status_code == 401
        assert tuple(response.headers.getlist("WWW-Authenticate")) == challenges


def test_outside_of_requests_bound_tokens_are_refused(make_app: AppFactory, token: str) -> None:
    """Nobody could show a proof there."""
    app = make_app(AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL=API)
    with app.app_context(), pytest.raises(BindingMismatchError):
        verify_token(token)


def test_details_of_health_are_shown_to_an_operator_with_a_bound_token(
    make_app: AppFactory, issuer: LocalIssuer
) -> None:
    client = serve(make_app, AUTH0_DPOP="required")
    operator: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}
    token = issuer.token(cnf=HOLDER.confirmation, **operator)
    client.get("/auth/health")
    assert "checks" in ask(client, token, uri=f"{API}/auth/health").get_json()
    assert "checks" not in client.get("/auth/health", headers=bearer(token)).get_json()


@pytest.mark.parametrize("name", ["NullCache", "flask_caching.backends.NullCache"])
def test_required_proofs_need_somewhere_to_remember_them(make_app: AppFactory, issuer: LocalIssuer, name: str) -> None:
    """An app that says it keeps nothing cannot tell a replay."""
    cache: dict[str, Any] = {"CACHE_TYPE": name, "CACHE_NO_NULL_WARNING": True}
    assert serve(make_app, AUTH0_DPOP="allowed", **cache)
    app = Flask("tested", static_folder=None)
    app.config.update(issuer.settings, AUTH0_PUBLIC_URL=API, AUTH0_DPOP="required", **cache)
    with pytest.raises(ConfigurationError, match="AUTH0_DPOP"):
        app.register_blueprint(Auth0Blueprint())
    assert "auth0" not in app.extensions
