"""The app of these tests: guarded views, and one that shows what WSGI makes of a request."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from auth0_blueprint import Auth0Blueprint, current_token, requires_auth

SHOWN = ("SCRIPT_NAME", "PATH_INFO", "RAW_URI", "QUERY_STRING", "HTTP_HOST", "REMOTE_ADDR")

app = Flask(__name__)
app.config.update({name: value for name, value in os.environ.items() if name.startswith("CACHE_")})
app.register_blueprint(Auth0Blueprint())


@app.after_request
def tell_worker(response: Response) -> Response:
    response.headers["X-Worker"] = str(os.getpid())
    return response


@app.get("/messages")
@requires_auth
def messages() -> dict[str, Any]:
    return {"bound to": current_token.confirmation}


@app.get("/files/<path:name>")
@requires_auth
def file(name: str) -> dict[str, str]:
    return {"name": name}


@app.get("/shown/", defaults={"rest": ""})
@app.get("/shown/<path:rest>")
def shown(rest: str) -> dict[str, Any]:
    return {name: request.environ.get(name) for name in SHOWN} | {"base_url": request.base_url}


if os.environ.get("PROXY_FIX"):
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
