"""DPoP proofs: which are good, and why the others are not (RFC 9449 §4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from conftest import MovableClock
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dpop_client import ABSENT, DPoPClient, hash_of, json_with, new_key, padded, signed_with_secret
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import shared
from refusals import segment, unsegment

from auth0_blueprint.challenge import response_body
from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import BindingMismatchError, InvalidProofError
from auth0_blueprint.jose.algorithms import ALGORITHMS, PROOF_ALGORITHMS
from auth0_blueprint.sender_constraining.dpop import ProofChecker
from auth0_blueprint.sender_constraining.replay import ReplayMemory
from auth0_blueprint.sender_constraining.target_uri import TargetURI

METHOD, URI = "GET", "https://api.example.com/messages"
ACCESS_TOKEN = "header.payload.signature"
NOW = 1_800_000_000
BOUND_TO_OTHER_KEY = "The access token is bound to a different key than the one in the DPoP proof."


def memory(clock: Clock) -> ReplayMemory:
    """Return the memory of a process that shares nothing."""
    return ReplayMemory(shared(None), is_denying=False, clock=clock)


def target(uri: str | None) -> TargetURI:
    """Return what a request for *uri* is for, by a server that tells its raw path."""
    return TargetURI(uri, tells_slashes=True)


class Resource:
    """A protected resource, and whoever asks for it.

    Args:
        client: whose key the access token is bound to.
        options: of the `ProofChecker`.
    """

    def __init__(self, client: DPoPClient, **options: Any) -> None:
        self.client = client
        self.clock = MovableClock(NOW)
        self.memory = memory(self.clock)
        self.checker = ProofChecker(self.memory, clock=self.clock, **options)

    def proof(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a proof: a good one, but for the given members."""
        return self.client.sign(
            self.client.header(**(header or {})), self.client.claims(METHOD, URI, ACCESS_TOKEN, NOW, **claims)
        )

    def ask(self, proof: str | None, **changes: Any) -> None:
        """Show *proof*."""
        arguments = {
            "method": METHOD,
            "target": target(URI),
            "access_token": ACCESS_TOKEN,
            "confirmation": self.client.confirmation,
            **changes,
        }
        self.checker.check(proof, **arguments)

    def refusal_of(self, proof: str | None, **changes: Any) -> str:
        """Return the reason why *proof* is refused; see to it that a client is told that, and no more."""
        with pytest.raises(InvalidProofError) as caught:
            self.ask(proof, **changes)
        assert caught.value.status == 401
        assert response_body(caught.value) == {
            "error": "invalid_dpop_proof",
            "error_description": InvalidProofError.descriptions[caught.value.reason],
            "code": "invalid_dpop_proof",
        }
        assert len(self.memory) == 0, "a proof that is refused must not be used up by whoever sends it"
        return caught.value.reason

    def refuses_the_key_of(self, proof: str, **changes: Any) -> bool:
        """Tell whether *proof* is refused for the key, as RFC 9449 §7.1 and RFC 6750 want it."""
        with pytest.raises(BindingMismatchError) as caught:
            self.ask(proof, **changes)
        assert len(self.memory) == 0
        return (caught.value.status, response_body(caught.value)) == (
            401,
            {"error": "invalid_token", "error_description": BOUND_TO_OTHER_KEY, "code": "binding_mismatch"},
        )


@pytest.fixture(scope="module")
def clients() -> dict[str, DPoPClient]:
    """One client for each algorithm; those of RSA share a key, which takes long to make."""
    rsa_key = new_key("RS256")
    return {name: DPoPClient(name, rsa_key if name[0] in "RP" else None) for name in ALGORITHMS}


@pytest.fixture
def resource(clients: dict[str, DPoPClient]) -> Resource:
    """Asked by a client as most are: with ES256."""
    return Resource(clients["ES256"])


# Good ones


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
def test_a_good_proof_passes(clients: dict[str, DPoPClient], algorithm: str) -> None:
    """With each algorithm that is accepted without further ado."""
    resource = Resource(clients[algorithm])
    resource.ask(resource.proof())
    assert len(resource.memory) == 1


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_known_algorithm_can_be_accepted(clients: dict[str, DPoPClient], algorithm: str) -> None:
    """If the app says so; then no other is."""
    resource = Resource(clients[algorithm], algorithms=(algorithm,))
    resource.ask(resource.proof())
    other = Resource(clients["ES384" if algorithm != "ES384" else "ES512"], algorithms=(algorithm,))
    assert other.refusal_of(other.proof()) == "algorithm"


@pytest.mark.parametrize(("accepted", "used"), [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")])
def test_eddsa_and_ed25519_are_one_algorithm(clients: dict[str, DPoPClient], accepted: str, used: str) -> None:
    """RFC 9864 gave a second name to the same thing."""
    resource = Resource(clients[used], algorithms=(accepted,))
    resource.ask(resource.proof())


def test_the_example_of_the_rfc_passes() -> None:
    """RFC 9449 §7.1: the proof, its access token and the binding of that (§6.1)."""
    proof = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0"
        "RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAt"
        "MjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZ"
        "y9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0N"
        "BcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    clock = MovableClock(1562262618)
    ProofChecker(memory(clock), clock=clock).check(
        proof,
        method="GET",
        target=target("https://resource.example.org/protectedresource"),
        access_token="Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        confirmation={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
    )


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"typ": "DPoP+JWT"}, id="a media type in another case"),
        pytest.param({"kid": "k", "x5c": ["..."], "jku": "https://evil.example/"}, id="members that nobody reads"),
    ],
)
def test_what_the_header_may_have(resource: Resource, header: dict[str, Any]) -> None:
    """RFC 7515 §4.1.9: media types know no case."""
    resource.ask(resource.proof(header))


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"alg": "ES256"}, id="its algorithm"),
        pytest.param({"use": "sig", "key_ops": ["verify"], "ext": True}, id="as browsers export it"),
        pytest.param({"kid": "k"}, id="a key id"),
    ],
)
def test_what_the_key_may_have(resource: Resource, members: dict[str, Any]) -> None:
    """None of it changes the thumbprint (RFC 7638 §3.2)."""
    resource.ask(resource.proof({"jwk": {**resource.client.jwk, **members}}))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iat": NOW - 300}, id="five minutes old"),
        pytest.param({"iat": NOW + 30}, id="by a clock that is ahead"),
        pytest.param({"iat": NOW + 0.25}, id="a fraction of a second"),
        pytest.param({"jti": "x"}, id="the shortest identifier"),
        pytest.param({"jti": "x" * 256}, id="the longest identifier"),
        pytest.param({"jti": "\u0000,é\U0001f511"}, id="an identifier of odd characters"),
        pytest.param({"nonce": "never asked for"}, id="a nonce"),
        pytest.param({"htu": f"{URI}?page=2#top"}, id="query and fragment"),
        pytest.param({"htu": "HTTPS://API.example.com:443/%6Dessages"}, id="another spelling of the URI"),
    ],
)
def test_what_the_claims_may_say(resource: Resource, claims: dict[str, Any]) -> None:
    """RFC 9449 §4.3, §11.1."""
    resource.ask(resource.proof(**claims))


def test_white_space_around_the_header_counts_for_nothing(resource: Resource) -> None:
    """RFC 9110 §5.5: it is no part of the value."""
    resource.ask(f" \t{resource.proof()} ")


# One proof, in one form


@pytest.mark.parametrize("header", [None, "", "  \t"])
def test_without_a_proof_a_bound_token_is_refused(resource: Resource, header: str | None) -> None:
    """An empty header is none."""
    assert resource.refusal_of(header) == "missing"


@pytest.mark.parametrize("joint", [",", ", ", " , "])
def test_two_proofs_are_refused(resource: Resource, joint: str) -> None:
    """RFC 9449 §4.3, 1: WSGI servers join repeated headers with a comma. Neither is used up."""
    assert resource.refusal_of(resource.proof() + joint + resource.proof()) == "several_proofs"


def test_a_proof_that_is_too_long_is_not_read(clients: dict[str, DPoPClient]) -> None:
    """However good it is."""
    proof = Resource(clients["ES256"]).proof()
    Resource(clients["ES256"], max_bytes=len(proof)).ask(proof)
    assert Resource(clients["ES256"], max_bytes=len(proof) - 1).refusal_of(proof) == "too_long"
    assert Resource(clients["ES256"]).refusal_of("x" * 8192) == "malformed"
    assert Resource(clients["ES256"]).refusal_of("x" * 8193) == "too_long"
    assert Resource(clients["ES256"]).refusal_of("x" * 1_000_000) == "too_long"


def _parts(proof: str) -> list[str]:
    return proof.split(".")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda proof: "x", id="one part"),
        pytest.param(lambda proof: ".".join(_parts(proof)[:2]), id="two parts"),
        pytest.param(lambda proof: f"{proof}.x.x", id="five parts"),
        pytest.param(lambda proof: f"{proof}==", id="padding"),
        pytest.param(lambda proof: proof.replace(".", ". "), id="a space inside"),
        pytest.param(lambda proof: proof.replace(".", "é."), id="not ASCII"),
        pytest.param(lambda proof: proof.replace(".", "\udcff."), id="no text"),
        pytest.param(lambda proof: f"{segment([1])}.{_parts(proof)[1]}.x", id="a header that is a list"),
        pytest.param(lambda proof: f"{segment(b'')}.{_parts(proof)[1]}.x", id="an empty header"),
        pytest.param(lambda proof: f"{_parts(proof)[0]}.{segment('text')}.x", id="claims that are a text"),
        pytest.param(lambda proof: f"{segment(b'[' * 3000)}.x.x", id="deep nesting"),
    ],
)
def test_what_is_no_jwt_is_refused(resource: Resource, spoil: Callable[[str], str]) -> None:
    """RFC 9449 §4.3, 2: as strictly as access tokens."""
    assert resource.refusal_of(spoil(resource.proof())) == "malformed"


@pytest.mark.parametrize(("name", "text"), [("typ", '"dpop+jwt"'), ("jwk", "{}"), ("alg", '"ES256"')])
def test_a_header_that_two_readers_read_differently_is_refused(resource: Resource, name: str, text: str) -> None:
    """A member named twice, though the signature is genuine."""
    client = resource.client
    proof = client.sign(json_with(client.header(), name, text), client.claims(METHOD, URI, ACCESS_TOKEN, NOW))
    assert resource.refusal_of(proof) == "malformed"


@pytest.mark.parametrize(
    ("name", "text"), [("htu", '"https://evil.example/"'), ("iat", "NaN"), ("iat", "1e400"), ("nonce", '"\\ud800"')]
)
def test_claims_that_two_readers_read_differently_are_refused(resource: Resource, name: str, text: str) -> None:
    """A member named twice, a number that is none, a lone surrogate."""
    claims = resource.client.claims(METHOD, URI, ACCESS_TOKEN, NOW)
    if name == "iat":
        del claims["iat"]
    proof = resource.client.sign(resource.client.header(), json_with(claims, name, text))
    assert resource.refusal_of(proof) == "malformed"


# The header


class Fault(NamedTuple):
    reason: str
    members: dict[str, Any]


_HEADER_FAULTS = {
    "no type": Fault("type", {"typ": ABSENT}),
    "type of an access token": Fault("type", {"typ": "at+jwt"}),
    "type of any token": Fault("type", {"typ": "JWT"}),
    "whole media type": Fault("type", {"typ": "application/dpop+jwt"}),
    "type with a space": Fault("type", {"typ": "dpop+jwt "}),
    "type that is no text": Fault("type", {"typ": ["dpop+jwt"]}),
    "critical extension": Fault("critical_extension", {"crit": ["exp"]}),
    "critical list that is empty": Fault("critical_extension", {"crit": []}),
    "unencoded payload": Fault("critical_extension", {"b64": False}),
    "no algorithm": Fault("algorithm", {"alg": ABSENT}),
    "none": Fault("algorithm", {"alg": "none"}),
    "NONE": Fault("algorithm", {"alg": "NONE"}),
    "algorithm in another case": Fault("algorithm", {"alg": "es256"}),
    "algorithm that is not accepted": Fault("algorithm", {"alg": "ES512"}),
    "algorithm that is a list": Fault("algorithm", {"alg": ["ES256"]}),
    "algorithm that is a number": Fault("algorithm", {"alg": 256}),
    "algorithm of another type of key": Fault("key_of_other_algorithm", {"alg": "RS256"}),
    "no key": Fault("key", {"jwk": ABSENT}),
    "key that is null": Fault("key", {"jwk": None}),
    "key that is a text": Fault("key", {"jwk": "{}"}),
    "key that is a list": Fault("key", {"jwk": []}),
    "key that is empty": Fault("key", {"jwk": {}}),
    "symmetric key": Fault("key", {"jwk": {"kty": "oct", "k": "c2VjcmV0"}}),
}


@pytest.mark.parametrize("fault", _HEADER_FAULTS.values(), ids=_HEADER_FAULTS.keys())
def test_a_header_that_is_not_that_of_a_proof_is_refused(resource: Resource, fault: Fault) -> None:
    """RFC 9449 §4.2, §4.3; the signature is genuine."""
    assert resource.refusal_of(resource.proof(fault.members)) == fault.reason


@pytest.mark.parametrize("encode", [lambda pem: pem, lambda pem: pem.strip()], ids=["PEM", "PEM, stripped"])
def test_a_secret_made_of_the_public_key_proves_nothing(resource: Resource, encode: Callable[[bytes], bytes]) -> None:
    """Algorithm confusion: HS256 over what everybody knows."""
    client = resource.client
    pem = client.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = client.claims(METHOD, URI, ACCESS_TOKEN, NOW)
    assert resource.refusal_of(signed_with_secret(client.header(alg="HS256"), claims, encode(pem))) == "algorithm"


# The key


@pytest.mark.parametrize(
    "members",
    [
        *({name: "AQAB"} for name in ("d", "p", "q", "dp", "dq", "qi", "k")),
        {"oth": []},
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kid": 1},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"alg": None},
        {"crv": "secp256k1"},
        {"crv": "P-384"},
        {"kty": "RSA"},
        {"x": "AQAB"},
        {"x": 1},
        {"y": None},
    ],
    ids=lambda members: next(f"{name}={value}" for name, value in members.items()),
)
def test_a_key_that_is_no_public_key_for_signatures_is_refused(resource: Resource, members: dict[str, Any]) -> None:
    """RFC 9449 §4.3, 7: nothing private; and what key sets are not allowed either."""
    assert resource.refusal_of(resource.proof({"jwk": {**resource.client.jwk, **members}})) == "key"


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
def test_a_private_key_is_refused(clients: dict[str, DPoPClient], algorithm: str) -> None:
    """Of each type, as a client that exports too much would send it."""
    resource = Resource(clients[algorithm])
    assert resource.refusal_of(resource.proof({"jwk": resource.client.private_jwk})) == "key"


def test_a_short_rsa_key_is_refused() -> None:
    """RFC 7518 §3.3: 2048 bits at least."""
    resource = Resource(DPoPClient("RS256", new_key("RS256", rsa_bits=1024)))
    assert resource.refusal_of(resource.proof()) == "key"


def test_a_key_for_another_purpose_is_refused(clients: dict[str, DPoPClient]) -> None:
    """X25519 keys sign nothing."""
    raw = x25519.X25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    resource = Resource(clients["EdDSA"])
    assert resource.refusal_of(resource.proof({"jwk": {"kty": "OKP", "crv": "X25519", "x": segment(raw)}})) == "key"


@pytest.mark.parametrize(("named", "used"), [("PS256", "RS256"), ("RS256", "PS256"), ("RS512", "RS256")])
def test_a_key_that_names_another_algorithm_is_refused(clients: dict[str, DPoPClient], named: str, used: str) -> None:
    """RFC 8725 §3.1: a key is for one algorithm, if it says so."""
    resource = Resource(clients[used])
    proof = resource.proof({"jwk": {**resource.client.jwk, "alg": named}})
    assert resource.refusal_of(proof) == "key_of_other_algorithm"


# The binding, and the signature


def test_a_proof_of_another_key_is_refused(resource: Resource, clients: dict[str, DPoPClient]) -> None:
    """RFC 9449 §4.3, 12: whoever has stolen a token has a key, but not this one."""
    thief = DPoPClient("ES256")
    proof = thief.sign(thief.header(), thief.claims(METHOD, URI, ACCESS_TOKEN, NOW))
    assert resource.refuses_the_key_of(proof)
    resource.ask(proof, confirmation=thief.confirmation)


@pytest.mark.parametrize(
    "confirm",
    [
        pytest.param(lambda thumbprint: None, id="no confirmation"),
        pytest.param(lambda thumbprint: {}, id="an empty one"),
        pytest.param(lambda thumbprint: thumbprint, id="a text"),
        pytest.param(lambda thumbprint: [{"jkt": thumbprint}], id="a list"),
        pytest.param(lambda thumbprint: {"jkt": [thumbprint]}, id="a list of thumbprints"),
        pytest.param(lambda thumbprint: {"jkt": None}, id="no thumbprint"),
        pytest.param(lambda thumbprint: {"jkt": thumbprint + "="}, id="padding"),
        pytest.param(lambda thumbprint: {"jkt": thumbprint.lower()}, id="another case"),
        pytest.param(lambda thumbprint: {"x5t#S256": thumbprint}, id="a certificate"),
        pytest.param(lambda thumbprint: {"jkt": thumbprint, "x5t#S256": "x"}, id="a certificate as well"),
    ],
)
def test_a_confirmation_that_says_anything_else_is_refused(resource: Resource, confirm: Callable[[str], Any]) -> None:
    """RFC 7800 §3.1: what nobody can check is not passed over."""
    assert resource.refuses_the_key_of(resource.proof(), confirmation=confirm(resource.client.thumbprint))


def _with_signature(change: Callable[[bytes], bytes]) -> Callable[[str], str]:
    def spoil(proof: str) -> str:
        signing_input, _, signature = proof.rpartition(".")
        return f"{signing_input}.{segment(change(unsegment(signature)))}"

    return spoil


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_with_signature(lambda signature: b""), id="none"),
        pytest.param(_with_signature(lambda signature: signature[:-1]), id="cut"),
        pytest.param(_with_signature(lambda signature: signature + b"\0"), id="longer"),
        pytest.param(_with_signature(lambda signature: bytes([signature[0] ^ 1]) + signature[1:]), id="altered"),
        pytest.param(_with_signature(lambda signature: bytes(len(signature))), id="zeros"),
    ],
)
def test_a_signature_that_is_not_genuine_is_refused(
    clients: dict[str, DPoPClient], algorithm: str, spoil: Callable[[str], str]
) -> None:
    """RFC 9449 §4.3, 6."""
    resource = Resource(clients[algorithm])
    assert resource.refusal_of(spoil(resource.proof())) == "signature"


def test_altered_claims_are_refused(resource: Resource) -> None:
    """The signature is over what is said."""
    header, _, signature = _parts(resource.proof())
    claims = segment(resource.client.claims(METHOD, URI, ACCESS_TOKEN, NOW))
    assert resource.refusal_of(f"{header}.{claims}.{signature}") == "signature"


def test_the_key_of_the_token_under_a_signature_of_another_is_refused(resource: Resource) -> None:
    """Public keys are public: to name the right one is not to hold it."""
    thief = DPoPClient("ES256")
    claims = thief.claims(METHOD, URI, ACCESS_TOKEN, NOW)
    assert resource.refusal_of(thief.sign(thief.header(jwk=resource.client.jwk), claims)) == "signature"


# The claims


_CLAIM_FAULTS = {
    "no method": Fault("method", {"htm": ABSENT}),
    "another method": Fault("method", {"htm": "POST"}),
    "method in another case": Fault("method", {"htm": "get"}),
    "method that is a list": Fault("method", {"htm": ["GET"]}),
    "method that is null": Fault("method", {"htm": None}),
    "no URI": Fault("uri", {"htu": ABSENT}),
    "URI that is a list": Fault("uri", {"htu": [URI]}),
    "another path": Fault("uri", {"htu": f"{URI}/1"}),
    "another host": Fault("uri", {"htu": "https://api.example.org/messages"}),
    "another scheme": Fault("uri", {"htu": "http://api.example.com/messages"}),
    "another port": Fault("uri", {"htu": "https://api.example.com:8443/messages"}),
    "path alone": Fault("uri", {"htu": "/messages"}),
    "no hash of the access token": Fault("access_token", {"ath": ABSENT}),
    "hash of another token": Fault("access_token", {"ath": hash_of("another.access.token")}),
    "hash with padding": Fault("access_token", {"ath": padded(hash_of(ACCESS_TOKEN))}),
    "hash in hexadecimal": Fault("access_token", {"ath": unsegment(hash_of(ACCESS_TOKEN)).hex()}),
    "access token itself": Fault("access_token", {"ath": ACCESS_TOKEN}),
    "hash that is a list": Fault("access_token", {"ath": [hash_of(ACCESS_TOKEN)]}),
    "no time": Fault("time", {"iat": ABSENT}),
    "time that is a text": Fault("time", {"iat": str(NOW)}),
    "time that is true": Fault("time", {"iat": True}),
    "time that is null": Fault("time", {"iat": None}),
    "time that is a list": Fault("time", {"iat": [NOW]}),
    "time before 1970": Fault("time", {"iat": -1}),
    "time after 9999": Fault("time", {"iat": 10**30}),
    "time in milliseconds": Fault("in_future", {"iat": NOW * 100}),
    "too old": Fault("too_old", {"iat": NOW - 301}),
    "a little too old": Fault("too_old", {"iat": NOW - 300.5}),
    "in the future": Fault("in_future", {"iat": NOW + 31}),
    "a little in the future": Fault("in_future", {"iat": NOW + 30.5}),
    "no identifier": Fault("token_id", {"jti": ABSENT}),
    "empty identifier": Fault("token_id", {"jti": ""}),
    "identifier that is too long": Fault("token_id", {"jti": "x" * 257}),
    "identifier that is a number": Fault("token_id", {"jti": 1}),
    "identifier that is null": Fault("token_id", {"jti": None}),
    "identifier that is a list": Fault("token_id", {"jti": ["x"]}),
}


@pytest.mark.parametrize("fault", _CLAIM_FAULTS.values(), ids=_CLAIM_FAULTS.keys())
def test_claims_that_are_not_about_this_request_are_refused(resource: Resource, fault: Fault) -> None:
    """RFC 9449 §4.3, 8 to 12; the signature is genuine."""
    assert resource.refusal_of(resource.proof(**fault.members)) == fault.reason


def test_a_proof_is_good_for_its_own_request_only(resource: Resource) -> None:
    """Whoever has caught one cannot turn it to something else, and it is still good for what it was made for."""
    proof = resource.proof()
    assert resource.refusal_of(proof, method="DELETE") == "method"
    assert resource.refusal_of(proof, target=target("https://api.example.com/admin")) == "uri"
    assert resource.refusal_of(proof, target=target(None)) == "uri"
    assert resource.refusal_of(resource.proof(htu=None), target=target(None)) == "uri"
    assert resource.refusal_of(proof, access_token="another.access.token") == "access_token"
    resource.ask(proof)


def test_a_request_with_dot_segments_has_no_proof(resource: Resource) -> None:
    """Also where the proof spells them in the same way: Flask serves another view than the one it means."""
    dotted = "https://api.example.com/files/../messages"
    assert resource.refusal_of(resource.proof(htu=dotted), target=target(dotted)) == "uri"


# A header that has come before


def test_a_header_that_was_seen_before_excuses_nothing(resource: Resource) -> None:
    """The key and the signature are looked at each time, and so is the length."""
    resource.ask(resource.proof())
    spoil = _with_signature(lambda signature: bytes([signature[0] ^ 1]) + signature[1:])
    for proof, confirmation, reason in [
        (spoil(resource.proof()), resource.client.confirmation, "signature"),
        (resource.proof(), DPoPClient("ES256").confirmation, "other_key"),
        (resource.proof(nonce="x" * 9000), resource.client.confirmation, "too_long"),
        (resource.proof(htm="POST"), resource.client.confirmation, "method"),
    ]:
        with pytest.raises((InvalidProofError, BindingMismatchError)) as caught:
            resource.ask(proof, confirmation=confirmation)
        assert caught.value.reason == reason


def test_a_header_that_has_proven_nothing_is_not_remembered(resource: Resource) -> None:
    """Nobody can fill the memory of headers without a token, and the key that it is bound to."""
    thief = DPoPClient("ES256")
    with pytest.raises(BindingMismatchError):
        resource.ask(thief.sign(thief.header(), thief.claims(METHOD, URI, ACCESS_TOKEN, NOW)))
    claims = thief.claims(METHOD, URI, ACCESS_TOKEN, NOW)
    assert resource.refusal_of(thief.sign(thief.header(jwk=resource.client.jwk), claims)) == "signature"
    assert len(resource.checker._known_headers) == 0


def test_no_more_headers_are_remembered_than_the_limit(resource: Resource) -> None:
    """A client with a token may have any number of headers, by odd members."""
    for number in range(1024):
        resource.ask(resource.proof({"kid": str(number)}))
    assert len(resource.checker._known_headers) == 1024
    proof = resource.proof({"kid": "one too many"})
    resource.ask(proof)
    assert list(resource.checker._known_headers) == [proof.partition(".")[0].encode()]


# Once


def test_a_proof_is_good_once(resource: Resource) -> None:
    """RFC 9449 §11.1."""
    proof = resource.proof()
    resource.ask(proof)
    with pytest.raises(InvalidProofError) as caught:
        resource.ask(proof)
    assert (caught.value.reason, caught.value.status) == ("replayed", 401)
    assert response_body(caught.value) == {
        "error": "invalid_dpop_proof",
        "error_description": "The DPoP proof was already used; make a new one for each request.",
        "code": "invalid_dpop_proof",
    }


def _outcome(resource: Resource, proof: str, **changes: Any) -> str:
    try:
        resource.ask(proof, **changes)
    except InvalidProofError as exc:
        return exc.reason
    return "passes"


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        pytest.param({}, "replayed", id="made a second time"),
        pytest.param({"iat": NOW - 60}, "replayed", id="with another time"),
        pytest.param({"htu": "HTTPS://api.example.com:443/%6dessages?page=2"}, "replayed", id="spelled otherwise"),
        pytest.param({"jti": "another"}, "passes", id="with another identifier"),
    ],
)
def test_an_identifier_is_good_once_for_a_request(resource: Resource, claims: dict[str, Any], outcome: str) -> None:
    """RFC 9449 §11.1: in the context of the target URI, whatever else the proof says."""
    resource.ask(resource.proof(jti="the same"))
    assert _outcome(resource, resource.proof(**{"jti": "the same", **claims})) == outcome


def test_an_identifier_may_come_again_for_another_request(resource: Resource) -> None:
    """RFC 9449 §4.2: it has to be unique among proofs of the same context."""
    resource.ask(resource.proof(jti="the same"))
    resource.ask(resource.proof(jti="the same", htm="POST"), method="POST")
    other = "https://api.example.com/other"
    resource.ask(resource.proof(jti="the same", htu=other), target=target(other))


def test_an_identifier_of_one_client_is_not_used_up_by_another(resource: Resource) -> None:
    """Nobody may have somebody else's proof refused by guessing its identifier."""
    resource.ask(resource.proof(jti="the same"))
    other = DPoPClient("ES256")
    proof = other.sign(other.header(), other.claims(METHOD, URI, ACCESS_TOKEN, NOW, jti="the same"))
    resource.ask(proof, confirmation=other.confirmation)


def test_a_used_proof_is_refused_for_as_long_as_it_would_be_accepted(resource: Resource) -> None:
    """Also one by a clock that is ahead."""
    proof = resource.proof(iat=NOW + 30)
    resource.ask(proof)
    resource.clock.move(330)
    assert _outcome(resource, proof) == "replayed"
    resource.clock.move(0.5)
    assert _outcome(resource, proof) == "too_old"


# Whatever comes


_ODD_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
_CLIENT = DPoPClient("EdDSA")
_OTHER_KEYS = [DPoPClient(name).jwk for name in ("ES256", "EdDSA")] + [_CLIENT.private_jwk]

_HEADERS = st.fixed_dictionaries(
    {
        "typ": st.sampled_from(["dpop+jwt", "DPOP+jwt", "jwt"]) | _ODD_VALUES,
        "alg": st.sampled_from(["EdDSA", "Ed25519", "ES256", "none", "HS256"]) | _ODD_VALUES,
        "jwk": st.sampled_from([_CLIENT.jwk, _CLIENT.jwk, *_OTHER_KEYS])
        | st.builds(
            lambda members: {**_CLIENT.jwk, **members},
            st.dictionaries(
                st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "alg", "use", "key_ops", "kid"]),
                _ODD_VALUES,
            ),
        )
        | _ODD_VALUES,
    },
    optional={"crit": _ODD_VALUES, "b64": _ODD_VALUES, "kid": _ODD_VALUES, "": _ODD_VALUES},
)
_GOOD_CLAIMS = _CLIENT.claims(METHOD, URI, ACCESS_TOKEN, NOW)
_URIS = st.sampled_from([URI, f"{URI}?", "https://api.example.com:0443/./messages", "https://[::1"])
_TIMES = st.sampled_from([NOW - 301, NOW - 300, NOW, NOW + 30, NOW + 31, True, 0, 2**70, -1e308])
_CLAIMS = st.fixed_dictionaries(
    {
        "htm": st.just("GET") | _ODD_VALUES,
        "htu": st.sampled_from([URI, f"{URI}?", "https://api.example.com:0443/./messages", "https://[::1"])
        | _ODD_VALUES,
        "iat": _TIMES | _ODD_VALUES,
        "ath": st.just(_GOOD_CLAIMS["ath"]) | _ODD_VALUES,
        "jti": st.text(max_size=300) | _ODD_VALUES,
    },
    optional={"nonce": _ODD_VALUES, "exp": _ODD_VALUES},
)
_BOUNDED = settings(max_examples=400, deadline=None, database=None, derandomize=True)


def _decided(proof: str) -> str:
    """Return ``passes`` or the code of the refusal; anything else is raised."""
    try:
        Resource(_CLIENT).ask(proof)
    except (InvalidProofError, BindingMismatchError) as exc:
        return exc.code
    return "passes"


@pytest.mark.usefixtures("unmeasured")
@_BOUNDED
@given(header=_HEADERS, claims=_CLAIMS)
def test_whatever_is_signed_gets_one_of_the_documented_answers(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """And passes only if it says what it has to."""
    passes = _decided(_CLIENT.sign(header, claims)) == "passes"
    is_good = (
        str(header["typ"]).lower() == "dpop+jwt"
        and header["alg"] in ("EdDSA", "Ed25519")
        and isinstance(header["jwk"], dict)
        and header["jwk"].items() >= _CLIENT.jwk.items()
        and not {"d", "k"} & header["jwk"].keys()
        and not {"crit", "b64"} & header.keys()
        and claims["htm"] == METHOD
        and isinstance(claims["htu"], str)
        and claims["htu"].startswith("https://api.example.com")
        and type(claims["iat"]) in (int, float)
        and -300 <= claims["iat"] - NOW <= 30
        and claims["ath"] == _GOOD_CLAIMS["ath"]
        and isinstance(claims["jti"], str)
        and 0 < len(claims["jti"]) <= 256
    )
    # A key may have odd members besides, such as its algorithm: those are the table's.
    if header["jwk"] == _CLIENT.jwk or not is_good:
        assert passes == is_good


@_BOUNDED
@given(
    header=st.text(st.characters(max_codepoint=255), max_size=60)
    | st.builds(lambda parts: ".".join(map(segment, parts)), st.lists(st.binary(max_size=30), min_size=2, max_size=4))
    | st.builds(
        lambda place, text: (proof := _CLIENT.sign(_CLIENT.header(), _GOOD_CLAIMS))[:place] + text + proof[place + 1 :],
        st.integers(0, 400),
        st.text(st.characters(max_codepoint=255), min_size=1, max_size=2),
    )
)
def test_whatever_the_header_holds_is_refused_in_a_documented_way(header: str) -> None:
    """Any text that a server can hand on, and good proofs with a spot on them."""
    outcome = _decided(header)
    assert outcome in {"invalid_dpop_proof", "binding_mismatch"} or header.strip(" \t") == _CLIENT.sign(
        _CLIENT.header(), _GOOD_CLAIMS
    )


def test_no_reason_is_without_a_proof_that_is_refused_for_it() -> None:
    """The tables above are complete."""
    tested = {fault.reason for fault in (*_HEADER_FAULTS.values(), *_CLAIM_FAULTS.values())}
    others = {"missing", "several_proofs", "too_long", "malformed", "signature", "replayed"}
    assert tested | others == InvalidProofError.descriptions.keys()
