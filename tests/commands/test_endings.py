"""How every command prints and ends."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner
from conftest import AppFactory
from flask import Flask, current_app
from flask.cli import ScriptInfo

from auth0_blueprint.cli.ending import Command, CommandError, with_app
from auth0_blueprint.cli.output import mark, print_json, table
from auth0_blueprint.errors import ConfigurationError, ExpiredTokenError
from auth0_blueprint.lazy_commands import auth0


def ending_of(error: Exception) -> Any:
    """Return the result of a command that raises *error*."""

    @click.command(cls=Command)
    def command() -> None:
        raise error

    return CliRunner().invoke(command)


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
    result = ending_of(error)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def test_an_app_that_cannot_start_is_a_sentence() -> None:
    """Every wrong setting, a line each."""

    def create_app() -> Flask:
        raise ConfigurationError({"AUTH0_DOMAIN": "is missing", "AUTH0_LEEWAY": "has to be a number"})

    runner = Flask("tested").test_cli_runner()
    result = runner.invoke(auth0, ["jwks"], obj=ScriptInfo(create_app=create_app))
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The app cannot start.\n  AUTH0_DOMAIN: is missing\n  AUTH0_LEEWAY: has to be a number\n"
    )


def test_an_app_without_the_blueprint_is_a_sentence() -> None:
    """With the remedy."""
    app = Flask("tested")
    result = app.test_cli_runner().invoke(auth0, ["jwks"])
    assert result.exit_code == 1
    assert "register one: app.register_blueprint(Auth0Blueprint())" in result.stderr


def test_a_command_runs_in_the_context_of_its_app(make_app: AppFactory) -> None:
    """Whoever loads it."""
    app = make_app()

    @click.command("which", cls=Command)
    @with_app
    def which() -> None:
        click.echo(current_app.name)

    app.cli.add_command(which)
    assert app.test_cli_runner().invoke(args=["which"]).output == "tested\n"


def test_marks_are_plain_where_nobody_looks() -> None:
    """A pipe gets no colours."""
    assert mark("fail") == "fail"


@pytest.mark.parametrize(("no_color", "shown"), [("", "\x1b[31mfail\x1b[0m"), ("1", "fail")])
def test_marks_are_coloured_on_a_terminal_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, no_color: str, shown: str
) -> None:
    """As https://no-color.org wants it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert mark("fail") == shown


def test_a_table_is_aligned_also_where_cells_are_coloured() -> None:
    """By what is seen."""
    lines = list(table([[click.style("ok", fg="green"), "x"], ["fail", "y"]]))
    assert [click.unstyle(line) for line in lines] == ["ok    x", "fail  y"]


def test_json_is_ascii_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No terminal obeys it."""
    print_json({"kid": "\x1b[31m\u2028"})
    output = capsys.readouterr().out
    assert output.isascii()
    assert output.count("\n") == 1
    assert json.loads(output) == {"kid": "\x1b[31m\u2028"}
    assert "\x1b" not in output
