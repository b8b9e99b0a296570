"""Checks of ``flask auth0 doctor``: does the app start, and are its settings valid? Also for an app that fails to."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from flask import Flask

from auth0_blueprint.cli.command_errors import AppUnavailableError, load_app
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.output import printable
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.guards.authentication import EXTENSION, AppState
from auth0_blueprint.settings import Settings, load_settings

logger: logging.Logger = logging.getLogger("auth0_blueprint")

# The settings needed to check the issuer, whatever else is wrong.
_FOR_THE_ISSUER = (
    "AUTH0_DOMAIN",
    "AUTH0_ISSUER",
    "AUTH0_JWKS_URL",
    "AUTH0_ALGORITHMS",
    "AUTH0_SIGNING_SECRET",
    "AUTH0_LEEWAY",
    "AUTH0_JWKS_TIMEOUT",
    "AUTH0_JWKS_MAX_BYTES",
)


class Subject(NamedTuple):
    """What the other checks examine.

    Attributes:
        app: the app, if there is one, started or not.
        state: the state that its blueprint has built; ``None`` unless it has started.
        settings: those in force, or those that are valid; ``None`` where not even the issuer is known.
        findings: the findings so far.
    """

    app: Flask | None
    state: AppState | None
    settings: Settings | None
    findings: list[Finding]


def examine_app() -> Subject:
    """Load the app, and check its settings."""
    with _logged_warnings():  # they become findings, and are reported once
        try:
            app = load_app()
        except AppUnavailableError as exc:
            return _examine_failed_app(exc)
    if EXTENSION not in app.extensions:
        remedy = "register one: app.register_blueprint(Auth0Blueprint())"
        return _examine_settings(app, [Finding("app", FAIL, "has no Auth0Blueprint", remedy)])
    state: AppState = app.extensions[EXTENSION]
    findings = [Finding("app", OK, f"{printable(app.name)} starts and has an Auth0Blueprint")]
    findings.append(_summary(state.settings))
    findings.extend(_warnings(app.config))
    return Subject(app, state, state.settings, findings)


def _examine_failed_app(error: AppUnavailableError) -> Subject:
    cause = error.__cause__
    app = _app_in(cause)
    if not isinstance(cause, ConfigurationError):
        return _examine_settings(app, [Finding("app", FAIL, f"cannot start: {error.reason}")])
    findings = [Finding("app", FAIL, "cannot start with these settings")]
    findings.extend(_problem(key, problem) for key, problem in cause.problems.items())
    return _examine_settings(app, findings, known_problems=cause.problems)


def _app_in(error: BaseException | None) -> Flask | None:
    """Return the app that was being created; only the frames of the error that ended this still hold it.

    Without it, settings that are in ``app.config`` would be reported as missing.
    """
    found: Flask | None = None
    if error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            found = next((value for value in frame.f_locals.values() if isinstance(value, Flask)), found)
    return found


def _examine_settings(
    app: Flask | None, findings: list[Finding], *, known_problems: Mapping[str, str] | None = None
) -> Subject:
    known = known_problems or {}
    config: Mapping[str, Any] = {} if app is None else app.config
    try:
        with _logged_warnings() as warnings:
            settings = load_settings(config)
    except ConfigurationError as exc:
        findings.extend(_problem(key, problem) for key, problem in exc.problems.items() if key not in known)
        return Subject(app, None, _valid_settings(config, exc.problems), findings)
    return Subject(app, None, settings, [*findings, _summary(settings), *map(_warning, warnings)])


def _valid_settings(config: Mapping[str, Any], problems: Mapping[str, str]) -> Settings | None:
    valid = [key for key in _FOR_THE_ISSUER if key not in problems]
    some = {key: config.get(key) for key in valid}
    # Required, but never used: no token is checked.
    some["AUTH0_AUDIENCE"] = "unknown"
    try:
        return load_settings(some, {key: os.environ[key] for key in valid if key in os.environ})
    except ConfigurationError:
        return None


def _problem(key: str, problem: str) -> Finding:
    return Finding("settings", FAIL, printable(f"{key} {problem}"))


def _summary(settings: Settings) -> Finding:
    sources = [setting.source for setting in settings.effective]
    counts = [
        f"{sources.count(source)} {words}"
        for source, words in (("app.config", "from app.config"), ("environment", "from the environment"))
        if source in sources
    ]
    audience = ", ".join(settings.audience)
    return Finding("settings", OK, printable(f"valid; {' and '.join(counts)}; audience {audience}"))


def _warnings(config: Mapping[str, Any]) -> Iterator[Finding]:
    with _logged_warnings() as warnings:
        try:
            load_settings(config)
        except ConfigurationError:  # app.config was changed after registration, which has no effect
            warnings.clear()
    yield from map(_warning, warnings)


def _warning(text: str) -> Finding:
    return Finding("settings", WARN, printable(text))


@contextmanager
def _logged_warnings() -> Iterator[list[str]]:
    """Collect the warnings that this package logs inside the block, instead of logging them."""
    collector = _Collector()
    before = logger.propagate
    logger.addHandler(collector)
    logger.propagate = False
    try:
        yield collector.warnings
    finally:
        logger.propagate = before
        logger.removeHandler(collector)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.append(record.getMessage())
