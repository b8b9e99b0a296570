"""Requests that cost their sender little and would cost a careless API much."""

from __future__ import annotations

import time
import zlib

import pytest
import refusals
from conftest import AppFactory, MovableClock, bearer
from flask import Flask
from flask.testing import FlaskClient
from network_edge import key_set_server
from refusals import Answer, answer_to, answer_unread, by_hand, guarded, passes, seen, segment

from auth0_blueprint.testing import LocalIssuer

MEGABYTE = 1_048_576


@pytest.mark.parametrize("text", ["x", ".", "[", "a.", "=", "\u00e9", None])
def test_a_token_of_a_megabyte_is_refused_before_it_is_read(app: Flask, issuer: LocalIssuer, text: str | None) -> None:
    """Only its length is looked at, also of a genuine one (CVE-2025-61920)."""
    token = issuer.token(filling="x" * MEGABYTE) if text is None else text * MEGABYTE
    assert answer_unread(guarded(app), issuer, token) == refusals.TOO_LONG


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (" " * MEGABYTE, refusals.NO_CREDENTIALS),
        ("x" * MEGABYTE, refusals.OTHER_SCHEME),
        ("," * MEGABYTE, refusals.OTHER_SCHEME),
        ("Bearer" + " " * MEGABYTE, refusals.NO_TOKEN),
        ("Bearer " + "x " * (MEGABYTE // 2), refusals.SEVERAL_CREDENTIALS),
        ("Bearer " + ",x" * (MEGABYTE // 2), refusals.SEVERAL_CREDENTIALS),
    ],
    ids=["spaces", "one word", "commas", "nothing after the scheme", "words", "fields"],
)
@pytest.mark.parametrize("path", ["/ours", "/theirs"])
def test_a_header_of_a_megabyte_is_refused(app: Flask, path: str, authorization: str, expected: Answer) -> None:
    assert seen(guarded(app).get(path, headers={"Authorization": authorization})) == expected


def test_a_million_dots_are_not_a_million_segments(make_app: AppFactory) -> None:
    """Where long tokens are allowed, an absurd number of segments is still no token."""
    assert answer_to(guarded(make_app(AUTH0_MAX_TOKEN_BYTES=MEGABYTE)), "." * MEGABYTE) == refusals.OPAQUE


def test_a_compressed_bomb_is_not_inflated(app: Flask, issuer: LocalIssuer) -> None:
    """An encrypted token is refused by its form, whatever would come out of it (CVE-2024-28102)."""
    bomb = segment(zlib.compress(bytes(8 * MEGABYTE), 9))
    header = segment({"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF", "kid": issuer.key_ids[-1]})
    token = f"{header}..{segment(bytes(12))}.{bomb}.{segment(bytes(16))}"
    assert answer_unread(guarded(app), issuer, token) == refusals.ENCRYPTED


def test_a_compressed_payload_is_no_payload(app: Flask, issuer: LocalIssuer) -> None:
    """A signed token that claims to be compressed is read as it is."""
    token = by_hand(
        issuer, {"alg": "RS256", "kid": issuer.key_ids[-1], "zip": "DEF"}, zlib.compress(bytes(8 * MEGABYTE), 9)
    )
    assert answer_unread(guarded(app), issuer, token) == refusals.BAD_PAYLOAD


DEEP = {
    "lists": b'{"alg": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"":' * 100_000 + b"1" + b"}" * 100_000,
    "unclosed": b"[" * 100_000,
    "33 levels": b'{"alg": "RS256", "x": ' + b"[" * 32 + b"]" * 32 + b"}",
}


@pytest.mark.parametrize("form", DEEP)
def test_a_deep_header_or_payload_is_refused(make_app: AppFactory, issuer: LocalIssuer, form: str) -> None:
    """Also where the limit on the length would let it pass, depth breaks nothing."""
    client = guarded(make_app(AUTH0_MAX_TOKEN_BYTES=MEGABYTE))
    assert answer_unread(client, issuer, by_hand(issuer, header=DEEP[form])) == refusals.BAD_HEADER
    assert answer_unread(client, issuer, by_hand(issuer, claims=DEEP[form])) == refusals.BAD_PAYLOAD


def _answers_to_made_up_key_ids(client: FlaskClient, issuer: LocalIssuer) -> list[Answer]:
    """Present a thousand tokens that only have to get as far as the search for their keys."""
    _header, payload, signature = issuer.token().split(".")
    headers = [segment({"alg": "RS256", "kid": f"made-up-{number}"}) for number in range(1000)]
    return [seen(client.get("/ours", headers=bearer(f"{header}.{payload}.{signature}"))) for header in headers]


def test_made_up_key_ids_cause_three_fetches_in_a_cooldown(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Then an unknown key id is refused at once, a thousand times over."""
    app = make_app(clock=MovableClock(time.time()))  # however long it takes, it is right after
    client, good = guarded(app), issuer.token()
    assert passes(client, good)
    assert _answers_to_made_up_key_ids(client, issuer) == [refusals.UNKNOWN_KEY] * 1000
    assert passes(client, good)
    assert issuer.fetch_count == 1 + 3


def test_made_up_key_ids_in_an_outage_cause_one_fetch(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """A thousand unknown key ids are one question to an issuer that is away, and known keys go on (CVE-2026-48524)."""
    with key_set_server() as server:
        server.publish(*issuer.key_set["keys"])
        clock = MovableClock(time.time())
        client, good = guarded(make_app(clock=clock, AUTH0_JWKS_URL=server.url)), issuer.token()
        assert passes(client, good)
        clock.move(31)
        server.status = 503
        assert _answers_to_made_up_key_ids(client, issuer) == [refusals.KEY_SET_UNAVAILABLE] * 1000
        assert passes(client, good)
        assert server.asked == ["/jwks"] * 2
