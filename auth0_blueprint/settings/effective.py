"""The settings in force, as operators see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from marshmallow import Schema

from auth0_blueprint.settings.domain_function import DomainFunction
from auth0_blueprint.settings.event_senders import shown
from auth0_blueprint.settings.key_set_urls import key_set_urls_of
from auth0_blueprint.settings.rules import issuers_of
from auth0_blueprint.settings.signing_secrets import algorithms_of


class EffectiveSetting(NamedTuple):
    """One setting: its key, its value, and its source: ``app.config``, ``environment`` or ``default``."""

    key: str
    value: Any
    source: str


def effective_settings(schema: Schema, data: dict[str, Any], sources: dict[str, str]) -> tuple[EffectiveSetting, ...]:
    """Return every setting in force, given *data*, which is valid, and the *sources* of those that are set.

    Args:
        schema: which settings are secret.
        data: the settings, by key, as *schema* loads them.
        sources: of those that are set, by key.
    """
    values = {
        **data,
        "AUTH0_ISSUER": _one_or_all(issuers_of(data)),
        "AUTH0_JWKS_URL": _one_or_all(key_set_urls_of(data).values()),
        "AUTH0_ALGORITHMS": algorithms_of(data),
    }
    if isinstance(data["AUTH0_DOMAIN"], DomainFunction):
        values["AUTH0_DOMAIN"] = data["AUTH0_DOMAIN"].name
    secret = {key for key, found in schema.fields.items() if found.metadata.get("secret")}
    return tuple(
        EffectiveSetting(key, "***" if key in secret and value else shown(value), sources.get(key, "default"))
        for key, value in values.items()
    )


def _one_or_all(texts: Iterable[str]) -> str | list[str] | None:
    """Return the only value as a string, as it may be set, or all of them; ``None`` if there is none."""
    values = list(texts)
    return values if len(values) > 1 else next(iter(values), None)
