"""Subjects and client ids of any kind in the URL of their revocation."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from conftest import AppFactory
from flask.testing import FlaskClient
from operators import NO_REVOCATION, REVOCATIONS, admin_headers, as_operator
from processes import http
from refusals import seen
from servers import served

from auth0_blueprint.testing import LocalIssuer

VALUES = [
    "auth0|64f1", "/auth0|ada", "auth0|Zo\u00eb/ 1", "a/b", "a//b", "/a", "//a", "a/", "a//", "/", "//", "a b", " a ",
    "100%", "%2F", "%252e%00", "a?b=c&d", "?#", "a#b", "a;b=c", "a+b", "a\\b", "a:b@c", "..", ".", "../../admin/config",
    "a/../b", "a/./b", "jti/x", "J\u00f6rg \u4e2d\u6587 \U0001f600", "e\u0301", "a\nb", "a\nb\r\nc\td", "\0",
    "x" * 1024, "\u4e2d" * 1024,
]  # fmt: skip
#: Clients of HTTP take these two for steps in the path, however they are escaped (RFC 3986 §5.2.4, §6.2.2.3).
STEPS = {".", ".."}


@pytest.fixture
def operator(client: FlaskClient, issuer: LocalIssuer) -> FlaskClient:
    return as_operator(client, issuer)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", ["subject", "client_id", "jti"])
def test_the_location_of_a_revocation_takes_any_value(operator: FlaskClient, kind: str, value: str) -> None:
    """POST says where it is, GET shows it there, DELETE lifts it, and then it is gone."""
    made = operator.post(REVOCATIONS, json={kind: value})
    location = made.headers["Location"]
    assert location == f"{REVOCATIONS}/{kind}/{quote(value, safe='')}"
    assert (made.status_code, made.get_json()["value"], location.isascii()) == (201, value, True)
    for response in (operator.get(location), operator.delete(location)):
        assert (response.status_code, response.get_json()) == (200, made.get_json())
    assert seen(operator.get(location)) == seen(operator.delete(location)) == NO_REVOCATION


@pytest.mark.parametrize("path", ["subject/auth0|64f1", "subject/a/b", "subject//a", "subject/a/"])
def test_values_may_be_written_as_they_are(operator: FlaskClient, path: str) -> None:
    """As an operator types them."""
    operator.post(REVOCATIONS, json={"subject": path.partition("/")[2]})
    assert operator.get(f"{REVOCATIONS}/{path}").status_code == 200


@pytest.mark.parametrize(
    "path", ["subject/b", "client_id/a", "jti/a", "token/a", "nonsense/a", "SUBJECT/a", "subject/"]
)
def test_where_there_is_no_revocation_is_404(operator: FlaskClient, path: str) -> None:
    """Also where there can be none: in our form, not on a page of the app's."""
    operator.post(REVOCATIONS, json={"subject": "a"})
    for method in ("GET", "DELETE"):
        assert seen(operator.open(f"{REVOCATIONS}/{path}", method=method)) == NO_REVOCATION


@pytest.mark.parametrize("value", ["a", "/a/"])
def test_the_location_names_the_prefix_of_the_app(operator: FlaskClient, value: str) -> None:
    """Behind a proxy that mounts it elsewhere (SCRIPT_NAME)."""
    response = operator.post(REVOCATIONS, json={"subject": value}, base_url="http://localhost/mounted")
    assert response.headers["Location"].startswith("/mounted/auth/admin/revocations/subject/")


def test_any_value_goes_over_the_wire(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Through an HTTP client that normalises URLs and a server that unescapes them."""
    headers = admin_headers(issuer)
    with served(make_app()) as address:
        for value in (value for value in VALUES if value not in STEPS):
            made = http("POST", f"{address}{REVOCATIONS}", json={"subject": value}, headers=headers)
            location = f"{address}{made.headers['Location']}"
            for method in ("GET", "DELETE"):
                found = http(method, location, headers=headers)
                assert (value, found.status_code, found.json()) == (value, 200, made.json())
            assert http("GET", location, headers=headers).status_code == 404
