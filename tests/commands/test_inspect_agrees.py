"""What ``flask auth0 inspect --path`` says of a token is what the app answers to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import bearer
from flask import Flask
from guarded_apps import KINDS, whole_app
from programs import command

from auth0_blueprint.testing import LocalIssuer

pytestmark = pytest.mark.usefixtures("unmeasured")

OPEN = {"public", "static", "none"}


@pytest.fixture(params=KINDS)
def app_of_many_kinds(request: pytest.FixtureRequest, issuer: LocalIssuer, tmp_path: Path) -> Flask:
    return whole_app(issuer, tmp_path, **KINDS[request.param])


#: A request that a row of the table is about, a row for each method: its path, its method, and what guards it.
Row = tuple[str, str, str]


def rows_of(app: Flask) -> list[Row]:
    routes = json.loads(command("routes", "--json")(app).stdout)["routes"]
    routes = [row for row in routes if row["guard"] != "sender"]  # no access token counts there
    return [(re.sub(r"<[^>]+>", "1", row["path"]), method, row["guard"]) for row in routes for method in row["methods"]]


def is_accepted(app: Flask, path: str, method: str, token: str) -> bool:
    result = command("inspect", "--json")(app, "--path", path, "--method", method, token)
    assert result.stderr == "", (path, method)
    printed: dict[str, Any] = json.loads(result.stdout)
    assert (result.exit_code == 0) is printed["accepted"]
    assert any(step["step"] == "demand" for step in printed["steps"])
    return bool(printed["accepted"])


def is_let_in(app: Flask, path: str, method: str, token: str) -> bool:
    with app.test_client().open(path, method=method, headers=bearer(token)) as response:
        return response.status_code not in {401, 403}


def differences(app: Flask, requests: Iterable[tuple[str, str]], *tokens: str) -> list[tuple[str, str]]:
    """Return those of *requests*, by path and method, about which command and app differ for any of *tokens*."""
    return [
        (path, method)
        for path, method in requests
        for token in tokens
        if is_accepted(app, path, method, token) != is_let_in(app, path, method, token)
    ]


def test_a_token_is_accepted_where_the_app_lets_it_in(app_of_many_kinds: Flask, issuer: LocalIssuer) -> None:
    """One that holds nothing, one that holds something, and one that holds all that anything demands."""
    names = ["manage:auth0", "introspect:tokens"]
    tokens = [
        issuer.token(scope="", permissions=[]),
        issuer.token(scope="a", permissions=["x"]),
        issuer.token(scope=" ".join(["a", "b", "operate", *names]), permissions=["x", *names]),
    ]
    requests = [(path, method) for path, method, _ in rows_of(app_of_many_kinds)]
    assert differences(app_of_many_kinds, requests, *tokens) == []


def test_a_bad_token_is_refused_where_the_app_looks_at_it(app_of_many_kinds: Flask, issuer: LocalIssuer) -> None:
    app, token = app_of_many_kinds, issuer.forged_token()
    for path, method, guard in rows_of(app):
        assert not is_accepted(app, path, method, token)
        assert is_let_in(app, path, method, token) is (guard in OPEN), (path, method)


@pytest.mark.parametrize("is_protected", [True, False])
def test_what_protect_lets_through_is_accepted(issuer: LocalIssuer, tmp_path: Path, is_protected: bool) -> None:
    """Public views, files, and an ``OPTIONS`` that Flask answers: for that only other hooks are asked, and no view."""
    app = whole_app(issuer, tmp_path, "use:api", is_protected=is_protected)
    requests = {(path, method) for path, method, _ in rows_of(app)}
    # Ours take OPTIONS only to refuse it.
    by_itself = {(path, "OPTIONS") for path, _ in requests if not path.startswith("/auth/")}
    tokens = [issuer.token(scope="", permissions=[]), issuer.token(scope="use:api a b", permissions=["x"])]
    assert differences(app, sorted(requests | by_itself), *tokens) == []
    assert {is_accepted(app, *one, tokens[0]) for one in by_itself} == {True, False}
