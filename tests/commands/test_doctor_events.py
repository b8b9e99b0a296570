"""What ``flask auth0 doctor`` finds out about the senders of events, and about the way to their routes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import AppFactory
from flask import Flask
from programs import command
from servers import Answer, RawServer, document, in_background, respond, served

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.testing import LocalIssuer

KINDS = ["logout", "security", "auth0", "global-token-revocation"]


def found(app: Flask, check: str) -> list[dict[str, Any]]:
    report = json.loads(command("doctor", "--json")(app).stdout)
    return [one for one in report["checks"] if one["check"] == check]


def address(server: RawServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_each_sender_has_a_line_and_so_has_that_nothing_was_tried(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app(**issuer.event_settings)
    assert [(one["status"], one["text"].partition(":")[0], one["issuer"]) for one in found(app, "senders")] == [
        ("ok", kind, issuer.issuer) for kind in KINDS if kind != "auth0"
    ]
    (events,) = found(app, "events")
    assert (events["status"], "not tested" in events["text"]) == ("ok", True)


def test_without_senders_nothing_is_said(app: Flask) -> None:
    assert found(app, "senders") == found(app, "events") == []


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (respond(body=document("a")), "ok", "security: 1 usable from http://127.0.0.1:"),
        (respond("404 Not Found"), "fail", "security: HTTP status 404 from http://127.0.0.1:"),
        (respond(body=b'{"keys": []}'), "fail", "security: the key set holds no usable "),
    ],
)
def test_the_keys_of_another_sender_are_fetched(make_app: AppFactory, answer: Answer, status: str, text: str) -> None:
    server = RawServer(answer)
    with in_background(server):
        sender = {"issuer": "https://other.example.com/", "jwks_url": f"{address(server)}/keys", "audience": "a"}
        result = command("doctor", "--json")(
            make_app(AUTH0_EVENT_TRANSMITTERS=[sender], AUTH0_GLOBAL_REVOCATION=[sender])
        )
    first, second = (one for one in json.loads(result.stdout)["checks"] if one["check"] == "senders")
    assert (first["status"], first["text"][: len(text)], first["issuer"]) == (status, text, sender["issuer"])
    assert ("AUTH0_EVENT_TRANSMITTERS" in first["remedy"], "AUTH0_GLOBAL_REVOCATION" in second["remedy"]) == (
        (status == "fail",) * 2
    )
    assert (result.exit_code, len(server.heads)) == (int(status == "fail"), 1)


def test_routes_that_clients_reach_are_fine_wherever_they_are(make_app: AppFactory, issuer: LocalIssuer) -> None:
    def app(**settings: Any) -> Flask:
        return make_app(Auth0Blueprint("guard", url_prefix="/own"), **issuer.event_settings, **settings)

    with served(app()) as url:
        events = found(app(AUTH0_PUBLIC_URL=url), "events")
    assert [(one["status"], one["text"]) for one in events] == [
        ("ok", f"{url}/own/events/{kind} answers, and refuses what is not an event") for kind in KINDS
    ]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("404 Not Found", "does not exist (HTTP status 404)"),
        ("200 OK", "something other than this package answers at"),
        ("400 Bad Request", "something other than this package answers at"),
        (None, "no connection, or a broken answer"),
    ],
)
def test_a_route_that_senders_do_not_reach_is_a_warning_with_a_remedy(
    make_app: AppFactory, answer: str | None, text: str
) -> None:
    """Also where a proxy answers with the statuses that the package has, or an app without such senders."""
    said = b"Not found." if "404" in (answer or "") else b"Bad."
    server = RawServer(respond(answer or "", b'{"code": "not_found", "error_description": "%s"}' % said))
    with in_background(server):
        if answer is None:
            server.socket.close()
        app = make_app(AUTH0_LOGOUT_CLIENT_IDS="a", AUTH0_PUBLIC_URL=address(server))
        (events,) = found(app, "events")
    assert (events["status"], text in events["text"]) == ("warn", True), events
    assert "check AUTH0_PUBLIC_URL" in events["remedy"]
