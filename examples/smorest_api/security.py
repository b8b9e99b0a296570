"""Guards that are also in the document: what it says about a route cannot differ from what the route does."""

from auth0_blueprint import requires_scope
from marshmallow import Schema, fields


class Refusal(Schema):
    """The body of every refusal."""

    error = fields.String(metadata={"description": "RFC 6750; absent where the request has no credentials"})
    error_description = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "stable"})


def needs_scope(blueprint, *scopes):
    """Guard a view of *blueprint*, and write that into its document."""

    def decorate(view):
        for status, description in (
            (401, "No token, or none that this API takes. The challenge is in WWW-Authenticate."),
            (403, f"The token lacks a scope: {' '.join(scopes)}."),
            (503, "The token cannot be checked right now. Retry-After says when to come back."),
        ):
            view = blueprint.alt_response(status, schema=Refusal, description=description)(view)
        # For a scheme other than OAuth2 the list has the roles that are required (OpenAPI 3.1, Security Requirement).
        view = blueprint.doc(security=[{"Auth0": list(scopes)}])(view)
        return requires_scope(*scopes)(view)

    return decorate
