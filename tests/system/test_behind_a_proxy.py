"""The nginx and the app of ``docs/how-to/behind-a-proxy.md`` as they stand there: which address a client has used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from certificates import Credential
from documents import ROOT, blocks_of, python_blocks
from processes import gunicorn

from auth0_blueprint.testing import DPoPKey, LocalIssuer

from .servers import Address, Headers, nginx, raw

PAGE = ROOT / "docs" / "how-to" / "behind-a-proxy.md"
HOST = "api.example.com"

SERVER = """
server {{
    listen 443 ssl;
    ssl_certificate     {certificate};
    ssl_certificate_key {key};
    {location}
}}
"""


@pytest.fixture(scope="module")
def front(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Address]:
    """The page's nginx, with TLS, in front of the page's app."""
    (app,) = python_blocks(PAGE)
    (location,) = (block.code for block in blocks_of(PAGE) if block.language == "nginx")
    (directory / "page.py").write_text(app.code)
    settings = {name: value for name, value in session_issuer.settings.items() if value is not None}
    certificate, key = server.write_to(directory, "server")
    with gunicorn("page:create_app()", directory, {**settings, "AUTH0_DPOP": "required"}) as (url, _):
        assert "http://127.0.0.1:8000;" in location
        location = location.replace("http://127.0.0.1:8000;", f"http://{urlsplit(url).netloc};")
        with nginx(directory, SERVER.format(certificate=certificate, key=key, location=location)) as port:
            yield Address(port, authority=certificate)


def status_of(front: Address, issuer: LocalIssuer, proven_for: str, *headers: tuple[str, str]) -> int:
    """Ask for the messages of `HOST`, with a proof of possession for the host *proven_for*."""
    key = DPoPKey()
    proof = key.headers("GET", f"https://{proven_for}/messages", issuer.token(cnf=key.confirmation))
    sent: Headers = (*proof.items(), *headers)
    with closing(front.connect()) as connection:
        status, _, _ = raw(connection, "/messages", sent)
    return status


def test_a_proof_names_the_address_that_the_client_knows(front: Address, session_issuer: LocalIssuer) -> None:
    """By its scheme and its host."""
    assert status_of(front, session_issuer, HOST, ("Host", HOST)) == 200


def test_no_client_chooses_the_address(front: Address, session_issuer: LocalIssuer) -> None:
    """What it writes into the headers that the proxy sets is replaced."""
    lies = (("Host", HOST), ("X-Forwarded-Host", "api.example.org"), ("X-Forwarded-Proto", "http"))
    assert status_of(front, session_issuer, HOST, *lies) == 200
    assert status_of(front, session_issuer, "api.example.org", *lies) == 401


def test_an_untrusted_host_is_refused(front: Address, session_issuer: LocalIssuer) -> None:
    """Also where the proof names it."""
    assert status_of(front, session_issuer, "evil.example", ("Host", "evil.example")) == 400
