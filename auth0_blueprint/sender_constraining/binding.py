"""What a request has to prove beside its token: that it comes from whom the token is bound to (RFC 7800 §3).

    ``cnf`` of the token       the request                                     checked by
    ─────────────────────      ───────────────────────────────────────────     ──────────────────────
    none                       ``Bearer``, and no proof
    ``jkt``                    ``DPoP``, and a proof of possession             `dpop`
    ``x5t#S256``               ``Bearer`` or ``DPoP``, over mutual TLS         `client_certificate`
    anything else              refused, in every mode

Nothing is downgraded: a bound token is never taken as a plain one, nor a plain one as bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.sender_constraining.client_certificate import THUMBPRINT as CERTIFICATE_THUMBPRINT
from auth0_blueprint.sender_constraining.client_certificate import refuse_other_certificates
from auth0_blueprint.sender_constraining.dpop import THUMBPRINT as KEY_THUMBPRINT
from auth0_blueprint.settings.certificate_source import CertificateSource
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.credentials import BEARER, DPOP, is_by_dpop
from auth0_blueprint.verification.sequence import Presentation

#: Where WSGI has the proof.
PROOF = "HTTP_DPOP"


class Binding:
    """The rules of one app.

    Args:
        check_proof: checks the DPoP proof of a request, by its environ, for a token, by its text and its ``cnf``;
            ``None`` where ``AUTH0_DPOP`` is disabled.
        certificate_source: where client certificates are; ``None`` without ``AUTH0_MTLS_CERT``.
        is_proof_required: whether tokens that no DPoP proof goes with are refused.

    Attributes:
        takes_dpop_scheme: whether ``Authorization: DPoP ...`` is understood.
    """

    def __init__(
        self,
        *,
        check_proof: Callable[[Mapping[str, Any], str, Any], None] | None = None,
        certificate_source: CertificateSource | None = None,
        is_proof_required: bool = False,
    ) -> None:
        self._check_proof = check_proof
        self._certificate_source = certificate_source
        self.is_proof_required = is_proof_required
        # Auth0 has clients send tokens that are bound to a certificate by this scheme as well, without a proof.
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
        """Refuse unless the request proves what *access_token* is bound to, by the right scheme.

        Outside of a request nothing can be proven, so every bound token is refused.

        Raises:
            BindingMismatchError: it does not.
            InvalidProofError: its DPoP proof is not good.
            ReplayMemoryUnavailableError: whether that was used before cannot be told.
        """
        environ = presentation.environ
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
        elif scheme == DPOP:
            raise BindingMismatchError("not_bound")
