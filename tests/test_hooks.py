"""Who is calling, asked where no guard may have passed: hooks, logs, limits, threads. The recipes run as they stand."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import flask.globals
import pytest
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Blueprint, Flask, Response, copy_current_request_context, stream_with_context
from flask_limiter import Limiter

from auth0_blueprint import current_token, get_current_token, protect, public, requires_auth, requires_scope
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "how-to" / "hooks.md"
LOGS, LIMITS, VIEW, HANDLERS = (
    run_block(PAGE, block.code, requires_auth=requires_auth) for block in python_blocks(PAGE)
)


def who() -> str | None:
    token = get_current_token()
    return token.subject if token is not None else None


def in_thread(function: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_outside_of_a_request_there_is_none(app: Flask) -> None:
    assert who() is None
    with app.app_context():
        assert who() is None
    with app.test_request_context() as context:
        assert who() is None
        context.pop()
        assert who() is None
        context.push()


def test_a_request_without_the_context_of_an_app_has_none(app: Flask, issuer: LocalIssuer) -> None:
    """``current_app`` raises there."""

    @app.get("/")
    @requires_auth
    def view() -> str:
        reset = flask.globals._cv_app.set(None)  # type: ignore[arg-type]
        try:
            return str(who())
        finally:
            flask.globals._cv_app.reset(reset)

    assert app.test_client().get("/", headers=bearer(issuer.token())).text == "None"


def test_in_an_app_without_the_blueprint_and_in_the_context_of_another_app_there_is_none(
    app: Flask, make_app: AppFactory, issuer: LocalIssuer
) -> None:
    other, bare = make_app(), Flask("bare")
    bare.add_url_rule("/", "bare", lambda: str(who()))
    assert bare.test_client().get("/").text == "None"

    @app.get("/")
    @requires_auth
    def view() -> dict[str, Any]:
        seen = [who()]
        for one in (other, bare):
            with one.app_context():
                seen.append(who())
            with one.test_request_context():
                seen.append(who())
        return {"seen": [*seen, who()]}

    user = "auth0|local-user"
    seen = app.test_client().get("/", headers=bearer(issuer.token())).get_json()["seen"]
    assert seen == [user, None, None, None, None, user]


@pytest.fixture
def seen(app: Flask) -> list[tuple[str, str | None]]:
    """What each hook of ``app`` sees. Views: guarded, optional, scoped, public and failing."""
    found: list[tuple[str, str | None]] = []
    app.before_request(lambda: found.append(("before", who())))
    app.teardown_request(lambda _: found.append(("teardown", who())))
    app.teardown_appcontext(lambda _: found.append(("app teardown", who())))
    app.register_error_handler(ZeroDivisionError, lambda _: (f"failed for {who()}", 500))

    @app.after_request
    def after(response: Response) -> Response:
        found.append(("after", who()))
        return response

    app.add_url_rule("/guarded", "guarded", requires_auth(lambda: ""))
    app.add_url_rule("/optional", "optional", requires_auth(optional=True)(lambda: ""))
    app.add_url_rule("/scoped", "scoped", requires_scope("a")(lambda: ""))
    app.add_url_rule("/public", "public", public(lambda: ""))
    app.add_url_rule("/failing", "failing", requires_auth(lambda: str(1 / 0)))
    return found


@pytest.mark.parametrize(
    ("path", "has_token", "status", "caller"),
    [
        *(("/guarded", True, 200, "u"), ("/guarded", False, 401, None), ("/optional", True, 200, "u")),
        *(("/optional", False, 200, None), ("/scoped", True, 403, "u"), ("/public", True, 200, None)),
        *(("/nowhere", True, 404, None), ("/auth/health", True, 200, None), ("/failing", True, 500, "u")),
    ],
)
def test_each_hook_sees_the_caller_whom_a_guard_has_verified(
    app: Flask, issuer: LocalIssuer, seen: list[Any], path: str, has_token: bool, status: int, caller: str | None
) -> None:
    headers = bearer(issuer.token(sub="u")) if has_token else {}
    response = app.test_client().get(path, headers=headers)
    assert response.status_code == status
    assert status != 500 or response.text == "failed for u"
    assert seen == [("before", None), ("after", caller), ("teardown", caller), ("app teardown", None)]


def test_a_thread_sees_the_caller_only_with_the_request(app: Flask, issuer: LocalIssuer) -> None:
    @app.get("/")
    @requires_auth
    def view() -> dict[str, Any]:
        return {"seen": [in_thread(who), in_thread(copy_current_request_context(who))]}

    seen = app.test_client().get("/", headers=bearer(issuer.token(sub="u"))).get_json()["seen"]
    assert seen == [None, "u"]


def test_a_streamed_body_sees_the_caller_only_with_the_request(app: Flask, issuer: LocalIssuer) -> None:
    @app.get("/<kind>")
    @requires_auth
    def view(kind: str) -> Response:
        body = (f"{who()}" for _ in range(1))
        return Response(stream_with_context(body) if kind == "with" else body)

    client = app.test_client()
    texts = [client.get(f"/{kind}", headers=bearer(issuer.token(sub="u"))).text for kind in ("with", "without")]
    assert texts == ["u", "None"]


def test_the_error_of_current_token_names_it(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(RuntimeError, match=r"call get_current_token\(\)"):
        current_token.subject  # noqa: B018 - the access is the test


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the handler of the page has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    LOGS["log_callers"](handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("path", "subject", "logged"),
    [
        ("/messages", "auth0|7\nforged", [("messages were read", True), ("answered 200", True)]),
        *(("/messages", None, [("answered 401", False)]), ("/auth/health/live", "u", [("answered 200", False)])),
        ("/nowhere", "u", [("answered 404", False)]),
    ],
)
def test_each_line_of_the_log_has_the_caller(
    issuer: LocalIssuer, lines: Any, path: str, subject: str | None, logged: list[tuple[str, bool]]
) -> None:
    headers = {} if subject is None else bearer(issuer.token(sub=subject, azp="shop"))
    LOGS["create_app"](issuer.settings).test_client().get(path, headers=headers)
    logging.getLogger("elsewhere").warning("outside")
    found = [
        (line["message"], line["auth0_subject"], line["auth0_client"])
        for line in lines()
        if line["name"] != "auth0_blueprint"
    ]
    shown = None if subject is None else subject.replace("\n", "\\n")
    expected = [(message, shown if known else None, "shop" if known else None) for message, known in logged]
    assert found == [*expected, ("outside", None, None)]


def test_the_limit_of_the_page_counts_subjects_and_leaves_health_public_and_refusals_alone(issuer: LocalIssuer) -> None:
    client = LIMITS["create_app"](issuer.settings).test_client()
    alice, bob = (bearer(issuer.token(sub=name)) for name in ("alice", "bob"))
    other_of_alice = bearer(issuer.token(sub="alice", other=True))
    assert [client.get("/messages", headers=one).status_code for one in (alice, other_of_alice, alice)] == [
        200,
        200,
        429,
    ]
    assert [client.get("/messages", headers=bob).status_code for _ in range(3)] == [200, 200, 429]
    assert [client.get("/messages").status_code for _ in range(4)] == [401] * 4
    for path in ("/about", "/auth/health", "/auth/health/live"):
        assert [client.get(path).status_code for _ in range(4)] == [200] * 4
    assert [client.get("/nowhere").status_code for _ in range(4)] == [404] * 4


@pytest.mark.parametrize(("register", "statuses"), [("after", [200, 200, 429, 200]), ("before", [200, 200, 429, 429])])
def test_a_limiter_that_comes_before_the_guard_counts_addresses(
    app: Flask, issuer: LocalIssuer, register: str, statuses: list[int]
) -> None:
    """As the page says of the order."""

    def limit() -> None:
        Limiter(LIMITS["caller"], app=app, default_limits=["2 per minute"], storage_uri="memory://")

    for step in (protect, lambda _: limit()) if register == "after" else (lambda _: limit(), protect):
        step(app)
    app.add_url_rule("/", "view", lambda: "")
    client = app.test_client()
    callers = ["alice", "alice", "alice", "bob"]
    assert [client.get("/", headers=bearer(issuer.token(sub=one))).status_code for one in callers] == statuses


@pytest.mark.parametrize("is_protected", [False, True])
def test_a_limit_below_the_guard_counts_subjects(app: Flask, issuer: LocalIssuer, is_protected: bool) -> None:
    """Or behind that of the blueprint."""
    limiter = Limiter(LIMITS["caller"], app=app, default_limits=["1 per minute"], storage_uri="memory://")
    if is_protected:
        blueprint = Blueprint("messages", __name__)
        protect(blueprint)
        blueprint.add_url_rule("/search", "search", limiter.limit("2 per minute")(lambda: ""))
        app.register_blueprint(blueprint)
    else:
        VIEW["add_search"](app, limiter)
    client = app.test_client()
    callers = ["alice", "alice", "alice", "bob"]
    statuses = [client.get("/search", headers=bearer(issuer.token(sub=one))).status_code for one in callers]
    assert statuses == [200, 200, 429, 200]
    assert [client.get("/search").status_code for _ in range(4)] == [401] * 4


@pytest.mark.parametrize(
    ("path", "scope", "status", "line"),
    [
        ("/messages", None, 401, "refused somebody: authorization_header_missing"),
        ("/messages", "other", 403, "refused u: insufficient_scope"),
        *(("/messages", "read:messages", 500, "failed for u"), ("/nowhere", None, 404, None)),
    ],
)
def test_the_error_handlers_of_the_page_know_the_caller(
    issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, path: str, scope: str | None, status: int, line: str | None
) -> None:
    headers = {} if scope is None else bearer(issuer.token(sub="u", scope=scope))
    response = HANDLERS["create_app"](issuer.settings).test_client().get(path, headers=headers)
    assert (response.status_code, "WWW-Authenticate" in response.headers) == (status, status in {401, 403})
    assert [record.getMessage() for record in caplog.records if record.name == "hooks"] == ([line] if line else [])
