"""The page of ``examples/browser``, in a real browser: what its user sees of each answer, across two origins."""

from __future__ import annotations

import importlib.util
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from flask import Flask, request
from processes import eventually
from werkzeug.serving import WSGIRequestHandler, make_server

from auth0_blueprint.testing import LocalIssuer

from .browser import Browser, chromium

EXAMPLE = ROOT / "examples" / "browser"


class _Pages(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        """Have nothing kept: each test has settings of its own."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Requests(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


class Stage:
    """The page on one origin, the API on another, and what the API was asked.

    Attributes:
        page: where the page is.
        api: where the API is.
        asked: the methods of the requests for messages, and whether they had a token.
    """

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, bool]] = []
        self._folder = folder
        self._pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=folder))
        self.page = f"http://127.0.0.1:{self._pages.server_port}"
        self.api = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve the page."""
        with _in_background(self._pages):
            yield

    @contextmanager
    def serving(self, issuer: LocalIssuer, **settings: Any) -> Iterator[None]:
        """Serve the API, a new one that has no keys yet, and have the page ask it."""
        app = _create_app({**issuer.settings, "CORS_ORIGINS": [self.page], **settings})
        app.before_request(self._note)
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Requests)
        self.api = f"http://127.0.0.1:{server.server_port}"
        (self._folder / "settings.js").write_text(f'export const API = "{self.api}";\n')
        self.asked.clear()
        with _in_background(server):
            yield

    def _note(self) -> None:
        self.asked.append((request.method, "Authorization" in request.headers))


def _create_app(settings: dict[str, Any]) -> Flask:
    spec = importlib.util.spec_from_file_location("app_of_the_browser_example", EXAMPLE / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app: Flask = module.create_app(settings)
    return app


@contextmanager
def _in_background(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(EXAMPLE / "page", folder, dirs_exist_ok=True)
    stage = Stage(folder)
    with stage.running():
        yield stage


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each test leaves a picture of what it has seen, for people."""
    return tmp_path_factory.mktemp("pictures")


def ask(browser: Browser, stage: Stage, token: str, picture: Path) -> str:
    """Load the page, ask with *token*, and return the state that is shown then."""
    browser.open(stage.page)
    browser.type("#token", token)
    browser.click("button")
    eventually(lambda: state_of(browser) not in {"idle", "waiting"})
    browser.picture(picture)
    return state_of(browser)


def ask_again(browser: Browser) -> str:
    """Ask with the same token, and return the state that is shown then."""
    browser.click("button")
    eventually(lambda: state_of(browser) != "waiting")
    return state_of(browser)


def state_of(browser: Browser) -> str:
    return str(browser.run("return document.getElementById('result').dataset.state"))


def facts_of(browser: Browser) -> dict[str, str]:
    """Return what the page says under "What the API has answered"."""
    pairs = "[...document.querySelectorAll('dt')].map(t => [t.textContent, t.nextElementSibling.textContent])"
    return dict(browser.run(f"return {pairs}"))


def test_whoever_may_read_reads(browser: Browser, stage: Stage, session_issuer: LocalIssuer, pictures: Path) -> None:
    """After a preflight without a token; the two origins are different ones."""
    browser.complaints()
    with stage.serving(session_issuer):
        token = session_issuer.token(scope="read:messages", sub="<b>auth0|ada</b>")
        assert ask(browser, stage, token, pictures / "200.png") == "ok"
        assert stage.asked == [("OPTIONS", False), ("GET", True)]
    assert stage.page != stage.api
    assert browser.text("#result h2") == "Your messages"
    assert "<b>auth0|ada</b> Good!" in browser.text("#result ul"), "shown as text, never as HTML"
    assert facts_of(browser) == {"Status": "200"}
    assert browser.complaints() == [], "of the page's Content-Security-Policy, for example"


def test_whoever_has_no_token_is_told_to_sign_in(
    browser: Browser, stage: Stage, session_issuer: LocalIssuer, pictures: Path
) -> None:
    """The browser asks without a preflight then, and the bare challenge can be read."""
    with stage.serving(session_issuer):
        assert ask(browser, stage, "", pictures / "401.png") == "signed-out"
        assert stage.asked == [("GET", False)]
    assert browser.text("#result h2") == "You are not signed in"
    assert facts_of(browser) == {
        "Status": "401",
        "Code": "authorization_header_missing",
        "Description": "The request has no Authorization header.",
        "WWW-Authenticate": 'Bearer realm="api"',
    }


def test_whose_token_has_expired_is_told_to_sign_in_again(
    browser: Browser, stage: Stage, session_issuer: LocalIssuer, pictures: Path
) -> None:
    """Other words than for somebody who never was signed in."""
    with stage.serving(session_issuer):
        assert ask(browser, stage, session_issuer.token(expires_in=-60), pictures / "401-expired.png") == "expired"
    assert browser.text("#result h2") == "Your session has ended"
    assert facts_of(browser)["Code"] == "token_expired"


def test_whoever_may_not_read_is_told_what_is_missing(
    browser: Browser, stage: Stage, session_issuer: LocalIssuer, pictures: Path
) -> None:
    """The scope is in the challenge, which CORS has to let the page read."""
    with stage.serving(session_issuer):
        assert ask(browser, stage, session_issuer.token(scope="openid"), pictures / "403.png") == "forbidden"
    assert browser.text("#result h2") == "You may not read messages"
    assert "Your account lacks: read:messages." in browser.text("#result .advice")
    assert facts_of(browser)["Status"] == "403"


def test_in_an_outage_nobody_is_told_to_sign_in(
    browser: Browser, stage: Stage, issuer: LocalIssuer, pictures: Path
) -> None:
    """They are told when to try again, and it works then."""
    token = issuer.token(scope="read:messages")
    with stage.serving(issuer):
        with issuer.outage():
            assert ask(browser, stage, token, pictures / "503.png") == "unavailable"
            facts = facts_of(browser)
        assert (facts["Status"], facts["Code"]) == ("503", "key_set_unavailable")
        assert "WWW-Authenticate" not in facts
        assert "you need not sign in again" in browser.text("#result .advice")
        assert browser.text("#result .wait").startswith("Try again")
        assert int(facts["Retry-After"]) >= 1
        eventually(lambda: ask_again(browser) == "ok")


def test_a_page_of_another_origin_reads_nothing(
    browser: Browser, stage: Stage, session_issuer: LocalIssuer, pictures: Path
) -> None:
    """With the best of tokens: the preflight does not let it in, so the token is not even sent."""
    with stage.serving(session_issuer, CORS_ORIGINS=["https://elsewhere.example.com"]):
        token = session_issuer.token(scope="read:messages")
        assert ask(browser, stage, token, pictures / "other-origin.png") == "unreachable"
        assert stage.asked == [("OPTIONS", False)]


def test_the_page_can_be_used_by_keyboard_and_by_ear(
    browser: Browser, stage: Stage, session_issuer: LocalIssuer
) -> None:
    """The field has a name, the answer is announced, and the focus stays where it was."""
    tab, enter = "\ue004", "\ue007"
    with stage.serving(session_issuer):
        browser.open(stage.page)
        browser.press(tab, "x", tab, enter)
        eventually(lambda: state_of(browser) == "refused")
    assert browser.role("#token") == ("textbox", "Access token")
    assert browser.role("button") == ("button", "Read messages")
    assert browser.role("#result [role=status]")[0] == "status"
    assert browser.role("#result") == ("region", "Your login was not accepted")
    assert browser.run("return document.activeElement.textContent") == "Read messages"
