"""The section on ``inspect`` in ``docs/command-line.md`` shows what is printed, and names every mistake."""

from __future__ import annotations

import json
import re

from conftest import AppFactory
from documents import ROOT, blocks_of
from flask import Flask
from test_command_line_document import SECTIONS, shape, without_numbers

from auth0_blueprint import requires_scope
from auth0_blueprint.cli.inspection.mistakes import MISTAKES
from auth0_blueprint.cli.inspection.steps import PROOF_STEPS
from auth0_blueprint.testing import LocalIssuer

ALL_STEPS = [*PROOF_STEPS, "revocation", "binding", "rules"]

SECTION = SECTIONS["inspect"]
CONSOLE, JSON = (
    block.code.strip() for block in blocks_of(ROOT / "docs" / "command-line.md") if block.title == "inspect"
)


def app_of_the_page(make_app: AppFactory) -> Flask:
    app = make_app()

    @app.get("/api/messages")
    @requires_scope("read:messages")
    def messages() -> dict[str, str]:
        return {}

    return app


def test_what_is_shown_is_what_is_printed(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """But for numbers, such as ports and times."""
    line, shown = CONSOLE.split("\n", 1)
    arguments = line.removeprefix('$ echo "$TOKEN" | flask --app messages ').split()
    token = issuer.token(permissions=["read:messages"])
    result = app_of_the_page(make_app).test_cli_runner().invoke(args=arguments, input=token)
    assert result.exit_code == 1
    assert without_numbers(result.output.strip()) == without_numbers(shown)


def test_the_json_has_the_members_that_are_shown(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """At each level, of the same token."""
    arguments = ["auth0", "inspect", "--json", "--path", "/api/messages"]
    token = issuer.token(permissions=["read:messages"])
    printed = json.loads(app_of_the_page(make_app).test_cli_runner().invoke(args=arguments, input=token).stdout)
    shown = json.loads(JSON)
    assert shape(shown) == shape(printed)
    assert shown["mistakes"] == printed["mistakes"]
    assert shown["steps"] == printed["steps"][:1]


def test_every_mistake_has_its_row() -> None:
    """With the remedy that is printed, in the order of the code; and no other has one."""
    rows = re.findall(r"^\| ([\w ]+) \| [^|]+ \| ([^|]+) \|$", SECTION.partition("| mistake |")[2], re.MULTILINE)
    assert rows == [(mistake.name, mistake.remedy) for mistake in MISTAKES]


def test_every_step_is_shown() -> None:
    """In its order."""
    assert re.findall(r"^ok    (\w+)", CONSOLE, re.MULTILINE) == ALL_STEPS
