"""The steps by which this app accepts or refuses a token: the app's own sequence takes them, here they get names.

Proving a token raises at the first thing that is wrong, and the error tells where that was: every step before it has
passed, and none after it was reached. The steps after the proof are those of the app's `VerificationSequence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

from auth0_blueprint.cli.command_errors import CommandError
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.inspection.decryption import cause_of
from auth0_blueprint.cli.protection import AUTOMATIC, NONE, OPTIONAL, PUBLIC, SENDER, STATIC, Protection
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
    UserNotFoundError,
)
from auth0_blueprint.guards.authentication import AppState
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.credentials import BEARER, DPOP
from auth0_blueprint.verification.secret_keys import NO_KEY_SET
from auth0_blueprint.verification.sequence import Presentation

P = ParamSpec("P")
R = TypeVar("R")

NOT_REACHED = "-"

#: What proving a token consists of, in the verifier's order, and what to say of each step that has passed.
PROOF_STEPS: dict[str, str] = {
    "form": "three base64url segments; header and payload are JSON objects",
    "header": "algorithm, key id, extensions and type are acceptable",
    "issuer": "names an issuer of this app",
    "key": "the issuer publishes the key it names",
    "signature": "signed by the issuer",
    "claims": "audience, subject and the other claims are acceptable",
    "times": "valid now, and not for too long",
}
#: The first step, where the app has keys for encrypted tokens.
_DECRYPTION = "decryption"
#: What to say of the steps of the app's sequence.
_PASSED: dict[str, str] = {
    "tenant": "the function in AUTH0_DOMAIN accepts its issuer",
    "revocation": "not revoked",
    "binding": "a bearer token, which this app accepts",
    "rules": "no rule of the app rejects it",
}
#: The name of the last steps, what the route requires; a word of the JSON output.
REQUIREMENT = "demand"
#: What to say where a route requires nothing.
_NOTHING: dict[str, str] = {
    OPTIONAL: "nothing: the route also accepts requests without a token",
    PUBLIC: "nothing: the view is marked @public",
    SENDER: "nothing: the route is for senders of events, and takes no access token",
    STATIC: "nothing: one of Flask's own static files",
    AUTOMATIC: "nothing: Flask answers OPTIONS by itself",
    NONE: "nothing: no guard of this route requires anything",
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
    UserNotFoundError: "rules",
}
_STEP_OF_REASON: dict[tuple[type[Auth0Error], str], str] = {
    (MalformedTokenError, "not_encrypted"): _DECRYPTION,
    (MalformedTokenError, "undecryptable"): _DECRYPTION,
    (MalformedTokenError, "key_id"): "header",
    (MalformedTokenError, "critical_extension"): "header",
    (MalformedTokenError, "type"): "header",
    (InvalidClaimsError, "number"): "form",
    (InvalidClaimsError, "issuer"): "issuer",
    (InvalidClaimsError, "lifetime"): "times",
}


class VerificationTrace(NamedTuple):
    """How far a token got.

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
    """Return the step that raised *error*, for an error that tells."""
    return _STEP_OF_REASON.get((type(error), error.reason)) or _STEP_OF_ERROR[type(error)]


def trace_verification(
    state: AppState, token: str, environ: Mapping[str, Any], protection: Protection | None = None
) -> VerificationTrace:
    """Have the app judge *token*, as for a request.

    Args:
        state: of the app.
        token: its text.
        environ: a request that shows nothing else, as WSGI describes it.
        protection: of the route; ``None`` if no route is in question.

    Raises:
        CommandError: code of the app's own has failed.
    """
    access_token, step, proofs = None, None, dict[str, str]()
    try:
        access_token = state.sequence.prove(token)
        presentation = Presentation(token, _scheme_for(access_token, state), environ)
        for step, check in state.sequence.steps:
            proofs[step] = _needed_proof(check, access_token, presentation)
        step = None
        _asked_of_app(state.rules.look_up_user, access_token)
    except Auth0Error as exc:
        unreached = [Finding(REQUIREMENT, NOT_REACHED, text) for text in _in_words(protection)]
        return VerificationTrace(
            [*_steps_until(step or step_of(exc), exc, _texts(state, token)), *unreached], access_token, exc
        )
    steps = [
        Finding(name, WARN if proofs.get(name) else OK, proofs.get(name) or text)
        for name, text in _texts(state, token).items()
    ]
    required, error = _requirements(protection, access_token)
    return VerificationTrace([*steps, *required], access_token, error)


def _requirements(protection: Protection | None, access_token: AccessToken) -> tuple[list[Finding], Auth0Error | None]:
    """Return a finding for each requirement of the route, and the error of the first that is not met."""
    requirements = protection.requirements if protection is not None else ()
    if not requirements:
        return [Finding(REQUIREMENT, OK, text) for text in _in_words(protection)], None
    met = [(requirement, _asked_of_app(requirement.is_met_by, access_token)) for requirement in requirements]
    found = [Finding(REQUIREMENT, OK if is_met else FAIL, requirement.label) for requirement, is_met in met]
    return found, next((requirement.refusal(()) for requirement, is_met in met if not is_met), None)


def _in_words(protection: Protection | None) -> list[str]:
    if protection is None:
        return []
    return [requirement.label for requirement in protection.requirements] or [_NOTHING[protection.guard]]


def _texts(state: AppState, token: str) -> dict[str, str]:
    """Return each step and what to say if it has passed, honest about what this process can know of revocations."""
    proof = _decryption_step(state, token) | PROOF_STEPS
    if not state.key_sources and state.directory is None:
        proof |= {"key": NO_KEY_SET}
    texts = proof | {step.name: _PASSED.get(step.name, "passed") for step in state.sequence.steps}
    if state.revocations is None:
        return proof | {"revocation": "not checked: AUTH0_REVOCATION is off"} | texts
    if state.reach() == "process":
        texts["revocation"] = "none known here: without a shared cache, revocations of other processes are unknown"
    elif not state.revocations.status().is_loaded:
        texts["revocation"] = "none known here: the shared cache cannot be reached, and other processes may know of one"
    return texts


def _decryption_step(state: AppState, token: str) -> dict[str, str]:
    settings = state.settings
    if not settings.encryption.keys or len(token.encode("utf-8", "surrogatepass")) > settings.max_token_bytes:
        return {}
    is_encrypted = token.count(".") == 4
    return {_DECRYPTION: "decrypted with a key of this app" if is_encrypted else "not encrypted, which is accepted"}


def _steps_until(last: str, error: Auth0Error, texts: dict[str, str]) -> Iterator[Finding]:
    names = list(texts)
    for index, name in enumerate(names):
        if index < names.index(last):
            yield Finding(name, OK, texts[name])
        else:
            is_last = name == last
            text = (cause_of(error) or error.description) if is_last else "not reached"
            yield Finding(name, FAIL if is_last else NOT_REACHED, text)


def _scheme_for(access_token: AccessToken, state: AppState) -> str:
    return DPOP if access_token.is_bound and state.binding.takes_dpop_scheme else BEARER


def _needed_proof(
    check: Callable[[AccessToken, Presentation], object], access_token: AccessToken, presentation: Presentation
) -> str:
    """Take a step; return what a request must show beside the token to pass it, or an empty text.

    Raises:
        Auth0Error: no request with the token would pass.
    """
    try:
        _asked_of_app(check, access_token, presentation)
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
        raise CommandError(f"A function of the app that judges tokens raised {type(exc).__name__}.") from exc
