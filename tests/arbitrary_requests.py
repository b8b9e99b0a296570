"""Arbitrary requests to every route of the package, by schemathesis from the OpenAPI document: ``make test-openapi``.

A run of its own, bounded in time, against a live server with a cache on disk. It fails for an answer of 500, and for
one outside the document: another status, media type, header or body.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import schemathesis
from flask import Flask
from schemathesis.cli import schemathesis as command
from servers import served

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

SECONDS = 60
VALUES = ("manage:auth0", "introspect:tokens")


def main() -> int:
    # schemathesis leaves files where it is run.
    with LocalIssuer() as issuer, tempfile.TemporaryDirectory() as folder, chdir(folder):
        app = Flask("tested", static_folder=None)
        app.config.update(issuer.settings, AUTH0_OPENAPI=True, AUTH0_RESOURCE_METADATA=True, SECRET_KEY="not a secret")
        app.config.update(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(Path(folder, "cache")), CACHE_THRESHOLD=100_000)
        app.register_blueprint(Auth0Blueprint())
        send_tokens_of(issuer)
        with served(app) as url:
            arguments = ["--max-time", str(SECONDS), "--checks", "all", *sys.argv[1:]]
            try:
                command(["run", f"{url}/auth/openapi.json", *arguments], standalone_mode=False)
            except SystemExit as exc:
                return int(exc.code or 0)
    return 0


def send_tokens_of(issuer: LocalIssuer) -> None:
    """Have each request carry a token of its own, as a run revokes what it reads in answers; some bodies as well."""
    numbers = itertools.count()

    def admin_token() -> str:
        number = next(numbers)
        granted: dict[str, Any] = {"scope": " ".join(VALUES), "permissions": list(VALUES)}
        return issuer.token(sub=f"auth0|{number}", azp=f"client-{number}", jti=f"{number}", **granted)

    @schemathesis.auth(refresh_interval=None)
    class Bearer:
        def get(self, case: Any, context: Any) -> str:
            return admin_token()

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    @schemathesis.hook
    def map_case(context: Any, case: Any) -> Any:
        # The document cannot say what a good token is. Wrong bodies keep theirs.
        if case.meta.generation.mode.is_positive and isinstance(case.body, dict) and "token" in case.body:
            case.body = {**case.body, "token": admin_token()}
        return case


if __name__ == "__main__":
    sys.exit(main())
