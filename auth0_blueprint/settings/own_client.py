"""The API's own client at the token endpoint: who it is, how it proves that, and where the endpoint is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from marshmallow import ValidationError, fields

from auth0_blueprint.jose.jwk import MIN_RSA_BITS
from auth0_blueprint.settings.private_keys import load_private_key

_ALGORITHMS_OF_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A private key that signs client assertions, and the one algorithm it signs with."""

    private_key: Any = field(repr=False)
    algorithm: str


@dataclass(frozen=True, slots=True)
class OwnClient:
    """The client of the API itself. It has a secret or a key, never both.

    Attributes:
        client_id: its client id.
        secret: its secret.
        key: signs its assertions (private_key_jwt).
        token_url: the token endpoint, if it is not that of the issuer.
    """

    client_id: str | None
    secret: str | None = field(repr=False)
    key: ClientKey | None
    token_url: str | None

    @property
    def missing(self) -> dict[str, str]:
        """What is missing for a request to the token endpoint, by setting."""
        problems: dict[str, str] = {}
        if self.client_id is None:
            problems["AUTH0_CLIENT_ID"] = "is missing: set it to the client id of the API's own application in Auth0"
        if self.secret is None and self.key is None:
            name = "AUTH0_CLIENT_SECRET"
            problems[name] = "is missing: set it, or AUTH0_CLIENT_KEY, to that of the API's own application in Auth0"
        return problems

    def endpoint_of(self, issuer: str) -> str:
        """Return the URL of the token endpoint for tokens of *issuer*."""
        return self.token_url or f"{issuer.removesuffix('/')}/oauth/token"


class ClientKeyField(fields.Field[ClientKey]):
    """A private key in PEM format, or the path of a file that holds one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> ClientKey:
        try:
            key = load_private_key(value)
            return ClientKey(key, _algorithm_of(key))
        except ValueError as exc:
            # Without its cause, and so without the frames that hold the text of the key.
            raise ValidationError(str(exc)) from None


def client_key() -> ClientKeyField:
    """Return the field of ``AUTH0_CLIENT_KEY``."""
    return ClientKeyField(
        load_default=None,
        metadata={
            "secret": True,
            "description": "The private key of that client instead of a secret, for `private_key_jwt`: PEM text or "
            "the path of a PEM file; RSA (RS256), EC P-256, P-384, P-521 (ES256, ES384, ES512) or Ed25519.",
        },
    )


def _algorithm_of(key: Any) -> str:
    if isinstance(key, RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise ValueError(f"must have {MIN_RSA_BITS} bits or more")
        return "RS256"
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS_OF_CURVES:
        return _ALGORITHMS_OF_CURVES[key.curve.name]
    if isinstance(key, Ed25519PrivateKey):
        return "EdDSA"
    raise ValueError("must be an RSA key, an EC key on P-256, P-384 or P-521, or an Ed25519 key")


def own_client(data: Mapping[str, Any]) -> OwnClient:
    """Return what the settings in *data* say."""
    return OwnClient(
        data["AUTH0_CLIENT_ID"], data["AUTH0_CLIENT_SECRET"], data["AUTH0_CLIENT_KEY"], data["AUTH0_TOKEN_URL"]
    )


def own_client_problems(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong between the settings in *data*."""
    if data.get("AUTH0_CLIENT_SECRET") is None or data.get("AUTH0_CLIENT_KEY") is None:
        return {}
    return {"AUTH0_CLIENT_KEY": "must not be set with AUTH0_CLIENT_SECRET: a client has a secret or a key"}
