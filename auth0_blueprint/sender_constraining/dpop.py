"""DPoP proofs (RFC 9449 §4.3): whether the sender of an access token holds the key that the token is bound to.

1. one header; its size, shape, strict JSON (`jws`)
2. type, header extensions, algorithm
3. the key (`jwk`), and that the token is bound to it
4. the signature
5. the claims: method, target URI, access token, time, identifier
6. that it was not used before (`replay`): last, so that only the holder of the key can use a proof up

The caller has verified the access token already, so anything expensive is done only for keys that the issuer has bound
a token to.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import BindingMismatchError, InvalidProofError, InvalidTokenError
from auth0_blueprint.jose import base64url, jws
from auth0_blueprint.jose.algorithms import ALGORITHMS, PROOF_ALGORITHMS, Algorithm
from auth0_blueprint.jose.jwk import UnusableKeyError, VerificationKey, parse_jwk
from auth0_blueprint.sender_constraining.confirmation import KEY_THUMBPRINT
from auth0_blueprint.sender_constraining.replay import ReplayMemory
from auth0_blueprint.sender_constraining.target_uri import TargetURI, normalized
from auth0_blueprint.verification.access_token import is_unix_time

#: An RSA key of 4096 bits makes a proof of 2.5 KB.
MAX_PROOF_BYTES = 8192
MAX_AGE_SECONDS = 300
MAX_AHEAD_SECONDS = 30
MAX_TOKEN_ID_CHARACTERS = 256
#: How many clients' keys a process remembers: a client sends the same JOSE header in each of its proofs.
MAX_KNOWN_HEADERS = 1024

_WHITESPACE = " \t"  # RFC 9110 §5.6.3: only these may surround a field's value


class _KnownHeader(NamedTuple):
    header: dict[str, Any]
    algorithm: Algorithm
    key: VerificationKey
    thumbprint: str


class ProofChecker:
    """Checks the proofs that come with access tokens.

    Args:
        replay_memory: the proofs already used.
        algorithms: the names of the accepted ones.
        max_bytes: longer proofs are refused before parsing.
        clock: tells the time.
    """

    def __init__(
        self,
        replay_memory: ReplayMemory,
        *,
        algorithms: tuple[str, ...] = PROOF_ALGORITHMS,
        max_bytes: int = MAX_PROOF_BYTES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._replay_memory = replay_memory
        self._algorithms = frozenset(ALGORITHMS[name] for name in algorithms)
        self._max_bytes = max_bytes
        self._clock = clock
        self._known_headers: dict[bytes, _KnownHeader] = {}

    def check(
        self, proof_header: str | None, *, method: str, target: TargetURI, access_token: str, confirmation: Any
    ) -> None:
        """Check the proof that came with *access_token*, and use it up.

        Args:
            proof_header: the value of the ``DPoP`` header.
            method: of the request.
            target: of the request.
            access_token: its text, already verified.
            confirmation: its ``cnf``, which names the key it is bound to (§6.1).

        Raises:
            InvalidProofError: it is not a proof for this request, or was used before.
            BindingMismatchError: it is signed with another key, or *confirmation* has other members as well.
            ReplayMemoryUnavailableError: earlier use cannot be checked, or this use cannot be recorded.
        """
        thumbprint, claims = self._proven(_only_proof(proof_header), confirmation)
        if claims.get("htm") != method:  # RFC 9110 §9.1: methods are case-sensitive
            raise InvalidProofError("method")
        uri = _named_uri(claims, target)
        if claims.get("ath") != _hash(access_token):
            raise InvalidProofError("access_token")
        issued_at, token_id = self._issued_at(claims), _token_id(claims)
        # §11.1: within the context of the target URI. JSON is unambiguous, whatever the identifier contains.
        proof = json.dumps([thumbprint, method, uri, token_id]).encode()
        self._replay_memory.use(hashlib.sha256(proof).digest(), issued_at + MAX_AGE_SECONDS)

    def _proven(self, proof: bytes, confirmation: Any) -> tuple[str, dict[str, Any]]:
        """Return the thumbprint of the key that *confirmation* names, and the claims signed with it."""
        header_segment = proof.partition(b".")[0]
        known = self._known_headers.get(header_segment)
        try:
            unverified = jws.parse(proof, self._max_bytes, known.header if known else None)
        except InvalidTokenError as exc:
            raise InvalidProofError("too_long" if exc.reason == "too_long" else "malformed") from exc
        read = known or self._read_header(unverified.header)
        # RFC 7800 §3.1: a confirmation stands for one key. Nobody would check what another member requires.
        # An ordinary comparison: nothing here is secret, all of it is in the request.
        if confirmation != {KEY_THUMBPRINT: read.thumbprint}:
            raise BindingMismatchError("other_key")
        if not read.algorithm.verify(unverified.signing_input, read.key.material, unverified.signature):
            raise InvalidProofError("signature")
        # Only now: a token is bound to this key, and the sender holds it.
        if known is None:
            if len(self._known_headers) >= MAX_KNOWN_HEADERS:
                self._known_headers.clear()
            self._known_headers[header_segment] = read
        return read.thumbprint, unverified.claims

    def _read_header(self, header: dict[str, Any]) -> _KnownHeader:
        algorithm = self._check_header(header)
        key = _key(header, algorithm)
        return _KnownHeader(header, algorithm, key, key.thumbprint)

    def _check_header(self, header: dict[str, Any]) -> Algorithm:
        # §4.2 gives the value, without "application/". RFC 7515 §4.1.9: media types are case-insensitive.
        token_type = header.get("typ")
        if not isinstance(token_type, str) or token_type.lower() != "dpop+jwt":
            raise InvalidProofError("type")
        # RFC 7515 §4.1.11: no extension is understood here, so none may be critical. RFC 7797: b64 is one of them.
        if "crit" in header or "b64" in header:
            raise InvalidProofError("critical_extension")
        name = header.get("alg")
        algorithm = ALGORITHMS.get(name) if isinstance(name, str) else None
        if algorithm not in self._algorithms:
            raise InvalidProofError("algorithm")
        return algorithm

    def _issued_at(self, claims: dict[str, Any]) -> int | float:
        value = claims.get("iat")
        if not is_unix_time(value):
            raise InvalidProofError("time")
        now = self._clock.time()
        if value < now - MAX_AGE_SECONDS:
            raise InvalidProofError("too_old")
        if value > now + MAX_AHEAD_SECONDS:
            raise InvalidProofError("in_future")
        return value


def _only_proof(proof_header: str | None) -> bytes:
    proof = (proof_header or "").strip(_WHITESPACE)
    if not proof:
        raise InvalidProofError("missing")
    # WSGI servers join repeated headers with a comma, which no proof contains.
    if "," in proof:
        raise InvalidProofError("several_proofs")
    return proof.encode("utf-8", "surrogatepass")  # the encoding of any other text is not a valid proof either


def _key(header: dict[str, Any], algorithm: Algorithm) -> VerificationKey:
    try:
        key = parse_jwk(header.get("jwk"))
    except UnusableKeyError as exc:
        raise InvalidProofError("key") from exc
    if not key.fits(algorithm):
        raise InvalidProofError("key_of_other_algorithm")
    return key


def _named_uri(claims: dict[str, Any], target: TargetURI) -> str:
    named = claims.get("htu")
    if named == target.uri and isinstance(named, str) and "/." not in named:
        return named  # already normalized, as most clients send it
    try:
        uri = normalized(str(named))  # str() of any other JSON value is not a URI
    except ValueError as exc:
        raise InvalidProofError("uri") from exc
    if not target.is_named_by(uri):
        raise InvalidProofError("uri")
    return uri


def _hash(access_token: str) -> str:
    return base64url.encode(hashlib.sha256(access_token.encode()).digest())


def _token_id(claims: dict[str, Any]) -> str:
    value = claims.get("jti")
    # §11.1: unnecessarily large ones must be refused.
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN_ID_CHARACTERS:
        raise InvalidProofError("token_id")
    return value
