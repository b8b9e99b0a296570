"""The secret of tokens that are signed with HS256 (setting ``AUTH0_SIGNING_SECRET``), and what goes with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import load_der_x509_certificate
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError
from marshmallow import ValidationError, fields

from auth0_blueprint.jose.algorithms import HS256

#: RFC 7518 §3.2: a key of HS256 has 256 bits or more.
MIN_SECRET_BYTES = 32
MAX_SECRETS = 2
DEFAULT_ALGORITHMS = ("RS256",)
_NOT_SECRETS = (
    f"must be one secret or two, each of at least {MIN_SECRET_BYTES} bytes; two in one string are separated by a "
    "comma, and one that contains a comma must be in a list"
)
_SEVERAL_DOMAINS = "must not be set with several domains in AUTH0_DOMAIN: it would sign in the name of each"
_PUBLIC = "must be a secret, not a public key, a certificate or a JWK: anyone may have those, and could sign tokens"


class SigningSecrets(fields.Field[tuple[bytes, ...]]):
    """One secret, or two while one replaces the other: bytes, or text, which is encoded in UTF-8 as Auth0 does it."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 - the signature is marshmallow's
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[bytes, ...]:
        items = value.split(",") if isinstance(value, str) else value
        items = list(items) if isinstance(items, (list, tuple)) else [items]
        # First: a public key is full of bytes that end a secret.
        if any(map(_is_public, [value, *items])):
            raise ValidationError(_PUBLIC)
        secrets = tuple(dict.fromkeys(map(_secret, items)))
        if not 1 <= len(secrets) <= MAX_SECRETS or any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
            raise ValidationError(_NOT_SECRETS)
        return secrets


def _secret(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if not isinstance(item, str):
        raise ValidationError(_NOT_SECRETS)
    try:
        # As a variable of the environment keeps bytes that are not UTF-8.
        return item.strip().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValidationError(_NOT_SECRETS) from None  # the error holds the secret


def _is_public(value: Any) -> bool:
    """Return whether *value* is a public key or a certificate in a usual form: PEM, SSH, DER, JWK (CVE-2022-29217)."""
    try:
        secret = _secret(value)
    except ValidationError:
        return False
    if not secret:  # PyJWT refuses that as well
        return False
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        return True
    return any(_can_read(reader, secret) for reader in (load_der_public_key, load_der_x509_certificate, _load_jwk))


def _can_read(reader: Callable[[bytes], object], secret: bytes) -> bool:
    try:
        reader(secret)
    except Exception:  # noqa: BLE001 - what is no key may fail in many ways
        return False
    return True


def _load_jwk(text: bytes) -> object:
    document = json.loads(text)
    return document.get("keys") or document["kty"]


def algorithms_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the accepted signature algorithms, which follow from the secret where ``AUTH0_ALGORITHMS`` is unset."""
    algorithms: tuple[str, ...] | None = data["AUTH0_ALGORITHMS"]
    if algorithms is not None:
        return algorithms
    return (HS256.name,) if data["AUTH0_SIGNING_SECRET"] else DEFAULT_ALGORITHMS


def signing_secret_problems(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what does not go together with the secret, or without one. By setting."""
    if "AUTH0_SIGNING_SECRET" not in data:
        return {}
    algorithms = data.get("AUTH0_ALGORITHMS")
    if not data["AUTH0_SIGNING_SECRET"]:
        if algorithms is None or HS256.name not in algorithms:
            return {}
        return {"AUTH0_ALGORITHMS": "may be HS256 only with AUTH0_SIGNING_SECRET, the signing secret of the API"}
    problems: dict[str, str] = {}
    if algorithms is not None and algorithms != (HS256.name,):
        problems["AUTH0_ALGORITHMS"] = (
            "must be unset or HS256 with AUTH0_SIGNING_SECRET: one app never takes both kinds, so that no key can be "
            "used as another"
        )
    domains = data.get("AUTH0_DOMAIN", ())
    if isinstance(domains, tuple) and len(domains) > 1:  # else a function, which is refused as well
        problems["AUTH0_SIGNING_SECRET"] = _SEVERAL_DOMAINS
    if data.get("AUTH0_JWKS_URL") is not None:
        problems["AUTH0_JWKS_URL"] = "must not be set with AUTH0_SIGNING_SECRET: HS256 has no key set"
    if data.get("AUTH0_LOGOUT_CLIENT_IDS"):
        problems["AUTH0_LOGOUT_CLIENT_IDS"] = (
            "must not be set with AUTH0_SIGNING_SECRET: logout tokens are signed with keys of the tenant, or with the "
            "secret of an application, and this app has neither"
        )
    return problems
