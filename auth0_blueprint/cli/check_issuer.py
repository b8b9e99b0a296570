"""Checks of ``flask auth0 doctor``: can this machine get the issuer's keys, and does the issuer match the settings?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from auth0_blueprint.cli.check_network import examine_network
from auth0_blueprint.cli.exchange import Answer, ExchangeError, exchange
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.output import printable
from auth0_blueprint.jose import strict_json
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.keysets.key_set import KeySet, KeySetError, parse_key_set
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.secret_keys import NO_KEY_SET

_NO_KEY_SET = "check AUTH0_DOMAIN: this is not the key set of an issuer"
_UNUSABLE = "have the issuer publish public signing keys: RSA of 2048 bits or more, EC (P-256, P-384, P-521) or Ed25519"

# A Date header has no fractions of a second, and the answer took time to arrive.
_INACCURACY_SECONDS = 1.0


def examine_issuer(issuer: str, url: str | None, settings: Settings) -> Iterator[Finding]:
    """Yield the findings about *issuer*, whose key set is at *url*, or has none. Skips checks that cannot succeed."""
    if url is None:
        yield Finding("key set", OK, NO_KEY_SET, issuer=issuer)
        yield from (found._replace(issuer=issuer) for found in _discovery_and_clock(issuer, url, settings))
        return
    for found in examine_network(url, settings):
        yield found._replace(issuer=issuer)
        if found.status == FAIL:
            return
    yield _key_set(url, settings)._replace(issuer=issuer)
    yield from (found._replace(issuer=issuer) for found in _discovery_and_clock(issuer, url, settings))


def _key_set(url: str, settings: Settings) -> Finding:
    began = time.monotonic()
    try:
        answer = fetch(url, settings.jwks_timeout_seconds, settings.jwks_max_bytes, user_agent=settings.jwks_user_agent)
        document = answer.document
        milliseconds = (time.monotonic() - began) * 1000
        key_set = parse_key_set(document)
    except FetchError as exc:
        return Finding("key set", FAIL, f"{exc} from {url}", _remedy_for(exc, settings.jwks_user_agent))
    except KeySetError as exc:
        return Finding("key set", FAIL, f"{exc}: {url}", _UNUSABLE if exc.skipped else _NO_KEY_SET)
    return _content(key_set, settings, f"from {url} in {milliseconds:.0f} ms")


def _content(key_set: KeySet, settings: Settings, how: str) -> Finding:
    fitting = [key for key in key_set.keys if any(key.fits(ALGORITHMS[name]) for name in settings.algorithms)]
    accepted = ", ".join(settings.algorithms)
    if not fitting:
        kinds = ", ".join(sorted({key.algorithm.name if key.algorithm else key.key_type for key in key_set.keys}))
        text = f"no key for {accepted}: the published keys are for {kinds}"
        return Finding("key set", FAIL, text, "set AUTH0_ALGORITHMS to the signing algorithm of the API in Auth0")
    text = f"{len(fitting)} usable for {accepted} {how}"
    if key_set.skipped:
        return Finding("key set", WARN, f"{text}; not used: {', '.join(sorted(set(key_set.skipped)))}")
    return Finding("key set", OK, text)


def _remedy_for(error: FetchError, user_agent: str) -> str:
    status = error.status or 0
    if status // 100 == 3:
        return "the key set has moved, and redirects are not followed: set AUTH0_DOMAIN as in the tokens' iss"
    if status == 403:
        return (
            f"a firewall may refuse the User-Agent {user_agent}: set AUTH0_JWKS_USER_AGENT to one that "
            "it lets through; or no keys are published there: check AUTH0_DOMAIN"
        )
    if status // 100 == 4 and status != 429:
        return "no keys are published there: check AUTH0_DOMAIN"
    if error.code == "too_large":
        return "raise AUTH0_JWKS_MAX_BYTES if this is the right key set"
    if error.code == "tls":
        return "check AUTH0_DOMAIN and the proxy"
    return "try again; if it persists, check https://status.auth0.com, the firewall and the proxy"


def _discovery_and_clock(issuer: str, url: str | None, settings: Settings) -> Iterator[Finding]:
    """Yield both findings from one answer: even an error has a Date header."""
    address = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
    try:
        answer = exchange("GET", address, settings.jwks_timeout_seconds, user_agent=settings.jwks_user_agent)
    except ExchangeError as exc:
        condition = "as long as the key set can be fetched" if url else "here: tokens are verified without the network"
        yield Finding("discovery", WARN, f"{exc} from {address}", f"nothing to do {condition}")
        return
    yield _discovery(answer, issuer, url)
    yield _clock(answer, issuer, settings)


def _discovery(answer: Answer, issuer: str, url: str | None) -> Finding:
    if answer.status != 200:
        return Finding(
            "discovery", OK, f"{issuer} has no discovery document (HTTP status {answer.status}): nothing to compare"
        )
    try:
        document = strict_json.loads_object(answer.body)
    except strict_json.StrictJSONError:
        return Finding("discovery", WARN, f"the discovery document of {issuer} is not JSON", "check AUTH0_DOMAIN")
    if document.get("issuer") != issuer:
        text = f"the issuer calls itself {printable(str(document.get('issuer')))[:200]}, not {issuer}"
        return Finding("discovery", FAIL, text, "set AUTH0_DOMAIN or AUTH0_ISSUER to the iss of the tokens")
    if url is None:
        return Finding("discovery", OK, f"{issuer} names the same issuer")
    if document.get("jwks_uri") != url:
        text = f"the issuer publishes its keys at {printable(str(document.get('jwks_uri')))[:200]}, not at {url}"
        return Finding("discovery", WARN, text, "unset AUTH0_JWKS_URL, or set it to that URL")
    return Finding("discovery", OK, f"{issuer} names the same issuer and key set")


def _clock(answer: Answer, issuer: str, settings: Settings) -> Finding:
    here = time.time()
    try:
        when = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return Finding("clock", WARN, f"not compared: {issuer} sends no Date header")
    there = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    age = answer.headers.get("Age", "")
    there += int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
    behind = there + _INACCURACY_SECONDS / 2 - here
    if abs(behind) <= settings.leeway_seconds + _INACCURACY_SECONDS:
        return Finding("clock", OK, f"within {max(_INACCURACY_SECONDS, abs(behind)):.0f} s of the clock of {issuer}")
    words = f"{abs(behind):.0f} s {'behind' if behind > 0 else 'ahead of'} the clock of {issuer}"
    effect = "new tokens are refused" if behind > 0 else "tokens are refused before they expire"
    text = f"{words} ({datetime.fromtimestamp(here, UTC):%Y-%m-%dT%H:%M:%SZ} here): {effect}"
    return Finding("clock", FAIL, text, "synchronize the clock (NTP)")
