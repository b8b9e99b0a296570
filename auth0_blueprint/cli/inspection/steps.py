"""The steps by which this app accepts a token or refuses it: the app's own verifier takes them, here they get names.

The verifier raises at the first thing that is wrong. Its error tells where it was: whatever comes before has passed,
and whatever comes after was not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

from auth0_blueprint.cli.command_errors import CommandError
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.protection import AUTOMATIC, NONE, OPTIONAL, PUBLIC, STATIC, Protection
from auth0_blueprint.errors import (
    Auth0Error,
    BindingMismatchError,
    ExpiredTokenError,
    InvalidClaimsError,
    InvalidProofError,
    InvalidSignatureError,
    KeySetUnavailableError,
    MalformedTokenError,
    TokenNotYetValidError,
    UnknownKeyError,
    UnsupportedAlgorithmError,
)
from auth0_blueprint.guards.authentication import AppState
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.credentials import BEARER, DPOP

P = ParamSpec("P")
R = TypeVar("R")

NOT_REACHED = "-"

#: Each step, in the verifier's order, and what can be said when it has passed.
STEPS: dict[str, str] = {
    "form": "three base64url segments; header and payload are JSON objects",
    "header": "algorithm, key id, extensions and type are acceptable",
    "issuer": "it names an issuer of this app",
    "key": "the issuer publishes the key that it names",
    "signature": "the issuer has signed it",
    "claims": "audience, subject and the other claims are acceptable",
    "times": "it is valid now, and not for too long",
    "revocation": "nobody has revoked it",
    "binding": "it is a bearer token, and this app takes those",
    "rules": "the app has nothing against it",
}
REQUIREMENT = "demand"
#: What is said instead of demands.
_NOTHING: dict[str, str] = {
    OPTIONAL: "nothing: the route also takes requests without a token",
    PUBLIC: "nothing: the view is marked @public",
    STATIC: "nothing: it is one of Flask's own static files",
    AUTOMATIC: "nothing: Flask answers OPTIONS by itself",
    NONE: "nothing: no guard of this route demands anything",
}

_STEP_OF_ERROR: dict[type[Auth0Error], str] = {
    MalformedTokenError: "form",
    UnsupportedAlgorithmError: "header",
    UnknownKeyError: "key",
    KeySetUnavailableError: "key",
    InvalidSignatureError: "signature",
    InvalidClaimsError: "claims",
    ExpiredTokenError: "times",
    TokenNotYetValidError: "times",
}
_STEP_OF_REASON: dict[tuple[type[Auth0Error], str], str] = {
    (MalformedTokenError, "key_id"): "header",
    (MalformedTokenError, "critical_extension"): "header",
    (MalformedTokenError, "type"): "header",
    (InvalidClaimsError, "number"): "form",
    (InvalidClaimsError, "issuer"): "issuer",
    (InvalidClaimsError, "lifetime"): "times",
}


class VerificationTrace(NamedTuple):
    """How far a token has come.

    Attributes:
        steps: a finding for each step.
        access_token: the verified token, if it is proven.
        error: why it is refused, or why that cannot be told.
    """

    steps: list[Finding]
    access_token: AccessToken | None
    error: Auth0Error | None

    @property
    def is_signed(self) -> bool:
        """Whether the issuer is proven to have written header and claims, acceptable or not."""
        return any(found.check == "signature" and found.status == OK for found in self.steps)


def step_of(error: Auth0Error) -> str:
    """Return the step at which the verifier was when it raised *error*."""
    return _STEP_OF_REASON.get((type(error), error.reason)) or _STEP_OF_ERROR[type(error)]


def trace_verification(
    state: AppState, token: str, environ: Mapping[str, Any], protection: Protection | None = None
) -> VerificationTrace:
    """Let the app decide about *token*, as for a request.

    Args:
        state: of the app.
        token: its text.
        environ: a request that shows nothing else, as WSGI describes it.
        protection: of the route; ``None`` if no route is in question.

    Raises:
        CommandError: something of the app's own has failed.
    """
    access_token, step = None, None
    try:
        access_token = state.verifier.prove(token)
        step = "revocation"
        state.verifier.check_not_revoked(access_token, token)
        step = "binding"
        needed_proof = _needed_proof(state.binding, access_token, token, environ)
        step = "rules"
        _asked_of_app(state.rules.admit, access_token)
    except Auth0Error as exc:
        unreached = [Finding(REQUIREMENT, NOT_REACHED, text) for text in _requirements_in_words(protection)]
        return VerificationTrace(
            [*_steps_until(step or step_of(exc), exc, _texts(state)), *unreached], access_token, exc
        )
    passed = [Finding(name, OK, text) for name, text in _texts(state).items()]
    proof = Finding("binding", WARN, needed_proof)
    steps = [proof if needed_proof and found.check == proof.check else found for found in passed]
    requirements = protection.requirements if protection is not None else ()
    if not requirements:
        steps += [Finding(REQUIREMENT, OK, text) for text in _requirements_in_words(protection)]
    error = None
    for requirement in requirements:
        is_met = _asked_of_app(requirement.is_met_by, access_token)
        steps.append(Finding(REQUIREMENT, OK if is_met else FAIL, requirement.label))
        error = error or (None if is_met else requirement.refusal(()))
    return VerificationTrace(steps, access_token, error)


def _requirements_in_words(protection: Protection | None) -> list[str]:
    if protection is None:
        return []
    return [requirement.label for requirement in protection.requirements] or [_NOTHING[protection.guard]]


def _texts(state: AppState) -> dict[str, str]:
    """Return `STEPS`, honest about what this process can know of revocations."""
    if state.revocations is None:
        return {**STEPS, "revocation": "not looked for: AUTH0_REVOCATION is off"}
    if state.reach() == "process":
        return {**STEPS, "revocation": "none is known here, where no shared cache tells those of other processes"}
    return STEPS


def _steps_until(last: str, error: Auth0Error, texts: dict[str, str]) -> Iterator[Finding]:
    names = list(texts)
    for index, name in enumerate(names):
        if index < names.index(last):
            yield Finding(name, OK, texts[name])
        else:
            yield Finding(name, FAIL, error.description) if name == last else Finding(name, NOT_REACHED, "not reached")


def _needed_proof(binding: Binding, access_token: AccessToken, token: str, environ: Mapping[str, Any]) -> str:
    """Return what a request has to show beside *access_token*; nothing for a bearer token.

    Raises:
        BindingMismatchError: no request with it would pass.
    """
    scheme = DPOP if access_token.is_bound and binding.takes_dpop_scheme else BEARER
    try:
        binding.refuse_unproven(access_token, token, scheme, environ)
    except InvalidProofError:
        return "accepted only with a DPoP proof by the key that it is bound to"
    except BindingMismatchError as exc:
        if exc.reason != "no_certificate":
            raise
        return "accepted only with the client certificate that it is bound to"
    return ""


def _asked_of_app(question: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Ask what is, or may be, a function of the app's own."""
    try:
        return question(*args, **kwargs)
    except Auth0Error:
        raise
    except Exception as exc:
        raise CommandError(f"A function of the app that judges tokens has failed, with {type(exc).__name__}.") from exc
