"""An API that AWS Lambda runs: API Gateway, or the URL of the function, calls ``app.lambda_handler``."""

import logging

from apig_wsgi import make_lambda_handler
from auth0_blueprint import Auth0Blueprint, current_token, requires_scope
from flask import Flask

# AUTH0_DOMAIN and AUTH0_AUDIENCE come from the environment of the function.
SETTINGS = {
    # Nothing is left to run after an answer, when the process is frozen: a request that finds old keys fetches them.
    "AUTH0_JWKS_REFRESH_AHEAD": 0,
    # Without a cache that all instances share, a revocation would reach only the instance that was told.
    "AUTH0_REVOCATION": False,
}


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping({**SETTINGS, **(config or {})})
    app.register_blueprint(Auth0Blueprint())

    @app.get("/api/messages")
    @requires_scope("read:messages")
    def messages():
        return {"subject": current_token.subject}

    return app


def make_handler(app):
    """Return the handler, with the keys at hand: starting an instance has time for a fetch, its first request less."""
    if app.test_client().get("/auth/health").status_code != 200:
        logging.getLogger(__name__).warning("no keys yet: the first request asks again")
    return make_lambda_handler(app)


def __getattr__(name):
    # Made when Lambda looks for it, so that tests can import this module without an issuer.
    if name == "lambda_handler":
        globals()[name] = make_handler(create_app())
        return globals()[name]
    raise AttributeError(name)
