"""Try an app without an Auth0 account: a local issuer, the app configured for it, and curl lines with fresh tokens.

``python -m auth0_blueprint.testing.demo wsgi:create_app`` or ``server:app``, or ``flask auth0 demo`` with the app of
`demo_app`.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.serving import make_server

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.guards.authentication import EXTENSION, app_state
from auth0_blueprint.settings.event_senders import has_senders
from auth0_blueprint.testing.events import LOCAL_CLIENT
from auth0_blueprint.testing.local_issuer import LocalIssuer

_RULE = "-" * 78

_LEAVING_USER = "auth0|leaving-user"
#: As long as the access tokens: nobody need hurry to try it.
_LOGOUT_SECONDS = 3600


class TrialRequest(NamedTuple):
    """A request to try: what it shows, the expected status, its path, and its token, if any.

    It is a GET, or with a form, the POST of that.
    """

    title: str
    status: int
    path: str
    token: str | None
    form: dict[str, str] | None = None


class Demo(NamedTuple):
    """What is being served: the URLs of issuer and API, and requests to try."""

    issuer: str
    api: str
    requests: list[TrialRequest]


def main(arguments: list[str] | None = None) -> None:
    """Serve the app ``module:app``, or the one that ``module:factory`` creates, until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m auth0_blueprint.testing.demo", description=__doc__)
    parser.add_argument(
        "app",
        metavar="module:name",
        help="a Flask app, or a function that returns one, and may take a mapping of settings (default: create_app)",
    )
    parser.add_argument("--port", type=int, default=5000, help="0 picks a free one (default: %(default)s)")
    options = parser.parse_args(arguments)
    sys.path.insert(0, "")

    def announce(demo: Demo) -> None:
        for line in invitation(demo):
            print(line, flush=True)  # noqa: T201 - the output is the purpose

    serve(_factory(options.app), options.port, announce)


def serve(factory: Callable[[dict[str, Any]], Flask], port: int, announce: Callable[[Demo], object]) -> None:
    """Serve the app that *factory* creates, with a local issuer, until interrupted.

    Args:
        factory: takes a mapping of settings, returns a Flask app.
        port: on loopback; 0 picks a free one.
        announce: called with what is served, before the first request.
    """
    with LocalIssuer() as issuer:
        issuer.sign_events_on_request()
        app = factory({**issuer.settings, **issuer.event_settings})
        server = make_server("127.0.0.1", port, app, threaded=True)
        try:
            announce(Demo(issuer.issuer, f"http://127.0.0.1:{server.server_port}", _requests(issuer, app)))
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()


def invitation(demo: Demo) -> Iterator[str]:
    """Yield the lines that tell the user how to try it."""
    yield f"Local issuer at {demo.issuer}, API at {demo.api}. Stop with Ctrl+C. Paste into another terminal:"
    yield _RULE
    for request in demo.requests:
        header = f" -H 'Authorization: Bearer {request.token}'" if request.token else ""
        yield f"# {request.title}: {request.status}"
        form = "".join(f" --data-urlencode {name}={value}" for name, value in (request.form or {}).items())
        yield f"curl -i {demo.api}{request.path}{header}{form}"
    if any(request.form for request in demo.requests):
        yield "# the logout of another user, sent by this package"
        yield f"flask auth0 events send --subject 'auth0|somebody' --issuer {demo.issuer} --url {demo.api}"
    yield _RULE


def _requests(issuer: LocalIssuer, app: Flask) -> list[TrialRequest]:
    requests = [
        TrialRequest("no token needed", 200, "/api/public", None),
        TrialRequest("any valid token", 200, "/api/private", issuer.token()),
        TrialRequest("a token with the scope", 200, "/api/private-scoped", issuer.token(scope="read:messages")),
        TrialRequest("a token without the scope", 403, "/api/private-scoped", issuer.token(scope="openid")),
        TrialRequest("an expired token", 401, "/api/private", issuer.token(expires_in=-3600)),
        TrialRequest("the health of the guard", 200, "/auth/health", None),
    ]
    return [*requests, *_logout(issuer)] if _takes_logout(app) else requests


def _logout(issuer: LocalIssuer) -> list[TrialRequest]:
    token = issuer.token(sub=_LEAVING_USER)
    logout = issuer.logout_token(sub=_LEAVING_USER, expires_in=_LOGOUT_SECONDS)
    return [
        TrialRequest("a user who is about to log out", 200, "/api/private", token),
        TrialRequest("the issuer tells of the logout", 200, "/auth/events/logout", None, {"logout_token": logout}),
        TrialRequest("the same token after that", 401, "/api/private", token),
    ]


def _takes_logout(app: Flask) -> bool:
    with app.app_context():
        return LOCAL_CLIENT in app_state().settings.events.logout_client_ids


def _factory(name: str) -> Callable[[dict[str, Any]], Flask]:
    """Return a function that imports the app or factory *name*, with the settings in the environment as well."""

    def make(settings: dict[str, Any]) -> Flask:
        try:
            return attempt(settings)
        except ConfigurationError as exc:
            events = has_senders(settings)
            if not exc.problems.keys() <= set(events):
                raise
            # An app that revokes nothing takes no events.
            return attempt({**settings, **dict.fromkeys(events)})

    def attempt(settings: dict[str, Any]) -> Flask:
        os.environ.update({key: value or "" for key, value in settings.items()})
        module, _, attribute = name.partition(":")
        found: Any = getattr(importlib.import_module(module), attribute or "create_app", None)
        app = found if isinstance(found, Flask) or not callable(found) else _called(found, settings)
        if not isinstance(app, Flask):
            raise SystemExit(f"{name!r} is no Flask app, nor a function that returns one: name it as module:name.")
        _check_issuer(app, settings["AUTH0_ISSUER"])
        return app

    return make


def _called(factory: Callable[..., Any], settings: dict[str, Any]) -> Any:
    try:
        inspect.signature(factory).bind(settings)
    except (TypeError, ValueError):
        return factory()
    return factory(settings)


def _check_issuer(app: Flask, issuer: str) -> None:
    """Refuse an app that would refuse every token of the demo."""
    if EXTENSION not in app.extensions:
        raise SystemExit("The app has no Auth0Blueprint. To solve this, register one.")
    with app.app_context():
        state = app_state()
        accepted = state.settings.issuers
        if state.directory is not None:
            if state.directory.get(issuer) is None:
                raise SystemExit("The function in AUTH0_DOMAIN of app.config does not accept the local issuer.")
            return
    if issuer not in accepted:
        raise SystemExit(
            f"The app accepts tokens of {accepted[0]}, not of the local issuer: app.config overrides the environment. "
            "To solve this, leave AUTH0_DOMAIN and AUTH0_ISSUER out of app.config, or name a factory that puts the "
            "settings it is given over its own."
        )


if __name__ == "__main__":
    main()
