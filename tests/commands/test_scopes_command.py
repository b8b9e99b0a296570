"""``flask auth0 scopes``: what it names is what the app demands, and what it prints is what the tools read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import AppFactory, bearer
from flask import Blueprint, Flask
from flask.views import MethodView
from guarded_apps import guarded_by, whole_app
from programs import command, environment_of, run_program

from auth0_blueprint import protect, requires_auth, requires_permission, requires_scope
from auth0_blueprint.cli.scope_definitions import description_of
from auth0_blueprint.testing import LocalIssuer

AUDIENCE = "https://api.example.com"
OF_PACKAGE = {"introspect:tokens": ["scope", "permission"], "manage:auth0": ["scope", "permission"]}

run = command("scopes")


class Letters(MethodView):
    get = requires_scope("read:letters")(lambda self: "")
    post = requires_permission("write:letters", "own:letters", any_of=True)(lambda self: "")


@pytest.fixture
def api(make_app: AppFactory) -> Flask:
    """An app with values of both kinds, on functions, a class and a whole blueprint."""
    app = make_app(AUTH0_AUDIENCE=AUDIENCE)
    parcels = Blueprint("parcels", __name__)
    protect(parcels, "read:parcels")
    parcels.add_url_rule("/parcels", "send", guarded_by(requires_permission("read:parcels")), methods=["POST"])
    app.register_blueprint(parcels)
    app.add_url_rule("/letters", view_func=Letters.as_view("letters"))
    app.add_url_rule("/me", "me", guarded_by(requires_auth))
    return app


def demanded_by(app: Flask, *options: str) -> dict[str, list[dict[str, Any]]]:
    result = run(app, "--json", *options)
    assert result.exit_code == 0, result.output
    return {one["value"]: one["routes"] for one in json.loads(result.stdout)["scopes"]}


def test_each_value_is_named_with_its_kinds_and_routes(api: Flask) -> None:
    found = demanded_by(api)
    assert list(found) == sorted(found)
    kinds = {value: routes[0]["as"] for value, routes in found.items()}
    assert kinds == OF_PACKAGE | {
        "own:letters": ["permission"],
        "read:letters": ["scope"],
        "read:parcels": ["scope", "permission"],
        "write:letters": ["permission"],
    }
    (letters,), (own,) = found["read:letters"], found["own:letters"]
    assert letters == {**own, "methods": ["GET"], "as": ["scope"], "any_of": False}
    assert own == {"methods": ["POST"], "path": "/letters", "endpoint": "letters", "as": ["permission"], "any_of": True}


def test_a_token_with_what_is_named_gets_in_wherever_values_decide(issuer: LocalIssuer, tmp_path: Path) -> None:
    """In an app with guards of every kind; with nothing it is refused at each of these routes."""
    app = whole_app(issuer, tmp_path)
    found = demanded_by(app)
    pages = {(route["path"], method) for routes in found.values() for route in routes for method in route["methods"]}
    pages = {(path, method) for path, method in pages if "<" not in path and not path.startswith("/auth")}
    assert len(pages) > 10
    every = issuer.token(scope=" ".join(found), permissions=list(found))
    nothing = issuer.token(scope="", permissions=[])
    for token, is_refused in ((every, False), (nothing, True)):
        for path, method in pages:
            response = app.test_client().open(path, method=method, headers=bearer(token))
            assert (response.status_code == 403) == is_refused, (path, method)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, OF_PACKAGE),
        ({"AUTH0_ADMIN": False}, {"introspect:tokens": ["scope", "permission"]}),
        (
            {"AUTH0_ADMIN_SCOPE": "a", "AUTH0_INTROSPECTION_SCOPE": "b", "AUTH0_ADMIN_RBAC": False},
            {"a": ["scope"], "b": ["scope"]},
        ),
    ],
)
def test_routes_of_the_package_demand_what_the_settings_say(
    make_app: AppFactory, settings: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    found = demanded_by(make_app(**settings))
    assert {value: route["as"] for value, (route, *_) in found.items()} == expected


def test_the_table_says_where_one_of_several_will_do_and_what_it_cannot_list(api: Flask) -> None:
    result = run(api)
    assert result.exit_code == 0
    assert "own:letters        permission (one of several)  POST         /letters" in result.stdout.splitlines()
    assert result.stderr.startswith("Not listed: what functions check themselves, with has_scope()")


def test_a_choice_that_is_no_choice_is_not_said_to_be_one(app: Flask) -> None:
    both = guarded_by(requires_scope("a", "a", any_of=True), requires_scope("b", "c", any_of=True), requires_scope("b"))
    app.add_url_rule("/", "view", both)
    found = demanded_by(app)
    assert {value: found[value][0]["any_of"] for value in "abc"} == {"a": False, "b": False, "c": True}


def test_the_deploy_cli_gets_one_definition_in_yaml_and_in_json(api: Flask) -> None:
    result, as_json = run(api, "--format", "deploy-cli"), run(api, "--format", "deploy-cli", "--json")
    document = yaml.safe_load(result.stdout)
    assert json.loads(as_json.stdout) == document
    (server,) = document["resourceServers"]
    assert [scope["value"] for scope in server.pop("scopes")] == list(demanded_by(api))
    assert server == {
        "name": "tested",
        "identifier": AUDIENCE,
        "enforce_policies": True,
        "token_dialect": "access_token_authz",
    }


def test_terraform_gets_one_definition_in_both_syntaxes(api: Flask) -> None:
    text = run(api, "--format", "terraform", "--name", "Post").stdout
    resources = json.loads(run(api, "--format", "terraform", "--name", "Post", "--json").stdout)["resource"]
    scopes = resources["auth0_resource_server_scopes"]["api"]
    assert scopes["resource_server_identifier"] == "${auth0_resource_server.api.identifier}"
    assert [scope["name"] for scope in scopes["scopes"]] == list(demanded_by(api))
    blocks = "".join(
        f'\n  scopes {{\n    name        = "{one["name"]}"\n    description = "{one["description"]}"\n  }}\n'
        for one in scopes["scopes"]
    )
    reference = "  resource_server_identifier = auth0_resource_server.api.identifier\n"
    assert text.endswith(f'resource "auth0_resource_server_scopes" "api" {{\n{reference}{blocks}}}\n')
    assert resources["auth0_resource_server"]["api"]["name"] == "Post"
    assert '  name             = "Post"\n' in text


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"AUTH0_ADMIN_RBAC": False}, None),
        ({}, "access_token_authz"),
        ({"AUTH0_TOKEN_PROFILE": "rfc9068"}, "rfc9068_profile_authz"),
    ],
)
def test_tokens_carry_permissions_where_guards_demand_them(
    make_app: AppFactory, settings: dict[str, Any], expected: str | None
) -> None:
    (server,) = json.loads(run(make_app(**settings), "--format", "deploy-cli", "--json").stdout)["resourceServers"]
    assert (server.get("token_dialect"), server.get("enforce_policies")) == (expected, expected and True)


def test_what_has_a_meaning_in_a_tool_is_written_so_that_it_has_none(make_app: AppFactory) -> None:
    app = make_app()
    app.add_url_rule("/", "view", guarded_by(requires_scope("a${b}%{c}'#!")))
    assert '"a$${b}%%{c}\'#!"' in run(app, "--format", "terraform").stdout
    named = run(app, "--format", "terraform", "--name", 'é "\b\\').stdout
    assert r'"\U000000e9 \"\U00000008\\"' in named
    (server,) = yaml.safe_load(run(app, "--format", "deploy-cli", "--name", 'é "\b\\').stdout)["resourceServers"]
    assert (server["name"], server["scopes"][0]["value"]) == ('é "\b\\', "a${b}%{c}'#!")


@pytest.mark.parametrize(
    ("value", "expected"), [("read:messages", "Read messages"), ("own_all:x", "Own all x"), ("a", "A"), (":", ":")]
)
def test_a_description_is_made_from_the_name(value: str, expected: str) -> None:
    assert description_of(value) == expected


def server_with(*values: str, member: str = "value", identifier: str = AUDIENCE) -> dict[str, Any]:
    return {"name": "A", "identifier": identifier, "scopes": [{member: value, "description": ""} for value in values]}


ALL = ("introspect:tokens", "manage:auth0", "own:letters", "read:letters", "read:parcels", "write:letters")
SERVER = server_with(*ALL)
OTHER = server_with(identifier="https://other.example.com")


def terraform(key: str, *resources: tuple[str, Any]) -> dict[str, Any]:
    """Return what ``terraform show -json`` prints, with the last of *resources* in a module inside a module."""
    shown = [{"type": kind, "values": values} for kind, values in resources]
    module = {"child_modules": [{"resources": shown[-1:]}]}
    root = {"resources": shown[:-1], "child_modules": [module]}
    return {"format_version": "1.0", "terraform_version": "1.9.0", key: {"root_module": root}}


OF_SCOPES = {"resource_server_identifier": AUDIENCE, "scopes": server_with(*ALL, member="name")["scopes"]}
SINGLE: list[tuple[str, Any]] = [
    ("auth0_resource_server_scope", {"resource_server_identifier": AUDIENCE, "scope": value}) for value in ALL
]
EMPTY = ("auth0_resource_server", {"identifier": AUDIENCE, "name": "A"})
ELSE: list[tuple[str, Any]] = [("auth0_client", {"name": "B"}), ("auth0_resource_server", {"identifier": None})]
FILES: dict[str, Any] = {
    "deploy-cli": {"resourceServers": [OTHER, SERVER], "clients": []},
    "server": SERVER,
    "list": [OTHER, SERVER],
    "list-with-totals": {"resource_servers": [OTHER, SERVER], "total": 2, "start": 0, "limit": 50},
    "terraform-scopes": terraform("values", EMPTY, *ELSE, ("auth0_resource_server_scopes", OF_SCOPES)),
    "terraform-each": terraform("values", *SINGLE, EMPTY),
    "terraform-old": terraform("values", *ELSE, ("auth0_resource_server", SERVER)),
    "terraform-plan": terraform("planned_values", EMPTY, ("auth0_resource_server_scopes", OF_SCOPES)),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("is_yaml", [False, True])
def test_a_scope_that_was_added_to_the_code_only_is_found_in_every_kind_of_file(
    api: Flask, tmp_path: Path, kind: str, is_yaml: bool
) -> None:
    path = tmp_path / ("tenant.yaml" if is_yaml else "tenant.json")
    path.write_text(yaml.safe_dump(FILES[kind]) if is_yaml else json.dumps(FILES[kind]), encoding="utf-8")
    assert demanded_by(api, "--check", str(path))
    api.add_url_rule("/more", "more", guarded_by(requires_scope("delete:letters")))
    result = run(api, "--check", str(path))
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "Error: 1 scope is demanded, but missing from the API https://api.example.com:\n  delete:letters\n"
        "To solve this, add what is missing to the API in Auth0, or correct the guards that name it.\n"
    )


def test_what_is_missing_and_what_nobody_demands_are_told_apart(api: Flask, tmp_path: Path) -> None:
    path = tmp_path / "tenant.json"
    path.write_text(json.dumps(server_with("\x07bell", *ALL[2:])))
    result = run(api, "--check", str(path), "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {name: document[name] for name in ("audience", "missing", "extra")} == {
        "audience": AUDIENCE,
        "missing": [*ALL[:2]],
        "extra": ["\x07bell"],
    }
    assert "\x07" not in run(api, "--check", str(path)).output
    path.write_text(json.dumps(server_with("more", *ALL)))
    result = run(api, "--check", str(path))
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "Not demanded, but in the file: more")


@pytest.mark.parametrize("option", ["deploy-cli", "terraform"])
def test_a_definition_that_was_printed_is_complete(api: Flask, option: str) -> None:
    printed = run(api, "--format", option, "--json").stdout
    if option == "deploy-cli":
        assert run(api, "--check", "-", input=printed).exit_code == 0
    else:
        resources = json.loads(printed)["resource"]
        (scopes,) = resources["auth0_resource_server_scopes"].values()
        state = terraform("values", ("auth0_resource_server_scopes", {**OF_SCOPES, "scopes": scopes["scopes"]}))
        assert run(api, "--check", "-", input=json.dumps(state)).exit_code == 0


def test_a_file_with_placeholders_is_compared_with_the_api_that_it_names(api: Flask, tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    text = yaml.safe_dump({"resourceServers": [{**SERVER, "identifier": "##API##"}]})
    path.write_text(f"{text}tenant:\n  allowed_logout_urls: @@URLS@@\n")
    assert run(api, "--check", str(path), "--audience", "##API##").exit_code == 0


UNUSABLE = {
    "nothing.json": (None, "cannot be read: No such file or directory."),
    "broken.json": ("resourceServers:", "is not valid JSON."),
    "broken.yaml": ('{"a"', "is not valid JSON."),
    "tabs.yaml": ("a:\n\t- b: [", "is neither valid JSON nor valid YAML."),
    "deep.json": ("[" * 100_000, "is not valid JSON."),
    "tag.yaml": ("!!bool x", "is neither valid JSON nor valid YAML."),
    "time.yaml": ("!!timestamp x", "is neither valid JSON nor valid YAML."),
    "loop.yaml": ("terraform_version: a\nvalues: {root_module: &a {child_modules: [*a, *a]}}", "defines no API."),
    "text.yaml": ("resourceServers", "is not a definition of APIs: it must be"),
    "empty.yaml": ("", "is not a definition of APIs: it must be"),
    "none.json": ('{"resourceServers": []}', "defines no API."),
    "no-list.json": ('{"resourceServers": 1}', "is not a definition of APIs: it must be"),
    "no-api.json": (json.dumps(terraform("values", *ELSE)), "defines no API."),
    "client.json": ('{"name": "B", "callbacks": []}', "is not a definition of APIs: it must be"),
    "list.json": ("[1]", "is not a definition of APIs: it must be"),
    "modules.json": ('{"terraform_version": "1", "values": {"root_module": 1}}', "is not a definition of APIs"),
    "state.json": ('{"terraform_version": "1"}', "is not a definition of APIs: it must be"),
    "scopes.json": (json.dumps({**SERVER, "scopes": "a b"}), "has something other than a list of objects as the"),
    "nameless.json": (
        json.dumps({**SERVER, "scopes": [{}]}),
        f"has a scope whose value is missing or not text, in the API '{AUDIENCE}'.",
    ),
    "number.yaml": (yaml.safe_dump(server_with(5)), "has a scope whose value is missing or not text"),  # type: ignore[arg-type]
    "other.json": (json.dumps(OTHER), f"does not define the API {AUDIENCE}, but https://other.example.com. Name"),
    "utf-16.json": (json.dumps(SERVER).encode("utf-16"), "is not text in UTF-8."),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_compared_is_wrong_usage(api: Flask, tmp_path: Path, name: str) -> None:
    content, problem = UNUSABLE[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = run(api, "--check", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Error: Invalid value for '--check': {path} {problem}" in result.stderr


def test_yaml_without_pyyaml_is_wrong_usage_that_names_the_remedy(
    api: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text(yaml.safe_dump(SERVER))
    monkeypatch.setitem(sys.modules, "yaml", None)
    result = run(api, "--check", str(path))
    assert result.exit_code == 2
    assert result.stderr.endswith("is not JSON, and reading YAML needs PyYAML: pip install pyyaml.\n")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--format", "terraform", "--check", "-"), "use one of them"),
        (("--name", "A"), "use it with --format"),
        (("--format", "deploy-cli", "--name", "a<b"), "no < and >"),
        (("--format", "yaml"), "'yaml' is not one of 'deploy-cli', 'terraform'"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(api: Flask, options: tuple[str, ...], problem: str) -> None:
    result = run(api, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in result.stderr


def test_as_a_program_only_the_definition_goes_to_standard_output(issuer: LocalIssuer, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "flask", "auth0", "scopes"]
    printed = run_program(tmp_path, [*words, "--format", "deploy-cli"], **environment_of(issuer))
    assert (printed.returncode, printed.stderr.count("\n")) == (0, 1)
    (tmp_path / "tenant.yaml").write_text(printed.stdout)
    checked = run_program(tmp_path, [*words, "--check", "tenant.yaml"], **environment_of(issuer))
    assert (checked.returncode, "missing" in checked.stderr) == (0, False)
