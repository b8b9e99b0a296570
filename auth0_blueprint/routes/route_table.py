"""The package's own routes, a row each: the source of registration, of the guards and of the OpenAPI document.

A new route is a view in a module of its concern and a row here. Views and schemas are named, as ``module:name`` in this
package, and imported at the first request that needs them: most processes never serve most of the routes.
"""

from __future__ import annotations

from auth0_blueprint.errors import (
    AmbiguousHeaderError,
    EventRefusedError,
    InvalidHeaderError,
    InvalidRequestError,
    KeySetUnavailableError,
    MissingCredentialsError,
    NotFoundError,
    RateLimitedError,
    RevocationUnavailableError,
    UnauthorizedSenderError,
)
from auth0_blueprint.routes.route_row import FORM, HEALTH_JSON, Operation, Route

#: Of the routes for events whose senders prove themselves in the ``Authorization`` header.
_WITH_CREDENTIALS = (
    EventRefusedError,
    MissingCredentialsError,
    InvalidHeaderError,
    AmbiguousHeaderError,
    UnauthorizedSenderError,
    RevocationUnavailableError,
)

ROUTES = (
    Route(
        "/health",
        "health:health",
        "optional",
        (
            Operation(
                *("health", "GET", "Whether tokens can be verified"),
                {200: "health:HealthSchema", 503: "health:HealthSchema"},
                answer_type=HEALTH_JSON,
            ),
        ),
    ),
    Route(
        "/health/live",
        "health:live",
        "anyone",
        (
            Operation(
                "live", "GET", "Whether the process answers", {200: "health:HealthSchema"}, answer_type=HEALTH_JSON
            ),
        ),
    ),
    Route(
        "/openapi.json",
        "openapi:openapi",
        "anyone",
        (Operation("openapi", "GET", "This document", {200: "openapi:DocumentSchema"}),),
        switch="openapi",
    ),
    Route("/me", "me:me", "token", (Operation("me", "GET", "The caller's verified claims", {200: "me:ClaimsSchema"}),)),
    Route(
        "/introspect",
        "introspection:introspect",
        "introspection_scope",
        (
            Operation(
                *("introspect", "POST", "What the guard sees in a token (RFC 7662)"),
                {200: "introspection:IntrospectionSchema"},
                body="introspection:IntrospectionRequestSchema",
                body_type=FORM,
                refusals=(InvalidRequestError,),
            ),
        ),
    ),
    Route(
        "/admin/config",
        "admin:config",
        "admin_scope",
        (Operation("config", "GET", "The settings in force", {200: "admin:ConfigSchema"}),),
    ),
    Route(
        "/admin/jwks",
        "admin:jwks",
        "admin_scope",
        (Operation("jwks", "GET", "The key sets that this process has", {200: "admin:KeySetsSchema"}),),
    ),
    Route(
        "/admin/jwks/refresh",
        "admin:refresh",
        "admin_scope",
        (
            Operation(
                *("refresh", "POST", "Fetch every key set now, in all processes"),
                {200: "admin:KeySetsSchema"},
                refusals=(RateLimitedError,),
            ),
        ),
    ),
    Route(
        "/admin/stats",
        "admin:stats",
        "admin_scope",
        (Operation("stats", "GET", "The counters of this process", {200: "admin:StatsSchema"}),),
    ),
    Route(
        "/admin/revocations",
        "revocations:list_or_revoke",
        "admin_scope",
        (
            Operation(
                *("list_revocations", "GET", "The revocations in force, the newest first"),
                {200: "revocation_pages:RevocationPageSchema"},
                query="revocation_pages:RevocationQuerySchema",
                refusals=(InvalidRequestError,),
            ),
            Operation(
                *("revoke", "POST", "Revoke a token, or all tokens issued so far for a subject, to a client, ..."),
                {201: "revocation_pages:RevocationSchema"},
                body="revocations:RevocationRequestSchema",
                refusals=(InvalidRequestError,),
            ),
        ),
        switch="revocation",
    ),
    Route(
        "/admin/revocations/<kind>/<auth0_any_text:value>",
        "revocations:look_up_or_lift",
        "admin_scope",
        (
            Operation(
                "look_up",
                "GET",
                "Look a revocation up",
                {200: "revocation_pages:RevocationSchema"},
                refusals=(NotFoundError,),
            ),
            Operation(
                *("lift", "DELETE", "Lift a revocation: accept the tokens again"),
                {200: "revocation_pages:RevocationSchema"},
                refusals=(NotFoundError,),
            ),
        ),
        switch="revocation",
    ),
    Route(
        "/events/logout",
        "events.logout:logout",
        "sender",
        (
            Operation(
                *("logout", "POST", "A user has logged out (OpenID Connect Back-Channel Logout)"),
                {200: None},
                body="events.logout:LogoutRequestSchema",
                body_type=FORM,
                refusals=(EventRefusedError, KeySetUnavailableError, RevocationUnavailableError),
            ),
        ),
        switch="events.logout_client_ids",
    ),
    Route(
        "/events/security",
        "events.security:security_event",
        "sender",
        (
            Operation(
                *("security_event", "POST", "A security event token (RFC 8417), by push (RFC 8935)"),
                {202: None, 400: "events.security:SecurityErrorSchema"},
                body="events.security:SecurityEventSchema",
                body_type="application/secevent+jwt",
                refusals=(KeySetUnavailableError, RevocationUnavailableError),
            ),
        ),
        switch="events.transmitters",
    ),
    Route(
        "/events/auth0",
        "events.auth0:auth0_events",
        "sender",
        (
            Operation(
                *("auth0_events", "POST", "Events or log records of Auth0"),
                {204: None},
                body="events.auth0:Auth0EventsSchema",
                refusals=_WITH_CREDENTIALS,
            ),
        ),
        switch="events.secrets",
    ),
    Route(
        "/events/global-token-revocation",
        "events.global_revocation:global_token_revocation",
        "sender",
        (
            Operation(
                *("global_token_revocation", "POST", "An identity provider ends all of a user's tokens"),
                {204: None},
                body="events.global_revocation:GlobalRevocationSchema",
                refusals=(*_WITH_CREDENTIALS, KeySetUnavailableError),
            ),
        ),
        switch="events.global_revocation",
    ),
)

#: At the root of the app, not below the prefix; the path of the resource identifier is appended (RFC 9728 §3.1).
RESOURCE_METADATA = Route(
    "/.well-known/oauth-protected-resource",
    "resource_metadata:resource_metadata",
    "anyone",
    (
        Operation(
            *("resource_metadata", "GET", "How to get a token for this API (RFC 9728)"),
            {200: "resource_metadata:ResourceMetadataSchema"},
        ),
    ),
    switch="resource",
)
