"""The app that the workers of these tests run. Every setting comes from the environment."""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import Any

from flask import Flask, Response, request

from auth0_blueprint import Auth0Blueprint, exchange_token, key_set_refreshed, requires_auth, verify_token

logging.basicConfig(level=logging.INFO, format="%(asctime)s pid=%(process)d %(name)s %(levelname)s %(message)s")


def _cache_settings() -> dict[str, Any]:
    """Return the ``CACHE_*`` of the environment: JSON where it is JSON, else text."""
    settings: dict[str, Any] = {}
    for name, value in os.environ.items():
        if name.startswith("CACHE_"):
            try:
                settings[name] = json.loads(value)
            except ValueError:
                settings[name] = value
    return settings


def create_app() -> Flask:
    """Make an app that tells which process has answered, and logs what one is asked for first, and each refresh."""
    app = Flask(__name__)
    app.config.update(_cache_settings())
    app.register_blueprint(Auth0Blueprint())
    asked: set[tuple[int, str]] = set()

    @app.before_request
    def tell_asked() -> None:
        if (os.getpid(), request.path) not in asked:
            asked.add((os.getpid(), request.path))
            logging.getLogger("fleet").info("asked for %s", request.path)

    @key_set_refreshed.connect_via(app)
    def tell_refreshed(app: Flask, **_: object) -> None:
        logging.getLogger("fleet").info("refreshed")

    @app.after_request
    def tell_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    @app.get("/private")
    @requires_auth
    def private() -> dict[str, str]:
        return {"message": "for token holders"}

    @app.get("/on-behalf")
    @requires_auth
    def on_behalf() -> dict[str, str]:
        return {"token": exchange_token("https://billing.example").access_token}

    return app


app = create_app()

# With --preload this happens in the parent of the workers, before they are forked.
if token := os.environ.get("VERIFY_AT_IMPORT"):
    with app.app_context():
        verify_token(token)
    for thread in threading.enumerate():
        if thread.name == "auth0-blueprint-background":
            thread.join(10)  # a fork while it writes to the log would leave the lock of the stream to the child
