"""Whose certificate a request shows: through nginx as docs/mtls.md sets it up, and past it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from certificates import Credential
from refusals import NO_CERTIFICATE, OTHER_CERTIFICATE, UNTRUSTED_PROXY, Answer

from auth0_blueprint.testing import LocalIssuer

from .conftest import Client
from .servers import (
    HEADER,
    Address,
    Deployment,
    Headers,
    ask,
    deployed,
    documented_site,
    get,
    gunicorn_that_ends_tls,
    passed_with,
)

#: How nginx reaches gunicorn, in the words of the page, and the settings that go with it. In all but the first it has
#: an address of its own, as if on a machine of its own; whoever goes past it comes from another one.
LINKS = {
    "unix socket": ("", {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from unix"}),
    "address": ("proxy_bind 127.0.0.2;", {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from 127.0.0.2"}),
    "address, and an app that believes X-Forwarded-For": (
        "proxy_bind 127.0.0.2;",
        {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from 127.0.0.2", "PROXY_FIX": "1"},
    ),
}


@pytest.fixture(scope="module", params=LINKS)
def deployment(
    request: pytest.FixtureRequest, directory: Path, server: Credential, session_issuer: LocalIssuer
) -> Iterator[Deployment]:
    binding, settings = LINKS[request.param]
    site = documented_site()
    if binding:
        site = site.replace("unix:/run/api/gunicorn.sock", "127.0.0.1:8000")
        site = site.replace("proxy_pass", f"{binding} proxy_pass")
    with deployed(directory, site, server, session_issuer, **settings) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def tls(directory: Path, server: Credential, session_issuer: LocalIssuer, client: Client) -> Iterator[Address]:
    with gunicorn_that_ends_tls(directory, server, session_issuer, clients=client.files[0]) as address:
        yield address


#: The ways to send the certificate of somebody else in a header, without having its key.
FORGERIES: dict[str, Callable[[Credential], Headers]] = {
    "as it is": lambda one: ((HEADER, one.escaped_pem),),
    "lower case": lambda one: ((HEADER.lower(), one.escaped_pem),),
    "upper case": lambda one: ((HEADER.upper(), one.escaped_pem),),
    "underscores": lambda one: ((HEADER.replace("-", "_"), one.escaped_pem),),
    "one underscore": lambda one: (("X-SSL_Client-Cert", one.escaped_pem),),
    "twice": lambda one: ((HEADER, one.escaped_pem), (HEADER, one.escaped_pem)),
    "empty and then not": lambda one: ((HEADER, ""), (HEADER, one.escaped_pem)),
    "both spellings": lambda one: ((HEADER, one.escaped_pem), (HEADER.replace("-", "_"), one.escaped_pem)),
    "RFC 9440": lambda one: ((HEADER, one.byte_sequence),),
    "another address claimed": lambda one: (
        (HEADER, one.escaped_pem),
        ("X-Forwarded-For", "127.0.0.2"),
        ("X-Real-IP", "127.0.0.2"),
        ("Forwarded", "for=127.0.0.2"),
    ),
    "hop by hop": lambda one: ((HEADER, one.escaped_pem), ("Connection", f"close, {HEADER}")),
}


class TestThroughNginx:
    def test_the_certificate_of_the_client_arrives(self, deployment: Deployment, client: Client) -> None:
        """With its thumbprint, so its token passes."""
        answer = ask(deployment.nginx.connect(client.files), client.token)
        assert answer == passed_with(client.credential)

    def test_the_token_of_somebody_else_is_refused(
        self, deployment: Deployment, client: Client, attacker: Client
    ) -> None:
        """Whoever stole it has a certificate, too."""
        assert ask(deployment.nginx.connect(attacker.files), client.token) == OTHER_CERTIFICATE

    def test_a_token_that_is_not_bound_needs_no_certificate(
        self, deployment: Deployment, session_issuer: LocalIssuer, client: Client
    ) -> None:
        """By the Bearer scheme it passes, also of somebody who shows one."""
        headers = (("Authorization", f"Bearer {session_issuer.token()}"),)
        for certificate in (None, client.files):
            with closing(deployment.nginx.connect(certificate)) as connection:
                answer, _ = get(connection, "/messages", headers)
            assert answer == Answer(200, (), {"bound to": None}, cache_control=None)

    def test_without_certificate_a_bound_token_is_refused(self, deployment: Deployment, client: Client) -> None:
        """Such clients get through nginx, for tokens that are not bound."""
        assert ask(deployment.nginx.connect(), client.token) == NO_CERTIFICATE

    @pytest.mark.parametrize("way", FORGERIES)
    def test_a_header_of_the_client_does_not_arrive(
        self, deployment: Deployment, client: Client, attacker: Client, way: str
    ) -> None:
        """Neither alone nor beside a certificate of the attacker's own."""
        headers = FORGERIES[way](client.credential)
        assert ask(deployment.nginx.connect(), client.token, headers) == NO_CERTIFICATE
        answer = ask(deployment.nginx.connect(attacker.files), client.token, headers)
        assert answer == OTHER_CERTIFICATE

    @pytest.mark.parametrize("way", FORGERIES)
    def test_a_header_beside_the_certificate_does_no_harm(
        self, deployment: Deployment, client: Client, attacker: Client, way: str
    ) -> None:
        """The client's certificate is the one of the handshake."""
        headers = FORGERIES[way](attacker.credential)
        answer = ask(deployment.nginx.connect(client.files), client.token, headers)
        assert answer == passed_with(client.credential)

    def test_a_resumed_session_shows_the_certificate_of_its_first_handshake(
        self, deployment: Deployment, client: Client
    ) -> None:
        """It is not sent again."""
        context = deployment.nginx.trust(client.files)
        session = None
        for is_resumed in (False, True):
            connection = deployment.nginx.connect()
            plain = socket.create_connection(("127.0.0.1", deployment.nginx.port), timeout=10)
            connection.sock = secured = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
            assert secured.session_reused is is_resumed
            # A ticket comes after the handshake, with the first answer.
            connection.putrequest("GET", "/messages")
            connection.putheader("Authorization", f"Bearer {client.token}")
            connection.endheaders()
            response = connection.getresponse()
            assert response.status == 200
            response.read()
            session = secured.session
            connection.close()


class TestPastNginx:
    @pytest.mark.parametrize("way", FORGERIES)
    def test_a_header_is_not_believed(self, deployment: Deployment, client: Client, way: str) -> None:
        """Whoever reaches gunicorn by another way can send any header, and certificates are no secret."""
        headers = FORGERIES[way](client.credential)
        answer = ask(deployment.gunicorn.connect(), client.token, headers)
        # gunicorn drops names with underscores by itself.
        is_dropped = way in {"underscores", "one underscore"}
        assert answer == (NO_CERTIFICATE if is_dropped else UNTRUSTED_PROXY)

    def test_nothing_is_there_without_a_header(self, deployment: Deployment, client: Client) -> None:
        """And so nobody passes."""
        assert ask(deployment.gunicorn.connect(), client.token) == NO_CERTIFICATE


class TestWithoutProxy:
    def test_the_certificate_of_the_client_arrives(self, tls: Address, client: Client) -> None:
        """In the environ, from gunicorn's own handshake."""
        assert ask(tls.connect(client.files), client.token) == passed_with(client.credential)

    def test_without_certificate_a_bound_token_is_refused(self, tls: Address, client: Client) -> None:
        """The handshake works without."""
        assert ask(tls.connect(), client.token) == NO_CERTIFICATE

    @pytest.mark.parametrize("name", ["SSL-Client-Cert", "SSL_CLIENT_CERT", HEADER])
    def test_a_header_changes_nothing(self, tls: Address, client: Client, name: str) -> None:
        """No header gets to that place in the environ."""
        headers = ((name, client.credential.escaped_pem),)
        assert ask(tls.connect(), client.token, headers) == NO_CERTIFICATE
