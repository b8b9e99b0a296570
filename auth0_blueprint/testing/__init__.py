"""For tests and trials: a local issuer, and clients for it. Not for use in production."""

from auth0_blueprint.testing.bearer_client import bearer_client
from auth0_blueprint.testing.client_certificate import ClientCertificate
from auth0_blueprint.testing.dpop_key import DPoPKey
from auth0_blueprint.testing.encryption_key import EncryptionKey
from auth0_blueprint.testing.events import cloud_event, log_record
from auth0_blueprint.testing.local_issuer import LocalIssuer

__all__ = [
    "ClientCertificate",
    "DPoPKey",
    "EncryptionKey",
    "LocalIssuer",
    "bearer_client",
    "cloud_event",
    "log_record",
]
