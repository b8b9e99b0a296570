"""``flask auth0 demo``: what it prints is what it does, without an app, an account or a network."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from processes import TESTED_PACKAGE, Process, completed, http, running

from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.testing.demo_app import create_app


@contextmanager
def demo(
    folder: Path, port: str, *arguments: str, words: tuple[str, ...] = ("flask", "auth0", "demo"), **environ: str
) -> Iterator[Process]:
    """Run the real program on *port*, in *folder*, with nothing but *environ* in its environment."""
    options: dict[str, Any] = {
        "cwd": folder,
        "env": {"PATH": "", **TESTED_PACKAGE, **environ},
        "stderr": subprocess.PIPE,
        # A shell that runs the suite in the background has it ignore SIGINT, and children inherit that.
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    }
    with running([sys.executable, "-m", *words, "--port", port, *arguments], **options) as process:
        yield process


def status_of(url: str, token: str | None, logout_token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    form = {"logout_token": logout_token} if logout_token else None
    return http("POST" if form else "GET", url, headers=headers, data=form).status_code


@pytest.mark.parametrize("words", [("flask", "auth0", "demo"), ("auth0_blueprint.testing.demo", "wsgi:create_app")])
def test_its_curl_lines_answer_as_it_says(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Where there is no app, and with the reference app. Ctrl+C ends it quietly."""
    with demo(tmp_path if words[0] == "flask" else ROOT, "0", words=words) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(23)]
        promised = [int(line[-3:]) for line in lines if re.match(r"# .*: \d+$", line)]
        curl = r"^curl -i (\S+)(?: -H 'Authorization: Bearer (\S+)')?(?: --data-urlencode logout_token=(\S+))?$"
        answered = [status_of(*found) for found in re.findall(curl, "\n".join(lines), re.MULTILINE)]
        (words_of_event,) = (shlex.split(line) for line in lines if line.startswith("flask "))
        sent = completed([sys.executable, "-m", *words_of_event], cwd=tmp_path, env={"PATH": "", **TESTED_PACKAGE})
        assert (sent.returncode, "accepted" in sent.stdout) == (0, True), sent.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert promised == answered == [200, 200, 200, 403, 401, 200, 200, 200, 401]


def test_machines_get_the_same_as_one_json_object(tmp_path: Path) -> None:
    """On the first line, before anything is served. Settings of an API of one's own decide nothing."""
    others: dict[str, Any] = {"AUTH0_DPOP": "required", "AUTH0_TOKEN_PROFILE": "rfc9068", "AUTH0_LEEWAY": "nonsense"}
    with demo(tmp_path, "0", "--json", **others) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        answered = [
            status_of(told["api"] + one["path"], one["token"], (one["form"] or {}).get("logout_token"))
            for one in told["requests"]
        ]
    assert told.keys() == {"issuer", "api", "requests"}
    first = {"title": "no token needed", "status": 200, "path": "/api/public", "token": None, "form": None}
    assert told["requests"][0] == first
    assert answered == [one["status"] for one in told["requests"]]


APPS = """
from flask import Flask
from auth0_blueprint import Auth0Blueprint

def make(**settings):
    app = Flask("made")
    app.config.update(settings)
    app.register_blueprint(Auth0Blueprint())
    return app

def make_with_own():
    return make(AUTH0_ISSUER="https://own.example.com/", AUTH0_AUDIENCE="own")

def make_with_function():
    return make(AUTH0_DOMAIN=lambda issuer, request: issuer == "https://own.example.com/", AUTH0_AUDIENCE="own")

def make_without_revocation():
    return make(AUTH0_REVOCATION=False)

def make_bare(settings=None):
    return Flask("bare")

number = 1
"""


@pytest.mark.parametrize("name", ["server:app", "server:make", "server:make_without_revocation"])
def test_an_app_and_a_factory_without_a_parameter_read_the_environment(tmp_path: Path, name: str) -> None:
    """Whatever was there before. An app is imported with the issuer's settings in place; it need not take events."""
    (tmp_path / "server.py").write_text(f"{APPS}\napp = make()\n")
    words = ("auth0_blueprint.testing.demo", name)
    with demo(tmp_path, "0", words=words, AUTH0_DOMAIN="own.example.com", AUTH0_AUDIENCE="own") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(15)]
        api, token = re.search(r"API at (\S+)\.", lines[0]), re.search(r"Bearer (\S+)'", "".join(lines))
        assert api is not None
        assert token is not None
        assert status_of(f"{api[1]}/auth/me", token[1]) == 200


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("server:make_with_own", "The app accepts tokens of https://own.example.com/, not of the local issuer"),
        ("server:make_with_function", "The function in AUTH0_DOMAIN of app.config does not accept the local issuer."),
        ("server:make_bare", "The app has no Auth0Blueprint."),
        ("server:number", "'server:number' is no Flask app, nor a function that returns one"),
        ("server", "'server' is no Flask app, nor a function that returns one"),
    ],
)
def test_an_app_that_cannot_be_shown_is_a_sentence(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "server.py").write_text(APPS)
    with demo(tmp_path, "0", words=("auth0_blueprint.testing.demo", name)) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith(says)
    assert "Traceback" not in errors


def test_it_is_on_this_machine_only(tmp_path: Path) -> None:
    with demo(tmp_path, "0", "--json") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
    assert all(told[name].startswith("http://127.0.0.1:") for name in ("issuer", "api"))


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, demo(tmp_path, str(taken.getsockname()[1])) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert "in use" in errors
    assert "Traceback" not in errors
    with demo(tmp_path, "70000") as process:
        assert process.wait(30) == 2


@pytest.mark.parametrize("path", ["/api/private", "/api/private-scoped"])
def test_its_app_refuses_whoever_has_no_token(issuer: LocalIssuer, path: str) -> None:
    response = create_app(issuer.settings).test_client().get(path)
    assert (response.status_code, response.get_json()["code"]) == (401, "authorization_header_missing")
