"""``routes/route_table.py`` is true: each row is a route, each route of ours has a row, and asks what its row says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from conftest import EVENT_SETTINGS, AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint.routes.route_row import Route, imported
from auth0_blueprint.routes.route_table import RESOURCE_METADATA, ROUTES
from auth0_blueprint.testing import LocalIssuer

VALUES = {"admin_scope": "operate:api", "introspection_scope": "look:api"}
ON: dict[str, Any] = {
    "AUTH0_OPENAPI": True,
    "AUTH0_RESOURCE_METADATA": True,
    **{f"AUTH0_{setting.upper()}": value for setting, value in VALUES.items()},
}
OFF = {"openapi": "AUTH0_OPENAPI", "revocation": "AUTH0_REVOCATION", "resource": "AUTH0_RESOURCE_METADATA"}
BODIES: dict[str, Any] = {"introspect": {"data": {"token": "opaque"}}, "revoke": {"json": {"jti": "revoked"}}}

ROWS = (*(row for row in ROUTES if row.guard != "sender"), RESOURCE_METADATA)
OF_SENDERS = [row for row in ROUTES if row.guard == "sender"]
OPEN = [row for row in ROWS if row.guard in {"anyone", "optional"}]
NAMED: dict[str, Any] = {"ids": lambda row: row.name}
every_row = pytest.mark.parametrize("row", ROWS, **NAMED)


@pytest.fixture
def whole(make_app: AppFactory) -> Flask:
    return make_app(**ON)


def rule_of(row: Route) -> str:
    """Return the rule of *row*: below the prefix, or at the root of the app."""
    return row.path if row is RESOURCE_METADATA else f"/auth{row.path}"


def path_of(row: Route) -> str:
    return rule_of(row).replace("<kind>", "jti").replace("<auth0_any_text:value>", "revoked")


def everything(issuer: LocalIssuer) -> dict[str, str]:
    """Return the header of somebody who may use every route."""
    return bearer(issuer.token(scope=" ".join(VALUES.values()), permissions=list(VALUES.values())))


def statuses(client: FlaskClient, row: Route, headers: dict[str, str]) -> list[int]:
    """Return how whoever sends *headers* is answered by each method of *row*, one after the other."""
    bodies = [(operation.method, BODIES.get(operation.name, {})) for operation in row.operations]
    return [client.open(path_of(row), method=method, headers=headers, **body).status_code for method, body in bodies]


def test_rows_and_routes_are_the_same(whole: Flask) -> None:
    registered = {
        (rule.rule, rule.endpoint, frozenset((rule.methods or set()) - {"HEAD"})) for rule in whole.url_map.iter_rules()
    }
    every_method = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    expected = set()
    for row in (*ROWS, *OF_SENDERS):
        name, methods = f"auth0.{row.name}", frozenset(row.methods)
        expected |= {(rule_of(row), name, methods), (rule_of(row), f"{name}_other_methods", every_method - methods)}
    assert registered == expected


@pytest.mark.parametrize("row", [*ROWS, *OF_SENDERS], **NAMED)
def test_views_have_the_names_of_what_is_imported_late(whole: Flask, row: Route) -> None:
    """As limiters and documentation tools find them; and every name in the table, of schemas too, names something."""
    registered, view = whole.view_functions[f"auth0.{row.name}"], imported(row.view)
    assert (registered.__module__, registered.__name__) == (view.__module__, view.__name__)
    assert registered.__doc__ is not None
    for operation in row.operations:
        assert operation.summary in registered.__doc__
        for name in (operation.body, operation.query, *operation.answers.values()):
            assert name is None or issubclass(imported(name), Schema)


def test_every_operation_is_named_once() -> None:
    names = [operation.name for row in (*ROWS, *OF_SENDERS) for operation in row.operations]
    assert len(set(names)) == len(names)


@every_row
def test_anonymous_callers_are_answered_where_the_row_says_so(whole: Flask, row: Route) -> None:
    for method in row.methods:
        response = whole.test_client().open(path_of(row), method=method)
        if row in OPEN:
            assert response.status_code == 200
        else:
            metadata = f'resource_metadata="https://api.example.com{RESOURCE_METADATA.path}"'
            assert seen(response) == replace(NO_CREDENTIALS, challenges=(f'Bearer realm="api", {metadata}',))


@every_row
def test_a_token_without_scopes_is_enough_where_the_row_says_so(whole: Flask, issuer: LocalIssuer, row: Route) -> None:
    """Elsewhere the challenge names the value of the settings that the row names."""
    for method in row.methods:
        response = whole.test_client().open(path_of(row), method=method, headers=bearer(issuer.token(scope="")))
        if row.guard in VALUES:
            (challenge,) = seen(response).challenges
            assert re.findall(r'[ ,]scope="([^"]*)"', challenge) == [VALUES[row.guard]]
            assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_scope")
        else:
            assert response.status_code == 200


@every_row
def test_scope_and_permission_that_the_row_names_are_enough(whole: Flask, issuer: LocalIssuer, row: Route) -> None:
    value = VALUES.get(row.guard, "")
    client, headers = whole.test_client(), bearer(issuer.token(scope=value, permissions=[value]))
    admin = everything(issuer)
    assert client.post("/auth/admin/revocations", json={"jti": "revoked"}, headers=admin).status_code == 201
    for status, operation in zip(statuses(client, row, headers), row.operations, strict=True):
        assert status in operation.answers


@pytest.mark.parametrize("row", OPEN, **NAMED)
def test_a_token_shows_more_where_the_row_says_so(whole: Flask, issuer: LocalIssuer, row: Route) -> None:
    client = whole.test_client()
    anonymous = client.get(path_of(row)).get_json()
    known = client.get(path_of(row), headers=everything(issuer)).get_json()
    assert (anonymous != known) == (row.guard == "optional")


@every_row
def test_without_the_switch_of_the_row_there_is_nothing(make_app: AppFactory, issuer: LocalIssuer, row: Route) -> None:
    """404 for whoever else may use it; whoever may not is refused as ever. Without a switch, no switch matters."""
    settings = {OFF[row.switch]: False} if row.switch else dict.fromkeys(OFF.values(), False)
    client = make_app(**{**ON, **settings}).test_client()
    answers = {404} if row.switch else set(row.operations[0].answers)
    assert set(statuses(client, row, everything(issuer))) <= answers
    if row.guard == "admin_scope":
        assert client.open(path_of(row), method=row.methods[0]).status_code == 401


@every_row
def test_routes_for_admins_are_hidden_without_admin(make_app: AppFactory, issuer: LocalIssuer, row: Route) -> None:
    client = make_app(**ON, AUTH0_ADMIN=False).test_client()
    for method in (*row.methods, "PATCH", "OPTIONS"):
        response = client.open(path_of(row), method=method, headers=everything(issuer))
        is_hidden = response.status_code == 404 and response.get_json()["code"] == "not_found"
        assert is_hidden == (row.guard == "admin_scope")


@pytest.mark.parametrize("row", OF_SENDERS, **NAMED)
def test_routes_for_events_exist_only_if_somebody_may_send_some(
    make_app: AppFactory, issuer: LocalIssuer, row: Route
) -> None:
    """An access token opens none of them, and one sender opens no other's route."""
    on, off = make_app(**EVENT_SETTINGS), make_app(**ON)
    for number, setting in enumerate(EVENT_SETTINGS):
        client = make_app(**{setting: EVENT_SETTINGS[setting]}).test_client()
        assert (client.get(path_of(row)).status_code == 405) == (OF_SENDERS[number] is row)
    for headers in ({}, everything(issuer)):
        assert on.test_client().post(path_of(row), headers=headers).status_code in {400, 401}
        for method in (*row.methods, "GET", "PATCH", "OPTIONS"):
            response = off.test_client().open(path_of(row), method=method, headers=headers)
            assert (response.status_code, response.get_json()["code"]) == (404, "not_found")
