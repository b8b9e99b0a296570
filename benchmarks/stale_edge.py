"""An edge of a CDN that is behind: which tokens does a client accept that gets its keys there?

``python -m benchmarks.stale_edge`` needs curl and, for jose, node and the packages of ``tests/integration/provider``
(``make provider``). Everything is on loopback. So that nothing has to be waited for, keys are kept for one second, and
no client has a cooldown between its fetches; the rest is their default.
"""

from __future__ import annotations

import inspect
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import jwt
import requests
from flask import Flask

from auth0_blueprint import Auth0Blueprint, Auth0Error, verify_token
from auth0_blueprint.testing import LocalIssuer
from benchmarks.reporting import print_table

PROVIDER = Path(__file__).parent.parent / "tests" / "integration" / "provider"
KEPT_SECONDS, AGE_SECONDS = 1, 300

#: Says whether a token is accepted.
Accepts = Callable[[str], bool]

_JOSE = f"""
import {{ createRemoteJWKSet, jwtVerify }} from "jose";
const [url, steps] = process.argv.slice(1);
const keys = createRemoteJWKSet(new URL(url), {{ cooldownDuration: 0, cacheMaxAge: {KEPT_SECONDS * 1000} }});
const accepted = [];
for (const [seconds, token] of JSON.parse(steps)) {{
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const refused = (error) => error.code === "ERR_JWKS_NO_MATCHING_KEY" ? false : error.code;
  accepted.push(await jwtVerify(token, keys).then(() => true, refused));
}}
console.log(JSON.stringify(accepted));
"""


class Step(NamedTuple):
    """A token that a client gets, after a while."""

    seconds: float
    token: str


class Edge(ThreadingHTTPServer):
    """Passes the first request on to the issuer. Then it answers with an older copy, unless told not to.

    Attributes:
        passed_on: for each request, whether it reached the issuer.
    """

    def __init__(self, first: bytes, copy: bytes, latest: bytes) -> None:
        self._first, self._copy, self._latest = first, copy, latest
        self.passed_on: list[bool] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where the key set is."""
        return f"http://127.0.0.1:{self.server_port}/jwks.json"

    def answer(self, cache_control: str) -> tuple[bytes, int]:
        """Return a key set and its age."""
        is_first = not self.passed_on
        self.passed_on.append(is_first or "no-cache" in cache_control)
        if is_first:
            return self._first, 0
        return (self._latest, 0) if self.passed_on[-1] else (self._copy, AGE_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    server: Edge

    def do_GET(self) -> None:
        body, age = self.server.answer(self.headers.get("Cache-Control", ""))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if age:
            self.send_header("Age", str(age))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _running(edge: Edge) -> Iterator[None]:
    thread = Thread(target=edge.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        edge.shutdown()
        thread.join()
        edge.server_close()


class Tokens:
    """An issuer that has replaced its key, and what it publishes before, meanwhile and after."""

    def __init__(self, issuer: LocalIssuer) -> None:
        def document(*key_ids: str) -> bytes:
            return json.dumps({"keys": [key for key in issuer.key_set["keys"] if key["kid"] in key_ids]}).encode()

        old, new = issuer.key_ids[-1], issuer.rotate()
        self.settings = issuer.settings
        self.old, self.new = issuer.token(key_id=old), issuer.token(key_id=new)
        self.only_old, self.both, self.only_new = document(old), document(old, new), document(new)


def _ours(url: str, tokens: Tokens) -> Accepts:
    app = Flask(__name__)
    app.config.from_mapping(tokens.settings, AUTH0_JWKS_URL=url, AUTH0_REVOCATION=False)
    app.config.from_mapping(AUTH0_JWKS_TTL=KEPT_SECONDS, AUTH0_JWKS_REFRESH_AHEAD=0)
    app.register_blueprint(Auth0Blueprint())

    def accepts(token: str) -> bool:
        try:
            with app.test_request_context():
                verify_token(token)
        except Auth0Error as error:
            if error.code != "unknown_key":
                raise
            return False
        return True

    return accepts


def _pyjwt(url: str, _tokens: Tokens) -> Accepts:
    # Older releases have no cooldown that could be switched off.
    has_cooldown = "cooldown_duration" in inspect.signature(jwt.PyJWKClient).parameters
    options: dict[str, Any] = {"cooldown_duration": 0} if has_cooldown else {}
    client = jwt.PyJWKClient(url, lifespan=KEPT_SECONDS, **options)

    def accepts(token: str) -> bool:
        try:
            key = client.get_signing_key_from_jwt(token)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWKClientError:
            return False
        jwt.decode(token, key, options={"verify_aud": False})
        return True

    return accepts


def _keeping_nothing(read: Callable[[str], Any]) -> Callable[[str, Tokens], Accepts]:
    """Return a client that fetches the key set for each token."""

    def client(url: str, _tokens: Tokens) -> Accepts:
        return lambda token: jwt.get_unverified_header(token)["kid"] in {key["kid"] for key in read(url)["keys"]}

    return client


#: Each returns what accepts tokens with the keys at a URL.
PYTHON_CLIENTS = {
    "ours": _ours,
    "requests": _keeping_nothing(lambda url: requests.get(url, timeout=5).json()),
    "PyJWKClient": _pyjwt,
    "curl": _keeping_nothing(lambda url: json.loads(_output(["curl", "--silent", "--fail", url]))),
}
CLIENTS = ("ours", "requests", "PyJWKClient", "jose", "curl")


def measure(clients: Sequence[str]) -> dict[str, dict[str, bool]]:
    """Return for each situation, and in it for each client, whether the token was accepted."""
    results: dict[str, dict[str, bool]] = {}
    with LocalIssuer() as issuer:
        tokens = Tokens(issuer)
        for name in clients:
            _, takes_withdrawn, has_kept = _accepted(
                name,
                tokens,
                Edge(tokens.only_new, tokens.only_old, tokens.only_new),
                # In this order: for an unknown key, this package would get the new key set from the issuer.
                [Step(0, tokens.new), Step(KEPT_SECONDS + 0.1, tokens.old), Step(0, tokens.new)],
            )
            _, finds = _accepted(
                name,
                tokens,
                Edge(tokens.only_old, tokens.only_old, tokens.both),
                [Step(0, tokens.old), Step(0, tokens.new)],
            )
            for situation, is_accepted in {
                "a refresh gets a copy older than the keys in use; then a token of the withdrawn key": takes_withdrawn,
                "the same; then a token of the new key": has_kept,
                "the first token of a key that is newer than the copy": finds,
            }.items():
                results.setdefault(situation, {})[name] = is_accepted
    return results


def _accepted(name: str, tokens: Tokens, edge: Edge, steps: Sequence[Step]) -> list[bool]:
    with _running(edge):
        if name == "jose":
            command = ["node", "--input-type=module", "--eval", _JOSE, edge.url, json.dumps(steps)]
            accepted: list[bool] = json.loads(_output(command, PROVIDER))
        else:
            accepts = PYTHON_CLIENTS[name](edge.url, tokens)
            accepted = []
            for step in steps:
                time.sleep(step.seconds)
                accepted.append(accepts(step.token))
    if accepted[0] is not True or not {*accepted} <= {True, False} or len(edge.passed_on) == 1:
        raise RuntimeError(f"{name} does not work here: {accepted}, {len(edge.passed_on)} fetches")
    return accepted


def _output(command: list[str], directory: Path | None = None) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=directory).stdout


def main() -> int:
    """Measure and print it."""
    package = json.loads((PROVIDER / "node_modules" / "jose" / "package.json").read_text(encoding="utf-8"))
    versions = [f"{name} {version(name)}" for name in ("requests", "PyJWT")]
    versions += [f"jose {package['version']}", " ".join(_output(["curl", "--version"]).split()[:2])]
    print(f"Python {platform.python_version()}, {', '.join(versions)}\n")
    rows = measure(CLIENTS).items()
    print_table(
        ["", *CLIENTS],
        ([name, *("accepted" if got[client] else "refused" for client in CLIENTS)] for name, got in rows),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
