"""Checks of ``flask auth0 doctor``: can the keys of the senders of events be fetched, and do events get here?"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from auth0_blueprint.cli.event_routes import own_description, paths_of, senders_of
from auth0_blueprint.cli.exchange import ExchangeError, exchange
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.keysets.key_set import KeySetError, parse_key_set
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.event_sources import SETTINGS

_NO_KEYS = "events of this sender are refused until its keys can be fetched; check its jwks_url in"
_NOT_THERE = "let the proxy pass this path to the app, which must have the same settings; check AUTH0_PUBLIC_URL"


def examine_events(app: Flask, settings: Settings) -> Iterator[Finding]:
    """Yield the findings about events, if *settings* name a sender: a line for each sender, and for each route."""
    paths = paths_of(app, settings)
    yield from _senders(settings)
    if paths and settings.public_url is None:
        text = "routes for events not tested: AUTH0_PUBLIC_URL is not set"
        yield Finding("events", OK, text)
    elif settings.public_url is not None:
        for path in paths.values():
            yield _route(f"{settings.public_url}{path}", settings)


def _senders(settings: Settings) -> Iterator[Finding]:
    found: dict[str, Finding] = {}
    for sender in senders_of(settings):
        if settings.key_set_urls.get(sender.issuer) == sender.jwks_url:
            text = f"{sender.kind}: {sender.issuer}, with the key set that its access tokens have"
            yield Finding("senders", OK, text, issuer=sender.issuer)
            continue
        if sender.jwks_url not in found:
            found[sender.jwks_url] = _key_set(sender.jwks_url, settings)
        keys = found[sender.jwks_url]
        remedy = f"{_NO_KEYS} {SETTINGS[sender.kind]}" if keys.status == FAIL else ""
        yield keys._replace(text=f"{sender.kind}: {keys.text}", remedy=remedy, issuer=sender.issuer)


def _key_set(url: str, settings: Settings) -> Finding:
    try:
        answer = fetch(url, settings.jwks_timeout_seconds, settings.jwks_max_bytes, user_agent=settings.jwks_user_agent)
        number = len(parse_key_set(answer.document).keys)
    except FetchError as exc:
        return Finding("senders", FAIL, f"{exc} from {url}")
    except KeySetError as exc:
        return Finding("senders", FAIL, f"{exc}: {url}")
    return Finding("senders", OK, f"{number} usable from {url}")


def _route(url: str, settings: Settings) -> Finding:
    """Return whether *url* reaches the app: what is sent has neither event nor sender, and must be refused by it."""
    try:
        answer = exchange("POST", url, settings.jwks_timeout_seconds, user_agent=settings.jwks_user_agent)
    except ExchangeError as exc:
        remedy = "start the app; check AUTH0_PUBLIC_URL, and whether this machine can connect to it"
        return Finding("events", WARN, f"{exc} from {url}", remedy)
    if answer.status in {400, 401} and own_description(answer) is not None:
        return Finding("events", OK, f"{url} answers, and refuses what is not an event")
    if answer.status == 404:
        return Finding("events", WARN, f"{url} does not exist (HTTP status 404)", _NOT_THERE)
    text = f"something other than this package answers at {url} (HTTP status {answer.status})"
    return Finding("events", WARN, text, _NOT_THERE)
