"""The proxy that the environment names, as ``flask auth0 doctor`` shows it: without its password."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from requests.utils import prepend_scheme_if_needed
from urllib3.exceptions import LocationValueError
from urllib3.util import Url, parse_url

from auth0_blueprint.http_session.environment import proxy_for, proxy_variables
from auth0_blueprint.settings.loopback import is_loopback

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


class Proxy(NamedTuple):
    """A proxy. *shown* is its URL with the password masked; *variable* is where it is from."""

    shown: str
    variable: str
    host: str
    port: int
    #: Whether this machine looks up the issuer's name, and not the proxy.
    is_lookup_here: bool


class ProxyError(Exception):
    """There is no using the proxy that the environment names. The text is safe to print."""

    def __init__(self, text: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(text)


def proxy_of(url: str) -> Proxy | None:
    """Return the proxy that a request to *url* goes through, if any.

    Raises:
        ProxyError: it is not the URL of a proxy, or needs what is not installed.
    """
    named = proxy_for(url)
    if named is None:
        return None
    variable = named.variable or "the proxy of this system"
    parts = _parts(named.value)
    if parts is None:
        # Not shown: whatever went wrong, there may be a password in it.
        remedy = "set it to http://host:port; encode special characters in the password (%23 for #, %2F for /)"
        raise ProxyError(f"{variable} is not the URL of a proxy", remedy)
    scheme = (parts.scheme or "").lower()
    if scheme not in _PORTS:
        raise ProxyError(f"{variable} has an unknown scheme", f"use one of {', '.join(_PORTS)}")
    if scheme.startswith("socks") and find_spec("socks") is None:
        raise ProxyError(f"{variable} names a SOCKS proxy, which needs PySocks", "pip install 'requests[socks]'")
    host, port = parts.host or "", parts.port or _PORTS[scheme]
    return Proxy(f"{scheme}://{_user(parts)}{host}:{port}", named.variable, host.strip("[]"), port, scheme[-1] in "45")


def variable_set_aside(url: str) -> str | None:
    """Return the variable that names a proxy for *url* which ``NO_PROXY`` sets aside, if any."""
    if is_loopback(url) or proxy_for(url) is not None:
        return None
    return next(iter(proxy_variables(url)), None)


def _parts(value: str) -> Url | None:
    with_scheme: Callable[[str, str], str] = prepend_scheme_if_needed
    try:
        parts = parse_url(with_scheme(value, "http"))
    except (LocationValueError, ValueError):
        return None
    # An @ further on means that a character of the password has ended the authority.
    return parts if parts.host and "@" not in f"{parts.path}{parts.query}{parts.fragment}" else None


def _user(parts: Url) -> str:
    if parts.auth is None:
        return ""
    user, colon, _ = parts.auth.partition(":")
    return f"{user}:***@" if colon else f"{user}@"
