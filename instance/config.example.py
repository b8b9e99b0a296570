"""Every setting of auth0_blueprint, with its default. Copy to instance/config.py and set the first two."""

# The domain of your tenant (or your custom domain) and the identifier of your API.
AUTH0_DOMAIN = "example.eu.auth0.com"  # or several: ["example.eu.auth0.com", "login.example.com"]; the first matters
AUTH0_AUDIENCE = "https://api.example.com"

# Origins of browser front ends (used by the reference app, wsgi.py).
CORS_ORIGINS = ["http://localhost:3000"]

# The issuer, if it is not https://{AUTH0_DOMAIN}/, and its key set. Not allowed with several domains.
# AUTH0_ISSUER = "https://example.eu.auth0.com/"
# AUTH0_JWKS_URL = "https://example.eu.auth0.com/.well-known/jwks.json"

# Several tenants: AUTH0_DOMAIN is a function, or "module:function". See docs/how-to/several-tenants.md.
# AUTH0_MAX_ISSUERS = 100
# AUTH0_ADMIN_ISSUERS = []  # whose admins may see what concerns the whole app

# What a token must look like.
# AUTH0_ALGORITHMS = ["RS256"]
# AUTH0_SIGNING_SECRET = None  # for HS256; better set in the environment: see docs/how-to/hs256.md
# AUTH0_LEEWAY = 5  # seconds
# AUTH0_TOKEN_PROFILE = "any"  # "any", "auth0" or "rfc9068"
# AUTH0_REQUIRED_CLAIMS = []
# AUTH0_ORGANIZATION = []  # ids (org_...); unset: tokens of every organization are accepted
# AUTH0_MAX_TOKEN_LIFETIME = 30 * 24 * 3600  # seconds
# AUTH0_MAX_TOKEN_BYTES = 16384
# AUTH0_REALM = "api"

# How key sets are kept current. All but the last two are in seconds.
# AUTH0_JWKS_TTL = 600
# AUTH0_JWKS_REFRESH_AHEAD = 120
# AUTH0_JWKS_MAX_STALE = 3600
# AUTH0_JWKS_COOLDOWN = 30
# AUTH0_JWKS_MAX_WAITING = 8
# AUTH0_JWKS_TIMEOUT = 5
# AUTH0_JWKS_MAX_BYTES = 262144
# AUTH0_JWKS_HONOR_MAX_AGE = False
# AUTH0_JWKS_USER_AGENT = "auth0_blueprint/<version>"

# Shared with other processes through flask-caching, signed with this secret of 32 bytes or more (default: SECRET_KEY).
# CACHE_TYPE = "RedisCache"
# CACHE_REDIS_URL = "redis://localhost:6379/0"
# AUTH0_CACHE_SECRET = None

# How many verified tokens each process remembers; 0: none.
# AUTH0_TOKEN_CACHE_SIZE = 1024

# Revocation: how soon it takes effect in all processes, whether it is on at all, and what a process does that has not
# reached the shared cache for a while ("allow" or "deny"; also applies to used DPoP proofs).
# AUTH0_SYNC_INTERVAL = 5  # seconds
# AUTH0_REVOCATION = True
# AUTH0_REVOCATION_MAX_STALE = 60  # seconds
# AUTH0_REVOCATION_ON_ERROR = "allow"

# Who may send events that end tokens: back-channel logout of these applications, transmitters of security events,
# Auth0's event and log streams (with a secret of 32 characters or more), identity providers with Universal Logout.
# AUTH0_LOGOUT_CLIENT_IDS = []
# AUTH0_SESSION_CLAIM = "sid"  # Auth0 keeps it out of access tokens: see docs/how-to/backchannel-logout.md
# AUTH0_EVENT_TRANSMITTERS = []  # dictionaries with issuer, jwks_url and audience: see docs/how-to/security-events.md
# AUTH0_EVENT_SECRETS = []
# AUTH0_GLOBAL_REVOCATION = []  # the same: see docs/how-to/universal-logout.md

# The routes for operators, and who may introspect tokens.
# AUTH0_ADMIN = True
# AUTH0_INTROSPECTION_SCOPE = "introspect:tokens"
# AUTH0_OPENAPI = False

# OpenTelemetry spans and metrics, and whether spans name the user. See docs/how-to/tracing.md.
# AUTH0_OTEL = False
# AUTH0_OTEL_SUBJECT = False

# The URL at which clients see this API, and whether it tells them how to get a token (RFC 9728).
# AUTH0_PUBLIC_URL = "https://api.example.com"
# AUTH0_RESOURCE_METADATA = False

# Who sees the details of /auth/health ("never", "authorized", "always"), and what an admin's token must have.
# AUTH0_HEALTH_DETAILS = "authorized"
# AUTH0_ADMIN_SCOPE = "manage:auth0"
# AUTH0_ADMIN_RBAC = True

# Tokens bound to a key of the client (RFC 9449). Needs AUTH0_PUBLIC_URL or TRUSTED_HOSTS: see docs/dpop.md.
# AUTH0_DPOP = "disabled"  # or "allowed", "required"

# Where to find the client certificate, for tokens bound to one: see docs/mtls.md.
# AUTH0_MTLS_CERT = None  # "header:X-SSL-Client-Cert from unix"
# AUTH0_MTLS = "allowed"  # or "required": no other tokens

# Private keys for encrypted access tokens, and whether tokens must be encrypted: see docs/how-to/encrypted-tokens.md.
# AUTH0_DECRYPTION_KEYS = None  # "/run/secrets/auth0-api.pem"
# AUTH0_ENCRYPTION = "allowed"  # or "required"

# The API's own application in Auth0, for calling other APIs: see docs/how-to/calling-other-apis.md. And for
# `flask auth0 token`. A secret or a key, never both; better set in the environment.
# AUTH0_CLIENT_ID = None
# AUTH0_CLIENT_SECRET = None
# AUTH0_CLIENT_KEY = None  # "/run/secrets/auth0-client.pem"
# AUTH0_TOKEN_URL = None  # oauth/token of the issuer
