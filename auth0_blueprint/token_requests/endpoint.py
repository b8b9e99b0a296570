"""One request to the token endpoint, and what came back: a token, or one of our own errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import requests
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from auth0_blueprint.errors import TokenExchangeError, TokenExchangeUnavailableError
from auth0_blueprint.http_session import (
    FAILURE_TEXTS,
    FAILURES,
    DirectSession,
    body_of,
    failure_code,
    retry_after_seconds,
)
from auth0_blueprint.jose import strict_json
from auth0_blueprint.token_requests.issued_token import IssuedToken

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: A longer lifetime is an error of the endpoint.
MAX_LIFETIME_SECONDS = 31_536_000
_MAX_LOGGED = 200
# What of a request is not for the log.
_SECRETS = ("client_secret", "client_assertion", "subject_token", "login_hint")
# RFC 6749 §5.2, as registered codes are written: nothing that could be a token or a secret has this form.
_ERROR_CODE = re.compile(r"(?=.{1,64}\Z)[a-z]+(_[a-z]+)*")
# What could be a part of a token or a secret.
_LONG_WORD = re.compile(r"[\w+/=~.-]{16,}")
# RFC 6749 §5.1: in any case. RFC 8693 §2.2.1: N_A is what is no access token.
_TYPES = re.compile(r"(bearer|n_a)\Z", re.IGNORECASE)
# RFC 6749 appendix A.12, without the space that would end it in a header.
_VISIBLE = re.compile(r"[\x21-\x7E]{1,65536}\Z")


class AnswerSchema(Schema):
    """A successful answer (RFC 6749 §5.1, RFC 8693 §2.2.1). What else is in it, such as a refresh token, is dropped."""

    class Meta:
        unknown = EXCLUDE

    access_token: fields.String = fields.String(required=True, validate=validate.Regexp(_VISIBLE))
    token_type: fields.String = fields.String(required=True, validate=validate.Regexp(_TYPES))
    expires_in: fields.Integer = fields.Integer(
        strict=True, load_default=None, validate=validate.Range(min=1, max=MAX_LIFETIME_SECONDS)
    )
    scope: fields.String = fields.String(load_default=None)
    issued_token_type: fields.String = fields.String(load_default=None)


class Reply(NamedTuple):
    """The response.

    Attributes:
        status: the HTTP status.
        body: as it came.
        retry_after_seconds: what the endpoint asks for.
    """

    status: int
    body: bytes
    retry_after_seconds: float


def post(url: str, form: Mapping[str, str], timeout_seconds: float, max_bytes: int, user_agent: str) -> Reply:
    """Send *form* to *url*, and return what it answers. Redirects are not followed.

    Raises:
        TokenExchangeUnavailableError: there was no complete answer in time.
    """

    def read(response: requests.Response) -> Reply:
        return Reply(response.status_code, body_of(response, max_bytes, decode=True), retry_after_seconds(response))

    session = DirectSession(url, timeout_seconds, user_agent=user_agent)
    try:
        return session.exchange("POST", read, data=dict(form), headers={"Accept": "application/json"})
    except FAILURES as exc:
        failure = FAILURE_TEXTS[failure_code(exc)]
    logger.warning("the token endpoint cannot be used: %s", failure)
    raise TokenExchangeUnavailableError("unreachable")


def read_reply(reply: Reply, sent_at: float, form: Mapping[str, str]) -> IssuedToken:
    """Return the token in *reply*.

    Args:
        reply: what the endpoint answered.
        sent_at: when it was asked, in Unix time: its lifetime began later.
        form: what was sent. No secret of it is logged, though the endpoint may repeat it.

    Raises:
        TokenExchangeUnavailableError: the endpoint is overloaded or out of order (429, 5xx).
        TokenExchangeError: it issued no token, or the answer makes no sense.
    """
    document = _document(reply)
    if reply.status == 200:
        return _token(document, sent_at, frozenset(form.get("scope", "").split()))
    secrets = [form[name] for name in _SECRETS if name in form]
    error = _error_code(document.get("error"))
    logger.warning(
        "the token endpoint issued no token: HTTP status %d, %s: %s",
        *(reply.status, error or "no error code", _loggable(document.get("error_description"), secrets)),
    )
    if reply.status == 429 or reply.status >= 500:
        reason = "rate_limited" if reply.status == 429 else "out_of_order"
        raise TokenExchangeUnavailableError(
            reason, endpoint_error=error, retry_after_seconds=int(reply.retry_after_seconds)
        )
    raise TokenExchangeError("invalid_answer" if error is None else "refused", endpoint_error=error)


def _token(document: dict[str, Any], sent_at: float, asked_scopes: frozenset[str]) -> IssuedToken:
    try:
        answer: Any = AnswerSchema().load(document)
    except ValidationError as exc:
        logger.warning(
            "the token endpoint gave an unusable answer: wrong or missing %s", ", ".join(sorted(exc.messages_dict))
        )
        raise TokenExchangeError("invalid_answer") from None  # the error holds what came
    lifetime = answer["expires_in"]
    return IssuedToken(
        answer["access_token"],
        token_type="N_A" if answer["token_type"].lower() == "n_a" else "Bearer",
        expires_at=None if lifetime is None else datetime.fromtimestamp(sent_at + lifetime, UTC),
        scopes=asked_scopes if answer["scope"] is None else frozenset(answer["scope"].split()),
        issued_token_type=answer["issued_token_type"],
    )


def _document(reply: Reply) -> dict[str, Any]:
    try:
        return strict_json.loads_object(reply.body)
    except strict_json.StrictJSONError:
        return {}


def _error_code(value: Any) -> str | None:
    return value if isinstance(value, str) and _ERROR_CODE.fullmatch(value) else None


def _loggable(description: Any, secrets: list[str]) -> str:
    """Return *description* for the log: escaped, and without *secrets* or anything that could be a token; then cut."""
    if not isinstance(description, str):
        return "no description"
    for secret in secrets:
        description = description.replace(secret, "***").replace(quote_plus(secret), "***")
    return ascii(_LONG_WORD.sub("***", description))[:_MAX_LOGGED]
