"""The supported signature algorithms, and the kind of key that each one needs (RFC 7518 §3.1, RFC 9864).

The asymmetric ones are in `ALGORITHMS`, where everything that reads a public key looks. HS256 stands apart: its key is
a secret, and no name in a header or in a key set leads to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from jwt.algorithms import Algorithm as SignatureAlgorithm
from jwt.algorithms import HMACAlgorithm, get_default_algorithms


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Algorithm:
    """One signature algorithm, compared by identity. ``EdDSA`` and ``Ed25519`` are two names for one."""

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


class SharedSecrets:
    """The secrets of HS256, of which one signs: one, or two while one replaces the other. Shown nowhere."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[bytes, ...]) -> None:
        self.values: tuple[bytes, ...] = values

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not written anywhere")


class _AnyOfTheSecrets(HMACAlgorithm):
    """HMAC with SHA-256 (RFC 7518 §3.2), by PyJWT and the standard library."""

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        # All of them, also after one that fits: the time says nothing about which one that is.
        verdicts = [HMACAlgorithm.verify(self, msg, secret, sig) for secret in key.values]
        return True in verdicts


#: From the name, as in a header or in ``AUTH0_ALGORITHMS``, to the algorithm. Without symmetric ones and ``none``.
ALGORITHMS = _algorithms()

#: The only symmetric algorithm, for an app with ``AUTH0_SIGNING_SECRET``. Its keys are `SharedSecrets`.
HS256 = Algorithm("HS256", "oct", None, _AnyOfTheSecrets(HMACAlgorithm.SHA256))

#: The algorithms for DPoP proofs. Auth0's SDKs use ES256; its documentation also names RS256, FAPI 2.0 the others.
PROOF_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
