"""What the commands know of the routes for events: their paths, their senders, and how this package answers there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask

from auth0_blueprint.cli.exchange import Answer
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.jose import strict_json
from auth0_blueprint.routes.access import route_of
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.event_sources import SETTINGS, Source

_BELOW_PREFIX = "/events/"


class Sender(NamedTuple):
    """Whose signed events of one kind an app takes, what they must be for, and where the keys are."""

    kind: Source
    issuer: str
    audience: tuple[str, ...]
    jwks_url: str


def senders_of(settings: Settings) -> Iterator[Sender]:
    """Yield the senders of signed events that *settings* name."""
    events = settings.events
    if events.logout_client_ids:
        for issuer, url in settings.key_set_urls.items():
            yield Sender("logout", issuer, events.logout_client_ids, url)
    for sender in events.transmitters:
        yield Sender("security", sender.issuer, sender.audience, sender.jwks_url)
    for sender in events.global_revocation:
        yield Sender("global-token-revocation", sender.issuer, sender.audience, sender.jwks_url)


def paths_of(app: Flask, settings: Settings) -> dict[Source, str]:
    """Return the path of each route for events that *settings* turn on, as *app* has it."""
    paths: dict[Source, str] = {}
    for rule in app.url_map.iter_rules():
        route = route_of(app.view_functions[rule.endpoint])
        if route is not None and route.path.startswith(_BELOW_PREFIX) and route.is_on(settings):
            paths.update({kind: rule.rule for kind in SETTINGS if route.path == f"{_BELOW_PREFIX}{kind}"})
    return paths


def own_description(answer: Answer) -> str | None:
    """Return why this package refused the request, in its own words; ``None`` if somebody else has answered.

    The words are known here: whatever else a server says is not repeated.
    """
    try:
        body = strict_json.loads_object(answer.body)
    except strict_json.StrictJSONError:
        return None
    said = body.get("error_description", body.get("description"))  # RFC 8935 §2.3 has the latter
    return said if isinstance(said, str) and said in _descriptions(Auth0Error) else None


def _descriptions(error: type[Auth0Error]) -> set[str]:
    own = set(getattr(error, "descriptions", {}).values())
    return own.union(*map(_descriptions, error.__subclasses__()))
