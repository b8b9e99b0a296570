"""What these tests run in processes of its own: an OpenID provider, a DPoP client, the reference app under gunicorn."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from processes import Process, eventually, gunicorn, http, running

ROOT = Path(__file__).parents[2]
PROVIDER = Path(__file__).with_name("provider")

AUDIENCE = "https://messages.example/"
FRONT_END = "http://localhost:3000"
ALGORITHMS = ("RS256", "PS256", "ES256")
WORKERS = 2

Key = dict[str, Any]


class Provider(ExitStack):
    """`oidc-provider`: each start may take other keys, and takes the port of the first.

    Attributes:
        issuer, jwks_url, token_url: as its discovery document names them.
        metadata: that document.
    """

    metadata: dict[str, Any]

    issuer: str
    jwks_url: str
    token_url: str

    def __init__(self) -> None:
        super().__init__()
        self._client = {"id": "messages-client", "secret": secrets.token_urlsafe(32)}
        self._port = 0

    def start(self, *keys: Key, web: Mapping[str, Any] | None = None, encryption_key: str | None = None) -> None:
        """Run with these private *keys*, of which the first of an algorithm signs, and no longer with others.

        *web* is the metadata of a client to which users log in, *encryption_key* the public key of the API.
        """
        self.close()
        process = self.enter_context(_node("provider.mjs", str(self._port)))
        with cast("IO[str]", process.stdin) as stdin:
            given = {"keys": keys, "client": self._client, "web": web, "encryption_key": encryption_key}
            json.dump(given, stdin)
        lines = iter(cast("IO[str]", process.stdout))
        issuer = next((line.split()[1] for line in lines if line.startswith("issuer ")), None)
        assert issuer is not None, "the provider did not start: standard error says why"
        metadata = http("GET", f"{issuer}.well-known/openid-configuration").json()
        self.issuer, self.jwks_url = metadata["issuer"], metadata["jwks_uri"]
        self.token_url, self.metadata = metadata["token_endpoint"], metadata
        self._port = urlsplit(self.issuer).port or 0

    def access_token(
        self,
        algorithm: str = "RS256",
        *,
        audience: str = AUDIENCE,
        scope: str | None = None,
        proof: str | None = None,
        **asked: object,
    ) -> str:
        """Return an access token of the client, as the token endpoint gives it: with *proof* a bound one.

        *asked* are further parameters, as JSON: ``act`` and ``authorization_details``.
        """
        response = http(
            "POST",
            self.token_url,
            auth=(self._client["id"], self._client["secret"]),
            data={"grant_type": "client_credentials", "resource": f"{audience}{algorithm}", "scope": scope}
            | {name: json.dumps(value) for name, value in asked.items()},
            headers={"DPoP": proof},
        )
        response.raise_for_status()
        body = response.json()
        assert body["token_type"] == ("Bearer" if proof is None else "DPoP")
        token: str = body["access_token"]
        return token


class Browser(ExitStack):
    """A user's, with the cookies of the provider.

    Args:
        provider: where the user logs in.
        web: the metadata of the client to which.
    """

    def __init__(self, provider: Provider, web: Mapping[str, Any]) -> None:
        super().__init__()
        self._provider, self._web = provider, web
        self._session = self.enter_context(requests.Session())
        self._session.trust_env = False
        self._id_token = ""

    def log_in(self, user: str) -> str:
        """Log in, or be logged in still; return an access token for the API."""
        (callback,) = self._web["redirect_uris"]
        url = self._provider.metadata["authorization_endpoint"]
        asked = {"response_type": "code", "redirect_uri": callback, "scope": "openid", "login_hint": user}
        asked |= {"client_id": self._web["client_id"], "resource": f"{AUDIENCE}RS256"}
        response = self._session.get(url, params=asked, allow_redirects=False, timeout=10)
        while not (url := response.headers["Location"]).startswith(callback):
            response = self._session.get(urljoin(response.url, url), allow_redirects=False, timeout=10)
        (code,) = parse_qs(urlsplit(url).query)["code"]
        body = http(
            "POST",
            self._provider.token_url,
            auth=(self._web["client_id"], self._web["client_secret"]),
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": callback,
                "resource": asked["resource"],
            },
        ).json()
        self._id_token = body["id_token"]
        token: str = body["access_token"]
        return token

    def log_out(self) -> None:
        """Log out at the provider, as the page asks."""
        url = self._provider.metadata["end_session_endpoint"]
        page = self._session.get(url, params={"id_token_hint": self._id_token}, timeout=10).text
        fields = dict(re.findall(r'name="(xsrf)" value="([^"]+)"', page))
        answer = self._session.post(f"{url}/confirm", data={**fields, "logout": "yes"}, timeout=10)
        assert answer.ok, answer.text


class Proof(NamedTuple):
    text: str
    thumbprint: str


class ProofMaker(ExitStack):
    """npm's `dpop`, with one key for each algorithm."""

    def __enter__(self) -> Self:
        process = self.enter_context(_node("dpop.mjs"))
        self._stdin, self._stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        self.callback(self._stdin.close)
        return self

    def make(self, algorithm: str, method: str, uri: str, access_token: str | None = None) -> Proof:
        question = {"alg": algorithm, "htm": method, "htu": uri}
        question |= {"accessToken": access_token} if access_token else {}
        print(json.dumps(question), file=self._stdin, flush=True)
        answer = json.loads(self._stdout.readline())
        return Proof(answer["proof"], answer["thumbprint"])


class Encrypter(ExitStack):
    """npm's `jose`."""

    def __enter__(self) -> Self:
        process = self.enter_context(_node("jwe.mjs"))
        self._stdin, self._stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        self.callback(self._stdin.close)
        return self

    def encrypt(self, text: str, public_key: str, header: Mapping[str, Any]) -> str:
        print(json.dumps({"text": text, "header": header, "key": public_key}), file=self._stdin, flush=True)
        return self._stdout.readline().strip()


class App:
    """The reference app.

    Attributes:
        url: where it is asked.
    """

    def __init__(self, url: str, access_log: IO[str], number: int) -> None:
        self.url = url
        self._access_log = access_log
        self._number = number

    def get(self, path: str, token: str | None = None, proof: str | None = None) -> requests.Response:
        """Ask whichever worker takes the request: by the scheme ``DPoP`` with *proof*, else ``Bearer``."""
        return self.ask("GET", path, _credentials(token, proof))[1]

    def get_from_every_worker(self, path: str, token: str, proof: str | None = None) -> list[requests.Response]:
        """Ask until each worker has answered, and return the last answer of each."""
        answers: dict[str, requests.Response] = {}

        def has_every_worker_answered() -> bool:
            answers.update([self.ask("GET", path, _credentials(token, proof))])
            return len(answers) == self._number

        eventually(has_every_worker_answered)
        return list(answers.values())

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[str, requests.Response]:
        """Return the access log's line, which is the worker's process id, and the response."""
        response = http(method, self.url + path, headers=headers)
        # One request at a time: its line is the next one.
        return self.pass_over_line(), response

    def pass_over_line(self) -> str:
        """Wait for the access log's line for one request, and return it: also for one that somebody else has made."""
        return self._access_log.readline()


@contextmanager
def running_app(
    directory: Path,
    provider: Provider,
    cache: Mapping[str, str] | None = None,
    workers: int = WORKERS,
    /,
    **settings: str,
) -> Iterator[App]:
    """Run ``wsgi:app`` under gunicorn, with *settings* from the environment, and *cache* in ``instance/config.py``."""
    # Away from the checkout, whose instance/config.py and .env belong to whoever works in it.
    shutil.copy(ROOT / "wsgi.py", directory)
    (directory / "instance").mkdir()
    lines = (f"{name} = {value!r}\n" for name, value in (cache or {}).items())
    (directory / "instance" / "config.py").write_text("".join(lines))
    environment = {
        "CORS_ORIGINS": FRONT_END,
        "AUTH0_ISSUER": provider.issuer,
        "AUTH0_AUDIENCE": AUDIENCE,
        "AUTH0_JWKS_URL": provider.jwks_url,
        "AUTH0_ALGORITHMS": ",".join(ALGORITHMS),
        **settings,
    }
    arguments = ["--workers", str(workers), "--access-logfile", "-", "--access-logformat", "%(p)s"]
    with gunicorn("wsgi:app", directory, environment, *arguments) as (url, process):
        yield App(url, cast("IO[str]", process.stdout), workers)


def assert_refused(response: requests.Response, status: int, code: str, error: str, challenge: str) -> None:
    """Check status, body and challenges, with the error in place of ``%s``, and that nothing may store it."""
    body = response.json()
    description = body["error_description"]
    assert (response.status_code, body) == (status, {"error": error, "error_description": description, "code": code})
    assert response.headers["WWW-Authenticate"] == challenge % f'error="{error}", error_description="{description}"'
    assert response.headers["Cache-Control"] == "no-store"


def _node(*arguments: str) -> AbstractContextManager[Process]:
    """Run a program of the folder of the provider, which reads standard input."""
    # Node.js 20 says that Ed25519 is experimental.
    command = [shutil.which("node") or "node", "--no-warnings", *arguments]
    return running(command, cwd=PROVIDER, stdin=subprocess.PIPE)


def _credentials(token: str | None, proof: str | None) -> dict[str, str]:
    if token is None:
        return {}
    return {"Authorization": f"Bearer {token}"} if proof is None else {"Authorization": f"DPoP {token}", "DPoP": proof}
