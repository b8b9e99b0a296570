"""Two running issuers for each file of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from auth0_blueprint.testing import LocalIssuer
from tenants.apps import Tenants


@pytest.fixture(scope="module")
def issuers() -> Iterator[tuple[LocalIssuer, LocalIssuer]]:
    with LocalIssuer(algorithm="EdDSA") as acme, LocalIssuer(algorithm="EdDSA") as umbrella:
        yield acme, umbrella


@pytest.fixture
def tenants(issuers: tuple[LocalIssuer, LocalIssuer]) -> Iterator[Tenants]:
    yield Tenants(*issuers)
    for issuer in issuers:
        issuer.reset()


@pytest.fixture
def app(tenants: Tenants) -> Flask:
    return tenants.make_app()
