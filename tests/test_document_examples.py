"""The Python that the documents advise runs as it stands there, against a local issuer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from documents import ROOT, Block, python_blocks, run_block
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import current_user, jwt_required
from refusals import NO_CREDENTIALS, seen, segment

import auth0_blueprint
from auth0_blueprint import Auth0Blueprint, Auth0Error, requires_permission
from auth0_blueprint.testing import LocalIssuer

README = ROOT / "README.md"
JWT_EXTENDED = ROOT / "docs" / "flask-jwt-extended.md"
MIGRATING = ROOT / "docs" / "migrating.md"
STEP_UP = ROOT / "docs" / "step-up.md"
API = "https://api.example.com"


def blocks(page: Path, title: str) -> list[str]:
    """Return the code of the blocks to run in the sections of *page* with this *title*."""
    return [block.code for block in python_blocks(page) if block.title == title and not block.mark]


def test_blocks_are_read_with_their_section_their_lines_and_their_mark(tmp_path: Path) -> None:
    """Headings inside a fence are no headings, and other languages are passed over."""
    page = tmp_path / "page.md"
    page.write_text("# A\n```python\n# B\nx = 1\n```\n```console\n$ y\n```\n## C\n```python before\nz\n```\n")
    assert list(python_blocks(page)) == [Block("A", "\n\n# B\nx = 1\n", ""), Block("C", "\n" * 10 + "z\n", "before")]


def test_the_app_of_the_readme_works(issuer: LocalIssuer) -> None:
    (code,) = blocks(README, "Use it")
    client = run_block(README, code)["create_app"](issuer.settings).test_client()
    headers = bearer(issuer.token(scope="read:messages"))
    assert client.get("/api/messages", headers=headers).get_json() == {"subject": "auth0|local-user"}
    assert client.get("/api/messages").status_code == 401


def test_the_error_handler_of_the_readme_renders_with_the_challenge(app: Flask, client: FlaskClient) -> None:
    """The app's own words, and the headers that RFC 6750 wants."""
    (code,) = blocks(README, "Errors")
    run_block(README, code, app=app)
    body = {"message": "The request has no Authorization header.", "code": "authorization_header_missing"}
    assert seen(client.get("/auth/me")) == replace(NO_CREDENTIALS, body=body)


def test_the_error_handler_of_the_readme_keeps_the_challenge_of_each_scheme(make_app: AppFactory) -> None:
    """And where the metadata is: a client that is to use DPoP learns it nowhere else."""
    settings = {"AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": API, "AUTH0_RESOURCE_METADATA": True}
    apps = [make_app(**settings) for _ in range(2)]
    (code,) = blocks(README, "Errors")
    run_block(README, code, app=apps[1])
    plain, rendered = (seen(app.test_client().get("/auth/me")) for app in apps)
    assert [challenge.split()[0] for challenge in rendered.challenges] == ["Bearer", "DPoP"]
    assert (rendered.status, rendered.challenges) == (plain.status, plain.challenges)


def test_the_user_lookup_of_the_page_on_flask_jwt_extended_works(issuer: LocalIssuer) -> None:
    app = Flask("tested")
    app.config.update(issuer.settings)
    (block,) = python_blocks(JWT_EXTENDED)
    run_block(JWT_EXTENDED, block.code, app=app, find_user={"auth0|ada": "Ada"}.get)
    app.add_url_rule("/who", view_func=jwt_required()(lambda: {"user": str(current_user)}))
    client = app.test_client()
    assert client.get("/who", headers=bearer(issuer.token(sub="auth0|ada"))).get_json() == {"user": "Ada"}
    assert client.get("/who", headers=bearer(issuer.token(sub="auth0|eve"))).get_json()["code"] == "user_not_found"


def test_the_payment_of_the_page_on_step_up_wants_the_login_that_its_challenge_names(issuer: LocalIssuer) -> None:
    (block,) = python_blocks(STEP_UP)
    client = run_block(STEP_UP, block.code)["create_app"](issuer.settings).test_client()
    login: dict[str, Any] = {f"{API}/acr": "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}
    refused = client.post("/payments", headers=bearer(issuer.token(scope="pay", **login)))
    page = " ".join(STEP_UP.read_text(encoding="utf-8").split())
    assert f"HTTP/1.1 401 UNAUTHORIZED WWW-Authenticate: {refused.headers['WWW-Authenticate']} ```" in page
    login[f"{API}/auth_time"] = int(time.time()) - 10
    admitted = client.post("/payments", headers=bearer(issuer.token(scope="pay", **login)))
    assert admitted.get_json() == {"paid": True}


HABITS = ["A question inside the view", "A permission for requires_auth", "Claims as an argument"]


def of_habit(title: str, app: Flask, *, mark: str = "", **names: Any) -> FlaskClient:
    """Run the block *before* or after of the habit with this *title* on *app*."""
    (code,) = (block.code for block in python_blocks(MIGRATING) if (block.title, block.mark) == (title, mark))
    app.testing = True
    run_block(MIGRATING, code, app=app, **names)
    return app.test_client()


@pytest.mark.parametrize(("title", "path"), [*zip(HABITS, ["/api/drafts", "/drinks/7", "/profile"], strict=True)])
def test_a_habit_that_is_kept_opens_nothing_and_names_the_remedy(
    app: Flask, issuer: LocalIssuer, title: str, path: str
) -> None:
    """With the names of this package: when it is imported, or at the request."""
    with pytest.raises(TypeError, match=r"has_scope\(\)|@requires_permission\(|read current_token instead"):
        of_habit(title, app, mark="before", **vars(auth0_blueprint)).get(path, headers=bearer(issuer.token(scope="x")))


@pytest.mark.parametrize(
    ("title", "request_line", "claims", "answer"),
    [
        (HABITS[0], "GET /api/drafts", {"scope": "read:drafts"}, {"drafts": []}),
        (HABITS[0], "GET /api/drafts", {}, 403),
        (HABITS[0], "GET /api/all", {"scope": "read:drafts"}, {"messages": [], "drafts": []}),
        (HABITS[0], "GET /api/all", {}, {"messages": [], "drafts": None}),
        (HABITS[1], "DELETE /drinks/7", {"permissions": ["delete:drinks"]}, {"removed": 7, "by": "auth0|local-user"}),
        (HABITS[1], "DELETE /drinks/7", {"scope": "delete:drinks"}, 403),
        (HABITS[1], "GET /drinks", {"permissions": ["get:recipes"]}, {"drinks": ["espresso", "recipe"]}),
        (HABITS[1], "GET /drinks", {}, {"drinks": ["espresso"]}),
        (HABITS[2], "GET /profile", {}, {"subject": "auth0|local-user", "roles": []}),
    ],
)
def test_a_habit_that_was_changed_does_what_it_did(
    app: Flask, issuer: LocalIssuer, title: str, request_line: str, claims: dict[str, Any], answer: Any
) -> None:
    client, (method, path) = of_habit(title, app), request_line.split()
    response = client.open(path, method=method, headers=bearer(issuer.token(**claims)))
    assert (response.get_json() if response.status_code == 200 else response.status_code) == answer
    assert client.open(path, method=method).status_code == 401


def test_the_three_habits_are_the_first_thing_on_the_page() -> None:
    first, *_ = (line for line in MIGRATING.read_text(encoding="utf-8").splitlines() if line.startswith("| `"))
    assert first.startswith("| `if requires_scope(")


MOVED = blocks(MIGRATING, "After")


@pytest.fixture(params=range(len(MOVED)), ids=["python-jose", "Authlib", "auth0-api-python", "flask-jwt-extended"])
def moved(request: pytest.FixtureRequest, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A client of one of the apps that were moved; their settings come from the environment."""
    for name, value in issuer.settings.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AUTH0_JWKS_COOLDOWN", "0")  # as if the last fetch were long ago, for "signed with a new key"
    app: Flask = run_block(MIGRATING, MOVED[request.param])["app"]
    return app.test_client()


def test_an_app_that_was_moved_answers_its_callers(moved: FlaskClient, issuer: LocalIssuer) -> None:
    with_scope = bearer(issuer.token(scope="read:messages"))
    assert moved.get("/api/private", headers=with_scope).get_json() == {"user": "auth0|local-user"}
    assert moved.get("/api/private-scoped", headers=with_scope).get_json() == {"messages": []}
    assert moved.get("/api/private").status_code == 401


def test_what_was_open_before_is_open_afterwards(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """``protect(app)`` lets ``@public`` views through."""
    monkeypatch.setenv("AUTH0_ISSUER", issuer.issuer)
    monkeypatch.setenv("AUTH0_AUDIENCE", issuer.audience)
    app: Flask = run_block(MIGRATING, MOVED[2])["app"]
    assert app.test_client().get("/api/public").status_code == 200


def _signed_with_hs256(issuer: LocalIssuer) -> str:
    _, payload, signature = issuer.token().split(".")
    return f"{segment({'alg': 'HS256', 'kid': issuer.key_ids[0]})}.{payload}.{signature}"


def _with_a_wrong_signature(issuer: LocalIssuer) -> str:
    return issuer.token(sub="somebody").rpartition(".")[0] + "." + issuer.token().rpartition(".")[2]


#: What a request of the table sends, as the value of its Authorization header.
REQUESTS: dict[str, Callable[[LocalIssuer], str | None]] = {
    "no `Authorization` header": lambda issuer: None,
    "another scheme": lambda issuer: "Basic YTpi",
    "`Bearer` and no token": lambda issuer: "Bearer",
    "two tokens": lambda issuer: "Bearer a b",
    "`bearer` in small letters": lambda issuer: f"bearer {issuer.token(scope='read:messages')}",
    "not a JWT": lambda issuer: "Bearer abc",
    "signed with HS256": lambda issuer: f"Bearer {_signed_with_hs256(issuer)}",
    "unknown critical extension": lambda issuer: f"Bearer {issuer.token(headers={'crit': ['x']})}",
    "key id that is not published": lambda issuer: f"Bearer {issuer.token(headers={'kid': 'x'})}",
    "wrong signature": lambda issuer: f"Bearer {_with_a_wrong_signature(issuer)}",
    "expired": lambda issuer: f"Bearer {issuer.token(expires_in=-60)}",
    "another audience": lambda issuer: f"Bearer {issuer.token(aud='https://other.example.com')}",
    "another issuer": lambda issuer: f"Bearer {issuer.token(iss='https://other.example.com/')}",
    "no `exp`": lambda issuer: f"Bearer {issuer.token(without=('exp',))}",
    "no `sub`": lambda issuer: f"Bearer {issuer.token(without=('sub',))}",
    "valid for a hundred years": lambda issuer: f"Bearer {issuer.token(expires_in=100 * 365 * 86400)}",
    "bound to a key (`cnf`)": lambda issuer: f"Bearer {issuer.token(cnf={'jkt': 'x'})}",
    "`scope` is a number": lambda issuer: f"Bearer {issuer.token(scope=1)}",
    "the scope is missing": lambda issuer: f"Bearer {issuer.token(scope='openid')}",
    "signed with a new key": lambda issuer: f"Bearer {issuer.token(key_id=issuer.rotate(), scope='read:messages')}",
    "Auth0 cannot be reached": lambda issuer: None,  # below
}


def table_for_clients() -> dict[str, str]:
    """Return the last column of the table by its first one."""
    _, _, section = MIGRATING.read_text(encoding="utf-8").partition("## What changes for clients")
    return last_column(section.partition("\n### ")[0])


def last_column(section: str) -> dict[str, str]:
    """Return the last column of the table in *section* by its first one."""
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return {row[0]: row[-1].replace("`", "") for row in rows[1:]}


def test_tokens_without_a_permission_get_the_answers_that_the_page_promises(app: Flask, issuer: LocalIssuer) -> None:
    app.add_url_rule("/", view_func=requires_permission("get:things")(lambda: ""))
    without, empty = issuer.token(permissions=["get:others"]), issuer.token(without=("permissions",))
    answers = {}
    for name, token in {"without the permission": without, "without the claim `permissions`": empty}.items():
        response = app.test_client().get("/", headers=bearer(token))
        answers[name] = f"{response.status_code} {response.get_json()['code']}"
    _, _, section = MIGRATING.read_text(encoding="utf-8").partition("### Permissions")
    assert answers == last_column(section.partition("\n### ")[0])


def test_clients_get_the_answers_that_the_table_promises(moved: FlaskClient, issuer: LocalIssuer) -> None:
    answers = {}
    for name, header_of in REQUESTS.items():
        header = header_of(issuer)
        response = moved.get("/api/private-scoped", headers={} if header is None else {"Authorization": header})
        answers[name] = " ".join([str(response.status_code), (response.get_json() or {}).get("code", "")]).strip()
    answers["Auth0 cannot be reached"] = _answer_in_an_outage()
    assert answers == table_for_clients()


def _answer_in_an_outage() -> str:
    with LocalIssuer() as gone:
        app = Flask("tested")
        app.config.update(gone.settings)
        token = gone.token()
    app.register_blueprint(Auth0Blueprint())
    response = app.test_client().get("/auth/me", headers=bearer(token))
    assert int(response.headers["Retry-After"]) >= 1
    return f"{response.status_code} {response.get_json()['code']}"


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (0, {"code": "authorization_header_missing", "description": "The request has no Authorization header."}),
        (1, {"success": False, "error": 401, "message": "The request has no Authorization header."}),
    ],
)
def test_the_old_body_can_be_kept(app: Flask, number: int, body: dict[str, Any]) -> None:
    """For clients of the python-jose quickstart, and of many projects after it, that cannot change."""
    code = blocks(MIGRATING, "The old body")[number]
    assert run_block(MIGRATING, code, app=app)["Auth0Error"] is Auth0Error
    assert seen(app.test_client().get("/auth/me")) == replace(NO_CREDENTIALS, body=body)


def test_each_starting_point_is_shown_before_and_after() -> None:
    shown = re.findall(r"^### (Before|After)$", MIGRATING.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == ["Before", "After"] * 4
    titles = [block.title for block in python_blocks(MIGRATING) if not block.mark]
    assert titles == HABITS + ["After"] * 4 + ["The old body"] * 2
