"""The local issuer of `auth0_blueprint.testing` and its clients."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
import refusals
import requests
from conftest import bearer
from dotenv import load_dotenv
from flask import Flask, request
from flask.testing import FlaskClient
from refusals import answer_to, claims_of, forbidden, guarded, header_of, passes, seen
from werkzeug.test import TestResponse

from auth0_blueprint import Auth0Blueprint, requires_permission
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.testing import ClientCertificate, DPoPKey, LocalIssuer, bearer_client
from auth0_blueprint.testing.token_clients import Client


def app_of(issuer: LocalIssuer, **settings: Any) -> Flask:
    app = Flask("tested", static_folder=None)
    app.config.update(issuer.settings)
    app.config.update(settings)
    app.register_blueprint(Auth0Blueprint())
    return app


def client_of(issuer: LocalIssuer, **settings: Any) -> FlaskClient:
    """Return a client of such an app, with the views of `guarded`."""
    return guarded(app_of(issuer, **settings))


def get(issuer: LocalIssuer, path: str) -> requests.Response:
    return requests.get(issuer.issuer + path, timeout=5)


@pytest.fixture
def own_issuer() -> Iterator[LocalIssuer]:
    """One that nobody else asks, quick to make."""
    with LocalIssuer(algorithm="ES256") as issuer:
        yield issuer


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"])
def test_its_tokens_pass_in_every_family_of_algorithms(algorithm: str) -> None:
    with LocalIssuer(algorithm=algorithm) as issuer:
        assert bearer_client(app_of(issuer), issuer.token()).get("/auth/me").status_code == 200


def test_its_settings_work_as_environment_variables(
    own_issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Over others there, and over those of a ``.env`` file that is read later."""
    (tmp_path / ".env").write_text("AUTH0_DOMAIN=example.eu.auth0.com\nAUTH0_JWKS_URL=https://example.com/keys\n")
    monkeypatch.setenv("AUTH0_DOMAIN", "example.eu.auth0.com")
    with patch.dict(os.environ, own_issuer.environ):
        load_dotenv(tmp_path / ".env")
        app = Flask("tested")
        app.register_blueprint(Auth0Blueprint())
    assert os.environ["AUTH0_DOMAIN"] == "example.eu.auth0.com"
    assert "AUTH0_ISSUER" not in os.environ
    assert bearer_client(app, own_issuer.token()).get("/auth/me").status_code == 200


def test_it_starts_only_when_asked_and_may_be_stopped_twice() -> None:
    """Making one opens no port and starts no thread; stopped, it leaves nothing for the next test."""
    before = threading.active_count()
    issuer = LocalIssuer(algorithm="EdDSA")
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="start"):
        issuer.token()
    issuer.start()
    issuer.stop()
    issuer.stop()
    assert threading.active_count() == before


def test_it_publishes_public_keys_only_and_counts_how_often_they_are_fetched(issuer: LocalIssuer) -> None:
    assert get(issuer, ".well-known/jwks.json").json() == issuer.key_set
    assert get(issuer, "elsewhere").status_code == 404
    assert issuer.fetch_count == 1
    assert parse_key_set(json.dumps(issuer.key_set).encode()).skipped == ()


def test_claims_and_headers_can_be_added_replaced_and_left_out(issuer: LocalIssuer) -> None:
    token = issuer.token(sub="me", extra=[1], headers={"typ": "at+jwt"}, without=("azp",))
    claims = claims_of(token)
    assert (claims["sub"], claims["extra"], "azp" in claims) == ("me", [1], False)
    assert header_of(token)["typ"] == "at+jwt"


def test_it_is_started_once(own_issuer: LocalIssuer) -> None:
    """A second server would be left behind."""
    with pytest.raises(RuntimeError, match="start it once"):
        own_issuer.start()
    own_issuer.stop()
    own_issuer.start()
    assert passes(client_of(own_issuer), own_issuer.token())


class TestTokens:
    @staticmethod
    def of_a_removed_key(issuer: LocalIssuer) -> str:
        """Return a token that whoever has stolen an old key could make."""
        stolen = issuer.key_ids[0]
        issuer.rotate()
        issuer.remove_key(stolen)
        return issuer.token(key_id=stolen)

    BAD: ClassVar[dict[str, tuple[Callable[[LocalIssuer], str], refusals.Answer]]] = {
        "expired": (lambda issuer: issuer.token(expires_in=-60), refusals.EXPIRED),
        "not yet valid": (lambda issuer: issuer.token(starts_in=60), refusals.NOT_BEFORE),
        "wrong audience": (lambda issuer: issuer.token(aud="https://other.example.com"), refusals.OTHER_AUDIENCE),
        "wrong issuer": (lambda issuer: issuer.token(iss="https://other.example.com/"), refusals.OTHER_ISSUER),
        "forged": (lambda issuer: issuer.forged_token(), refusals.INVALID_SIGNATURE),
        "unsigned": (lambda issuer: issuer.unsigned_token(), refusals.UNSUPPORTED_ALGORITHM),
        "of a removed key": (of_a_removed_key, refusals.UNKNOWN_KEY),
        "bound to a key": (lambda issuer: issuer.token(cnf=DPoPKey().confirmation), refusals.BOUND),
        "bound to a certificate": (lambda issuer: issuer.token(cnf=ClientCertificate().confirmation), refusals.BOUND),
    }

    @pytest.mark.parametrize("name", BAD)
    def test_each_bad_one_is_refused_for_what_is_wrong_with_it(self, own_issuer: LocalIssuer, name: str) -> None:
        mint, expected = self.BAD[name]
        token, client = mint(own_issuer), client_of(own_issuer)
        assert answer_to(client, token) == expected
        assert passes(client, own_issuer.token())

    def test_one_that_has_started_is_good(self, own_issuer: LocalIssuer) -> None:
        assert passes(client_of(own_issuer), own_issuer.token(starts_in=-60))
        assert "nbf" not in claims_of(own_issuer.token())

    def test_a_forged_one_differs_in_the_signature_only(self, own_issuer: LocalIssuer) -> None:
        members: dict[str, Any] = {"sub": "eve", "iat": 1, "exp": 2, "headers": {"typ": "at+jwt"}}
        genuine, forged = own_issuer.token(**members), own_issuer.forged_token(**members)
        assert (header_of(forged), claims_of(forged)) == (header_of(genuine), claims_of(genuine))

    def test_a_forged_one_can_name_an_older_key(self, own_issuer: LocalIssuer) -> None:
        older = own_issuer.rotate("EdDSA")
        own_issuer.rotate()
        assert header_of(own_issuer.forged_token(key_id=older)) == {"alg": "EdDSA", "typ": "JWT", "kid": older}

    def test_one_of_an_organization_is_let_in_by_its_id(self, own_issuer: LocalIssuer) -> None:
        client = client_of(own_issuer, AUTH0_ORGANIZATION="org_ours")
        assert passes(client, own_issuer.token(org_id="org_ours"))
        assert answer_to(client, own_issuer.token(org_id="org_theirs")) == refusals.OTHER_ORGANIZATION
        assert answer_to(client, own_issuer.token()) == refusals.OTHER_ORGANIZATION

    def test_one_with_permissions_opens_what_demands_them(self, own_issuer: LocalIssuer) -> None:
        app = app_of(own_issuer)
        app.add_url_rule("/", view_func=requires_permission("read:messages")(lambda: ""))
        assert bearer_client(app, own_issuer.token(permissions=["read:messages"])).get("/").status_code == 200
        text = "The access token lacks a permission that this route requires."
        refused = seen(bearer_client(app, own_issuer.token(scope="read:messages")).get("/"))
        assert refused == forbidden("insufficient_permissions", text)

    def test_a_machine_has_the_claims_that_auth0_gives_it(self, own_issuer: LocalIssuer) -> None:
        claims = claims_of(own_issuer.machine_token("ci", scope="read:messages", expires_in=60))
        assert (claims["sub"], claims["azp"], claims["gty"]) == ("ci@clients", "ci", "client-credentials")
        assert (claims["scope"], claims["exp"] - claims["iat"]) == ("read:messages", 60)
        assert claims_of(own_issuer.machine_token(sub="agt_1"))["sub"] == "agt_1"
        assert passes(client_of(own_issuer), own_issuer.machine_token())

    @pytest.mark.parametrize(("profile", "other"), [("auth0", "rfc9068"), ("rfc9068", "auth0")])
    def test_they_are_of_the_profile_that_the_app_demands(self, profile: Any, other: str) -> None:
        with LocalIssuer(algorithm="ES256", profile=profile) as issuer:
            client = client_of(issuer, AUTH0_TOKEN_PROFILE=profile)
            assert passes(client, issuer.token())
            assert passes(client, issuer.machine_token())
            assert answer_to(client_of(issuer, AUTH0_TOKEN_PROFILE=other), issuer.token()) == refusals.WRONG_TYPE

    def test_those_of_rfc_9068_have_each_an_id_of_their_own_and_no_gty(self) -> None:
        with LocalIssuer(algorithm="ES256", profile="rfc9068") as issuer:
            first, second = claims_of(issuer.machine_token("ci")), claims_of(issuer.machine_token("ci"))
        assert first["jti"] != second["jti"]
        assert (first["client_id"], "gty" in first, "azp" in first) == ("ci", False, False)


class TestOutage:
    def test_an_app_without_keys_answers_503_and_one_that_has_them_goes_on(self, own_issuer: LocalIssuer) -> None:
        """The token is not the client's fault; a 503 says when to come back."""
        warm, token = client_of(own_issuer), own_issuer.token()
        assert passes(warm, token)
        with own_issuer.outage():
            cold = client_of(own_issuer)
            assert answer_to(cold, token) == refusals.KEY_SET_UNAVAILABLE
            assert int(cold.get("/ours", headers=bearer(token)).headers["Retry-After"]) >= 1
            assert passes(warm, token)
        assert passes(client_of(own_issuer), token)

    @pytest.mark.parametrize("path", [".well-known/jwks.json", ".well-known/openid-configuration", "anything"])
    def test_every_path_answers_with_the_status(self, own_issuer: LocalIssuer, path: str) -> None:
        with own_issuer.outage(500):
            assert get(own_issuer, path).status_code == 500
        assert get(own_issuer, path).status_code in {200, 404}

    def test_it_is_over_when_the_block_ends_by_an_error(self, own_issuer: LocalIssuer) -> None:
        """A test that fails in an outage leaves none behind."""
        with pytest.raises(ZeroDivisionError), own_issuer.outage():
            raise ZeroDivisionError
        assert passes(client_of(own_issuer), own_issuer.token())

    def test_without_a_status_it_hangs_up(self, own_issuer: LocalIssuer) -> None:
        """As a host that is down; the fetch is counted all the same."""
        with own_issuer.outage(None):
            assert answer_to(client_of(own_issuer), own_issuer.token()) == refusals.KEY_SET_UNAVAILABLE
        assert own_issuer.fetch_count == 1


class TestReset:
    def test_it_is_as_new(self, own_issuer: LocalIssuer) -> None:
        (first,) = own_issuer.key_ids
        key_set = own_issuer.key_set
        second, third = own_issuer.rotate(), own_issuer.rotate()
        own_issuer.remove_key(first)
        own_issuer.remove_key(third)
        client = own_issuer.add_client()
        outage = own_issuer.outage()
        outage.__enter__()
        get(own_issuer, ".well-known/jwks.json")
        own_issuer.reset()
        assert (own_issuer.key_set, own_issuer.fetch_count) == (key_set, 0)
        assert ask_for_token(own_issuer, json=credentials(client)).status_code == 401
        for key_id in (second, third):
            with pytest.raises(KeyError):
                own_issuer.token(key_id=key_id)

    def test_no_key_id_ever_stands_for_two_keys(self, own_issuer: LocalIssuer) -> None:
        """An app may remember the first of them."""
        before = own_issuer.rotate()
        own_issuer.reset()
        assert own_issuer.rotate() != before


EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CONNECTION = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
VAULT = "http://auth0.com/oauth/token-type/federated-connection-access-token"
NOT_CONNECTED = "federated_connection_not_found"


def credentials(client: Client, **changes: str) -> dict[str, str]:
    """Return what *client* sends for a token (RFC 6749 §4.4.2, with Auth0's ``audience``)."""
    grant = {"grant_type": "client_credentials", "audience": "https://api.example.com"}
    return {**grant, "client_id": client.client_id, "client_secret": client.client_secret, **changes}


def ask_for_token(issuer: LocalIssuer, **options: Any) -> requests.Response:
    metadata = get(issuer, ".well-known/openid-configuration").json()
    return requests.post(metadata["token_endpoint"], timeout=5, **options)


def refusal(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


class TestTokenEndpoint:
    @pytest.mark.parametrize("form", ["json", "data"])
    def test_a_client_gets_a_token_that_an_app_takes(self, own_issuer: LocalIssuer, form: str) -> None:
        """In JSON, as Auth0's documents have it, or in a form, as RFC 6749 does."""
        client = own_issuer.add_client("ci", scope="read:messages write:messages", permissions=["read:messages"])
        response = ask_for_token(own_issuer, **{form: credentials(client)})
        body = response.json()
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 86400)
        assert body["scope"] == "read:messages write:messages"
        assert passes(client_of(own_issuer), body["access_token"])
        claims = claims_of(body["access_token"])
        assert (claims["sub"], claims["permissions"]) == ("ci@clients", ["read:messages"])
        assert claims["exp"] - claims["iat"] == body["expires_in"]

    def test_the_credentials_may_come_in_the_header(self, own_issuer: LocalIssuer) -> None:
        """``client_secret_basic`` (RFC 6749 §2.3.1)."""
        client = own_issuer.add_client("ci", "a secret")
        data = {"grant_type": "client_credentials", "audience": own_issuer.audience}
        response = ask_for_token(own_issuer, data=data, auth=(client.client_id, client.client_secret))
        assert (response.status_code, "scope" in response.json()) == (200, False)
        refused = ask_for_token(own_issuer, data=data, auth=(client.client_id, "another"))
        assert refusal(refused) == (401, "access_denied")

    def test_no_more_scope_is_given_than_the_client_has_and_wants(self, own_issuer: LocalIssuer) -> None:
        client = own_issuer.add_client(scope="read:messages write:messages")
        body = ask_for_token(own_issuer, json=credentials(client, scope="delete:messages read:messages")).json()
        assert body["scope"] == claims_of(body["access_token"])["scope"] == "read:messages"

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"client_secret": "wrong"}, (401, "access_denied")),
            ({"client_secret": ""}, (401, "access_denied")),
            ({"client_id": "somebody"}, (401, "access_denied")),
            ({"audience": "https://other.example.com"}, (403, "access_denied")),
            ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ],
    )
    def test_others_get_none(self, own_issuer: LocalIssuer, changes: dict[str, str], expected: tuple[int, str]) -> None:
        client = own_issuer.add_client()
        assert refusal(ask_for_token(own_issuer, json=credentials(client, **changes))) == expected

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({}, None), ({"subject_token": "x"}, "invalid_request"), ({"subject_token_type": "x"}, "invalid_request"),
            ({"audience": "https://other"}, "invalid_target"), ({"requested_token_type": "x"}, "invalid_request"),
            ({"grant_type": CONNECTION}, "invalid_request"), ({"client_secret": "x"}, "access_denied"),
            ({"grant_type": CONNECTION, "requested_token_type": VAULT, "connection": "c"}, None),
            ({"grant_type": CONNECTION, "requested_token_type": VAULT, "connection": "d"}, NOT_CONNECTED),
        ],
    )  # fmt: skip
    def test_a_token_is_exchanged_for_who_may(
        self, own_issuer: LocalIssuer, changes: dict[str, str], error: str | None
    ) -> None:
        """RFC 8693, and Token Vault: of this issuer, still good, for this API; whatever else is refused."""
        client, endpoint = own_issuer.add_client(), own_issuer.token_endpoint
        endpoint.add_api("https://billing")
        endpoint.connect_account("auth0|ada", "c")
        asked = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TOKEN, "audience": "https://billing"}
        asked |= {"subject_token": own_issuer.token(sub="auth0|ada"), **changes}
        response = ask_for_token(own_issuer, data=credentials(client, **asked) | changes)
        assert response.json().get("error") == error
        assert (response.status_code == 200) is (error is None)
        for bad in (own_issuer.token(expires_in=-9), own_issuer.forged_token(), own_issuer.token(aud="https://x")):
            wrong = credentials(client, **asked) | {"subject_token": bad}
            assert ask_for_token(own_issuer, data=wrong).status_code in (400, 401)

    @pytest.mark.parametrize(
        "options",
        [
            {"json": ["grant_type"]},
            {"json": {"grant_type": 1}},
            {"data": b"{", "headers": {"Content-Type": "application/json"}},
            {"data": b"\xff"},
            {"data": b"", "headers": {"Authorization": "Basic !"}},
        ],
    )
    def test_what_is_no_request_is_refused(self, own_issuer: LocalIssuer, options: dict[str, Any]) -> None:
        assert refusal(ask_for_token(own_issuer, **options)) == (400, "invalid_request")

    @pytest.mark.parametrize("length", ["65537", "-1", "many"])
    def test_what_has_no_sensible_length_is_not_read(self, own_issuer: LocalIssuer, length: str) -> None:
        """A client that goes on sending does not keep a thread."""
        connection = http.client.HTTPConnection(own_issuer.issuer.split("/")[2], timeout=5)
        connection.request("POST", "/oauth/token", headers={"Content-Length": length})
        assert connection.getresponse().status == 413
        connection.close()

    def test_only_a_post_gets_a_token(self, own_issuer: LocalIssuer) -> None:
        """A GET would leave the secret in logs."""
        assert get(own_issuer, "oauth/token").status_code == 404


def test_the_metadata_names_what_is_there(own_issuer: LocalIssuer) -> None:
    metadata = get(own_issuer, ".well-known/openid-configuration").json()
    assert metadata["issuer"] == claims_of(own_issuer.token())["iss"]
    assert requests.get(metadata["jwks_uri"], timeout=5).json() == own_issuer.key_set


API = "https://api.example.com"
URL = f"{API}/ours"


class TestDPoPKey:
    @staticmethod
    def client(issuer: LocalIssuer) -> FlaskClient:
        return client_of(issuer, AUTH0_DPOP="required", AUTH0_PUBLIC_URL=API)

    @staticmethod
    def code(response: TestResponse) -> str:
        """Return why *response* is a refusal, which its body and its challenge tell alike."""
        body = response.get_json()
        error, description = body["error"], body["error_description"]
        (challenge,) = response.headers.getlist("WWW-Authenticate")
        assert challenge.startswith(f'DPoP realm="api", error="{error}", error_description="{description}", algs=')
        assert (response.status_code, response.headers["Cache-Control"]) == (401, "no-store")
        return f"{body['code']}: {description}"

    @pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"])
    def test_its_proofs_let_a_bound_token_in_once(self, own_issuer: LocalIssuer, algorithm: str) -> None:
        client, key = self.client(own_issuer), DPoPKey(algorithm)
        token = own_issuer.token(cnf=key.confirmation)
        headers = key.headers("GET", f"{URL}?page=1#top", token)
        assert client.get("/ours?page=1", headers=headers).status_code == 200
        again = self.code(client.get("/ours", headers=headers))
        assert again.startswith("invalid_dpop_proof: The DPoP proof was already used")
        assert client.get("/ours", headers=key.headers("GET", URL, token)).status_code == 200

    def test_its_proofs_name_the_url_as_the_rfc_has_it(self, own_issuer: LocalIssuer) -> None:
        """Without query and fragment (RFC 9449 §4.2), and no two have the same ``jti``."""
        proofs = [DPoPKey().proof("GET", url, own_issuer.token()) for url in (f"{URL}?page=1", f"{URL}#top")]
        first, second = map(claims_of, proofs)
        assert (first["htm"], first["htu"], second["htu"]) == ("GET", URL, URL)
        assert first["jti"] != second["jti"]

    def test_a_proof_can_have_any_fault(self, own_issuer: LocalIssuer) -> None:
        client, key = self.client(own_issuer), DPoPKey()
        token = own_issuer.token(cnf=key.confirmation)
        old = key.proof("GET", URL, token, iat=time.time() - 3600)
        nameless = key.proof("GET", URL, token, without=("jti",))
        proofs = {
            "The DPoP proof was made for another request method.": key.proof("POST", URL, token),
            "The DPoP proof was made for another URI.": key.proof("GET", f"{API}/theirs", token),
            "The DPoP proof was made for another access token.": key.proof("GET", URL, own_issuer.token()),
            "The DPoP proof is too old; make a new one for each request.": old,
            "The type of the DPoP proof must be dpop+jwt.": key.proof("GET", URL, token, headers={"typ": "JWT"}),
            "The identifier of the DPoP proof must be a string of 1 to 256 characters.": nameless,
        }
        for description, proof in proofs.items():
            answer = client.get("/ours", headers={"Authorization": f"DPoP {token}", "DPoP": proof})
            assert self.code(answer) == f"invalid_dpop_proof: {description}"
        stolen = client.get("/ours", headers=DPoPKey().headers("GET", URL, token))
        assert self.code(stolen).startswith("binding_mismatch: ")


class TestClientCertificate:
    def test_a_bound_token_passes_with_the_certificate_only(self, own_issuer: LocalIssuer) -> None:
        client, certificate = client_of(own_issuer, AUTH0_MTLS_CERT="environ:SSL_CLIENT_CERT"), ClientCertificate()
        headers = bearer(own_issuer.token(cnf=certificate.confirmation))

        def answer(pem: str) -> TestResponse:
            return client.get("/ours", headers=headers, environ_overrides={"SSL_CLIENT_CERT": pem})

        assert answer(certificate.pem).status_code == 200
        assert seen(answer("")) == refusals.NO_CERTIFICATE
        assert seen(answer(ClientCertificate().pem)) == refusals.OTHER_CERTIFICATE

    def test_a_proxy_hands_it_on_with_percent_signs(self, own_issuer: LocalIssuer) -> None:
        """In a header, which has no place for line ends."""
        certificate = ClientCertificate()
        client = client_of(own_issuer, AUTH0_MTLS_CERT="header:X-Client-Cert from 127.0.0.1")
        headers = bearer(own_issuer.token(cnf=certificate.confirmation)) | {"X-Client-Cert": certificate.escaped_pem}
        assert client.get("/ours", headers=headers).status_code == 200


class TestBearerClient:
    def test_each_request_carries_the_token_unless_it_has_a_header_of_its_own(self) -> None:
        app = Flask("tested", static_folder=None)
        app.add_url_rule("/", view_func=lambda: request.headers.get("Authorization", "none"))
        client = bearer_client(app, "t")
        assert [client.get("/").text, client.get("/").text] == ["Bearer t", "Bearer t"]
        assert client.get("/", headers=bearer("other")).text == "Bearer other"
        assert app.test_client().get("/").text == "none"
