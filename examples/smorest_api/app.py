"""An API with an OpenAPI document that says who may call what, and what whoever may not is answered."""

from auth0_blueprint import Auth0Blueprint
from flask import Flask
from flask_smorest import Api

from messages import messages

SECURITY_SCHEME = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def create_app(config=None):
    app = Flask(__name__)
    app.config.update(
        API_TITLE="Messages",
        API_VERSION="1.0",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.config.from_mapping(config or {})
    app.register_blueprint(Auth0Blueprint())
    api = Api(app)
    api.spec.components.security_scheme("Auth0", SECURITY_SCHEME)
    api.register_blueprint(messages)
    return app
