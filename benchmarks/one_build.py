"""One checkout of this package, measured from outside: the other half of `benchmarks.builds`, which starts it.

It runs by its path, with the checkout first on ``PYTHONPATH``, so it must import nothing else of ``benchmarks``. It
reads one figure's name a line, measures a block of it, and answers with the seconds.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, request
from flask_jwt_extended import jwt_required
from werkzeug.test import EnvironBuilder

import auth0_blueprint
from auth0_blueprint import Auth0Blueprint, requires_scope
from auth0_blueprint.testing import LocalIssuer

BLOCK = 300
RUN_IN = 30
#: So many that the token cache has long dropped one when its turn comes again.
TOKENS = 3000
SCOPE = "read:messages"
#: Where modules are, now and in the builds before they were moved.
PLACES = {
    "authentication": ("guards.authentication", "current"),
    "jws": ("jose.jws", "jws"),
    "algorithms": ("jose.algorithms", "algorithms"),
}

#: Does its work for one token.
Work = Callable[[str], object]


class Build:
    """The figures of this checkout, each by its name."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer
        self._app = self._make_app()
        self._seen = self._token(0)
        self._others = itertools.cycle(self._token(user) for user in range(1, 1 + TOKENS))  # made when used
        self._public_key: Any = issuer.signing_key().public_key()
        self.figures: dict[str, tuple[Callable[[], Work], bool]] = {
            "a request to the open view": (lambda: self._requests_to("open"), False),
            "a request, token seen before": (lambda: self._requests_to("scope"), False),
            "a request, token never seen": (lambda: self._requests_to("scope"), True),
            "a request by jwt_required(), token seen before": (lambda: self._requests_to("stock"), False),
            "a request by jwt_required(), token never seen": (lambda: self._requests_to("stock"), True),
            "authenticate(), token seen before": (lambda: self._authenticating(), False),
            "verify_token(), token seen before": (lambda: auth0_blueprint.verify_token, False),
            "verify_token(), token never seen": (lambda: auth0_blueprint.verify_token, True),
            "signature, base64url and JSON": (lambda: self._floor(), True),
        }

    def block(self, name: str) -> float:
        """Return the seconds that a token takes in a block of the figure *name*."""
        make, is_fresh = self.figures[name]
        tokens = self._others if is_fresh else itertools.repeat(self._seen)
        run_in, counted = (list(itertools.islice(tokens, count)) for count in (RUN_IN, BLOCK))
        with self._app.test_request_context(headers={"Authorization": f"Bearer {self._seen}"}):
            work = make()
            gc.collect()
            for token in run_in:
                work(token)
            started = time.process_time()
            for token in counted:
                work(token)
            return (time.process_time() - started) / BLOCK

    def _token(self, user: int) -> str:
        return self._issuer.token(sub=f"auth0|{user:024x}", scope=f"openid profile {SCOPE}")

    def _make_app(self) -> Flask:
        app = Flask("measured", static_folder=None)
        app.config.update(self._issuer.settings)
        app.register_blueprint(Auth0Blueprint())
        for name, guard in (("open", lambda view: view), ("scope", requires_scope(SCOPE)), ("stock", jwt_required())):
            app.add_url_rule(f"/{name}", name, guard(lambda: {"messages": ["Hello"]}))
        return app

    def _requests_to(self, name: str) -> Work:
        environ = EnvironBuilder(f"/{name}", base_url="https://api.example.com").get_environ()
        wsgi_app: Any = self._app.wsgi_app

        def start_response(status: str, _headers: Any, _exc_info: Any = None) -> None:
            if status != "200 OK":
                raise RuntimeError(f"a request was not admitted: {status}")

        def work(token: str) -> None:
            body = wsgi_app({**environ, "HTTP_AUTHORIZATION": f"Bearer {token}"}, start_response)
            b"".join(body)
            body.close()

        return work

    def _authenticating(self) -> Work:
        module = _module("authentication")
        authenticate, here = module.authenticate, request._get_current_object()  # type: ignore[attr-defined]
        kept = vars(here)

        def work(_token: str) -> None:
            authenticate()
            del kept[module._ATTRIBUTE]  # noqa: SLF001 - so that the next call is the first again

        return work

    def _floor(self) -> Work:
        parse, verify = _module("jws").parse, _module("algorithms").ALGORITHMS["RS256"].verify
        header: dict[str, Any] = {"alg": "RS256"}

        def work(token: str) -> None:
            parsed = parse(token.encode(), 16384, header)
            if not verify(parsed.signing_input, self._public_key, parsed.signature):
                raise RuntimeError("a signature was refused")

        return work


def _module(name: str) -> Any:
    for place in PLACES[name]:
        try:
            return importlib.import_module(f"auth0_blueprint.{place}")
        except ModuleNotFoundError:
            continue
    raise RuntimeError(f"this checkout has no {name}")


def _names() -> Iterator[str]:
    yield from map(str.strip, sys.stdin)


def main() -> None:
    """Say where this checkout is and what it measures, then measure whatever is asked for."""
    with LocalIssuer() as issuer:
        build = Build(issuer)
        place = str(Path(auth0_blueprint.__file__).parents[1])
        print(json.dumps([place, list(build.figures)]), flush=True)
        gc.freeze()
        for name in _names():
            print(build.block(name), flush=True)


if __name__ == "__main__":
    main()
