"""Headers and segments that another reader would take for something else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import refusals
from flask import Flask
from refusals import answer_to, answer_unread, by_hand, claims_of, guarded, passes, with_header

from auth0_blueprint.testing import LocalIssuer

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize(
    "extension",
    [
        *({"crit": ["bork"], "bork": True}, {"crit": ["exp"], "exp": 1}),
        *({"crit": ["alg"]}, {"crit": []}, {"crit": "exp"}, {"crit": {}}, {"crit": None}),
        *({"crit": ["b64"]}, {"crit": ["b64"], "b64": True}, {"crit": ["b64"], "b64": False}),
        *({"b64": False}, {"b64": True}),
    ],
)
def test_an_extension_that_must_be_understood_is_not(
    app: Flask, issuer: LocalIssuer, extension: dict[str, Any]
) -> None:
    """Critical members, of whatever type, and unencoded payloads are refused (CVE-2025-59420)."""
    assert answer_unread(guarded(app), issuer, with_header(issuer, **extension)) == refusals.CRITICAL_EXTENSION


def test_an_unencoded_payload_is_no_payload(app: Flask, issuer: LocalIssuer) -> None:
    """RFC 7797 leaves the payload as it is; here it is no base64url."""
    header, _, signature = with_header(issuer, b64=False, crit=["b64"]).split(".")
    assert answer_to(guarded(app), f'{header}.{{"sub":"auth0|admin"}}.{signature}') == refusals.NOT_BASE64URL


@pytest.mark.parametrize(
    "text",
    [
        *(b'{"alg": "none", "alg": "RS256"}', b'{"alg": "RS256", "alg": "none"}'),
        *(b'{"alg": "RS256", "\\u0061lg": "none"}', b'{"alg": "RS256", "kid": "local-1", "kid": "local-2"}'),
    ],
)
def test_a_member_that_is_named_twice_is_refused_in_the_header(app: Flask, issuer: LocalIssuer, text: bytes) -> None:
    """One reader takes the first, another the last."""
    assert answer_unread(guarded(app), issuer, by_hand(issuer, header=text)) == refusals.BAD_HEADER


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp"])
def test_a_claim_that_is_named_twice_is_refused(app: Flask, issuer: LocalIssuer, name: str) -> None:
    """One reader takes the first, another the last."""
    claims = claims_of(issuer.token())
    twice = f'{json.dumps(claims)[:-1]}, "{name}": {json.dumps(claims[name])}}}'.encode()
    assert answer_unread(guarded(app), issuer, by_hand(issuer, claims=twice)) == refusals.BAD_PAYLOAD


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_an_encrypted_token_is_refused_unread(app: Flask, issuer: LocalIssuer, parts: int) -> None:
    """Five segments are enough to know, whatever is in them (CVE-2024-33664)."""
    segments = [*issuer.token().split("."), "", ""]
    token = ".".join([*segments[:parts], *[""] * (5 - parts)])
    assert answer_unread(guarded(app), issuer, token) == refusals.ENCRYPTED


@pytest.mark.parametrize(
    "token_type", ["id_token+jwt", "logout+jwt", "dpop+jwt", "JOSE", "", "at+jwt;x", 7, None, ["JWT"]]
)
def test_another_kind_of_token_is_no_access_token(app: Flask, issuer: LocalIssuer, token_type: object) -> None:
    """The same keys sign other things too (RFC 8725 §3.11)."""
    assert answer_unread(guarded(app), issuer, with_header(issuer, typ=token_type)) == refusals.WRONG_TYPE


@pytest.mark.parametrize("key_id", [None, 1, True, [], {"local-1": 1}, ["local-1"], "x" * 257])
def test_an_odd_key_id_is_refused_before_any_look_up(app: Flask, issuer: LocalIssuer, key_id: object) -> None:
    assert answer_unread(guarded(app), issuer, with_header(issuer, kid=key_id)) == refusals.BAD_KEY_ID


@pytest.mark.parametrize("steps", [1, 2, 3, 15])
def test_a_signature_has_one_spelling(app: Flask, issuer: LocalIssuer, steps: int) -> None:
    """Other unused bits in the last character give the same bytes, and another text to slip past a list of texts."""
    client, token = guarded(app), issuer.token()
    respelt = token[:-1] + ALPHABET[ALPHABET.index(token[-1]) + steps]
    assert answer_to(client, respelt) == refusals.NOT_BASE64URL
    assert passes(client, token)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("skipped", ["=", "==", "\t", "\x0b", "\xa0", "!"])
def test_nothing_is_skipped_in_a_segment(app: Flask, issuer: LocalIssuer, index: int, skipped: str) -> None:
    """Padding, white space and other letters, which a lenient reader passes over, are refused."""
    segments = issuer.token().split(".")
    segments[index] = segments[index][:8] + skipped + segments[index][8:]
    assert answer_unread(guarded(app), issuer, ".".join(segments)) == refusals.NOT_BASE64URL
