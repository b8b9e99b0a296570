"""Genuinely signed claims that are not what this API demands, or not of the type that a comparison expects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import refusals
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from refusals import Answer, answer_to, by_hand, claims_of, forbidden, guarded, seen, with_member

from auth0_blueprint import requires_permission, requires_scope
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return guarded(app)


def _with(issuer: LocalIssuer, **changed: Any) -> str:
    return by_hand(issuer, claims={**claims_of(issuer.token()), **changed})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda issuer: issuer.rstrip("/"),
        lambda issuer: issuer[:10],
        lambda issuer: issuer[:1],
        lambda issuer: "",
        lambda issuer: issuer + "evil",
        lambda issuer: issuer + "/",
        lambda issuer: issuer.replace("http://", "http://evil@"),
        lambda issuer: "https://evil.example.com/?" + issuer,
        lambda issuer: issuer.replace("http", "HTTP"),
        lambda issuer: issuer + "\0",
        lambda issuer: [issuer],
        lambda issuer: [issuer, "https://evil.example.com/"],
        lambda issuer: {"iss": issuer},
        lambda issuer: None,
        lambda issuer: 0,
        lambda issuer: True,
    ],
)
def test_an_issuer_that_only_looks_like_ours_is_another(
    client: FlaskClient, issuer: LocalIssuer, spoil: Callable[[str], object]
) -> None:
    """No prefix, superstring, list or other spelling is our issuer, and no key is fetched for it (CVE-2024-53861)."""
    assert answer_to(client, _with(issuer, iss=spoil(issuer.issuer))) == refusals.OTHER_ISSUER
    assert issuer.fetch_count == 0


@pytest.mark.parametrize(
    "audience",
    [
        *("https://api.example.com/admin", "https://api.example.co", "api.example.com", "https", ""),
        *("https://other.example.com https://api.example.com", "https://api.example.com,https://other.example.com"),
        *(["https://api.example.com/admin"], [["https://api.example.com"]], [{"https://api.example.com": 1}]),
        *(["https://api.example.com", 1], {"https://api.example.com": True}, [], None, 1, True),
    ],
)
def test_an_audience_is_never_matched_in_part(client: FlaskClient, issuer: LocalIssuer, audience: object) -> None:
    """Texts are compared as wholes, and only texts."""
    assert answer_to(client, _with(issuer, aud=audience)) == refusals.OTHER_AUDIENCE


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    [
        *("null", "[]", "[4102444800]", "{}", "true", '"4102444800"', '"never"', "-1", "-4102444800", "9" * 4000),
        *("253402300800", "1e308"),
    ],
)
def test_a_time_that_is_no_time_is_refused(client: FlaskClient, issuer: LocalIssuer, name: str, value: str) -> None:
    """Nothing but a number of seconds in the years 1970 to 9999 says when."""
    token = by_hand(issuer, claims=with_member(claims_of(issuer.token()), name, value))
    assert answer_to(client, token) == refusals.BAD_TIME


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("1e400", refusals.BAD_NUMBER), ("-1e400", refusals.BAD_NUMBER), ("NaN", refusals.BAD_PAYLOAD)),
        ("Infinity", refusals.BAD_PAYLOAD),
    ],
)
def test_a_time_that_would_be_infinite_is_refused(
    client: FlaskClient, issuer: LocalIssuer, name: str, value: str, expected: Answer
) -> None:
    """What is greater than every other number, or incomparable, never expires."""
    token = by_hand(issuer, claims=with_member(claims_of(issuer.token()), name, value))
    assert answer_to(client, token) == expected
    assert issuer.fetch_count == 0


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a_token_without_a_time_is_refused(client: FlaskClient, issuer: LocalIssuer, name: str) -> None:
    """A token without an end would never end."""
    assert answer_to(client, issuer.token(without=(name,))) == refusals.BAD_TIME


def test_a_token_that_expires_this_second_is_expired(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """On or after exp a token must not be accepted (RFC 7519 §4.1.4)."""
    client = guarded(make_app(AUTH0_LEEWAY=0))
    now = int(time.time())
    assert answer_to(client, issuer.token(iat=now - 60, exp=now)) == refusals.EXPIRED


@pytest.mark.parametrize("subject", [None, "", 0, True, ["auth0|admin"], {"auth0|admin": 1}])
def test_a_subject_that_is_no_text_is_refused(client: FlaskClient, issuer: LocalIssuer, subject: object) -> None:
    """Views look users up by it."""
    assert answer_to(client, _with(issuer, sub=subject)) == refusals.BAD_SUBJECT


@pytest.mark.parametrize(
    "scope", [1, 0, True, None, {}, {"read:messages": 1}, [1], ["read:messages", {}], [["read:messages"]]]
)
def test_a_scope_of_another_type_is_refused(client: FlaskClient, issuer: LocalIssuer, scope: object) -> None:
    """An ill-typed scope neither passes nor breaks anything."""
    assert answer_to(client, _with(issuer, scope=scope)) == refusals.BAD_SCOPE


@pytest.mark.parametrize(
    "permissions", ["admin", "a", 1, True, None, {}, {"admin": 1}, [1], ["admin", {}], [["admin"]]]
)
def test_permissions_of_another_type_are_refused(
    app: Flask, client: FlaskClient, issuer: LocalIssuer, permissions: object
) -> None:
    """One text that holds the letters of a permission is not a list that holds it."""
    app.add_url_rule("/admin", "admin", requires_permission("admin")(lambda: "seen"))
    token = _with(issuer, permissions=permissions)
    assert answer_to(client, token) == refusals.BAD_PERMISSIONS
    assert seen(client.get("/admin", headers=bearer(token))) == refusals.BAD_PERMISSIONS


@pytest.mark.parametrize(
    "scope", ["read:messages2", "xread:messages", "read:message s", "READ:MESSAGES", "read:*", "*"]
)
def test_a_scope_is_never_matched_in_part(app: Flask, issuer: LocalIssuer, scope: str) -> None:
    """Values are compared as wholes, and there are no wildcards."""
    app.add_url_rule("/messages", "messages", requires_scope("read:messages")(lambda: "seen"))
    response = app.test_client().get("/messages", headers=bearer(issuer.token(scope=scope)))
    assert seen(response) == forbidden(
        "insufficient_scope", "The access token lacks a scope that this route requires.", "read:messages"
    )


@pytest.mark.parametrize(
    "confirmation",
    ["", "jkt", {}, [], None, 0, False, {"unknown": "x"}, {"jkt": None}, {"jkt": "x"}, {"x5t#S256": "x"}, {"jwk": {}}],
)
def test_a_confirmation_that_cannot_be_checked_is_refused(
    client: FlaskClient, issuer: LocalIssuer, confirmation: object
) -> None:
    """A bound token is never taken for a bearer token, however odd its binding."""
    assert answer_to(client, _with(issuer, cnf=confirmation)) == refusals.BOUND
