"""The real ``flask auth0``, run as a program of its own with nothing but its own settings in the environment."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from processes import TESTED_PACKAGE, running

#: An app with its settings from the environment.
APP = """
from flask import Flask
from auth0_blueprint import Auth0Blueprint

def create_app():
    app = Flask(__name__)
    app.register_blueprint(Auth0Blueprint())
    return app
"""


def typed(
    directory: Path, settings: Mapping[str, str], words: list[str], prompt: str, text: str
) -> tuple[int, str, str]:
    """Run ``flask auth0`` with *words* for `APP` in *directory*, on a real terminal, and type *text* at *prompt*.

    Return the exit status, what comes out, which is no terminal, and what the terminal shows.
    """
    (directory / "asking.py").write_text(APP)
    command = [sys.executable, "-m", "flask", "--app", "asking", "auth0", *words]
    ours, theirs = pty.openpty()
    options: dict[str, Any] = {"stdin": theirs, "stdout": subprocess.PIPE, "stderr": theirs}
    with running(command, cwd=directory, env={"PATH": "", **TESTED_PACKAGE, **settings}, **options) as process:
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
