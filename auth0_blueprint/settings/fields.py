"""The marshmallow fields of the settings: the format of a domain, an issuer, a list or a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from marshmallow import ValidationError, fields

from auth0_blueprint.jose.algorithms import ALGORITHMS, HS256
from auth0_blueprint.settings.certificate_source import certificate_source
from auth0_blueprint.settings.domain_function import DomainFunction, domain_function
from auth0_blueprint.settings.loopback import is_loopback

_HOST = r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+"
_SCOPE = r"[\x21\x23-\x5B\x5D-\x7E]+"  # RFC 6749 §3.3
_ORGANIZATION_ID = r"org_[A-Za-z0-9_-]+"
#: No percent-encoding, no empty segment: clients, proxies and Flask compare such paths in different ways.
_PUBLIC_URL = r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?"
_PRINTABLE_ASCII = r"[\x20-\x7E]+"
_USER_AGENT = r"(?=.{1,256}\Z)[\x21-\x7E]+( [\x21-\x7E]+)*"
_URL_TEXT = r"[\x21-\x7E]+"
_NOT_A_DOMAIN = (
    "must be a bare host name such as example.eu.auth0.com, without https:// or a slash, or a list of several (not a "
    "set: the order matters)"
)
_NOT_A_URL = "must be an https URL without user, password or fragment"
_NOT_A_PUBLIC_URL = "must be scheme and host, optionally with a port and a path of plain characters, and nothing else"


def is_scope_token(value: str) -> bool:
    """Return whether *value* is one RFC 6749 §3.3 scope-token."""
    return re.fullmatch(_SCOPE, value) is not None


def is_organization_id(value: str) -> bool:
    """Return whether *value* is the id of an Auth0 organization rather than its name."""
    return re.fullmatch(_ORGANIZATION_ID, value) is not None


def is_public_url(value: str) -> bool:
    """Return whether *value* can be the URL of an API as clients see it; see `PublicURL`."""
    try:
        PublicURL().deserialize(value)
    except ValidationError:
        return False
    return True


class Text(fields.String):
    """Any string."""

    default_error_messages: dict[str, str | list[Any] | dict[Any, Any]] = {"invalid": "must be a string"}  # noqa: RUF012


class _URL(Text):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        url: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = urlsplit(url)
            is_sound = re.fullmatch(_URL_TEXT, url) and parts.port != 0 and self._is_sound(parts)
        except ValueError as exc:
            raise ValidationError(_NOT_A_URL) from exc
        if not is_sound:
            raise ValidationError(_NOT_A_URL)
        if parts.scheme == "http" and not is_loopback(url):
            raise ValidationError("may use http only for this machine: use https")
        return url

    def _is_sound(self, parts: SplitResult) -> bool:
        return (
            parts.scheme in {"https", "http"}
            and bool(parts.hostname)
            and parts.username is None
            and parts.password is None
            and not parts.fragment
        )


class KeySetURL(_URL):
    """The URL of a key set."""


class EndpointURL(_URL):
    """The URL of an endpoint that receives secrets."""


class IssuerURL(_URL):
    """An issuer identifier: a URL without a query (RFC 8414 §2)."""

    def _is_sound(self, parts: SplitResult) -> bool:
        return super()._is_sound(parts) and not parts.query


class PublicURL(_URL):
    """The URL under which clients see an API. The trailing slash is dropped, because paths are appended."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(_PUBLIC_URL, url):
            raise ValidationError(_NOT_A_PUBLIC_URL)
        return url.removesuffix("/")


class TextList(fields.Field[tuple[str, ...]]):
    """Several strings: a list, or one string with commas."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple, set, frozenset)) or not all(isinstance(item, str) for item in items):
            raise ValidationError("must be a list of strings, or one string with commas")
        texts = tuple(dict.fromkeys(item.strip() for item in items))
        if not texts or not all(texts):
            raise ValidationError("must be a list without empty entries")
        return texts


class IssuerList(TextList):
    """Issuer identifiers."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        issuer = IssuerURL()
        return tuple(map(issuer.deserialize, super()._deserialize(value, attr, data, **kwargs)))


class Domains(fields.Field[tuple[str, ...] | DomainFunction]):
    """Bare host names in the given order, which a set does not have, or a function. Lowercased, without duplicates."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...] | DomainFunction:
        if (function := domain_function(value)) is not None:
            return function
        if not isinstance(value, (str, list, tuple)):
            raise ValidationError(_NOT_A_DOMAIN)
        domains = tuple(domain.lower() for domain in TextList().deserialize(value, attr, data, **kwargs))
        if not all(re.fullmatch(_HOST, domain) for domain in domains):
            raise ValidationError(_NOT_A_DOMAIN)
        return tuple(dict.fromkeys(domains))


class Algorithms(TextList):
    """Names of asymmetric signature algorithms, or HS256 alone; `rules` say when."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        names = super()._deserialize(value, attr, data, **kwargs)
        if not set(names) <= ALGORITHMS.keys() and names != (HS256.name,):
            raise ValidationError(
                f"must be among {', '.join(ALGORITHMS)}; or HS256 alone, with AUTH0_SIGNING_SECRET: other symmetric "
                "algorithms and none are unsafe here"
            )
        return names


class OrganizationIds(TextList):
    """Ids of Auth0 organizations."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        ids = super()._deserialize(value, attr, data, **kwargs)
        if not all(map(is_organization_id, ids)):
            raise ValidationError("must be organization ids such as org_9ybsU1dN2dKfDkBi, not names")
        return ids


class Realm(Text):
    """Text that fits into a quoted-string (RFC 9110 §5.6.4)."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        realm: str = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(_PRINTABLE_ASCII, realm):
            raise ValidationError("must be printable ASCII text")
        return realm


class UserAgent(Text):
    """The value of a ``User-Agent`` header (RFC 9110 §10.1.5), without what could end the header."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(_USER_AGENT, name):
            raise ValidationError("must be at most 256 visible ASCII characters, with single spaces between words")
        return name


class ScopeToken(Text):
    """One scope value."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        scope: str = super()._deserialize(value, attr, data, **kwargs)
        if not is_scope_token(scope):
            raise ValidationError("must be one scope value, without spaces or quotes")
        return scope


class ClientCertificate(Text):
    """Where client certificates come from. Checked here, but kept as the operator wrote it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            certificate_source(text)
        except ValueError as exc:
            raise ValidationError(str(exc)) from exc
        return text


class Secret(fields.Field[str]):
    """A secret, as a string or bytes."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        secret = secret_text(value)
        if secret is None:
            raise ValidationError("must be a string or bytes")
        return secret


def secret_text(value: Any) -> str | None:
    """Return *value*, a string or bytes, as a string; ``None`` if it is empty or anything else."""
    if isinstance(value, bytes):
        value = value.hex()
    return value if isinstance(value, str) and value else None
