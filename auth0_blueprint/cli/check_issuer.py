"""Checks of ``flask auth0 doctor``: can this machine reach the issuer, and does the issuer match the settings?"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from auth0_blueprint.cli.exchange import Answer, ExchangeError, exchange
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.output import printable
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.jose import strict_json
from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.keysets.key_set import KeySet, KeySetError, parse_key_set
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.loopback import is_loopback

_SECONDS_PER_DAY = 86_400
_FEW_DAYS = 14

_NO_KEY_SET = "check AUTH0_DOMAIN: this is not the key set of an issuer"
_UNUSABLE = "have the issuer publish public signing keys: RSA of 2048 bits or more, EC (P-256, P-384, P-521) or Ed25519"

# A Date header has no fractions of a second, and the answer took time to arrive.
_INACCURACY_SECONDS = 1.0


def examine_issuer(issuer: str, url: str, settings: Settings) -> Iterator[Finding]:
    """Yield the findings about *issuer*, whose key set is at *url*. Skips checks that can no longer succeed."""
    for check in (_dns, _tls, _key_set):
        found = check(url, settings)
        yield found._replace(issuer=issuer)
        if found.status == FAIL and check is not _key_set:
            return
    yield from (found._replace(issuer=issuer) for found in _discovery_and_clock(issuer, url, settings))


def _dns(url: str, settings: Settings) -> Finding:
    host, port = _host_and_port(url)
    if _is_address(host):
        return Finding("dns", OK, f"{host} is an IP address: no DNS lookup")
    if _proxy(url) is not None:
        return Finding("dns", OK, f"{host} is not looked up here: the environment sets a proxy")
    try:
        found = call_within(
            settings.jwks_timeout_seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except TimeoutError:
        return Finding("dns", FAIL, f"no answer in time for {host}", "check the DNS configuration of this machine")
    except (OSError, UnicodeError):
        return Finding(
            "dns", FAIL, f"{host} has no address", "check AUTH0_DOMAIN for a typo, and the DNS configuration"
        )
    addresses = sorted({str(address[4][0]) for address in found})
    return Finding("dns", OK, f"{host} is {', '.join(addresses)}")


def _tls(url: str, settings: Settings) -> Finding:
    host, port = _host_and_port(url)
    if urlsplit(url).scheme == "http":
        return Finding("tls", OK, "not used: loopback")
    if _proxy(url) is not None:
        return Finding("tls", OK, f"the certificate of {host} is not checked: the environment sets a proxy")
    try:
        return call_within(settings.jwks_timeout_seconds, lambda: _handshake(url, settings.jwks_timeout_seconds))
    except TimeoutError:
        return Finding(
            "tls", FAIL, f"{host} does not answer on port {port} in time", "check the firewall and the proxy"
        )
    except ssl.SSLCertVerificationError as exc:
        remedy = "check AUTH0_DOMAIN and the clock; behind a TLS-inspecting proxy, set REQUESTS_CA_BUNDLE"
        return Finding(
            "tls", FAIL, f"the certificate of {host} is not trusted: {printable(exc.verify_message)}", remedy
        )
    except ssl.SSLError:
        return Finding("tls", FAIL, f"{host} does not speak TLS on port {port}", "check AUTH0_DOMAIN and the proxy")
    except OSError:
        return Finding("tls", FAIL, f"{host} refuses connections on port {port}", "check AUTH0_DOMAIN and the firewall")


def _handshake(url: str, timeout_seconds: float) -> Finding:
    host, port = _host_and_port(url)
    with (
        socket.create_connection((host, port), timeout_seconds) as plain,
        _tls_context(url).wrap_socket(plain, server_hostname=host) as connection,
    ):
        certificate: dict[str, Any] = connection.getpeercert() or {}
        days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / _SECONDS_PER_DAY)
        text = f"{host} speaks {connection.version()}; its certificate is valid for {days} more days"
        if days < _FEW_DAYS:
            return Finding("tls", WARN, text, "have the owner of the domain renew it")
        return Finding("tls", OK, text)


def _tls_context(url: str) -> ssl.SSLContext:
    """Return a context with the CAs that the fetch trusts: those the environment names, else the bundle of requests."""
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)
        trusted: Any = session.merge_environment_settings(url, {}, False, None, None)["verify"]
    path = DEFAULT_CA_BUNDLE_PATH if trusted is True else str(trusted)
    is_folder = Path(path).is_dir()
    return ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)


def _key_set(url: str, settings: Settings) -> Finding:
    began = time.monotonic()
    try:
        document = fetch(url, settings.jwks_timeout_seconds, settings.jwks_max_bytes).document
        milliseconds = (time.monotonic() - began) * 1000
        key_set = parse_key_set(document)
    except FetchError as exc:
        return Finding("key set", FAIL, f"{exc} from {url}", _remedy_for(exc))
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


def _remedy_for(error: FetchError) -> str:
    status = error.status or 0
    if status // 100 == 3:
        return "the key set has moved, and redirects are not followed: set AUTH0_DOMAIN as in the tokens' iss"
    if status // 100 == 4 and status != 429:
        return "no keys are published there: check AUTH0_DOMAIN"
    if error.code == "too_large":
        return "raise AUTH0_JWKS_MAX_BYTES if this is the right key set"
    if error.code == "tls":
        return "check AUTH0_DOMAIN and the proxy"
    return "try again; if it persists, check https://status.auth0.com, the firewall and the proxy"


def _discovery_and_clock(issuer: str, url: str, settings: Settings) -> Iterator[Finding]:
    """Yield both findings from one answer: even an error has a Date header."""
    address = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
    try:
        answer = exchange("GET", address, settings.jwks_timeout_seconds)
    except ExchangeError as exc:
        yield Finding("discovery", WARN, f"{exc} from {address}", "nothing to do as long as the key set can be fetched")
        return
    yield _discovery(answer, issuer, url)
    yield _clock(answer, issuer, settings)


def _discovery(answer: Answer, issuer: str, url: str) -> Finding:
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


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _proxy(url: str) -> str | None:
    """Return the proxy that the fetch goes through, if any."""
    if is_loopback(url):
        return None
    return select_proxy(url, get_environ_proxies(url))
