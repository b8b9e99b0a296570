"""The app of ``flask auth0 demo``: a small API for trying the guards, which needs only this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from auth0_blueprint import Auth0Blueprint, current_token, public, requires_auth, requires_scope


def create_app(config: Mapping[str, Any]) -> Flask:
    """Create the app with *config*: the routes of Auth0's quickstarts, and those of the blueprint."""
    app = Flask(__name__, static_folder=None)
    app.config.from_mapping(config)
    app.register_blueprint(Auth0Blueprint())

    @app.get("/api/public")
    @public
    def public_message() -> dict[str, str]:
        return {"message": "Anyone may read this."}

    @app.get("/api/private")
    @requires_auth
    def private_message() -> dict[str, str]:
        return {"message": f"Anyone with a token may read this; yours is for {current_token.subject}."}

    @app.get("/api/private-scoped")
    @requires_scope("read:messages")
    def scoped_message() -> dict[str, str]:
        return {"message": "This requires a token with the scope read:messages."}

    return app
