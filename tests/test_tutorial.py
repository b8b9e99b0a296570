"""The tutorial, step by step, as somebody does it who copies every line. Only ports and the address of Auth0 differ."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import bearer
from documents import ROOT, blocks_of, run_block
from flask import Flask
from processes import TESTED_PACKAGE, completed, running

from auth0_blueprint import current_token
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "tutorial.md"
ADDRESS = "localhost:5000"
RUN = "Run it with an issuer of your own"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the lines to paste need curl")


def code_of(title: str, language: str = "python") -> str:
    """Return the blocks of the section *title* in *language*, as one."""
    blocks = [block.code.strip("\n") for block in blocks_of(PAGE) if (block.title, block.language) == (title, language)]
    assert blocks, title
    return "\n".join(blocks) + "\n"


def commands_of(title: str) -> list[str]:
    return [line.removeprefix("$ ") for line in code_of(title, "console").splitlines() if line.startswith("$ ")]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The reader's, with what the page has them write."""
    written = {"hello.py": "Write the app", "serve.py": RUN, "test_hello.py": "Test it"}
    page = PAGE.read_text(encoding="utf-8")
    for name, title in written.items():
        assert f"`{name}`:" in page
        (tmp_path / name).write_text(code_of(title).replace("run(port=5000)", "run(port=0)"))
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a shell that has no settings of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "no_proxy": "*", **TESTED_PACKAGE, **more}


@contextmanager
def served(command: list[str], directory: Path, **more: str) -> Iterator[tuple[str, list[str]]]:
    """Run *command* in *directory*; give the address where it serves, and what it has said until then."""
    options: dict[str, Any] = {"cwd": directory, "env": environment(**more), "stderr": subprocess.STDOUT}
    with running(command, **options) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.rstrip())
            if found := re.search(r"Running on http://(127\.0\.0\.1:\d+)", line):
                yield found[1], said
                return
        pytest.fail("\n".join(said))


def shell(script: str, **more: str) -> str:
    run = completed(["bash", "-e", "-c", script], env=environment(**more))
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def exports_in(said: list[str]) -> str:
    exports = [f"{line}\n" for line in said if line.startswith("export ")]
    assert len(exports) == 4
    return "".join(exports)


@needs_curl
def test_the_three_requests_get_the_answers_that_the_page_shows(directory: Path) -> None:
    asked = code_of(RUN, "console").partition("$ curl ")[1:]
    transcript = re.findall(r"^\$ (curl .*)\n((?:[^$].*\n)+)", "".join(asked), re.MULTILINE)
    assert len(transcript) == 3
    with served(commands_of(RUN)[0].split(), directory) as (address, said):
        for command, shown in transcript:
            answer = shell(f"{exports_in(said)}{command.replace(ADDRESS, address)} --silent")
            assert set(shown.splitlines()) <= set(answer.splitlines()), answer


def test_inspect_says_what_the_page_shows(directory: Path) -> None:
    """Of the wrong token, in the end; the exit status is that of a refusal."""
    serve, *_, command = commands_of(RUN)
    assert "auth0 inspect" in command
    shown = code_of(RUN, "console").partition(f"{command}\n...\n")[2]
    with served(serve.split(), directory) as (_, said):
        printed = shell(f"cd {directory}\n{exports_in(said)}{command} || [ $? -eq 1 ]")
    assert shown
    assert printed.endswith(f"\n{shown}")


def test_what_is_left_is_closed_but_for_what_is_public(issuer: LocalIssuer) -> None:
    app: Flask = run_block(PAGE, code_of("Write the app"))["create_app"](issuer.settings)
    run_block(PAGE, code_of("Close the rest"), app=app, current_token=current_token)
    client = app.test_client()
    assert client.get("/api/me").status_code == 401
    assert client.get("/api/me", headers=bearer(issuer.token())).get_json() == {"subject": "auth0|local-user"}
    assert client.get("/").get_json() == {"hello": "world"}


def test_the_test_of_the_page_passes_and_notices_a_guard_that_is_missing(directory: Path) -> None:
    assert commands_of("Test it") == ["python -m pytest"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={directory}"]
    # The terminal may be the one with the lines of the server, whose issuer is gone.
    settings = {"AUTH0_ISSUER": "http://127.0.0.1:9/", "AUTH0_AUDIENCE": "https://api.example.com"}
    passed = completed(command, cwd=directory, env=environment(**settings))
    assert (passed.returncode, "1 passed" in passed.stdout) == (0, True), passed.stdout + passed.stderr
    app = directory / "hello.py"
    app.write_text(app.read_text().replace('@requires_scope("read:messages")', '@requires_scope("openid")'))
    assert completed(command, cwd=directory, env=environment(**settings)).returncode == 1


@needs_curl
def test_the_lines_for_a_tenant_get_a_token_and_an_answer(directory: Path, issuer: LocalIssuer) -> None:
    """The tenant is a local issuer, over http; everything else is as on the page."""
    unset, *exports, start, set_id, read_secret = commands_of("Use your tenant")[:6]
    asks = commands_of("Use your tenant")[6:]
    assert unset == "unset AUTH0_ISSUER AUTH0_AUDIENCE"  # what the lines to paste have set
    assert exports[0].startswith("export AUTH0_DOMAIN=")
    assert exports[1] == f"export AUTH0_AUDIENCE={issuer.audience}"
    assert (set_id, read_secret) == ("export CLIENT_ID=...", "read -rs CLIENT_SECRET")
    client = issuer.add_client("shop", scope="read:messages")
    known = {"CLIENT_ID": "shop", "CLIENT_SECRET": client.client_secret, "AUTH0_AUDIENCE": issuer.audience}
    settings = {"AUTH0_ISSUER": issuer.issuer, "AUTH0_AUDIENCE": issuer.audience}
    with served([*start.split(), "--port", "0"], directory, **settings) as (address, _):
        script = "\n".join(asks).replace(ADDRESS, address).replace("https://$AUTH0_DOMAIN/", issuer.issuer)
        assert shell(f"{script} --silent", **known) == '{"subject":"shop@clients"}\n'
