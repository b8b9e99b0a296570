"""What a request must prove in addition to its token: that the sender is the one it is bound to (RFC 7800 §3).

    ``cnf`` of the token       the request                                     checked by
    ─────────────────────      ───────────────────────────────────────────     ──────────────────────
    none                       ``Bearer``, and no proof
    ``jkt``                    ``DPoP``, and a proof of possession             `dpop`
    ``x5t#S256``               ``Bearer`` or ``DPoP``, over mutual TLS         `client_certificate`
    anything else              refused, in every mode

``AUTH0_DPOP=required`` leaves only the second row, ``AUTH0_MTLS=required`` only the third.

Nothing is downgraded: a bound token is never accepted as a bearer token, nor a bearer token as bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.sender_constraining.client_certificate import refuse_other_certificates
from auth0_blueprint.sender_constraining.confirmation import CERTIFICATE_THUMBPRINT, KEY_THUMBPRINT
from auth0_blueprint.settings.certificate_source import CertificateSource
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.credentials import BEARER, DPOP, is_by_dpop
from auth0_blueprint.verification.sequence import Presentation

#: The WSGI environ key of the proof.
PROOF = "HTTP_DPOP"


class Binding:
    """The binding rules of one app.

    Args:
        check_proof: checks the DPoP proof of a request (its environ) for a token (its text and its ``cnf``); ``None``
            if ``AUTH0_DPOP`` is disabled.
        certificate_source: where client certificates are found; ``None`` without ``AUTH0_MTLS_CERT``.
        is_proof_required: whether tokens without a DPoP proof are refused.
        is_certificate_required: whether tokens that are bound to no certificate are refused, also outside of a
            request.

    Attributes:
        takes_dpop_scheme: whether ``Authorization: DPoP ...`` is accepted.
    """

    def __init__(
        self,
        *,
        check_proof: Callable[[Mapping[str, Any], str, Any], None] | None = None,
        certificate_source: CertificateSource | None = None,
        is_proof_required: bool = False,
        is_certificate_required: bool = False,
    ) -> None:
        self._check_proof = check_proof
        self._certificate_source = certificate_source
        self.is_proof_required = is_proof_required
        self._is_certificate_required = is_certificate_required
        # Auth0's clients send certificate-bound tokens with this scheme as well, without a proof.
        self.takes_dpop_scheme: bool = check_proof is not None or certificate_source is not None

    def challenge_schemes(self, authorization: str | None) -> tuple[str, ...]:
        """Return the schemes for the challenge, that of the request first (RFC 9449 §7.1, §7.2).

        Args:
            authorization: the value of the request's ``Authorization`` header.
        """
        if self._check_proof is None:
            return ("Bearer",)
        if self.is_proof_required:
            return ("DPoP",)
        return ("DPoP", "Bearer") if is_by_dpop(authorization) else ("Bearer", "DPoP")

    def check(self, access_token: AccessToken, presentation: Presentation) -> None:
        """Refuse unless the request proves what *access_token* is bound to, with the right scheme.

        Outside of a request nothing can be proven, so every bound token is refused.

        Raises:
            BindingMismatchError: the request does not prove it.
            InvalidProofError: its DPoP proof is invalid.
            ReplayMemoryUnavailableError: earlier use of the proof cannot be checked.
        """
        environ = presentation.environ
        if self._is_certificate_required and not _is_bound_to_certificate(access_token):
            raise BindingMismatchError("certificate_required")
        if environ is None:
            if access_token.is_bound:
                raise BindingMismatchError
        elif access_token.is_bound or presentation.scheme != BEARER or PROOF in environ or self.is_proof_required:
            self._check_request(access_token, presentation, environ)

    def _check_request(self, access_token: AccessToken, presentation: Presentation, environ: Mapping[str, Any]) -> None:
        scheme = presentation.scheme
        confirmation = access_token.confirmation
        members = confirmation.keys() if isinstance(confirmation, dict) else None
        if members == {KEY_THUMBPRINT} and self._check_proof is not None and scheme == DPOP:
            self._check_proof(environ, presentation.token, confirmation)
        elif scheme != DPOP and PROOF in environ:
            raise BindingMismatchError("proof_beside_bearer")
        elif self.is_proof_required:
            raise BindingMismatchError("proof_required")
        elif members == {CERTIFICATE_THUMBPRINT} and self._certificate_source is not None:
            refuse_other_certificates(confirmation, environ, self._certificate_source)
        elif access_token.is_bound:
            raise BindingMismatchError("sender_constrained")
        else:
            raise BindingMismatchError("not_bound")  # a plain token by the DPoP scheme


def _is_bound_to_certificate(access_token: AccessToken) -> bool:
    confirmation = access_token.confirmation
    return isinstance(confirmation, dict) and confirmation.keys() == {CERTIFICATE_THUMBPRINT}
