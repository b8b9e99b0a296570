"""The package's own routes as an OpenAPI 3.1 document, built from the schemas that they use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import RAISE, Schema, fields

from auth0_blueprint import errors
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.guards.requirements import Requirement
from auth0_blueprint.revocation.index import KINDS
from auth0_blueprint.routes.access import requirements_of, route_of
from auth0_blueprint.routes.events.auth0 import MAX_RECORDS, Auth0EventsSchema
from auth0_blueprint.routes.events.security import SecurityEventSchema
from auth0_blueprint.routes.revocations import RevocationRequestSchema
from auth0_blueprint.routes.route_row import JSON, Operation, Route, imported
from auth0_blueprint.settings import Settings

_BEARER = "bearer"
_HEADERS: dict[str, dict[str, Any]] = {
    "Cache-Control": {"schema": {"const": "no-store"}, "required": True},
    "WWW-Authenticate": {"schema": {"type": "string"}, "description": "the challenge (RFC 6750 §3)"},
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "in seconds"},
    "Location": {"schema": {"type": "string"}, "description": "of the revocation", "required": True},
    "Allow": {"schema": {"type": "string"}},
}
_HEADERS_OF_STATUS = {
    201: ("Location",),
    400: ("WWW-Authenticate",),
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "kind": {"schema": {"type": "string", "enum": list(KINDS)}},
    "value": {
        "schema": {"type": "string", "minLength": 1},
        "description": "percent-encoded, including slashes; for a token, its digest",
    },
}
#: What a schema cannot say by its fields alone.
_MORE_OF_SCHEMA: dict[type[Schema], dict[str, Any]] = {
    RevocationRequestSchema: {"oneOf": [{"required": [kind]} for kind in KINDS]},
    Auth0EventsSchema: {"type": ["object", "array"], "items": {"type": "object"}, "maxItems": MAX_RECORDS},
}

#: What is text, and no JSON.
_TEXTS: dict[type[Schema], dict[str, Any]] = {
    SecurityEventSchema: {"type": "string", "description": "the compact serialization of the signed token"},
}


class ErrorSchema(Schema):
    """Every refusal (RFC 6750 §3.1). ``error`` is absent where the challenge is bare."""

    error: fields.String = fields.String()
    error_description: fields.String = fields.String(
        required=True, metadata={"description": "one fixed sentence for each reason"}
    )
    code: fields.String = fields.String(required=True, metadata={"description": "stable"})


def document(app: Flask, blueprint: str, settings: Settings) -> dict[str, Any]:
    """Return the document for the routes of *blueprint*, as registered on *app*."""
    schemas: dict[str, type[Schema]] = {}

    def name_of(schema: Any) -> str:
        found: type[Schema] = schema if isinstance(schema, type) else type(schema)
        name = found.__name__.removesuffix("Schema")
        schemas[name] = found
        return name

    spec = APISpec(
        title="auth0_blueprint",
        version="1",
        openapi_version="3.1.0",
        info={"description": "The routes that auth0_blueprint adds to this API. An unsupported method gets 405."},
        plugins=[MarshmallowPlugin(schema_name_resolver=name_of)],
    )
    spec.components.security_scheme(_BEARER, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    for name, header in _HEADERS.items():
        spec.components.header(name, header)
    spec.components.response("MethodNotAllowed", _refusals(405, {errors.MethodNotAllowedError.code}))
    for route in _routes(app, blueprint):
        if route.is_on(settings):
            path, names = _path(app, f"{blueprint}.{route.name}")
            described = {op.method.lower(): _described(op, route, names, settings) for op in route.operations}
            spec.path(path, operations=described)
    found: dict[str, Any] = spec.to_dict()
    for name, component in found["components"]["schemas"].items():
        _complete(component, schemas[name])
    return found


def _routes(app: Flask, blueprint: str) -> Iterator[Route]:
    """Yield the rows of `routes.route_table` that *blueprint* has on *app*."""
    for endpoint, view in app.view_functions.items():
        route = route_of(view)
        if route is not None and endpoint.rpartition(".")[0] == blueprint:
            yield route


def _path(app: Flask, endpoint: str) -> tuple[str, list[str]]:
    """Return the path of *endpoint* with its parameters in braces, and their names."""
    rule = next(app.url_map.iter_rules(endpoint))
    return re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", r"{\1}", rule.rule), re.findall(r"<(?:[^<>:]+:)?([^<>]+)>", rule.rule)


def _described(operation: Operation, route: Route, parameters: list[str], settings: Settings) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": _security(route, settings),
        "responses": _responses(operation, requirements_of(route, settings)),
    }
    if parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, **_PARAMETERS.get(name, {"schema": {"type": "string"}})}
            for name in parameters
        ]
    if operation.query is not None:
        # apispec makes a parameter of each field.
        described.setdefault("parameters", []).append({"in": "query", "schema": imported(operation.query)})
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {operation.body_type: {"schema": imported(operation.body)}},
        }
    return described


def _security(route: Route, settings: Settings) -> list[dict[str, list[str]]]:
    if route.guard == "optional":
        return [{}, {_BEARER: []}]
    if any(errors.UnauthorizedSenderError in operation.refusals for operation in route.operations):
        return [{_BEARER: []}]  # a secret, or a JWT, of the sender
    requirements = requirements_of(route, settings)
    # OpenAPI 3.1: for a scheme that is not OAuth 2 the names are roles.
    return [{_BEARER: [scope for requirement in requirements for scope in requirement.scopes]}] if requirements else []


def _responses(operation: Operation, requirements: tuple[Requirement, ...]) -> dict[str, Any]:
    responses = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(status) if status < HTTPStatus.BAD_REQUEST else _headers(200),
            **({} if schema is None else {"content": {operation.answer_type: {"schema": imported(schema)}}}),
        }
        for status, schema in operation.answers.items()
    }
    codes: dict[int, set[str]] = {}
    for error in (*_refusals_of(requirements), *operation.refusals):
        codes.setdefault(error.status, set()).add(error.code)
    return {**responses, **{str(status): _refusals(status, found) for status, found in sorted(codes.items())}}


def _refusals_of(requirements: tuple[Requirement, ...]) -> Iterator[type[Auth0Error]]:
    """Yield the errors of a route with these *requirements*."""
    if not requirements:
        return
    yield from (errors.MissingCredentialsError, errors.InvalidHeaderError, errors.AmbiguousHeaderError)
    yield errors.InvalidProofError
    yield from set(errors.InvalidTokenError.__subclasses__()) - {errors.UnauthorizedSenderError}
    yield from errors.UnavailableError.__subclasses__()
    yield from (requirement.error for requirement in requirements)


def _refusals(status: int, codes: set[str]) -> dict[str, Any]:
    """Return the response with *status*, whose ``code`` is one of *codes*."""
    schema = {"allOf": [ErrorSchema, {"properties": {"code": {"enum": sorted(codes)}}}]}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": _headers(status),
        "content": {JSON: {"schema": schema}},
    }


def _headers(status: int) -> dict[str, Any]:
    names = ("Cache-Control", *_HEADERS_OF_STATUS.get(status, ()))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _complete(component: dict[str, Any], schema: type[Schema]) -> None:
    if schema in _TEXTS:
        component.clear()
        component.update(_TEXTS[schema])
        return
    # apispec's versions differ on whether other members are allowed.
    component["additionalProperties"] = schema().unknown != RAISE
    component.update(_MORE_OF_SCHEMA.get(schema, {}))
