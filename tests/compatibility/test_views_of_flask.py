"""Class-based and ``async def`` views, whatever the app's settings say of exceptions."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import flask_jwt_extended as fje
import pytest
from answers import EXPECTED, answers_of, guard, in_every_mode, read, read_later
from conftest import AppFactory, bearer
from flask import Flask
from flask.views import MethodView, View
from refusals import NO_CREDENTIALS, seen

from auth0_blueprint import current_token, requires_auth
from auth0_blueprint.testing import LocalIssuer


class ByMethod(MethodView):
    init_every_request = False
    get = guard(read)


class ByDecorators(MethodView):
    decorators: ClassVar = [guard]
    get = read_later


class Inherited(ByMethod):
    """Has the guarded method of its base."""


class Dispatching(View):
    decorators: ClassVar = [guard]
    dispatch_request = read


VIEWS: dict[str, Any] = {
    "plain": guard(read),
    "coroutine": requires_auth(guard(read_later)),
    **{view.__name__: view.as_view("view") for view in (ByMethod, ByDecorators, Inherited, Dispatching)},
}


@pytest.mark.parametrize("kind", VIEWS)
@in_every_mode
def test_a_view_answers_alike_in_every_mode(
    make_app: AppFactory, issuer: LocalIssuer, kind: str, mode: dict[str, Any]
) -> None:
    """``TESTING`` and ``PROPAGATE_EXCEPTIONS`` are about bugs; a refusal is an answer."""
    app = make_app(**mode)
    app.add_url_rule("/messages", view_func=VIEWS[kind], endpoint="messages")
    assert answers_of(app.test_client(), issuer) == EXPECTED


def test_the_caller_is_known_in_every_task_and_thread_of_a_coroutine(app: Flask, issuer: LocalIssuer) -> None:
    """Across an await, in tasks, and in a thread that asyncio starts; also for flask-jwt-extended."""

    def subject() -> str:
        return f"{current_token.subject} {fje.get_jwt_identity()}"

    async def later() -> str:
        await asyncio.sleep(0)
        return subject()

    @app.get("/")
    @requires_auth
    async def view() -> list[str]:
        return [await later(), *await asyncio.gather(later(), asyncio.to_thread(subject))]

    client = app.test_client()
    for name in ("alice", "bob"):
        assert client.get("/", headers=bearer(issuer.token(sub=name))).get_json() == [f"{name} {name}"] * 3


def test_a_coroutine_is_not_started_for_whoever_may_not_pass(app: Flask) -> None:
    started: list[str] = []

    @app.get("/")
    @requires_auth
    async def view() -> str:
        started.append("view")
        return ""

    assert seen(app.test_client().get("/")) == NO_CREDENTIALS
    assert started == []
