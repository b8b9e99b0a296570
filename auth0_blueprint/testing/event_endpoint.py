"""``POST /demo/events`` of a demo's issuer: signs the test events that ``flask auth0 events send`` asks for."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from auth0_blueprint.testing.events import LOCAL_CLIENT, EventIssuer
from auth0_blueprint.testing.json_server import Answer, Request


class EventEndpoint:
    """Signs test events for whoever asks on this machine; never an access token.

    Web pages that are open on this machine cannot ask: their requests have another media type or ``Host``.

    Args:
        issuer: whose events they are.
    """

    def __init__(self, issuer: EventIssuer) -> None:
        self._issuer = issuer

    def answer(self, request: Request) -> Answer:
        """Answer *request*, JSON with ``kind``, ``subject`` and perhaps ``audience``, with the event as ``token``."""
        is_own = request.headers.get("Host") == urlsplit(self._issuer.issuer).netloc
        if not is_own or request.headers.get("Content-Type") != "application/json":
            return _refusal("This endpoint takes JSON, sent to the address of the issuer.")
        try:
            wanted = json.loads(request.body)
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
            return _refusal("The body is not a JSON object of strings.")
        token = self._token(wanted.get("kind"), wanted.get("subject", ""), wanted.get("audience"))
        return _refusal("There is no such kind of event.") if token is None else Answer(200, {"token": token})

    def _token(self, kind: str | None, subject: str, audience: str | None) -> str | None:
        match kind:
            case "logout":
                return self._issuer.logout_token(client_id=audience or LOCAL_CLIENT, sub=subject)
            case "security":
                return self._issuer.security_event(subject=subject, audience=audience)
            case "global-token-revocation":
                return self._issuer.global_revocation_jwt(audience=audience)
        return None


def _refusal(description: str) -> Answer:
    return Answer(400, {"error": "invalid_request", "error_description": description})
