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

from .servers import TLS, Address, Headers, nginx_with_tls, raw, trusting

PAGE = ROOT / "docs" / "how-to" / "behind-a-proxy.md"
HOST = "api.example.com"


@pytest.fixture(scope="module")
def front(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Address]:
    """The page's nginx, with TLS, in front of the page's app."""
    (app,) = python_blocks(PAGE)
    (location,) = (block.code for block in blocks_of(PAGE) if block.language == "nginx")
    (directory / "page.py").write_text(app.code)
    settings = {**trusting(session_issuer), "AUTH0_DPOP": "required"}
    with gunicorn("page:create_app()", directory, settings) as (url, _):
        assert "http://127.0.0.1:8000;" in location
        location = location.replace("http://127.0.0.1:8000;", f"http://{urlsplit(url).netloc};")
        with nginx_with_tls(directory, f"server {{ {TLS} {location} }}", server) as front:
            yield front


@pytest.mark.parametrize(
    ("proven_for", "headers", "status"),
    [
        (HOST, {"Host": HOST}, 200),
        # What a client writes into the headers that the proxy sets is replaced.
        (HOST, {"Host": HOST, "X-Forwarded-Host": "api.example.org", "X-Forwarded-Proto": "http"}, 200),
        ("api.example.org", {"Host": HOST, "X-Forwarded-Host": "api.example.org", "X-Forwarded-Proto": "http"}, 401),
        # A host that is not trusted, also where the proof names it.
        ("evil.example", {"Host": "evil.example"}, 400),
    ],
)
def test_a_proof_names_the_address_that_the_client_knows(
    front: Address, session_issuer: LocalIssuer, proven_for: str, headers: dict[str, str], status: int
) -> None:
    """By its scheme and its host, and no client chooses the address."""
    key = DPoPKey()
    proof = key.headers("GET", f"https://{proven_for}/messages", session_issuer.token(cnf=key.confirmation))
    sent: Headers = (*proof.items(), *headers.items())
    with closing(front.connect()) as connection:
        assert raw(connection, "/messages", sent)[0] == status
