"""OpenTelemetry where ``AUTH0_OTEL`` is on. Only then are opentelemetry-api and the code that uses it imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.guards.authentication import AppRules, AppState
from auth0_blueprint.settings import Settings

if TYPE_CHECKING:
    from flask_caching import Cache

_FLASK_INSTRUMENTATION = "opentelemetry.instrumentation.flask"


def assemble_observed(app: Flask, settings: Settings, cache: Cache | None, rules: AppRules) -> AppState:
    """Return the state of *app*, as `assemble` does, with spans and metrics if the settings want them.

    Raises:
        ConfigurationError: opentelemetry-api is missing.
    """
    if not settings.otel:
        return assemble(app, settings, cache, rules)
    try:
        from auth0_blueprint.extension.otel import Telemetry
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            {"AUTH0_OTEL": "needs opentelemetry-api: pip install 'auth0_blueprint[otel]', or set it to false"}
        ) from exc
    telemetry = Telemetry(settings)
    return telemetry.observe(assemble(app, settings, cache, rules, fetch=telemetry.fetch))


def put_server_spans_first(hooks: list[Callable[..., Any]], check: Callable[..., Any]) -> None:
    """Have opentelemetry-instrumentation-flask begin its span right after *check*, before a guard refuses the request.

    ``instrument_app`` appends its hook. Behind that of ``protect(app)``, a refused request would have no server span,
    and a duration without a status.

    Args:
        hooks: those of the app, changed in place: the first request is going through them now.
        check: the hook that runs at this moment.
    """
    if check not in hooks:
        return  # a concurrent first request has done it, and its list is the one of the app now
    position = hooks.index(check) + 1
    ahead, behind = hooks[:position], hooks[position:]
    late = [hook for hook in behind if getattr(hook, "__module__", None) == _FLASK_INSTRUMENTATION]
    hooks[:] = [*ahead, *late, *(hook for hook in behind if hook not in late)]
