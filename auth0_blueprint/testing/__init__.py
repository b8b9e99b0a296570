"""For tests and trials: a local issuer. Never part of a running API."""

from auth0_blueprint.testing.local_issuer import LocalIssuer

__all__ = ["LocalIssuer"]
