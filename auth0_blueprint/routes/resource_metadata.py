"""``GET /.well-known/oauth-protected-resource``: what a client must know to get a token for this API (RFC 9728)."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app
from marshmallow import Schema, fields

from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.route_requirements import detail_types_of_app, scopes_of_app
from auth0_blueprint.jose.algorithms import PROOF_ALGORITHMS
from auth0_blueprint.routes.bodies import answer


class ResourceMetadataSchema(Schema):
    """The metadata: RFC 9728 §2. Members that do not apply are absent."""

    resource: fields.String = fields.String(required=True)
    authorization_servers: fields.List[Any] = fields.List(
        fields.String(), metadata={"description": "absent where a function in AUTH0_DOMAIN decides"}
    )
    bearer_methods_supported: fields.List[Any] = fields.List(fields.String(), required=True)
    dpop_signing_alg_values_supported: fields.List[Any] = fields.List(fields.String())
    dpop_bound_access_tokens_required: fields.Boolean = fields.Boolean()
    tls_client_certificate_bound_access_tokens: fields.Boolean = fields.Boolean()
    scopes_supported: fields.List[Any] = fields.List(
        fields.String(), metadata={"description": "the scopes that the guards of the routes require"}
    )
    authorization_details_types_supported: fields.List[Any] = fields.List(
        fields.String(), metadata={"description": "the types of authorization details that the guards require"}
    )


def resource_metadata() -> Response:
    """Return the metadata. Its scopes are those of the guards, without those of the operator routes."""
    settings = app_state().settings
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    metadata: dict[str, object] = {
        "resource": settings.resource,
        # RFC 9728 §3.2: a member without values is left out.
        **({"authorization_servers": list(settings.issuers)} if settings.issuers else {}),
        "bearer_methods_supported": ["header"],
    }
    if settings.dpop != "disabled":
        metadata["dpop_signing_alg_values_supported"] = list(PROOF_ALGORITHMS)
        metadata["dpop_bound_access_tokens_required"] = settings.dpop == "required"
    if settings.mtls_cert is not None:
        metadata["tls_client_certificate_bound_access_tokens"] = True
    if scopes := scopes_of_app(app):
        metadata["scopes_supported"] = scopes
    if types := detail_types_of_app(app):
        metadata["authorization_details_types_supported"] = types
    return answer(ResourceMetadataSchema(), metadata)
