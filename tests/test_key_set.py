"""A JWK Set to usable keys, and the choice among them."""

from __future__ import annotations

import base64
import codecs
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


@pytest.fixture(scope="session")
def jwks(rsa_private_key: rsa.RSAPrivateKey) -> dict[str, JWK]:
    """One RSA key, one key for each curve, and one Ed25519 key, each under its name here as ``kid``."""
    curves = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    return {
        "RSA": jwk_of(rsa_private_key, "RS256", kid="RSA"),
        **{
            name: jwk_of(ec.generate_private_key(curve), algorithm, kid=name)
            for curve, (name, algorithm) in zip(curves, EC_ALGORITHMS.items(), strict=True)
        },
        "Ed25519": ed25519_jwk(kid="Ed25519"),
    }


SERVES = [
    # One RSA key may serve RS256 and PS256 alike.
    *(("RSA", {}, algorithm, True) for algorithm in RSA_ALGORITHMS),
    # A header whose alg differs from the JWK's finds no key (CVE-2026-48523).
    *(("RSA", {"alg": "PS256"}, algorithm, algorithm == "PS256") for algorithm in ALGORITHMS),
    # ES256 is P-256 and so on (RFC 7518 §3.4), also for a JWK without alg.
    *(
        (curve, {}, algorithm, algorithm == own)
        for curve, own in EC_ALGORITHMS.items()
        for algorithm in ("ES256", "ES384", "ES512", "RS256", "EdDSA")
    ),
    # RFC 9864 gave a second name to the same thing.
    *(
        ("Ed25519", members, algorithm, True)
        for members in ({}, {"alg": "EdDSA"}, {"alg": "Ed25519"})
        for algorithm in ("EdDSA", "Ed25519")
    ),
    # A member that means nothing for its type does not matter (RFC 7517 §4).
    ("RSA", {"crv": "P-256"}, "RS256", True),
]


class TestSelection:
    @pytest.mark.parametrize(("kind", "members", "algorithm", "is_found"), SERVES)
    def test_a_key_serves_the_algorithms_of_its_type_or_only_that_which_it_names(
        self, jwks: dict[str, JWK], kind: str, members: JWK, algorithm: str, is_found: bool
    ) -> None:
        found = parse({**jwks[kind], **members}).select(kind, ALGORITHMS[algorithm])
        assert (found is not None) == is_found

    @pytest.mark.parametrize("key_id", ["other", "", "rsa", "RSA "])
    def test_another_key_id_finds_nothing(self, jwks: dict[str, JWK], key_id: str) -> None:
        """Key ids are compared as they are; a single key is no excuse."""
        assert parse(jwks["RSA"]).select(key_id, ALGORITHMS["RS256"]) is None

    def test_without_a_key_id_the_only_fitting_key_is_found(self, jwks: dict[str, JWK]) -> None:
        found = parse(*jwks.values()).select(None, ALGORITHMS["ES256"])
        assert found is not None
        assert found.key_id == "P-256"

    def test_without_a_key_id_two_fitting_keys_are_ambiguous(self) -> None:
        """Nothing is guessed; but the same material is the same key, whatever its name."""
        jwk, other = ed25519_jwk(kid="a"), ed25519_jwk(kid="b")
        assert parse(jwk, other).select(None, ALGORITHMS["EdDSA"]) is None
        assert parse(other, jwk).select(None, ALGORITHMS["EdDSA"]) is None
        assert parse(jwk, {**jwk, "kid": "b"}).select(None, ALGORITHMS["EdDSA"]) is not None

    def test_a_key_without_key_id_is_found_without_one_only(self) -> None:
        """A token that names a key never gets an unnamed one."""
        key_set = parse(ed25519_jwk())
        assert key_set.select(None, ALGORITHMS["EdDSA"]) is not None
        assert key_set.select("a", ALGORITHMS["EdDSA"]) is None

    def test_unnamed_keys_do_not_disable_each_other(self) -> None:
        assert len(parse(ed25519_jwk(), ed25519_jwk()).keys) == 2


class TestSharedKeyIds:
    def test_two_different_keys_under_one_key_id_disable_it(self) -> None:
        key_set = parse(ed25519_jwk(kid="twice"), ed25519_jwk(kid="twice"), ed25519_jwk(kid="good"))
        assert key_set.select("twice", ALGORITHMS["EdDSA"]) is None
        assert key_set.key_ids == {"good"}
        assert key_set.skipped == ("different keys share one key id",)
        found = key_set.select(None, ALGORITHMS["EdDSA"])
        assert found is not None
        assert found.key_id == "good"

    def test_keys_of_two_types_under_one_key_id_disable_it(self, jwks: dict[str, JWK]) -> None:
        """Different keys are different, also where the algorithm could tell them apart."""
        key_set = parse({**jwks["RSA"], "kid": "x"}, {**jwks["P-256"], "kid": "x"}, ed25519_jwk(kid="good"))
        assert key_set.select("x", ALGORITHMS["RS256"]) is None

    def test_identical_duplicates_are_one_key(self) -> None:
        jwk = ed25519_jwk(kid="a")
        assert parse(jwk, jwk).select("a", ALGORITHMS["EdDSA"]) is not None

    def test_one_key_listed_for_two_algorithms_serves_both(self, jwks: dict[str, JWK]) -> None:
        """The same material under one id, once for each algorithm, is no contradiction."""
        key_set = parse({**jwks["RSA"], "alg": "RS256"}, {**jwks["RSA"], "alg": "PS256"})
        assert key_set.select("RSA", ALGORITHMS["RS256"]) is not None
        assert key_set.select("RSA", ALGORITHMS["PS256"]) is not None


def skipped_beside_a_good_key(member: object) -> str:
    """Return why *member* is not used, having made sure that the key beside it is."""
    key_set = parse(member, ed25519_jwk(kid="good"))
    assert key_set.key_ids == {"good"}
    assert len(key_set.keys) == 1
    assert key_set.select("good", ALGORITHMS["EdDSA"]) is not None
    (reason,) = key_set.skipped
    return reason


UNKNOWN_TYPE = "unknown key type or curve"


UNREADABLE = "key material cannot be read"


WRONG_SIZE = "RSA modulus is too short or too long"


WRONG_ALGORITHM = "algorithm is not a known signature algorithm of its key type"


WRONG_KEY_ID = "key id is not a string of acceptable length"


#: What is no key, or does not say what it is. A published secret is not a secret.
NO_KEYS: list[tuple[tuple[object, ...], str]] = [
    ((None, "text", 1, 1.5, True, [], [{}]), "not a JSON object"),
    (({}, {"kty": "EC"}, {"crv": "P-256"}, {"kid": "x"}), UNKNOWN_TYPE),
    (({"kty": "oct", "k": "AAAA", "alg": "HS256"},), "holds secret material"),
]


#: What a key is turned into by these members, and why it is not used then.
UNUSABLE: list[tuple[str, str, tuple[object, ...], str]] = [
    # Only RSA, the three NIST curves and Ed25519, each curve with its own type.
    ("P-256", "kty", ("oct", "AKP", "rsa", None, 1, ["EC"], {}, "OKP"), UNKNOWN_TYPE),
    ("P-256", "crv", ("secp256k1", "p-256", "Ed448", "X25519", None, ["P-256"], "Ed25519"), UNKNOWN_TYPE),
    # No spelling but base64url of the right length, and no point off the curve.
    ("P-256", "x", (None, "", 5, [], {}, "AQAB=", "A Q", "ü", "AQA", "+/", "A" * 5000), UNREADABLE),
    ("P-256", "y", (None, "", 5, [], {}, "AQAB=", "A Q", "ü", "AQA", "+/", "A" * 5000), UNREADABLE),
    # The public key is 32 bytes, no more and no less.
    ("Ed25519", "x", (None, "", 5, [], "AQAB=", "A" * 42, "A" * 44), UNREADABLE),
    # Text that is not base64url, zero and one are no RSA numbers; with an even exponent nobody could have signed.
    ("RSA", "n", (None, "", 65537, [], {}, "AQAB==", "A Q", "ü", "AA", "AQ"), UNREADABLE),
    ("RSA", "e", (None, "", 65537, [], {}, "AQAB==", "A Q", "ü", "AA", "AQ", number(65536)), UNREADABLE),
    # One bit under 2048, and what OpenSSL would refuse at the time of use.
    ("RSA", "n", tuple(number((1 << (bits - 1)) + 1) for bits in (2047, 16385, 100_000)), WRONG_SIZE),
    # It would make each verification slow.
    ("RSA", "e", (number((1 << 64) + 1),), "RSA exponent is too long"),
    # Whoever publishes a private part has lost the key, even if the member is empty.
    *(("RSA", name, (None,), "holds secret material") for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")),
    # If use is there, it is exactly "sig"; if key_ops is there, it is a list that holds "verify".
    ("Ed25519", "use", ("enc", "SIG", "", None, 1, ["sig"]), "not for signatures"),
    ("Ed25519", "key_ops", ([], ["sign"], ["Verify"], "verify", None, {"verify": 1}, 1, [["verify"]]),
     "not for verification"),
    ("Ed25519", "kid", (1, True, [], {}, ["a"], "k" * 257), WRONG_KEY_ID),
    ("RSA", "alg", ("HS256", "none", "RSA-OAEP", "rs256", "", "ES256", "EdDSA", None, 1, [], {}, ["RS256"]),
     WRONG_ALGORITHM),
    ("P-256", "alg", ("ES384",), WRONG_ALGORITHM),
]  # fmt: skip


class TestMembers:
    @pytest.mark.parametrize(
        ("member", "reason"), [(member, reason) for members, reason in NO_KEYS for member in members], ids=repr
    )
    def test_what_is_no_key_is_skipped(self, member: object, reason: str) -> None:
        assert skipped_beside_a_good_key(member) == reason

    @pytest.mark.parametrize(
        ("kind", "name", "value", "reason"),
        [(kind, name, value, reason) for kind, name, values, reason in UNUSABLE for value in values],
        ids=lambda value: repr(value)[:20],
    )
    def test_a_key_that_cannot_be_used_is_skipped(
        self, jwks: dict[str, JWK], kind: str, name: str, value: object, reason: str
    ) -> None:
        assert skipped_beside_a_good_key({**jwks[kind], name: value}) == reason

    @pytest.mark.parametrize("name", ["x", "y"])
    def test_a_curve_point_without_a_number_is_skipped(self, jwks: dict[str, JWK], name: str) -> None:
        jwk = {key: value for key, value in jwks["P-256"].items() if key != name}
        assert skipped_beside_a_good_key(jwk) == UNREADABLE

    def test_an_rsa_key_of_1024_bits_is_skipped(self) -> None:
        """Keys under 2048 bits are too weak to believe (CVE-2025-45768)."""
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        assert skipped_beside_a_good_key(jwk_of(weak, "RS256", kid="weak")) == WRONG_SIZE

    def test_a_private_key_is_skipped(self, rsa_private_key: rsa.RSAPrivateKey) -> None:
        """A complete private JWK is not used for its public half."""
        implementation: Any = get_default_algorithms()["RS256"]
        member = implementation.to_jwk(rsa_private_key, as_dict=True)
        assert skipped_beside_a_good_key({**member, "key_ops": ["verify"]}) == "holds secret material"

    @pytest.mark.parametrize(
        ("kind", "members"),
        [
            # The limits themselves are within the limits.
            ("RSA", {"n": number((1 << 16383) + 1)}),
            ("RSA", {"e": number((1 << 63) + 1)}),
            ("Ed25519", {"kid": "k" * 256}),
            # Neither use nor key_ops is required, and unknown members do not matter (RFC 7517 §4).
            ("Ed25519", {}),
            ("Ed25519", {"use": "sig"}),
            ("Ed25519", {"key_ops": ["verify"]}),
            ("Ed25519", {"key_ops": [{}, None, "sign", "verify"]}),
            ("Ed25519", {"x5c": ["x"], "x5t": 1}),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_a_key_within_the_limits_is_used(self, jwks: dict[str, JWK], kind: str, members: JWK) -> None:
        jwk = {**jwks[kind], **members}
        key_set = parse(jwk)
        assert len(key_set.keys) == 1
        assert key_set.select(jwk["kid"], ALGORITHMS["RS256" if kind == "RSA" else "EdDSA"]) is not None

    @pytest.mark.parametrize(("count", "skipped"), [(64, ()), (65, ("more than 64 keys",))])
    def test_no_more_than_64_keys_are_used(self, count: int, skipped: tuple[str, ...]) -> None:
        key_set = parse(*(ed25519_jwk(kid=f"key-{index}") for index in range(count)))
        assert key_set.key_ids == {f"key-{index}" for index in range(64)}
        assert (len(key_set.keys), key_set.skipped) == (64, skipped)

    def test_unusable_members_do_not_count_among_the_64(self) -> None:
        assert parse(*[None] * 100, ed25519_jwk(kid="good")).key_ids == {"good"}

    def test_reasons_never_show_what_the_key_set_said(self) -> None:
        """They are fixed texts, safe to log."""
        key_set = parse(ed25519_jwk(use="SPY"), {"kty": "SPY"}, ed25519_jwk(kid="SPY" * 100), ed25519_jwk(kid="good"))
        assert "SPY" not in "".join(key_set.skipped)


DOCUMENTS: dict[str, tuple[bytes, ...]] = {
    # A document that can be read in two ways is no key set, whatever else is in it.
    "not_json": (
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
        codecs.BOM_UTF8,
        codecs.BOM_UTF8 * 2 + b'{"keys": []}',
        b" " + codecs.BOM_UTF8 + b'{"keys": []}',
        b'{"keys": []}' + codecs.BOM_UTF8,
    ),
    # RFC 7517 §5: keys is required, and is an array.
    "not_a_key_set": (b"{}", b'{"keys": null}', b'{"keys": {}}', b'{"keys": "x"}', b'{"Keys": []}'),
    # Such a set must not replace a good one.
    "no_usable_key": (b'{"keys": []}', b'{"keys": [null]}', b'{"keys": [{"kty": "oct", "k": "AAAA"}]}'),
}


class TestDocuments:
    def test_a_byte_order_mark_at_the_start_is_ignored(self) -> None:
        """As RFC 8259 §8.1 permits. In a token it is refused: parsers differ about it."""
        document = json.dumps({"keys": [ed25519_jwk(kid="a")]}).encode("utf-8-sig")
        assert document.startswith(codecs.BOM_UTF8)
        assert parse_key_set(document).key_ids == {"a"}

    @pytest.mark.parametrize(
        ("document", "code"),
        [(document, code) for code, documents in DOCUMENTS.items() for document in documents],
        ids=lambda value: str(value)[:40],
    )
    def test_a_document_without_keys_to_use_is_refused(self, document: bytes, code: str) -> None:
        with pytest.raises(KeySetError) as caught:
            parse_key_set(document)
        assert (caught.value.code, str(caught.value).partition(" (")[0]) == (code, KeySetError.descriptions[code])

    @pytest.mark.parametrize(
        ("document", "reasons"),
        [
            (b'{"keys": []}', ""),
            (b'{"keys": [null, 1, null]}', " (not a JSON object)"),
            (
                b'{"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "use": "enc"}]}',
                " (holds secret material; not for signatures)",
            ),
        ],
    )
    def test_a_set_of_unusable_keys_says_why_each_of_them_is(self, document: bytes, reasons: str) -> None:
        with pytest.raises(KeySetError) as caught:
            parse_key_set(document)
        assert str(caught.value) == f"the key set holds no usable key{reasons}"

    def test_a_key_set_whose_only_key_id_is_disabled_is_refused(self) -> None:
        with pytest.raises(KeySetError, match="no usable key"):
            parse(ed25519_jwk(kid="twice"), ed25519_jwk(kid="twice"))

    def test_an_odd_member_of_32_levels_does_no_harm(self) -> None:
        levels = 30  # the document and its list are two more
        member = json.loads("[" * levels + "]" * levels)
        assert parse(member, ed25519_jwk(kid="good")).key_ids == {"good"}


def without_key_id(jwk: JWK) -> JWK:
    return {name: value for name, value in jwk.items() if name != "kid"}


class TestIdentity:
    def test_identity_ignores_order_and_members_that_mean_nothing(self, jwks: dict[str, JWK]) -> None:
        rsa_jwk, ec_jwk = jwks["RSA"], jwks["P-256"]
        first = parse(rsa_jwk, ec_jwk)
        assert parse({**ec_jwk, "x5t": "new"}, {**rsa_jwk, "use": "sig"}, None).identity == first.identity

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (dict, lambda jwk: {**jwk, "kid": "b"}),
            (dict, without_key_id),
            # A token that names the empty key id finds a key in one of the two only.
            (without_key_id, lambda jwk: {**jwk, "kid": ""}),
            (dict, lambda jwk: {**jwk, "alg": "EdDSA"}),
            (dict, lambda jwk: {**jwk, "x": ed25519_jwk()["x"]}),
        ],
        ids=["key id", "no key id", "empty key id", "algorithm", "material"],
    )
    def test_identity_tells_different_sets_apart(
        self, first: Callable[[JWK], JWK], second: Callable[[JWK], JWK]
    ) -> None:
        jwk = ed25519_jwk(kid="a")
        assert parse(first(jwk)).identity != parse(second(jwk)).identity

    def test_identity_tells_a_removed_key(self) -> None:
        stays, goes = ed25519_jwk(kid="stays"), ed25519_jwk(kid="goes")
        assert parse(stays).identity != parse(stays, goes).identity
