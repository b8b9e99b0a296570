"""The signature algorithms that may be accepted, and the kind of key each one needs (RFC 7518 §3.1, RFC 9864)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jwt.algorithms import Algorithm as SignatureAlgorithm
from jwt.algorithms import get_default_algorithms


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Algorithm:
    """One asymmetric signature algorithm, equal to itself alone. ``EdDSA`` and ``Ed25519`` are two names of one."""

    name: str
    key_type: str
    curve: str | None
    implementation: SignatureAlgorithm

    def verify(self, signing_input: bytes, key: Any, signature: bytes) -> bool:
        """Tell whether *signature* is *key*'s over *signing_input*. PyJWT does it; its looser checks lie above this."""
        return bool(self.implementation.verify(signing_input, key, signature))


def _algorithms() -> dict[str, Algorithm]:
    known = get_default_algorithms()
    kinds: dict[str, tuple[str, str | None]] = {
        **{f"{family}{size}": ("RSA", None) for family in ("RS", "PS") for size in (256, 384, 512)},
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "ES512": ("EC", "P-521"),
        "EdDSA": ("OKP", "Ed25519"),
    }
    algorithms = {name: Algorithm(name, *kind, known[name]) for name, kind in kinds.items()}
    return {**algorithms, "Ed25519": algorithms["EdDSA"]}


#: Name, as in a header or in ``AUTH0_ALGORITHMS``, to algorithm. Symmetric ones and ``none`` are not in here.
ALGORITHMS = _algorithms()

#: Those that DPoP proofs may be signed with. Auth0's own SDKs take ES256; its documentation names RS256 as well, FAPI
#: 2.0 the others.
PROOF_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
