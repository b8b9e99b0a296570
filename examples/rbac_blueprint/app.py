"""Documents that the permissions of Auth0's role-based access control protect."""

from auth0_blueprint import Auth0Blueprint
from flask import Flask
from werkzeug.exceptions import HTTPException

from documents import documents


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(Auth0Blueprint())
    app.register_blueprint(documents, url_prefix="/documents")
    app.extensions["documents"] = {}  # in place of a database

    @app.errorhandler(HTTPException)
    def in_json(error):
        return {"error_description": error.description}, error.code

    return app
