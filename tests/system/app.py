"""The app of these tests: a view for one certificate only, and one that shows what WSGI makes of a request."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.middleware.proxy_fix import ProxyFix

from auth0_blueprint.certificate_source import certificate_source
from auth0_blueprint.challenge import response_body, response_headers
from auth0_blueprint.client_certificate import refuse_other_certificates, thumbprint
from auth0_blueprint.errors import Auth0Error

SHOWN = ("SCRIPT_NAME", "PATH_INFO", "RAW_URI", "QUERY_STRING", "HTTP_HOST", "REMOTE_ADDR")

app = Flask(__name__)
source = certificate_source(os.environ["AUTH0_MTLS_CERT"])


@app.errorhandler(Auth0Error)
def refuse(error: Auth0Error) -> tuple[Response, int, dict[str, str]]:
    return jsonify(response_body(error)), error.status, dict(response_headers(error, "api"))


@app.get("/messages")
def messages() -> dict[str, Any]:
    """Let a request pass that shows the certificate of its token; the header stands for the token's ``cnf``."""
    refuse_other_certificates({"x5t#S256": request.headers["Bound-To"]}, request.environ, source)
    return {"thumbprint": thumbprint(request.environ, source)}


@app.get("/shown/", defaults={"rest": ""})
@app.get("/shown/<path:rest>")
def shown(rest: str) -> dict[str, Any]:
    return {name: request.environ.get(name) for name in SHOWN} | {"base_url": request.base_url}


if os.environ.get("PROXY_FIX"):
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
