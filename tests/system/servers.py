"""nginx and gunicorn as docs/mtls.md sets them up, and a client that says exactly what a test wants."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from certificates import Credential
from documents import ROOT, python_blocks
from processes import TIMEOUT_SECONDS, gunicorn, running
from refusals import Answer

from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "mtls.md"
HEADER = "X-SSL-Client-Cert"

Headers = tuple[tuple[str, str], ...]

#: What begins a server with TLS.
TLS = "listen 443 ssl; ssl_certificate /etc/ssl/api.crt; ssl_certificate_key /etc/ssl/api.key;"

_MAIN = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
{user}
events {{}}
http {{
    access_log off;
    {paths}
    {site}
}}
"""


@contextmanager
def nginx(directory: Path, site: str) -> Iterator[int]:
    """Run nginx with *site*, whose ``listen 443`` is a free port of this machine, and give that port."""
    # nginx inherits the socket, as from a running nginx that it replaces: the port is never anybody else's.
    with ExitStack() as ours, ExitStack() as theirs:
        listener = ours.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        port, descriptor = listener.getsockname()[1], listener.fileno()
        site = site.replace("listen 443", f"listen 127.0.0.1:{port}")
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        names = {"client_body": "body", **{name: name for name in ("proxy", "fastcgi", "uwsgi", "scgi")}}
        paths = " ".join(f"{name}_temp_path {directory}/{folder};" for name, folder in names.items())
        configuration = directory / "nginx.conf"
        configuration.write_text(_MAIN.format(directory=directory, user=user, paths=paths, site=site))
        command = ["nginx", "-p", str(directory), "-c", str(configuration), "-e", str(directory / "nginx.log")]
        environment = {**os.environ, "NGINX": f"{descriptor};"}
        theirs.enter_context(running(command, env=environment, pass_fds=(descriptor,)))
        ours.close()
        yield port


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what a client needs to trust it: without that it is asked without TLS."""

    port: int
    authority: Path | None = None

    def connect(self, certificate: tuple[Path, Path] | None = None) -> HTTPConnection:
        """Return a connection, on which the client shows *certificate*, a file and one with its key."""
        if self.authority is None:
            return HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        return HTTPSConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS, context=self.trust(certificate))

    def trust(self, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Return what a client with *certificate* brings to a handshake."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return context


@dataclass(frozen=True, slots=True)
class Deployment:
    """nginx with gunicorn behind it. Both can be reached; nobody should be able to reach the second."""

    nginx: Address
    gunicorn: Address


@contextmanager
def deployed(
    directory: Path, site: str, credential: Credential, issuer: LocalIssuer, *arguments: str, **settings: str
) -> Iterator[Deployment]:
    """Run the app of these tests behind nginx with *site*, in the words of docs/mtls.md.

    *arguments* are gunicorn's, the *credential* is that of the server.
    """
    _copy_app(directory)
    path = directory / "gunicorn.sock"
    path.unlink(missing_ok=True)
    environment = {**trusting(issuer), **settings}
    with (
        socket.create_server(str(path), family=socket.AF_UNIX) as unix_socket,
        gunicorn("system_app:app", directory, environment, *arguments, sockets=(unix_socket,)) as (url, _),
    ):
        direct = Address(urlsplit(url).port or 0)
        site = site.replace("/run/api/gunicorn.sock", str(path))
        site = site.replace("127.0.0.1:8000", f"127.0.0.1:{direct.port}")
        with nginx_with_tls(directory, site, credential) as front:
            yield Deployment(front, direct)


@contextmanager
def nginx_with_tls(directory: Path, site: str, credential: Credential) -> Iterator[Address]:
    """Run nginx with *site*, which has the certificate of *credential*."""
    certificate, key = credential.write_to(directory, "server")
    site = site.replace("/etc/ssl/api.crt", str(certificate)).replace("/etc/ssl/api.key", str(key))
    with nginx(directory, site) as port:
        yield Address(port, authority=certificate)


@contextmanager
def gunicorn_that_ends_tls(
    directory: Path, credential: Credential, issuer: LocalIssuer, clients: Path
) -> Iterator[Address]:
    """Run the app of these tests under gunicorn alone, with what docs/mtls.md puts around it.

    *clients* is a file with certificates of authorities that clients may have theirs from.
    """
    _copy_app(directory)
    (advised,) = (block.code for block in python_blocks(PAGE))
    (directory / "tls_app.py").write_text("from system_app import app\n" + advised)
    certificate, key = credential.write_to(directory, "server")
    arguments = ["--certfile", str(certificate), "--keyfile", str(key), "--ca-certs", str(clients), "--cert-reqs", "1"]
    settings = {**trusting(issuer), "AUTH0_MTLS_CERT": "environ:SSL_CLIENT_CERT"}
    with gunicorn("tls_app:app", directory, settings, *arguments) as (url, _):
        yield Address(urlsplit(url).port or 0, authority=certificate)


def _copy_app(directory: Path) -> None:
    shutil.copy(Path(__file__).with_name("app.py"), directory / "system_app.py")


def trusting(issuer: LocalIssuer) -> dict[str, str]:
    return {name: value for name, value in issuer.settings.items() if value is not None}


def raw(connection: HTTPConnection, target: str, headers: Headers = ()) -> tuple[int, Message, bytes]:
    """Ask for *target* with exactly *headers*, also such as no library would send."""
    connection.putrequest("GET", target, skip_host=any(name == "Host" for name, _ in headers))
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def get(connection: HTTPConnection, target: str, headers: Headers = ()) -> tuple[Answer, str]:
    """Ask for *target*, and return what is answered, and the worker process that has; end the connection."""
    with closing(connection):
        status, received, body = raw(connection, target, headers)
    challenges = tuple(received.get_all("WWW-Authenticate", ()))
    answer = Answer(status, challenges, json.loads(body), received["Cache-Control"], received["Content-Type"])
    return answer, received["X-Worker"]
