from auth0_blueprint import Auth0Blueprint, current_token, requires_scope
from flask import Flask


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(Auth0Blueprint())

    @app.get("/api/messages")
    @requires_scope("read:messages")
    def messages():
        return {"subject": current_token.subject}

    return app
