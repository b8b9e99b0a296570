"""The verification of a token, in a span."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import Span

from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.extension.otel.spans import (
    OUTCOME,
    STATUS,
    Verification,
    open_verification,
    parent_of,
    set_all,
    set_failed,
)
from auth0_blueprint.guards.labels import known_code
from auth0_blueprint.sender_constraining.binding import PROOF
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation, Prove, Step, VerificationSequence

_BINDINGS = {"jkt": "dpop", "x5t#S256": "mtls"}


class TracedSequence(VerificationSequence):
    """The sequence, with a span ``auth0.verify`` around each verification.

    Args:
        prove: as for `VerificationSequence`.
        steps: likewise.
        names_subjects: whether spans name the subject.
    """

    def __init__(self, prove: Prove, steps: tuple[Step, ...], *, names_subjects: bool) -> None:
        super().__init__(prove, steps)
        self._names_subjects = names_subjects

    def without(self, *names: str) -> VerificationSequence:
        """Return this sequence without the steps of these *names*, with spans as well."""
        steps = super().without(*names).steps
        return TracedSequence(self.prove, steps, names_subjects=self._names_subjects)

    def verify(self, presentation: Presentation, *, cached_only: bool = False) -> AccessToken:
        """Do what `VerificationSequence.verify` does, in a span."""
        environ = presentation.environ
        # Outside of a request, what is verified is not the token of whoever is behind the current span.
        request_span = trace.INVALID_SPAN if environ is None else trace.get_current_span()
        with open_verification(parent_of(environ)) as (span, verification):
            has_proof = environ is not None and PROOF in environ
            set_all(span, {"auth0.token.scheme": presentation.scheme, "auth0.dpop.proof": has_proof})
            try:
                access_token = super().verify(presentation, cached_only=cached_only)
            except Auth0Error as exc:
                self._note_refusal(span, verification, exc)
                raise
            except BaseException as exc:
                set_failed(span, type(exc).__qualname__)
                raise
            is_proven = cached_only or verification.is_proven
            self._note_token(span, request_span, access_token, "proven" if is_proven else "remembered")
        return access_token

    def _note_refusal(self, span: Span, verification: Verification, error: Auth0Error) -> None:
        source = "proven" if verification.is_proven else None
        code = known_code(error.code)
        set_all(span, {OUTCOME: code, STATUS: error.status, "auth0.token.source": source})
        if error.status >= 500:
            set_failed(span, code)

    def _note_token(self, span: Span, request_span: Span, access_token: AccessToken, source: str) -> None:
        if not span.is_recording():
            return
        caller = {
            OUTCOME: "verified",
            "auth0.client_id": access_token.client_id,
            "auth0.organization_id": access_token.organization_id,
            "enduser.id": access_token.subject if self._names_subjects else None,
        }
        set_all(request_span, caller)
        issuer, binding = access_token.issuer, _binding(access_token)
        set_all(span, {**caller, "auth0.issuer": issuer, "auth0.token.source": source, "auth0.token.binding": binding})


def _binding(access_token: AccessToken) -> str:
    if not access_token.is_bound:
        return "none"
    # Where introspection asks, nothing has checked what kind of value it is.
    confirmation = access_token.confirmation
    members = confirmation.keys() if isinstance(confirmation, dict) else ()
    return next((kind for member, kind in _BINDINGS.items() if member in members), "other")
