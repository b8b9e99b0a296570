"""What the environment says about outgoing connections: proxies, and certificate authorities."""

from __future__ import annotations

import os
from typing import NamedTuple

from requests.utils import get_environ_proxies, select_proxy

from auth0_blueprint.settings.loopback import is_loopback

#: The first one that is set counts. requests reads the first two, curl the second and third, OpenSSL the third.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Named(NamedTuple):
    """A value, and the variable that it is from; an empty one if it is the system's own."""

    variable: str
    value: str


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies for *url*, as requests wants them; none for loopback, which a proxy would take for itself."""
    return {} if is_loopback(url) else get_environ_proxies(url)


def proxy_for(url: str) -> Named | None:
    """Return the proxy that a request to *url* goes through, if any."""
    proxy = select_proxy(url, proxies_for(url))
    if not proxy:
        return None
    return Named(next((name for name in proxy_variables(url) if os.environ[name] == proxy), ""), proxy)


def proxy_variables(url: str) -> list[str]:
    """Return the variables that are set and name a proxy for the scheme of *url*; the first one counts."""
    scheme = url.partition(":")[0].lower()
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return [name for name in names if os.environ.get(name)]


def authorities() -> Named | None:
    """Return the file or folder of certificate authorities that the environment names, also for loopback."""
    return next((Named(name, os.environ[name]) for name in CA_VARIABLES if os.environ.get(name)), None)
