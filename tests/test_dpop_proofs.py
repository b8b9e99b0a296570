"""DPoP proofs: which are good, and why the others are not (RFC 9449 §4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import MovableClock
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dpop_client import DPoPClient, hash_of, json_with, new_key, padded, signed_with_secret
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import shared
from refusals import ABSENT, segment, unsegment, with_signature

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import BindingMismatchError, InvalidProofError
from auth0_blueprint.guards.challenge import response_body
from auth0_blueprint.jose.algorithms import ALGORITHMS, PROOF_ALGORITHMS
from auth0_blueprint.sender_constraining.dpop import ProofChecker
from auth0_blueprint.sender_constraining.replay import ReplayMemory
from auth0_blueprint.sender_constraining.target_uri import TargetURI

METHOD, URI = "GET", "https://api.example.com/messages"
ACCESS_TOKEN = "header.payload.signature"
NOW = 1_800_000_000
CLIENT, THIEF = DPoPClient("ES256"), DPoPClient("ES256")
BOUND_TO_OTHER_KEY = "The access token is bound to a different key than the one in the DPoP proof."


def memory(clock: Clock) -> ReplayMemory:
    """Return the memory of a process that shares nothing."""
    return ReplayMemory(shared(None), is_denying=False, clock=clock)


def target(uri: str | None) -> TargetURI:
    """Return what a request for *uri* is for, by a server that tells its raw path."""
    return TargetURI(uri, tells_slashes=True)


def proof_of(client: DPoPClient, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a proof of *client*: a good one, but for the given members."""
    return client.sign(client.header(**(header or {})), client.claims(METHOD, URI, ACCESS_TOKEN, NOW, **claims))


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
        return proof_of(self.client, header, **claims)

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
    made = {name: DPoPClient(name, rsa_key if name[0] in "RP" else None) for name in ALGORITHMS}
    return {**made, "ES256": CLIENT}


@pytest.fixture
def resource() -> Resource:
    """Asked by a client as most are: with ES256."""
    return Resource(CLIENT)


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
def test_a_good_proof_passes(clients: dict[str, DPoPClient], algorithm: str) -> None:
    resource = Resource(clients[algorithm])
    resource.ask(resource.proof())
    assert len(resource.memory) == 1


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_known_algorithm_can_be_accepted(clients: dict[str, DPoPClient], algorithm: str) -> None:
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
    ("header", "claims"),
    [
        ({"typ": "DPoP+JWT"}, {}),  # RFC 7515 §4.1.9: media types know no case
        ({"kid": "k", "x5c": ["..."], "jku": "https://evil.example/"}, {}),  # nobody reads them
        # As browsers export it, for example. None of it changes the thumbprint (RFC 7638 §3.2).
        *(({"jwk": {**CLIENT.jwk, "alg": "ES256"}}, {}), ({"jwk": {**CLIENT.jwk, "kid": "k"}}, {})),
        ({"jwk": {**CLIENT.jwk, "use": "sig", "key_ops": ["verify"], "ext": True}}, {}),
        *(({}, {"iat": time}) for time in (NOW - 300, NOW + 30, NOW + 0.25)),
        *(({}, {"jti": text}) for text in ("x", "x" * 256, "\u0000,é\U0001f511")),
        *(({}, {"htu": uri}) for uri in (f"{URI}?page=2#top", "HTTPS://API.example.com:443/%6Dessages")),
        ({}, {"nonce": "never asked for"}),
    ],
)
def test_what_a_proof_may_say(resource: Resource, header: dict[str, Any], claims: dict[str, Any]) -> None:
    """RFC 9449 §4.3, §11.1. White space around it is no part of the header's value (RFC 9110 §5.5)."""
    resource.ask(f" \t{resource.proof(header, **claims)} ")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        *((text, "missing") for text in (None, "", "  \t")),
        # RFC 9449 §4.3, 1: WSGI servers join repeated headers with a comma. Neither is used up.
        *((proof_of(CLIENT) + joint + proof_of(CLIENT), "several_proofs") for joint in (",", ", ", " , ")),
    ],
    ids=range(6),
)
def test_a_bound_token_needs_one_proof(resource: Resource, header: str | None, reason: str) -> None:
    assert resource.refusal_of(header) == reason


def test_a_proof_that_is_too_long_is_not_read(resource: Resource) -> None:
    proof = resource.proof()
    Resource(CLIENT, max_bytes=len(proof)).ask(proof)
    assert Resource(CLIENT, max_bytes=len(proof) - 1).refusal_of(proof) == "too_long"
    for size, reason in ((8192, "malformed"), (8193, "too_long"), (1_000_000, "too_long")):
        assert resource.refusal_of("x" * size) == reason


_GOOD = proof_of(CLIENT)
_HEADER, _CLAIMS_OF_GOOD, _ = _GOOD.split(".")


def _good_claims(**changes: Any) -> dict[str, Any]:
    return CLIENT.claims(METHOD, URI, ACCESS_TOKEN, NOW, **changes)


@pytest.mark.parametrize(
    "proof",
    [
        *("x", f"{_HEADER}.{_CLAIMS_OF_GOOD}", f"{_GOOD}.x.x", f"{_GOOD}=="),
        *(_GOOD.replace(".", odd) for odd in (". ", "é.", "\udcff.")),
        *(f"{segment([1])}.{_CLAIMS_OF_GOOD}.x", f"{segment(b'')}.{_CLAIMS_OF_GOOD}.x"),
        *(f"{_HEADER}.{segment('text')}.x", f"{segment(b'[' * 3000)}.x.x"),
        # A member named twice, a number that is none, a lone surrogate: two readers read them differently.
        CLIENT.sign(json_with(CLIENT.header(), "typ", '"dpop+jwt"'), _good_claims()),
        CLIENT.sign(json_with(CLIENT.header(), "jwk", "{}"), _good_claims()),
        CLIENT.sign(json_with(CLIENT.header(), "alg", '"ES256"'), _good_claims()),
        CLIENT.sign(CLIENT.header(), json_with(_good_claims(), "htu", '"https://evil.example/"')),
        CLIENT.sign(CLIENT.header(), json_with(_good_claims(), "nonce", '"\\ud800"')),
        CLIENT.sign(CLIENT.header(), json_with(_good_claims(iat=ABSENT), "iat", "NaN")),
        CLIENT.sign(CLIENT.header(), json_with(_good_claims(iat=ABSENT), "iat", "1e400")),
    ],
    ids=range(18),
)
def test_what_is_no_jwt_is_refused(resource: Resource, proof: str) -> None:
    """RFC 9449 §4.3, 2: as strictly as access tokens."""
    assert resource.refusal_of(proof) == "malformed"


Changed = dict[str, list[Any]]

#: By the reason of the refusal: what is changed in the header (RFC 9449 §4.2, §4.3), in its key, and in the claims.
HEADER_FAULTS: list[tuple[str, Changed]] = [
    ("type", {"typ": [ABSENT, "at+jwt", "JWT", "application/dpop+jwt", "dpop+jwt ", ["dpop+jwt"]]}),
    ("critical_extension", {"crit": [["exp"], []], "b64": [False]}),
    ("algorithm", {"alg": [ABSENT, "none", "NONE", "es256", "ES512", ["ES256"], 256]}),
    ("key_of_other_algorithm", {"alg": ["RS256"]}),
    ("key", {"jwk": [ABSENT, None, "{}", [], {}, {"kty": "oct", "k": "c2VjcmV0"}]}),
]
#: §4.3, 7: nothing private; and what key sets are not allowed either.
KEY_FAULTS: list[tuple[str, Changed]] = [
    ("key", {name: ["AQAB"] for name in ("d", "p", "q", "dp", "dq", "qi", "k")}),
    ("key", {"oth": [[]], "use": ["enc"], "key_ops": [["sign"], "verify"], "kid": [1], "x": ["AQAB", 1], "y": [None]}),
    ("key", {"alg": ["ES384", "HS256", None], "crv": ["secp256k1", "P-384"], "kty": ["RSA"]}),
]
#: §4.3, 8 to 12.
CLAIM_FAULTS: list[tuple[str, Changed]] = [
    ("method", {"htm": [ABSENT, "POST", "get", ["GET"], None]}),
    ("uri", {"htu": [ABSENT, [URI], f"{URI}/1", "https://api.example.org/messages", "/messages"]}),
    ("uri", {"htu": ["http://api.example.com/messages", "https://api.example.com:8443/messages"]}),
    ("access_token", {"ath": [ABSENT, ACCESS_TOKEN, hash_of("another.access.token"), padded(hash_of(ACCESS_TOKEN))]}),
    ("access_token", {"ath": [unsegment(hash_of(ACCESS_TOKEN)).hex(), [hash_of(ACCESS_TOKEN)]]}),
    ("time", {"iat": [ABSENT, str(NOW), True, None, [NOW], -1, 10**30]}),
    ("in_future", {"iat": [NOW * 100, NOW + 31, NOW + 30.5]}),
    ("too_old", {"iat": [NOW - 301, NOW - 300.5]}),
    ("token_id", {"jti": [ABSENT, "", "x" * 257, 1, None, ["x"]]}),
]


def _each(faults: list[tuple[str, Changed]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for reason, changes in faults:
        yield from ((reason, {name: value}) for name, values in changes.items() for value in values)


@pytest.mark.parametrize(
    ("reason", "header", "claims"),
    [
        *((reason, header, {}) for reason, header in _each(HEADER_FAULTS)),
        *((reason, {"jwk": {**CLIENT.jwk, **members}}, {}) for reason, members in _each(KEY_FAULTS)),
        *((reason, {}, claims) for reason, claims in _each(CLAIM_FAULTS)),
    ],
)
def test_a_proof_that_is_not_about_this_request_and_key_is_refused(
    resource: Resource, reason: str, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """The signature is genuine."""
    assert resource.refusal_of(resource.proof(header, **claims)) == reason


@pytest.mark.parametrize("encode", [lambda pem: pem, lambda pem: pem.strip()], ids=["PEM", "PEM, stripped"])
def test_a_secret_made_of_the_public_key_proves_nothing(resource: Resource, encode: Callable[[bytes], bytes]) -> None:
    """Algorithm confusion: HS256 over what everybody knows."""
    client = resource.client
    pem = client.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    proof = signed_with_secret(client.header(alg="HS256"), _good_claims(), encode(pem))
    assert resource.refusal_of(proof) == "algorithm"


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
def test_a_private_key_is_refused(clients: dict[str, DPoPClient], algorithm: str) -> None:
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


def test_a_proof_of_another_key_is_refused(resource: Resource) -> None:
    """RFC 9449 §4.3, 12: whoever has stolen a token has a key, but not this one."""
    proof = proof_of(THIEF)
    assert resource.refuses_the_key_of(proof)
    resource.ask(proof, confirmation=THIEF.confirmation)


_THUMBPRINT = CLIENT.thumbprint


@pytest.mark.parametrize(
    "confirmation",
    [
        *(None, {}, _THUMBPRINT, [{"jkt": _THUMBPRINT}], {"jkt": [_THUMBPRINT]}, {"jkt": None}),
        *({"jkt": _THUMBPRINT + "="}, {"jkt": _THUMBPRINT.lower()}),
        *({"x5t#S256": _THUMBPRINT}, {"jkt": _THUMBPRINT, "x5t#S256": "x"}),
    ],
    ids=range(10),
)
def test_a_confirmation_that_says_anything_else_is_refused(resource: Resource, confirmation: Any) -> None:
    """RFC 7800 §3.1: what nobody can check is not passed over."""
    assert resource.refuses_the_key_of(resource.proof(), confirmation=confirmation)


SIGNATURES: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda signature: b"",
    "cut": lambda signature: signature[:-1],
    "longer": lambda signature: signature + b"\0",
    "altered": lambda signature: bytes([signature[0] ^ 1]) + signature[1:],
    "zeros": lambda signature: bytes(len(signature)),
}


def _spoilt(proof: str, how: str) -> str:
    return with_signature(proof, SIGNATURES[how](unsegment(proof.rpartition(".")[2])))


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
@pytest.mark.parametrize("how", SIGNATURES)
def test_a_signature_that_is_not_genuine_is_refused(clients: dict[str, DPoPClient], algorithm: str, how: str) -> None:
    """RFC 9449 §4.3, 6."""
    resource = Resource(clients[algorithm])
    assert resource.refusal_of(_spoilt(resource.proof(), how)) == "signature"


def test_altered_claims_are_refused(resource: Resource) -> None:
    header, _, signature = resource.proof().split(".")
    claims = resource.proof().split(".")[1]
    assert resource.refusal_of(f"{header}.{claims}.{signature}") == "signature"


def test_the_key_of_the_token_under_a_signature_of_another_is_refused(resource: Resource) -> None:
    """Public keys are public: to name the right one is not to hold it."""
    assert resource.refusal_of(proof_of(THIEF, {"jwk": CLIENT.jwk})) == "signature"


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


def test_a_header_that_was_seen_before_excuses_nothing(resource: Resource) -> None:
    resource.ask(resource.proof())
    for proof, confirmation, reason in [
        (_spoilt(resource.proof(), "altered"), CLIENT.confirmation, "signature"),
        (resource.proof(), THIEF.confirmation, "other_key"),
        (resource.proof(nonce="x" * 9000), CLIENT.confirmation, "too_long"),
        (resource.proof(htm="POST"), CLIENT.confirmation, "method"),
    ]:
        with pytest.raises((InvalidProofError, BindingMismatchError)) as caught:
            resource.ask(proof, confirmation=confirmation)
        assert caught.value.reason == reason


def test_a_header_that_has_proven_nothing_is_not_remembered(resource: Resource) -> None:
    """Nobody can fill the memory of headers without a token, and the key that it is bound to."""
    assert resource.refuses_the_key_of(proof_of(THIEF))
    assert resource.refusal_of(proof_of(THIEF, {"jwk": CLIENT.jwk})) == "signature"
    assert len(resource.checker._known_headers) == 0


def test_no_more_headers_are_remembered_than_the_limit(resource: Resource) -> None:
    """A client with a token may have any number of headers, by odd members."""
    for number in range(1024):
        resource.ask(resource.proof({"kid": str(number)}))
    assert len(resource.checker._known_headers) == 1024
    proof = resource.proof({"kid": "one too many"})
    resource.ask(proof)
    assert list(resource.checker._known_headers) == [proof.partition(".")[0].encode()]


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
        *(({}, "replayed"), ({"iat": NOW - 60}, "replayed"), ({"jti": "another"}, "passes")),
        ({"htu": "HTTPS://api.example.com:443/%6dessages?page=2"}, "replayed"),
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
    resource.ask(proof_of(THIEF, jti="the same"), confirmation=THIEF.confirmation)


def test_a_used_proof_is_refused_for_as_long_as_it_would_be_accepted(resource: Resource) -> None:
    proof = resource.proof(iat=NOW + 30)
    resource.ask(proof)
    resource.clock.move(330)
    assert _outcome(resource, proof) == "replayed"
    resource.clock.move(0.5)
    assert _outcome(resource, proof) == "too_old"


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
        "htu": _URIS | _ODD_VALUES,
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
    tested = {reason for reason, _ in (*HEADER_FAULTS, *CLAIM_FAULTS)}
    others = {"missing", "several_proofs", "too_long", "malformed", "signature", "replayed"}
    assert tested | others == InvalidProofError.descriptions.keys()
