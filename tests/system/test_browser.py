"""The page of ``examples/browser``, in a real browser: what its user sees of each answer, across two origins."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from flask import Flask, request
from processes import eventually
from servers import in_background, served

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


@dataclass
class Stage:
    """The page on one origin, the API on another, and what the API was asked.

    Attributes:
        folder: the page is there.
        page: where the page is.
        pictures: where each test leaves a picture of what it has seen, for people.
        issuer: whose tokens the API takes.
        api: where the API is.
        asked: the methods of the requests for messages, and whether they had a token.
    """

    browser: Browser
    folder: Path
    page: str
    pictures: Path
    issuer: LocalIssuer
    api: str = ""
    asked: list[tuple[str, bool]] = field(default_factory=list)

    @contextmanager
    def serving(self, **settings: Any) -> Iterator[None]:
        """Serve the API, a new one that has no keys yet, and have the page ask it."""
        app = _create_app({**self.issuer.settings, "CORS_ORIGINS": [self.page], **settings})
        app.before_request(lambda: self.asked.append((request.method, "Authorization" in request.headers)))
        self.asked.clear()
        with served(app) as self.api:
            (self.folder / "settings.js").write_text(f'export const API = "{self.api}";\n')
            yield

    def state(self) -> str:
        return str(self.browser.run("return document.getElementById('result').dataset.state"))

    def ask(self, token: str, picture: str) -> str:
        """Load the page, ask with *token*, and return the state that is shown then."""
        self.browser.open(self.page)
        self.browser.type("#token", token)
        state = self.ask_again()
        self.browser.picture(self.pictures / picture)
        return state

    def ask_again(self) -> str:
        """Ask with the same token, and return the state that is shown then."""
        self.browser.click("button")
        eventually(lambda: self.state() not in {"idle", "waiting"})
        return self.state()

    def title(self) -> str:
        return self.browser.text("#result h2")

    def facts(self) -> dict[str, str]:
        """Return what the page says under "What the API has answered"."""
        pairs = "[...document.querySelectorAll('dt')].map(t => [t.textContent, t.nextElementSibling.textContent])"
        return dict(self.browser.run(f"return {pairs}"))


def _create_app(settings: dict[str, Any]) -> Flask:
    app: Flask = runpy.run_path(str(EXAMPLE / "app.py"))["create_app"](settings)
    return app


@pytest.fixture(scope="module")
def stage(session_issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, pictures, own = (tmp_path_factory.mktemp(name) for name in ("page", "pictures", "chromium"))
    shutil.copytree(EXAMPLE / "page", folder, dirs_exist_ok=True)
    pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=folder))
    with in_background(pages), chromium(own) as browser:
        yield Stage(browser, folder, f"http://127.0.0.1:{pages.server_port}", pictures, session_issuer)


def test_whoever_may_read_reads(stage: Stage) -> None:
    """After a preflight without a token; the two origins are different ones."""
    stage.browser.complaints()
    with stage.serving():
        assert stage.ask(stage.issuer.token(scope="read:messages", sub="<b>auth0|ada</b>"), "200.png") == "ok"
        assert stage.asked == [("OPTIONS", False), ("GET", True)]
    assert stage.page != stage.api
    assert stage.title() == "Your messages"
    assert "<b>auth0|ada</b> Good!" in stage.browser.text("#result ul"), "shown as text, never as HTML"
    assert stage.facts() == {"Status": "200"}
    assert stage.browser.complaints() == [], "of the page's Content-Security-Policy, for example"


def test_whoever_has_no_token_is_told_to_sign_in(stage: Stage) -> None:
    """The browser asks without a preflight then, and the bare challenge can be read."""
    with stage.serving():
        assert stage.ask("", "401.png") == "signed-out"
        assert stage.asked == [("GET", False)]
    assert stage.title() == "You are not signed in"
    assert stage.facts() == {
        "Status": "401",
        "Code": "authorization_header_missing",
        "Description": "The request has no Authorization header.",
        "WWW-Authenticate": 'Bearer realm="api"',
    }


def test_whose_token_has_expired_is_told_to_sign_in_again(stage: Stage) -> None:
    """Other words than for somebody who never was signed in."""
    with stage.serving():
        assert stage.ask(stage.issuer.token(expires_in=-60), "401-expired.png") == "expired"
    assert (stage.title(), stage.facts()["Code"]) == ("Your session has ended", "token_expired")


def test_whoever_may_not_read_is_told_what_is_missing(stage: Stage) -> None:
    """The scope is in the challenge, which CORS has to let the page read."""
    with stage.serving():
        assert stage.ask(stage.issuer.token(scope="openid"), "403.png") == "forbidden"
    assert (stage.title(), stage.facts()["Status"]) == ("You may not read messages", "403")
    assert "Your account lacks: read:messages." in stage.browser.text("#result .advice")


def test_in_an_outage_nobody_is_told_to_sign_in(stage: Stage) -> None:
    """They are told when to try again, and it works then."""
    with stage.serving():
        with stage.issuer.outage():
            assert stage.ask(stage.issuer.token(scope="read:messages"), "503.png") == "unavailable"
            facts = stage.facts()
        assert (facts["Status"], facts["Code"]) == ("503", "key_set_unavailable")
        assert "WWW-Authenticate" not in facts
        assert "you need not sign in again" in stage.browser.text("#result .advice")
        assert stage.browser.text("#result .wait").startswith("Try again")
        assert int(facts["Retry-After"]) >= 1
        eventually(lambda: stage.ask_again() == "ok")


def test_a_page_of_another_origin_reads_nothing(stage: Stage) -> None:
    """With the best of tokens: the preflight does not let it in, so the token is not even sent."""
    with stage.serving(CORS_ORIGINS=["https://elsewhere.example.com"]):
        assert stage.ask(stage.issuer.token(scope="read:messages"), "other-origin.png") == "unreachable"
        assert stage.asked == [("OPTIONS", False)]


def test_the_page_can_be_used_by_keyboard_and_by_ear(stage: Stage) -> None:
    """The field has a name, the answer is announced, and the focus stays where it was."""
    tab, enter = "\ue004", "\ue007"
    with stage.serving():
        stage.browser.open(stage.page)
        stage.browser.press(tab, "x", tab, enter)
        eventually(lambda: stage.state() == "refused")
    role = stage.browser.role
    assert (role("#token"), role("button")) == (("textbox", "Access token"), ("button", "Read messages"))
    assert role("#result [role=status]")[0] == "status"
    assert role("#result") == ("region", "Your login was not accepted")
    assert stage.browser.run("return document.activeElement.textContent") == "Read messages"
