"""What makes a token valid, rule by rule, on a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from conftest import MovableClock
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import get_default_algorithms
from refusals import by_hand, claims_of, header_of, segment, with_member

from auth0_blueprint import AccessToken, InvalidTokenError, KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.jose import jws
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.sequence import Presentation
from auth0_blueprint.verification.verifier import Verifier

LEEWAY_SECONDS = 5
DAYS = 86_400
LAST_SECOND = 253_402_300_799  # of the year 9999

MakeVerifier = Callable[..., Verifier]
Mint = Callable[..., str]


class Keys:
    """A key set that is already there. Notes how it was asked."""

    def __init__(self, *members: dict[str, Any]) -> None:
        self._key_set = parse_key_set(json.dumps({"keys": members}).encode())
        self.asked: list[str] = []

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        self.asked.append("key_for")
        return self._select(key_id, algorithm)

    def cached_key(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        self.asked.append("cached_key")
        return self._select(key_id, algorithm)

    def _select(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        key = self._key_set.select(key_id, algorithm)
        if key is None:
            raise UnknownKeyError
        return FoundKey(key, 1)

    def snapshot(self) -> Snapshot:
        return Snapshot(self._key_set, 0, 0, 0, 0, 0, "network", 1)


@pytest.fixture
def keys(issuer: LocalIssuer) -> Keys:
    return Keys(*issuer.key_set["keys"])


@pytest.fixture
def make_verifier(issuer: LocalIssuer, keys: Keys, clock: MovableClock) -> MakeVerifier:
    """Return a factory of verifiers of the issuer's tokens: ``make_verifier(keys=None, **settings)``."""

    def make(own_keys: Keys | None = None, **settings: Any) -> Verifier:
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


def refusal(verifier: Verifier, token: str) -> tuple[str, str]:
    """Return code and reason of the refusal of *token*."""
    with pytest.raises(InvalidTokenError) as caught:
        verifier.prove(token)
    return caught.value.code, caught.value.reason


def test_a_token_of_the_issuer_for_this_api_is_accepted(verifier: Verifier, mint: Mint) -> None:
    """The claims come out as they were signed."""
    token = mint(scope="read:messages", permissions=["read:messages"])
    assert verifier.prove(token) == claims_of(token)


class TestShape:
    """Step 2: size, segments, strict JSON."""

    def test_a_token_of_the_maximum_size_is_accepted(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """The limit itself is within the limit."""
        token = mint(filling="x" * 500)
        assert make_verifier(AUTH0_MAX_TOKEN_BYTES=len(token)).prove(token)

    def test_a_token_of_a_byte_more_is_refused(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """One byte over the limit is over the limit."""
        token = mint(filling="x" * 500)
        assert refusal(make_verifier(AUTH0_MAX_TOKEN_BYTES=len(token) - 1), token) == ("token_malformed", "too_long")

    @pytest.mark.parametrize(
        ("token", "reason"),
        [
            *(("", "opaque"), ("opaque", "opaque"), ("\ud800", "opaque"), ("a.b", "opaque"), ("a.b.c.d", "opaque")),
            *(("a.b.c.d.e", "encrypted"), ("a.b.c.d.e.f", "opaque"), ("." * 16_384, "opaque")),
        ],
    )
    def test_only_three_segments_are_a_signed_token(self, verifier: Verifier, token: str, reason: str) -> None:
        """Five segments are an encrypted token, any other number is an opaque one."""
        assert refusal(verifier, token) == ("token_malformed", reason)

    def test_a_token_in_parts_does_not_show_them(self, mint: Mint) -> None:
        """Whatever logs it cannot give it away."""
        assert "auth0|spy" not in repr(jws.parse(mint(sub="auth0|spy").encode(), max_bytes=16_384))

    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text + "=",
            lambda text: text + "==",
            lambda text: text + "\n",
            lambda text: "\t" + text,
            lambda text: text[:2] + " " + text[2:],
            lambda text: text[:2] + "\r\n" + text[2:],
            lambda text: text[:2] + "+" + text[3:],
            lambda text: text[:2] + "/" + text[3:],
            lambda text: text[:2] + "%" + text[3:],
            lambda text: text[:2] + "\u00e9" + text[3:],
            lambda text: text[:2] + "\uff21" + text[3:],
            lambda text: text[:2] + "\0" + text[3:],
            lambda text: text + "A" * ((1 - len(text)) % 4),
        ],
    )
    def test_each_segment_is_canonical_base64url(
        self, verifier: Verifier, mint: Mint, index: int, spoil: Callable[[str], str]
    ) -> None:
        """No padding, white space, other alphabet or impossible length, in whichever segment."""
        segments = mint().split(".")
        segments[index] = spoil(segments[index])
        assert refusal(verifier, ".".join(segments)) == ("token_malformed", "not_base64url")

    def test_the_last_character_of_the_signature_has_one_spelling(self, verifier: Verifier, mint: Mint) -> None:
        """The unused bits of the last character are zero (RFC 4648 §3.5)."""
        token = mint()
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        respelt = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
        assert refusal(verifier, respelt) == ("token_malformed", "not_base64url")

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"null",
            b"7",
            b'"text"',
            b"[]",
            b"{} {}",
            b"{'alg': 'RS256'}",
            b'{"alg": "RS256",}',
            b'\xef\xbb\xbf{"alg": "RS256"}',
            b'{"alg": "\xff"}',
            '{"alg": "RS256"}'.encode("utf-16"),
            b'{"alg": "RS256", "x": NaN}',
            b'{"alg": "RS256", "x": -Infinity}',
            b'{"alg": "RS256", "alg": "RS256"}',
            b'{"alg": "RS256", "x": {"y": [{"z": 1, "z": 1}]}}',
            b'{"alg": "RS256", "x": "\\ud800"}',
            b'{"alg": "RS256", "\\udc00": 1}',
            b'{"alg": "RS256", "x": ' + b"[" * 32 + b"]" * 32 + b"}",
        ],
    )
    def test_the_header_is_one_strict_json_object(self, verifier: Verifier, issuer: LocalIssuer, text: bytes) -> None:
        """What two readers could take for two things is refused in the header."""
        assert refusal(verifier, by_hand(issuer, header=text)) == ("token_malformed", "header_not_json")

    @pytest.mark.parametrize(
        "text",
        [
            *(b"", b"null", b"[]", b'{"sub": "\xff"}', b'{"sub": NaN}', b'{"sub": "a", "sub": "b"}'),
            *(b'{"x": {"y": 1, "\\u0079": 2}}', b'{"sub": "\\udfff"}', b'{"exp": ' + b"9" * 5000 + b"}"),
            b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}",
        ],
    )
    def test_the_payload_is_one_strict_json_object(self, verifier: Verifier, issuer: LocalIssuer, text: bytes) -> None:
        """What two readers could take for two things is refused in the payload."""
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


class TestHeader:
    """Step 3: algorithm, key id, extensions, type."""

    @pytest.mark.parametrize(
        "algorithm", ["RS384", "PS256", "ES256", "HS256", "none", "", None, 1, True, ["RS256"], {}]
    )
    def test_an_algorithm_that_is_not_allowed_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, algorithm: object
    ) -> None:
        """Only what AUTH0_ALGORITHMS names is taken, and only as text."""
        header = {**header_of(issuer.token()), "alg": algorithm}
        assert refusal(verifier, by_hand(issuer, header))[0] == "unsupported_algorithm"

    def test_a_header_without_an_algorithm_is_refused(self, verifier: Verifier, issuer: LocalIssuer) -> None:
        """There is no default algorithm."""
        assert refusal(verifier, by_hand(issuer, {"typ": "JWT"}))[0] == "unsupported_algorithm"

    @pytest.mark.parametrize("key_id", [None, 7, True, [], ["local-1"], {}, "x" * 257])
    def test_an_ill_typed_or_long_key_id_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, key_id: object
    ) -> None:
        """A key id is a text of at most 256 characters."""
        header = {**header_of(issuer.token()), "kid": key_id}
        assert refusal(verifier, by_hand(issuer, header)) == ("token_malformed", "key_id")

    @pytest.mark.parametrize("key_id", ["", "x" * 256])
    def test_a_key_id_at_the_limits_is_only_unknown(self, verifier: Verifier, mint: Mint, key_id: str) -> None:
        """The limits themselves are within the limits."""
        assert refusal(verifier, mint(headers={"kid": key_id}))[0] == "unknown_key"

    @pytest.mark.parametrize(
        "extension", [{"crit": []}, {"crit": ["exp"]}, {"crit": None}, {"b64": True}, {"b64": False}, {"b64": None}]
    )
    def test_a_critical_extension_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, extension: dict[str, Any]
    ) -> None:
        """None is understood here, so none may be demanded (RFC 7515 §4.1.11)."""
        header = {**header_of(issuer.token()), **extension}
        assert refusal(verifier, by_hand(issuer, header)) == ("token_malformed", "critical_extension")

    @pytest.mark.parametrize(
        "token_type", ["JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"]
    )
    def test_access_token_types_are_taken_in_any_case(self, verifier: Verifier, mint: Mint, token_type: str) -> None:
        """Media types know no case (RFC 7515 §4.1.9)."""
        assert verifier.prove(mint(headers={"typ": token_type}))

    def test_a_token_without_a_type_is_accepted(self, verifier: Verifier, issuer: LocalIssuer, mint: Mint) -> None:
        """Typ is optional where no profile is demanded."""
        header = {"alg": "RS256", "kid": issuer.key_ids[-1]}
        assert verifier.prove(by_hand(issuer, header, claims_of(mint())))

    @pytest.mark.parametrize(
        "token_type",
        ["", " JWT", "JWT ", "id_token", "dpop+jwt", "logout+jwt", "application/jwt", None, 7, True, ["JWT"], {}],
    )
    def test_another_type_is_refused(self, verifier: Verifier, issuer: LocalIssuer, token_type: object) -> None:
        """Other kinds of tokens are signed with the same keys (RFC 8725 §3.11)."""
        header = {**header_of(issuer.token()), "typ": token_type}
        assert refusal(verifier, by_hand(issuer, header)) == ("token_malformed", "type")


class TestProfile:
    """AUTH0_TOKEN_PROFILE and AUTH0_REQUIRED_CLAIMS."""

    @pytest.mark.parametrize("token_type", ["at+jwt", "application/at+jwt"])
    def test_rfc9068_takes_its_own_tokens(self, make_verifier: MakeVerifier, mint: Mint, token_type: str) -> None:
        """Type at+jwt, client_id and jti (RFC 9068 §2)."""
        token = mint(headers={"typ": token_type}, client_id="a client", jti="7", without=("azp",))
        assert make_verifier(AUTH0_TOKEN_PROFILE="rfc9068").prove(token)

    @pytest.mark.parametrize("header", [{"typ": "JWT"}, {}])
    def test_rfc9068_refuses_another_type_or_none(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint, header: dict[str, Any]
    ) -> None:
        """RFC 9068 §4 makes the type a must."""
        header = {"alg": "RS256", "kid": issuer.key_ids[-1], **header}
        token = by_hand(issuer, header, claims_of(mint(client_id="a client", jti="7")))
        assert refusal(make_verifier(AUTH0_TOKEN_PROFILE="rfc9068"), token) == ("token_malformed", "type")

    @pytest.mark.parametrize("name", ["client_id", "jti"])
    def test_rfc9068_refuses_a_token_without_a_claim_of_it(
        self, make_verifier: MakeVerifier, mint: Mint, name: str
    ) -> None:
        """The claims that RFC 9068 requires have to be there."""
        token = mint(headers={"typ": "at+jwt"}, client_id="a client", jti="7", without=(name,))
        assert refusal(make_verifier(AUTH0_TOKEN_PROFILE="rfc9068"), token) == ("invalid_claims", "missing_claim")

    def test_auth0_takes_its_own_tokens(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """Type JWT and azp."""
        assert make_verifier(AUTH0_TOKEN_PROFILE="auth0").prove(mint())

    @pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {}])
    def test_auth0_refuses_another_type_or_none(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint, header: dict[str, Any]
    ) -> None:
        """Tokens of Auth0's own profile say JWT."""
        header = {"alg": "RS256", "kid": issuer.key_ids[-1], **header}
        token = by_hand(issuer, header, claims_of(mint()))
        assert refusal(make_verifier(AUTH0_TOKEN_PROFILE="auth0"), token) == ("token_malformed", "type")

    def test_auth0_refuses_a_token_without_azp(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """Tokens of Auth0's own profile name the client in azp."""
        token = mint(client_id="a client", without=("azp",))
        assert refusal(make_verifier(AUTH0_TOKEN_PROFILE="auth0"), token) == ("invalid_claims", "missing_claim")

    @pytest.mark.parametrize("profile", ["any", "auth0"])
    def test_required_claims_have_to_be_present(self, make_verifier: MakeVerifier, mint: Mint, profile: str) -> None:
        """AUTH0_REQUIRED_CLAIMS adds to whatever the profile requires."""
        verifier = make_verifier(AUTH0_TOKEN_PROFILE=profile, AUTH0_REQUIRED_CLAIMS=["org_id", "tier"])
        assert verifier.prove(mint(org_id="org_1", tier=None))
        assert refusal(verifier, mint(org_id="org_1")) == ("invalid_claims", "missing_claim")


class TestIssuer:
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda issuer: issuer[:-1],
            lambda issuer: issuer + "x",
            lambda issuer: issuer + "/",
            lambda issuer: issuer[:-5],
            lambda issuer: issuer.upper(),
            lambda issuer: issuer + " ",
            lambda issuer: [issuer],
            lambda issuer: {issuer: issuer},
            lambda issuer: "",
            lambda issuer: None,
            lambda issuer: True,
        ],
    )
    def test_the_issuer_is_compared_exactly(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, spoil: Callable[[str], object]
    ) -> None:
        """No prefix, no list, no other spelling."""
        token = by_hand(issuer, claims={**claims_of(mint()), "iss": spoil(issuer.issuer)})
        assert refusal(verifier, token) == ("invalid_claims", "issuer")

    def test_a_token_without_an_issuer_is_refused(self, verifier: Verifier, mint: Mint) -> None:
        """An issuer is required."""
        assert refusal(verifier, mint(without=("iss",))) == ("invalid_claims", "issuer")


def _members(algorithm: str, key: Any, **members: str) -> dict[str, Any]:
    """Return the public half of *key* as a JWK. Of *algorithm* only the family matters."""
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

    @pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
    def test_one_rsa_key_without_alg_serves_all_of_its_family(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint, algorithm: str
    ) -> None:
        """A JWK without alg may serve every algorithm of its type that is allowed."""
        key = issuer.signing_key()
        verifier = make_verifier(Keys(_members("RS256", key, kid="rsa")), AUTH0_ALGORITHMS=algorithm)
        assert verifier.prove(_sign(key, algorithm, claims_of(mint()), kid="rsa"))

    @pytest.mark.parametrize(
        ("algorithm", "curve"), [("ES256", ec.SECP256R1()), ("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())]
    )
    def test_each_elliptic_curve_has_its_algorithm(
        self, make_verifier: MakeVerifier, mint: Mint, algorithm: str, curve: ec.EllipticCurve
    ) -> None:
        """ES256, ES384 and ES512 are verified with keys on their own curves."""
        key = ec.generate_private_key(curve)
        verifier = make_verifier(Keys(_members("ES256", key, kid="ec")), AUTH0_ALGORITHMS=algorithm)
        assert verifier.prove(_sign(key, algorithm, claims_of(mint()), kid="ec"))

    @pytest.mark.parametrize("allowed", ["EdDSA", "Ed25519"])
    @pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
    @pytest.mark.parametrize("published", [{}, {"alg": "EdDSA"}, {"alg": "Ed25519"}])
    def test_eddsa_and_ed25519_are_two_names_of_one_algorithm(
        self, make_verifier: MakeVerifier, mint: Mint, allowed: str, name: str, published: dict[str, str]
    ) -> None:
        """Whichever name the settings, the key set and the token use (RFC 9864)."""
        key = ed25519.Ed25519PrivateKey.generate()
        verifier = make_verifier(Keys(_members("EdDSA", key, kid="ed", **published)), AUTH0_ALGORITHMS=allowed)
        assert verifier.prove(_sign(key, "EdDSA", claims_of(mint()), name, kid="ed"))

    def test_allowing_one_algorithm_does_not_allow_eddsa(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """The two names come together only when one of them was named."""
        key = ed25519.Ed25519PrivateKey.generate()
        verifier = make_verifier(Keys(_members("EdDSA", key, kid="ed")), AUTH0_ALGORITHMS="RS256")
        assert refusal(verifier, _sign(key, "EdDSA", claims_of(mint()), kid="ed"))[0] == "unsupported_algorithm"

    def test_a_key_serves_only_the_algorithm_that_it_names(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint
    ) -> None:
        """A key for RS256 verifies no PS256, although both are allowed."""
        key = issuer.signing_key()
        verifier = make_verifier(AUTH0_ALGORITHMS=["RS256", "PS256"])
        assert refusal(verifier, _sign(key, "PS256", claims_of(mint()), kid=issuer.key_ids[-1]))[0] == "unknown_key"

    def test_a_key_of_another_type_does_not_fit(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint
    ) -> None:
        """The key id finds an RSA key, which is none for ES256."""
        verifier = make_verifier(AUTH0_ALGORITHMS=["RS256", "ES256"])
        token = _sign(ec.generate_private_key(ec.SECP256R1()), "ES256", claims_of(mint()), kid=issuer.key_ids[-1])
        assert refusal(verifier, token)[0] == "unknown_key"

    def test_a_key_on_another_curve_does_not_fit(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """A P-384 key is none for ES256, although it can sign with SHA-256."""
        key = ec.generate_private_key(ec.SECP384R1())
        verifier = make_verifier(Keys(_members("ES256", key, kid="ec")), AUTH0_ALGORITHMS="ES256")
        signing_input = f"{segment({'alg': 'ES256', 'kid': 'ec'})}.{segment(claims_of(mint()))}"
        assert refusal(verifier, f"{signing_input}.{segment(bytes(64))}")[0] == "unknown_key"

    def test_a_token_without_a_key_id_is_verified_with_the_only_key_that_fits(
        self, make_verifier: MakeVerifier, issuer: LocalIssuer, mint: Mint
    ) -> None:
        """A key of another type beside it does not matter."""
        other = _members("ES256", ec.generate_private_key(ec.SECP256R1()), kid="ec")
        verifier = make_verifier(Keys(*issuer.key_set["keys"], other))
        assert verifier.prove(_sign(issuer.signing_key(), "RS256", claims_of(mint())))

    def test_a_token_without_a_key_id_is_refused_when_two_keys_fit(
        self, make_verifier: MakeVerifier, mint: Mint
    ) -> None:
        """Keys are not tried one after the other."""
        one, two = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        verifier = make_verifier(
            Keys(_members("ES256", one, kid="1"), _members("ES256", two, kid="2")), AUTH0_ALGORITHMS="ES256"
        )
        assert refusal(verifier, _sign(one, "ES256", claims_of(mint())))[0] == "unknown_key"

    def test_a_token_with_the_key_id_of_another_key_is_refused(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """The key id decides, and the signature has to be that key's."""
        one, two = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        verifier = make_verifier(
            Keys(_members("ES256", one, kid="1"), _members("ES256", two, kid="2")), AUTH0_ALGORITHMS="ES256"
        )
        assert refusal(verifier, _sign(one, "ES256", claims_of(mint()), kid="2"))[0] == "invalid_signature"

    @pytest.mark.parametrize("signature", [b"", b"\0", bytes(64), bytes(256), bytes(257), b"\xff" * 256])
    def test_a_signature_of_any_other_bytes_is_refused(self, verifier: Verifier, mint: Mint, signature: bytes) -> None:
        """Whatever stands in place of the signature is an invalid one."""
        signing_input = mint().rpartition(".")[0]
        assert refusal(verifier, f"{signing_input}.{segment(signature)}")[0] == "invalid_signature"

    @pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64, b"\x30" * 70])
    def test_an_ecdsa_signature_of_any_other_bytes_is_refused(
        self, make_verifier: MakeVerifier, mint: Mint, signature: bytes
    ) -> None:
        """Also zeros, numbers beyond the order of the curve, and the DER form."""
        key = ec.generate_private_key(ec.SECP256R1())
        verifier = make_verifier(Keys(_members("ES256", key, kid="ec")), AUTH0_ALGORITHMS="ES256")
        signing_input = _sign(key, "ES256", claims_of(mint()), kid="ec").rpartition(".")[0]
        assert refusal(verifier, f"{signing_input}.{segment(signature)}")[0] == "invalid_signature"

    @pytest.mark.parametrize("index", [0, 1])
    def test_a_signature_covers_header_and_payload(self, verifier: Verifier, mint: Mint, index: int) -> None:
        """Another good header or payload under the same signature is refused."""
        segments = mint().split(".")
        other = mint(headers={"typ": "at+jwt"}, sub="auth0|another").split(".")
        segments[index] = other[index]
        assert refusal(verifier, ".".join(segments))[0] == "invalid_signature"


class TestAudience:
    @pytest.mark.parametrize(
        "audience",
        [
            "https://api.example.com",
            ["https://api.example.com"],
            ["https://tenant.example.com/userinfo", "https://api.example.com"],
        ],
    )
    def test_the_audience_may_be_one_text_or_hold_it(self, verifier: Verifier, mint: Mint, audience: object) -> None:
        """Auth0 sends both forms (RFC 7519 §4.1.3)."""
        assert verifier.prove(mint(aud=audience))

    def test_any_of_several_audiences_is_enough(self, make_verifier: MakeVerifier, mint: Mint) -> None:
        """AUTH0_AUDIENCE may name several APIs."""
        verifier = make_verifier(AUTH0_AUDIENCE=["https://one.example.com", "https://two.example.com"])
        assert verifier.prove(mint(aud="https://two.example.com"))

    @pytest.mark.parametrize(
        "audience",
        [
            *("https://api.example.com/", "https://api.example", "xhttps://api.example.com"),
            *("https://api.example.com https://b", "HTTPS://api.example.com", "", [], [""]),
            *(["https://api.example.com/v2"], [["https://api.example.com"]], ["https://api.example.com", 7]),
            *(["https://api.example.com", None], {"https://api.example.com": 1}, None, 7, True),
        ],
    )
    def test_any_other_audience_is_refused(self, verifier: Verifier, mint: Mint, audience: object) -> None:
        """Neither a part nor a superstring of ours, nor a list that holds anything but texts."""
        assert refusal(verifier, mint(aud=audience)) == ("invalid_claims", "audience")

    def test_a_token_without_an_audience_is_refused(self, verifier: Verifier, mint: Mint) -> None:
        """An audience is required."""
        assert refusal(verifier, mint(without=("aud",))) == ("invalid_claims", "audience")


class TestClaims:
    @pytest.mark.parametrize("subject", ["", None, 7, True, [], ["auth0|user"], {}])
    def test_an_ill_typed_or_empty_subject_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, subject: object
    ) -> None:
        """A subject is a text with something in it."""
        token = by_hand(issuer, claims={**claims_of(mint()), "sub": subject})
        assert refusal(verifier, token) == ("invalid_claims", "subject")

    def test_a_token_without_a_subject_is_refused(self, verifier: Verifier, mint: Mint) -> None:
        """A subject is required."""
        assert refusal(verifier, mint(without=("sub",))) == ("invalid_claims", "subject")

    @pytest.mark.parametrize("name", ["jti", "client_id", "azp", "org_id"])
    @pytest.mark.parametrize("value", [None, 7, True, ["x"], {}])
    def test_an_ill_typed_identifier_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, name: str, value: object
    ) -> None:
        """Whoever compares identifiers may rely on them to be texts."""
        token = by_hand(issuer, claims={**claims_of(mint()), name: value})
        assert refusal(verifier, token) == ("invalid_claims", "identifier")

    @pytest.mark.parametrize(
        ("scope", "scopes"),
        [
            ("read:a write:a", {"read:a", "write:a"}),
            (["read:a", "write:a"], {"read:a", "write:a"}),
            ("  read:a   ", {"read:a"}),
            ("", set()),
            ([], set()),
            (["", "read:a"], {"read:a"}),
            ("read:a\twrite:a", {"read:a\twrite:a"}),
            ("read:a,write:a", {"read:a,write:a"}),
            (["read:a write:a"], {"read:a write:a"}),
        ],
    )
    def test_scopes_are_separated_by_spaces_or_come_as_a_list(
        self, verifier: Verifier, mint: Mint, scope: object, scopes: set[str]
    ) -> None:
        """RFC 8693 §4.2 and the list that some rules of tenants make; nothing else separates."""
        assert verifier.prove(mint(scope=scope)).scopes == scopes

    def test_a_token_without_scope_and_permissions_has_none(self, verifier: Verifier, mint: Mint) -> None:
        """Both claims are optional."""
        token = verifier.prove(mint())
        assert (token.scopes, token.permissions) == (frozenset(), frozenset())

    @pytest.mark.parametrize(
        "scope", [None, 1, True, {}, {"read:a": True}, ["read:a", 1], ["read:a", None], [["read:a"]]]
    )
    def test_an_ill_typed_scope_is_refused(self, verifier: Verifier, mint: Mint, scope: object) -> None:
        """A scope is a string or a list of strings."""
        assert refusal(verifier, mint(scope=scope)) == ("invalid_claims", "scope")

    @pytest.mark.parametrize(
        "permissions", [None, 1, True, "admin", "", {}, {"admin": True}, ["admin", 1], ["admin", None], [["admin"]]]
    )
    def test_ill_typed_permissions_are_refused(self, verifier: Verifier, mint: Mint, permissions: object) -> None:
        """Permissions are a list of texts; one text is none."""
        assert refusal(verifier, mint(permissions=permissions)) == ("invalid_claims", "permissions")

    def test_scopes_and_permissions_are_never_merged(self, verifier: Verifier, mint: Mint) -> None:
        """What was granted is not what was asked for."""
        token = verifier.prove(mint(scope="read:a", permissions=["read:b"]))
        assert (token.scopes, token.permissions) == (frozenset({"read:a"}), frozenset({"read:b"}))

    @pytest.mark.parametrize(
        "confirmation", [None, "", "x", [], {}, {"jkt": "x"}, {"x5t#S256": "x"}, {"odd": 1}, 0, False]
    )
    def test_whatever_a_token_is_bound_to_is_seen(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, confirmation: object
    ) -> None:
        """Nobody can prove it outside of a request, so the binding refuses the token there."""
        token = by_hand(issuer, claims={**claims_of(mint()), "cnf": confirmation})
        access_token = verifier.prove(token)
        assert access_token.is_bound
        with pytest.raises(BindingMismatchError):
            Binding().check(access_token, Presentation(token))


class TestTimes:
    @pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize(
        "value",
        [
            "null",
            "[]",
            "[1800000000]",
            "{}",
            "true",
            "false",
            '"1800000000"',
            '""',
            "-1",
            "-0.5",
            "-1800000000",
            "9" * 4000,
            str(LAST_SECOND + 1),
            "1e300",
        ],
    )
    def test_a_time_that_is_no_usable_number_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, name: str, value: str
    ) -> None:
        """Times are JSON numbers within the years 1970 to 9999."""
        token = by_hand(issuer, claims=with_member(claims_of(mint()), name, value))
        assert refusal(verifier, token) == ("invalid_claims", "time")

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time", "other"])
    @pytest.mark.parametrize("value", ["1e400", "-1e400", "9e999999"])
    def test_a_number_that_no_double_holds_is_refused(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, name: str, value: str
    ) -> None:
        """Readers make infinity of it, so it is refused wherever it stands."""
        token = by_hand(issuer, claims=with_member(claims_of(mint()), name, value))
        assert refusal(verifier, token) == ("invalid_claims", "number")

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "nan", "0x7f", "01", "+1", "1."])
    def test_a_time_that_is_no_json_is_malformed(
        self, verifier: Verifier, issuer: LocalIssuer, mint: Mint, value: str
    ) -> None:
        """What only some readers take for a number makes the whole payload unreadable."""
        token = by_hand(issuer, claims=with_member(claims_of(mint()), "exp", value))
        assert refusal(verifier, token) == ("token_malformed", "payload_not_json")

    @pytest.mark.parametrize("name", ["exp", "iat"])
    def test_expiry_and_time_of_issue_are_required(self, verifier: Verifier, mint: Mint, name: str) -> None:
        """A token without an end never ends."""
        assert refusal(verifier, mint(without=(name,))) == ("invalid_claims", "time")

    @pytest.mark.parametrize(("past_seconds", "is_accepted"), [(4, True), (4.5, True), (5, False), (6, False)])
    def test_a_token_expires_when_the_leeway_is_over(
        self, verifier: Verifier, mint: Mint, clock: MovableClock, past_seconds: float, is_accepted: bool
    ) -> None:
        """At exp + leeway it is over."""
        token = mint(iat=int(clock.now) - 60, exp=clock.now - past_seconds)
        if is_accepted:
            assert verifier.prove(token)
        else:
            assert refusal(verifier, token)[0] == "token_expired"

    def test_without_leeway_a_token_expires_at_its_expiry(
        self, make_verifier: MakeVerifier, mint: Mint, clock: MovableClock
    ) -> None:
        """The very second of exp is too late (RFC 7519 §4.1.4: on or after)."""
        verifier = make_verifier(AUTH0_LEEWAY=0)
        token = mint(exp=int(clock.now) + 1)
        assert verifier.prove(token)
        clock.move(1)
        assert refusal(verifier, token)[0] == "token_expired"

    def test_a_token_expires_as_time_passes(self, verifier: Verifier, mint: Mint, clock: MovableClock) -> None:
        """The same token is accepted first and refused later."""
        token = mint()
        assert verifier.prove(token)
        clock.move(3600 + LEEWAY_SECONDS)
        assert refusal(verifier, token)[0] == "token_expired"

    @pytest.mark.parametrize("name", ["nbf", "iat"])
    @pytest.mark.parametrize(("ahead_seconds", "is_accepted"), [(0, True), (5, True), (5.5, False), (6, False)])
    def test_a_token_from_the_future_is_refused_beyond_the_leeway(
        self, verifier: Verifier, mint: Mint, clock: MovableClock, name: str, ahead_seconds: float, is_accepted: bool
    ) -> None:
        """Clocks may differ by the leeway, and not by more."""
        token = mint(**{name: clock.now + ahead_seconds})
        if is_accepted:
            assert verifier.prove(token)
        else:
            assert refusal(verifier, token) == ("token_not_yet_valid", name)

    @pytest.mark.parametrize(("lifetime_seconds", "is_accepted"), [(30 * DAYS, True), (30 * DAYS + 1, False)])
    def test_a_token_that_lives_too_long_is_refused(
        self, verifier: Verifier, mint: Mint, clock: MovableClock, lifetime_seconds: int, is_accepted: bool
    ) -> None:
        """Thirty days, as Auth0 itself has it, unless AUTH0_MAX_TOKEN_LIFETIME says less."""
        token = mint(exp=int(clock.now) + lifetime_seconds)
        if is_accepted:
            assert verifier.prove(token)
        else:
            assert refusal(verifier, token) == ("invalid_claims", "lifetime")

    def test_the_lifetime_counts_from_the_time_of_issue(
        self, make_verifier: MakeVerifier, mint: Mint, clock: MovableClock
    ) -> None:
        """It is not what is left of it that counts."""
        verifier = make_verifier(AUTH0_MAX_TOKEN_LIFETIME=3600)
        token = mint(iat=int(clock.now) - 1800, exp=int(clock.now) + 1801)
        assert refusal(verifier, token) == ("invalid_claims", "lifetime")

    def test_the_last_second_of_the_year_9999_is_a_time(
        self, make_verifier: MakeVerifier, mint: Mint, clock: MovableClock
    ) -> None:
        """The limit itself is within the limit, and a datetime can be made of it."""
        clock.now = LAST_SECOND - 60.0
        token = make_verifier().prove(mint(iat=LAST_SECOND - 60, exp=LAST_SECOND))
        assert token.expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    def test_the_first_second_of_the_year_1970_is_a_time(self, verifier: Verifier, mint: Mint) -> None:
        """Zero is a number like others: long ago, not ill-typed."""
        assert verifier.prove(mint(nbf=0))
        assert refusal(verifier, mint(iat=0, exp=0))[0] == "token_expired"

    def test_times_may_have_fractions(self, verifier: Verifier, mint: Mint, clock: MovableClock) -> None:
        """NumericDate allows them (RFC 7519 §2)."""
        token = verifier.prove(mint(iat=clock.now - 0.5))
        assert token.issued_at.microsecond == 500_000


class TestOrder:
    """Cheapest first: nothing before the key may reach cache or network, nothing after it speaks for forgers."""

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda token: "x" * 16_385,
            lambda token: "opaque",
            lambda token: token + "=",
            lambda token: token + ".a.b",
        ],
    )
    def test_a_token_of_the_wrong_shape_is_refused_before_a_key_is_looked_for(
        self, verifier: Verifier, keys: Keys, mint: Mint, spoil: Callable[[str], str]
    ) -> None:
        """Shape costs no look-up."""
        refusal(verifier, spoil(mint()))
        assert keys.asked == []

    @pytest.mark.parametrize(
        "change", [{"alg": "none"}, {"kid": 7}, {"crit": []}, {"b64": False}, {"typ": "id_token"}, {"typ": None}]
    )
    def test_a_header_that_is_refused_is_so_before_a_key_is_looked_for(
        self, verifier: Verifier, keys: Keys, issuer: LocalIssuer, change: dict[str, Any]
    ) -> None:
        """Headers cost no look-up."""
        refusal(verifier, by_hand(issuer, {**header_of(issuer.token()), **change}))
        assert keys.asked == []

    def test_another_issuer_is_refused_before_a_key_is_looked_for(
        self, verifier: Verifier, keys: Keys, mint: Mint
    ) -> None:
        """Keys of other issuers are not ours to fetch."""
        refusal(verifier, mint(iss="https://other.example.com/"))
        assert keys.asked == []

    def test_claims_are_judged_only_under_a_good_signature(self, verifier: Verifier, mint: Mint) -> None:
        """Whoever forges learns nothing about the claims."""
        expired = mint(exp=1, iat=0)
        forged = expired[: expired.rindex(".") + 1] + segment(bytes(256))
        assert refusal(verifier, forged)[0] == "invalid_signature"

    def test_verifying_looks_for_a_key_once(self, verifier: Verifier, keys: Keys, mint: Mint) -> None:
        """Ordinary verification may wait for the key."""
        verifier.prove(mint())
        assert keys.asked == ["key_for"]

    def test_verifying_at_hand_only_asks_for_nothing_more(self, verifier: Verifier, keys: Keys, mint: Mint) -> None:
        """Whoever must not wait gets only what is known already."""
        verifier.prove(mint(), cached_only=True)
        assert keys.asked == ["cached_key"]

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
    issuer: LocalIssuer, keys: Keys, mint: Mint, clock: MovableClock
) -> None:
    """A verifier for one issuer refuses another's token, although the keys are the same."""
    settings = load_settings({**issuer.settings, "AUTH0_ISSUER": "http://localhost:1/"}, {})
    assert refusal(Verifier(settings, {settings.issuers[0]: keys}, clock=clock), mint()) == ("invalid_claims", "issuer")


def test_verification_agrees_with_another_library(issuer: LocalIssuer, verifier: Verifier, mint: Mint) -> None:
    """What PyJWT reads from a token is what comes out here."""
    token = mint(scope="read:messages", tier={"name": "gold", "since": 2.5})
    public_key = issuer.signing_key().public_key()
    expected = jwt.decode(
        token,
        public_key,
        algorithms=["RS256"],
        audience=issuer.audience,
        options={"verify_exp": False, "verify_iat": False},
    )
    accepted: AccessToken = verifier.prove(token)
    assert accepted.claims == expected
