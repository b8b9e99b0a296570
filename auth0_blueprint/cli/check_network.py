"""Checks of ``flask auth0 doctor``: can this machine connect to the issuer, as its environment says?"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from auth0_blueprint.cli.ca_file import problem_with
from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.output import printable
from auth0_blueprint.cli.proxy_url import Proxy, ProxyError, proxy_of, variable_set_aside
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.http_session import LOOKUP_SECONDS
from auth0_blueprint.http_session.addresses import connect_to_first, in_turns
from auth0_blueprint.http_session.environment import authorities
from auth0_blueprint.settings import Settings

T = TypeVar("T")

_SECONDS_PER_DAY = 86_400
_FEW_DAYS = 14
#: glibc asks the second name server after 5 s.
_SLOW_LOOKUP_SECONDS = 2.0


def examine_network(url: str, settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the way to *url*: proxy, name, certificate authorities, TLS. Stops at a failure."""
    try:
        proxy = proxy_of(url)
    except ProxyError as exc:
        yield Finding("proxy", FAIL, str(exc), exc.remedy)
        return
    checks: tuple[Callable[[], Finding | None], ...] = (
        lambda: _proxy(url, proxy, settings),
        lambda: _dns(url, proxy),
        lambda: _authorities(url),
        lambda: _tls(url, proxy, settings),
    )
    for check in checks:
        found = check()
        if found is not None:
            yield found
            if found.status == FAIL:
                return


def _proxy(url: str, proxy: Proxy | None, settings: Settings) -> Finding | None:
    host = urlsplit(url).hostname
    if proxy is None:
        name = variable_set_aside(url)
        return None if name is None else Finding("proxy", OK, f"not used: NO_PROXY excepts {host} from {name}")
    text = f"{printable(proxy.shown)}, from {proxy.variable or 'the settings of this system'}"
    try:
        _within(settings, lambda: _connected(proxy.host, proxy.port, settings)[0].close())
    except TimeoutError:
        return Finding("proxy", FAIL, f"{text}, does not answer in time", "check the proxy, and the firewall")
    except (socket.gaierror, UnicodeError):
        return Finding("proxy", FAIL, f"{text}, has no address", f"check {proxy.variable}")
    except OSError:
        return Finding("proxy", FAIL, f"{text}, refuses connections", f"check {proxy.variable}, and the proxy")
    return Finding("proxy", OK, text)


def _dns(url: str, proxy: Proxy | None) -> Finding:
    host, port = _host_and_port(url)
    if _is_address(host):
        return Finding("dns", OK, f"{host} is an IP address: no DNS lookup")
    if proxy is not None and not proxy.is_lookup_here:
        return Finding("dns", OK, f"{host} is not looked up here: the environment sets a proxy")
    began = time.monotonic()
    try:
        found = call_within(LOOKUP_SECONDS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except TimeoutError:
        return Finding("dns", FAIL, f"no answer in time for {host}", "check the DNS configuration of this machine")
    except (OSError, UnicodeError):
        return Finding(
            "dns", FAIL, f"{host} has no address", "check AUTH0_DOMAIN for a typo, and the DNS configuration"
        )
    addresses = sorted({str(address[4][0]) for address in found})
    text = f"{host} is {', '.join(addresses)}"
    seconds = time.monotonic() - began
    if seconds > _SLOW_LOOKUP_SECONDS:
        remedy = "check the name servers (/etc/resolv.conf): the first one may not answer"
        return Finding("dns", WARN, f"{text}, found after {seconds:.1f} s", remedy)
    return Finding("dns", OK, text)


def _authorities(url: str) -> Finding | None:
    if urlsplit(url).scheme != "https":
        return None
    named = authorities()
    if named is None:
        return Finding("CAs", OK, _authorities_of_this_machine())
    shown = printable(named.value)
    problem = problem_with(named.value)
    if problem is not None:
        return Finding("CAs", FAIL, f"{shown}, from {named.variable}, {problem.text}", problem.remedy)
    return Finding("CAs", OK, f"{shown}, from {named.variable}")


def _authorities_of_this_machine() -> str:
    context: Any = ssl.SSLContext
    # truststore.inject_into_ssl() has put its own class there.
    return "those of this system (truststore)" if context.__module__.startswith("truststore") else "those of requests"


def _tls(url: str, proxy: Proxy | None, settings: Settings) -> Finding:
    host, port = _host_and_port(url)
    if urlsplit(url).scheme == "http":
        return Finding("tls", OK, "not used: loopback")
    if proxy is not None:
        return Finding("tls", OK, f"the certificate of {host} is not checked: the environment sets a proxy")
    try:
        return _within(settings, lambda: _handshake(host, port, settings))
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


def _handshake(host: str, port: int, settings: Settings) -> Finding:
    plain, first = _connected(host, port, settings)
    with plain:
        plain.settimeout(settings.jwks_timeout_seconds)
        with _tls_context().wrap_socket(plain, server_hostname=host) as connection:
            used = connection.getpeername()[0]
            certificate: dict[str, Any] = connection.getpeercert() or {}
            version = connection.version()
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / _SECONDS_PER_DAY)
    text = f"{host} speaks {version}; its certificate is valid for {days} more days"
    if used != first:
        return Finding("tls", WARN, f"{text}; {used} has answered, {first} has not", "check the route to that address")
    if days < _FEW_DAYS:
        return Finding("tls", WARN, text, "have the owner of the domain renew it")
    return Finding("tls", OK, text)


def _within(settings: Settings, function: Callable[[], T]) -> T:
    return call_within(settings.jwks_timeout_seconds + LOOKUP_SECONDS, function)


def _connected(host: str, port: int, settings: Settings) -> tuple[socket.socket, str]:
    """Return a connection to *host*, made as the fetch makes it, and the address that was tried first."""
    addresses = in_turns(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    sock = connect_to_first(addresses, settings.jwks_timeout_seconds)
    return sock, str(addresses[0][4][0])


def _tls_context() -> ssl.SSLContext:
    """Return a context with the CAs that the fetch trusts: those the environment names, else the bundle of requests."""
    named = authorities()
    path = DEFAULT_CA_BUNDLE_PATH if named is None else named.value
    is_folder = os.path.isdir(path)  # noqa: PTH112 - as requests finds it out
    return ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
