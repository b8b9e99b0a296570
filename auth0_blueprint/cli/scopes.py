"""``flask auth0 scopes``: shows which scopes and permissions the code demands, and compares them with a tenant's."""

from __future__ import annotations

from typing import Any

import click
from flask import Flask, current_app

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.demanded_scopes import DemandedScope, Need, demanded_scopes
from auth0_blueprint.cli.output import json_option, print_json, print_lines, printable, table
from auth0_blueprint.cli.protected_routes import protected_routes
from auth0_blueprint.cli.scope_definitions import (
    ApiDefinition,
    deploy_cli_object,
    deploy_cli_yaml,
    description_of,
    terraform_hcl,
    terraform_object,
)
from auth0_blueprint.cli.tenant_definition import DefinitionError, scopes_in_file
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.settings import Settings

_NOTE = "Not listed: what functions check themselves, with has_scope(), has_permission() or check=."
_REMEDY = "To solve this, add what is missing to the API in Auth0, or correct the guards that name it."
#: Of tokens with ``permissions``, by the ``AUTH0_TOKEN_PROFILE`` that needs another than Auth0's own.
_DIALECTS = {"rfc9068": "rfc9068_profile_authz"}
_FORMATS = {"deploy-cli": (deploy_cli_yaml, deploy_cli_object), "terraform": (terraform_hcl, terraform_object)}


@click.command("scopes", cls=Command, short_help="Show the scopes and permissions that this app demands.")
@click.option("--format", "format_name", type=click.Choice([*_FORMATS]), help="Print the API's definition instead.")
@click.option("--check", "path", metavar="FILE", help="Exit with 1 if the tenant's definition in FILE lacks one.")
@click.option("--audience", help="Identifier of the API; default: the first of AUTH0_AUDIENCE.")
@click.option("--name", help="Name of the API in the definition; default: that of the app.")
@json_option
@with_app
def command(format_name: str | None, path: str | None, audience: str | None, name: str | None, as_json: bool) -> None:
    """Show which scopes and permissions the guards of this app demand, and which routes need each. Sends no requests.

    --format prints the API with these scopes as Auth0's deploy CLI (YAML) or its Terraform provider (HCL) reads it, or
    with --json as JSON for the same tool. --check compares them with FILE: a file of the deploy CLI, a resource server
    from the Management API, or the output of "terraform show -json"; "-" is standard input.

    What functions check themselves, such as with has_scope() inside a view, cannot be found.
    """
    if format_name is not None and path is not None:
        raise click.UsageError("--check compares, and --format prints a definition: use one of them.")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    settings = app_state().settings
    identifier = audience or settings.audience[0]
    demanded = demanded_scopes(protected_routes(app, settings))
    if format_name is not None:
        _print_definition(format_name, _definition(name or app.name, identifier, demanded, settings), as_json=as_json)
        return
    if name is not None:
        raise click.UsageError("--name is for definitions: use it with --format.")
    missing, extra = ([], []) if path is None else _differences(demanded, _scopes_of_tenant(path, identifier))
    if as_json:
        checked = {} if path is None else {"audience": identifier, "missing": missing, "extra": extra}
        print_json({"scopes": [_members(one) for one in demanded], **checked})
    else:
        print_lines(table([["VALUE", "REQUIRED AS", "METHODS", "PATH"], *_rows(demanded)]))
        click.echo(_NOTE, err=True)
    if extra and not as_json:
        click.echo(f"Not demanded, but in the file: {printable(', '.join(extra))}", err=True)
    if missing:
        raise CommandError("\n".join([_count(len(missing), identifier), *(f"  {one}" for one in missing), _REMEDY]))


def _print_definition(format_name: str, api: ApiDefinition, *, as_json: bool) -> None:
    as_text, as_object = _FORMATS[format_name]
    if as_json:
        print_json(as_object(api))
        return
    print_lines(as_text(api))
    click.echo(_NOTE, err=True)


def _definition(name: str, identifier: str, demanded: list[DemandedScope], settings: Settings) -> ApiDefinition:
    if "<" in name or ">" in name:
        raise click.BadParameter("Auth0 allows no < and > in the name of an API.", param_hint="'--name'")
    dialect = None
    if any(one.is_permission for one in demanded):
        # Auth0 writes the claim `permissions` in these two only.
        dialect = _DIALECTS.get(settings.token_profile, "access_token_authz")
    return ApiDefinition(name, identifier, {one.value: description_of(one.value) for one in demanded}, dialect)


def _scopes_of_tenant(path: str, identifier: str) -> set[str]:
    """Return the scopes that the API *identifier* has in the file at *path*.

    Raises:
        click.BadParameter: the file cannot be used, or does not have this API.
    """
    what = "standard input" if path == "-" else printable(path)
    try:
        scopes_of = scopes_in_file(path)
    except DefinitionError as exc:
        raise click.BadParameter(f"{what} {exc}.", param_hint="'--check'") from exc
    if identifier not in scopes_of:
        others = ", ".join(map(printable, scopes_of))
        raise click.BadParameter(
            f"{what} does not define the API {printable(identifier)}, but {others}. Name the one to compare with "
            "--audience.",
            param_hint="'--check'",
        )
    return scopes_of[identifier]


def _differences(demanded: list[DemandedScope], known: set[str]) -> tuple[list[str], list[str]]:
    values = [one.value for one in demanded]
    return [value for value in values if value not in known], sorted(known.difference(values))


def _rows(demanded: list[DemandedScope]) -> list[list[str]]:
    return [
        [one.value, _kinds(need), ", ".join(need.route.methods), printable(need.route.path)]
        for one in demanded
        for need in one.needs
    ]


def _kinds(need: Need) -> str:
    return ", ".join(need.kinds) + " (one of several)" * need.any_of


def _members(demanded: DemandedScope) -> dict[str, Any]:
    routes = [
        {
            "methods": need.route.methods,
            "path": need.route.path,
            "endpoint": need.route.endpoint,
            "as": need.kinds,
            "any_of": need.any_of,
        }
        for need in demanded.needs
    ]
    return {"value": demanded.value, "routes": routes}


def _count(missing: int, identifier: str) -> str:
    what = "1 scope is" if missing == 1 else f"{missing} scopes are"
    return f"{what} demanded, but missing from the API {printable(identifier)}:"
