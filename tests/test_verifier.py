"""What makes a token valid, rule by rule, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import jwt
import pytest
from conftest import MovableClock
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import get_default_algorithms
from known_keys import KnownKeys
from refusals import ABSENT, by_hand, changed, claims_of, header_of, segment, with_member, with_signature

from auth0_blueprint import AccessToken, InvalidTokenError, KeySetUnavailableError
from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.jose import jws
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.claims import _permissions_in, _scopes_in
from auth0_blueprint.verification.sequence import Presentation
from auth0_blueprint.verification.verifier import Verifier

LEEWAY_SECONDS = 5
DAYS = 86_400
LAST_SECOND = 253_402_300_799  # of the year 9999
P256, P384, P521 = ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()

MakeVerifier = Callable[..., Verifier]
Mint = Callable[..., str]
Spoil = Callable[[str], Any]
Refusal = tuple[str, str]  # its code and its reason


@pytest.fixture
def keys(issuer: LocalIssuer) -> KnownKeys:
    return KnownKeys(*issuer.key_set["keys"])


@pytest.fixture
def make_verifier(issuer: LocalIssuer, keys: KnownKeys, clock: MovableClock) -> MakeVerifier:
    """Return a factory of verifiers of the issuer's tokens: ``make_verifier(keys=None, **settings)``."""

    def make(own_keys: KnownKeys | None = None, **settings: Any) -> Verifier:
        loaded = load_settings({**issuer.settings, **settings}, {})
        return Verifier(loaded, {issuer.issuer: own_keys or keys}, clock=clock)

    return make


@pytest.fixture
def verifier(make_verifier: MakeVerifier) -> Verifier:
    return make_verifier()


@pytest.fixture
def mint(issuer: LocalIssuer, clock: MovableClock) -> Mint:
    """Return a function that mints tokens of an hour from the clock's now."""

    def mint_token(**options: Any) -> str:
        return issuer.token(**{"iat": int(clock.now), "exp": int(clock.now) + 3600, **options})

    return mint_token


@pytest.fixture
def forge(issuer: LocalIssuer, mint: Mint) -> Mint:
    """Return a function that signs a good token with changes in header and claims: ``forge(header=None, **claims)``."""

    def forge_token(header: dict[str, Any] | None = None, **claims: Any) -> str:
        good = mint()
        return by_hand(issuer, changed(header_of(good), header or {}), changed(claims_of(good), claims))

    return forge_token


def refusal(verifier: Verifier, token: str) -> Refusal:
    """Return the refusal of *token*."""
    with pytest.raises(InvalidTokenError) as caught:
        verifier.prove(token)
    return caught.value.code, caught.value.reason


def test_a_token_of_the_issuer_for_this_api_is_accepted(verifier: Verifier, mint: Mint) -> None:
    token = mint(scope="read:messages", permissions=["read:messages"])
    assert verifier.prove(token) == claims_of(token)


class TestShape:
    """Step 2: size, segments, strict JSON. Shape costs no look-up of a key."""

    def test_a_token_of_the_maximum_size_is_accepted_and_none_of_a_byte_more(
        self, make_verifier: MakeVerifier, mint: Mint
    ) -> None:
        token = mint(filling="x" * 500)
        assert make_verifier(AUTH0_MAX_TOKEN_BYTES=len(token)).prove(token)
        assert refusal(make_verifier(AUTH0_MAX_TOKEN_BYTES=len(token) - 1), token) == ("token_malformed", "too_long")

    @pytest.mark.parametrize(
        ("token", "reason"),
        [
            *((token, "opaque") for token in ("", "opaque", "\ud800", "a.b", "a.b.c.d", "a.b.c.d.e.f", "." * 16_384)),
            *(("a.b.c.d.e", "encrypted"), ("x" * 16_385, "too_long")),
        ],
    )
    def test_only_three_segments_are_a_signed_token(
        self, verifier: Verifier, keys: KnownKeys, token: str, reason: str
    ) -> None:
        """Five segments are an encrypted token, any other number is an opaque one."""
        assert (refusal(verifier, token), keys.asked) == (("token_malformed", reason), [])

    def test_a_token_in_parts_does_not_show_them(self, mint: Mint) -> None:
        """Whatever logs it cannot give it away."""
        assert "auth0|spy" not in repr(jws.parse(mint(sub="auth0|spy").encode(), max_bytes=16_384))

    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize(
        "spoil",
        [
            *(lambda text: text + "=", lambda text: text + "==", lambda text: text + "\n", lambda text: "\t" + text),
            *(lambda text: text[:2] + " " + text[2:], lambda text: text[:2] + "\r\n" + text[2:]),
            *(lambda text, odd=odd: text[:2] + odd + text[3:] for odd in ("+", "/", "%", "\u00e9", "\uff21", "\0")),
            lambda text: text + "A" * ((1 - len(text)) % 4),
        ],
    )
    def test_each_segment_is_canonical_base64url(
        self, verifier: Verifier, keys: KnownKeys, mint: Mint, index: int, spoil: Spoil
    ) -> None:
        segments = mint().split(".")
        segments[index] = spoil(segments[index])
        assert (refusal(verifier, ".".join(segments)), keys.asked) == (("token_malformed", "not_base64url"), [])

    def test_the_last_character_of_the_signature_has_one_spelling(self, verifier: Verifier, mint: Mint) -> None:
        """The unused bits of the last character are zero (RFC 4648 §3.5)."""
        token = mint()
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        respelt = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
        assert refusal(verifier, respelt) == ("token_malformed", "not_base64url")

    @pytest.mark.parametrize(
        "text",
        [
            *(b"", b"{", b"null", b"7", b'"text"', b"[]", b"{} {}", b"{'alg': 'RS256'}", b'{"alg": "RS256",}'),
            *(b'\xef\xbb\xbf{"alg": "RS256"}', b'{"alg": "\xff"}', '{"alg": "RS256"}'.encode("utf-16")),
            *(b'{"alg": "RS256", "x": NaN}', b'{"alg": "RS256", "x": -Infinity}'),
            *(b'{"alg": "RS256", "alg": "RS256"}', b'{"alg": "RS256", "x": {"y": [{"z": 1, "z": 1}]}}'),
            *(b'{"alg": "RS256", "x": "\\ud800"}', b'{"alg": "RS256", "\\udc00": 1}'),
            b'{"alg": "RS256", "x": ' + b"[" * 32 + b"]" * 32 + b"}",
        ],
    )
    def test_the_header_is_one_strict_json_object(self, verifier: Verifier, issuer: LocalIssuer, text: bytes) -> None:
        """What two readers could take for two things is refused."""
        assert refusal(verifier, by_hand(issuer, header=text)) == ("token_malformed", "header_not_json")

    @pytest.mark.parametrize(
        "text",
        [
            *(b"", b"null", b"[]", b'{"sub": "\xff"}', b'{"sub": NaN}', b'{"sub": "a", "sub": "b"}'),
            *(b'{"x": {"y": 1, "\\u0079": 2}}', b'{"sub": "\\udfff"}', b'{"exp": ' + b"9" * 5000 + b"}"),
            b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}",
            # What only some readers take for a number makes the whole payload unreadable.
            *(
                f'{{"exp": {text}}}'.encode()
                for text in ("NaN", "Infinity", "-Infinity", "nan", "0x7f", "01", "+1", "1.")
            ),
        ],
    )
    def test_the_payload_is_one_strict_json_object(self, verifier: Verifier, issuer: LocalIssuer, text: bytes) -> None:
        assert refusal(verifier, by_hand(issuer, claims=text)) == ("token_malformed", "payload_not_json")

    def test_claims_may_be_nested_31_deep_inside_the_payload(self, verifier: Verifier, mint: Mint) -> None:
        """The payload itself is one level of the 32."""
        nested: Any = "innermost"
        for _ in range(31):
            nested = [nested]
        assert verifier.prove(mint(nested=nested))["nested"] == nested

    def test_a_claim_may_hold_any_text(self, verifier: Verifier, mint: Mint) -> None:
        """Surrogate pairs and the null character are good JSON."""
        assert verifier.prove(mint(name="\U0001f600\0\u00e9"))["name"] == "\U0001f600\0\u00e9"


UNSUPPORTED, CRITICAL = ("unsupported_algorithm",) * 2, ("token_malformed", "critical_extension")
BAD_KEY_ID, BAD_TYPE = ("token_malformed", "key_id"), ("token_malformed", "type")
MISSING_CLAIM = ("invalid_claims", "missing_claim")

REFUSED_HEADERS: list[tuple[str, Refusal, list[Any]]] = [
    # Only what AUTH0_ALGORITHMS names is taken, and only as text. There is no default.
    ("alg", UNSUPPORTED, ["RS384", "PS256", "ES256", "HS256", "none", "", None, 1, True, ["RS256"], {}, ABSENT]),
    ("kid", BAD_KEY_ID, [None, 7, True, [], ["local-1"], {}, "x" * 257]),
    # None is understood here, so none may be demanded (RFC 7515 §4.1.11).
    ("crit", CRITICAL, [[], ["exp"], None]),
    ("b64", CRITICAL, [True, False, None]),
    # Other kinds of tokens are signed with the same keys (RFC 8725 §3.11).
    ("typ", BAD_TYPE, ["", " JWT", "JWT ", "id_token", "dpop+jwt", "logout+jwt", "application/dpop+jwt"]),
    ("typ", BAD_TYPE, [None, 7, True, ["JWT"], {}]),
]


class TestHeader:
    """Step 3: algorithm, key id, extensions, type."""

    @pytest.mark.parametrize(
        ("name", "value", "expected"), [(name, value, why) for name, why, values in REFUSED_HEADERS for value in values]
    )
    def test_a_header_that_breaks_a_rule_is_refused_before_a_key_is_looked_for(
        self, verifier: Verifier, keys: KnownKeys, forge: Mint, name: str, value: object, expected: Refusal
    ) -> None:
        assert (refusal(verifier, forge({name: value})), keys.asked) == (expected, [])

    @pytest.mark.parametrize("key_id", ["", "x" * 256])
    def test_a_key_id_at_the_limits_is_only_unknown(self, verifier: Verifier, mint: Mint, key_id: str) -> None:
        assert refusal(verifier, mint(headers={"kid": key_id})) == ("unknown_key", "unknown_key")

    @pytest.mark.parametrize(
        "token_type",
        [
            *("JWT", "jwt", "Jwt", "application/jwt", "Application/JWT"),
            *("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt", ABSENT),
        ],
    )
    def test_access_token_types_are_taken_in_any_case_and_optional(
        self, verifier: Verifier, forge: Mint, token_type: Any
    ) -> None:
        """Media types know no case (RFC 7515 §4.1.9); a type is a must only where a profile makes it one."""
        assert verifier.prove(forge({"typ": token_type}))


class TestProfile:
    """AUTH0_TOKEN_PROFILE and AUTH0_REQUIRED_CLAIMS."""

    @pytest.mark.parametrize(
        ("profile", "token_type", "claims"),
        [
            # Type at+jwt, client_id and jti (RFC 9068 §2).
            ("rfc9068", "at+jwt", {"client_id": "a client", "jti": "7", "azp": ABSENT}),
            ("rfc9068", "application/at+jwt", {"client_id": "a client", "jti": "7", "azp": ABSENT}),
            ("auth0", "JWT", {}),
            ("auth0", "application/jwt", {}),
        ],
    )
    def test_a_profile_takes_its_own_tokens(
        self, make_verifier: MakeVerifier, forge: Mint, profile: str, token_type: str, claims: dict[str, Any]
    ) -> None:
        assert make_verifier(AUTH0_TOKEN_PROFILE=profile).prove(forge({"typ": token_type}, **claims))

    @pytest.mark.parametrize(
        ("profile", "token_type", "claims", "expected"),
        [
            # RFC 9068 §4 makes the type a must, and §2.2 the claims.
            ("rfc9068", "JWT", {"client_id": "a client", "jti": "7"}, BAD_TYPE),
            ("rfc9068", "application/jwt", {"client_id": "a client", "jti": "7"}, BAD_TYPE),
            ("rfc9068", ABSENT, {"client_id": "a client", "jti": "7"}, BAD_TYPE),
            ("rfc9068", "at+jwt", {"client_id": ABSENT, "jti": "7"}, MISSING_CLAIM),
            ("rfc9068", "at+jwt", {"client_id": "a client", "jti": ABSENT}, MISSING_CLAIM),
            # Tokens of Auth0's own profile say JWT, and name the client in azp.
            ("auth0", "at+jwt", {}, BAD_TYPE),
            ("auth0", ABSENT, {}, BAD_TYPE),
            ("auth0", "JWT", {"client_id": "a client", "azp": ABSENT}, MISSING_CLAIM),
        ],
    )
    def test_a_profile_refuses_a_token_without_its_type_or_claims(
        self, make_verifier: MakeVerifier, forge: Mint, profile: str, token_type: Any, claims: Any, expected: Refusal
    ) -> None:
        verifier = make_verifier(AUTH0_TOKEN_PROFILE=profile)
        assert refusal(verifier, forge({"typ": token_type}, **claims)) == expected

    @pytest.mark.parametrize("profile", ["any", "auth0"])
    def test_required_claims_have_to_be_present(self, make_verifier: MakeVerifier, mint: Mint, profile: str) -> None:
        verifier = make_verifier(AUTH0_TOKEN_PROFILE=profile, AUTH0_REQUIRED_CLAIMS=["org_id", "tier"])
        assert verifier.prove(mint(org_id="org_1", tier=None))
        assert refusal(verifier, mint(org_id="org_1")) == MISSING_CLAIM


@pytest.mark.parametrize(
    "spoil",
    [
        *(lambda issuer: issuer[:-1], lambda issuer: issuer[:-5], lambda issuer: issuer.upper()),
        *(lambda issuer: issuer + "x", lambda issuer: issuer + "/", lambda issuer: issuer + " "),
        *(lambda issuer: "https://other.example.com/", lambda issuer: [issuer], lambda issuer: {issuer: issuer}),
        *(lambda issuer: "", lambda issuer: None, lambda issuer: True, lambda issuer: ABSENT),
    ],
)
def test_the_issuer_is_compared_exactly_before_a_key_is_looked_for(
    verifier: Verifier, keys: KnownKeys, issuer: LocalIssuer, forge: Mint, spoil: Spoil
) -> None:
    """No prefix, no list, no other spelling. Keys of other issuers are not ours to fetch."""
    token = forge(iss=spoil(issuer.issuer))
    assert (refusal(verifier, token), keys.asked) == (("invalid_claims", "issuer"), [])


def _members(key: Any, **members: str) -> dict[str, Any]:
    """Return the public half of *key* as a JWK."""
    families = {ec.EllipticCurvePrivateKey: "ES256", ed25519.Ed25519PrivateKey: "EdDSA"}
    algorithm = next((name for family, name in families.items() if isinstance(key, family)), "RS256")
    implementation: Any = get_default_algorithms()[algorithm]
    jwk: dict[str, Any] = implementation.to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, **members}


def _sign(key: Any, algorithm: str, claims: dict[str, Any], name: str | None = None, **header: str) -> str:
    """Sign with *algorithm*, and call it *name*."""
    header = {"typ": "JWT", "alg": name or algorithm, **header}
    signing_input = f"{segment(header)}.{segment(claims)}"
    signature = get_default_algorithms()[algorithm].sign(signing_input.encode(), key)
    return f"{signing_input}.{segment(signature)}"


class TestAlgorithms:
    """Steps 4 and 5: each family of keys, and what the signature has to fit."""

    @pytest.mark.parametrize(
        ("algorithm", "curve"),
        [
            *((name, None) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
            *(("ES256", P256), ("ES384", P384), ("ES512", P521)),
        ],
    )
    def test_a_key_without_alg_serves_all_of_its_family(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint, algorithm: str, curve: Any
    ) -> None:
        key = ec.generate_private_key(curve) if curve else issuer.signing_key()
        verifier = make_verifier(KnownKeys(_members(key, kid="1")), AUTH0_ALGORITHMS=algorithm)
        assert verifier.prove(_sign(key, algorithm, claims_of(mint()), kid="1"))

    @pytest.mark.parametrize("allowed", ["EdDSA", "Ed25519"])
    @pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
    @pytest.mark.parametrize("published", [{}, {"alg": "EdDSA"}, {"alg": "Ed25519"}])
    def test_eddsa_and_ed25519_are_two_names_of_one_algorithm(
        self, make_verifier: MakeVerifier, mint: Mint, allowed: str, name: str, published: dict[str, str]
    ) -> None:
        """Whichever name the settings, the key set and the token use (RFC 9864)."""
        key = ed25519.Ed25519PrivateKey.generate()
        verifier = make_verifier(KnownKeys(_members(key, kid="ed", **published)), AUTH0_ALGORITHMS=allowed)
        assert verifier.prove(_sign(key, "EdDSA", claims_of(mint()), name, kid="ed"))

    def test_allowing_one_algorithm_does_not_allow_eddsa(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """The two names come together only when one of them was named."""
        key = ed25519.Ed25519PrivateKey.generate()
        verifier = make_verifier(KnownKeys(_members(key, kid="ed")), AUTH0_ALGORITHMS="RS256")
        assert refusal(verifier, _sign(key, "EdDSA", claims_of(mint()), kid="ed")) == UNSUPPORTED

    @pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
    def test_a_key_serves_only_the_algorithm_that_it_names_and_its_own_type(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint, algorithm: str
    ) -> None:
        key = issuer.signing_key() if algorithm == "PS256" else ec.generate_private_key(P256)
        verifier = make_verifier(AUTH0_ALGORITHMS=["RS256", algorithm])
        token = _sign(key, algorithm, claims_of(mint()), kid=issuer.key_ids[-1])
        assert refusal(verifier, token)[0] == "unknown_key"

    def test_a_key_on_another_curve_does_not_fit(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """A P-384 key is none for ES256, although it can sign with SHA-256."""
        verifier = make_verifier(KnownKeys(_members(ec.generate_private_key(P384), kid="ec")), AUTH0_ALGORITHMS="ES256")
        signing_input = f"{segment({'alg': 'ES256', 'kid': 'ec'})}.{segment(claims_of(mint()))}"
        assert refusal(verifier, f"{signing_input}.{segment(bytes(64))}")[0] == "unknown_key"

    def test_a_token_without_a_key_id_is_verified_with_the_only_key_that_fits(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint
    ) -> None:
        """A key of another type beside it does not matter."""
        verifier = make_verifier(KnownKeys(*issuer.key_set["keys"], _members(ec.generate_private_key(P256), kid="ec")))
        assert verifier.prove(_sign(issuer.signing_key(), "RS256", claims_of(mint())))

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ({}, ("unknown_key", "no_key_id")),
            ({"kid": "3"}, ("unknown_key", "unknown_key")),
            ({"kid": "2"}, ("invalid_signature", "invalid_signature")),
        ],
    )
    def test_keys_are_not_tried_one_after_the_other(
        self, make_verifier: MakeVerifier, mint: Mint, header: dict[str, str], expected: Refusal
    ) -> None:
        """Of two that fit none is taken without a key id; with one, the signature has to be that key's."""
        one, two = (ec.generate_private_key(P256) for _ in range(2))
        verifier = make_verifier(KnownKeys(_members(one, kid="1"), _members(two, kid="2")), AUTH0_ALGORITHMS="ES256")
        assert refusal(verifier, _sign(one, "ES256", claims_of(mint()), **header)) == expected
        other = make_verifier(KnownKeys(_members(ec.generate_private_key(P384), kid="1")), AUTH0_ALGORITHMS="ES256")
        assert refusal(other, _sign(one, "ES256", claims_of(mint()), **header)) == ("unknown_key", "unknown_key")

    @pytest.mark.parametrize(
        ("algorithm", "signature"),
        [
            *(("RS256", text) for text in (b"", b"\0", bytes(64), bytes(256), bytes(257), b"\xff" * 256)),
            # Also zeros, numbers beyond the order of the curve, and the DER form.
            *(("ES256", text) for text in (b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64, b"\x30" * 70)),
        ],
    )
    def test_a_signature_of_any_other_bytes_is_refused(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint, algorithm: str, signature: bytes
    ) -> None:
        key = issuer.signing_key() if algorithm == "RS256" else ec.generate_private_key(P256)
        verifier = make_verifier(KnownKeys(_members(key, kid="1")), AUTH0_ALGORITHMS=algorithm)
        token = with_signature(_sign(key, algorithm, claims_of(mint()), kid="1"), signature)
        assert refusal(verifier, token)[0] == "invalid_signature"

    @pytest.mark.parametrize("index", [0, 1])
    def test_a_signature_covers_header_and_payload(self, verifier: Verifier, mint: Mint, index: int) -> None:
        segments = mint().split(".")
        segments[index] = mint(headers={"typ": "at+jwt"}, sub="auth0|another").split(".")[index]
        assert refusal(verifier, ".".join(segments))[0] == "invalid_signature"


REFUSED_CLAIMS: list[tuple[str, str, list[Any]]] = [
    # Neither a part nor a superstring of ours, nor a list that holds anything but texts.
    ("aud", "audience", ["https://api.example.com/", "https://api.example", "xhttps://api.example.com", "", [], [""]]),
    ("aud", "audience", ["https://api.example.com https://b", "HTTPS://api.example.com"]),
    ("aud", "audience", [["https://api.example.com/v2"], [["https://api.example.com"]], None, 7, True, ABSENT]),
    ("aud", "audience", [["https://api.example.com", 7], ["https://api.example.com", None]]),
    ("aud", "audience", [{"https://api.example.com": 1}]),
    ("sub", "subject", ["", None, 7, True, [], ["auth0|user"], {}, ABSENT]),
    # Whoever compares identifiers may rely on them to be texts.
    *((name, "identifier", [None, 7, True, ["x"], {}]) for name in ("jti", "client_id", "azp", "org_id")),
    ("scope", "scope", [None, 1, True, {}, {"read:a": True}, ["read:a", 1], ["read:a", None], [["read:a"]]]),
    ("permissions", "permissions", [None, 1, True, "admin", "", {}, {"admin": True}]),
    ("permissions", "permissions", [["admin", 1], ["admin", None], [["admin"]]]),
    # A token without an end never ends.
    *((name, "time", [ABSENT]) for name in ("exp", "iat")),
]


class TestClaims:
    @pytest.mark.parametrize(
        ("name", "value", "reason"), [(name, value, why) for name, why, values in REFUSED_CLAIMS for value in values]
    )
    def test_a_claim_of_another_type_or_value_is_refused(
        self, verifier: Verifier, forge: Mint, name: str, value: object, reason: str
    ) -> None:
        assert refusal(verifier, forge(**{name: value})) == ("invalid_claims", reason)

    @pytest.mark.parametrize(
        "audience",
        [
            *("https://api.example.com", ["https://api.example.com"]),
            ["https://tenant.example.com/userinfo", "https://api.example.com"],
        ],
    )
    def test_the_audience_may_be_one_text_or_hold_it(self, verifier: Verifier, mint: Mint, audience: object) -> None:
        """Auth0 sends both forms (RFC 7519 §4.1.3)."""
        assert verifier.prove(mint(aud=audience))

    def test_any_of_several_audiences_is_enough(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        verifier = make_verifier(AUTH0_AUDIENCE=["https://one.example.com", "https://two.example.com"])
        assert verifier.prove(mint(aud="https://two.example.com"))

    @pytest.mark.parametrize(
        ("scope", "scopes"),
        [
            *((scope, {"read:a", "write:a"}) for scope in ("read:a write:a", ["read:a", "write:a"])),
            *(("  read:a   ", {"read:a"}), (["", "read:a"], {"read:a"}), ("", set()), ([], set())),
            *((scope, {scope}) for scope in ("read:a\twrite:a", "read:a,write:a")),
            (["read:a write:a"], {"read:a write:a"}),
        ],
    )
    def test_scopes_are_separated_by_spaces_or_come_as_a_list(
        self, verifier: Verifier, mint: Mint, scope: object, scopes: set[str]
    ) -> None:
        """RFC 8693 §4.2 and the list that some rules of tenants make; nothing else separates."""
        assert verifier.prove(mint(scope=scope)).scopes == scopes

    def test_tokens_share_their_scopes_and_permissions_and_a_forged_one_adds_none(
        self, verifier: Verifier, mint: Mint
    ) -> None:
        claims = {"scope": "read:shared", "permissions": ["read:a", "read:b"]}
        first, second = (verifier.prove(mint(**claims, sub=subject)) for subject in "ab")
        assert first.scopes | first.permissions == {"read:shared", "read:a", "read:b"}
        assert first.scopes is second.scopes
        assert first.permissions is second.permissions
        known = [cached.cache_info() for cached in (_scopes_in, _permissions_in)]
        token = mint(scope="read:forged", permissions=["read:forged"])
        assert refusal(verifier, token[:-8] + "A" * 8)[0] == "invalid_signature"
        assert [cached.cache_info() for cached in (_scopes_in, _permissions_in)] == known
        assert [info.maxsize for info in known] == [128, 128]

    @pytest.mark.parametrize(
        ("claims", "scopes", "permissions"),
        [({}, set(), set()), ({"scope": "read:a", "permissions": ["read:b"]}, {"read:a"}, {"read:b"})],
    )
    def test_scopes_and_permissions_are_optional_and_never_merged(
        self, verifier: Verifier, mint: Mint, claims: dict[str, Any], scopes: set[str], permissions: set[str]
    ) -> None:
        """What was granted is not what was asked for."""
        token = verifier.prove(mint(**claims))
        assert (token.scopes, token.permissions) == (frozenset(scopes), frozenset(permissions))

    @pytest.mark.parametrize(
        "confirmation", [None, "", "x", [], {}, {"jkt": "x"}, {"x5t#S256": "x"}, {"odd": 1}, 0, False]
    )
    def test_whatever_a_token_is_bound_to_is_seen(self, verifier: Verifier, forge: Mint, confirmation: object) -> None:
        """Nobody can prove it outside of a request, so the binding refuses the token there."""
        token = forge(cnf=confirmation)
        access_token = verifier.prove(token)
        assert access_token.is_bound
        with pytest.raises(BindingMismatchError):
            Binding().check(access_token, Presentation(token))


NO_TIMES = [
    *("null", "[]", "[1800000000]", "{}", "true", "false", '"1800000000"', '""', "-1", "-0.5"),
    *("-1800000000", "9" * 4000, str(LAST_SECOND + 1), "1e300"),
]


class TestTimes:
    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            *product(("exp", "iat", "nbf"), NO_TIMES, ("time",)),
            # Readers make infinity of what no double holds, so it is refused wherever it stands.
            *product(("exp", "iat", "nbf", "auth_time", "other"), ("1e400", "-1e400", "9e999999"), ("number",)),
        ],
    )
    def test_a_time_that_is_no_usable_number_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, name: str, value: str, reason: str
    ) -> None:
        token = by_hand(issuer, claims=with_member(claims_of(mint()), name, value))
        assert refusal(verifier, token) == ("invalid_claims", reason)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            # At exp + leeway it is over.
            *(({"iat": -60, "exp": -seconds}, None) for seconds in (4, 4.5)),
            *(({"iat": -60, "exp": -seconds}, ("token_expired", "token_expired")) for seconds in (5, 6)),
            # Clocks may differ by the leeway, and not by more.
            *(({name: ahead}, None) for name in ("nbf", "iat") for ahead in (0, 5)),
            *(({name: ahead}, ("token_not_yet_valid", name)) for name in ("nbf", "iat") for ahead in (5.5, 6)),
            # Thirty days, as Auth0 itself has it, unless AUTH0_MAX_TOKEN_LIFETIME says less.
            *(({"exp": 30 * DAYS}, None), ({"exp": 30 * DAYS + 1}, ("invalid_claims", "lifetime"))),
        ],
    )
    def test_a_token_is_good_for_its_time_and_the_leeway(
        self, verifier: Verifier, mint: Mint, clock: MovableClock, changes: Any, expected: Refusal | None
    ) -> None:
        token = mint(**{name: clock.now + seconds for name, seconds in changes.items()})
        if expected is None:
            assert verifier.prove(token)
        else:
            assert refusal(verifier, token) == expected

    @pytest.mark.parametrize("leeway_seconds", [0, LEEWAY_SECONDS])
    def test_a_token_expires_as_time_passes(
        self, make_verifier: MakeVerifier, mint: Mint, clock: MovableClock, leeway_seconds: int
    ) -> None:
        """Without leeway, the very second of exp is too late (RFC 7519 §4.1.4: on or after)."""
        verifier, token = make_verifier(AUTH0_LEEWAY=leeway_seconds), mint()
        clock.move(3599 + leeway_seconds)
        assert verifier.prove(token)
        clock.move(1)
        assert refusal(verifier, token)[0] == "token_expired"

    def test_the_lifetime_counts_from_the_time_of_issue(
        self, make_verifier: MakeVerifier, mint: Mint, clock: MovableClock
    ) -> None:
        verifier = make_verifier(AUTH0_MAX_TOKEN_LIFETIME=3600)
        token = mint(iat=int(clock.now) - 1800, exp=int(clock.now) + 1801)
        assert refusal(verifier, token) == ("invalid_claims", "lifetime")

    def test_the_last_second_of_the_year_9999_is_a_time(
        self, verifier: Verifier, mint: Mint, clock: MovableClock
    ) -> None:
        """The limit itself is within the limit, and a datetime can be made of it."""
        clock.now = LAST_SECOND - 60.0
        token = verifier.prove(mint(iat=LAST_SECOND - 60, exp=LAST_SECOND))
        assert token.expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    def test_the_first_second_of_the_year_1970_is_a_time(self, verifier: Verifier, mint: Mint) -> None:
        """Zero is a number like others: long ago, not ill-typed."""
        assert verifier.prove(mint(nbf=0))
        assert refusal(verifier, mint(iat=0, exp=0))[0] == "token_expired"

    def test_times_may_have_fractions(self, verifier: Verifier, mint: Mint, clock: MovableClock) -> None:
        """NumericDate allows them (RFC 7519 §2)."""
        assert verifier.prove(mint(iat=clock.now - 0.5)).issued_at.microsecond == 500_000


class TestOrder:
    """Cheapest first; nothing after the key speaks for forgers."""

    def test_claims_are_judged_only_under_a_good_signature(self, verifier: Verifier, mint: Mint) -> None:
        """Whoever forges learns nothing about the claims."""
        forged = with_signature(mint(exp=1, iat=0), bytes(256))
        assert refusal(verifier, forged)[0] == "invalid_signature"

    @pytest.mark.parametrize(("options", "asked"), [({}, "key_for"), ({"cached_only": True}, "cached_key")])
    def test_a_key_is_looked_for_once(
        self, verifier: Verifier, keys: KnownKeys, mint: Mint, options: dict[str, bool], asked: str
    ) -> None:
        verifier.prove(mint(), **options)
        assert keys.asked == [asked]

    def test_an_outage_is_passed_on(self, issuer: LocalIssuer, mint: Mint, clock: MovableClock) -> None:
        """That no key can be had is no verdict on the token."""

        class NoKeys:
            def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
                raise KeySetUnavailableError

            cached_key = key_for

            def snapshot(self) -> Snapshot:
                raise KeySetUnavailableError

        with pytest.raises(KeySetUnavailableError):
            Verifier(load_settings(issuer.settings, {}), {issuer.issuer: NoKeys()}, clock=clock).prove(mint())


def test_a_tenants_key_never_signs_for_another_tenant(
    issuer: LocalIssuer, keys: KnownKeys, mint: Mint, clock: MovableClock
) -> None:
    """A verifier for one issuer refuses another's token, although the keys are the same."""
    settings = load_settings({**issuer.settings, "AUTH0_ISSUER": "http://localhost:1/"}, {})
    assert refusal(Verifier(settings, {settings.issuers[0]: keys}, clock=clock), mint()) == ("invalid_claims", "issuer")


def test_verification_agrees_with_another_library(issuer: LocalIssuer, verifier: Verifier, mint: Mint) -> None:
    """What PyJWT reads from a token is what comes out here."""
    token = mint(scope="read:messages", tier={"name": "gold", "since": 2.5})
    options: Any = {"verify_exp": False, "verify_iat": False}
    key = issuer.signing_key().public_key()
    expected = jwt.decode(token, key, algorithms=["RS256"], audience=issuer.audience, options=options)
    accepted: AccessToken = verifier.prove(token)
    assert accepted.claims == expected
