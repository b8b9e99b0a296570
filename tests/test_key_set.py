"""A JWK Set to usable keys, and the choice among them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.key_set import KeySet, KeySetError, parse_key_set

JWK = dict[str, Any]

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


def jwk_of(private_key: Any, algorithm: str, **members: Any) -> JWK:
    """Return the public JWK of *private_key*, without ``alg``, with *members* added."""
    implementation: Any = get_default_algorithms()[algorithm]
    jwk: JWK = implementation.to_jwk(private_key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, **members}


def ed25519_jwk(**members: Any) -> JWK:
    """Return a new Ed25519 JWK: the cheapest kind to make."""
    return jwk_of(ed25519.Ed25519PrivateKey.generate(), "EdDSA", **members)


def parse(*members: object) -> KeySet:
    """Parse a key set of *members*."""
    return parse_key_set(json.dumps({"keys": members}).encode())


def number(value: int) -> str:
    """Return *value* as base64url (RFC 7518 §2)."""
    data = value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def rsa_private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def rsa_jwk(rsa_private_key: rsa.RSAPrivateKey) -> JWK:
    return jwk_of(rsa_private_key, "RS256", kid="rsa")


@pytest.fixture(scope="session")
def ec_jwks() -> dict[str, JWK]:
    """One key for each curve, under that curve's name as ``kid``."""
    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return {
        name: jwk_of(ec.generate_private_key(curve), EC_ALGORITHMS[name], kid=name) for name, curve in curves.items()
    }


# Selection


@pytest.mark.parametrize("algorithm", RSA_ALGORITHMS)
def test_an_rsa_key_without_alg_serves_every_rsa_algorithm(rsa_jwk: JWK, algorithm: str) -> None:
    """One RSA key may serve RS256 and PS256 alike."""
    assert parse(rsa_jwk).select("rsa", ALGORITHMS[algorithm]) is not None


@pytest.mark.parametrize("algorithm", sorted(set(ALGORITHMS) - {"PS256"}))
def test_a_key_with_alg_serves_no_other_algorithm(rsa_jwk: JWK, algorithm: str) -> None:
    """A header whose ``alg`` differs from the JWK's finds no key (CVE-2026-48523)."""
    assert parse({**rsa_jwk, "alg": "PS256"}).select("rsa", ALGORITHMS[algorithm]) is None


def test_a_key_with_alg_serves_that_algorithm(rsa_jwk: JWK) -> None:
    """The algorithm that the JWK names finds the key."""
    assert parse({**rsa_jwk, "alg": "PS256"}).select("rsa", ALGORITHMS["PS256"]) is not None


@pytest.mark.parametrize("curve", EC_ALGORITHMS)
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "EdDSA"])
def test_a_curve_serves_its_own_algorithm_only(ec_jwks: dict[str, JWK], curve: str, algorithm: str) -> None:
    """ES256 is P-256 and so on (RFC 7518 §3.4), also for a JWK without ``alg``."""
    found = parse(ec_jwks[curve]).select(curve, ALGORITHMS[algorithm])
    assert (found is not None) == (EC_ALGORITHMS[curve] == algorithm)


@pytest.mark.parametrize("asked", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("members", [{}, {"alg": "EdDSA"}, {"alg": "Ed25519"}], ids=["no alg", "EdDSA", "Ed25519"])
def test_eddsa_and_ed25519_are_one_algorithm(members: JWK, asked: str) -> None:
    """RFC 9864 gave a second name to the same thing."""
    assert parse(ed25519_jwk(kid="ed", **members)).select("ed", ALGORITHMS[asked]) is not None


@pytest.mark.parametrize("key_id", ["other", "", "RSA", "rsa "])
def test_another_key_id_finds_nothing(rsa_jwk: JWK, key_id: str) -> None:
    """Key ids are compared as they are; a single key is no excuse."""
    assert parse(rsa_jwk).select(key_id, ALGORITHMS["RS256"]) is None


def test_without_a_key_id_the_only_fitting_key_is_found(rsa_jwk: JWK, ec_jwks: dict[str, JWK]) -> None:
    """Keys of other types do not make the choice ambiguous."""
    found = parse(rsa_jwk, *ec_jwks.values()).select(None, ALGORITHMS["ES256"])
    assert found is not None
    assert found.key_id == "P-256"


def test_without_a_key_id_two_fitting_keys_are_ambiguous() -> None:
    """Nothing is guessed."""
    assert parse(ed25519_jwk(kid="a"), ed25519_jwk(kid="b")).select(None, ALGORITHMS["EdDSA"]) is None


def test_without_a_key_id_one_key_under_two_ids_is_not_ambiguous() -> None:
    """The same material is the same key, whatever its name."""
    jwk = ed25519_jwk()
    assert parse({**jwk, "kid": "a"}, {**jwk, "kid": "b"}).select(None, ALGORITHMS["EdDSA"]) is not None


def test_a_key_without_key_id_is_found_without_one_only() -> None:
    """A token that names a key never gets an unnamed one."""
    key_set = parse(ed25519_jwk())
    assert key_set.select(None, ALGORITHMS["EdDSA"]) is not None
    assert key_set.select("a", ALGORITHMS["EdDSA"]) is None


def test_unnamed_keys_do_not_disable_each_other() -> None:
    """Having no key id is not a shared key id."""
    assert len(parse(ed25519_jwk(), ed25519_jwk()).keys) == 2


# One key id, several keys


def test_two_different_keys_under_one_key_id_disable_it() -> None:
    """Neither of the two is used, and the reason is told."""
    key_set = parse(ed25519_jwk(kid="twice"), ed25519_jwk(kid="twice"), ed25519_jwk(kid="good"))
    assert key_set.select("twice", ALGORITHMS["EdDSA"]) is None
    assert key_set.key_ids == {"good"}
    assert key_set.skipped == ("different keys share one key id",)


def test_a_disabled_key_id_is_not_found_without_key_id_either() -> None:
    """What is disabled is gone from the whole set."""
    key_set = parse(ed25519_jwk(kid="twice"), ed25519_jwk(kid="twice"), ed25519_jwk(kid="good"))
    found = key_set.select(None, ALGORITHMS["EdDSA"])
    assert found is not None
    assert found.key_id == "good"


def test_keys_of_two_types_under_one_key_id_disable_it(rsa_jwk: JWK, ec_jwks: dict[str, JWK]) -> None:
    """Different keys are different, also where the algorithm could tell them apart."""
    key_set = parse({**rsa_jwk, "kid": "x"}, {**ec_jwks["P-256"], "kid": "x"}, ed25519_jwk(kid="good"))
    assert key_set.select("x", ALGORITHMS["RS256"]) is None


def test_identical_duplicates_are_one_key() -> None:
    """A key that is listed twice still works."""
    jwk = ed25519_jwk(kid="a")
    assert parse(jwk, jwk).select("a", ALGORITHMS["EdDSA"]) is not None


def test_one_key_listed_for_two_algorithms_serves_both(rsa_jwk: JWK) -> None:
    """The same material under one id, once for each algorithm, is no contradiction."""
    key_set = parse({**rsa_jwk, "alg": "RS256"}, {**rsa_jwk, "alg": "PS256"})
    assert key_set.select("rsa", ALGORITHMS["RS256"]) is not None
    assert key_set.select("rsa", ALGORITHMS["PS256"]) is not None


# Members that are skipped, one by one


def skipped_beside_a_good_key(member: object) -> str:
    """Return why *member* is not used, having made sure that the key beside it is."""
    key_set = parse(member, ed25519_jwk(kid="good"))
    assert key_set.key_ids == {"good"}
    assert len(key_set.keys) == 1
    assert key_set.select("good", ALGORITHMS["EdDSA"]) is not None
    (reason,) = key_set.skipped
    return reason


@pytest.mark.parametrize("member", [None, "text", 1, 1.5, True, [], [{}]], ids=repr)
def test_a_member_that_is_no_object_is_skipped(member: object) -> None:
    """The good key beside it still works."""
    assert skipped_beside_a_good_key(member) == "not a JSON object"


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct"}, {"kty": "AKP"}, {"kty": "rsa"}, {"kty": None}, {"kty": 1}, {"kty": ["EC"]}, {"kty": {}},
        {"crv": "secp256k1"}, {"crv": "p-256"}, {"crv": "Ed448"}, {"crv": "X25519"}, {"crv": None}, {"crv": ["P-256"]},
        {"crv": "Ed25519"}, {"kty": "OKP"},
    ],
    ids=str,
)  # fmt: skip
def test_a_key_of_unknown_type_or_curve_is_skipped(ec_jwks: dict[str, JWK], changes: JWK) -> None:
    """Only RSA, the three NIST curves and Ed25519, each curve with its own type."""
    assert skipped_beside_a_good_key({**ec_jwks["P-256"], **changes}) == "unknown key type or curve"


def test_an_rsa_key_has_no_curve(rsa_jwk: JWK) -> None:
    """A member that means nothing for its type does not matter (RFC 7517 §4)."""
    assert parse({**rsa_jwk, "crv": "P-256"}).select("rsa", ALGORITHMS["RS256"]) is not None


@pytest.mark.parametrize("member", [{}, {"kty": "EC"}, {"crv": "P-256"}, {"kid": "x"}], ids=str)
def test_an_incomplete_key_is_skipped(member: JWK) -> None:
    """An object that does not say what it is, is nothing."""
    assert skipped_beside_a_good_key(member) == "unknown key type or curve"


@pytest.mark.parametrize("value", [None, "", 5, [], {}, "AQAB=", "A Q", "ü", "AQA", "+/", "A" * 5000], ids=repr)
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_curve_point_with_a_corrupt_number_is_skipped(ec_jwks: dict[str, JWK], name: str, value: object) -> None:
    """No spelling but base64url of the right length, and no point off the curve."""
    assert skipped_beside_a_good_key({**ec_jwks["P-256"], name: value}) == "key material cannot be read"


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_curve_point_without_a_number_is_skipped(ec_jwks: dict[str, JWK], name: str) -> None:
    """Both coordinates are needed."""
    jwk = {key: value for key, value in ec_jwks["P-256"].items() if key != name}
    assert skipped_beside_a_good_key(jwk) == "key material cannot be read"


@pytest.mark.parametrize("value", [None, "", 5, [], "AQAB=", "A" * 42, "A" * 44], ids=repr)
def test_an_ed25519_key_with_a_corrupt_number_is_skipped(value: object) -> None:
    """The public key is 32 bytes, no more and no less."""
    assert skipped_beside_a_good_key({**ed25519_jwk(), "x": value}) == "key material cannot be read"


@pytest.mark.parametrize("name", ["n", "e"])
@pytest.mark.parametrize("value", [None, "", 65537, [], {}, "AQAB==", "A Q", "ü", "AA", "AQ"], ids=repr)
def test_an_rsa_key_with_a_corrupt_number_is_skipped(rsa_jwk: JWK, name: str, value: object) -> None:
    """Text that is not base64url, zero and one are no RSA numbers."""
    assert skipped_beside_a_good_key({**rsa_jwk, name: value}) == "key material cannot be read"


def test_an_even_rsa_exponent_is_skipped(rsa_jwk: JWK) -> None:
    """Such a key could never have signed anything."""
    assert skipped_beside_a_good_key({**rsa_jwk, "e": number(65536)}) == "key material cannot be read"


def test_an_rsa_key_of_1024_bits_is_skipped() -> None:
    """Keys under 2048 bits are too weak to believe (CVE-2025-45768)."""
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert skipped_beside_a_good_key(jwk_of(weak, "RS256", kid="weak")) == "RSA modulus is too short or too long"


@pytest.mark.parametrize("bits", [2047, 16385, 100_000])
def test_an_rsa_modulus_outside_the_limits_is_skipped(rsa_jwk: JWK, bits: int) -> None:
    """One bit under 2048, and what OpenSSL would refuse at the time of use."""
    modulus = number((1 << (bits - 1)) + 1)
    assert skipped_beside_a_good_key({**rsa_jwk, "n": modulus}) == "RSA modulus is too short or too long"


@pytest.mark.parametrize(
    "changes",
    [{"n": number((1 << 16383) + 1)}, {"e": number((1 << 63) + 1)}],
    ids=["16384 bits", "exponent of 64 bits"],
)
def test_an_rsa_key_at_the_upper_limits_is_used(rsa_jwk: JWK, changes: JWK) -> None:
    """The limits themselves are within the limits."""
    assert len(parse({**rsa_jwk, **changes}).keys) == 1


def test_a_huge_rsa_exponent_is_skipped(rsa_jwk: JWK) -> None:
    """It would make each verification slow."""
    assert skipped_beside_a_good_key({**rsa_jwk, "e": number((1 << 64) + 1)}) == "RSA exponent is too long"


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_key_with_any_secret_member_is_skipped(rsa_jwk: JWK, name: str) -> None:
    """Whoever publishes a private part has lost the key, even if the member is empty."""
    assert skipped_beside_a_good_key({**rsa_jwk, name: None}) == "holds secret material"


def test_a_private_key_is_skipped(rsa_private_key: rsa.RSAPrivateKey) -> None:
    """A complete private JWK is not used for its public half."""
    implementation: Any = get_default_algorithms()["RS256"]
    member = implementation.to_jwk(rsa_private_key, as_dict=True)
    assert skipped_beside_a_good_key({**member, "key_ops": ["verify"]}) == "holds secret material"


def test_a_symmetric_key_is_skipped() -> None:
    """A published secret is not a secret."""
    assert skipped_beside_a_good_key({"kty": "oct", "k": "AAAA", "alg": "HS256"}) == "holds secret material"


@pytest.mark.parametrize("use", ["enc", "SIG", "", None, 1, ["sig"]], ids=repr)
def test_a_key_for_another_use_is_skipped(use: object) -> None:
    """If ``use`` is there, it is exactly ``sig``."""
    assert skipped_beside_a_good_key(ed25519_jwk(use=use)) == "not for signatures"


@pytest.mark.parametrize(
    "operations", [[], ["sign"], ["Verify"], "verify", None, {"verify": 1}, 1, [["verify"]]], ids=repr
)
def test_a_key_for_other_operations_is_skipped(operations: object) -> None:
    """If ``key_ops`` is there, it is a list that holds ``verify``."""
    assert skipped_beside_a_good_key(ed25519_jwk(key_ops=operations)) == "not for verification"


@pytest.mark.parametrize(
    "members",
    [{}, {"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": [{}, None, "sign", "verify"]}, {"x5c": ["x"], "x5t": 1}],
    ids=str,
)
def test_a_key_for_verification_is_used(members: JWK) -> None:
    """Neither member is required, and unknown members do not matter (RFC 7517 §4)."""
    assert len(parse(ed25519_jwk(**members)).keys) == 1


@pytest.mark.parametrize("key_id", [1, True, [], {}, ["a"], "k" * 257], ids=lambda value: repr(value)[:20])
def test_a_key_with_an_unusable_key_id_is_skipped(key_id: object) -> None:
    """A key id is a text of at most 256 characters."""
    assert skipped_beside_a_good_key(ed25519_jwk(kid=key_id)) == "key id is not a string of acceptable length"


def test_a_key_id_of_the_greatest_length_is_used() -> None:
    """256 characters are not too many."""
    key_id = "k" * 256
    assert parse(ed25519_jwk(kid=key_id)).select(key_id, ALGORITHMS["EdDSA"]) is not None


@pytest.mark.parametrize(
    "algorithm", ["HS256", "none", "RSA-OAEP", "rs256", "", "ES256", "EdDSA", None, 1, [], {}, ["RS256"]], ids=repr
)
def test_a_key_for_an_algorithm_that_it_cannot_serve_is_skipped(rsa_jwk: JWK, algorithm: object) -> None:
    """``alg`` is a known signature algorithm of the key's own type."""
    reason = skipped_beside_a_good_key({**rsa_jwk, "alg": algorithm})
    assert reason == "algorithm is not a known signature algorithm of its key type"


def test_a_curve_with_the_algorithm_of_another_curve_is_skipped(ec_jwks: dict[str, JWK]) -> None:
    """P-256 cannot serve ES384."""
    reason = skipped_beside_a_good_key({**ec_jwks["P-256"], "alg": "ES384"})
    assert reason == "algorithm is not a known signature algorithm of its key type"


def test_no_more_than_64_keys_are_used() -> None:
    """The first 64 usable keys, and the reason is told."""
    key_set = parse(*(ed25519_jwk(kid=f"key-{index}") for index in range(65)))
    assert key_set.key_ids == {f"key-{index}" for index in range(64)}
    assert key_set.skipped == ("more than 64 keys",)


def test_64_keys_are_not_too_many() -> None:
    """No reason is told when all are used."""
    key_set = parse(*(ed25519_jwk(kid=f"key-{index}") for index in range(64)))
    assert (len(key_set.keys), key_set.skipped) == (64, ())


def test_unusable_members_do_not_count_among_the_64() -> None:
    """A good key behind 100 odd ones still works."""
    assert parse(*[None] * 100, ed25519_jwk(kid="good")).key_ids == {"good"}


def test_reasons_never_show_what_the_key_set_said() -> None:
    """They are fixed texts, safe to log."""
    key_set = parse(ed25519_jwk(use="SPY"), {"kty": "SPY"}, ed25519_jwk(kid="SPY" * 100), ed25519_jwk(kid="good"))
    assert "SPY" not in "".join(key_set.skipped)


# Documents


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"keys": [], "keys": []}',
        b'{"keys": [{"kty": "RSA", "kty": "EC"}]}',
        b'{"keys": ' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        rb'{"keys": [{"kid": "\ud800"}]}',
        b'{"keys": [{"kid": "\xff"}]}',
        b'{"keys": [NaN]}',
        '{"keys": []}'.encode("utf-16"),
    ],
    ids=[
        "empty", "HTML", "list", "keys named twice", "member named twice", "33 levels", "100,000 levels",
        "lone surrogate", "no UTF-8", "NaN", "UTF-16",
    ],
)  # fmt: skip
def test_a_document_that_is_not_strict_json_is_refused(document: bytes) -> None:
    """A document that can be read in two ways is no key set, whatever else is in it."""
    with pytest.raises(KeySetError, match="not JSON of the required form"):
        parse_key_set(document)


@pytest.mark.parametrize("document", [b"{}", b'{"keys": null}', b'{"keys": {}}', b'{"keys": "x"}', b'{"Keys": []}'])
def test_an_object_without_a_list_of_keys_is_refused(document: bytes) -> None:
    """RFC 7517 §5: ``keys`` is required, and is an array."""
    with pytest.raises(KeySetError, match="not a JWK Set"):
        parse_key_set(document)


@pytest.mark.parametrize("members", [[], [None], [{"kty": "oct", "k": "AAAA"}]], ids=["empty", "null", "secret"])
def test_a_key_set_without_a_usable_key_is_refused(members: list[object]) -> None:
    """Such a set must not replace a good one."""
    with pytest.raises(KeySetError, match="no usable key"):
        parse(*members)


def test_a_key_set_whose_only_key_id_is_disabled_is_refused() -> None:
    """Two different keys under the only key id leave nothing to use."""
    with pytest.raises(KeySetError, match="no usable key"):
        parse(ed25519_jwk(kid="twice"), ed25519_jwk(kid="twice"))


def test_an_odd_member_of_32_levels_does_no_harm() -> None:
    """The whole document may be 32 levels deep."""
    levels = 30  # the document and its list are two more
    member = json.loads("[" * levels + "]" * levels)
    assert parse(member, ed25519_jwk(kid="good")).key_ids == {"good"}


# Identity


def test_identity_ignores_order_and_members_that_mean_nothing(ec_jwks: dict[str, JWK], rsa_jwk: JWK) -> None:
    """A set that is only written differently is the same set."""
    first = parse(rsa_jwk, ec_jwks["P-256"])
    assert parse({**ec_jwks["P-256"], "x5t": "new"}, {**rsa_jwk, "use": "sig"}, None).identity == first.identity


@pytest.mark.parametrize(
    "change",
    [
        lambda jwk: {**jwk, "kid": "b"},
        lambda jwk: {name: value for name, value in jwk.items() if name != "kid"},
        lambda jwk: {**jwk, "alg": "EdDSA"},
        lambda jwk: {**jwk, "x": ed25519_jwk()["x"]},
    ],
    ids=["key id", "no key id", "algorithm", "material"],
)
def test_identity_tells_different_sets_apart(change: Callable[[JWK], JWK]) -> None:
    """Material, key ids and algorithms each count."""
    jwk = ed25519_jwk(kid="a")
    assert parse(change(jwk)).identity != parse(jwk).identity


def test_identity_tells_no_key_id_from_an_empty_one() -> None:
    """A token that names the empty key id finds a key in one of the two only."""
    jwk = ed25519_jwk()
    assert parse(jwk).identity != parse({**jwk, "kid": ""}).identity


def test_identity_tells_a_removed_key() -> None:
    """A smaller set is another set."""
    stays, goes = ed25519_jwk(kid="stays"), ed25519_jwk(kid="goes")
    assert parse(stays).identity != parse(stays, goes).identity
