"""docs/how-to/serverless.md: its app, behind each adapter that it names, called with events of both formats."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import serverless_wsgi
from a2wsgi import WSGIMiddleware
from apig_wsgi import make_lambda_handler
from documents import ROOT, python_blocks
from flask import Flask
from mangum import Mangum

from auth0_blueprint.testing import LocalIssuer

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

EVENTS = runpy.run_path(str(ROOT / "examples" / "serverless" / "events.py"))
PAGE: dict[str, Any] = {"__name__": __name__}
exec(next(python_blocks(ROOT / "docs" / "how-to" / "serverless.md")).code, PAGE)


class Context:
    """What Mangum and serverless-wsgi read of Lambda's context."""

    aws_request_id = "JKJaXmPLvHcESHA="


def through_serverless_wsgi(app: Flask) -> Handler:
    return lambda event, context: serverless_wsgi.handle_request(app, event, context)


def through_mangum(app: Flask) -> Handler:
    return Mangum(WSGIMiddleware(app), lifespan="off")  # type: ignore[arg-type]


@contextmanager
def event_loop() -> Iterator[None]:
    """Have a loop, which Mangum asks for."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.parametrize("make_event", [EVENTS["event_v1"], EVENTS["event_v2"]], ids=["1.0", "2.0"])
@pytest.mark.parametrize("adapt", [make_lambda_handler, through_serverless_wsgi, through_mangum, PAGE["make_handler"]])
def test_each_adapter_takes_events_of_both_formats(issuer: LocalIssuer, adapt: Any, make_event: Any) -> None:
    """The challenge of a refusal arrives, and one fetch is enough."""
    tokens = {f"Bearer {issuer.token(scope='read:messages')}": 200, f"Bearer {issuer.token()}": 403, None: 401}
    with event_loop():
        handler = adapt(PAGE["create_app"](issuer.settings))
        for authorization, expected in tokens.items():
            answer = handler(make_event("/api/messages", authorization), Context())
            assert answer["statusCode"] == expected
            headers = answer.get("headers") or {}
            headers |= {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
            challenge = {name.lower(): value for name, value in headers.items()}.get("www-authenticate")
            assert (challenge is None) == (expected == 200)
    assert issuer.fetch_count == 1
