"""Reads from a file which scopes a tenant has for its APIs.

It may be a file of Auth0's deploy CLI, what the Management API answers, or what ``terraform show -json`` prints.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Placeholders of the deploy CLI, which it fills in before it parses a file. Unquoted they are neither JSON nor YAML.
_UNQUOTED_PLACEHOLDER = re.compile(r"(?<![\"'\w@])@@(\w+)@@(?![\"'\w@])")
_EXPECTED = (
    "is not a definition of APIs: it must be a resource server of the Management API, a file of Auth0's deploy CLI "
    "with resourceServers, or the output of terraform show -json"
)


class DefinitionError(Exception):
    """The file cannot be used. The text is the end of a sentence about it."""


def scopes_in_file(path: str) -> dict[str, set[str]]:
    """Return identifier to scopes for each API that the file at *path* defines; ``-`` is standard input.

    Raises:
        DefinitionError: it cannot be read, or defines no API.
    """
    document = _parsed(_UNQUOTED_PLACEHOLDER.sub(r'"@@\1@@"', _text_of(path)), is_json=path.endswith(".json"))
    is_of_terraform = isinstance(document, dict) and "terraform_version" in document
    found: dict[str, set[str]] = {}
    for identifier, scopes in (_of_terraform if is_of_terraform else _of_auth0)(document):
        found.setdefault(identifier, set()).update(scopes)
    if not found:
        raise DefinitionError("defines no API")
    return found


def _text_of(path: str) -> str:
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as exc:
        raise DefinitionError(f"cannot be read: {exc.strerror or type(exc).__name__}") from exc
    except UnicodeDecodeError as exc:
        raise DefinitionError("is not text in UTF-8") from exc


def _parsed(text: str, *, is_json: bool) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        if is_json or text.lstrip()[:1] in {"{", "["}:
            raise DefinitionError("is not valid JSON") from exc
    try:
        import yaml
    except ImportError as exc:
        raise DefinitionError("is not JSON, and reading YAML needs PyYAML: pip install pyyaml") from exc
    try:
        return yaml.safe_load(text)
    except Exception as exc:  # PyYAML also raises KeyError, for "!!bool x", and AttributeError, for "!!timestamp x"
        raise DefinitionError("is neither valid JSON nor valid YAML") from exc


def _of_auth0(document: Any) -> Iterator[tuple[str, set[str]]]:
    """Yield the APIs of the deploy CLI (one in ``resource-servers/``, or all in a list), or of the Management API."""
    servers = document
    if isinstance(document, dict):
        lists = (document.get("resourceServers"), document.get("resource_servers"))
        servers = next((one for one in lists if one is not None), [document])
    if not isinstance(servers, list):
        raise DefinitionError(_EXPECTED)
    for server in servers:
        if not isinstance(server, dict) or not isinstance(server.get("identifier"), str):
            raise DefinitionError(_EXPECTED)
        yield server["identifier"], _values(server.get("scopes"), "value", server["identifier"])


def _of_terraform(document: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Yield the APIs in a state, or in what a plan leads to (https://developer.hashicorp.com/terraform/internals/json-format)."""
    values = document.get("planned_values", document.get("values"))
    modules = [values.get("root_module") if isinstance(values, dict) else None]
    seen: set[int] = set()
    for module in modules:  # grows while it is gone through
        if not isinstance(module, dict):
            raise DefinitionError(_EXPECTED)
        if id(module) in seen:
            continue  # aliases of YAML let a module contain itself
        seen.add(id(module))
        modules += _list(module.get("child_modules"))
        for resource in _list(module.get("resources")):
            if isinstance(resource, dict) and isinstance(resource.get("values"), dict):
                yield from _of_resource(resource.get("type"), resource["values"])


def _of_resource(kind: Any, values: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    is_server = kind == "auth0_resource_server"
    identifier = values.get("identifier" if is_server else "resource_server_identifier")
    if not isinstance(identifier, str):
        return
    if is_server:  # before version 1 of the provider, and as a data source, it has the scopes itself
        yield identifier, _values(values.get("scopes"), "value", identifier)
    elif kind == "auth0_resource_server_scopes":
        yield identifier, _values(values.get("scopes"), "name", identifier)
    elif kind == "auth0_resource_server_scope" and isinstance(values.get("scope"), str):
        yield identifier, {values["scope"]}


def _values(scopes: Any, member: str, identifier: str) -> set[str]:
    if scopes is None:
        return set()
    if not isinstance(scopes, list) or not all(isinstance(one, dict) for one in scopes):
        raise DefinitionError(f"has something other than a list of objects as the scopes of {ascii(identifier)[:300]}")
    values = [one.get(member, one.get("name")) for one in scopes]
    if not all(isinstance(value, str) for value in values):
        raise DefinitionError(f"has a scope whose value is missing or not text, in the API {ascii(identifier)[:300]}")
    return set(values)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
