"""``examples/deployment``, as far as it runs without containers: its nginx.conf, its gunicorn.conf.py, a real Redis."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from documents import ROOT
from fleet.redis_server import empty_redis
from processes import gunicorn, http
from refusals import NO_CREDENTIALS, Answer, forbidden

from auth0_blueprint.testing import LocalIssuer

from .servers import Address, get, nginx, raw, trusting

EXAMPLE = ROOT / "examples" / "deployment"

#: The app, and a view that shows what it is told of its client.
SHOWING = """
from flask import request

from app import create_app

app = create_app()
app.add_url_rule("/shown", view_func=lambda: {"from": request.remote_addr, "url": request.url})
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((EXAMPLE / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return services


@pytest.fixture(scope="module")
def replicas(compose: dict[str, Any], issuer: LocalIssuer, directory: Path) -> Iterator[tuple[str, str]]:
    """Two containers with the API, of which each has two workers: their addresses.

    Their environment is that of compose.yaml, with the issuer and the Redis of this machine.
    """
    given: dict[str, str] = dict(compose["api"]["environment"])
    assert given.pop("CACHE_REDIS_URL") == "redis://redis:6379/0"
    for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE", "AUTH0_CACHE_SECRET"):
        assert given.pop(name).startswith(f"${{{name}:?")
    own = {"AUTH0_CACHE_SECRET": "s" * 32, "AUTH0_SYNC_INTERVAL": "0", "AUTH0_HEALTH_DETAILS": "always"}
    with empty_redis(directory) as redis:
        environment = {**given, **trusting(issuer), **own, "CACHE_REDIS_URL": redis.url}
        with _api(directory, environment) as (first, _), _api(directory, environment) as (second, _):
            yield first, second


def _api(directory: Path, environment: dict[str, str]) -> Any:
    for name in ("app.py", "gunicorn.conf.py"):
        shutil.copy(EXAMPLE / name, directory)
    (directory / "showing.py").write_text(SHOWING)
    return gunicorn("showing:app", directory, environment)


@pytest.fixture(scope="module")
def front(replicas: tuple[str, str], directory: Path) -> Iterator[Address]:
    """The nginx before them, by the example's file; the name that containers find the API by stands for both."""
    site = (EXAMPLE / "nginx.conf").read_text(encoding="utf-8")
    servers = "".join(f"server {urlsplit(url).netloc};" for url in replicas)
    assert "server api:8000;" in site
    assert "listen 8080;" in site
    site = site.replace("server api:8000;", servers).replace("listen 8080;", "listen 443;")
    # The tests come from 127.0.0.1, which is inside for who looks from a container, and outside here.
    assert "allow 127.0.0.0/8;" in site
    site = site.replace("allow 127.0.0.0/8;", "")
    with nginx(directory, site) as port:
        yield Address(port)


def ask(front: Address, path: str, *headers: tuple[str, str]) -> Answer:
    return get(front.connect(), path, headers)[0]


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def test_answers_pass_nginx_as_they_are(front: Address, issuer: LocalIssuer) -> None:
    """Status, challenge, body and ``no-store``; of the refusals, too."""
    admitted = ask(front, "/api/messages", bearer(issuer.token(scope="read:messages")))
    assert (admitted.status, admitted.body) == (200, {"subject": "auth0|local-user"})
    assert ask(front, "/api/messages") == NO_CREDENTIALS
    description = "The access token lacks a scope that this route requires."
    refused = ask(front, "/api/messages", bearer(issuer.token(scope="openid")))
    assert refused == forbidden("insufficient_scope", description, scope="read:messages")


def test_a_revocation_in_one_container_binds_the_other(replicas: tuple[str, str], issuer: LocalIssuer) -> None:
    """They share the Redis, and the secret by which they believe each other."""
    first, second = replicas
    token = issuer.token(scope="read:messages", sub="auth0|eve")
    assert http("GET", f"{second}/api/messages", headers=dict([bearer(token)])).status_code == 200
    operator = issuer.token(scope="manage:auth0", permissions=["manage:auth0"])
    revoked = http("POST", f"{first}/auth/admin/revocations", headers=dict([bearer(operator)]), json={"token": token})
    assert (revoked.status_code, revoked.json()["reach"]) == (201, "fleet")
    assert http("GET", f"{second}/api/messages", headers=dict([bearer(token)])).json()["code"] == "token_revoked"


def test_all_processes_together_fetch_the_keys_once(front: Address, issuer: LocalIssuer) -> None:
    """Two containers with two preloaded workers each are one client of the issuer."""
    for _ in range(20):
        assert ask(front, "/api/messages", bearer(issuer.token(scope="read:messages"))).status == 200
    health = ask(front, "/auth/health").body
    assert (health["status"], health["checks"]["cache"]["reach"]) == ("pass", "fleet")
    assert issuer.fetch_count == 1


def test_a_client_cannot_say_who_it_is(front: Address) -> None:
    """The app believes nginx, and nginx nobody."""
    forged = {"For": "10.0.0.1", "Host": "elsewhere.example.com", "Proto": "https", "Prefix": "/elsewhere"}
    headers = ((f"X-Forwarded-{name}", value) for name, value in forged.items())
    assert ask(front, "/shown", ("Host", "api.example.com"), *headers).body == {
        "from": "127.0.0.1",
        "url": "http://api.example.com/shown",
    }


def test_the_routes_for_operators_are_for_those_inside(front: Address, issuer: LocalIssuer) -> None:
    """The nginx answers whoever comes from elsewhere, also with an operator's token, wherever they say they are."""
    operator = issuer.token(scope="manage:auth0", permissions=["manage:auth0"])
    with closing(front.connect()) as connection:
        status, headers, _ = raw(connection, "/auth/admin/stats", (bearer(operator), ("X-Forwarded-For", "10.0.0.1")))
    assert (status, headers["Content-Type"]) == (403, "text/html")
    assert ask(front, "/auth/me", bearer(operator)).status == 200


def test_the_files_name_each_other(compose: dict[str, Any]) -> None:
    """A port, a file or a service that was renamed in one place only is found here."""
    assert compose["nginx"]["ports"] == ["8080:8080"]
    for volume in compose["nginx"]["volumes"]:
        assert (EXAMPLE / volume.partition(":")[0]).is_file()
    build = compose["api"]["build"]
    assert (EXAMPLE / build["context"] / build["dockerfile"]).resolve() == EXAMPLE / "Dockerfile"
    for line in (EXAMPLE / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
