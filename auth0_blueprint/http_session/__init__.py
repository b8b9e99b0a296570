"""The session for every HTTP request that this package sends. It ends in time, whatever the server does."""

from auth0_blueprint.http_session.connections import LOOKUP_SECONDS
from auth0_blueprint.http_session.retry_after import retry_after_seconds
from auth0_blueprint.http_session.session import AnswerTooLargeError, DirectSession, body_of

__all__ = ["LOOKUP_SECONDS", "AnswerTooLargeError", "DirectSession", "body_of", "retry_after_seconds"]
