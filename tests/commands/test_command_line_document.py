"""``docs/command-line.md`` names the commands and options that there are, and shows what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import AppFactory
from documents import ROOT, python_blocks, run_block
from flask import Flask
from flask_smorest import Api

from auth0_blueprint.cli.finding import FAIL, OK, WARN
from auth0_blueprint.extension.commands import NAMES, auth0
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.testing.demo import Demo, TrialRequest

PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def command_of(name: str) -> click.Command:
    command = auth0.get_command(click.Context(auth0), name)
    assert command is not None
    return command


def blocks(section: str, language: str) -> list[str]:
    """Return the fenced blocks of *language* in *section*."""
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)


def shape(value: Any) -> Any:
    """Return the names of members that *value* has, at each level."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def without_numbers(text: str) -> str:
    return re.sub(r"\d+", "N", text)


def test_every_command_has_its_section_and_its_row() -> None:
    """And no other command has one."""
    rows = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\) \|", PAGE, re.MULTILINE)
    assert all(name == anchor for name, anchor in rows)
    assert {name for name, _ in rows} == set(NAMES)
    assert set(NAMES) <= SECTIONS.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_options_are_those_of_the_command(name: str) -> None:
    """A row for each."""
    documented = re.findall(r"^\| `(--[\w-]+)[^`]*` \|", SECTIONS[name], re.MULTILINE)
    real = [opt for param in command_of(name).params if isinstance(param, click.Option) for opt in param.opts]
    assert sorted(documented) == sorted(opt for opt in real if opt.startswith("--"))


@pytest.mark.parametrize("name", ["doctor", "jwks"])
def test_what_is_shown_is_what_is_printed(
    make_app: AppFactory, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """But for numbers, such as ports."""
    for variable in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AUTH0_ISSUER", issuer.issuer)
    monkeypatch.setenv("AUTH0_AUDIENCE", issuer.audience)
    app = make_app(AUTH0_ISSUER=None, AUTH0_AUDIENCE=None, AUTH0_ALGORITHMS=None)
    app.name = "messages"
    printed = app.test_cli_runner().invoke(args=["auth0", name]).output
    _, shown = blocks(name, "console")[0].split("\n", 1)
    assert without_numbers(printed) == without_numbers(shown)


@pytest.mark.parametrize("name", ["doctor", "jwks"])
def test_the_json_has_the_members_that_are_shown(make_app: AppFactory, name: str) -> None:
    """At each level."""
    printed = make_app().test_cli_runner().invoke(args=["auth0", name, "--json"]).stdout
    (shown,) = blocks(name, "json")
    assert shape(json.loads(shown)) == shape(json.loads(printed))


@pytest.fixture
def guide(issuer: LocalIssuer) -> Flask:
    """The app of the guide that the page names, with the route that somebody has added."""
    page = ROOT / "docs" / "how-to" / "protect-a-blueprint.md"
    (block,) = python_blocks(page)
    app: Flask = run_block(page, block.code)["create_app"](issuer.settings)
    app.add_url_rule("/version", "version", lambda: {"version": 1})
    return app


def test_the_table_of_routes_is_that_of_the_guide_and_a_route_more(guide: Flask) -> None:
    """With what is said of that one, and the exit status."""
    result = guide.test_cli_runner().invoke(args=["auth0", "routes", "--strict"])
    (shown,) = blocks("routes", "console")
    assert shown == (f"$ flask --app messages auth0 routes --strict\n{result.output}$ echo $?\n{result.exit_code}\n")


def test_the_json_of_routes_is_what_is_printed_for_the_guide(guide: Flask) -> None:
    """One route of it."""
    printed = json.loads(guide.test_cli_runner().invoke(args=["auth0", "routes", "--json"]).stdout)
    (block,) = blocks("routes", "json")
    shown = json.loads(block)
    assert (shown.keys(), shown["unguarded"]) == (printed.keys(), printed["unguarded"])
    (route,) = shown["routes"]
    assert route in printed["routes"]


@pytest.mark.parametrize(("is_open", "status", "guard"), [(True, 200, "public"), (False, 401, "guarded")])
def test_the_routes_of_an_extension_are_decided_as_shown(
    make_app: AppFactory, is_open: bool, status: int, guard: str
) -> None:
    """Those of flask-smorest."""
    page = ROOT / "docs" / "command-line.md"
    (block,) = python_blocks(page)
    app = make_app(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0", OPENAPI_URL_PREFIX="/document")
    Api(app)
    run_block(page, block.code)["decide_who_reads_the_document"](app, is_open)
    assert app.test_client().get("/document/openapi.json").status_code == status
    result = app.test_cli_runner().invoke(args=["auth0", "routes", "--json", "--strict"])
    found = {route["endpoint"]: route["guard"] for route in json.loads(result.stdout)["routes"]}
    assert (result.exit_code, found["api-docs.openapi_json"]) == (0, guard)


def test_the_json_of_the_demo_has_the_members_that_are_shown() -> None:
    """As it says what it serves."""
    (shown,) = blocks("demo", "json")
    document = json.loads(shown)
    assert tuple(document) == Demo._fields
    assert tuple(document["requests"][0]) == TrialRequest._fields


def test_every_check_of_the_doctor_is_explained(make_app: AppFactory, tmp_path: Path) -> None:
    """Those of an app that shares without Redis, and no other status than is said."""
    shared = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "AUTH0_CACHE_SECRET": "s" * 32}
    app = make_app(**shared)
    findings = json.loads(app.test_cli_runner().invoke(args=["auth0", "doctor", "--json"]).stdout)["checks"]
    explained = re.findall(r"^\| `([\w ]+)` \| [^|]*\| [^|]*\|$", SECTIONS["doctor"], re.MULTILINE)
    assert [check for check in explained if check != "eviction"] == [found["check"] for found in findings]
    assert f"`{OK}`, `{WARN}` and `{FAIL}`" in SECTIONS["doctor"]
