"""``flask auth0 events send``: what it posts, what it says of the answer, and what it never prints."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from programs import command
from servers import RawServer, in_background, respond, served

from auth0_blueprint import Auth0Blueprint, RevocationUnavailableError
from auth0_blueprint.testing import LocalIssuer

send = command("events", "send")
SIGNED = {"logout": 200, "security": 202, "global-token-revocation": 204}


@pytest.fixture
def hearing(make_app: AppFactory, issuer: LocalIssuer) -> Flask:
    """An app that takes all events of the issuer, which signs them on request."""
    issuer.sign_events_on_request()
    return make_app(**issuer.event_settings)


@pytest.fixture
def url(hearing: Flask) -> Iterator[str]:
    with served(hearing) as url:
        yield url


def status(app: Flask, token: str) -> int:
    return app.test_client().get("/auth/me", headers=bearer(token)).status_code


@pytest.mark.parametrize("by_address", [False, True])
@pytest.mark.parametrize("kind", SIGNED)
def test_a_signed_event_ends_the_tokens_of_its_subject(
    app: Flask, hearing: Flask, issuer: LocalIssuer, url: str, kind: str, by_address: bool
) -> None:
    """With the settings of the app; or with the issuer that the demo prints, and then whatever the app has."""
    token, others = issuer.token(sub="auth0|leaving"), issuer.token(sub="auth0|staying")
    words = ["--kind", kind, "--subject", "auth0|leaving", "--url", url]
    result = send(*((app, *words, "--issuer", issuer.issuer) if by_address else (hearing, *words)))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{url}/auth/events/{kind}: HTTP status {SIGNED[kind]}",
        "accepted: the tokens issued to the user so far are refused from now on",
    ]
    assert (status(hearing, token), status(hearing, others)) == (401, 200)


def test_a_test_event_of_auth0_shows_that_route_and_secret_work_and_ends_nothing(
    hearing: Flask, issuer: LocalIssuer, url: str
) -> None:
    token = issuer.token()
    result = send(hearing, "--kind", "auth0", "--subject", "auth0|local-user", "--url", url, "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said.pop("text")[:9]) == (0, "accepted:")
    assert said == {"kind": "auth0", "url": f"{url}/auth/events/auth0", "status": 204, "accepted": True}
    assert status(hearing, token) == 200
    assert issuer.event_secret not in result.output


def test_another_secret_is_refused_and_neither_is_printed(make_app: AppFactory, issuer: LocalIssuer, url: str) -> None:
    result = send(make_app(AUTH0_EVENT_SECRETS="s" * 32), "--kind", "auth0", "--url", url)
    assert result.exit_code == 1
    assert "the app there has another secret; compare AUTH0_EVENT_SECRETS" in result.stdout
    assert "s" * 32 not in result.output


def test_without_a_url_it_goes_where_clients_see_the_app_with_the_prefix_of_the_blueprint(
    make_app: AppFactory, issuer: LocalIssuer
) -> None:
    server = RawServer(respond("204 No Content"))
    with in_background(server):
        settings = {**issuer.event_settings, "AUTH0_PUBLIC_URL": f"http://127.0.0.1:{server.server_address[1]}/v1"}
        result = send(make_app(Auth0Blueprint("guard", url_prefix="/own"), **settings), "--kind", "auth0")
    assert result.exit_code == 0, result.output
    assert server.heads[0].startswith(b"POST /v1/own/events/auth0 ")


def test_a_refusal_says_why_in_the_words_of_the_package(make_app: AppFactory, issuer: LocalIssuer, url: str) -> None:
    issuer.sign_events_on_request()
    result = send(make_app(AUTH0_LOGOUT_CLIENT_IDS="another"), "--url", url)
    assert (result.exit_code, result.stdout.splitlines()[1]) == (
        1,
        "refused: The event was issued for another audience.",
    )


ECHO = b'{"error_description": "%s", "code": "x"}'


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("301 Moved Permanently", "redirected, which senders do not follow: use the URL that it leads to"),
        ("404 Not Found", "no such route: check the URL, and that the app there has AUTH0_EVENT_SECRETS"),
        ("400 Bad Request", "not the answer of the app"),
        ("401 Unauthorized", "not the answer of the app"),
        ("502 Bad Gateway", "the app has failed, or the proxy in front of it"),
    ],
)
def test_what_others_answer_is_explained_and_never_repeated(
    hearing: Flask, issuer: LocalIssuer, answer: str, text: str
) -> None:
    server = RawServer(respond(answer, ECHO % issuer.event_secret.encode(), Location="https://elsewhere.example.com/"))
    with in_background(server):
        result = send(hearing, "--kind", "auth0", "--url", f"http://127.0.0.1:{server.server_address[1]}")
    assert (result.exit_code, text in result.stdout) == (1, True)
    assert issuer.event_secret not in result.output


def test_an_app_that_cannot_store_the_event_is_one_to_send_it_to_again(hearing: Flask) -> None:
    said = RevocationUnavailableError().description
    body = json.dumps({"code": "revocation_unavailable", "error_description": said}).encode()
    server = RawServer(respond("503 Service Unavailable", body))
    with in_background(server):
        result = send(hearing, "--url", f"http://127.0.0.1:{server.server_address[1]}")
    assert f"not accepted now: {said} A real sender would repeat it" in result.stdout


def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("settings", "words", "exit_code", "text"),
    [
        ({}, [], 1, "This app does not accept such events. To solve this, set AUTH0_LOGOUT_CLIENT_IDS."),
        ({}, ["--kind", "security"], 1, "set AUTH0_EVENT_TRANSMITTERS."),
        ({"AUTH0_EVENT_SECRETS": "s" * 32}, ["--kind", "auth0", "--url", unused_url()], 1, "did not answer"),
        ({"AUTH0_LOGOUT_CLIENT_IDS": "a"}, ["--url", "http://api.example.com"], 2, "must be https, or http on this"),
        ({}, ["--issuer", "https://example.eu.auth0.com/"], 2, "must be that of flask auth0 demo, on this machine"),
        ({}, ["--issuer", unused_url()], 1, "it is not the issuer of a running flask auth0 demo"),
        ({}, ["--issuer", unused_url(), "--kind", "auth0"], 2, "those of kind auth0 are not signed"),
        ({"AUTH0_LOGOUT_CLIENT_IDS": "a"}, [], 1, "it is not the issuer of a running flask auth0 demo"),
    ],
)
def test_what_cannot_be_sent_is_a_sentence(
    make_app: AppFactory, settings: dict[str, Any], words: list[str], exit_code: int, text: str
) -> None:
    result = send(make_app(**settings), *words)
    assert (result.exit_code, text in result.stderr) == (exit_code, True), result.output
    assert result.stdout == ""


@pytest.mark.parametrize("kind", SIGNED)
def test_the_key_of_a_real_sender_is_nobody_elses_and_there_is_another_way(make_app: AppFactory, kind: str) -> None:
    sender = json.dumps([{"issuer": "https://i.example.com/", "jwks_url": "https://i.example.com/k", "audience": "a"}])
    app = make_app(
        AUTH0_ISSUER="https://i.example.com/",
        AUTH0_LOGOUT_CLIENT_IDS="a",
        AUTH0_EVENT_TRANSMITTERS=sender,
        AUTH0_GLOBAL_REVOCATION=sender,
    )
    result = send(app, "--kind", kind)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Only https://i.example.com/ can sign such an event. To test the route, ")
    assert "flask auth0 demo" in result.stderr
