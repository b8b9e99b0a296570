"""The commands of an app where a function in ``AUTH0_DOMAIN`` decides: ``--issuer`` names the tenant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from programs import command
from tenants.apps import Tenants, at_umbrella

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

revoke, lift, revocations, inspect, jwks, token, doctor = (
    command(name) for name in ("revoke", "lift", "revocations", "inspect", "jwks", "token", "doctor")
)


@pytest.fixture(scope="module")
def tenants() -> Iterator[Tenants]:
    with LocalIssuer(algorithm="EdDSA") as acme, LocalIssuer(algorithm="EdDSA") as umbrella:
        yield Tenants(acme, umbrella)


@pytest.fixture
def app(tenants: Tenants, tmp_path: Path) -> Flask:
    shared: dict[str, Any] = {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": str(tmp_path / "cache"),
        "SECRET_KEY": "s" * 32,
    }
    return tenants.make_app(AUTH0_SYNC_INTERVAL=0, **shared)


@pytest.mark.parametrize(
    ("run", "arguments"),
    [
        *((revoke, ("subject", "u")), (lift, ("subject", "u")), (revocations, ()), (jwks, ())),
        (token, ("--client-id", "x")),
    ],
)  # fmt: skip
def test_the_tenant_must_be_named_and_be_one_of_ours(app: Flask, run: Any, arguments: tuple[str, ...]) -> None:
    result = run(app, *arguments)
    assert result.exit_code == 2
    assert "name one with --issuer URL" in result.stderr
    result = run(app, *arguments, "--issuer", "https://stranger.example/")
    assert result.exit_code == 2
    assert "does not accept it, asked without a request" in result.stderr


def test_revocations_are_made_listed_and_lifted_for_the_tenant(app: Flask, tenants: Tenants) -> None:
    acme, umbrella = tenants.acme.issuer, tenants.umbrella.issuer
    mine = tenants.umbrella.token(sub="user|1")
    result = revoke(app, "subject", "user|1", "--issuer", acme)
    assert result.exit_code == 0, result.stderr
    assert f"flask auth0 lift --issuer {acme} subject 'user|1'" in result.stdout
    assert at_umbrella(app, mine).status_code == 200

    def listed(issuer: str) -> list[tuple[str, str]]:
        document = json.loads(revocations(app, "--json", "--issuer", issuer).stdout)
        return [(one["value"], one["issuer"]) for one in document["revocations"]]

    assert (listed(acme), listed(umbrella)) == ([("user|1", acme)], [])
    assert "user|1" not in revocations(app, "--issuer", umbrella).stdout
    assert lift(app, "subject", "user|1", "--issuer", umbrella).exit_code == 1
    assert revoke(app, "token", "-", "--issuer", acme, input=mine).exit_code == 1
    assert lift(app, "subject", "user|1", "--issuer", acme).exit_code == 0
    assert listed(acme) == []


def test_inspect_asks_for_the_host_of_the_path_and_names_the_tenants_revocation(app: Flask, tenants: Tenants) -> None:
    mine = tenants.umbrella.token(sub="user|2")
    revoke(app, "subject", "user|2", "--issuer", tenants.acme.issuer)
    result = inspect(app, "--path", "http://umbrella.example.com/ours", mine)
    assert result.exit_code == 0, result.stdout
    assert "the function in AUTH0_DOMAIN accepts its issuer" in result.stdout
    refused = inspect(app, "--path", "http://acme.example.com/ours", mine)
    assert refused.exit_code == 1
    assert "The access token was issued by another issuer." in refused.stdout
    assert f'is_ours does not accept "{tenants.umbrella.issuer}" for the host "acme.example.com".' in refused.stdout
    assert "issuer not accepted" not in result.stdout
    revoke(app, "subject", "user|2", "--issuer", tenants.umbrella.issuer)
    result = inspect(app, "--path", "http://umbrella.example.com/ours", mine)
    assert result.exit_code == 1
    assert f"--issuer {tenants.umbrella.issuer} subject 'user|2'" in result.stdout
    assert tenants.acme.issuer not in result.stdout


def test_jwks_shows_the_tenants_key_set(app: Flask, tenants: Tenants) -> None:
    (shown,) = json.loads(jwks(app, "--json", "--issuer", tenants.acme.issuer).stdout)["key_sets"]
    assert (shown["issuer"], shown["state"], len(shown["keys"])) == (tenants.acme.issuer, "fresh", 1)


def test_token_asks_the_tenant(app: Flask, tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tenants.acme.add_client()
    arguments = ("--client-id", client.client_id, "--secret-stdin", "--issuer", tenants.acme.issuer)
    result = token(app, *arguments, input=client.client_secret)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count(".") == 2


def test_doctor_says_what_it_cannot_ask(app: Flask, tenants: Tenants) -> None:
    def lines(*arguments: str) -> list[str]:
        return [line for line in doctor(app, *arguments).stdout.splitlines() if line.split()[1] == "tenants"]

    (unnamed,) = lines()
    assert "is_ours decides; no issuer is checked: name one: flask auth0 doctor --issuer URL" in unnamed
    (accepted,) = lines("--issuer", tenants.acme.issuer)
    assert accepted.endswith("is_ours accepts it")
    (refused,) = lines("--issuer", "https://stranger.example/")
    assert "does not accept it, asked without a request" in refused


def test_a_function_that_fails_is_told_without_what_it_said(tenants: Tenants) -> None:
    app = tenants.make_app(AUTH0_DOMAIN=lambda issuer, _request: {}[issuer])
    result = doctor(app, "--issuer", tenants.acme.issuer)
    assert "failed, and tokens get 503: the log says how" in result.stdout
    assert (jwks(app, "--issuer", tenants.acme.issuer).exit_code, result.exit_code) == (2, 1)


def test_an_app_of_one_tenant_takes_no_issuer(session_issuer: LocalIssuer) -> None:
    app = Flask("tested", static_folder=None)
    app.config.update(session_issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    result = jwks(app, "--issuer", session_issuer.issuer)
    assert (result.exit_code, "this app has one tenant" in result.stderr) == (2, True)
