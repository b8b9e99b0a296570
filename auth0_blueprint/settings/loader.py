"""The settings: read once, at registration, through one marshmallow schema, into one frozen object.

``app.config`` wins over the environment, which wins over the default; ``None`` and empty values mean unset.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, cast

from marshmallow import Schema, ValidationError

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.settings import fields as custom
from auth0_blueprint.settings.decryption_keys import Encryption, encryption_settings
from auth0_blueprint.settings.domain_function import DomainFunction
from auth0_blueprint.settings.effective import EffectiveSetting, effective_settings
from auth0_blueprint.settings.event_senders import EventSenders, EventSettings, event_settings
from auth0_blueprint.settings.key_set_urls import key_set_url_of, key_set_urls_of
from auth0_blueprint.settings.loose_settings import loose_settings
from auth0_blueprint.settings.own_client import OwnClient, own_client
from auth0_blueprint.settings.resource_identifier import resource_identifier
from auth0_blueprint.settings.rules import issuers_of
from auth0_blueprint.settings.schema import SettingsSchema
from auth0_blueprint.settings.signing_secrets import algorithms_of
from auth0_blueprint.settings.typos import log_probable_typos

logger: logging.Logger = logging.getLogger("auth0_blueprint")


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """The effective settings. Later changes to ``app.config`` have no effect."""

    #: The issuers whose tokens are accepted; none where a function decides.
    issuers: tuple[str, ...]
    #: The function that decides: then every issuer is a tenant of its own.
    domain_function: DomainFunction | None
    max_issuers: int
    #: The issuers whose admins may see what concerns the whole app, where a function decides.
    admin_issuers: tuple[str, ...]
    #: Each issuer that has a key set, with its URL: all of them, or none with signing secrets.
    key_set_urls: Mapping[str, str]
    #: HS256: one secret, or two while one replaces the other.
    signing_secrets: tuple[bytes, ...] = field(repr=False)
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
    jwks_max_waiting: int
    jwks_timeout_seconds: float
    jwks_max_bytes: int
    jwks_honor_max_age: bool
    jwks_user_agent: str
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
    #: Who may send events.
    events: EventSettings = field(repr=False)
    #: For `certificate_source`.
    mtls_cert: str | None
    #: ``allowed`` or ``required``.
    mtls: str
    #: ``disabled``, ``allowed`` or ``required``.
    dpop: str
    openapi: bool
    #: Whether there are spans and metrics of OpenTelemetry, and whether spans name the subject.
    otel: bool
    otel_subject: bool
    public_url: str | None
    #: The resource identifier, where `AUTH0_RESOURCE_METADATA` is on.
    resource: str | None
    encryption: Encryption = field(repr=False)
    cache_secret: str | None = field(repr=False)
    own_client: OwnClient
    #: Every setting in force, for operators; secrets are masked.
    effective: tuple[EffectiveSetting, ...] = field(repr=False)
    #: How far the cache secret allows to share: ``process`` (there is none), ``machine`` (it is short) or ``fleet``.
    sharing_limit: str = "process"
    #: The claim that says who the caller is, for flask-jwt-extended; every token must have it.
    identity_claim: str = "sub"

    @property
    def fleet_name(self) -> str:
        """What tells this fleet from others, beside its audience and secret: the first issuer, where there is one."""
        return self.issuers[0] if self.issuers else "tenants of AUTH0_DOMAIN"

    def key_set_url(self, issuer: str) -> str | None:
        """Return where the key set of *issuer* is; ``None`` where there are signing secrets instead."""
        return key_set_url_of(issuer) if self.domain_function is not None else self.key_set_urls.get(issuer)


#: A shorter secret can be guessed from what it has signed, by whoever can read a cache on the network.
MIN_SECRET_BYTES = 32

_OTHER_NAMES = {"AUTH0_AUDIENCE": ("API_ID",), "AUTH0_CACHE_SECRET": ("SECRET_KEY",)}
#: Names that others have for the audience. They are not read.
_NAMES_OF_OTHERS = ("API_AUDIENCE", "API_IDENTIFIER", "AUTH0_API_AUDIENCE", "AUTH0_API_IDENTIFIER")
_USER_INFO = re.compile(r"//\S*@")
_WHO_ISSUES = ("AUTH0_DOMAIN", "AUTH0_ISSUER", "AUTH0_JWKS_URL")


def load_settings(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from *config* and, where unset there, from *environ*.

    Raises:
        ConfigurationError: names every wrong setting, its value (secrets masked) and what would be right.
    """
    environ = os.environ if environ is None else environ
    schema = SettingsSchema()
    if any(not _is_unset(config.get(key)) for key in _WHO_ISSUES):
        # The issuer comes from one source: settings of the app are never mixed with others from the environment.
        environ = {key: value for key, value in environ.items() if key not in _WHO_ISSUES}
    raw = {key: value for key in schema.fields if not _is_unset(value := _raw(key, config, environ))}
    if "AUTH0_AUDIENCE" not in raw and not _is_unset(alias := _raw("API_ID", config, environ)):
        logger.warning("API_ID is deprecated: rename it to AUTH0_AUDIENCE")
        raw["AUTH0_AUDIENCE"] = alias
    log_probable_typos({*config, *environ}, set(schema.fields))
    try:
        # Flask's own setting, which AUTH0_DPOP depends on.
        data = cast("dict[str, Any]", schema.load({**raw, "TRUSTED_HOSTS": config.get("TRUSTED_HOSTS")}))
    except ValidationError as exc:
        raise ConfigurationError(_with_hint(_problems(schema, raw, exc), raw, config, environ)) from exc
    secret = raw.get("AUTH0_CACHE_SECRET")
    if secret is None:
        secret = config.get("SECRET_KEY")
        data["AUTH0_CACHE_SECRET"] = custom.secret_text(secret)
    settings = replace(
        _settings(schema, data, _sources(schema, config, environ)),
        sharing_limit=_sharing_limit(data["AUTH0_CACHE_SECRET"], secret),
    )
    for warning in loose_settings(data, settings.issuers, settings.resource):
        logger.warning("%s", warning)
    if settings.sharing_limit == "machine":
        name = "AUTH0_CACHE_SECRET" if "AUTH0_CACHE_SECRET" in raw else "SECRET_KEY"
        logger.warning(
            "%s is shorter than %d bytes: nothing is shared beyond this machine. Set AUTH0_CACHE_SECRET to 32 random "
            "bytes or more",
            name,
            MIN_SECRET_BYTES,
        )
    return settings


def _sharing_limit(text: str | None, secret: Any) -> str:
    if text is None:
        return "process"
    size = len(secret if isinstance(secret, bytes) else text.encode("utf-8", "surrogatepass"))
    return "fleet" if size >= MIN_SECRET_BYTES else "machine"


def _raw(key: str, config: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    value = config.get(key)
    return environ.get(key) if _is_unset(value) else value


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, (str, bytes, list, tuple, set, frozenset)) and len(value) == 0)


def _sources(schema: Schema, config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the source of each setting that is set."""
    sources: dict[str, str] = {}
    for key in schema.fields:
        names = (key, *_OTHER_NAMES.get(key, ()))
        for name in names:
            if not _is_unset(config.get(name)):
                sources.setdefault(key, "app.config")
            # Flask never reads its SECRET_KEY from the environment.
            elif name != "SECRET_KEY" and not _is_unset(environ.get(name)):
                sources.setdefault(key, "environment")
    return sources


def _settings(schema: Schema, data: dict[str, Any], sources: dict[str, str]) -> Settings:
    return Settings(
        **_of_issuers(data),
        signing_secrets=data["AUTH0_SIGNING_SECRET"],
        audience=data["AUTH0_AUDIENCE"],
        algorithms=algorithms_of(data),
        leeway_seconds=data["AUTH0_LEEWAY"],
        token_profile=data["AUTH0_TOKEN_PROFILE"],
        required_claims=data["AUTH0_REQUIRED_CLAIMS"],
        organization=data["AUTH0_ORGANIZATION"],
        max_token_lifetime_seconds=data["AUTH0_MAX_TOKEN_LIFETIME"],
        max_token_bytes=data["AUTH0_MAX_TOKEN_BYTES"],
        realm=data["AUTH0_REALM"],
        **_of_key_sets(data),
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
        events=event_settings(data),
        mtls_cert=data["AUTH0_MTLS_CERT"],
        mtls=data["AUTH0_MTLS"],
        dpop=data["AUTH0_DPOP"],
        openapi=data["AUTH0_OPENAPI"],
        otel=data["AUTH0_OTEL"],
        otel_subject=data["AUTH0_OTEL_SUBJECT"],
        public_url=data["AUTH0_PUBLIC_URL"],
        resource=_resource(data),
        encryption=encryption_settings(data),
        cache_secret=data["AUTH0_CACHE_SECRET"],
        own_client=own_client(data),
        effective=effective_settings(schema, data, sources),
    )


def _of_issuers(data: dict[str, Any]) -> dict[str, Any]:
    domain = data["AUTH0_DOMAIN"]
    return {
        "issuers": issuers_of(data),
        "key_set_urls": MappingProxyType(key_set_urls_of(data)),
        "domain_function": domain if isinstance(domain, DomainFunction) else None,
        "max_issuers": data["AUTH0_MAX_ISSUERS"],
        "admin_issuers": data["AUTH0_ADMIN_ISSUERS"],
    }


def _of_key_sets(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "jwks_ttl_seconds": data["AUTH0_JWKS_TTL"],
        "jwks_refresh_ahead_seconds": data["AUTH0_JWKS_REFRESH_AHEAD"],
        "jwks_max_stale_seconds": data["AUTH0_JWKS_MAX_STALE"],
        "jwks_cooldown_seconds": data["AUTH0_JWKS_COOLDOWN"],
        "jwks_max_waiting": data["AUTH0_JWKS_MAX_WAITING"],
        "jwks_timeout_seconds": data["AUTH0_JWKS_TIMEOUT"],
        "jwks_max_bytes": data["AUTH0_JWKS_MAX_BYTES"],
        "jwks_honor_max_age": data["AUTH0_JWKS_HONOR_MAX_AGE"],
        "jwks_user_agent": data["AUTH0_JWKS_USER_AGENT"],
    }


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
            # Senders may have secrets where none belong, as in a URL; their number and member are named instead.
            is_secret = schema.fields[key].metadata.get("secret", isinstance(schema.fields[key], EventSenders))
            text = f"{text} (got {'***' if is_secret else _USER_INFO.sub('//***@', ascii(raw[key]))[:200]})"
        problems[key] = text
    return problems


def _with_hint(
    problems: dict[str, str], raw: Mapping[str, Any], config: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    """Add to *problems* the name under which the app has its audience, if that is missing."""
    others = [name for name in _NAMES_OF_OTHERS if not _is_unset(_raw(name, config, environ))]
    if others and "AUTH0_AUDIENCE" in problems and "AUTH0_AUDIENCE" not in raw:
        hint = f"{problems['AUTH0_AUDIENCE']}; {others[0]} is set: rename it to AUTH0_AUDIENCE"
        return {**problems, "AUTH0_AUDIENCE": hint}
    return problems
