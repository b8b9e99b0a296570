"""``flask auth0`` in this process, and as a program of its own with nothing but its own settings in the environment."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from processes import TESTED_PACKAGE, TIMEOUT_SECONDS, running

from auth0_blueprint.testing import LocalIssuer

#: An app with its settings from the environment.
APP = """
from flask import Flask
from auth0_blueprint import Auth0Blueprint

def create_app():
    app = Flask(__name__)
    app.register_blueprint(Auth0Blueprint())
    return app
"""


#: The real ``flask auth0``.
FLASK = [sys.executable, "-m", "flask", "auth0"]


def command(*words: str) -> Callable[..., Any]:
    """Return a function of an app, more words and options that returns the result of ``flask auth0`` with *words*."""
    return lambda app, *more, **options: app.test_cli_runner().invoke(args=["auth0", *words, *more], **options)


def environment_of(issuer: LocalIssuer) -> dict[str, str]:
    return {"AUTH0_ISSUER": issuer.issuer, "AUTH0_AUDIENCE": issuer.audience}


def run_program(
    directory: Path, command: list[str], app: str = APP, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run *command* where Flask finds *app*, which is written into *directory*."""
    (directory / "served.py").write_text(app)
    return subprocess.run(
        command,
        cwd=directory,
        env={"PATH": "", **TESTED_PACKAGE, "FLASK_APP": "served", **environment},
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        timeout=TIMEOUT_SECONDS * 6,
        check=False,
    )


def typed(
    directory: Path, settings: Mapping[str, str], words: list[str], prompt: str, text: str
) -> tuple[int, str, str]:
    """Run ``flask auth0`` with *words* for `APP` in *directory*, on a real terminal, and type *text* at *prompt*.

    Return the exit status, what comes out, which is no terminal, and what the terminal shows.
    """
    (directory / "served.py").write_text(APP)
    ours, theirs = pty.openpty()
    options: dict[str, Any] = {"stdin": theirs, "stdout": subprocess.PIPE, "stderr": theirs}
    environment = {"PATH": "", **TESTED_PACKAGE, "FLASK_APP": "served", **settings}
    with running([*FLASK, *words], cwd=directory, env=environment, **options) as process:
        os.close(theirs)
        seen = b""
        while prompt.encode() not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, f"{text}\n".encode())
        assert process.stdout is not None
        output = process.stdout.read()
        status = process.wait(10)
    # Closed at the other end, there may be nothing left to read.
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):
        while more := terminal.read(1000):
            seen += more
    return status, output, seen.decode()
