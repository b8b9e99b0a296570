"""``POST /auth/introspect``: what another service is told of a token (RFC 7662)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask.testing import FlaskClient
from operators import INTROSPECTOR, is_active, post_revocation
from refusals import BOUND, KEY_SET_UNAVAILABLE, answer_to, by_hand, claims_of, guarded, header_of, seen

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

INACTIVE = {"active": False}


def introspect(client: FlaskClient, issuer: LocalIssuer, token: str, **others: str) -> dict[str, Any]:
    headers = bearer(issuer.token(**INTROSPECTOR))
    response = client.post("/auth/introspect", data={"token": token, **others}, headers=headers)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    body: dict[str, Any] = response.get_json()
    return body


def test_an_active_token_is_described_in_full(client: FlaskClient, issuer: LocalIssuer) -> None:
    """With every member of RFC 7662 §2.2 that it has, and no claim that nobody asked for."""
    shown: dict[str, Any] = {
        "permissions": ["p"],
        "org_id": "org_1",
        "acr": "gold",
        "auth_time": 1_700_000_000,
        "jti": "j",
    }
    private: dict[str, Any] = {"https://example.com/private": "x", "email": "e"}
    token = issuer.token(scope="b a", nbf=int(time.time()) - 1.5, **private, **shown)
    assert introspect(client, issuer, token) == {
        "active": True,
        "scope": "a b",
        "client_id": "local-client",
        "sub": "auth0|local-user",
        "aud": issuer.audience,
        "iss": issuer.issuer,
        "token_type": "Bearer",
        **shown,
        **{name: claims_of(token)[name] for name in ("exp", "iat", "nbf")},
    }


def test_members_that_a_token_lacks_are_absent(client: FlaskClient, issuer: LocalIssuer) -> None:
    body = introspect(client, issuer, issuer.token(without=("azp",)))
    assert set(body) == {"active", "sub", "aud", "iss", "exp", "iat", "token_type"}


@pytest.mark.parametrize(
    ("claims", "members"),
    [
        *(({"scope": ["b", "a"]}, {"scope": "a b"}), ({"client_id": "c"}, {"client_id": "c"})),
        ({"aud": ["x", "https://api.example.com"]}, {"aud": ["x", "https://api.example.com"]}),
        ({"active": False, "token_type": "x"}, {"active": True, "token_type": "Bearer"}),
        ({"cnf": {"jkt": "k"}}, {"cnf": {"jkt": "k"}, "token_type": "DPoP"}),
        ({"cnf": {"x5t#S256": "k"}}, {"cnf": {"x5t#S256": "k"}, "token_type": "Bearer"}),
        ({"act": {"sub": "a", "act": {"sub": "b"}}}, {"act": {"sub": "a", "act": {"sub": "b"}}}),
        ({"authorization_details": [{"type": "a", "n": [1]}]}, {"authorization_details": [{"type": "a", "n": [1]}]}),
        *(({"cnf": "odd"}, {"cnf": "odd", "token_type": "Bearer"}), ({"cnf": None}, {"cnf": None})),
    ],
)
def test_members_say_what_claims_mean(client: FlaskClient, issuer: LocalIssuer, claims: Any, members: Any) -> None:
    """The scope is text, the client is found under either name, and what binds the token is told."""
    body = introspect(client, issuer, issuer.token(**claims))
    assert {name: body[name] for name in ("active", *members)} == {"active": True, **members}


def test_a_bound_token_is_reported_though_guards_refuse_it(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Whoever asks has to check the binding, and can."""
    client, token = guarded(make_app()), issuer.token(cnf={"jkt": "k"})
    assert answer_to(client, token) == BOUND
    assert introspect(client, issuer, token)["cnf"] == {"jkt": "k"}


BAD: dict[str, dict[str, Any]] = {
    "expired": {"expires_in": -60},
    "not yet valid": {"nbf": 4_000_000_000},
    "of another audience": {"aud": "other"},
    "of another issuer": {"iss": "https://other.example/"},
    "without a subject": {"without": ("sub",)},
    "with an odd scope": {"scope": 1},
    "of another algorithm": {"headers": {"alg": "RS512"}},
    "of an unknown key": {"headers": {"kid": "unknown"}},
    "critical": {"headers": {"crit": ["x"]}},
    "lives too long": {"expires_in": 31 * 86_400},
}


@pytest.mark.parametrize("kind", BAD)
def test_nobody_learns_why_a_token_is_not_active(client: FlaskClient, issuer: LocalIssuer, kind: str) -> None:
    """RFC 7662 §2.2: exactly one member."""
    assert introspect(client, issuer, issuer.token(**BAD[kind])) == INACTIVE


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.b.c.d.e", "\u00fc.\u00fc.\u00fc", "a" * 20_000, "\0"])
def test_what_is_no_token_is_not_active(client: FlaskClient, issuer: LocalIssuer, token: str) -> None:
    assert introspect(client, issuer, token) == INACTIVE


def test_a_forged_token_is_not_active(client: FlaskClient, issuer: LocalIssuer) -> None:
    """Neither is one that says that it is signed by nobody."""
    good = issuer.token()
    forged = good[:-8] + ("A" * 8 if good[-8:] != "A" * 8 else "B" * 8)
    unsigned = by_hand(issuer, header={**header_of(good), "alg": "none"}).rpartition(".")[0] + "."
    assert [introspect(client, issuer, token) for token in (forged, unsigned)] == [INACTIVE, INACTIVE]


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_the_hint_and_other_fields_change_nothing(client: FlaskClient, issuer: LocalIssuer, hint: str) -> None:
    """RFC 7662 §2.1: a server may look at them, and need not."""
    assert introspect(client, issuer, issuer.token(), token_type_hint=hint, other="x")["active"] is True


def test_a_revoked_token_is_not_active(client: FlaskClient, issuer: LocalIssuer) -> None:
    token = issuer.token(sub="stolen")
    assert is_active(client, issuer, token)
    assert post_revocation(client, issuer, token=token).status_code == 201
    assert introspect(client, issuer, token) == INACTIVE


def test_a_token_that_the_apps_blocklist_holds_is_not_active(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """What no guard lets in is not called active."""
    blueprint = Auth0Blueprint()
    blueprint.jwt_manager.token_in_blocklist_loader(lambda _header, claims: claims["sub"] == "blocked")
    client = make_app(blueprint).test_client()
    assert introspect(client, issuer, issuer.token(sub="blocked")) == INACTIVE
    assert introspect(client, issuer, issuer.token())["active"] is True


def test_an_outage_is_no_answer(make_app: AppFactory) -> None:
    """503, and never false: the token may well be good."""
    with LocalIssuer() as issuer:
        client = make_app(**issuer.settings, AUTH0_JWKS_COOLDOWN=0).test_client()
        assert is_active(client, issuer, issuer.token())
        unknown, caller = issuer.token(headers={"kid": "of a new key"}), bearer(issuer.token(**INTROSPECTOR))
    response = client.post("/auth/introspect", data={"token": unknown}, headers=caller)
    assert seen(response) == KEY_SET_UNAVAILABLE
    assert int(response.headers["Retry-After"]) >= 1
