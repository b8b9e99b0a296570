"""A network of its own, in a namespace of Linux: addresses that swallow packets or refuse, name servers, an issuer.

``ip`` and ``unshare`` are needed, and root or the right to make user namespaces. Whatever goes to an address that is
not in `LIVE` or `REFUSING` is swallowed: at the other end of the wire there is nobody.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from certificates import make_credential
from servers import in_background

ISSUER, PROXY = "issuer.test", "proxy.test"
LIVE = ("2001:db8:1::10", "192.0.2.10")
REFUSING = ("2001:db8:1::11", "192.0.2.11")


def in_a_namespace(command: list[str]) -> list[str]:
    """Return *command* so that it runs with a network and mounts of its own."""
    return ["unshare", "--map-root-user", "--net", "--mount", *command]


def missing() -> str:
    """Return what is missing here for a network of its own; empty if nothing is."""
    try:
        subprocess.run(in_a_namespace(["ip", "link", "add", "wire", "type", "veth"]), check=True, capture_output=True)
    except FileNotFoundError:
        return "unshare"
    except subprocess.CalledProcessError as exc:
        return exc.stderr.decode().strip() or "the right to make namespaces"
    return ""


class Lab:
    """The network, once `prepare` has been called in a namespace.

    Attributes:
        ca: a file with the CA of the issuer and of the proxy.
        tls: what servers need for a certificate of it.
    """

    def __init__(self, directory: Path) -> None:
        self._files = {name: directory / name.rpartition("/")[2] for name in ("/etc/hosts", "/etc/resolv.conf")}
        credential = make_credential("lab", ISSUER, PROXY, days=1)
        certificate, key = credential.write_to(directory, "lab")
        self.ca = certificate
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self._nsswitch = directory / "nsswitch.conf"

    def prepare(self) -> None:
        """Make the addresses, and have the resolver read our files."""
        for line in (
            *("link set lo up", "link add wire type veth peer name far"),
            # Without ARP nobody is asked who has an address: packets leave, and far drops them, as they are not for it.
            *("link set wire arp off", "link set far up", "link set wire up"),
            *(f"address add {host}/24 dev wire" for host in (LIVE[1], REFUSING[1])),
            *(f"-6 address add {host}/64 dev wire nodad" for host in (LIVE[0], REFUSING[0])),
        ):
            subprocess.run(["ip", *line.split()], check=True)
        self._nsswitch.write_text("hosts: files dns\n")
        self.names({})
        for name, file in {**self._files, "/etc/nsswitch.conf": self._nsswitch}.items():
            subprocess.run(["mount", "--bind", str(file), name], check=True)

    def names(self, hosts: dict[str, tuple[str, ...]], name_servers: tuple[str, ...] = ()) -> None:
        """Give names addresses: in the hosts file, and by name servers."""
        lines = [f"{address} {name}" for name, addresses in hosts.items() for address in addresses]
        self._files["/etc/hosts"].write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        self._files["/etc/resolv.conf"].write_text("".join(f"nameserver {server}\n" for server in name_servers))


@contextmanager
def lab() -> Iterator[Lab]:
    """Make the lab, in a namespace (`in_a_namespace`)."""
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:
        made = Lab(Path(directory))
        made.prepare()
        yield made


class Issuer(ThreadingHTTPServer):
    """An issuer on both live addresses and on loopback, whose firewall refuses some User-Agents."""

    def __init__(self, lab: Lab, address: str, body: bytes) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.headers: dict[str, str] = {}
        self.body = body
        self.refused_agents: tuple[str, ...] = ()
        super().__init__((address, 443), _Handler)
        self.socket = lab.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """Leave what clients do wrong to them."""


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        if self.headers.get("User-Agent", "").startswith(self.server.refused_agents or ("\0",)):
            self.send_error(403)
            return
        self.send_response(200)
        for name, value in {"Content-Length": str(len(self.server.body)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class NameServer(socketserver.ThreadingUDPServer):
    """Answers questions for A and AAAA records with the live addresses."""

    def __init__(self) -> None:
        super().__init__((LIVE[1], 53), socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        question, sock = request
        end = question.index(b"\0", 12) + 5
        kind = struct.unpack(">H", question[end - 4 : end - 2])[0]
        data = {1: socket.inet_pton(socket.AF_INET, LIVE[1]), 28: socket.inet_pton(socket.AF_INET6, LIVE[0])}.get(kind)
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, data is not None, 0, 0)
        record = b"" if data is None else b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
        sock.sendto(head + question[12:end] + record, client_address)


@contextmanager
def services(lab: Lab, body: bytes) -> Iterator[list[Issuer]]:
    """Run the issuer and the name server."""
    with ExitStack() as stack:
        issuers = [Issuer(lab, address, body) for address in (*LIVE, "127.0.0.1")]
        for server in (*issuers, NameServer()):
            stack.enter_context(in_background(server))
        yield issuers


if __name__ == "__main__":
    sys.exit(missing() or None)
