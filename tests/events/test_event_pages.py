"""The how-to pages on logout say what happens: their settings, and their curl lines against a live server."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory
from documents import ROOT, blocks_of, run_block
from processes import completed
from sent_tokens import event_token, in_force, logout_token
from servers import served

from auth0_blueprint.testing import LocalIssuer

HOW_TO = ROOT / "docs" / "how-to"
LOGOUT, UNIVERSAL = HOW_TO / "backchannel-logout.md", HOW_TO / "universal-logout.md"
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the lines to paste need curl")


def block_of(page: Path, language: str) -> str:
    (block,) = (block for block in blocks_of(page) if block.language == language)
    return str(block.code).strip()


def assert_answered_as_shown(page: Path, api: str, **variables: str) -> None:
    """Run each curl line of *page*; the line after it is the first of its answer."""
    environment = {"PATH": os.environ["PATH"], "no_proxy": "*", "API": api, **variables}
    lines = block_of(page, "console").splitlines()
    for command, status_line in zip(lines[::2], lines[1::2], strict=True):
        run = completed(["bash", "-c", f"{command.removeprefix('$ ')} --silent"], env=environment)
        assert (run.returncode, run.stdout.splitlines()[0]) == (0, status_line), command
        assert "Cache-Control: no-store" in run.stdout


def test_the_lines_on_back_channel_logout_get_the_answers_shown(make_app: AppFactory, issuer: LocalIssuer) -> None:
    name, _, client = block_of(LOGOUT, "ini").partition("=")
    app = make_app(**{name: client})
    with served(app) as api:
        assert_answered_as_shown(LOGOUT, api, LOGOUT_TOKEN=logout_token(issuer, "JWT", aud=client))
    assert [one.kind for one in in_force(app)] == ["subject"]


def test_the_lines_on_universal_logout_get_the_answers_shown(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """With a local provider in the place of Okta."""
    text = block_of(UNIVERSAL, "python")
    (sender,) = run_block(UNIVERSAL, text)["AUTH0_GLOBAL_REVOCATION"]
    told: dict[str, Any] = {**sender, "jwks_url": f"{issuer.issuer}.well-known/jwks.json"}
    app = make_app(AUTH0_GLOBAL_REVOCATION=json.dumps([told]))
    claims = {"iss": sender["issuer"], "aud": sender["audience"]}
    jwt = event_token(issuer, {"typ": "global-token-revocation+jwt"}, claims)
    with served(app) as api:
        assert_answered_as_shown(UNIVERSAL, api, JWT=jwt)
    assert [(one.kind, one.value) for one in in_force(app)] == [("subject", "okta|acme|00u1")]
