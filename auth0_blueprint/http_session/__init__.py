"""The session for every HTTP request that this package sends. It ends in time, whatever the server does."""

from auth0_blueprint.http_session.connections import LOOKUP_SECONDS
from auth0_blueprint.http_session.failures import FAILURE_TEXTS, FAILURES, failure_code
from auth0_blueprint.http_session.retry_after import retry_after_seconds
from auth0_blueprint.http_session.session import AnswerTooLargeError, DirectSession, body_of

__all__ = [
    "FAILURES",
    "FAILURE_TEXTS",
    "LOOKUP_SECONDS",
    "AnswerTooLargeError",
    "DirectSession",
    "body_of",
    "failure_code",
    "retry_after_seconds",
]
