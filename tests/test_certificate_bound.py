"""Requests whose tokens are bound to a client certificate: through guards, by each scheme, in each mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import refusals
from certificates import make_credential
from conftest import AppFactory
from dpop_client import DPoPClient
from flask.testing import FlaskClient
from refusals import Answer, guarded, mismatch, seen
from werkzeug.test import TestResponse

from auth0_blueprint import BindingMismatchError, ConfigurationError, verify_token
from auth0_blueprint.testing import LocalIssuer

API = "https://api.example.com"
ALGS = 'algs="ES256 RS256 PS256 EdDSA Ed25519"'

NOT_BOUND = mismatch("The access token is not bound to a key and cannot be used with the DPoP scheme.")
PROOF_BESIDE_BEARER = mismatch("A DPoP proof requires the DPoP scheme; it cannot accompany a bearer token.")
PROOF_REQUIRED = mismatch("This API accepts only DPoP-bound access tokens.")
CERTIFICATE_REQUIRED = mismatch("This API accepts only access tokens that are bound to a client certificate.")
PASSED = Answer(200, (), {"subject": "auth0|local-user"}, cache_control=None)

#: ``AUTH0_MTLS_CERT``, and what the test client has to put where then.
SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "environ:SSL_CLIENT_CERT": lambda text: {"environ_overrides": {"SSL_CLIENT_CERT": text}},
    "header:X-SSL-Client-Cert from 127.0.0.1": lambda text: {"headers": {"X-SSL-Client-Cert": text}},
}
SERVER, PROXY = SOURCES
SCHEMES = ("Bearer", "DPoP")
Prove = Callable[[str], str]
# Where proofs are required no certificate helps.
MODES = ("disabled", "allowed")
HOLDER, OTHER, KEY_HOLDER = make_credential("holder"), make_credential("other"), DPoPClient("ES256")
BINDING, SHOWN = {"x5t#S256": HOLDER.thumbprint}, SOURCES[SERVER](HOLDER.escaped_pem)


@pytest.fixture
def token(issuer: LocalIssuer) -> str:
    """A token that is bound to the certificate of the holder (RFC 8705 §3.1)."""
    return issuer.token(cnf=BINDING)


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def serve(make_app: AppFactory, source: str = SERVER, mode: str = "disabled", **settings: Any) -> FlaskClient:
    return guarded(make_app(AUTH0_MTLS_CERT=source, AUTH0_PUBLIC_URL=API, AUTH0_DPOP=mode, **settings))


def ask(
    client: FlaskClient, token: str, scheme: str = "Bearer", shown: Any = None, proof: Prove | None = None
) -> Answer:
    """Return the answer of both views of `guarded`; *shown* are options of the client, and *proof* is by path."""
    options = dict(shown or {})
    headers = {"Authorization": f"{scheme} {token}", **options.pop("headers", {})}
    proofs = {path: {"DPoP": proof(path)} if proof else {} for path in ("/ours", "/theirs")}
    ours, theirs = (seen(client.get(path, headers=headers | proofs[path], **options)) for path in proofs)
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


def proofs_of(token: str) -> Prove:
    """Return what makes a good proof for a path."""
    header, now = KEY_HOLDER.header(), time.time()
    return lambda path: KEY_HOLDER.sign(header, KEY_HOLDER.claims("GET", f"{API}{path}", token, now))


@pytest.mark.parametrize("mode", MODES)
class TestWhereItIsSetUp:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            *((text, refusals.NO_CERTIFICATE) for text in (None, "")),
            # Whoever stole the token has one, too.
            (OTHER.escaped_pem, refusals.OTHER_CERTIFICATE),
            *((text, refusals.UNREADABLE_CERTIFICATE) for text in ("x", "::", "%ff", "-----BEGIN CERTIFICATE-----")),
            (f"{HOLDER.escaped_pem},{HOLDER.escaped_pem}", refusals.UNREADABLE_CERTIFICATE),
        ],
        ids=range(8),
    )
    def test_the_holder_of_the_certificate_is_let_in_and_nobody_else(
        self, make_app: AppFactory, token: str, source: str, mode: str, text: str | None, expected: Answer
    ) -> None:
        """Whoever presents a token that has passed before has to show the certificate as well."""
        client = serve(make_app, source, mode)
        for scheme in (*SCHEMES, "bearer", "dpop"):
            assert ask(client, token, scheme, SOURCES[source](HOLDER.escaped_pem)) == PASSED
        for scheme in SCHEMES:
            shown = None if text is None else SOURCES[source](text)
            assert ask(client, token, scheme, shown) == told(expected, mode, scheme)

    def test_a_header_of_somebody_else_is_not_believed(self, make_app: AppFactory, token: str, mode: str) -> None:
        """Certificates are public: anybody can send one."""
        client = serve(make_app, PROXY, mode)
        shown = {**SOURCES[PROXY](HOLDER.escaped_pem), "environ_overrides": {"REMOTE_ADDR": "127.0.0.2"}}
        for scheme in SCHEMES:
            assert ask(client, token, scheme, shown) == told(refusals.UNTRUSTED_PROXY, mode, scheme)

    def test_a_second_confirmation_is_refused(self, make_app: AppFactory, issuer: LocalIssuer, mode: str) -> None:
        """A token is bound to one key (RFC 7800 §3.1): what the other member demands, nobody would check."""
        client = serve(make_app, mode=mode)
        for more in ({"jkt": "x"}, {"x5t": "x"}, {"kid": "x"}):
            token = issuer.token(cnf={**BINDING, **more})
            for scheme in SCHEMES:
                answer = ask(client, token, scheme, SHOWN)
                assert answer == told(refusals.BOUND, mode, scheme)


class TestProofs:
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_where_proofs_are_required_no_certificate_helps(
        self, make_app: AppFactory, token: str, source: str, scheme: str
    ) -> None:
        client = serve(make_app, source, "required")
        shown = SOURCES[source](HOLDER.escaped_pem)
        assert ask(client, token, scheme, shown) == told(PROOF_REQUIRED, "required", scheme)

    @pytest.mark.parametrize("mode", [*MODES, "required"])
    def test_a_proof_beside_bearer_is_refused(self, make_app: AppFactory, token: str, mode: str) -> None:
        """Also beside the right certificate: somebody means something that is not so."""
        answer = ask(serve(make_app, mode=mode), token, "Bearer", SHOWN, proofs_of(token))
        assert answer == told(PROOF_BESIDE_BEARER, mode, "Bearer")

    @pytest.mark.parametrize("mode", MODES)
    def test_a_proof_is_no_certificate(self, make_app: AppFactory, token: str, mode: str) -> None:
        """The token says what it is bound to, and not the request."""
        answer = ask(serve(make_app, mode=mode), token, "DPoP", None, proofs_of(token))
        assert answer == told(refusals.NO_CERTIFICATE, mode, "DPoP")

    def test_a_certificate_is_no_proof(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        """An app that knows certificates only refuses what is bound to a key, in whatever way it comes."""
        client, token = serve(make_app), issuer.token(cnf=KEY_HOLDER.confirmation)
        proof = proofs_of(token)
        assert ask(client, token, "Bearer", SHOWN) == refusals.BOUND
        assert ask(client, token, "Bearer", SHOWN, proof) == PROOF_BESIDE_BEARER
        assert ask(client, token, "DPoP", SHOWN) == refusals.BOUND
        assert ask(client, token, "DPoP", SHOWN, proof) == refusals.BOUND

    def test_both_kinds_of_tokens_pass_where_both_are_set_up(
        self, make_app: AppFactory, issuer: LocalIssuer, token: str
    ) -> None:
        client, other = serve(make_app, mode="allowed"), issuer.token(cnf=KEY_HOLDER.confirmation)
        assert ask(client, other, "DPoP", None, proofs_of(other)) == PASSED
        assert ask(client, token, "DPoP", SHOWN) == PASSED


class TestPlainTokens:
    @pytest.mark.parametrize("text", ["", "x"])
    def test_they_pass_whatever_certificate_there_is(
        self, make_app: AppFactory, issuer: LocalIssuer, source: str, text: str
    ) -> None:
        assert ask(serve(make_app, source), issuer.token(), "Bearer", SOURCES[source](text)) == PASSED

    def test_they_are_not_bound_by_showing_a_certificate(
        self, make_app: AppFactory, issuer: LocalIssuer, source: str
    ) -> None:
        """The DPoP scheme says that a token is bound, and this one is not."""
        shown = SOURCES[source](HOLDER.escaped_pem)
        assert ask(serve(make_app, source), issuer.token(), "DPoP", shown) == NOT_BOUND


def test_where_it_is_not_set_up_no_certificate_is_looked_at(make_app: AppFactory, token: str) -> None:
    """Bound tokens are refused, and the DPoP scheme is none of ours."""
    client = guarded(make_app())
    assert ask(client, token, "Bearer", SHOWN) == refusals.BOUND
    assert ask(client, token, "DPoP", SHOWN) == refusals.OTHER_SCHEME


def test_outside_of_requests_bound_tokens_are_refused(make_app: AppFactory, token: str) -> None:
    """There is no connection on which a certificate could have been shown."""
    with make_app(AUTH0_MTLS_CERT=SERVER).app_context(), pytest.raises(BindingMismatchError) as caught:
        verify_token(token)
    assert caught.value.reason == "sender_constrained"


def test_operators_may_have_bound_tokens(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """They have to show the certificate; the token that they ask about is reported with what binds it."""
    client, scope = make_app(AUTH0_MTLS_CERT=SERVER).test_client(), "introspect:tokens"
    token = issuer.token(scope=scope, permissions=[scope], cnf=BINDING)
    headers = {"Authorization": f"DPoP {token}"}

    def introspect(shown: dict[str, Any]) -> TestResponse:
        return client.post("/auth/introspect", data={"token": token}, headers=headers, **shown)

    body = introspect(SHOWN).get_json()
    # RFC 8705 §3 has them sent as Bearer, and names no type of its own.
    assert (body["active"], body["cnf"], body["token_type"]) == (True, BINDING, "Bearer")
    assert seen(introspect({})) == refusals.NO_CERTIFICATE


class TestRequired:
    """``AUTH0_MTLS=required``: no token without a certificate, whoever sends it and however."""

    @pytest.mark.parametrize(
        "cnf", [None, {"jkt": KEY_HOLDER.thumbprint}, {**BINDING, "jkt": "a"}, {}, "a", {"kid": "a"}]
    )
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_every_other_token_is_refused(
        self, make_app: AppFactory, issuer: LocalIssuer, cnf: Any, scheme: str
    ) -> None:
        """Also with the certificate that would prove a binding, and with a proof."""
        client = serve(make_app, AUTH0_MTLS="required")
        token = issuer.token(**({} if cnf is None else {"cnf": cnf}))
        for shown, proof in ((None, None), (SHOWN, None), (SHOWN, lambda path: "any")):
            assert ask(client, token, scheme, shown, proof) == CERTIFICATE_REQUIRED

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_a_bound_token_passes_with_its_certificate_only(
        self, make_app: AppFactory, token: str, scheme: str
    ) -> None:
        client = serve(make_app, AUTH0_MTLS="required")
        assert ask(client, token, scheme, SHOWN) == PASSED
        assert ask(client, token, scheme) == refusals.NO_CERTIFICATE
        other = SOURCES[SERVER](OTHER.escaped_pem)
        assert ask(client, token, scheme, other) == refusals.OTHER_CERTIFICATE

    def test_a_remembered_token_is_refused_again(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        client, token = serve(make_app, AUTH0_MTLS="required"), issuer.token()
        assert [ask(client, token) for _ in range(2)] == [CERTIFICATE_REQUIRED] * 2

    @pytest.mark.parametrize(("cnf", "reason"), [(None, "certificate_required"), (BINDING, "sender_constrained")])
    def test_outside_of_a_request_no_token_passes(
        self, make_app: AppFactory, issuer: LocalIssuer, cnf: Any, reason: str
    ) -> None:
        """There is no connection whose certificate could prove anything."""
        app = make_app(AUTH0_MTLS_CERT=SERVER, AUTH0_MTLS="required")
        with app.app_context(), pytest.raises(BindingMismatchError) as caught:
            verify_token(issuer.token(**({} if cnf is None else {"cnf": cnf})))
        assert caught.value.reason == reason

    @pytest.mark.parametrize(
        ("settings", "text"),
        [
            ({}, "needs AUTH0_MTLS_CERT"),
            ({"AUTH0_MTLS_CERT": SERVER, "AUTH0_DPOP": "required"}, "never to both"),
            ({"AUTH0_MTLS_CERT": SERVER, "AUTH0_DPOP": "allowed"}, "never to both"),
        ],
    )
    def test_what_would_refuse_every_token_is_refused_at_startup(
        self, make_app: AppFactory, settings: dict[str, str], text: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=text) as caught:
            make_app(AUTH0_PUBLIC_URL=API, AUTH0_MTLS="required", **settings)
        assert caught.value.problems.keys() == {"AUTH0_MTLS"}

    def test_clients_and_inspectors_are_told(self, make_app: AppFactory, issuer: LocalIssuer, token: str) -> None:
        """The metadata says that such tokens are taken (RFC 9728 §2); it knows no word for required."""
        app = make_app(AUTH0_MTLS_CERT=SERVER, AUTH0_MTLS="required", AUTH0_RESOURCE_METADATA=True)
        document = app.test_client().get("/.well-known/oauth-protected-resource").get_json()
        assert document["tls_client_certificate_bound_access_tokens"] is True
        for text, status, said in ((issuer.token(), 1, "no certificate: The token is"), (token, 0, "with its proof")):
            result = app.test_cli_runner().invoke(args=["auth0", "inspect", "-"], input=text)
            assert (result.exit_code, said in result.output) == (status, True), result.output
