"""The settings of flask-jwt-extended: which are honoured, which are refused, and which have no effect."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.extension.jwt_in_request import are_headers_only
from auth0_blueprint.settings import Settings

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: The claim that ``get_jwt_identity()`` returns: a token must have it.
IDENTITY_CLAIM = "JWT_IDENTITY_CLAIM"
LOCATION = "JWT_TOKEN_LOCATION"
_FIXED = {"JWT_HEADER_NAME": "Authorization", "JWT_HEADER_TYPE": "Bearer"}


def check_jwt_settings(config: Mapping[str, Any]) -> None:
    """Refuse settings that contradict this package, and log those without effect.

    Raises:
        ConfigurationError: names each wrong setting and what would be right.
    """
    refuse_contradictions(config)
    # What stock flask-jwt-extended heeds is found out only for an app that has such settings.
    named = {name for name, value in config.items() if value is not None and str(name).startswith("JWT_")}
    without_effect = named and named & settings_without_effect()
    if without_effect:
        logger.warning(
            "these settings have no effect, AUTH0_* settings apply instead: %s", ", ".join(sorted(without_effect))
        )


def refuse_contradictions(config: Mapping[str, Any], settings: Settings | None = None) -> None:
    """Refuse settings that contradict this package; with *settings*, also those that were changed too late for it.

    Raises:
        ConfigurationError: names each wrong setting and what would be right.
    """
    problems = {
        name: f"must be {value!r} or unset: tokens are read only from the Authorization header"
        for name, value in _FIXED.items()
        if config.get(name) not in (None, value)
    }
    if not are_headers_only(config.get(LOCATION)):
        problems[LOCATION] = "must be ['headers'] or unset: tokens are read only from the Authorization header"
    claim = config.get(IDENTITY_CLAIM, "sub")
    if not isinstance(claim, str) or not claim:
        problems[IDENTITY_CLAIM] = "must be the name of a claim, or removed: then it is 'sub'"
    elif settings is not None and claim != settings.identity_claim:
        problems[IDENTITY_CLAIM] = "was changed after Auth0Blueprint() was registered: set it before"
    if problems:
        raise ConfigurationError(problems)


def with_identity_claim(settings: Settings, config: Mapping[str, Any]) -> Settings:
    """Return *settings* that require the claim of ``get_jwt_identity()`` in every token.

    Without it the caller of a guarded view would have the identity ``None``, as nobody has.
    """
    return dataclasses.replace(settings, identity_claim=config.get(IDENTITY_CLAIM, settings.identity_claim))


@functools.cache
def settings_without_effect() -> frozenset[str]:
    """Return the names of the settings that only stock flask-jwt-extended, in the release at hand, heeds."""
    stock = Flask("auth0_blueprint", static_folder=None)
    JWTManager(stock)
    return frozenset(name for name in stock.config if name.startswith("JWT_")) - {IDENTITY_CLAIM, LOCATION, *_FIXED}
