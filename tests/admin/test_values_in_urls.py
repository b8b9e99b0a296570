"""Subjects and client ids of any kind in the URL of their revocation."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests
from conftest import AppFactory
from flask import Flask
from flask.testing import FlaskClient
from operators import NO_REVOCATION, REVOCATIONS, admin_headers, post_revocation
from refusals import seen
from werkzeug.serving import make_server

from auth0_blueprint.testing import LocalIssuer

VALUES = [
    "auth0|64f1",
    "a/b",
    "a//b",
    "/a",
    "//a",
    "a/",
    "a//",
    "/",
    "//",
    "a b",
    " a ",
    "100%",
    "%2F",
    "%252e%00",
    "a?b=c&d",
    "a#b",
    "a;b=c",
    "a+b",
    "a\\b",
    "a:b@c",
    "..",
    ".",
    "../../admin/config",
    "a/../b",
    "a/./b",
    "jti/x",
    "J\u00f6rg \u4e2d\u6587 \U0001f600",
    "e\u0301",
    "a\nb\r\nc\td",
    "\0",
    "x" * 1024,
    "\u4e2d" * 1024,
]
#: Clients of HTTP take these two for steps in the path, however they are escaped (RFC 3986 §5.2.4, §6.2.2.3).
STEPS = {".", ".."}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", ["subject", "client_id", "jti"])
def test_the_location_of_a_revocation_takes_any_value(
    client: FlaskClient, issuer: LocalIssuer, kind: str, value: str
) -> None:
    """POST says where it is, GET shows it there, DELETE lifts it, and then it is gone."""
    made = post_revocation(client, issuer, **{kind: value})
    location = made.headers["Location"]
    assert (made.status_code, made.get_json()["value"], location.isascii()) == (201, value, True)
    for method in ("get", "delete"):
        response = getattr(client, method)(location, headers=admin_headers(issuer))
        assert (response.status_code, response.get_json()) == (200, made.get_json())
    assert seen(client.get(location, headers=admin_headers(issuer))) == NO_REVOCATION
    assert seen(client.delete(location, headers=admin_headers(issuer))) == NO_REVOCATION


@pytest.mark.parametrize("path", ["subject/auth0|64f1", "subject/a/b", "subject//a", "subject/a/"])
def test_values_may_be_written_as_they_are(client: FlaskClient, issuer: LocalIssuer, path: str) -> None:
    """As an operator types them."""
    post_revocation(client, issuer, subject=path.partition("/")[2])
    assert client.get(f"{REVOCATIONS}/{path}", headers=admin_headers(issuer)).status_code == 200


@pytest.mark.parametrize("path", ["subject/b", "client_id/a", "jti/a", "token/a", "nonsense/a", "SUBJECT/a"])
def test_where_there_is_no_revocation_is_404(client: FlaskClient, issuer: LocalIssuer, path: str) -> None:
    """Also where there can be none."""
    post_revocation(client, issuer, subject="a")
    for method in ("GET", "DELETE"):
        response = client.open(f"{REVOCATIONS}/{path}", method=method, headers=admin_headers(issuer))
        assert seen(response) == NO_REVOCATION


@pytest.mark.parametrize("value", ["a", "/a/"])
def test_the_location_names_the_prefix_of_the_app(client: FlaskClient, issuer: LocalIssuer, value: str) -> None:
    """Behind a proxy that mounts it elsewhere (SCRIPT_NAME)."""
    response = client.post(
        REVOCATIONS, json={"subject": value}, headers=admin_headers(issuer), base_url="http://localhost/mounted"
    )
    assert response.headers["Location"].startswith("/mounted/auth/admin/revocations/subject/")


@pytest.fixture
def served(make_app: AppFactory) -> Iterator[tuple[Flask, str]]:
    """An app behind a real server."""
    app = make_app()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield app, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_any_value_goes_over_the_wire(served: tuple[Flask, str], issuer: LocalIssuer) -> None:
    """Through an HTTP client that normalises URLs and a server that unescapes them."""
    _, address = served
    headers = admin_headers(issuer)
    with requests.Session() as session:
        for value in (value for value in VALUES if value not in STEPS):
            made = session.post(f"{address}{REVOCATIONS}", json={"subject": value}, headers=headers, timeout=10)
            location = f"{address}{made.headers['Location']}"
            for method in ("GET", "DELETE"):
                found = session.request(method, location, headers=headers, timeout=10)
                assert (value, found.status_code, found.json()) == (value, 200, made.json())
            assert session.get(location, headers=headers, timeout=10).status_code == 404
