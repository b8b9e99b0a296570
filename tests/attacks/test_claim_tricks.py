"""Genuinely signed claims that are not what this API demands, or not of the type that a comparison expects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import refusals
from conftest import AppFactory, bearer
from flask import Flask
from refusals import (
    ABSENT,
    Answer,
    answer_to,
    answer_unread,
    chain_of,
    forbidden,
    guarded,
    seen,
    with_claims,
    with_text,
)

from auth0_blueprint import requires_permission, requires_scope
from auth0_blueprint.testing import LocalIssuer

REFUSED: list[tuple[str, Answer, list[Any]]] = [
    (
        "aud",
        refusals.OTHER_AUDIENCE,
        [
            *("https://api.example.com/admin", "https://api.example.co", "api.example.com", "https", ""),
            *("https://other.example.com https://api.example.com", "https://api.example.com,https://other.example.com"),
            *(["https://api.example.com/admin"], [["https://api.example.com"]], [{"https://api.example.com": 1}]),
            *(["https://api.example.com", 1], {"https://api.example.com": True}, [], None, 1, True),
        ],
    ),
    ("exp", refusals.BAD_TIME, [ABSENT]),
    ("iat", refusals.BAD_TIME, [ABSENT]),
    ("sub", refusals.BAD_SUBJECT, [None, "", 0, True, ["auth0|admin"], {"auth0|admin": 1}]),
    ("scope", refusals.BAD_SCOPE, [1, 0, True, None, {}, {"a": 1}, [1], ["a", {}], [["a"]]]),
    ("permissions", refusals.BAD_PERMISSIONS, ["admin", "a", 1, True, None, {}, {"admin": 1}]),
    ("permissions", refusals.BAD_PERMISSIONS, [[1], ["admin", {}], [["admin"]]]),
    # Also of those who acted before: what a token says is true in all its parts, or it is not taken.
    ("act", refusals.BAD_ACTOR, [None, "agent", 1, True, [], {}, ["agent"], [{"sub": "agent"}]]),
    ("act", refusals.BAD_ACTOR, [{"sub": sub} for sub in (None, "", 0, True, ["agent"], {"sub": "agent"})]),
    ("act", refusals.BAD_ACTOR, [{"act": {"sub": "agent"}}, {"sub": "agent", "iss": None}, {"sub": "agent", "iss": 1}]),
    ("act", refusals.BAD_ACTOR, [chain_of(count, inner) for count in (1, 9) for inner in (None, "x", {}, {"sub": 1})]),
    ("act", refusals.TOO_MANY_ACTORS, [chain_of(10, {}), chain_of(10, None), chain_of(11), chain_of(25)]),
    ("authorization_details", refusals.BAD_DETAILS, [None, "", "[]", 1, True, {}, {"type": "a"}, ["a"], [None], [[]]]),
    ("authorization_details", refusals.BAD_DETAILS, [[{}], [{"type": "a"}, {}], [{"Type": "a"}], [{"type": "a"}, 1]]),
    (
        "authorization_details",
        refusals.BAD_DETAILS,
        [[{"type": None}], [{"type": ""}], [{"type": 1}], [{"type": ["a"]}]],
    ),
    ("cnf", refusals.BOUND, ["", "jkt", {}, [], None, 0, False, {"unknown": "x"}]),
    ("cnf", refusals.BOUND, [{"jkt": None}, {"jkt": "x"}, {"x5t#S256": "x"}, {"jwk": {}}]),
]


@pytest.mark.parametrize(
    "spoil",
    [
        *(lambda issuer: issuer.rstrip("/"), lambda issuer: issuer[:10], lambda issuer: issuer[:1], lambda issuer: ""),
        *(lambda issuer: issuer + "evil", lambda issuer: issuer + "/", lambda issuer: issuer + "\0"),
        lambda issuer: issuer.replace("http://", "http://evil@"),
        lambda issuer: "https://evil.example.com/?" + issuer,
        lambda issuer: issuer.replace("http", "HTTP"),
        *(lambda issuer: [issuer], lambda issuer: [issuer, "https://evil.example.com/"]),
        lambda issuer: {"iss": issuer},
        *(lambda issuer: None, lambda issuer: 0, lambda issuer: True),
    ],
)
def test_an_issuer_that_only_looks_like_ours_is_another(
    app: Flask, issuer: LocalIssuer, spoil: Callable[[str], object]
) -> None:
    """No prefix, superstring, list or other spelling is our issuer, and no key is fetched for it (CVE-2024-53861)."""
    token = with_claims(issuer, iss=spoil(issuer.issuer))
    assert answer_unread(guarded(app), issuer, token) == refusals.OTHER_ISSUER


@pytest.mark.parametrize(
    ("name", "value", "expected"), [(name, value, answer) for name, answer, values in REFUSED for value in values]
)
def test_a_claim_that_no_comparison_expects_neither_passes_nor_breaks_anything(
    app: Flask, issuer: LocalIssuer, name: str, value: object, expected: Answer
) -> None:
    """An audience is compared as a whole; no end never ends; one text is no list; a bound token is no bearer token."""
    client = guarded(app)
    app.add_url_rule("/admin", "admin", requires_permission("admin")(lambda: "seen"))
    token = with_claims(issuer, **{name: value})
    assert answer_to(client, token) == expected
    assert seen(client.get("/admin", headers=bearer(token))) == expected


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(
            (text, refusals.BAD_TIME)
            for text in ("null", "[]", "[4102444800]", "{}", "true", '"4102444800"', '"never"')
        ),
        *((text, refusals.BAD_TIME) for text in ('"never"', "-1", "-4102444800", "9" * 4000, "253402300800", "1e308")),
        *(("1e400", refusals.BAD_NUMBER), ("-1e400", refusals.BAD_NUMBER)),
        *(("NaN", refusals.BAD_PAYLOAD), ("Infinity", refusals.BAD_PAYLOAD)),
    ],
)
def test_a_time_that_is_no_time_is_refused(
    app: Flask, issuer: LocalIssuer, name: str, value: str, expected: Answer
) -> None:
    """Nothing but a number of seconds in the years 1970 to 9999 says when; what would be infinite never expires."""
    token = with_text(issuer, name, value)
    assert answer_to(guarded(app), token) == expected
    if expected != refusals.BAD_TIME:
        assert issuer.fetch_count == 0


def test_a_token_that_expires_this_second_is_expired(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """On or after exp a token must not be accepted (RFC 7519 §4.1.4)."""
    client = guarded(make_app(AUTH0_LEEWAY=0))
    now = int(time.time())
    assert answer_to(client, issuer.token(iat=now - 60, exp=now)) == refusals.EXPIRED


@pytest.mark.parametrize(
    "scope", ["read:messages2", "xread:messages", "read:message s", "READ:MESSAGES", "read:*", "*"]
)
def test_a_scope_is_never_matched_in_part(app: Flask, issuer: LocalIssuer, scope: str) -> None:
    app.add_url_rule("/messages", "messages", requires_scope("read:messages")(lambda: "seen"))
    response = app.test_client().get("/messages", headers=bearer(issuer.token(scope=scope)))
    assert seen(response) == forbidden(
        "insufficient_scope", "The access token lacks a scope that this route requires.", "read:messages"
    )
