"""The reference app: the routes of the quickstarts that Auth0 publishes, guarded by `auth0_blueprint`.

Settings come from ``instance/config.py``, the environment or a ``.env`` file: ``AUTH0_DOMAIN`` and ``AUTH0_AUDIENCE``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from flask import Flask
from flask_cors import CORS

from auth0_blueprint import Auth0Blueprint, public, requires_auth, requires_scope

load_dotenv(Path(__file__).with_name(".env"))


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app. *config* wins over ``instance/config.py``, which wins over the environment."""
    app = Flask(__name__, instance_relative_config=True)
    app.config["CORS_ORIGINS"] = os.environ.get("CORS_ORIGINS", "http://localhost:3000").split(",")
    app.config.from_pyfile("config.py", silent=True)
    app.config.from_mapping(config or {})
    # A browser front end sends Authorization, and must be able to read why a request was refused.
    CORS(
        app,
        origins=app.config["CORS_ORIGINS"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["WWW-Authenticate", "Retry-After"],
        max_age=600,
    )
    app.register_blueprint(Auth0Blueprint())

    @app.get("/api/public")
    @public
    def public_message() -> dict[str, str]:
        return {"message": "Hello from a public endpoint! You don't need to be authenticated to see this."}

    @app.get("/api/private")
    @requires_auth
    def private_message() -> dict[str, str]:
        return {"message": "Hello from a private endpoint! You need to be authenticated to see this."}

    @app.get("/api/private-scoped")
    @requires_scope("read:messages")
    def scoped_message() -> dict[str, str]:
        return {
            "message": "Hello from a private endpoint! You need to be authenticated and have a scope of read:messages "
            "to see this."
        }

    return app


def __getattr__(name: str) -> Flask:
    """Make ``app`` when a server asks for it, so that importing the factory needs no settings."""
    if name == "app":
        globals()["app"] = app = create_app()
        return app
    raise AttributeError(name)
