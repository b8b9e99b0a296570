"""Where the certificate of a client is found, and whom to believe about it (setting ``AUTH0_MTLS_CERT``).

A server that ends TLS itself puts the certificate into the WSGI environ, where no client can put anything. A proxy that
ends TLS hands it on in a header, and a header can be sent by anybody: it is believed from known peers only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

FORM = "has to be environ:KEY, or header:NAME from ADDRESSES such as header:X-SSL-Client-Cert from 127.0.0.1"

#: The peer of a UNIX socket, which has no address: servers leave ``REMOTE_ADDR`` empty.
UNIX_SOCKET = "unix"

_KEY = r"[A-Za-z_][A-Za-z0-9_.]*"
_HEADER = r"[A-Za-z0-9-]+"
#: The rest of what a client says by itself; its headers are ``HTTP_*`` and ``CONTENT_*``.
_REQUEST_LINE = {"PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL"}


class Proxies(NamedTuple):
    """The peers that may hand on the certificate of a client.

    Attributes:
        networks: addresses of theirs; a single one is a network, too.
        has_unix_socket: whether a peer on a UNIX socket is one of them.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    has_unix_socket: bool

    def include(self, peer: str) -> bool:
        """Tell whether *peer*, a ``REMOTE_ADDR``, is one of them."""
        if not peer:
            return self.has_unix_socket
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        # A socket for both versions of IP shows 127.0.0.1 as ::ffff:127.0.0.1.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.networks)


class CertificateSource(NamedTuple):
    """A place in the WSGI environ, and who is believed about it.

    Attributes:
        key: the place.
        proxies: who may fill it; ``None`` where only the server itself can.
    """

    key: str
    proxies: Proxies | None

    def is_believed(self, environ: Mapping[str, Any]) -> bool:
        """Tell whether what *environ* holds there cannot be a client's invention."""
        if self.proxies is None:
            return True
        # ProxyFix puts what a header says into REMOTE_ADDR. The peer of the socket is in what it has kept.
        peer = environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR")
        return isinstance(peer, str) and self.proxies.include(peer)


def certificate_source(text: str) -> CertificateSource:
    """Read *text*, a value of ``AUTH0_MTLS_CERT``.

    Raises:
        ValueError: it has another form, or a client could fake what it names; the message says what would be right.
    """
    kind, _, rest = text.strip().partition(":")
    if kind == "environ":
        return CertificateSource(_server_key(rest), None)
    if kind == "header":
        name, _, peers = rest.partition(" from")
        return CertificateSource(_header_key(name), _proxies(peers))
    raise ValueError(FORM)


def _server_key(key: str) -> str:
    if not re.fullmatch(_KEY, key):
        raise ValueError(FORM)
    if key.upper().startswith(("HTTP_", "CONTENT_")):
        name = key.upper().removeprefix("HTTP_").replace("_", "-").title()
        raise ValueError(f"names a header, which anybody can send: use header:{name} from ADDRESSES of your proxy")
    if key.upper() in _REQUEST_LINE:
        raise ValueError("names a part of the request that the client chooses: use a key that the server sets")
    return key


def _header_key(name: str) -> str:
    if "_" in name:
        raise ValueError("has to spell the header with dashes: servers drop names with underscores")
    if not re.fullmatch(_HEADER, name):
        raise ValueError(FORM)
    return "HTTP_" + name.upper().replace("-", "_")


def _proxies(text: str) -> Proxies:
    peers = [peer.strip() for peer in text.split(",")]
    if not all(peers):
        raise ValueError("has to say whose header is believed, as anybody can send one: header:NAME from ADDRESSES")
    networks = tuple(_network(peer) for peer in peers if peer != UNIX_SOCKET)
    return Proxies(networks, UNIX_SOCKET in peers)


def _network(peer: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(peer)
    except ValueError as exc:
        raise ValueError(f"has to name addresses, networks such as 10.0.0.0/24, or {UNIX_SOCKET} after from") from exc
    if not network.prefixlen:
        raise ValueError("would believe everybody: name the addresses of your proxy after from")
    return network
