"""``flask auth0 ...``: what an operator is told, in plain text and in JSON."""

from __future__ import annotations

import json

import pytest
from conftest import AppFactory
from flask import Flask
from programs import command
from servers import RawServer, respond

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.extension.commands import NAMES
from auth0_blueprint.testing import LocalIssuer

run = command()


def test_jwks_shows_the_key_set_as_aligned_text(app: Flask, issuer: LocalIssuer) -> None:
    result = run(app, "jwks")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[:2] == [f"issuer   {issuer.issuer}", f"key set  {issuer.issuer}.well-known/jwks.json"]
    assert lines[2:4] == ["state    fresh", "from     network, 0 s ago"]
    (key_id,) = issuer.key_ids
    width = max(len(key_id), len("KEY ID"))
    assert lines[5:] == [f"{'KEY ID':{width}}  TYPE  CURVE  ALGORITHM", f"{key_id:{width}}  RSA   -      RS256"]


def test_jwks_is_one_json_object_for_machines(app: Flask, issuer: LocalIssuer) -> None:
    (report,) = json.loads(run(app, "jwks", "--json").output)["key_sets"]
    assert report["url"] == f"{issuer.issuer}.well-known/jwks.json"
    assert (report["issuer"], report["state"]) == (issuer.issuer, "fresh")
    (key,) = report["keys"]
    assert key.pop("thumbprint")
    assert key == {"kid": issuer.key_ids[0], "kty": "RSA", "crv": None, "alg": "RS256", "use": "sig"}


@pytest.mark.parametrize("arguments", [["jwks"], ["jwks", "--json"]])
def test_jwks_says_why_there_is_no_key_set_and_exits_with_1(make_app: AppFactory, arguments: list[str]) -> None:
    with RawServer(respond("503 Service Unavailable")) as server:
        result = run(make_app(AUTH0_JWKS_URL=server.url), *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "HTTP status 503" in result.output


@pytest.mark.parametrize("arguments", [["jwks"], ["jwks", "--json"]])
def test_jwks_says_why_no_key_can_be_used(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture, arguments: list[str]
) -> None:
    """In the log as well."""
    document = {"keys": [{"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "use": "enc"}]}
    with RawServer(respond(body=json.dumps(document).encode())) as server:
        result = run(make_app(AUTH0_JWKS_URL=server.url), *arguments)
    text = "the key set holds no usable key (holds secret material; not for signatures)"
    assert (result.exit_code, text in result.output, text in caplog.text) == (1, True, True)


def test_jwks_shows_what_is_not_used_and_no_control_characters(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """A key id may be any text: a terminal does not get to obey it."""
    (jwk,) = issuer.key_set["keys"]
    document = {"keys": [{**jwk, "kid": "red\x1b[31m"}, {"kty": "oct", "k": "c2VjcmV0"}]}
    with RawServer(respond(body=json.dumps(document).encode())) as server:
        output = run(make_app(AUTH0_JWKS_URL=server.url), "jwks").output
    assert r"'red\x1b[31m'" in output
    assert "\x1b" not in output
    assert "not used: holds secret material" in output
    assert "c2VjcmV0" not in output


def test_jwks_shows_each_issuer(make_app: AppFactory) -> None:
    result = run(make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN=["one.invalid", "two.invalid"]), "jwks")
    first, second = result.output.split("\n\n")
    assert result.exit_code == 1
    assert first.startswith("issuer      https://one.invalid/\n")
    assert second.startswith("issuer      https://two.invalid/\n")


def test_the_group_names_its_commands_and_no_others(app: Flask) -> None:
    listed = run(app, "--help").output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == sorted(NAMES)
    result = run(app, "jwk")
    assert (result.exit_code, "No such command 'jwk'" in result.output) == (2, True)


def test_the_group_is_called_auth0_whatever_the_blueprint_is_called(make_app: AppFactory) -> None:
    assert run(make_app(Auth0Blueprint("guard")), "jwks").exit_code == 0
