"""What docs/how-to/auth0-events.md shows is what happens, and its tables are those of the code."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from conftest import AppFactory
from documents import ROOT
from processes import completed
from servers import served

from auth0_blueprint.revocation.events.cloud_event import EFFECTS
from auth0_blueprint.revocation.events.log_record import REVOKING_TYPES
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "how-to" / "auth0-events.md"
SECRET = "a-secret-for-the-lines-of-the-page"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the lines to paste need curl")
def test_the_curl_lines_get_the_answers_that_the_page_shows(make_app: AppFactory, issuer: LocalIssuer) -> None:
    lines = re.findall(r"^\$ (curl .*)\n(HTTP/.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == PAGE.read_text(encoding="utf-8").count("$ curl ")
    app = make_app(AUTH0_EVENT_SECRETS=SECRET)
    with served(app) as address:
        variables = {"API": address, "SECRET": SECRET, "TOKEN": issuer.token(sub="auth0|ada")}
        for command, status_line in lines:
            environment = {"PATH": os.environ["PATH"], "no_proxy": "*", **variables}
            run = completed(["bash", "-c", f"{command} --silent"], env=environment)
            assert (run.returncode, run.stdout.splitlines()[0]) == (0, status_line), command
    assert app.extensions["auth0"].revocations.find("subject", "auth0|bob").reason == "scp"


@pytest.mark.parametrize(
    ("title", "types"), [("What events do", EFFECTS.keys()), ("What log records do", REVOKING_TYPES)]
)
def test_the_first_table_has_every_type_with_an_effect_and_no_other(title: str, types: set[str]) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("All other ")[0]
    assert set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)) == set(types)
