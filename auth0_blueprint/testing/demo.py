"""Try an app without an Auth0 account: a local issuer, the app against it, and curl lines with fresh tokens.

``python -m auth0_blueprint.testing.demo wsgi:create_app``
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from auth0_blueprint.testing.local_issuer import LocalIssuer

_RULE = "-" * 78


def main(arguments: list[str] | None = None) -> None:
    """Serve the app that ``module:factory`` makes, until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m auth0_blueprint.testing.demo", description=__doc__)
    parser.add_argument("factory", metavar="module:factory", help="takes a mapping of settings, returns a Flask app")
    parser.add_argument("--port", type=int, default=5000, help="0 takes a free one (default: %(default)s)")
    options = parser.parse_args(arguments)
    sys.path.insert(0, "")
    with LocalIssuer() as issuer:
        app = _factory(options.factory)(issuer.settings)
        server = make_server("127.0.0.1", options.port, app, threaded=True)
        try:
            for line in _invitation(issuer, f"http://127.0.0.1:{server.server_port}"):
                print(line, flush=True)  # noqa: T201 - the output is the purpose
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()


def _factory(name: str) -> Callable[[dict[str, Any]], Flask]:
    module, _, attribute = name.partition(":")
    factory: Callable[[dict[str, Any]], Flask] = getattr(importlib.import_module(module), attribute or "create_app")
    return factory


def _invitation(issuer: LocalIssuer, url: str) -> Iterator[str]:
    yield f"A local issuer is at {issuer.issuer}, the API at {url}. Stop with Ctrl+C. Paste into another terminal:"
    yield _RULE
    yield from _line("no token needed: 200", url, "/api/public")
    yield from _line("any valid token: 200", url, "/api/private", issuer.token())
    yield from _line("a token with the scope: 200", url, "/api/private-scoped", issuer.token(scope="read:messages"))
    yield from _line("a token without the scope: 403", url, "/api/private-scoped", issuer.token(scope="openid"))
    yield from _line("an expired token: 401", url, "/api/private", issuer.token(expires_in=-3600))
    yield from _line("how the guard is: 200", url, "/auth/health")
    yield _RULE


def _line(title: str, url: str, path: str, token: str | None = None) -> Iterator[str]:
    yield f"# {title}"
    yield f"curl -i {url}{path}" + (f" -H 'Authorization: Bearer {token}'" if token else "")


if __name__ == "__main__":
    main()
