"""docs/how-to/several-tenants.md: its app and its test run as they stand there, and it names what is refused."""

from __future__ import annotations

import pytest
from conftest import bearer
from documents import ROOT, python_blocks, run_block

from auth0_blueprint import ConfigurationError
from auth0_blueprint.keysets.directory import REFUSED_SECONDS
from auth0_blueprint.keysets.issuer_identifier import MAX_ISSUER_LENGTH
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer, tenant_settings

PAGE = ROOT / "docs" / "how-to" / "several-tenants.md"
APP, TEST = (block.code for block in python_blocks(PAGE))


def test_the_test_of_the_page_passes() -> None:
    run_block(PAGE, TEST, **run_block(PAGE, APP))["test_each_tenant_is_served_at_its_own_host"]()


def test_the_app_of_the_page_tells_tenants_apart(issuer: LocalIssuer) -> None:
    defined = run_block(PAGE, APP)
    hosts: dict[str, str] = defined["TENANTS"]
    app = defined["create_app"]()
    with app.test_request_context(base_url="https://acme.example.com"):
        accepted = app.extensions["auth0"].directory.get
        assert [accepted(one) is not None for one in hosts.values()] == [True, False]
    with app.app_context():
        assert [accepted(one) is not None for one in (*hosts.values(), "https://a.example/")] == [True, True, False]
    local = defined["create_app"](tenant_settings({"localhost": issuer}))
    token = issuer.token(org_id="org_9ybsU1dN2dKfDkBi")
    assert local.test_client().get("/acme-only", headers=bearer(token)).status_code == 403


def test_the_page_names_what_is_refused_with_a_function() -> None:
    said = " ".join(PAGE.read_text(encoding="utf-8").split())
    values = {
        "AUTH0_ISSUER": "https://a.example/", "AUTH0_JWKS_URL": "https://a.example/", "AUTH0_ORGANIZATION": "org_a",
        "AUTH0_SIGNING_SECRET": "s" * 32, "AUTH0_EVENT_SECRETS": "s" * 32, "AUTH0_HEALTH_DETAILS": "always",
    }  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"AUTH0_DOMAIN": lambda _issuer, _request: True, "AUTH0_AUDIENCE": "a", **values}, {})
    assert caught.value.problems.keys() == values.keys()
    refused = said.partition("are refused with a function:")[2].partition("Events from Auth0")[0]
    assert all(f"`{key}" in refused for key in (*values, "AUTH0_EVENT_TRANSMITTERS", "AUTH0_GLOBAL_REVOCATION"))
    assert f"at most {MAX_ISSUER_LENGTH} characters" in said
    assert ("remembered for one second" in said, REFUSED_SECONDS) == (True, 1)
