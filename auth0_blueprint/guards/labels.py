"""The values that labels of metrics and attributes of spans may have: few, and known before the first request."""

from __future__ import annotations

from collections.abc import Iterator

from auth0_blueprint import errors
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.key_set import KeySetError

#: Stands for a code or a reason that this package does not define.
OTHER = "other"

_HTTP_STATUS = "http_status"
_FETCH_CODES = {**FetchError.descriptions, **KeySetError.descriptions}.keys() - {_HTTP_STATUS}

#: Why a key set could not be fetched: the code of the error, or the class of the HTTP status.
REASONS = (*sorted(_FETCH_CODES), *(f"http_{digit}xx" for digit in "12345"), OTHER)


def _codes() -> Iterator[str]:
    refusals = (errors.AuthenticationError, errors.AuthorizationError, errors.UnavailableError)
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, refusals) and hasattr(error, "code"):
            yield error.code


#: The codes with which a guard refuses a request.
CODES = (*sorted(set(_codes())), OTHER)

#: Why a request with events was refused.
EVENT_REASONS = (
    *errors.EventRefusedError.descriptions,
    *errors.UnauthorizedSenderError.descriptions,
    *errors.MissingCredentialsError.descriptions,
    *errors.InvalidHeaderError.descriptions,
    *errors.AmbiguousHeaderError.descriptions,
    *errors.KeySetUnavailableError.descriptions,
    *errors.RevocationUnavailableError.descriptions,
    OTHER,
)

#: What may come of a request to the token endpoint.
TOKEN_OUTCOMES = ("issued", errors.TokenExchangeError.code, errors.TokenExchangeUnavailableError.code)


def known_code(code: str) -> str:
    """Return *code* if it is one of `CODES`; an error of the app's own may have any text as its code."""
    return code if code in CODES else OTHER


def reason_of(code: str, status: int | None) -> str:
    """Return one of `REASONS` for the *code* and HTTP *status* of a `FetchError` or `KeySetError`."""
    reason = f"http_{(status or 0) // 100}xx" if code == _HTTP_STATUS else code
    return reason if reason in REASONS else OTHER
