"""Arbitrary requests to every route of the package, made by schemathesis from the OpenAPI document: ``make test-openapi``.

A run of its own, bounded in time, against a live server with a cache on disk. It fails for an answer of 500, and for one
outside the document: another status, media type, header or body.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

SECONDS = 60
VALUES = ("manage:auth0", "introspect:tokens")
PHASES = "examples,coverage,fuzzing,stateful"
# The document cannot say when `token` is a good one; the hooks beside this file send some that are.
HOOKS = "arbitrary_requests_hooks"


class Silent(WSGIRequestHandler):
    """Leaves the output to schemathesis."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def main() -> int:
    """Return the exit status of schemathesis."""
    with LocalIssuer() as issuer, tempfile.TemporaryDirectory() as folder:
        app = Flask("tested", static_folder=None)
        app.config.update(issuer.settings, AUTH0_OPENAPI=True, SECRET_KEY="not a secret")
        app.config.update(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(Path(folder, "cache")), CACHE_THRESHOLD=100_000)
        app.register_blueprint(Auth0Blueprint())
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            return _run(f"http://127.0.0.1:{server.server_port}", issuer, folder)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _run(url: str, issuer: LocalIssuer, folder: str) -> int:
    admin = issuer.token(sub="auth0|the-admin", scope=" ".join(VALUES), permissions=list(VALUES), expires_in=86_400)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/auth/openapi.json"),
        *("--header", f"Authorization: Bearer {admin}"),
        *("--max-time", str(SECONDS), "--phases", PHASES, "--checks", "all"),
        *sys.argv[1:],
    ]
    return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
