"""The one order in which every presented token is verified: prove it, then run each step that may still refuse it.

Guards, `verify_token`, introspection, the health endpoint and ``flask auth0 inspect`` all run the sequence that
`extension.assembly` builds; each leaves out, by name, the steps that cannot apply to it. A step added there applies to
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.credentials import BEARER


@dataclass(slots=True)  # frozen ones take five times as long to create
class Presentation:
    """A token as it was presented.

    Attributes:
        token: its text.
        scheme: the scheme it was sent with, ``bearer`` or ``dpop``.
        environ: the request that carried it, as WSGI describes it; ``None`` outside of a request.
    """

    token: str
    scheme: str = BEARER
    environ: Mapping[str, Any] | None = None


class Prove(Protocol):
    """Proves a token, as `Verifier.prove` does."""

    def __call__(self, token: str, /, *, cached_only: bool = False) -> AccessToken:
        """Return what *token* proves, or raise `Auth0Error`."""
        ...


class Step(NamedTuple):
    """One thing that may refuse a proven token.

    Attributes:
        name: ``revocation``, ``binding``, ``rules``.
        check: raises `Auth0Error` for a token that must not pass.
    """

    name: str
    check: Callable[[AccessToken, Presentation], object]


class VerificationSequence:
    """The one order in which tokens are verified.

    Args:
        prove: proves that a trusted issuer issued a token for this API, and that it has not expired.
        steps: the checks that may refuse a proven token, in order.
    """

    def __init__(self, prove: Prove, steps: tuple[Step, ...]) -> None:
        self.prove: Prove = prove
        self.steps: tuple[Step, ...] = steps
        self._checks = tuple(step.check for step in steps)

    def without(self, *names: str) -> VerificationSequence:
        """Return this sequence without the steps of these *names*."""
        return VerificationSequence(self.prove, tuple(step for step in self.steps if step.name not in names))

    def verify(self, presentation: Presentation, *, cached_only: bool = False) -> AccessToken:
        """Prove the presented token, and run every step.

        Args:
            presentation: the token and how it was presented.
            cached_only: use only cached keys: cause no fetch and wait for none.

        Raises:
            Auth0Error: the token is refused, or this cannot be decided now.
        """
        access_token = self.prove(presentation.token, cached_only=cached_only)
        for check in self._checks:
            check(access_token, presentation)
        return access_token
