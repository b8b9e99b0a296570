"""The local issuer of `auth0_blueprint.testing`, and the demo made of it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from conftest import bearer
from flask import Flask

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.testing import LocalIssuer

ALGORITHMS = ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_tokens_pass_in_every_family_of_algorithms(algorithm: str) -> None:
    """With the settings that it names."""
    with LocalIssuer(algorithm=algorithm) as issuer:
        app = Flask("tested")
        app.config.update(issuer.settings)
        app.register_blueprint(Auth0Blueprint())
        assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200


def test_it_starts_only_when_asked(session_issuer: LocalIssuer) -> None:
    """Making one opens no port and starts no thread."""
    before = threading.active_count()
    issuer = LocalIssuer(algorithm="EdDSA")
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="start"):
        issuer.token()


def test_stopping_ends_its_thread_and_may_be_repeated() -> None:
    """Nothing is left for the next test."""
    before = threading.active_count()
    issuer = LocalIssuer(algorithm="EdDSA").start()
    issuer.stop()
    issuer.stop()
    assert threading.active_count() == before


def test_it_counts_fetches_of_the_key_set_only(issuer: LocalIssuer) -> None:
    """Other paths are not there."""
    assert requests.get(f"{issuer.issuer}.well-known/jwks.json", timeout=5).json() == issuer.key_set
    assert requests.get(f"{issuer.issuer}elsewhere", timeout=5).status_code == 404
    assert issuer.fetch_count == 1


def test_it_publishes_public_keys_only(issuer: LocalIssuer) -> None:
    """Each of which is usable."""
    import json

    assert parse_key_set(json.dumps(issuer.key_set).encode()).skipped == ()


def test_claims_and_headers_can_be_added_replaced_and_left_out(issuer: LocalIssuer) -> None:
    """Any token that a test needs."""
    import jwt

    token = issuer.token(sub="me", extra=[1], headers={"typ": "at+jwt"}, without=("azp",))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["extra"], "azp" in claims) == ("me", [1], False)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def test_the_demo_prints_curl_lines_that_answer_as_it_says() -> None:
    """With the reference app: 200, 200, 200, 403, 401, and health."""
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "auth0_blueprint.testing.demo", "wsgi:create_app", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell that runs the suite in the background has it ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as demo:
        assert demo.stdout is not None
        try:
            lines = [demo.stdout.readline().rstrip() for _ in range(15)]
            promised = [int(line[-3:]) for line in lines if line.startswith("# ")]
            answered = [_status(line) for line in lines if line.startswith("curl ")]
        finally:
            demo.send_signal(signal.SIGINT)
    assert demo.returncode == 0
    assert promised == answered == [200, 200, 200, 403, 401, 200]


def _status(curl: str) -> int:
    match = re.fullmatch(r"curl -i (\S+)(?: -H 'Authorization: (Bearer \S+)')?", curl)
    assert match is not None
    url, authorization = match.groups()
    headers = {"Authorization": authorization} if authorization else {}
    return requests.get(url, headers=headers, timeout=10).status_code
