"""What the package's own routes accept and return, a row each: the source of the OpenAPI document."""

from __future__ import annotations

from typing import Any, NamedTuple

from marshmallow import Schema, fields

from auth0_blueprint import errors
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.revocation.index import KINDS
from auth0_blueprint.routes.admin import ConfigSchema, KeySetsSchema, StatsSchema
from auth0_blueprint.routes.health import HealthSchema
from auth0_blueprint.routes.introspection import IntrospectionRequestSchema, IntrospectionSchema
from auth0_blueprint.routes.me import ClaimsSchema
from auth0_blueprint.routes.resource_metadata import ResourceMetadataSchema
from auth0_blueprint.routes.revocations import RevocationRequestSchema, RevocationSchema

JSON, FORM, HEALTH_JSON = "application/json", "application/x-www-form-urlencoded", "application/health+json"


class ErrorSchema(Schema):
    """Every refusal (RFC 6750 §3.1). ``error`` is absent where the challenge is bare."""

    error: fields.String = fields.String()
    error_description: fields.String = fields.String(
        required=True, metadata={"description": "one fixed sentence for each reason"}
    )
    code: fields.String = fields.String(required=True, metadata={"description": "stable"})


class DocumentSchema(Schema):
    """An OpenAPI document."""

    openapi: fields.String = fields.String(required=True)
    info: fields.Dict = fields.Dict(required=True)
    paths: fields.Dict = fields.Dict(required=True)
    components: fields.Dict = fields.Dict(required=True)
    servers: fields.List[Any] = fields.List(fields.Dict(), required=True)


class Operation(NamedTuple):
    """One method of one route.

    Attributes:
        name: of the operation.
        view: the last part of its endpoint.
        method: in small letters.
        summary: what it is for.
        answers: status to schema of what is no error.
        body: schema of the request.
        body_type: media type of the request.
        answer_type: media type of the answers.
        guard: who may: ``anyone``, ``optional`` (a token shows more), ``token`` (any valid one), or the name of the
            member of `Settings` that says which scope and permission.
        refusals: errors beside those of the guard.
        switches: the members of `Settings` without which there is no such route.
    """

    name: str
    view: str
    method: str
    summary: str
    answers: dict[int, type[Schema]]
    body: type[Schema] | None = None
    body_type: str = JSON
    answer_type: str = JSON
    guard: str = "admin_scope"
    refusals: tuple[type[Auth0Error], ...] = ()
    switches: tuple[str, ...] = ("admin",)


OPERATIONS = (
    Operation(
        *("health", "health", "get", "Whether tokens can be verified"),
        {200: HealthSchema, 503: HealthSchema},
        answer_type=HEALTH_JSON,
        guard="optional",
        switches=(),
    ),
    Operation(
        *("live", "live", "get", "Whether the process answers"),
        {200: HealthSchema},
        answer_type=HEALTH_JSON,
        guard="anyone",
        switches=(),
    ),
    Operation(
        *("openapi", "openapi", "get", "This document"),
        {200: DocumentSchema},
        guard="anyone",
        switches=("openapi",),
    ),
    Operation(
        *("resource_metadata", "resource_metadata", "get", "How to get a token for this API (RFC 9728)"),
        {200: ResourceMetadataSchema},
        guard="anyone",
        switches=("resource",),
    ),
    Operation(
        *("me", "me", "get", "The caller's verified claims"),
        {200: ClaimsSchema},
        guard="token",
        switches=(),
    ),
    Operation(
        *("introspect", "introspect", "post", "What the guard sees in a token (RFC 7662)"),
        {200: IntrospectionSchema},
        body=IntrospectionRequestSchema,
        body_type=FORM,
        guard="introspection_scope",
        refusals=(errors.InvalidRequestError,),
        switches=(),
    ),
    Operation(*("config", "config", "get", "The settings in force"), {200: ConfigSchema}),
    Operation(*("jwks", "jwks", "get", "The key sets that this process has"), {200: KeySetsSchema}),
    Operation(
        *("refresh", "refresh", "post", "Fetch every key set now, in all processes"),
        {200: KeySetsSchema},
        refusals=(errors.RateLimitedError,),
    ),
    Operation(*("stats", "stats", "get", "The counters of this process"), {200: StatsSchema}),
    Operation(
        *("revoke", "revoke", "post", "Revoke a token, or all tokens issued so far for a subject or to a client"),
        {201: RevocationSchema},
        body=RevocationRequestSchema,
        refusals=(errors.InvalidRequestError,),
        switches=("admin", "revocation"),
    ),
    Operation(
        *("look_up", "look_up_or_lift", "get", "Look a revocation up"),
        {200: RevocationSchema},
        refusals=(errors.NotFoundError,),
        switches=("admin", "revocation"),
    ),
    Operation(
        *("lift", "look_up_or_lift", "delete", "Lift a revocation: accept the tokens again"),
        {200: RevocationSchema},
        refusals=(errors.NotFoundError,),
        switches=("admin", "revocation"),
    ),
)

PARAMETERS: dict[str, dict[str, Any]] = {
    "kind": {"schema": {"type": "string", "enum": list(KINDS)}},
    "value": {
        "schema": {"type": "string", "minLength": 1},
        "description": "percent-encoded, including slashes; for a token, its digest",
    },
}

#: What a schema cannot say by its fields alone.
MORE_OF_SCHEMA: dict[type[Schema], dict[str, Any]] = {
    RevocationRequestSchema: {"oneOf": [{"required": [kind]} for kind in KINDS]},
}
