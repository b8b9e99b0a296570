"""An API as it runs behind nginx, in several processes that share a Redis. All settings come from the environment."""

import os

from auth0_blueprint import Auth0Blueprint, current_token, requires_scope
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix


def create_app(config=None):
    app = Flask(__name__)
    # The package reads AUTH0_* from the environment by itself; what belongs to flask-caching is read here.
    app.config.update({name: value for name, value in os.environ.items() if name.startswith("CACHE_")})
    app.config.from_mapping(config or {})
    app.register_blueprint(Auth0Blueprint())
    # One proxy, and what it says of address and scheme. Without a proxy this line would let any client say it.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)

    @app.get("/api/messages")
    @requires_scope("read:messages")
    def messages():
        return {"subject": current_token.subject}

    return app
