"""Gets tokens for the API's own calls: from memory, from another process, or from the token endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

from auth0_blueprint.concurrency.clock import Clock, Moment
from auth0_blueprint.errors import (
    ConfigurationError,
    RevokedTokenError,
    TokenExchangeError,
    TokenExchangeUnavailableError,
)
from auth0_blueprint.http_session import LOOKUP_SECONDS
from auth0_blueprint.keysets.backoff import Backoff
from auth0_blueprint.settings import Settings
from auth0_blueprint.token_requests.client_authentication import assertion_parameters, secret_parameters
from auth0_blueprint.token_requests.endpoint import post, read_reply
from auth0_blueprint.token_requests.flights import Flights
from auth0_blueprint.token_requests.issued_token import IssuedToken
from auth0_blueprint.token_requests.kept_tokens import KeptToken, KeptTokens, keep_seconds
from auth0_blueprint.token_requests.shared_tokens import SharedOutcome, SharedTokens
from auth0_blueprint.token_requests.token_request import Subject, TokenRequest

#: How much the clocks of two machines may differ.
MAX_SKEW_SECONDS = 5.0


class WasRevoked(Protocol):
    """Knows what was revoked, and lifted again."""

    def __call__(self, subject: Subject, since: float) -> bool:
        """Return whether the token of *subject* was revoked after *since* (Unix time), also if that was lifted."""
        ...


class Endpoint(NamedTuple):
    """Where tokens come from, who is asked, and who asks."""

    url: str
    issuer: str
    client_id: str


class TokenRequests:
    """The tokens of one app.

    Args:
        settings: of the app.
        shared: what processes share; ``None`` if they share nothing.
        was_revoked: tells what was revoked.
        clock: tells the time.
        on_outcome: called with each answer of an endpoint: ``issued``, or the code of the error.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        shared: SharedTokens | None,
        was_revoked: WasRevoked,
        clock: Clock,
        on_outcome: Callable[[str], object] = lambda _outcome: None,
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._was_revoked = was_revoked
        self._clock = clock
        self._on_outcome = on_outcome
        self._kept = KeptTokens(clock, lambda kept: self._may_use(kept.subject, kept.obtained_at))
        # The attempt of a process that died, that of one which took over, and our own.
        self._flights = Flights(3 * attempt_seconds(settings), clock)
        self._backoffs: dict[str, Backoff] = {}
        # By URL: until when, at most, a request is under way to an endpoint whose last one failed.
        self._trials: dict[str, float] = {}

    def get(self, request: TokenRequest) -> IssuedToken:
        """Return a token for *request*: one that is kept, or a new one.

        Raises:
            TokenExchangeError: there is none.
            RevokedTokenError: the token of the caller was revoked since it was verified.
            ConfigurationError: the settings of the API's own client are missing.
        """
        subject = request.subject
        if subject is not None and subject.access_token.is_bound:
            # RFC 9449 has no way to exchange it without a proof by the caller's key, and what came back would be a
            # bearer token: less protected than what the caller has.
            raise TokenExchangeError("bound_subject")
        endpoint = self._endpoint(subject)
        name = request.name(endpoint.url, endpoint.client_id)
        kept = self._kept.find(name)
        if kept is not None:
            return kept.token
        if subject is not None and self._was_revoked(subject, math.inf):
            raise RevokedTokenError  # after the guard: what runs for long asks for tokens again
        try:
            return self._flights.run(name, lambda: self._obtain(name, endpoint, request))
        except TokenExchangeError as exc:
            error = exc.again()
        # Without the frames of the request: their variables hold secrets and tokens, and error trackers record them.
        raise error

    def _endpoint(self, subject: Subject | None) -> Endpoint:
        client, issuers = self._settings.own_client, self._settings.issuers
        missing = client.missing
        if missing or client.client_id is None:
            raise ConfigurationError(missing)
        if not issuers:
            return self._endpoint_beside_function(client.client_id, subject)
        issuer = None if subject is None else subject.access_token.issuer
        # A secret goes only to an issuer of the settings.
        issuer = issuer if issuer in issuers else issuers[0]
        return Endpoint(client.endpoint_of(issuer), issuer, client.client_id)

    def _endpoint_beside_function(self, client_id: str, subject: Subject | None) -> Endpoint:
        """Return the endpoint where a function knows the issuers: the application belongs to one tenant, unknown here.

        So no caller's token is sent there: it may be one of another tenant.
        """
        url = self._settings.own_client.token_url
        if subject is not None:
            raise ConfigurationError(
                {"AUTH0_DOMAIN": "must name domains, not a function, for tokens on behalf of callers"}
            )
        if url is None:
            raise ConfigurationError({"AUTH0_TOKEN_URL": "is missing: it is required where AUTH0_DOMAIN is a function"})
        return Endpoint(url, url, client_id)  # RFC 7523 §3: the endpoint is an audience, too

    def _may_use(self, subject: Subject | None, obtained_at: float) -> bool:
        return subject is None or not self._was_revoked(subject, obtained_at - MAX_SKEW_SECONDS)

    def _obtain(self, name: str, endpoint: Endpoint, request: TokenRequest) -> IssuedToken:
        """Return the token of another process, or ask for one and share it."""
        if self._shared is None:
            self._check_backoff(endpoint)
            return self._ask(name, endpoint, request)
        began_at = self._clock.time()
        for claim in self._shared.wait_for_turn(name):
            found = self._shared.find(name)
            try:
                if found is not None and self._is_of_use(found, began_at, request.subject):
                    return self._adopt(name, endpoint, found, request.subject)
                self._check_backoff(endpoint)
                if claim is not None:
                    return self._ask(name, endpoint, request, self._shared)
            finally:
                if claim is not None:
                    self._shared.end_turn(name, claim)
        raise AssertionError("a turn always comes")

    def _is_of_use(self, found: SharedOutcome, began_at: float, subject: Subject | None) -> bool:
        if found.error is not None:
            return found.at >= began_at  # while we waited: an earlier one says nothing about now
        return found.until > self._clock.time() and self._may_use(subject, found.at)

    def _adopt(self, name: str, endpoint: Endpoint, found: SharedOutcome, subject: Subject | None) -> IssuedToken:
        if found.token is None:
            error = found.error or TokenExchangeError()
            backoff = self._backoff(endpoint)
            if isinstance(error, TokenExchangeUnavailableError) and _counts(error, backoff):
                backoff.attempted(self._clock.monotonic())
                failures = backoff.failures + (not backoff.is_in_backoff)
                backoff.follow_failure(error.retry_after_seconds, failures, error.reason)
            raise error
        self._kept.keep(name, KeptToken(found.token, found.at, self._moment(found.until), subject))
        return found.token

    def _ask(
        self, name: str, endpoint: Endpoint, request: TokenRequest, shared: SharedTokens | None = None
    ) -> IssuedToken:
        sent_at = self._clock.time()
        try:
            token = self.ask_endpoint(endpoint, request, sent_at)
        except TokenExchangeError as exc:
            self._on_outcome(exc.code)
            if shared is not None:
                shared.put(name, SharedOutcome(self._clock.time(), error=exc))
            raise
        self._on_outcome("issued")
        if token.expires_at is not None:
            until = sent_at + keep_seconds(token.expires_at.timestamp() - sent_at)
            if request.subject is not None:  # nobody can ask for it after that
                until = min(until, request.subject.access_token["exp"] + self._settings.leeway_seconds)
            self._kept.keep(name, KeptToken(token, sent_at, self._moment(until), request.subject))
            if shared is not None:
                shared.put(name, SharedOutcome(sent_at, token, until))
        return token

    def ask_endpoint(self, endpoint: Endpoint, request: TokenRequest, sent_at: float) -> IssuedToken:
        """Return a new token from *endpoint*, asked at *sent_at* (Unix time).

        Raises:
            TokenExchangeError: it issued none.
        """
        backoff = self._backoff(endpoint)
        form = {**request.parameters, **self._authentication(endpoint)}
        settings = self._settings
        if backoff.is_failing:
            self._trials[endpoint.url] = self._clock.monotonic() + attempt_seconds(settings)
        try:
            reply = post(
                endpoint.url, form, settings.jwks_timeout_seconds, settings.jwks_max_bytes, settings.jwks_user_agent
            )
            token = read_reply(reply, sent_at, form)
        except TokenExchangeUnavailableError as exc:
            if _counts(exc, backoff):
                backoff.failed(exc.reason, exc.retry_after_seconds)
            exc.retry_after_seconds = backoff.retry_after_seconds()
            raise
        except TokenExchangeError:
            self._note_answer(backoff)
            raise
        finally:
            self._trials.pop(endpoint.url, None)
        self._note_answer(backoff)
        return token

    @staticmethod
    def _note_answer(backoff: Backoff) -> None:
        if not backoff.is_in_backoff:  # else another one was told meanwhile to wait, and that holds
            backoff.succeeded()

    def _check_backoff(self, endpoint: Endpoint) -> None:
        """Raise while an endpoint in trouble is left alone, or one request tries it: nobody else waits for it.

        Otherwise one that hangs would stop every thread again after each pause.
        """
        backoff = self._backoff(endpoint)
        is_tried = backoff.is_failing and self._trials.get(endpoint.url, -math.inf) > self._clock.monotonic()
        if backoff.is_in_backoff or is_tried:
            raise TokenExchangeUnavailableError(backoff.last_error, retry_after_seconds=backoff.retry_after_seconds())

    def _authentication(self, endpoint: Endpoint) -> dict[str, str]:
        client = self._settings.own_client
        if client.key is not None:
            return assertion_parameters(endpoint.client_id, client.key, endpoint.issuer, self._clock)
        return secret_parameters(endpoint.client_id, client.secret or "")

    def _backoff(self, endpoint: Endpoint) -> Backoff:
        return self._backoffs.setdefault(endpoint.url, Backoff(self._clock))

    def _moment(self, unix_time: float) -> Moment:
        return self._clock.moment(unix_time - self._clock.time())


def _counts(error: TokenExchangeUnavailableError, backoff: Backoff) -> bool:
    """Return whether *error* begins or prolongs the pause: requests that were under way together count once."""
    return not backoff.is_in_backoff or error.retry_after_seconds > backoff.retry_after_seconds()


def attempt_seconds(settings: Settings) -> float:
    """Return how long one request to the endpoint may take."""
    return settings.jwks_timeout_seconds + LOOKUP_SECONDS
