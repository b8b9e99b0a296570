"""What a revocation concerns, and for how long."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from typing import Any

import pytest
from conftest import AppFactory, MovableClock, bearer
from flask import Flask
from flask.testing import FlaskClient
from operators import ADMIN, NOT_FOUND, REVOCATIONS, admin_headers, invalid_request, is_active, post_revocation
from refusals import REVOKED, answer_to, by_hand, claims_of, guarded, passes, seen

from auth0_blueprint import Auth0Blueprint, RevokedTokenError, current_token, requires_auth, verify_token
from auth0_blueprint.keysets.shared_copy import refreshed
from auth0_blueprint.testing import LocalIssuer

NOT_OURS = invalid_request("The field token must be an access token of this API that is still valid.")


@pytest.fixture
def client(make_app: AppFactory) -> FlaskClient:
    """A client of an app with guarded views."""
    return guarded(make_app())


def revoke(client: FlaskClient, issuer: LocalIssuer, **members: Any) -> dict[str, Any]:
    response = post_revocation(client, issuer, **members)
    assert response.status_code == 201
    body: dict[str, Any] = response.get_json()
    return body


def test_a_revoked_token_is_out_everywhere(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Behind our guards and flask-jwt-extended's, with optional auth, outside of requests and in our own routes."""
    app = make_app()
    client = guarded(app)

    @app.get("/optional")
    @requires_auth(optional=True)
    def optional() -> dict[str, bool]:
        return {"known": bool(current_token)}

    token = issuer.token(**{**ADMIN, "sub": "stolen"})
    revoke(client, issuer, token=token)
    assert answer_to(client, token) == REVOKED
    for path in ("/auth/me", "/optional", "/auth/admin/stats"):
        assert seen(client.get(path, headers=bearer(token))) == REVOKED
    assert client.get("/auth/health", headers=bearer(token)).get_json() == {"status": "pass"}
    assert client.get("/optional").get_json() == {"known": False}
    with app.app_context(), pytest.raises(RevokedTokenError):
        verify_token(token)
    assert not is_active(client, issuer, token)
    assert passes(client, issuer.token())


def test_a_token_is_named_by_the_digest_of_its_signing_input(client: FlaskClient, issuer: LocalIssuer) -> None:
    """The answer shows that, and not the token."""
    token = issuer.token()
    body = revoke(client, issuer, token=token, reason="found on a pastebin")
    digest = hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
    assert body.pop("expires_at").startswith(time.strftime("%Y-%m-%dT", time.gmtime(claims_of(token)["exp"])))
    assert abs(datetime.fromisoformat(body.pop("created_at")).timestamp() - time.time()) < 5
    expected = {"kind": "token", "value": digest, "issued_up_to": None, "reason": "found on a pastebin"}
    origin = {"source": "admin", "event_id": None, "actor": "auth0|admin"}
    assert body == {**expected, **origin, "reach": "process"}


def test_no_other_spelling_of_the_signature_passes(client: FlaskClient, issuer: LocalIssuer) -> None:
    """Whether it is refused for its form, or as the one that was revoked."""
    token = issuer.token()
    revoke(client, issuer, token=token)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings = [token[:-1] + character for character in alphabet] + [
        token + "=",
        token + "==",
        token + "\n",
        f" {token}",
    ]
    assert not any(passes(client, spelling) for spelling in spellings if "\n" not in spelling)
    assert not any(is_active(client, issuer, spelling) for spelling in spellings)


def test_a_second_signature_over_the_same_content_is_revoked_as_well() -> None:
    """ES256 gives another signature each time, and each can be bent into one more."""
    with LocalIssuer(algorithm="ES256") as issuer:
        app = Flask("tested")
        app.config.update(issuer.settings)
        app.register_blueprint(Auth0Blueprint())
        client = guarded(app)
        now = int(time.time())
        first, second = (issuer.token(iat=now, exp=now + 60) for _ in range(2))
        assert (first == second, first.rpartition(".")[0] == second.rpartition(".")[0]) == (False, True)
        revoke(client, issuer, token=first)
        assert answer_to(client, second) == REVOKED


def test_the_same_claims_in_another_header_are_another_token(client: FlaskClient, issuer: LocalIssuer) -> None:
    """It was signed anew; whoever wants all of them out revokes the subject."""
    claims = claims_of(issuer.token())
    first, second = (
        by_hand(issuer, {"alg": "RS256", "kid": issuer.key_ids[-1], **more}, claims) for more in ({}, {"typ": "JWT"})
    )
    revoke(client, issuer, token=first)
    assert answer_to(client, first) == REVOKED
    assert passes(client, second)


@pytest.mark.parametrize(
    ("members", "concerned", "others"),
    [
        ({"jti": "j"}, [{"jti": "j"}, {"jti": "j", "sub": "x"}], [{"jti": "J"}, {"jti": "jj"}, {"sub": "j"}, {}]),
        ({"subject": "s"}, [{"sub": "s"}, {"sub": "s", "azp": "x"}], [{"sub": "S"}, {"azp": "s"}, {"jti": "s"}]),
        (
            {"client_id": "c"},
            [{"azp": "c"}, {"client_id": "c"}, {"client_id": "c", "azp": "x"}, {"client_id": "x", "azp": "c"}],
            [{"azp": "C"}, {"sub": "c"}, {"without": ("azp",)}, {"sub": "c@clients"}],
        ),
        ({"session": "s"}, [{"sid": "s"}], [{"sid": "S"}, {"sid": ["s"]}, {"sub": "s"}, {}]),
        ({"organization": "o"}, [{"org_id": "o"}], [{"org_id": "O"}, {"org_name": "o"}, {"sub": "o"}, {}]),
    ],
)
def test_a_claim_that_is_revoked_concerns_whoever_holds_it(
    client: FlaskClient,
    issuer: LocalIssuer,
    members: dict[str, str],
    concerned: list[dict[str, Any]],
    others: list[dict[str, Any]],
) -> None:
    """Exactly that claim, by exactly that value; a client under either of its names."""
    tokens = [issuer.token(**claims) for claims in concerned]  # before: what is issued a second later is another matter
    revoke(client, issuer, **members)
    for token in tokens:
        assert answer_to(client, token) == REVOKED
    assert all(passes(client, issuer.token(**claims)) for claims in others)


@pytest.mark.parametrize(("kind", "claim"), [("subject", "sub"), ("client_id", "azp")])
def test_a_login_in_the_next_second_works(client: FlaskClient, issuer: LocalIssuer, kind: str, claim: str) -> None:
    """Times in tokens are whole seconds: what was issued in the second of the call is out."""
    second = revoke(client, issuer, **{kind: "x"})["issued_up_to"]
    assert abs(second - time.time()) < 5
    for issued_at in (0, second - 1, second, second + 0.999):
        claims: dict[str, Any] = {claim: "x", "iat": issued_at, "exp": max(issued_at + 3600, time.time() + 60)}
        if issued_at:
            assert answer_to(client, issuer.token(**claims)) == REVOKED
    for issued_at in (second + 1, second + 1.0, second + 1.5):
        later: dict[str, Any] = {claim: "x", "iat": issued_at}
        assert passes(client, issuer.token(**later))


def test_a_revocation_can_be_lifted_and_made_again(client: FlaskClient, issuer: LocalIssuer) -> None:
    """As often as operators change their minds."""
    token = issuer.token()
    for _ in range(3):
        location = post_revocation(client, issuer, token=token).headers["Location"]
        assert answer_to(client, token) == REVOKED
        assert client.delete(location, headers=admin_headers(issuer)).status_code == 200
        assert passes(client, token)


def test_revoking_twice_is_as_good_as_once(client: FlaskClient, issuer: LocalIssuer) -> None:
    """Also by token, though the token is revoked by then; and one lifting lets it in."""
    token = issuer.token()
    first, second = (post_revocation(client, issuer, token=token, reason=reason) for reason in "ab")
    assert (second.status_code, second.headers["Location"]) == (201, first.headers["Location"])
    changed = {name: second.get_json()[name] for name in ("reason", "created_at")}
    assert (second.get_json(), changed["reason"]) == ({**first.get_json(), **changed}, "b")
    assert changed["created_at"] > first.get_json()["created_at"]
    client.delete(second.headers["Location"], headers=admin_headers(issuer))
    assert passes(client, token)


def test_a_token_that_cannot_be_used_cannot_be_revoked(client: FlaskClient, issuer: LocalIssuer) -> None:
    """Whatever is stored for it would be for nothing."""
    unusable: list[dict[str, Any]] = [{"expires_in": -60}, {"aud": "other"}, {"iss": "https://other.example/"}]
    for claims in unusable:
        assert seen(post_revocation(client, issuer, token=issuer.token(**claims))) == NOT_OURS
    with LocalIssuer() as other:
        assert seen(post_revocation(client, issuer, token=other.token(iss=issuer.issuer))) == NOT_OURS


def test_a_bound_token_can_be_revoked(client: FlaskClient, issuer: LocalIssuer) -> None:
    """Though it is of no use as a bearer token here."""
    token = issuer.token(cnf={"jkt": "k"})
    revoke(client, issuer, token=token)
    assert answer_to(client, token) == REVOKED


@pytest.mark.parametrize("leeway", [0, 5])
def test_a_revocation_lasts_as_long_as_the_token_can_be_used(
    make_app: AppFactory, issuer: LocalIssuer, leeway: int
) -> None:
    """Until `exp` and the leeway after it, and no second less."""
    clock = MovableClock(float(int(time.time())))
    app = make_app(clock=clock, AUTH0_LEEWAY=leeway)
    client, index = guarded(app), app.extensions["auth0"].revocations._index
    token = issuer.token(iat=int(clock.now), exp=int(clock.now) + 60)
    admin = bearer(issuer.token(**ADMIN, iat=int(clock.now)))  # a second later would be in the future by that clock
    assert client.post(REVOCATIONS, json={"token": token}, headers=admin).status_code == 201
    clock.move(60 + leeway - 0.001)
    assert answer_to(client, token) == REVOKED
    clock.move(0.001)
    assert answer_to(client, token).body["code"] == "token_expired"
    assert (len(index), list(index), index.in_force) == (1, [], 1)
    clock.move(600)
    passes(client, issuer.token(exp=int(clock.now) + 60))
    assert (len(index), list(index), index.in_force) == (0, [], 0)


def test_without_revocation_there_is_none(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Neither routes nor a cost."""
    app = make_app(AUTH0_REVOCATION=False)
    client = app.test_client()
    for method, path in (("POST", REVOCATIONS), ("GET", f"{REVOCATIONS}/jti/a"), ("DELETE", f"{REVOCATIONS}/jti/a")):
        response = client.open(path, method=method, json={"jti": "a"}, headers=admin_headers(issuer))
        assert seen(response) == NOT_FOUND
    state = app.extensions["auth0"]
    assert (state.revocations, list(state.fleet_sync._on_notice)) == (None, [refreshed(issuer.issuer)])
    assert client.get("/auth/admin/stats", headers=admin_headers(issuer)).get_json()["revocations"] == 0
    health = client.get("/auth/health", headers=admin_headers(issuer)).get_json()
    assert health["checks"]["revocations"] is None
