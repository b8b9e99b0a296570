"""Tokens for the API's own calls, with a span around each request to the token endpoint."""

from __future__ import annotations

from auth0_blueprint.errors import TokenExchangeError
from auth0_blueprint.extension.otel.spans import OUTCOME, open_span, set_all, set_failed, without_query
from auth0_blueprint.token_requests.issued_token import IssuedToken
from auth0_blueprint.token_requests.service import Endpoint, TokenRequests
from auth0_blueprint.token_requests.token_request import TokenRequest


class TracedTokenRequests(TokenRequests):
    """Asks the token endpoint in a span ``auth0.token_request``. A token that is kept costs no span."""

    def ask_endpoint(self, endpoint: Endpoint, request: TokenRequest, sent_at: float) -> IssuedToken:
        """Do what `TokenRequests.ask_endpoint` does, in a span."""
        with open_span("auth0.token_request") as span:
            set_all(
                span, {"url.full": without_query(endpoint.url), "auth0.grant_type": request.parameters["grant_type"]}
            )
            try:
                token = super().ask_endpoint(endpoint, request, sent_at)
            except TokenExchangeError as exc:
                set_all(span, {OUTCOME: exc.code, "auth0.endpoint_error": exc.endpoint_error})
                set_failed(span, exc.code, str(exc))
                raise
            except BaseException as exc:
                set_failed(span, type(exc).__qualname__)
                raise
            set_all(span, {OUTCOME: "issued"})
        return token
