"""What docs/admin.md shows is what happens: its curl lines against a live server, its block of Python as it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator

import pytest
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask
from processes import completed
from servers import served

from auth0_blueprint import event_handled
from auth0_blueprint.settings.schema import SettingsSchema
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "admin.md"
VALUES = ("manage:auth0", "introspect:tokens")


def admin_token(issuer: LocalIssuer) -> str:
    return issuer.token(sub="auth0|grace", azp="console", scope=" ".join(VALUES), permissions=list(VALUES))


@pytest.fixture
def environment(make_app: AppFactory, issuer: LocalIssuer) -> Iterator[dict[str, str]]:
    """The variables that the page uses, and a live server behind ``$API``."""
    with served(make_app()) as address:
        yield {
            "PATH": os.environ["PATH"],
            "no_proxy": "*",
            "API": address,
            "ADMIN": admin_token(issuer),
            "TOKEN": issuer.token(sub="auth0|ada", azp="shop", scope="read:messages"),
            "OTHER": issuer.token(sub="auth0|eve"),
        }


def curl_lines() -> list[tuple[str, str, str]]:
    """Return command, status line and body of each curl line of the page, in their order."""
    return re.findall(r"^\$ (curl .*)\n(HTTP/.*)\n(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def members(body: str) -> set[str]:
    """Return the names at the top of *body*, as far as the page shows it."""
    depth, names = 0, set()
    for text in re.findall(r'"(?:[^"\\]|\\.)*":?|[\[{]|[\]}]', body):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text, 0)
        if depth == 1 and text.endswith(":"):
            names.add(json.loads(text[:-1]))
    return names


@pytest.mark.skipif(shutil.which("curl") is None, reason="the lines to paste need curl")
def test_the_curl_lines_get_the_answers_that_the_page_shows(environment: dict[str, str]) -> None:
    """One after the other, as somebody pastes them: the status, and the members of the body."""
    lines = curl_lines()
    assert len(lines) == PAGE.read_text(encoding="utf-8").count("$ curl ")
    for command, status_line, body in lines:
        run = completed(["bash", "-c", f"{command} --silent"], env=environment)
        head, _, answer = run.stdout.partition("\n\n")
        assert (run.returncode, head.splitlines()[0]) == (0, status_line), command
        assert "Cache-Control: no-store" in head
        left_out = json.loads(answer).keys() - members(body)
        assert members(body) <= json.loads(answer).keys(), command
        assert not left_out or "..." in body.partition("[")[0] or body.endswith(", ...}"), command


def test_the_page_shows_every_route(make_app: AppFactory) -> None:
    shown = " ".join(command for command, _, _ in curl_lines())
    for rule in make_app().url_map.iter_rules():
        path = rule.rule.partition("<")[0]
        # Events have pages of their own.
        if path not in {"/auth/health/live", "/auth/openapi.json"} and not path.startswith("/auth/events/"):
            assert f"$API{path}" in shown


def test_the_listeners_of_the_page_keep_a_trail(app: Flask, issuer: LocalIssuer) -> None:
    block, of_events = python_blocks(PAGE)
    trail: list[str] = []
    kept = run_block(PAGE, block.code, app=app, trail=trail)
    client, headers = app.test_client(), bearer(admin_token(issuer))
    client.post("/auth/admin/revocations", json={"jti": "x", "reason": "lost"}, headers=headers)
    client.delete("/auth/admin/revocations/jti/x", headers=headers)
    assert trail == ["jti x revoked", "auth0|grace revoke jti x: lost", "jti x lifted", "auth0|grace lift jti x: None"]
    assert callable(kept["keep"])
    kept = run_block(PAGE, of_events.code, app=app, trail=trail)
    event_handled.send(
        app, source="auth0", sent_by="s", type="t", event_id="e", outcome="effective", effects=(("k", "v"),)
    )
    assert (trail[-1], callable(kept["end_sessions"])) == ("auth0 t: k v", True)


def test_the_line_of_the_audit_trail_is_that_of_the_page(
    app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Escaped, and without a token."""
    revocation = {"subject": "auth0|ada", "reason": "left the company"}
    app.test_client().post("/auth/admin/revocations", json=revocation, headers=bearer(admin_token(issuer)))
    (line,) = [message for message in caplog.messages if message.startswith("admin ")]
    assert line in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_names_only_settings_that_there_are() -> None:
    """And only the defaults of today."""
    fields = SettingsSchema().fields
    assert set(re.findall(r"AUTH0_[A-Z_]+[A-Z]", PAGE.read_text(encoding="utf-8"))) <= fields.keys()
    assert fields["AUTH0_SYNC_INTERVAL"].load_default == 5
    assert fields["AUTH0_REVOCATION_MAX_STALE"].load_default == 60
    assert {fields["AUTH0_ADMIN_SCOPE"].load_default, fields["AUTH0_INTROSPECTION_SCOPE"].load_default} == set(VALUES)
