"""Key sets that are not what an issuer should publish, and keys that are no longer published."""

from __future__ import annotations

import base64
import functools
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import refusals
from conftest import AppFactory, MovableClock
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from flask.testing import FlaskClient
from jwt.algorithms import RSAAlgorithm
from network_edge import KeySetServer, key_set_server
from refusals import answer_to, by_hand, claims_of, guarded, passes

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

SECRET = base64.urlsafe_b64encode(b"s" * 64).rstrip(b"=").decode()


@functools.cache
def _key(bits: int = 2048) -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@pytest.fixture
def server() -> Iterator[KeySetServer]:
    with key_set_server() as server:
        yield server


@pytest.fixture
def client(make_app: AppFactory, server: KeySetServer) -> FlaskClient:
    return guarded(make_app(AUTH0_JWKS_URL=server.url))


def _members(key: Any, **members: Any) -> dict[str, Any]:
    jwk: dict[str, Any] = RSAAlgorithm.to_jwk(key, as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, **members}


def _signed(key: RSAPrivateKey, key_id: str, issuer: LocalIssuer) -> str:
    return by_hand(issuer, {"alg": "RS256", "kid": key_id}, key=key)


@pytest.mark.parametrize(
    ("bits", "is_private", "members"),
    [
        (2048, True, {}),
        *((2048, False, {"use": use}) for use in ("enc", ["sig"])),
        *((2048, False, {"key_ops": operations}) for operations in (["sign"], [], "verify")),
        *((2048, False, {"alg": name}) for name in ("RS512", "RSA-OAEP", "none", "HS256", ["RS256"])),
        # A modulus of 1024 bits can be factored (CVE-2025-45768).
        (1024, False, {"alg": "RS256", "use": "sig"}),
    ],
)
def test_a_key_that_is_not_for_our_signatures_is_not_used(
    client: FlaskClient, server: KeySetServer, issuer: LocalIssuer, bits: int, is_private: bool, members: dict[str, Any]
) -> None:
    """A good signature by a key that is published for something else is refused; the good key beside it works."""
    key = _key(bits)
    published = _members(key if is_private else key.public_key(), kid="odd", **members)
    server.publish(published, *issuer.key_set["keys"])
    assert answer_to(client, _signed(key, "odd", issuer)) == refusals.UNKNOWN_KEY
    assert passes(client, issuer.token())


NO_KEYS: list[dict[str, Any]] = [
    *({}, {"kty": None}, {"kty": ["RSA"]}, {"kty": {}, "crv": {}}, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
    *({"kty": "oct", "k": SECRET, "alg": "HS256"}, {"kty": "RSA"}, {"kty": "RSA", "n": "AQAB"}),
    *({"kty": "RSA", "n": "!!", "e": "AQAB"}, {"kty": "RSA", "n": 7, "e": 65537}, {"kty": "RSA", "n": "", "e": ""}),
    *({"kty": "RSA", "n": SECRET * 4, "e": "AQ"}, {"kty": "RSA", "n": "_" * 40_000, "e": "AQAB"}),
    *({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}),
    {"kty": "EC", "crv": "secp256k1", "x": "A" * 43, "y": "A" * 43},
    *({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": "OKP", "crv": "X25519", "x": "A" * 43}),
]


@pytest.mark.parametrize(
    "member", [None, "text", 7, True, [], {}, *({"kid": "odd", **members} for members in NO_KEYS)], ids=range(24)
)
def test_a_member_that_is_no_key_does_not_lock_everybody_out(
    client: FlaskClient, server: KeySetServer, issuer: LocalIssuer, member: object
) -> None:
    server.publish(member, *issuer.key_set["keys"], member)
    assert passes(client, issuer.token())


def test_a_secret_in_the_key_set_signs_nothing(client: FlaskClient, server: KeySetServer, issuer: LocalIssuer) -> None:
    """A symmetric key in public is known to everybody."""
    server.publish({"kty": "oct", "k": SECRET, "kid": "shared", "alg": "HS256"}, *issuer.key_set["keys"])
    token = jwt.encode(claims_of(issuer.token()), b"s" * 64, algorithm="HS256", headers={"kid": "shared"})
    assert answer_to(client, token) == refusals.UNSUPPORTED_ALGORITHM
    assert passes(client, issuer.token())


def test_two_keys_of_one_name_are_both_unknown(client: FlaskClient, server: KeySetServer, issuer: LocalIssuer) -> None:
    """Which of the two is the issuer's cannot be told, so neither is used; other names still work."""
    [published] = issuer.key_set["keys"]
    ambiguous = [{**published, "kid": "twin"}, {**_members(_key().public_key()), "kid": "twin"}]
    server.publish(*ambiguous, published)
    assert answer_to(client, _signed(_key(), "twin", issuer)) == refusals.UNKNOWN_KEY
    assert answer_to(client, _signed(issuer.signing_key(), "twin", issuer)) == refusals.UNKNOWN_KEY
    assert passes(client, issuer.token())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    client: FlaskClient, server: KeySetServer, issuer: LocalIssuer, status: int
) -> None:
    """The key set comes from its own address or not at all; the target is never asked, although it has good keys."""
    server.status, server.headers = status, {"Location": f"{issuer.issuer}.well-known/jwks.json"}
    assert answer_to(client, issuer.token()) == refusals.KEY_SET_UNAVAILABLE
    assert issuer.fetch_count == 0


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{}", b"<!DOCTYPE html><title>Sign in</title>", b'{"keys": null}', b'{"keys": {}}'),
        *(b'{"keys": "text"}', b'{"keys": []}', b'{"keys": [null]}', b'{"keys": \xff}'),
        *(b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"keys":' * 25_000 + b"1" + b"}" * 25_000),
        *(b"[" * 200_000, b" " * 262_145),
        None,  # good keys, but named a second time: two readers would see two key sets
    ],
    ids=range(16),
)
def test_a_document_that_is_no_key_set_is_an_outage(
    client: FlaskClient, server: KeySetServer, issuer: LocalIssuer, body: bytes | None
) -> None:
    server.publish(*issuer.key_set["keys"])
    server.body = server.body[:-1] + b', "keys": []}' if body is None else body
    assert answer_to(client, issuer.token()) == refusals.KEY_SET_UNAVAILABLE


def test_a_removed_key_is_refused_after_one_refresh(make_app: AppFactory, issuer: LocalIssuer) -> None:
    clock = MovableClock(time.time())
    client = guarded(make_app(clock=clock))
    old_key = issuer.key_ids[-1]
    old, new = issuer.token(), issuer.token(key_id=issuer.rotate())
    assert (passes(client, old), passes(client, new)) == (True, True)
    issuer.remove_key(old_key)
    clock.move(600)
    assert answer_to(client, old) == refusals.UNKNOWN_KEY
    assert passes(client, new)
    assert issuer.fetch_count == 4  # two that were due, and a search for each of two requests


def test_two_issuers_that_call_their_keys_alike_are_told_apart(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """One blueprint on two apps: the same key id in another's key set is another key, and no key is fetched for it."""
    with LocalIssuer() as other:
        assert issuer.key_ids == other.key_ids
        blueprint = Auth0Blueprint()
        ours, others = guarded(make_app(blueprint)), guarded(make_app(blueprint, AUTH0_ISSUER=other.issuer))
        assert answer_to(ours, other.token()) == refusals.OTHER_ISSUER
        assert answer_to(others, issuer.token()) == refusals.OTHER_ISSUER
        assert (issuer.fetch_count, other.fetch_count) == (0, 0)
        assert (passes(ours, issuer.token()), passes(others, other.token())) == (True, True)
        assert answer_to(ours, other.token(iss=issuer.issuer)) == refusals.INVALID_SIGNATURE
        assert answer_to(others, issuer.token(iss=other.issuer)) == refusals.INVALID_SIGNATURE
