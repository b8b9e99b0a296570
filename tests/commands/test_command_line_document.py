"""``docs/command-line.md`` names the commands, options and mistakes that there are, and shows what is printed."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import time
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import AppFactory
from documents import ROOT, python_blocks, run_block
from flask import Flask
from flask_smorest import Api
from programs import command, environment_of
from servers import served

from auth0_blueprint import requires_scope
from auth0_blueprint.cli.finding import FAIL, OK, WARN
from auth0_blueprint.cli.inspection.mistakes import MISTAKES
from auth0_blueprint.cli.inspection.steps import PROOF_STEPS
from auth0_blueprint.extension.commands import NAMES, auth0
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.testing.demo import Demo, TrialRequest

PATH = ROOT / "docs" / "command-line.md"
PAGE = PATH.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


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
    rows = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\) \|", PAGE, re.MULTILINE)
    assert all(name == anchor for name, anchor in rows)
    assert {name for name, _ in rows} == set(NAMES)
    assert set(NAMES) <= SECTIONS.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_options_are_those_of_the_command(name: str) -> None:
    documented = re.findall(r"^\| `(--[\w-]+)[^`]*` \|", SECTIONS[name], re.MULTILINE)
    listed = auth0.get_command(click.Context(auth0), name)
    assert listed is not None
    commands = [*listed.commands.values()] if isinstance(listed, click.Group) else [listed]
    real = [opt for one in commands for param in one.params if isinstance(param, click.Option) for opt in param.opts]
    assert sorted(documented) == sorted(opt for opt in real if opt.startswith("--"))


@pytest.mark.parametrize("name", ["doctor", "jwks"])
def test_what_is_shown_is_what_is_printed(
    make_app: AppFactory, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment_of(issuer).items():
        monkeypatch.setenv(variable, value)
    app = make_app(AUTH0_ISSUER=None, AUTH0_AUDIENCE=None, AUTH0_ALGORITHMS=None)
    app.name = "messages"
    printed = command(name)(app).output
    _, shown = blocks(name, "console")[0].split("\n", 1)
    assert without_numbers(printed) == without_numbers(shown)


@pytest.mark.parametrize("name", ["doctor", "jwks"])
def test_the_json_has_the_members_that_are_shown(make_app: AppFactory, name: str) -> None:
    printed = command(name, "--json")(make_app()).stdout
    (shown,) = blocks(name, "json")
    assert shape(json.loads(shown)) == shape(json.loads(printed))


def inspected(make_app: AppFactory, issuer: LocalIssuer, *words: str) -> Any:
    """Return the result of the command in *words* for a token whose scope is among its permissions."""
    app = make_app()
    app.add_url_rule("/api/messages", view_func=requires_scope("read:messages")(lambda: ""))
    return app.test_cli_runner().invoke(args=words, input=issuer.token(permissions=["read:messages"]))


def test_what_is_shown_of_a_token_is_what_is_printed(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """But for numbers, such as ports and times. Every step is shown, in its order."""
    block, _ = blocks("inspect", "console")
    line, shown = block.split("\n", 1)
    result = inspected(make_app, issuer, *line.removeprefix('$ echo "$TOKEN" | flask --app messages ').split())
    assert result.exit_code == 1
    assert without_numbers(result.output) == without_numbers(shown)
    assert re.findall(r"^ok    (\w+)", shown, re.MULTILINE) == [*PROOF_STEPS, "revocation", "binding", "rules"]


def test_the_json_of_a_token_has_the_members_that_are_shown(make_app: AppFactory, issuer: LocalIssuer) -> None:
    result = inspected(make_app, issuer, "auth0", "inspect", "--json", "--path", "/api/messages")
    printed, (shown,) = json.loads(result.stdout), map(json.loads, blocks("inspect", "json"))
    assert shape(shown) == shape(printed)
    assert shown["mistakes"] == printed["mistakes"]
    assert shown["steps"] == printed["steps"][:1]


def test_what_is_shown_of_revocations_is_what_is_printed(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """One after the other, but for numbers, the user of the machine and widths that depend on the name."""
    shared = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "SECRET_KEY": "s" * 32}
    app, token = make_app(**shared), issuer.token(sub="auth0|ada", iat=int(time.time()) - 60)
    user = pwd.getpwuid(os.getuid()).pw_name

    def plain(text: str, name: str) -> str:
        return re.sub(r" +", " ", without_numbers(text.replace(f" {name} ", " WHO ").replace(f" {name}\n", " WHO\n")))

    for name in ("revoke", "revocations", "lift"):
        (block,) = blocks(name, "console")
        line, shown = block.split("\n", 1)
        if name == "lift":
            (listed,) = map(json.loads, blocks("revocations", "json"))
            assert shape(listed) == shape(json.loads(command("revocations", "--json")(app).stdout))
            refused = command("inspect")(app, token).stdout
            _, of_inspect = blocks("inspect", "console")
            expected = plain(of_inspect, "auth0|grace").replace(" admin\n", " command\n")
            assert plain(refused.rpartition("\n\n")[2], user) == expected
        words = shlex.split(line.removeprefix("$ flask --app messages "))
        assert plain(app.test_cli_runner().invoke(args=words).stdout, user) == plain(shown, "grace")


def test_every_mistake_has_its_row() -> None:
    """With the remedy that is printed, in the order of the code; and no other has one."""
    table = SECTIONS["inspect"].partition("| mistake |")[2]
    rows = re.findall(r"^\| ([\w ]+) \| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE)
    assert rows == [(mistake.name, mistake.remedy) for mistake in MISTAKES]


def guide_app(settings: dict[str, Any]) -> Flask:
    page = ROOT / "docs" / "how-to" / "protect-a-blueprint.md"
    (block,) = python_blocks(page)
    app: Flask = run_block(page, block.code)["create_app"](settings)
    return app


@pytest.fixture
def guide(issuer: LocalIssuer) -> Flask:
    """The app of the guide that the page names, with the route that somebody has added."""
    app = guide_app(issuer.settings)
    app.add_url_rule("/version", "version", lambda: {"version": 1})
    return app


def test_the_table_of_routes_is_that_of_the_guide_and_a_route_more(guide: Flask) -> None:
    result = command("routes", "--strict")(guide)
    (shown,) = blocks("routes", "console")
    assert shown == (f"$ flask --app messages auth0 routes --strict\n{result.output}$ echo $?\n{result.exit_code}\n")


def test_the_json_of_routes_is_what_is_printed_for_the_guide(guide: Flask) -> None:
    printed = json.loads(command("routes", "--json")(guide).stdout)
    (block,) = blocks("routes", "json")
    shown = json.loads(block)
    assert (shown.keys(), shown["unguarded"]) == (printed.keys(), printed["unguarded"])
    (route,) = shown["routes"]
    assert route in printed["routes"]


def test_what_is_shown_of_scopes_is_what_is_printed(
    issuer: LocalIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the guide without admin routes, against a file that lacks one scope and has one more."""
    app = guide_app({**issuer.settings, "AUTH0_AUDIENCE": "https://api.example.com", "AUTH0_ADMIN": False})
    values = ("introspect:tokens", "read:messages", "delete:messages")
    server = {"identifier": "https://api.example.com", "scopes": [{"value": value} for value in values]}
    (tmp_path / "tenant.json").write_text(json.dumps(server))
    monkeypatch.chdir(tmp_path)
    shown = re.split(r"^\$ ", "".join(blocks("scopes", "console")), flags=re.MULTILINE)[1:]
    statuses = []
    for line, output in (one.split("\n", 1) for one in shown if one.startswith("flask")):
        result = app.test_cli_runner().invoke(args=shlex.split(line)[3:])
        assert result.output == output
        statuses.append(result.exit_code)
    assert statuses == [1, 0, 0]
    printed = json.loads(command("scopes")(app, "--check", "tenant.json", "--json").stdout)
    (document,) = map(json.loads, blocks("scopes", "json"))
    assert document == {**printed, "scopes": printed["scopes"][-1:]}


@pytest.mark.parametrize(("is_open", "status", "guard"), [(True, 200, "public"), (False, 401, "guarded")])
def test_the_routes_of_an_extension_are_decided_as_shown(
    make_app: AppFactory, is_open: bool, status: int, guard: str
) -> None:
    (block,) = python_blocks(PATH)
    app = make_app(API_TITLE="Messages", API_VERSION="1", OPENAPI_VERSION="3.1.0", OPENAPI_URL_PREFIX="/document")
    Api(app)
    run_block(PATH, block.code)["decide_who_reads_the_document"](app, is_open)
    assert app.test_client().get("/document/openapi.json").status_code == status
    result = command("routes", "--json", "--strict")(app)
    found = {route["endpoint"]: route["guard"] for route in json.loads(result.stdout)["routes"]}
    assert (result.exit_code, found["api-docs.openapi_json"]) == (0, guard)


def test_the_json_of_the_demo_has_the_members_that_are_shown() -> None:
    (shown,) = blocks("demo", "json")
    document = json.loads(shown)
    assert tuple(document) == Demo._fields
    assert tuple(document["requests"][0]) == TrialRequest._fields


def test_what_is_shown_of_events_is_what_is_sent_and_said(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """To a demo, but for numbers, and without it. The JSON is that of an event of Auth0, at another address."""
    to_demo, to_tenant = (block.split("\n", 1) for block in blocks("events", "console"))
    issuer.sign_events_on_request()
    hearing = make_app(**issuer.event_settings)
    words = shlex.split(re.sub(r"http://\S+", issuer.issuer, to_demo[0]))[4:]
    with served(hearing) as url:
        said = command("events")(make_app(), *words, "--url", url).output
        printed = json.loads(command("events")(hearing, "send", "--kind", "auth0", "--url", url, "--json").stdout)
    assert without_numbers(said) == without_numbers(to_demo[1])
    (shown,) = map(json.loads, blocks("events", "json"))
    assert printed == {**shown, "url": f"{url}/auth/events/auth0"}
    tenant = make_app(AUTH0_ISSUER="https://example.eu.auth0.com/", AUTH0_LOGOUT_CLIENT_IDS="a")
    assert command("events")(tenant, *shlex.split(to_tenant[0])[6:]).stderr == to_tenant[1]


def test_every_check_of_the_doctor_is_explained(make_app: AppFactory, tmp_path: Path) -> None:
    """Those of an app that shares without Redis and has an issuer on loopback, and no other status than is said."""
    shared = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "AUTH0_CACHE_SECRET": "s" * 32}
    findings = json.loads(command("doctor", "--json")(make_app(**shared, AUTH0_LOGOUT_CLIENT_IDS="a")).stdout)["checks"]
    explained = re.findall(r"^\| `([\w ]+)` \| [^|]*\| [^|]*\|$", SECTIONS["doctor"], re.MULTILINE)
    assert [check for check in explained if check not in {"eviction", "proxy", "CAs"}] == [
        found["check"] for found in findings
    ]
    assert f"`{OK}`, `{WARN}` and `{FAIL}`" in SECTIONS["doctor"]
