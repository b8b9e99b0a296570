"""How a command gets its app, and how it fails: with a plain sentence and an exit status, never a traceback.

The exit status is 0 if all is well, 1 for a finding or a failure, 2 for wrong usage.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask, current_app
from flask.cli import NoAppException, ScriptInfo

from auth0_blueprint.cli.output import printable
from auth0_blueprint.errors import Auth0Error, ConfigurationError
from auth0_blueprint.guards.authentication import EXTENSION

P = ParamSpec("P")
R = TypeVar("R")


class CommandError(click.ClickException):
    """The command failed. The text goes to standard error; the exit status is 1."""


class AppUnavailableError(CommandError):
    """The app cannot be loaded; ``__cause__`` is the error.

    Attributes:
        reason: the error in one line.
    """

    def __init__(self, cause: Exception) -> None:
        self.reason: str = _one_line(cause)
        details = [self.reason]
        if isinstance(cause, ConfigurationError):
            details = [f"{key}: {problem}" for key, problem in cause.problems.items()]
        super().__init__("\n".join(["The app cannot start.", *(f"  {detail}" for detail in details)]))


class AppNotFoundError(AppUnavailableError):
    """No app was named, or no app has that name: wrong usage."""

    exit_code = 2


class Command(click.Command):
    """A command that reports its known failures in a sentence: ``@click.command("name", cls=Command)``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            CommandError: the command raised an error of this package.
        """
        try:
            return super().invoke(ctx)
        except Auth0Error as exc:
            raise CommandError(exc.description) from exc
        except ConfigurationError as exc:
            raise CommandError("\n".join(map(printable, str(exc).splitlines()))) from exc


def with_app(function: Callable[P, R]) -> Callable[P, R]:
    """Run a command in the context of its app, which must have an `Auth0Blueprint`.

    Flask's own ``with_appcontext`` lets whatever the app raises become a traceback.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        app = load_app()
        if EXTENSION not in app.extensions:
            raise CommandError(
                "This app has no Auth0Blueprint. To solve this, register one: app.register_blueprint(Auth0Blueprint())."
            )
        if not current_app:
            click.get_current_context().with_resource(app.app_context())
        return function(*args, **kwargs)

    return run


def load_app() -> Flask:
    """Return the app of ``flask --app``, or whichever Flask finds.

    Raises:
        AppUnavailableError: it cannot be loaded.
    """
    if current_app:
        return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]
    try:
        return click.get_current_context().ensure_object(ScriptInfo).load_app()
    except NoAppException as exc:
        raise AppNotFoundError(exc) from exc
    except Exception as exc:  # an app may raise anything while it starts
        raise AppUnavailableError(exc) from exc


def _one_line(exc: Exception) -> str:
    if _is_from_cache(exc):
        return f"{type(exc).__name__} while its cache was set up: check the CACHE_* settings"
    if not isinstance(exc, NoAppException):
        first = next(iter(str(exc).splitlines()), "")
        return printable(f"{type(exc).__name__}: {first}" if first else type(exc).__name__)
    # Flask puts a whole traceback into some of these texts. Its last line names the error.
    lines = [line for line in exc.format_message().splitlines() if line]
    return printable(f"{lines[0]} {lines[-1]}" if len(lines) > 1 else "".join(lines))


def _is_from_cache(exc: Exception) -> bool:
    """Tell whether flask-caching or redis-py raised *exc*: its text may hold a piece of the password."""
    modules = (str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(exc.__traceback__))
    return any(module.partition(".")[0] in {"flask_caching", "redis"} for module in modules)
