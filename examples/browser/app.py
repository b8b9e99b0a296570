"""An API for a page that lives elsewhere."""

from auth0_blueprint import Auth0Blueprint, current_token, requires_scope
from flask import Flask
from flask_cors import CORS


def create_app(config=None):
    app = Flask(__name__)
    app.config.update(
        CORS_ORIGINS=["http://localhost:3000"],  # the page, exactly: never "*" for what a token protects
        CORS_METHODS=["GET"],
        CORS_ALLOW_HEADERS=["Authorization"],
        # A page reads no other headers of an answer. These say why it was refused, and when to come back.
        CORS_EXPOSE_HEADERS=["WWW-Authenticate", "Retry-After"],
        CORS_MAX_AGE=600,
    )
    app.config.from_mapping(config or {})
    CORS(app)
    app.register_blueprint(Auth0Blueprint())

    @app.get("/api/messages")
    @requires_scope("read:messages")
    def messages():
        return {
            "messages": [{"from": "Ada", "text": "The engine works."}, {"from": current_token.subject, "text": "Good!"}]
        }

    return app
