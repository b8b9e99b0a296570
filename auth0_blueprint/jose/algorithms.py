"""The supported signature algorithms, and the kind of key that each one needs (RFC 7518 §3.1, RFC 9864)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jwt.algorithms import Algorithm as SignatureAlgorithm
from jwt.algorithms import get_default_algorithms


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Algorithm:
    """One asymmetric signature algorithm, compared by identity. ``EdDSA`` and ``Ed25519`` are two names for one."""

    name: str
    key_type: str
    curve: str | None
    implementation: SignatureAlgorithm

    def verify(self, signing_input: bytes, key: Any, signature: bytes) -> bool:
        """Return whether *signature* is *key*'s over *signing_input*, by PyJWT below its own, looser token checks."""
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


#: From the name, as in a header or in ``AUTH0_ALGORITHMS``, to the algorithm. Without symmetric ones and ``none``.
ALGORITHMS = _algorithms()

#: The algorithms for DPoP proofs. Auth0's SDKs use ES256; its documentation also names RS256, FAPI 2.0 the others.
PROOF_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
