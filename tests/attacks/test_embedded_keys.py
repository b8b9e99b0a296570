"""A token that brings its own key, or says where to get it (RFC 8725 §3.10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from certificates import make_credential
from flask import Flask
from refusals import INVALID_SIGNATURE, UNKNOWN_KEY, Answer, answer_to, guarded, passes

from auth0_blueprint.testing import LocalIssuer


@pytest.fixture(scope="module")
def attacker() -> Iterator[LocalIssuer]:
    """Somebody with a key and a key set, whom nobody trusts."""
    with LocalIssuer() as attacker:
        yield attacker


EMBEDDED: dict[str, Callable[[LocalIssuer], dict[str, Any]]] = {
    "jwk": lambda attacker: {"jwk": attacker.key_set["keys"][0]},
    "jku": lambda attacker: {"jku": f"{attacker.issuer}.well-known/jwks.json"},
    "x5u": lambda attacker: {"x5u": f"{attacker.issuer}.well-known/jwks.json"},
    "x5c": lambda attacker: {"x5c": [make_credential("attacker", key=attacker.signing_key()).byte_sequence.strip(":")]},
    "all": lambda attacker: {name: EMBEDDED[name](attacker)[name] for name in ("jwk", "jku", "x5u", "x5c")},
}


@pytest.mark.parametrize("form", EMBEDDED)
@pytest.mark.parametrize(("key_id", "expected"), [("local-1", INVALID_SIGNATURE), ("attacker's", UNKNOWN_KEY)])
def test_a_key_in_the_header_neither_replaces_the_published_ones_nor_adds_to_them(
    app: Flask, issuer: LocalIssuer, attacker: LocalIssuer, form: str, key_id: str, expected: Answer
) -> None:
    attacker.fetch_count = 0
    token = attacker.token(iss=issuer.issuer, headers={"kid": key_id, **EMBEDDED[form](attacker)})
    assert answer_to(guarded(app), token) == expected
    assert attacker.fetch_count == 0


@pytest.mark.parametrize("form", EMBEDDED)
def test_a_key_in_the_header_of_a_good_token_is_not_looked_at(
    app: Flask, issuer: LocalIssuer, attacker: LocalIssuer, form: str
) -> None:
    attacker.fetch_count = 0
    assert passes(guarded(app), issuer.token(headers=EMBEDDED[form](attacker)))
    assert attacker.fetch_count == 0


@pytest.mark.parametrize(
    "key_id",
    [
        *("../../etc/passwd", "/dev/null", "http://127.0.0.1/key", "' OR 1=1 --", "| id", "local-1\0"),
        *("local-1\r\nX-Injected: yes", "LOCAL-1", " local-1", "*", "__proto__", "__class__"),
    ],
)
def test_a_key_id_is_nothing_but_a_name(app: Flask, issuer: LocalIssuer, attacker: LocalIssuer, key_id: str) -> None:
    token = attacker.token(iss=issuer.issuer, headers={"kid": key_id})
    assert answer_to(guarded(app), token) == UNKNOWN_KEY
    assert issuer.fetch_count == 3  # the first one, and a search for each of two requests
