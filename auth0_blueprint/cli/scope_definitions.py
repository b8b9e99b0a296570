"""An API of Auth0 with its scopes, as Auth0's deploy CLI and its Terraform provider read it.

The deploy CLI takes what the Management API takes (``resourceServers``); the provider, since its version 1, has the
scopes in a resource of their own, ``auth0_resource_server_scopes``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class ApiDefinition(NamedTuple):
    """What is defined.

    Attributes:
        name: for people, in the dashboard.
        identifier: the audience of its tokens.
        scopes: value to description, in the order in which they are written; at least that of introspection.
        token_dialect: of its access tokens, if they must carry ``permissions``; with it RBAC is on.
    """

    name: str
    identifier: str
    scopes: dict[str, str]
    token_dialect: str | None


def description_of(value: str) -> str:
    """Return a description to begin with: ``Read messages`` for ``read:messages``. Users may see it at consent."""
    words = " ".join(part for part in value.replace("_", " ").replace(":", " ").split() if part)
    return (words[:1].upper() + words[1:]) or value


def deploy_cli_object(api: ApiDefinition) -> dict[str, Any]:
    """Return the definition for the deploy CLI, as JSON has it."""
    scopes = [{"value": value, "description": text} for value, text in api.scopes.items()]
    return {"resourceServers": [{**_settings(api), "scopes": scopes}]}


def deploy_cli_yaml(api: ApiDefinition) -> Iterator[str]:
    """Yield the lines of the definition for the deploy CLI: strings quoted as in JSON, which YAML reads alike."""
    yield "resourceServers:"
    for number, (name, value) in enumerate(_settings(api).items()):
        yield f"  {'-' if number == 0 else ' '} {name}: {json.dumps(value)}"
    yield "    scopes:"
    for scope, text in api.scopes.items():
        yield f"      - value: {json.dumps(scope)}"
        yield f"        description: {json.dumps(text)}"


def terraform_object(api: ApiDefinition) -> dict[str, Any]:
    """Return the definition for Terraform, in its JSON syntax (a file ``*.tf.json``)."""
    server = {name: _without_templates(value) for name, value in _settings(api).items()}
    scopes = [
        {"name": _without_templates(value), "description": _without_templates(text)}
        for value, text in api.scopes.items()
    ]
    of_api = {"resource_server_identifier": "${auth0_resource_server.api.identifier}", "scopes": scopes}
    return {
        "resource": {
            "auth0_resource_server": {"api": server},
            "auth0_resource_server_scopes": {"api": of_api},
        }
    }


def terraform_hcl(api: ApiDefinition) -> Iterator[str]:
    """Yield the lines of the definition for Terraform, aligned as ``terraform fmt`` does."""
    settings = _settings(api)
    width = max(map(len, settings))
    yield 'resource "auth0_resource_server" "api" {'
    for name, value in settings.items():
        yield f"  {name:{width}} = {_hcl(value)}"
    yield "}"
    yield ""
    yield 'resource "auth0_resource_server_scopes" "api" {'
    yield "  resource_server_identifier = auth0_resource_server.api.identifier"
    for value, text in api.scopes.items():
        yield from ("", "  scopes {", f"    name        = {_hcl(value)}", f"    description = {_hcl(text)}", "  }")
    yield "}"


def _settings(api: ApiDefinition) -> dict[str, str | bool]:
    """Return what the definition says besides the scopes: tokens carry ``permissions`` only with the last two."""
    settings: dict[str, str | bool] = {"name": api.name, "identifier": api.identifier}
    if api.token_dialect is not None:
        settings |= {"enforce_policies": True, "token_dialect": api.token_dialect}
    return settings


def _hcl(value: str | bool) -> str:
    """Return *value* as a literal. HCL has other escapes than JSON: none for backspace, no surrogate pairs."""
    if isinstance(value, bool):
        return json.dumps(value)
    text = str(_without_templates(value)).replace("\\", r"\\").replace('"', r"\"")
    return '"' + "".join(one if one.isascii() and one.isprintable() else rf"\U{ord(one):08x}" for one in text) + '"'


def _without_templates(value: str | bool) -> str | bool:
    """Return *value* so that Terraform takes it literally: ``${`` and ``%{`` would begin a template."""
    return value if isinstance(value, bool) else value.replace("${", "$${").replace("%{", "%%{")
