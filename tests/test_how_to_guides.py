"""The apps of ``docs/how-to/`` run as they stand there, and do what their pages say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import AppFactory, MovableClock, bearer
from documents import ROOT, blocks_of, python_blocks, run_block
from flask import Flask
from flask.testing import FlaskClient
from fleet.redis_server import empty_redis
from refusals import forbidden, seen

from auth0_blueprint import protect
from auth0_blueprint.testing import DPoPKey, LocalIssuer

HOW_TO = ROOT / "docs" / "how-to"
BLUEPRINT = HOW_TO / "protect-a-blueprint.md"
PERMISSIONS = HOW_TO / "permissions.md"
MACHINES = HOW_TO / "machine-clients.md"
PROXY = HOW_TO / "behind-a-proxy.md"
REDIS = HOW_TO / "redis.md"


def defined_by(page: Path, number: int = 0) -> dict[str, Any]:
    """Run the block of Python with that *number* on *page*, and return what it defines."""
    return run_block(page, list(python_blocks(page))[number].code)


def client_of(page: Path, issuer: LocalIssuer, **settings: Any) -> FlaskClient:
    app: Flask = defined_by(page)["create_app"]({**issuer.settings, **settings})
    return app.test_client()


def said_by(page: Path) -> str:
    return " ".join(page.read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("request_line", "scope", "status"),
    [
        *(("GET /messages/", None, 401), ("GET /messages/", "openid", 403), ("GET /messages/", "read:messages", 200)),
        *(("POST /messages/", "read:messages", 403), ("POST /messages/", "read:messages write:messages", 201)),
        *(("GET /messages/about", None, 200), ("OPTIONS /messages/", None, 200), ("GET /messages/nothing", None, 404)),
        ("GET /auth/health/live", None, 200),
    ],
)
def test_a_protected_blueprint_lets_in_whom_its_page_says(
    issuer: LocalIssuer, request_line: str, scope: str | None, status: int
) -> None:
    headers, (method, path) = {} if scope is None else bearer(issuer.token(scope=scope)), request_line.split()
    assert client_of(BLUEPRINT, issuer).open(path, method=method, headers=headers).status_code == status


def test_a_client_is_told_the_scopes_of_the_blueprint_and_of_the_view(issuer: LocalIssuer) -> None:
    refused = seen(client_of(BLUEPRINT, issuer).post("/messages/", headers=bearer(issuer.token(scope="openid"))))
    description, scope = "The access token lacks a scope that this route requires.", "read:messages write:messages"
    assert refused == forbidden("insufficient_scope", description, scope)
    assert f'`scope="{scope}"`' in said_by(BLUEPRINT)


def test_a_blueprint_that_is_registered_cannot_be_protected_any_more(issuer: LocalIssuer) -> None:
    kept = defined_by(BLUEPRINT)
    kept["create_app"](issuer.settings)
    with pytest.raises(RuntimeError, match="too late"):
        protect(kept["messages"])


@pytest.mark.parametrize(
    ("permissions", "report", "approval"),
    [
        (None, "insufficient_permissions", "insufficient_permissions"),
        (["read:reports"], {"reader": "auth0|local-user", "may_approve": False}, "insufficient_permissions"),
        (["approve:reports"], {"reader": "auth0|local-user", "may_approve": True}, {"approved": 7}),
    ],
)
def test_a_permission_opens_what_the_page_says(
    issuer: LocalIssuer, permissions: list[str] | None, report: Any, approval: Any
) -> None:
    """A scope of the same name opens nothing."""
    client = client_of(PERMISSIONS, issuer)
    granted: dict[str, Any] = {} if permissions is None else {"permissions": permissions}
    headers = bearer(issuer.token(scope="read:reports approve:reports", **granted))
    answers = client.get("/reports", headers=headers), client.post("/reports/7/approval", headers=headers)
    for answer, expected in zip(answers, (report, approval), strict=True):
        if isinstance(expected, str):
            assert (answer.status_code, answer.get_json()["code"]) == (403, expected)
        else:
            assert answer.get_json() == expected


@pytest.mark.parametrize("profile", ["auth0", "rfc9068"])
def test_a_machine_is_known_by_its_client_id_in_both_profiles(profile: Any) -> None:
    with LocalIssuer(profile=profile) as issuer:
        client = client_of(MACHINES, issuer)
        tokens = [issuer.machine_token(name, scope="export:messages") for name in ("nightly-export", "other")]
        job, other = map(bearer, tokens)
        assert client.post("/exports", headers=other).get_json() == {"exported_for": "other"}
        assert client.delete("/exports", headers=job).status_code == 204
        refused = seen(client.delete("/exports", headers=other))
    assert refused == forbidden("insufficient_claims", refused.body["error_description"])


def test_the_machine_of_the_page_keeps_its_token_until_it_is_about_to_end(
    issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    """One request for many uses, and another one a minute before the end."""
    monkeypatch.setenv("no_proxy", "*")
    machine = issuer.add_client("shop", scope="export:messages")
    kept = defined_by(MACHINES, 1)
    kept["time"] = clock
    known = {"client_id": "shop", "client_secret": machine.client_secret}
    tokens = kept["Tokens"](f"{issuer.issuer}oauth/token", **known, audience=issuer.audience)
    first = tokens.get()
    answer = client_of(MACHINES, issuer).post("/exports", headers=bearer(first))
    assert answer.get_json() == {"exported_for": "shop"}
    issuer.rotate()  # another token is another text, also within the same second
    clock.move(86400 - 61)
    assert tokens.get() == first
    clock.move(1)
    assert tokens.get() != first


def test_a_machine_that_gets_no_token_hears_of_it(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    tokens = defined_by(MACHINES, 1)["Tokens"](f"{issuer.issuer}oauth/token", client_id="a", client_secret="b")
    with pytest.raises(requests.HTTPError):
        tokens.get()


def forwarded(host: str) -> dict[str, str]:
    """Return what the nginx of the page sets for a client that has asked for *host* over TLS."""
    return {"Host": host, "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": host}


def proven(issuer: LocalIssuer, url: str) -> dict[str, str]:
    """Return the headers of a client that proves its key for *url*."""
    key = DPoPKey()
    return key.headers("GET", url, issuer.token(cnf=key.confirmation))


def test_behind_the_proxy_of_the_page_the_address_is_that_of_the_client(issuer: LocalIssuer) -> None:
    """A proof names it: for each host that is trusted, and for no other."""
    client = client_of(PROXY, issuer, AUTH0_DPOP="required")
    for host, status in (("api.example.com", 200), ("api.example.org", 200), ("evil.example", 400)):
        headers = {**forwarded(host), **proven(issuer, f"https://{host}/messages")}
        assert client.get("/messages", headers=headers).status_code == status
    assert client.get("/auth/health/live", headers={"Host": "10.0.0.7"}).status_code == 400


def test_with_a_public_url_it_does_not_matter_what_proxies_say(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """In the words of the page, without anything around the app."""
    (setting,) = (block.code.strip() for block in blocks_of(PROXY) if block.language == "ini")
    name, _, value = setting.partition("=")
    client = make_app(**{"AUTH0_DPOP": "required", name: value}).test_client()
    headers = {"Host": "10.0.0.7:8000", **proven(issuer, f"{value}/auth/me")}
    assert client.get("/auth/me", headers=headers).status_code == 200


def test_the_nginx_of_the_page_sets_what_its_proxyfix_reads() -> None:
    """And ``ProxyFix`` reads nothing else."""
    (site,) = (block.code for block in blocks_of(PROXY) if block.language == "nginx")
    (app,) = python_blocks(PROXY)
    (arguments,) = re.findall(r"ProxyFix\(app\.wsgi_app, (.*?)\)", app.code)
    read = {f"X-Forwarded-{name.title()}" for name in re.findall(r"x_(\w+)=1", arguments)}
    assert len(read) == len(arguments.split(", "))
    assert read == set(re.findall(r"proxy_set_header (X-Forwarded-\w+)", site))


def test_with_the_redis_of_the_page_health_says_that_the_fleet_shares(make_app: AppFactory, tmp_path: Path) -> None:
    advised = {name: value for name, value in defined_by(REDIS).items() if name.isupper()}
    assert advised.keys() == {"CACHE_TYPE", "CACHE_REDIS_URL", "AUTH0_CACHE_SECRET"}
    with empty_redis(tmp_path) as redis:
        client = make_app(**{**advised, "CACHE_REDIS_URL": redis.url, "AUTH0_HEALTH_DETAILS": "always"}).test_client()
        check = client.get("/auth/health").get_json()["checks"]["cache"]
    assert (check["status"], check["reach"]) == ("pass", "fleet")
    assert '`checks.cache` has `"status": "pass"` and `"reach": "fleet"`' in said_by(REDIS)
