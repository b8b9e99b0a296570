"""The app that `benchmarks.events` sends events to: what it has handled, and which tokens it accepts."""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask, request

from auth0_blueprint import Auth0Blueprint, Auth0Error, event_handled, verify_token

#: The environment variable with the settings, as JSON.
SETTINGS = "EVENT_APP_SETTINGS"


def create_app() -> Flask:
    """Make the app, with the settings of the environment."""
    app = Flask(__name__)
    app.config.update(json.loads(os.environ[SETTINGS]))
    app.register_blueprint(Auth0Blueprint())
    effective: list[str] = []

    @event_handled.connect_via(app)
    def note(_sender: Flask, *, event_id: str, outcome: str, **_event: Any) -> None:
        if outcome == "effective":
            effective.append(event_id)

    @app.get("/effective")
    def list_effective() -> list[str]:
        """Return the ids of the events that were put into force here."""
        return effective

    @app.post("/judge")
    def judge() -> list[str]:
        """Verify each of the tokens as a guard does; return the code of its refusal, or ``passes``."""
        return [_judged(token) for token in request.get_json()]

    return app


def _judged(token: str) -> str:
    try:
        verify_token(token)
    except Auth0Error as exc:
        return exc.code
    return "passes"
