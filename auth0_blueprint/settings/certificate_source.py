"""Where the client certificate is found, and who is trusted to supply it (setting ``AUTH0_MTLS_CERT``).

A server that terminates TLS itself puts the certificate into the WSGI environ, which clients cannot write to. A proxy
that terminates TLS forwards it in a header, which anyone can send: it is trusted only from known peers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

FORM = "must be environ:KEY, or header:NAME from ADDRESSES such as header:X-SSL-Client-Cert from 127.0.0.1"

#: The peer of a UNIX socket, which has no address: servers leave ``REMOTE_ADDR`` empty.
UNIX_SOCKET = "unix"

_KEY = r"[A-Za-z_][A-Za-z0-9_.]*"
_HEADER = r"[A-Za-z0-9-]+"
#: What else the client controls, besides its headers (``HTTP_*`` and ``CONTENT_*``).
_REQUEST_LINE = {"PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL"}


class Proxies(NamedTuple):
    """The peers that may forward a client certificate.

    Attributes:
        networks: their addresses; a single address is a network, too.
        has_unix_socket: whether a peer on a UNIX socket is one of them.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    has_unix_socket: bool

    def include(self, peer: str) -> bool:
        """Return whether *peer*, a ``REMOTE_ADDR``, is one of them."""
        if not peer:
            return self.has_unix_socket
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        # A dual-stack socket shows 127.0.0.1 as ::ffff:127.0.0.1.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.networks)


class CertificateSource(NamedTuple):
    """A key in the WSGI environ, and who is trusted to set it.

    Attributes:
        key: the key.
        proxies: the peers that may set it; ``None`` where only the server itself can.
    """

    key: str
    proxies: Proxies | None

    def is_trusted(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the value in *environ* cannot have been made up by the client."""
        if self.proxies is None:
            return True
        # ProxyFix overwrites REMOTE_ADDR with what a header says, and keeps the socket's peer in the original.
        peer = environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR")
        return isinstance(peer, str) and self.proxies.include(peer)


def certificate_source(text: str) -> CertificateSource:
    """Read *text*, a value of ``AUTH0_MTLS_CERT``.

    Raises:
        ValueError: it is malformed, or a client could forge what it names; the message says what would be right.
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
        raise ValueError(f"names a header, which anyone can send: use header:{name} from ADDRESSES of your proxy")
    if key.upper() in _REQUEST_LINE:
        raise ValueError("names a part of the request that the client controls: use a key that the server sets")
    return key


def _header_key(name: str) -> str:
    if "_" in name:
        raise ValueError("must spell the header with dashes: servers drop names with underscores")
    if not re.fullmatch(_HEADER, name):
        raise ValueError(FORM)
    return "HTTP_" + name.upper().replace("-", "_")


def _proxies(text: str) -> Proxies:
    peers = [peer.strip() for peer in text.split(",")]
    if not all(peers):
        raise ValueError("must say whose header to trust, because anyone can send one: header:NAME from ADDRESSES")
    networks = tuple(_network(peer) for peer in peers if peer != UNIX_SOCKET)
    return Proxies(networks, UNIX_SOCKET in peers)


def _network(peer: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(peer)
    except ValueError as exc:
        raise ValueError(f"must list addresses, networks such as 10.0.0.0/24, or {UNIX_SOCKET} after from") from exc
    if not network.prefixlen:
        raise ValueError("would trust everyone: list the addresses of your proxy after from")
    return network
