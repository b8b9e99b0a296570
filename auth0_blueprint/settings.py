"""The settings: read once, at registration, by one marshmallow schema, into one frozen object.

``app.config`` wins over the environment, which wins over the default; ``None`` and empty text mean unset. The schema is
also the source of ``docs/configuration.md``.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from auth0_blueprint import setting_fields as custom
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.resource_identifier import resource_identifier

logger = logging.getLogger("auth0_blueprint")


class EffectiveSetting(NamedTuple):
    """One setting: its key, its value, and where that comes from: ``app.config``, ``environment`` or ``default``."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """The effective settings. Changing ``app.config`` afterwards changes nothing."""

    #: Each issuer, and where its key set is. The first one names what processes share: see `assembly`.
    key_set_urls: Mapping[str, str]
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway_seconds: float
    token_profile: str
    required_claims: tuple[str, ...]
    organization: tuple[str, ...]
    max_token_lifetime_seconds: float
    max_token_bytes: int
    realm: str
    jwks_ttl_seconds: float
    jwks_refresh_ahead_seconds: float
    jwks_max_stale_seconds: float
    jwks_cooldown_seconds: float
    jwks_timeout_seconds: float
    jwks_max_bytes: int
    token_cache_size: int
    sync_interval_seconds: float
    revocation: bool
    revocation_max_stale_seconds: float
    revocation_on_error: str
    health_details: str
    admin: bool
    admin_scope: str
    admin_rbac: bool
    introspection_scope: str
    #: For `certificate_source`.
    mtls_cert: str | None
    #: ``disabled``, ``allowed`` or ``required``.
    dpop: str
    openapi: bool
    public_url: str | None
    #: The resource identifier, where `AUTH0_RESOURCE_METADATA` is on.
    resource: str | None
    cache_secret: str | None = field(repr=False)
    #: Every setting as it is in force, for operators: secrets are masked.
    effective: tuple[EffectiveSetting, ...] = field(repr=False)

    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuers whose tokens are accepted, in the order of ``AUTH0_DOMAIN``."""
        return tuple(self.key_set_urls)


def _range(field: type[fields.Number[Any]], unit: str, default: float, limits: tuple[float, float], text: str) -> Any:
    wrong = f"has to be a number of {unit} from {limits[0]:g} to {limits[1]:.0f}"
    return field(
        load_default=default,
        validate=validate.Range(min=limits[0], max=limits[1], error=wrong),
        error_messages={"invalid": wrong, "special": wrong},
        metadata={"unit": unit, "limits": limits, "description": text},
    )


def _seconds(default: float, minimum: float, maximum: float, description: str) -> Any:
    return _range(fields.Float, "seconds", default, (minimum, maximum), description)


def _bytes(default: int, minimum: int, maximum: int, description: str) -> Any:
    return _range(fields.Integer, "bytes", default, (minimum, maximum), description)


def _switch(default: bool, description: str) -> fields.Boolean:
    return fields.Boolean(
        load_default=default,
        error_messages={"invalid": "has to be true or false"},
        metadata={"description": description},
    )


def _choice(default: str, choices: tuple[str, ...], description: str) -> fields.String:
    wrong = f"has to be one of {', '.join(choices)}"
    return fields.String(
        load_default=default,
        validate=validate.OneOf(choices, error=wrong),
        error_messages={"invalid": wrong},
        metadata={"choices": choices, "description": description},
    )


class SettingsSchema(Schema):
    """Every setting: its type, default, limits and meaning."""

    class Meta:
        unknown = EXCLUDE

    AUTH0_DOMAIN = custom.Domains(
        load_default=(),
        metadata={
            "description": "Tenant or custom domain, a bare host name; a list for [several](#several-domains) of one "
            "tenant. Required, unless `AUTH0_ISSUER` is set. The issuer is `https://{domain}/`."
        },
    )
    AUTH0_ISSUER = custom.IssuerURL(
        load_default=None,
        metadata={
            "default": "from the domain",
            "description": "The exact issuer URL, as in the `iss` claim. `http` only for loopback hosts. "
            "Refused if it differs from the one that `AUTH0_DOMAIN` gives, and with several domains.",
        },
    )
    AUTH0_AUDIENCE = custom.TextList(
        required=True,
        error_messages={"required": "is missing: set it to the identifier of your API in Auth0"},
        metadata={
            "description": "API identifier(s) as registered in Auth0; the token's `aud` has to hold one of them. "
            "`API_ID` is read as an old name, with a warning."
        },
    )
    AUTH0_JWKS_URL = custom.KeySetURL(
        load_default=None,
        metadata={
            "default": "issuer + `.well-known/jwks.json`",
            "description": "Where the key set is. `https`, or `http` on loopback. Refused with several domains.",
        },
    )
    AUTH0_ALGORITHMS = custom.Algorithms(
        load_default=("RS256",),
        metadata={
            "description": "Accepted signature algorithms: RS, PS or ES with 256, 384 or 512, and EdDSA or Ed25519 "
            "(two names of one). `none` and HS* are refused."
        },
    )
    AUTH0_LEEWAY = _seconds(5, 0, 300, "Clock tolerance for `exp`, `nbf` and `iat`.")
    AUTH0_TOKEN_PROFILE = _choice(
        "any",
        ("any", "auth0", "rfc9068"),
        "`any`; `auth0`: `typ` is `JWT` and `azp` present; `rfc9068`: `typ` is `at+jwt` and "
        "`client_id` and `jti` present.",
    )
    AUTH0_REQUIRED_CLAIMS = custom.TextList(
        load_default=(), metadata={"description": "Further claims that every token has to have."}
    )
    AUTH0_ORGANIZATION = custom.OrganizationIds(
        load_default=(),
        metadata={
            "description": "Organization id(s) (`org_...`, not names); the token's `org_id` has to be one of them. "
            "Unset: tokens of every organization, and of none, are accepted."
        },
    )
    AUTH0_MAX_TOKEN_LIFETIME = _seconds(
        2_592_000, 1, 315_360_000, "Tokens with a longer `exp - iat` are refused. 30 days is Auth0's own maximum."
    )
    AUTH0_MAX_TOKEN_BYTES = _bytes(
        16384,
        256,
        1_048_576,
        "Longer tokens are refused before anything is parsed. Servers have limits of their own: gunicorn 8190.",
    )
    AUTH0_REALM = custom.Realm(load_default="api", metadata={"description": "The realm in the challenge."})
    AUTH0_JWKS_TTL = _seconds(600, 0.1, 86_400, "How long a key set is current.")
    AUTH0_JWKS_REFRESH_AHEAD = _seconds(120, 0, 86_400, "How long before that it is refreshed in the background.")
    AUTH0_JWKS_MAX_STALE = _seconds(3600, 0.1, 604_800, "How old a key set may get while Auth0 cannot be reached.")
    AUTH0_JWKS_COOLDOWN = _seconds(30, 0, 3600, "An unknown key id causes no fetch this soon after the last attempt.")
    AUTH0_JWKS_TIMEOUT = _seconds(5, 0.1, 60, "One fetch in total, whatever the server does.")
    AUTH0_JWKS_MAX_BYTES = _bytes(262_144, 1024, 16_777_216, "Larger key sets are refused.")
    AUTH0_CACHE_SECRET = custom.Secret(
        load_default=None,
        metadata={
            "default": "`SECRET_KEY`",
            "secret": True,
            "description": "Signs whatever is put into a shared cache. Without one nothing is shared.",
        },
    )
    AUTH0_TOKEN_CACHE_SIZE = _range(
        fields.Integer, "tokens", 1024, (0, 1_000_000), "Verified tokens that each process remembers. 0: none."
    )
    AUTH0_SYNC_INTERVAL = _seconds(
        5, 0, 3600, "How soon a revocation or a refresh made in one process binds all. 0: every request asks the cache."
    )
    AUTH0_REVOCATION = _switch(True, "Whether tokens can be revoked. `false` removes every cost of it.")
    AUTH0_REVOCATION_MAX_STALE = _seconds(
        60, 1, 86_400, "After how long without a look at the shared cache a process is out of touch with revocations."
    )
    AUTH0_REVOCATION_ON_ERROR = _choice(
        "allow",
        ("allow", "deny"),
        "What a process does then: go on with what it knows (health warns), or answer 503, also before its first look.",
    )
    AUTH0_HEALTH_DETAILS = _choice(
        "authorized",
        ("never", "authorized", "always"),
        "Who sees the details of `/auth/health`: nobody, admins, or everybody.",
    )
    AUTH0_ADMIN = _switch(True, "Whether there are admin routes. `false`: they answer 404.")
    AUTH0_ADMIN_SCOPE = custom.ScopeToken(
        load_default="manage:auth0", metadata={"description": "What an admin's token has to hold."}
    )
    AUTH0_INTROSPECTION_SCOPE = custom.ScopeToken(
        load_default="introspect:tokens",
        metadata={"description": "What a token has to hold for `/auth/introspect`."},
    )
    AUTH0_ADMIN_RBAC = _switch(
        True,
        "Both values have to be in `scope` and in `permissions`: without RBAC any client may ask for any scope. "
        "`false` accepts `scope` alone.",
    )
    AUTH0_DPOP = _choice(
        "disabled",
        ("disabled", "allowed", "required"),
        "DPoP (RFC 9449): `allowed` beside bearer tokens, or `required`. Needs `AUTH0_PUBLIC_URL`, or Flask's "
        "`TRUSTED_HOSTS`: see [dpop.md](dpop.md). `disabled`: tokens that are bound to a key are refused.",
    )
    AUTH0_MTLS_CERT = custom.ClientCertificate(
        load_default=None,
        metadata={
            "description": "Where the client certificate is that a token may be bound to: `header:NAME from PEERS` of "
            "a proxy, or `environ:KEY` of the server: see [mtls.md](mtls.md). Unset, such tokens are refused."
        },
    )
    AUTH0_OPENAPI = _switch(False, "Serves `/auth/openapi.json` (extra `openapi`).")
    AUTH0_PUBLIC_URL = custom.PublicURL(
        load_default=None,
        metadata={
            "description": "Where clients see this API: `https` (`http` on loopback), host, perhaps a port and a path "
            "that a proxy takes away."
        },
    )
    AUTH0_RESOURCE_METADATA = _switch(
        False,
        "Serves `/.well-known/oauth-protected-resource` (RFC 9728) and names it in every challenge. Needs "
        "`AUTH0_PUBLIC_URL`, or an `AUTH0_AUDIENCE` that is the URL of this API.",
    )

    @validates_schema(skip_on_field_errors=False)
    def _check_together(self, data: dict[str, Any], **_: object) -> None:
        """Check what depends on several settings, as far as each of them is sound by itself."""
        problems = {**_issuer_problems(data), **_time_problems(data), **_resource_problems(data)}
        if problems:
            raise ValidationError({key: [problem] for key, problem in problems.items()})


def _issuer_problems(data: dict[str, Any]) -> dict[str, str]:
    if "AUTH0_DOMAIN" not in data or "AUTH0_ISSUER" not in data:
        return {}
    domains, issuer = data["AUTH0_DOMAIN"], data["AUTH0_ISSUER"]
    if not domains and issuer is None:
        return {"AUTH0_DOMAIN": "is missing: set it to the domain of your tenant, such as example.eu.auth0.com"}
    if len(domains) > 1:
        # One issuer, or one key set, for several domains could only mean that the keys of one are tried for another.
        single = [key for key in ("AUTH0_ISSUER", "AUTH0_JWKS_URL") if data.get(key) is not None]
        if single:
            return dict.fromkeys(single, "is for one domain, and AUTH0_DOMAIN has several: each has its own")
    if domains and issuer is not None and (issuer,) != _issuers(data):
        return {"AUTH0_ISSUER": f"differs from {_issuers(data)[0]}, which AUTH0_DOMAIN gives: set only one of them"}
    if any(f"{known}userinfo" in data.get("AUTH0_AUDIENCE", ()) for known in _issuers(data)):
        return {
            "AUTH0_AUDIENCE": "the userinfo endpoint is in the tokens of every API of the tenant: "
            "use the identifier of your own API"
        }
    return {}


def _time_problems(data: dict[str, Any]) -> dict[str, str]:
    ttl, ahead, stale = (data.get(f"AUTH0_JWKS_{name}") for name in ("TTL", "REFRESH_AHEAD", "MAX_STALE"))
    problems: dict[str, str] = {}
    if ttl is not None and ahead is not None and ahead >= ttl:
        problems["AUTH0_JWKS_REFRESH_AHEAD"] = f"has to be less than AUTH0_JWKS_TTL, which is {ttl:g}"
    interval, out_of_touch = data.get("AUTH0_SYNC_INTERVAL"), data.get("AUTH0_REVOCATION_MAX_STALE")
    if interval is not None and out_of_touch is not None and out_of_touch < interval:
        # Between two looks a process would be out of touch, though nothing is wrong.
        problems["AUTH0_REVOCATION_MAX_STALE"] = f"has to be at least AUTH0_SYNC_INTERVAL, which is {interval:g}"
    if ttl is not None and stale is not None and stale < ttl:
        problems["AUTH0_JWKS_MAX_STALE"] = f"has to be at least AUTH0_JWKS_TTL, which is {ttl:g}"
    return problems


def _resource_problems(data: dict[str, Any]) -> dict[str, str]:
    if not data.get("AUTH0_RESOURCE_METADATA") or not {"AUTH0_PUBLIC_URL", "AUTH0_AUDIENCE"} <= data.keys():
        return {}
    if resource_identifier(data["AUTH0_PUBLIC_URL"], data["AUTH0_AUDIENCE"]) is None:
        return {
            "AUTH0_RESOURCE_METADATA": "needs the URL by which clients know this API: set AUTH0_PUBLIC_URL, or have a "
            "URL with https as AUTH0_AUDIENCE"
        }
    return {}


def _issuers(data: dict[str, Any]) -> tuple[str, ...]:
    """Return what tokens may carry in ``iss``: URLs that Auth0 ends with a slash."""
    return tuple(f"https://{domain}/" for domain in data["AUTH0_DOMAIN"]) or (data["AUTH0_ISSUER"],)


def _key_set_urls(data: dict[str, Any]) -> dict[str, str]:
    return {
        issuer: data["AUTH0_JWKS_URL"] or f"{issuer.removesuffix('/')}/.well-known/jwks.json"
        for issuer in _issuers(data)
    }


_OTHER_NAMES = {"AUTH0_AUDIENCE": ("API_ID",), "AUTH0_CACHE_SECRET": ("SECRET_KEY",)}
#: A proof names the URL that it is for, and whoever replays one can write any Host header.
_NO_HOST = "needs AUTH0_PUBLIC_URL, or Flask's TRUSTED_HOSTS: without one any Host header would be believed"
_WHO_ISSUES = ("AUTH0_DOMAIN", "AUTH0_ISSUER", "AUTH0_JWKS_URL")


def load_settings(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from *config* and, where that says nothing, from *environ*.

    Raises:
        ConfigurationError: names every setting that is wrong, its value (secrets masked) and what would be right.
    """
    environ = os.environ if environ is None else environ
    schema = SettingsSchema()
    if any(not _is_unset(config.get(key)) for key in _WHO_ISSUES):
        # One answer to "who issues?": an app that says it is not mixed with an environment that says it otherwise.
        environ = {key: value for key, value in environ.items() if key not in _WHO_ISSUES}
    raw = {key: value for key in schema.fields if not _is_unset(value := _raw(key, config, environ))}
    if "AUTH0_AUDIENCE" not in raw and not _is_unset(alias := _raw("API_ID", config, environ)):
        logger.warning("API_ID is an old name: call the setting AUTH0_AUDIENCE")
        raw["AUTH0_AUDIENCE"] = alias
    _log_probable_typos({*config, *environ}, set(schema.fields))
    try:
        data = cast("dict[str, Any]", schema.load(raw))
    except ValidationError as exc:
        raise ConfigurationError(_problems(schema, raw, exc)) from exc
    if data["AUTH0_CACHE_SECRET"] is None:
        data["AUTH0_CACHE_SECRET"] = custom.secret_text(config.get("SECRET_KEY"))
    if data["AUTH0_DPOP"] != "disabled" and data["AUTH0_PUBLIC_URL"] is None and not config.get("TRUSTED_HOSTS"):
        raise ConfigurationError({"AUTH0_DPOP": _NO_HOST})
    settings = _settings(data, _sources(schema, config, environ))
    _warn_about_loose_settings(settings)
    return settings


def _raw(key: str, config: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    value = config.get(key)
    return environ.get(key) if _is_unset(value) else value


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, (str, bytes, list, tuple, set, frozenset)) and len(value) == 0)


def _sources(schema: Schema, config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Return where each setting comes from that is set."""
    sources: dict[str, str] = {}
    for key in schema.fields:
        names = (key, *_OTHER_NAMES.get(key, ()))
        for name in names:
            if not _is_unset(config.get(name)):
                sources.setdefault(key, "app.config")
            elif name != "SECRET_KEY" and not _is_unset(environ.get(name)):  # Flask's, which is never read from there
                sources.setdefault(key, "environment")
    return sources


def _effective(
    data: dict[str, Any], sources: dict[str, str], key_set_urls: dict[str, str]
) -> tuple[EffectiveSetting, ...]:
    values = {**data, "AUTH0_ISSUER": _one_or_all(key_set_urls), "AUTH0_JWKS_URL": _one_or_all(key_set_urls.values())}
    secret = {key for key, found in SettingsSchema().fields.items() if found.metadata.get("secret")}
    return tuple(
        EffectiveSetting(key, "***" if key in secret and value is not None else value, sources.get(key, "default"))
        for key, value in values.items()
    )


def _one_or_all(texts: Iterable[str]) -> str | list[str]:
    """Return the one text, as it may be set, or all."""
    values = list(texts)
    return values if len(values) > 1 else values[0]


def _settings(data: dict[str, Any], sources: dict[str, str]) -> Settings:
    key_set_urls = _key_set_urls(data)
    return Settings(
        key_set_urls=MappingProxyType(key_set_urls),
        audience=data["AUTH0_AUDIENCE"],
        algorithms=data["AUTH0_ALGORITHMS"],
        leeway_seconds=data["AUTH0_LEEWAY"],
        token_profile=data["AUTH0_TOKEN_PROFILE"],
        required_claims=data["AUTH0_REQUIRED_CLAIMS"],
        organization=data["AUTH0_ORGANIZATION"],
        max_token_lifetime_seconds=data["AUTH0_MAX_TOKEN_LIFETIME"],
        max_token_bytes=data["AUTH0_MAX_TOKEN_BYTES"],
        realm=data["AUTH0_REALM"],
        jwks_ttl_seconds=data["AUTH0_JWKS_TTL"],
        jwks_refresh_ahead_seconds=data["AUTH0_JWKS_REFRESH_AHEAD"],
        jwks_max_stale_seconds=data["AUTH0_JWKS_MAX_STALE"],
        jwks_cooldown_seconds=data["AUTH0_JWKS_COOLDOWN"],
        jwks_timeout_seconds=data["AUTH0_JWKS_TIMEOUT"],
        jwks_max_bytes=data["AUTH0_JWKS_MAX_BYTES"],
        token_cache_size=data["AUTH0_TOKEN_CACHE_SIZE"],
        sync_interval_seconds=data["AUTH0_SYNC_INTERVAL"],
        revocation=data["AUTH0_REVOCATION"],
        revocation_max_stale_seconds=data["AUTH0_REVOCATION_MAX_STALE"],
        revocation_on_error=data["AUTH0_REVOCATION_ON_ERROR"],
        health_details=data["AUTH0_HEALTH_DETAILS"],
        admin=data["AUTH0_ADMIN"],
        admin_scope=data["AUTH0_ADMIN_SCOPE"],
        admin_rbac=data["AUTH0_ADMIN_RBAC"],
        introspection_scope=data["AUTH0_INTROSPECTION_SCOPE"],
        mtls_cert=data["AUTH0_MTLS_CERT"],
        dpop=data["AUTH0_DPOP"],
        openapi=data["AUTH0_OPENAPI"],
        public_url=data["AUTH0_PUBLIC_URL"],
        resource=_resource(data),
        cache_secret=data["AUTH0_CACHE_SECRET"],
        effective=_effective(data, sources, key_set_urls),
    )


def _resource(data: dict[str, Any]) -> str | None:
    if not data["AUTH0_RESOURCE_METADATA"]:
        return None
    return resource_identifier(data["AUTH0_PUBLIC_URL"], data["AUTH0_AUDIENCE"])


def _problems(schema: Schema, raw: dict[str, Any], exc: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    by_key: dict[str, Any] = exc.messages_dict
    for key, messages in by_key.items():
        text = "; ".join(str(message) for message in (messages if isinstance(messages, list) else [messages]))
        if key in raw:
            is_secret = schema.fields[key].metadata.get("secret", False)
            text = f"{text} (it is {'***' if is_secret else ascii(raw[key])[:200]})"
        problems[key] = text
    return problems


def _log_probable_typos(present: set[str], known: set[str]) -> None:
    for key in sorted(key for key in present if key.startswith("AUTH0_") and key not in known):
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
        if close:
            logger.warning("%.80r is not a setting: did you mean %s?", key, close[0])


def _warn_about_loose_settings(settings: Settings) -> None:
    if not settings.admin_rbac:
        logger.warning("AUTH0_ADMIN_RBAC is false: whoever may ask for the scope %s is an admin", settings.admin_scope)
    if not settings.revocation:
        logger.warning("AUTH0_REVOCATION is false: a stolen token is good until it expires")
    if settings.health_details == "always":
        logger.warning("AUTH0_HEALTH_DETAILS is always: everybody sees the details of the health endpoint")
    if settings.jwks_cooldown_seconds < 1:
        logger.warning("AUTH0_JWKS_COOLDOWN is under a second: whoever sends random key ids makes this API ask Auth0")
    if settings.resource is not None and settings.resource not in settings.audience:
        logger.warning(
            "AUTH0_RESOURCE_METADATA names the resource %s, which is not in AUTH0_AUDIENCE: clients that ask Auth0 for "
            "a token for it (RFC 8707) get none that is accepted here",
            settings.resource,
        )
    if any(f"{issuer}api/v2/" in settings.audience for issuer in settings.issuers):
        logger.warning("AUTH0_AUDIENCE holds Auth0's Management API: its tokens are meant for Auth0, not for this API")
