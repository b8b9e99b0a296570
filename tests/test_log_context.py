"""The caller on each line of a log, by `logging` and by real structlog; what docs/logs.md says of gunicorn."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask.globals
import pytest
import requests
import structlog
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask, copy_current_request_context
from processes import gunicorn

from auth0_blueprint import (
    Auth0Error,
    CallerFilter,
    add_caller,
    get_current_token,
    has_scope,
    requires_auth,
    requires_scope,
    verify_token,
)
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "logs.md"
SHOW, CONFIGURE, STRUCTLOG = (block.code for block in python_blocks(PAGE))
NAMES = ("auth0_subject", "auth0_client", "auth0_organization", "auth0_token", "auth0_outcome")
NOBODY = dict.fromkeys(NAMES[:4])

Line = dict[str, Any]


class Lines(logging.Handler):
    """Keeps what the filter has put onto each record."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(CallerFilter())
        self.seen: list[tuple[str, Line]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.getMessage(), {name: getattr(record, name) for name in NAMES}))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root, ours = Lines(), logging.getLogger(), logging.getLogger("auth0_blueprint")
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    ours.setLevel(logging.NOTSET)


@pytest.fixture
def log() -> Iterator[Callable[[str], Line]]:
    """Log a line with structlog, configured as the page does, and return it."""
    stream = io.StringIO()
    run_block(PAGE, STRUCTLOG)["configure_structlog"]()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))

    def say(event: str) -> Line:
        structlog.get_logger().warning(event, auth0_subject="forged", own=1)
        return {**json.loads(stream.getvalue().splitlines()[-1])}

    yield say
    structlog.reset_defaults()


def logged(line: Line) -> Line:
    return {name: line[name] for name in NAMES}


@pytest.fixture
def api(app: Flask, log: Callable[[str], Line]) -> Flask:
    """Views that answer with the line that they log; a hook that does so at the end of each request."""
    guards: dict[str, Any] = {
        "optional": requires_auth(optional=True),
        "any": requires_auth,
        "scope": requires_scope("a"),
    }
    app.add_url_rule("/open", "open", lambda: logged(log("view")))
    for name, guard in guards.items():
        app.add_url_rule(f"/{name}", name, guard(lambda: logged(log("view"))))

    @app.after_request
    def hook(response: Any) -> Any:
        logging.getLogger("hook").warning("answered")
        return response

    return app


@pytest.mark.parametrize(
    ("path", "claims", "outcome", "is_known"),
    [
        ("/open", {}, "none", False),
        ("/open", None, "none", False),
        ("/nowhere", {}, "none", False),
        ("/any", {}, "verified", True),
        ("/optional", {}, "verified", True),
        ("/optional", None, "anonymous", False),
        ("/any", None, "authorization_header_missing", False),
        ("/any", {"expires_in": -60}, "token_expired", False),
        ("/optional", {"aud": "other"}, "invalid_claims", False),
        ("/scope", {}, "insufficient_scope", True),
        ("/auth/admin/stats", {}, "insufficient_scope", True),
        ("/auth/health", {"expires_in": -60}, "none", False),
    ],
)
def test_each_line_of_a_request_has_the_caller_and_the_outcome(
    api: Flask, issuer: LocalIssuer, lines: Lines, path: str, claims: Line | None, outcome: str, is_known: bool
) -> None:
    token = None if claims is None else issuer.token(sub="auth0|ada", azp="shop", org_id="org_1", **claims)
    response = api.test_client().get(path, headers=bearer(token) if token else {})
    message, at_the_end = lines.seen[-1]
    assert (message, at_the_end["auth0_outcome"]) == ("answered", outcome)
    digest = at_the_end.pop("auth0_token")
    known = {"auth0_subject": "auth0|ada", "auth0_client": "shop", "auth0_organization": "org_1"}
    assert at_the_end | {"auth0_token": None} == (known if is_known else NOBODY) | {
        "auth0_token": None,
        "auth0_outcome": outcome,
    }
    assert (digest is not None) == is_known
    if response.status_code == 200 and response.json and "auth0_outcome" in response.json:
        assert response.json == at_the_end | {"auth0_token": digest}
    refusals = [line for message, line in lines.seen if message.startswith("refused: ")]
    assert [line["auth0_outcome"] for line in refusals] == [outcome] * (response.status_code in {401, 403})
    if token is not None:
        assert not any(part in str(lines.seen) for part in token.split("."))


def test_the_digest_is_that_of_the_repr_and_tells_tokens_apart(api: Flask, issuer: LocalIssuer) -> None:
    seen = []
    api.add_url_rule("/repr", "repr", requires_auth(lambda: repr(get_current_token())))
    for token in (issuer.token(jti="a"), issuer.token(jti="b")):
        line = api.test_client().get("/any", headers=bearer(token)).json
        assert line is not None
        assert f"id={line['auth0_token']}>" in api.test_client().get("/repr", headers=bearer(token)).text
        seen.append(line["auth0_token"])
    assert len(set(seen)) == 2


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("a\nINFO forged\x1b[31m", r"a\nINFO forged\x1b[31m"),
        ("é'\u2028", r"\xe9'\u2028"),
        ("a" * 1000, "a" * 300),
        ("\n" * 200, r"\n" * 150),
    ],
)
def test_values_are_escaped_and_cut(api: Flask, issuer: LocalIssuer, subject: str, shown: str) -> None:
    token = issuer.token(sub=subject, azp=subject, org_id=subject)
    line = api.test_client().get("/any", headers=bearer(token)).json
    assert line is not None
    assert [line[name] for name in NAMES[:3]] == [shown] * 3


def test_outside_of_requests_and_in_other_apps_nobody_is_named(
    api: Flask, make_app: AppFactory, issuer: LocalIssuer, log: Callable[[str], Line]
) -> None:
    nobody, others = {**NOBODY, "auth0_outcome": "none"}, (make_app(), Flask("bare"))
    lines: list[Line] = [log("outside")]
    with api.app_context():
        lines.append(log("in the context of the app"))

    @api.get("/others")
    def view() -> str:
        with pytest.raises(Auth0Error):
            requires_auth(lambda: "")()
        for other in others:
            with other.app_context():
                lines.append(log("in the context of another app"))
        reset = flask.globals._cv_app.set(None)  # type: ignore[arg-type]
        try:
            lines.append(log("without the context of an app"))
        finally:
            flask.globals._cv_app.reset(reset)
        return str(log("here")["auth0_outcome"])

    assert api.test_client().get("/others").text == "authorization_header_missing"
    context = api.test_request_context()
    with context:
        context.pop()
        lines.append(log("after the context"))
        context.push()
    assert [logged(line) for line in lines] == [nobody] * 6
    assert {(line["event"], line["own"], line["level"]) for line in lines[:1]} == {("outside", 1, "warning")}


def test_a_thread_names_the_caller_if_it_has_the_request(
    api: Flask, issuer: LocalIssuer, log: Callable[[str], Line]
) -> None:
    @api.get("/threads")
    @requires_auth
    def view() -> list[Any]:
        seen: list[Line] = []

        def note() -> None:
            seen.append(log("in a thread"))

        for function in (copy_current_request_context(note), note):
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()
        return [line["auth0_outcome"] for line in seen]

    assert api.test_client().get("/threads", headers=bearer(issuer.token())).json == ["verified", "none"]


def test_a_token_that_is_no_caller_s_and_a_question_change_nothing(
    api: Flask, issuer: LocalIssuer, log: Callable[[str], Line]
) -> None:
    @api.get("/asks")
    @requires_auth
    def view() -> str:
        assert not has_scope("more")
        with pytest.raises(Auth0Error):
            verify_token("a.b.c")
        return str(log("asked")["auth0_outcome"])

    assert api.test_client().get("/asks", headers=bearer(issuer.token())).text == "verified"


def test_a_processor_returns_the_line_that_it_was_given() -> None:
    line: Line = {"event": "a"}
    assert add_caller(None, "info", line) is line
    assert line == {"event": "a", **NOBODY, "auth0_outcome": "none"}


def test_the_configuration_of_the_page_shows_refusals(
    app: Flask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, ours = logging.getLogger(), logging.getLogger("auth0_blueprint")
    before = root.level, root.handlers[:], ours.level
    try:
        run_block(PAGE, CONFIGURE)["configure_logging"]()
        app.test_client().get("/auth/me")
        (line,) = capsys.readouterr().err.splitlines()
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        ours.setLevel(before[2])
    code = "authorization_header_missing"
    assert line == f"INFO refused: {code} ({code}) [{code} -]"


APP = """
from flask import Flask
from auth0_blueprint import Auth0Blueprint

app = Flask(__name__)
app.config["AUTH0_LEWAY"] = 5  # a typo, which is a warning
app.register_blueprint(Auth0Blueprint())
"""


@pytest.mark.parametrize("is_set_up", [False, True])
def test_under_gunicorn_as_it_comes_refusals_are_seen_at_the_level_that_the_page_says(
    issuer: LocalIssuer, tmp_path: Path, is_set_up: bool
) -> None:
    """By default warnings only; once the lines of the page are in the app, refusals as well."""
    (tmp_path / "served.py").write_text(f"{SHOW}\n\nshow_refusals()\n{APP}" if is_set_up else APP)
    environment = {"AUTH0_ISSUER": issuer.issuer, "AUTH0_AUDIENCE": issuer.audience}
    with (tmp_path / "errors.txt").open("w") as errors:
        options = ("--log-level", "info")  # gunicorn's default, and not what other tests run it with
        with gunicorn("served:app", tmp_path, environment, *options, stderr=errors) as (url, _):
            assert requests.get(f"{url}/auth/me", timeout=10).status_code == 401
    found = [line for line in (tmp_path / "errors.txt").read_text().splitlines() if "[INFO]" not in line]
    code = "authorization_header_missing"
    refusals = [line for line in found if f"refused: {code} ({code})" in line]
    assert any("is not a known setting: did you mean AUTH0_LEEWAY?" in line for line in found)
    (shown,) = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if "INFO auth0_blueprint: refused" in line
    ]
    assert [line.split(" ", 2)[2] for line in refusals] == [shown.split(" ", 2)[2]] * is_set_up
