"""``POST /auth/introspect``: whether the guard would accept a token, and what it sees in it (RFC 7662)."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import EXCLUDE, Schema, fields, post_dump

from auth0_blueprint.errors import InvalidTokenError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.keysets.directory import limited_to
from auth0_blueprint.routes.bodies import answer, form_body
from auth0_blueprint.routes.tenant import own_issuer
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation


class IntrospectionRequestSchema(Schema):
    """The form: RFC 7662 §2.1. Other fields are ignored."""

    class Meta:
        unknown = EXCLUDE

    token: fields.String = fields.String(required=True)
    token_type_hint: fields.String = fields.String()


class IntrospectionSchema(Schema):
    """The response: RFC 7662 §2.2. For an inactive token it is ``active`` alone."""

    active: fields.Boolean = fields.Boolean(required=True)
    scope: fields.String = fields.String(metadata={"description": "values separated by spaces"})
    client_id: fields.String = fields.String()
    sub: fields.String = fields.String()
    aud: fields.Raw = fields.Raw(metadata={"description": "a string or a list of strings"})
    iss: fields.String = fields.String()
    exp: fields.Raw = fields.Raw(metadata={"description": "Unix time in seconds"})
    iat: fields.Raw = fields.Raw(metadata={"description": "Unix time in seconds"})
    nbf: fields.Raw = fields.Raw(metadata={"description": "Unix time in seconds"})
    jti: fields.String = fields.String()
    token_type: fields.String = fields.String()
    permissions: fields.List[Any] = fields.List(fields.String(), metadata={"description": "Auth0 RBAC"})
    org_id: fields.String = fields.String()
    acr: fields.Raw = fields.Raw(metadata={"description": "how the user logged in (RFC 9470 §6.2)"})
    auth_time: fields.Raw = fields.Raw(metadata={"description": "when the user logged in, as Unix time in seconds"})
    cnf: fields.Raw = fields.Raw(metadata={"description": "what the token is bound to (RFC 7800)"})
    act: fields.Raw = fields.Raw(metadata={"description": "who acts on behalf of the subject (RFC 8693 §4.1)"})
    authorization_details: fields.Raw = fields.Raw(
        metadata={"description": "what exactly was authorized, a list of objects (RFC 9396 §9.2)"}
    )

    @post_dump
    def _without_absent_claims(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None or name == "cnf"}


def introspect() -> Response:
    """Return whether a token is active, and its claims. Bound tokens are reported with their ``cnf``."""
    token: str = form_body(IntrospectionRequestSchema())["token"]
    try:
        # Whoever asks is not whom the token is bound to, and must not learn whether another tenant issued it.
        with limited_to(own_issuer()):
            access_token = app_state().sequence.without("binding").verify(Presentation(token))
    except InvalidTokenError:
        # RFC 7662 §2.2: the caller does not learn why. An outage is an error of its own, never an inactive token.
        return answer(IntrospectionSchema(), {"active": False})
    return answer(IntrospectionSchema(), _facts(access_token))


def _facts(access_token: AccessToken) -> dict[str, Any]:
    return {
        **access_token.claims,
        "active": True,
        "scope": " ".join(sorted(access_token.scopes)) or None,
        "client_id": access_token.client_id,
        "token_type": "DPoP" if _is_bound_by_dpop(access_token) else "Bearer",
    }


def _is_bound_by_dpop(access_token: AccessToken) -> bool:
    confirmation = access_token.confirmation
    return isinstance(confirmation, dict) and "jkt" in confirmation  # RFC 9449 §6.2
