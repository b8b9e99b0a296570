"""A token that brings its own key, or says where to get it (RFC 8725 §3.10)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask
from refusals import INVALID_SIGNATURE, UNKNOWN_KEY, answer_to, guarded, passes

from auth0_blueprint.testing import LocalIssuer

KEY_ID_OF_ATTACKER = "attacker's"


@pytest.fixture(scope="module")
def attacker() -> Iterator[LocalIssuer]:
    """Somebody with a key and a key set, whom nobody trusts."""
    with LocalIssuer() as attacker:
        yield attacker


def _jwk(attacker: LocalIssuer) -> dict[str, Any]:
    return attacker.key_set["keys"][0]


def _key_set_url(attacker: LocalIssuer) -> str:
    return f"{attacker.issuer}.well-known/jwks.json"


def _certificate(attacker: LocalIssuer) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "attacker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(attacker.signing_key().public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(attacker.signing_key(), SHA256())
    )
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


EMBEDDED: dict[str, Callable[[LocalIssuer], dict[str, Any]]] = {
    "jwk": lambda attacker: {"jwk": _jwk(attacker)},
    "jku": lambda attacker: {"jku": _key_set_url(attacker)},
    "x5u": lambda attacker: {"x5u": _key_set_url(attacker)},
    "x5c": lambda attacker: {"x5c": [_certificate(attacker)]},
    "all": lambda attacker: {
        "jwk": _jwk(attacker),
        "jku": _key_set_url(attacker),
        "x5u": _key_set_url(attacker),
        "x5c": [_certificate(attacker)],
    },
}


@pytest.mark.parametrize("form", EMBEDDED)
def test_a_key_in_the_header_does_not_replace_the_published_one(
    app: Flask, issuer: LocalIssuer, attacker: LocalIssuer, form: str
) -> None:
    """Under a known key id only the published key counts, and nobody asks the attacker."""
    attacker.fetch_count = 0
    token = attacker.token(iss=issuer.issuer, headers={"kid": issuer.key_ids[-1], **EMBEDDED[form](attacker)})
    assert answer_to(guarded(app), token) == INVALID_SIGNATURE
    assert attacker.fetch_count == 0


@pytest.mark.parametrize("form", EMBEDDED)
def test_a_key_in_the_header_is_not_added_to_the_published_ones(
    app: Flask, issuer: LocalIssuer, attacker: LocalIssuer, form: str
) -> None:
    """Under a key id of its own the key is unknown, and nobody asks the attacker."""
    attacker.fetch_count = 0
    token = attacker.token(iss=issuer.issuer, headers={"kid": KEY_ID_OF_ATTACKER, **EMBEDDED[form](attacker)})
    assert answer_to(guarded(app), token) == UNKNOWN_KEY
    assert attacker.fetch_count == 0


@pytest.mark.parametrize("form", EMBEDDED)
def test_a_key_in_the_header_of_a_good_token_is_not_looked_at(
    app: Flask, issuer: LocalIssuer, attacker: LocalIssuer, form: str
) -> None:
    """A genuine token stays good, verified with the published key."""
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
    """A key id is looked up in the key set, exactly, and nowhere else."""
    token = attacker.token(iss=issuer.issuer, headers={"kid": key_id})
    assert answer_to(guarded(app), token) == UNKNOWN_KEY
    assert issuer.fetch_count == 1
