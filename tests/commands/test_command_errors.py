"""How every command prints and ends."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from conftest import AppFactory
from flask import Flask, current_app
from flask.cli import ScriptInfo
from programs import environment_of, run_program

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.output import mark, print_json, print_lines, table
from auth0_blueprint.errors import ConfigurationError, ExpiredTokenError
from auth0_blueprint.extension.commands import auth0
from auth0_blueprint.testing import LocalIssuer

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def in_shell(tmp_path: Path, issuer: LocalIssuer) -> Shell:
    """Return a function that runs the real ``flask auth0`` with words as a shell has them."""

    def run(words: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", "-c", f'"$0" -m flask auth0 {words}', sys.executable, *arguments]
        return run_program(tmp_path, command, **environment_of(issuer) | environment)

    return run


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ExpiredTokenError(), "The access token expired."),
        (ConfigurationError({"CACHE_TYPE": "flask-caching has no 'X'"}), "CACHE_TYPE: flask-caching has no 'X'"),
        (ConfigurationError({"AUTH0_REALM": "not \x1b[31m"}), r"'AUTH0_REALM: not \x1b[31m'"),
        (CommandError("There is none."), "There is none."),
    ],
)
def test_a_known_failure_is_a_sentence_and_exit_status_1(error: Exception, sentence: str) -> None:
    """On the standard error output: what a script reads stays empty."""

    @click.command(cls=Command)
    def failing() -> None:
        raise error

    result = CliRunner().invoke(failing)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def test_an_app_that_cannot_start_is_a_sentence() -> None:
    def create_app() -> Flask:
        raise ConfigurationError({"AUTH0_DOMAIN": "is missing", "AUTH0_LEEWAY": "is no number"})

    runner = Flask("tested").test_cli_runner()
    result = runner.invoke(auth0, ["jwks"], obj=ScriptInfo(create_app=create_app))
    problem = "Error: The app cannot start.\n  AUTH0_DOMAIN: is missing\n  AUTH0_LEEWAY: is no number\n"
    assert (result.exit_code, result.stderr) == (1, problem)


def test_an_app_without_the_blueprint_is_a_sentence() -> None:
    result = Flask("tested").test_cli_runner().invoke(auth0, ["jwks"])
    assert result.exit_code == 1
    assert "register one: app.register_blueprint(Auth0Blueprint())" in result.stderr


def test_a_command_runs_in_the_context_of_its_app(make_app: AppFactory) -> None:
    app = make_app()

    @click.command("which", cls=Command)
    @with_app
    def which() -> None:
        click.echo(current_app.name)

    app.cli.add_command(which)
    assert app.test_cli_runner().invoke(args=["which"]).output == "tested\n"


@pytest.mark.parametrize(
    ("is_terminal", "no_color", "shown"), [(False, "", "fail"), (True, "", "\x1b[31mfail\x1b[0m"), (True, "1", "fail")]
)
def test_marks_are_coloured_on_a_terminal_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, no_color: str, shown: str
) -> None:
    """As https://no-color.org wants it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert mark("fail") == shown


def test_a_table_is_aligned_also_where_cells_are_coloured() -> None:
    lines = list(table([[click.style("ok", fg="green"), "x"], ["fail", "y"]]))
    assert [click.unstyle(line) for line in lines] == ["ok    x", "fail  y"]


def test_json_is_ascii_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"kid": "\x1b[31m\u2028"})
    output = capsys.readouterr().out
    assert output.isascii()
    assert output.count("\n") == 1
    assert json.loads(output) == {"kid": "\x1b[31m\u2028"}
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("inspect <&-", "Error: No token: pass it as an argument, or on standard input."),
        ("inspect - <&-", "Error: No token: pass it as an argument, or on standard input."),
        ("token --client-id a <&-", "No client secret: set AUTH0_CLIENT_SECRET, or use --secret-stdin."),
        ("token --client-id a --secret-stdin <&-", "No client secret: set AUTH0_CLIENT_SECRET"),
    ],
)
def test_a_closed_standard_input_is_an_empty_one(in_shell: Shell, words: str, problem: str) -> None:
    result = in_shell(words)
    assert (result.returncode, result.stdout) == (2, "")
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["inspect a.b.c", "doctor", "jwks", "routes"])
def test_a_closed_standard_output_is_no_failure(in_shell: Shell, command: str) -> None:
    result = in_shell(f"{command} >&-")
    assert (result.returncode, result.stderr) == (1 if command.startswith("inspect") else 0, "")


def test_what_the_encoding_of_the_output_lacks_is_escaped(in_shell: Shell, issuer: LocalIssuer) -> None:
    """Whatever a token says, and on either output. What the encoding has stays as it is."""
    token = issuer.token(sub="auth0|日本é", filling="x" * 1000)
    result = in_shell('inspect "$1"', token, PYTHONIOENCODING="latin-1")
    assert result.stderr == ""
    assert '"auth0|\\u65e5\\u672cé"' in result.stdout
    assert result.stdout.endswith("This app: accepted\n")
    result = in_shell('inspect --path "$1" a.b.c', "http://[日", PYTHONIOENCODING="latin-1", PYTHONUTF8="1")
    assert result.stderr == "Error: The app cannot handle a request for http://[\\u65e5: ValueError.\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_line_for_another_encoding_keeps_its_colours(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    written = Terminal()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    print_lines([f"{mark('fail')} 日\udce6"])
    shown = "日" if encoding == "utf-8" else "\\u65e5"
    assert written.getvalue() == f"\x1b[31mfail\x1b[0m {shown}\\udce6\n".encode()


def test_what_doctor_finds_is_escaped_as_well(in_shell: Shell) -> None:
    result = in_shell("doctor", PYTHONIOENCODING="latin-1", PYTHONUTF8="1", FLASK_APP="日")
    assert result.stderr == ""
    assert "\\u65e5" in result.stdout
