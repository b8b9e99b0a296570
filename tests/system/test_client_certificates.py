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
from .servers import HEADER, PAGE, Address, Deployment, Headers, deployed, get, gunicorn_that_ends_tls, raw

#: How nginx reaches gunicorn, in the words of the page, and the settings that go with it. In all but the first it has
#: an address of its own, as if on a machine of its own; whoever goes past it comes from another one.
BY_ADDRESS = {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from 127.0.0.2"}
LINKS = {
    "unix socket": {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from unix"},
    "address": BY_ADDRESS,
    "address, and an app that believes X-Forwarded-For": {**BY_ADDRESS, "PROXY_FIX": "1"},
}


@pytest.fixture(scope="module", params=LINKS)
def deployment(
    request: pytest.FixtureRequest, directory: Path, server: Credential, session_issuer: LocalIssuer
) -> Iterator[Deployment]:
    site = PAGE.read_text(encoding="utf-8").partition("```nginx\n")[2].partition("```")[0]
    if request.param != "unix socket":
        site = site.replace("unix:/run/api/gunicorn.sock", "127.0.0.1:8000")
        site = site.replace("proxy_pass", "proxy_bind 127.0.0.2; proxy_pass")
    with deployed(directory, site, server, session_issuer, **LINKS[request.param]) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def tls(directory: Path, server: Credential, session_issuer: LocalIssuer, client: Client) -> Iterator[Address]:
    with gunicorn_that_ends_tls(directory, server, session_issuer, clients=client.files[0]) as address:
        yield address


def ask(address: Address, token: str, headers: Headers = (), shows: Client | None = None) -> Answer:
    """Present *token* to the guarded view by both schemes, which have to be answered alike."""
    files = None if shows is None else shows.files
    by_bearer, by_dpop = (
        get(address.connect(files), "/messages", (("Authorization", f"{scheme} {token}"), *headers))[0]
        for scheme in ("Bearer", "DPoP")
    )
    assert by_bearer == by_dpop
    return by_bearer


def passed_with(client: Client) -> Answer:
    """Return the answer of the guarded view to whoever has shown the certificate of *client*."""
    return Answer(200, (), {"bound to": {"x5t#S256": client.credential.thumbprint}}, cache_control=None)


UNDERSCORES = HEADER.replace("-", "_")
CLAIMED = (("X-Forwarded-For", "127.0.0.2"), ("X-Real-IP", "127.0.0.2"), ("Forwarded", "for=127.0.0.2"))

#: The ways to send the certificate of somebody else in a header, without having its key.
FORGERIES: dict[str, Callable[[Credential], Headers]] = {
    "as it is": lambda one: ((HEADER, one.escaped_pem),),
    "lower case": lambda one: ((HEADER.lower(), one.escaped_pem),),
    "upper case": lambda one: ((HEADER.upper(), one.escaped_pem),),
    "underscores": lambda one: ((UNDERSCORES, one.escaped_pem),),
    "one underscore": lambda one: (("X-SSL_Client-Cert", one.escaped_pem),),
    "twice": lambda one: ((HEADER, one.escaped_pem), (HEADER, one.escaped_pem)),
    "empty and then not": lambda one: ((HEADER, ""), (HEADER, one.escaped_pem)),
    "both spellings": lambda one: ((HEADER, one.escaped_pem), (UNDERSCORES, one.escaped_pem)),
    "RFC 9440": lambda one: ((HEADER, one.byte_sequence),),
    "another address claimed": lambda one: ((HEADER, one.escaped_pem), *CLAIMED),
    "hop by hop": lambda one: ((HEADER, one.escaped_pem), ("Connection", f"close, {HEADER}")),
}


class TestThroughNginx:
    def test_the_certificate_of_the_client_arrives(self, deployment: Deployment, client: Client) -> None:
        """With its thumbprint, so its token passes."""
        assert ask(deployment.nginx, client.token, shows=client) == passed_with(client)

    def test_a_stolen_token_is_refused(self, deployment: Deployment, client: Client, attacker: Client) -> None:
        """Whoever stole it has a certificate, too."""
        assert ask(deployment.nginx, client.token, shows=attacker) == OTHER_CERTIFICATE

    def test_a_token_that_is_not_bound_needs_no_certificate(
        self, deployment: Deployment, session_issuer: LocalIssuer, client: Client
    ) -> None:
        """By the Bearer scheme it passes, also of somebody who shows one."""
        headers = (("Authorization", f"Bearer {session_issuer.token()}"),)
        for certificate in (None, client.files):
            answer, _ = get(deployment.nginx.connect(certificate), "/messages", headers)
            assert answer == Answer(200, (), {"bound to": None}, cache_control=None)

    def test_without_certificate_a_bound_token_is_refused(self, deployment: Deployment, client: Client) -> None:
        """Such clients get through nginx, for tokens that are not bound."""
        assert ask(deployment.nginx, client.token) == NO_CERTIFICATE

    @pytest.mark.parametrize("way", FORGERIES)
    def test_a_header_of_the_client_does_not_arrive_and_does_no_harm(
        self, deployment: Deployment, client: Client, attacker: Client, way: str
    ) -> None:
        """Neither alone nor beside a certificate: it is always the one of the handshake."""
        forged = FORGERIES[way](client.credential)
        assert ask(deployment.nginx, client.token, forged) == NO_CERTIFICATE
        assert ask(deployment.nginx, client.token, forged, shows=attacker) == OTHER_CERTIFICATE
        assert ask(deployment.nginx, client.token, FORGERIES[way](attacker.credential), client) == passed_with(client)

    def test_a_resumed_session_shows_the_certificate_of_its_first_handshake(
        self, deployment: Deployment, client: Client
    ) -> None:
        """It is not sent again."""
        context, session = deployment.nginx.trust(client.files), None
        for is_resumed in (False, True):
            connection = deployment.nginx.connect()
            plain = socket.create_connection(("127.0.0.1", deployment.nginx.port), timeout=10)
            connection.sock = secured = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
            assert secured.session_reused is is_resumed
            # A ticket comes after the handshake, with the first answer.
            with closing(connection):
                assert raw(connection, "/messages", (("Authorization", f"Bearer {client.token}"),))[0] == 200
                session = secured.session


class TestPastNginx:
    @pytest.mark.parametrize("way", FORGERIES)
    def test_a_header_is_not_believed(self, deployment: Deployment, client: Client, way: str) -> None:
        """Whoever reaches gunicorn by another way can send any header, and certificates are no secret."""
        # gunicorn drops names with underscores by itself.
        is_dropped = way in {"underscores", "one underscore"}
        answer = ask(deployment.gunicorn, client.token, FORGERIES[way](client.credential))
        assert answer == (NO_CERTIFICATE if is_dropped else UNTRUSTED_PROXY)

    def test_nobody_passes_without_a_header(self, deployment: Deployment, client: Client) -> None:
        assert ask(deployment.gunicorn, client.token) == NO_CERTIFICATE


class TestWithoutProxy:
    def test_the_certificate_of_the_client_arrives(self, tls: Address, client: Client) -> None:
        """In the environ, from gunicorn's own handshake, which works without one as well."""
        assert ask(tls, client.token, shows=client) == passed_with(client)
        assert ask(tls, client.token) == NO_CERTIFICATE

    @pytest.mark.parametrize("name", ["SSL-Client-Cert", "SSL_CLIENT_CERT", HEADER])
    def test_a_header_changes_nothing(self, tls: Address, client: Client, name: str) -> None:
        """No header gets to that place in the environ."""
        assert ask(tls, client.token, ((name, client.credential.escaped_pem),)) == NO_CERTIFICATE
