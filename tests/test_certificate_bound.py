"""Requests whose tokens are bound to a client certificate: through guards, by each scheme, in each mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import refusals
from certificates import Credential, make_credential
from conftest import AppFactory
from dpop_client import DPoPClient
from flask.testing import FlaskClient
from refusals import Answer, guarded, invalid_token, seen
from werkzeug.test import TestResponse

from auth0_blueprint import BindingMismatchError, verify_token
from auth0_blueprint.testing import LocalIssuer

API = "https://api.example.com"
ALGS = 'algs="ES256 RS256 PS256 EdDSA Ed25519"'

NOT_BOUND = invalid_token(
    "binding_mismatch", "The access token is not bound to a key and cannot be used with the DPoP scheme."
)
PROOF_BESIDE_BEARER = invalid_token(
    "binding_mismatch", "A DPoP proof requires the DPoP scheme; it cannot accompany a bearer token."
)
PROOF_REQUIRED = invalid_token("binding_mismatch", "This API accepts only DPoP-bound access tokens.")
PASSED = Answer(200, (), {"subject": "auth0|local-user"}, cache_control=None)

#: ``AUTH0_MTLS_CERT``, and what the test client has to put where then.
SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "environ:SSL_CLIENT_CERT": lambda text: {"environ_overrides": {"SSL_CLIENT_CERT": text}},
    "header:X-SSL-Client-Cert from 127.0.0.1": lambda text: {"headers": {"X-SSL-Client-Cert": text}},
}
SERVER, PROXY = SOURCES
SCHEMES = ("Bearer", "DPoP")
# Where proofs are required no certificate helps.
MODES = ("disabled", "allowed")


@pytest.fixture(scope="module")
def holder() -> Credential:
    return make_credential("holder")


@pytest.fixture(scope="module")
def other() -> Credential:
    return make_credential("other")


@pytest.fixture(scope="module")
def key_holder() -> DPoPClient:
    return DPoPClient("ES256")


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def serve(make_app: AppFactory, source: str = SERVER, mode: str = "disabled", **settings: Any) -> FlaskClient:
    return guarded(make_app(AUTH0_MTLS_CERT=source, AUTH0_PUBLIC_URL=API, AUTH0_DPOP=mode, **settings))


def bound_to(credential: Credential) -> dict[str, str]:
    """Return the ``cnf`` of a token that is bound to *credential* (RFC 8705 §3.1)."""
    return {"x5t#S256": credential.thumbprint}


def ask(
    client: FlaskClient,
    token: str,
    scheme: str = "Bearer",
    shown: dict[str, Any] | None = None,
    proof: Callable[[str], str] | None = None,
) -> Answer:
    """Present *token* to both views of `guarded`, which have to answer alike, and return that answer.

    Args:
        client: of the app.
        token: to present.
        scheme: by which.
        shown: how the test client puts the certificate where it is looked for.
        proof: makes the DPoP proof for a path.
    """
    options = dict(shown or {})
    headers = {"Authorization": f"{scheme} {token}", **options.pop("headers", {})}
    ours, theirs = (
        seen(client.get(path, headers={**headers, **({"DPoP": proof(path)} if proof else {})}, **options))
        for path in ("/ours", "/theirs")
    )
    assert ours == theirs
    return ours


def told(answer: Answer, mode: str, scheme: str) -> Answer:
    """Return the refusal *answer* as an app in *mode* gives it: on the challenge of the request's scheme."""
    (bearer,) = answer.challenges
    dpop = f"{bearer.replace('Bearer', 'DPoP', 1)}, {ALGS}"
    plain, bound = 'Bearer realm="api"', f'DPoP realm="api", {ALGS}'
    allowed = (dpop, plain) if scheme == "DPoP" else (bearer, bound)
    challenges = {"disabled": (bearer,), "allowed": allowed, "required": (dpop,)}
    return replace(answer, challenges=challenges[mode])


def proofs_of(key_holder: DPoPClient, token: str) -> Callable[[str], str]:
    """Return what makes a good proof for a path."""
    return lambda path: key_holder.sign(
        key_holder.header(), key_holder.claims("GET", f"{API}{path}", token, time.time())
    )


@pytest.mark.parametrize("mode", MODES)
class TestWhereItIsSetUp:
    def test_the_holder_of_the_certificate_is_let_in(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, source: str, mode: str
    ) -> None:
        client, token = serve(make_app, source, mode), issuer.token(cnf=bound_to(holder))
        for scheme in (*SCHEMES, "bearer", "dpop"):
            assert ask(client, token, scheme, SOURCES[source](holder.escaped_pem)) == PASSED

    def test_the_certificate_is_asked_for_each_time(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, source: str, mode: str
    ) -> None:
        """Whoever presents a token that has passed before has to show it as well."""
        client, token = serve(make_app, source, mode), issuer.token(cnf=bound_to(holder))
        shown = SOURCES[source](holder.escaped_pem)
        for scheme in SCHEMES:
            assert ask(client, token, scheme, shown) == PASSED
            assert ask(client, token, scheme) == told(refusals.NO_CERTIFICATE, mode, scheme)
            assert ask(client, token, scheme, SOURCES[source]("")) == told(refusals.NO_CERTIFICATE, mode, scheme)

    def test_another_certificate_is_refused(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, other: Credential, source: str, mode: str
    ) -> None:
        """Whoever stole the token has one, too."""
        client, token = serve(make_app, source, mode), issuer.token(cnf=bound_to(holder))
        shown = SOURCES[source](other.escaped_pem)
        for scheme in SCHEMES:
            assert ask(client, token, scheme, shown) == told(refusals.OTHER_CERTIFICATE, mode, scheme)

    def test_an_unreadable_certificate_is_refused(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, source: str, mode: str
    ) -> None:
        client, token = serve(make_app, source, mode), issuer.token(cnf=bound_to(holder))
        for text in ("x", "::", "%ff", "-----BEGIN CERTIFICATE-----", f"{holder.escaped_pem},{holder.escaped_pem}"):
            for scheme in SCHEMES:
                answer = ask(client, token, scheme, SOURCES[source](text))
                assert answer == told(refusals.UNREADABLE_CERTIFICATE, mode, scheme)

    def test_a_header_of_somebody_else_is_not_believed(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, mode: str
    ) -> None:
        """Certificates are public: anybody can send one."""
        client, token = serve(make_app, PROXY, mode), issuer.token(cnf=bound_to(holder))
        shown = {**SOURCES[PROXY](holder.escaped_pem), "environ_overrides": {"REMOTE_ADDR": "127.0.0.2"}}
        for scheme in SCHEMES:
            assert ask(client, token, scheme, shown) == told(refusals.UNTRUSTED_PROXY, mode, scheme)

    def test_a_second_confirmation_is_refused(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, mode: str
    ) -> None:
        """A token is bound to one key (RFC 7800 §3.1): what the other member demands, nobody would check."""
        client = serve(make_app, mode=mode)
        for more in ({"jkt": "x"}, {"x5t": "x"}, {"kid": "x"}):
            token = issuer.token(cnf={**bound_to(holder), **more})
            for scheme in SCHEMES:
                answer = ask(client, token, scheme, SOURCES[SERVER](holder.escaped_pem))
                assert answer == told(refusals.BOUND, mode, scheme)


class TestProofs:
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_where_proofs_are_required_no_certificate_helps(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, source: str, scheme: str
    ) -> None:
        client, token = serve(make_app, source, "required"), issuer.token(cnf=bound_to(holder))
        shown = SOURCES[source](holder.escaped_pem)
        assert ask(client, token, scheme, shown) == told(PROOF_REQUIRED, "required", scheme)

    @pytest.mark.parametrize("mode", [*MODES, "required"])
    def test_a_proof_beside_bearer_is_refused(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, key_holder: DPoPClient, mode: str
    ) -> None:
        """Also beside the right certificate: somebody means something that is not so."""
        client, token = serve(make_app, mode=mode), issuer.token(cnf=bound_to(holder))
        shown = SOURCES[SERVER](holder.escaped_pem)
        answer = ask(client, token, "Bearer", shown, proofs_of(key_holder, token))
        assert answer == told(PROOF_BESIDE_BEARER, mode, "Bearer")

    @pytest.mark.parametrize("mode", MODES)
    def test_a_proof_does_not_take_the_place_of_the_certificate(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, key_holder: DPoPClient, mode: str
    ) -> None:
        """The token says what it is bound to, and not the request."""
        client, token = serve(make_app, mode=mode), issuer.token(cnf=bound_to(holder))
        answer = ask(client, token, "DPoP", None, proofs_of(key_holder, token))
        assert answer == told(refusals.NO_CERTIFICATE, mode, "DPoP")

    def test_a_certificate_does_not_take_the_place_of_a_proof(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, key_holder: DPoPClient
    ) -> None:
        """An app that knows certificates only refuses what is bound to a key, in whatever way it comes."""
        client, token = serve(make_app), issuer.token(cnf=key_holder.confirmation)
        shown, proof = SOURCES[SERVER](holder.escaped_pem), proofs_of(key_holder, token)
        assert ask(client, token, "Bearer", shown) == refusals.BOUND
        assert ask(client, token, "Bearer", shown, proof) == PROOF_BESIDE_BEARER
        assert ask(client, token, "DPoP", shown) == refusals.BOUND
        assert ask(client, token, "DPoP", shown, proof) == refusals.BOUND

    def test_both_kinds_of_tokens_pass_where_both_are_set_up(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, key_holder: DPoPClient
    ) -> None:
        client = serve(make_app, mode="allowed")
        token = issuer.token(cnf=key_holder.confirmation)
        assert ask(client, token, "DPoP", None, proofs_of(key_holder, token)) == PASSED
        token = issuer.token(cnf=bound_to(holder))
        assert ask(client, token, "DPoP", SOURCES[SERVER](holder.escaped_pem)) == PASSED


class TestPlainTokens:
    @pytest.mark.parametrize("text", ["", "x"])
    def test_they_pass_whatever_certificate_there_is(
        self, make_app: AppFactory, issuer: LocalIssuer, source: str, text: str
    ) -> None:
        assert ask(serve(make_app, source), issuer.token(), "Bearer", SOURCES[source](text)) == PASSED

    def test_they_are_not_bound_by_showing_a_certificate(
        self, make_app: AppFactory, issuer: LocalIssuer, holder: Credential, source: str
    ) -> None:
        """The DPoP scheme says that a token is bound, and this one is not."""
        shown = SOURCES[source](holder.escaped_pem)
        assert ask(serve(make_app, source), issuer.token(), "DPoP", shown) == NOT_BOUND


def test_where_it_is_not_set_up_no_certificate_is_looked_at(
    make_app: AppFactory, issuer: LocalIssuer, holder: Credential
) -> None:
    """Bound tokens are refused, and the DPoP scheme is none of ours."""
    client, token = guarded(make_app()), issuer.token(cnf=bound_to(holder))
    shown = SOURCES[SERVER](holder.escaped_pem)
    assert ask(client, token, "Bearer", shown) == refusals.BOUND
    assert ask(client, token, "DPoP", shown) == refusals.OTHER_SCHEME


def test_outside_of_requests_bound_tokens_are_refused(
    make_app: AppFactory, issuer: LocalIssuer, holder: Credential
) -> None:
    """There is no connection on which a certificate could have been shown."""
    with make_app(AUTH0_MTLS_CERT=SERVER).app_context(), pytest.raises(BindingMismatchError) as caught:
        verify_token(issuer.token(cnf=bound_to(holder)))
    assert caught.value.reason == "sender_constrained"


def test_operators_may_have_bound_tokens(make_app: AppFactory, issuer: LocalIssuer, holder: Credential) -> None:
    """They have to show the certificate; the token that they ask about is reported with what binds it."""
    client, scope = make_app(AUTH0_MTLS_CERT=SERVER).test_client(), "introspect:tokens"
    token = issuer.token(scope=scope, permissions=[scope], cnf=bound_to(holder))
    headers = {"Authorization": f"DPoP {token}"}

    def introspect(shown: dict[str, Any]) -> TestResponse:
        return client.post("/auth/introspect", data={"token": token}, headers=headers, **shown)

    body = introspect(SOURCES[SERVER](holder.escaped_pem)).get_json()
    # RFC 8705 §3 has them sent as Bearer, and names no type of its own.
    assert (body["active"], body["cnf"], body["token_type"]) == (True, bound_to(holder), "Bearer")
    assert seen(introspect({})) == refusals.NO_CERTIFICATE
