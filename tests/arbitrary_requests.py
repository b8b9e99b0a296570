"""Arbitrary requests to every route of the package, by schemathesis from the OpenAPI document: ``make test-openapi``.

A run of its own, bounded in time, against a live server with a cache on disk. It fails for an answer of 500, and for
one outside the document: another status, media type, header or body.
"""

from __future__ import annotations

import itertools
import json
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
from auth0_blueprint.testing.events import cloud_event, log_record

SECONDS = 60
#: The document cannot say what a good token or event is: what fits it may be refused. A bad record of a log stream is
#: acknowledged, as Auth0 would repeat it for days.
CONFIGURATION = """
[[operations]]
include-path-regex = "/events/(logout|security|global)"

[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 400]

[[operations]]
include-path-regex = "/events/auth0"

[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 400]
negative_data_rejection.expected-statuses = [204, "4xx"]
"""
VALUES = ("manage:auth0", "introspect:tokens")


def main() -> int:
    # schemathesis leaves files where it is run.
    with LocalIssuer() as issuer, tempfile.TemporaryDirectory() as folder, chdir(folder):
        app = Flask("tested", static_folder=None)
        app.config.update(issuer.settings, AUTH0_OPENAPI=True, AUTH0_RESOURCE_METADATA=True, SECRET_KEY="not a secret")
        # Without a claim for them, addresses are refused.
        app.config.update(issuer.event_settings, AUTH0_EVENT_TRANSMITTERS=[transmitter(issuer)])
        Path("schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
        app.config.update(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(Path(folder, "cache")), CACHE_THRESHOLD=100_000)
        app.register_blueprint(Auth0Blueprint())
        send_good_ones(Senders(issuer))
        with served(app) as url:
            arguments = ["--max-time", str(SECONDS), "--checks", "all", *sys.argv[1:]]
            try:
                command(["run", f"{url}/auth/openapi.json", *arguments], standalone_mode=False)
            except SystemExit as exc:
                return int(exc.code or 0)
    return 0


def transmitter(issuer: LocalIssuer) -> dict[str, Any]:
    (found,) = json.loads(issuer.event_settings["AUTH0_EVENT_TRANSMITTERS"])
    return {**found, "email_claim": "email"}


class Senders:
    """What requests carry to be let in: admins' tokens, and what the senders of events have to show.

    Each token is of its own, as a run revokes what it reads in answers.
    """

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer
        self._numbers = itertools.count()
        # Users whom no request has a token of.
        self._leaving = map("auth0|leaving-{}".format, itertools.count())

    def admin_token(self) -> str:
        number = next(self._numbers)
        granted: dict[str, Any] = {"scope": " ".join(VALUES), "permissions": list(VALUES)}
        return self._issuer.token(sub=f"auth0|{number}", azp=f"client-{number}", jti=f"{number}", **granted)

    def credentials(self, path: str) -> str:
        if path.endswith("/events/auth0"):
            return self._issuer.event_secret
        if path.endswith("/events/global-token-revocation"):
            return self._issuer.global_revocation_jwt()
        return self.admin_token()

    def good_body(self, path: str, body: Any) -> Any:
        """Return what the sender of such events sends, with other members of *body*; every other time *body* itself."""
        if "/events/" not in path or next(self._numbers) % 2:
            return body
        user = next(self._leaving)
        others = body if isinstance(body, dict) else {}
        match path.rpartition("/")[2]:
            case "logout":
                return {**others, "logout_token": self._issuer.logout_token(sub=user)}
            case "security":
                return self._issuer.security_event(subject=user)
            case "auth0":
                return [cloud_event("user.deleted", {"user_id": user}), log_record("scp", user_id=user)]
        return {**others, "sub_id": self._issuer.subject_id(user)}


def send_good_ones(senders: Senders) -> None:
    """Have each request carry the credentials of its sender; some bodies are good as well, which no document says."""

    @schemathesis.auth(refresh_interval=None)
    class Bearer:
        def get(self, case: Any, context: Any) -> str:
            return senders.credentials(case.path)

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    @schemathesis.serializer("application/secevent+jwt")
    def as_it_is(context: Any, value: Any) -> bytes:
        return str(value).encode("utf-8", "surrogatepass")

    @schemathesis.hook
    def map_case(context: Any, case: Any) -> Any:
        # Wrong bodies keep theirs.
        if case.meta.generation.mode.is_positive:
            if isinstance(case.body, dict) and "token" in case.body:
                case.body = {**case.body, "token": senders.admin_token()}
            case.body = senders.good_body(case.path, case.body)
            case.query.pop("cursor", None)  # only an earlier answer has a good one
        return case


if __name__ == "__main__":
    sys.exit(main())
