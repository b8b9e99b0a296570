"""The key of an issuer whose tokens are signed with a shared secret: HS256, ``AUTH0_SIGNING_SECRET``.

There is no key set then: nothing is fetched, nothing is cached, and no other algorithm has a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from auth0_blueprint.errors import UnsupportedAlgorithmError
from auth0_blueprint.jose.algorithms import HS256, Algorithm, SharedSecrets
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.settings import Settings

#: What health, the admin routes and the commands say instead of a key set.
NO_KEY_SET = "There is no key set: tokens are verified with AUTH0_SIGNING_SECRET (HS256)."


class SecretKeys:
    """Finds the same secrets for every token, and never anything else. It is a `KeyFinder`.

    Args:
        secrets: one, or two while one replaces the other; both are tried.
    """

    #: The secrets never change while the process runs.
    generation = 0

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        key = VerificationKey(None, HS256.key_type, HS256.curve, HS256, SharedSecrets(secrets), "")
        self._found = FoundKey(key, self.generation)

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:  # noqa: ARG002 - a secret has no id
        """Return the secrets. The key id is ignored: Auth0 publishes none for a secret.

        Raises:
            UnsupportedAlgorithmError: *algorithm* is not HS256. A secret is no key for anything else.
        """
        if algorithm is not HS256:
            raise UnsupportedAlgorithmError
        return self._found

    cached_key = key_for

    def snapshot(self) -> Self:
        """Return the keys as they are now, and always."""
        return self


def secret_keys_of(settings: Settings) -> Mapping[str, SecretKeys]:
    """Return the keys of each issuer; empty without ``AUTH0_SIGNING_SECRET``: then there are key sets."""
    if not settings.signing_secrets:
        return {}
    return dict.fromkeys(settings.issuers, SecretKeys(settings.signing_secrets))
