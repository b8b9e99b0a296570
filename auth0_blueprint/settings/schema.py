"""The marshmallow schema of the settings: types, defaults, limits, and meanings; `rules` are between them.

It is also the source of ``docs/configuration.md``.
"""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from auth0_blueprint.settings import fields as custom
from auth0_blueprint.settings.decryption_keys import decryption_keys
from auth0_blueprint.settings.described_fields import byte_size as _bytes
from auth0_blueprint.settings.described_fields import choice as _choice
from auth0_blueprint.settings.described_fields import number as _range
from auth0_blueprint.settings.described_fields import seconds as _seconds
from auth0_blueprint.settings.described_fields import switch as _switch
from auth0_blueprint.settings.event_senders import EventSecrets, EventSenders, EventTransmitters
from auth0_blueprint.settings.own_client import client_key
from auth0_blueprint.settings.rules import problems_between
from auth0_blueprint.settings.signing_secrets import SigningSecrets
from auth0_blueprint.settings.user_agent import DEFAULT_USER_AGENT


class SettingsSchema(Schema):
    """Every setting: its type, default, limits and meaning."""

    class Meta:
        unknown = EXCLUDE

    AUTH0_DOMAIN = custom.Domains(
        load_default=(),
        metadata={
            "description": "Tenant or custom domain, as a bare host name; a list for [several](#several-domains) of "
            "one tenant, a function for [several tenants](how-to/several-tenants.md). Required unless `AUTH0_ISSUER` "
            "is set. The issuer is `https://{domain}/`."
        },
    )
    AUTH0_MAX_ISSUERS = _range(
        fields.Integer, "issuers", 100, (1, 100_000), "How many key sets a process keeps with a function as domain."
    )
    AUTH0_ISSUER = custom.IssuerURL(
        load_default=None,
        metadata={
            "default": "from the domain",
            "description": "The exact issuer URL, as in the `iss` claim. `http` only for loopback hosts. "
            "Refused with several domains, or if it differs from the issuer of `AUTH0_DOMAIN`.",
        },
    )
    AUTH0_AUDIENCE = custom.TextList(
        required=True,
        error_messages={"required": "is missing: set it to the identifier of your API in Auth0"},
        metadata={
            "description": "API identifier(s) as registered in Auth0; the token's `aud` must contain one of them. "
            "`API_ID` still works as an alias, with a warning."
        },
    )
    AUTH0_JWKS_URL = custom.KeySetURL(
        load_default=None,
        metadata={
            "default": "issuer + `.well-known/jwks.json`",
            "description": "URL of the key set. `https`, or `http` on loopback. Refused with several domains.",
        },
    )
    AUTH0_ALGORITHMS = custom.Algorithms(
        load_default=None,
        metadata={
            "default": "`RS256`, or `HS256` with `AUTH0_SIGNING_SECRET`",
            "description": "Accepted signature algorithms: RS, PS or ES with 256, 384 or 512, and EdDSA or Ed25519 "
            "(two names for one algorithm). `HS256` only alone, with `AUTH0_SIGNING_SECRET`; `none` and other HS* are "
            "refused.",
        },
    )
    AUTH0_SIGNING_SECRET = SigningSecrets(
        load_default=(),
        metadata={
            "secret": True,
            "description": "The signing secret of an API whose tokens Auth0 signs with [HS256](how-to/hs256.md): 32 "
            "bytes or more, or two secrets while one replaces the other. The app then has no key set, and refuses "
            "tokens signed in any other way.",
        },
    )
    AUTH0_LEEWAY = _seconds(5, 0, 300, "Clock tolerance for `exp`, `nbf` and `iat`.")
    AUTH0_TOKEN_PROFILE = _choice(
        "any",
        ("any", "auth0", "rfc9068"),
        "Accepted token format. `any`: either; `auth0`: `typ` is `JWT` and `azp` is present; `rfc9068`: `typ` is "
        "`at+jwt`, and `client_id` and `jti` are present.",
    )
    AUTH0_REQUIRED_CLAIMS = custom.TextList(
        load_default=(), metadata={"description": "Additional claims that every token must have."}
    )
    AUTH0_ORGANIZATION = custom.OrganizationIds(
        load_default=(),
        metadata={
            "description": "Organization id(s) (`org_...`, not names); the token's `org_id` must be one of them. "
            "Unset: tokens of any organization, or of none, are accepted."
        },
    )
    AUTH0_MAX_TOKEN_LIFETIME = _seconds(
        2_592_000,
        1,
        315_360_000,
        "Tokens with a longer `exp - iat` are refused. 30 days is Auth0's own maximum.",
    )
    AUTH0_MAX_TOKEN_BYTES = _bytes(
        16384,
        256,
        1_048_576,
        "Longer tokens are refused before parsing. Servers have their own limits on headers: gunicorn 8190 bytes.",
    )
    AUTH0_REALM = custom.Realm(load_default="api", metadata={"description": "The realm in the challenge."})
    AUTH0_JWKS_TTL = _seconds(600, 0.1, 86_400, "How long a key set counts as fresh.")
    AUTH0_JWKS_REFRESH_AHEAD = _seconds(120, 0, 86_400, "How long before then it is refreshed in the background.")
    AUTH0_JWKS_MAX_STALE = _seconds(3600, 0.1, 604_800, "How old a key set may be while Auth0 cannot be reached.")
    AUTH0_JWKS_COOLDOWN = _seconds(30, 0, 3600, "Unknown key ids cause at most 3 fetches in this time. 0: no limit.")
    AUTH0_JWKS_MAX_WAITING = _range(
        fields.Integer,
        "requests",
        8,
        (0, 10_000),
        "How many requests of a process wait at once for an unknown key: "
        "[at most half of a worker's threads](#how-many-requests-may-wait).",
    )
    AUTH0_JWKS_TIMEOUT = _seconds(
        5,
        0.1,
        60,
        "Time limit for one fetch, whatever the server does. Looking up a name has up to 6 s of its own: see "
        "[Name servers](how-to/outgoing-network.md#name-servers).",
    )
    AUTH0_JWKS_USER_AGENT = custom.UserAgent(
        load_default=DEFAULT_USER_AGENT,
        metadata={
            "default": "`auth0_blueprint/<version>`",
            "description": "The `User-Agent` of every request that this package sends, for "
            "[firewalls](how-to/outgoing-network.md#the-user-agent) that refuse the default.",
        },
    )
    AUTH0_JWKS_MAX_BYTES = _bytes(262_144, 1024, 16_777_216, "Larger key sets are refused.")
    AUTH0_JWKS_HONOR_MAX_AGE = _switch(
        False, "Whether `Cache-Control: max-age` of a key set shortens `AUTH0_JWKS_TTL` for it, to no less than 60 s."
    )
    AUTH0_CACHE_SECRET = custom.Secret(
        load_default=None,
        metadata={
            "default": "`SECRET_KEY`",
            "secret": True,
            "description": "Signs everything stored in a shared cache. Without it nothing is shared; with one shorter "
            "than 32 bytes, nothing beyond this machine.",
        },
    )
    AUTH0_TOKEN_CACHE_SIZE = _range(
        fields.Integer, "tokens", 1024, (0, 1_000_000), "How many verified tokens each process remembers. 0: none."
    )
    AUTH0_SYNC_INTERVAL = _seconds(
        5, 0, 3600, "How soon a revocation or refresh takes effect in all processes. 0: every request asks the cache."
    )
    AUTH0_REVOCATION = _switch(True, "Whether tokens can be revoked. `false` turns revocation and its overhead off.")
    AUTH0_REVOCATION_MAX_STALE = _seconds(
        60,
        1,
        86_400,
        "How long a process may be without the shared cache before its revocations count as outdated.",
    )
    AUTH0_REVOCATION_ON_ERROR = _choice(
        "allow",
        ("allow", "deny"),
        "What a process does then: `allow`: continue with the revocations it knows (health warns); `deny`: answer 503, "
        "also until it has first read them. Applies to used DPoP proofs as well while the cache is unavailable.",
    )
    AUTH0_HEALTH_DETAILS = _choice(
        "authorized",
        ("never", "authorized", "always"),
        "Who sees the details in `/auth/health`: nobody, admins, or everyone.",
    )
    AUTH0_ADMIN = _switch(True, "Whether the admin routes exist. `false`: they answer 404.")
    AUTH0_ADMIN_SCOPE = custom.ScopeToken(
        load_default="manage:auth0", metadata={"description": "The scope and permission that the admin routes require."}
    )
    AUTH0_ADMIN_ISSUERS = custom.IssuerList(
        load_default=(),
        metadata={
            "description": "Where a function decides which issuers are accepted: those whose admins may see "
            "`/auth/admin/config`, `/auth/admin/stats` and the state of the cache, which concern the whole app. Other "
            "admins see their own issuer."
        },
    )
    AUTH0_INTROSPECTION_SCOPE = custom.ScopeToken(
        load_default="introspect:tokens",
        metadata={"description": "The scope and permission that `/auth/introspect` requires."},
    )
    AUTH0_ADMIN_RBAC = _switch(
        True,
        "Both values must be in `scope` and in `permissions`: without RBAC any client may request any scope. "
        "`false` accepts `scope` alone.",
    )
    AUTH0_DPOP = _choice(
        "disabled",
        ("disabled", "allowed", "required"),
        "DPoP (RFC 9449): `allowed` beside bearer tokens, or `required`. Needs `AUTH0_PUBLIC_URL`, or Flask's "
        "`TRUSTED_HOSTS`: see [dpop.md](dpop.md). `disabled`: DPoP-bound tokens are refused.",
    )
    AUTH0_MTLS_CERT = custom.ClientCertificate(
        load_default=None,
        metadata={
            "description": "Where the client certificate for certificate-bound tokens is: `header:NAME from PEERS` "
            "from a proxy, or `environ:KEY` from the server: see [mtls.md](mtls.md). Unset: such tokens are refused."
        },
    )
    AUTH0_MTLS = _choice(
        "allowed",
        ("allowed", "required"),
        "Certificate-bound tokens (RFC 8705): `allowed` beside others, or `required`: every other token is refused. "
        "`required` needs `AUTH0_MTLS_CERT`, and `AUTH0_DPOP=disabled`.",
    )
    AUTH0_DECRYPTION_KEYS = decryption_keys()
    AUTH0_ENCRYPTION = _choice(
        "allowed",
        ("allowed", "required"),
        "Whether tokens must be encrypted. `allowed`: signed ones are accepted as well; `required`: they are refused. "
        "Needs `AUTH0_DECRYPTION_KEYS`.",
    )
    AUTH0_OTEL = _switch(False, "OpenTelemetry [spans and metrics](how-to/tracing.md) (extra `otel`).")
    AUTH0_OTEL_SUBJECT = _switch(False, "Spans name the caller (`enduser.id`): whoever reads traces sees who did what.")
    AUTH0_OPENAPI = _switch(False, "Serves `/auth/openapi.json` (extra `openapi`).")
    AUTH0_PUBLIC_URL = custom.PublicURL(
        load_default=None,
        metadata={
            "description": "The URL under which clients see this API: `https` (`http` on loopback), host, optionally a "
            "port, and a path if a proxy strips one."
        },
    )
    AUTH0_RESOURCE_METADATA = _switch(
        False,
        "Serves `/.well-known/oauth-protected-resource` (RFC 9728) and names it in every challenge. Needs "
        "`AUTH0_PUBLIC_URL`, or an `AUTH0_AUDIENCE` that is the URL of this API.",
    )
    AUTH0_LOGOUT_CLIENT_IDS = custom.TextList(
        load_default=(),
        metadata={
            "description": "Client ids of the applications whose [back-channel logout](how-to/backchannel-logout.md) "
            "ends their users' tokens: serves `/auth/events/logout`."
        },
    )
    AUTH0_SESSION_CLAIM = custom.Text(
        load_default=None,
        metadata={
            "default": "`sid`",
            "description": "The claim of access tokens that holds the session id. Auth0 keeps `sid` out of them: an "
            "[Action](how-to/backchannel-logout.md#end-one-session-only) can write another one. If set, a logout that "
            "names a session ends the tokens of that session only.",
        },
    )
    AUTH0_EVENT_TRANSMITTERS = EventTransmitters(
        load_default=(),
        metadata={
            "description": "Who sends [security events](how-to/security-events.md) (Shared Signals, CAEP, RISC): "
            "serves `/auth/events/security`."
        },
    )
    AUTH0_EVENT_SECRETS = EventSecrets(
        load_default=(),
        metadata={
            "secret": True,
            "description": "The secret of Auth0's [event and log streams](how-to/auth0-events.md), or two while one "
            "replaces the other: serves `/auth/events/auth0`.",
        },
    )
    AUTH0_GLOBAL_REVOCATION = EventSenders(
        load_default=(),
        metadata={
            "description": "Identity providers whose [Universal Logout](how-to/universal-logout.md) ends their users' "
            "tokens: serves `/auth/events/global-token-revocation`."
        },
    )
    AUTH0_CLIENT_ID = custom.Text(
        load_default=None,
        metadata={
            "description": "The client id of the API's own application, to [call other APIs]"
            "(how-to/calling-other-apis.md), and for [`flask auth0 token`](command-line.md#token)."
        },
    )
    AUTH0_CLIENT_SECRET = custom.Text(
        load_default=None, metadata={"secret": True, "description": "The client secret of that application."}
    )
    AUTH0_CLIENT_KEY = client_key()
    AUTH0_TOKEN_URL = custom.EndpointURL(
        load_default=None,
        metadata={"default": "`oauth/token` of the issuer", "description": "The token endpoint of that application."},
    )

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _check_together(self, data: dict[str, Any], original: dict[str, Any], **_: object) -> None:
        """Check the rules between settings, as far as each setting is valid by itself."""
        problems = problems_between(data, original.get("TRUSTED_HOSTS"))
        if problems:
            raise ValidationError({key: [problem] for key, problem in problems.items()})
