"""The MCP server of ``docs/mcp.md``, as a client meets it that knows nothing but its URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask
from flask.testing import FlaskClient
from refusals import NO_CREDENTIALS, seen
from werkzeug.test import TestResponse

from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "mcp.md"
URL = "https://mcp.example.com/mcp"
METADATA = "/.well-known/oauth-protected-resource/mcp"
SERVER, BROWSER = [block.code for block in python_blocks(PAGE)]


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    """An issuer that knows the API by the URL of its endpoint."""
    with LocalIssuer(URL, "ES256") as issuer:
        yield issuer


@pytest.fixture
def server(issuer: LocalIssuer) -> Flask:
    app: Flask = run_block(PAGE, SERVER)["create_app"]({**issuer.settings, "AUTH0_RESOURCE_METADATA": True})
    return app


@pytest.fixture
def client(server: Flask) -> FlaskClient:
    return server.test_client()


def send(client: FlaskClient, token: str | None, method: str, **params: Any) -> TestResponse:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return client.post("/mcp", json=message, headers={} if token is None else bearer(token))


def text_of(response: TestResponse) -> tuple[str, bool]:
    """Return the text of a tool's result, and whether it is an error."""
    result = response.get_json()["result"]
    return result["content"][0]["text"], result["isError"]


def test_a_client_finds_its_way_from_the_url_alone(client: FlaskClient, issuer: LocalIssuer) -> None:
    challenge = f'Bearer realm="api", resource_metadata="https://mcp.example.com{METADATA}"'
    assert seen(send(client, None, "initialize")) == replace(NO_CREDENTIALS, challenges=(challenge,))
    metadata = client.get(METADATA).get_json()
    assert (metadata["resource"], metadata["scopes_supported"]) == (URL, ["use:tools"])
    assert metadata["authorization_servers"] == [issuer.issuer]

    token = issuer.token(aud=metadata["resource"], scope=" ".join(metadata["scopes_supported"]))
    result = send(client, token, "initialize", protocolVersion="2025-06-18").get_json()["result"]
    assert (result["protocolVersion"], result["capabilities"]) == ("2025-06-18", {"tools": {}})
    told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    initialized = client.post("/mcp", json=told, headers=bearer(token))
    assert (initialized.status_code, initialized.data) == (202, b"")
    tools = send(client, token, "tools/list").get_json()["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["who_am_i", "add_note"]
    assert text_of(send(client, token, "tools/call", name="who_am_i")) == ("You are auth0|local-user.", False)


def test_a_tool_may_want_another_scope(client: FlaskClient, issuer: LocalIssuer) -> None:
    note = {"name": "add_note", "arguments": {"text": "milk"}}
    refused = send(client, issuer.token(scope="use:tools"), "tools/call", **note)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "insufficient_scope")
    for parameter in ('error="insufficient_scope"', 'scope="use:tools write:notes"'):
        assert parameter in refused.headers["WWW-Authenticate"]
    allowed = issuer.token(scope="use:tools write:notes")
    assert text_of(send(client, allowed, "tools/call", **note)) == ("Noted.", False)
    wrong = send(client, allowed, "tools/call", name="add_note", arguments={"text": 1})
    assert text_of(wrong) == ("text must be a string.", True)


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({}, (403, "insufficient_scope")),
        ({"scope": "use:tools", "aud": "https://mcp.example.com"}, (401, "invalid_claims")),
        ({"scope": "use:tools", "aud": f"{URL}/"}, (401, "invalid_claims")),
    ],
)
def test_another_token_is_refused(client: FlaskClient, issuer: LocalIssuer, claims: Any, answer: Any) -> None:
    refused = send(client, issuer.token(**claims), "tools/list")
    assert (refused.status_code, refused.get_json()["code"]) == answer
    assert "resource_metadata=" in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        *(({"method": "prompts/list"}, -32601), ({"method": []}, -32601), ({}, -32601)),
        *(({"method": "tools/call"}, -32602), ({"method": "tools/call", "params": []}, -32602)),
        ({"method": "tools/call", "params": {"name": "no such tool"}}, -32602),
        ({"method": "initialize", "params": 1}, -32602),
    ],
)
def test_nonsense_gets_an_error_of_json_rpc(client: FlaskClient, issuer: LocalIssuer, body: Any, error: int) -> None:
    response = client.post("/mcp", json={"id": 1, **body}, headers=bearer(issuer.token(scope="use:tools")))
    assert (response.status_code, response.get_json()["error"]["code"]) == (200, error)


def test_what_the_transport_does_not_take_is_refused(client: FlaskClient, issuer: LocalIssuer) -> None:
    headers = bearer(issuer.token(scope="use:tools"))
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert client.post("/mcp", json=ping, headers=headers).get_json()["result"] == {}
    for header, value, status in (("Origin", "https://evil.example", 403), ("MCP-Protocol-Version", "1", 400)):
        assert client.post("/mcp", json=ping, headers={**headers, header: value}).status_code == status
    assert client.post("/mcp", json=[ping], headers=headers).status_code == 400
    assert client.post("/mcp", data="{", content_type="application/json", headers=headers).status_code == 400
    assert client.get("/mcp", headers=headers).status_code == 405


def test_a_client_in_a_browser_may_read_what_it_needs(server: Flask, issuer: LocalIssuer) -> None:
    """The metadata from everywhere, the endpoint and its challenge from the one origin."""
    run_block(PAGE, BROWSER, app=server)
    client, origin, another = server.test_client(), "https://inspector.example.com", "https://another.example.com"
    for page in (origin, another):
        found = client.get(METADATA, headers={"Origin": page})
        assert found.headers["Access-Control-Allow-Origin"] in {"*", page}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = client.options("/mcp", headers={"Origin": origin, **asked})
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    refused = client.post("/mcp", json={}, headers={"Origin": origin})
    assert (refused.status_code, refused.headers["Access-Control-Expose-Headers"]) == (401, "WWW-Authenticate")
    foreign = client.post("/mcp", json={}, headers={"Origin": another})
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_the_settings_of_the_page_are_those_that_are_tested(server: Flask) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"AUTH0_AUDIENCE={URL}\nAUTH0_RESOURCE_METADATA=true\n" in page
    challenge = server.test_client().post("/mcp").headers["WWW-Authenticate"]
    assert f"`WWW-Authenticate: {challenge}`" in page
    assert re.search(r'\{"resource": "(.*?)"', page)[1] == URL  # type: ignore[index]
