"""For tests and trials: a local issuer, and clients for it. Not for use in production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auth0_blueprint.testing.bearer_client import bearer_client
from auth0_blueprint.testing.client_certificate import ClientCertificate
from auth0_blueprint.testing.dpop_key import DPoPKey
from auth0_blueprint.testing.events import cloud_event, log_record
from auth0_blueprint.testing.local_issuer import LocalIssuer
from auth0_blueprint.testing.tenants import tenant_settings

if TYPE_CHECKING:
    from auth0_blueprint.testing.encryption_key import EncryptionKey

__all__ = [
    "ClientCertificate",
    "DPoPKey",
    "EncryptionKey",
    "LocalIssuer",
    "bearer_client",
    "cloud_event",
    "log_record",
    "tenant_settings",
]


def __getattr__(name: str) -> Any:
    # pytest imports this package for its plugin, also where nobody encrypts anything.
    if name != "EncryptionKey":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from auth0_blueprint.testing.encryption_key import EncryptionKey

    return EncryptionKey
