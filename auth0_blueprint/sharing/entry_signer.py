"""Signs what processes share: JSON text that is trusted only if a process with our secret wrote it."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from typing import Any

from itsdangerous import BadData, Serializer

logger: logging.Logger = logging.getLogger("auth0_blueprint")

# Part of every name, so processes that write another form never read each other's entries. Raise it with the form.
_FORM = "2"


def name_of(secret: str, *names: str) -> str:
    """Return what tells the entries of these *names* and this *secret* from all others: 64 hexadecimal digits."""
    return hashlib.sha256("\0".join((_FORM, *names, secret)).encode()).hexdigest()


class EntrySigner:
    """Signs and verifies entries, each with its kind and its name.

    Args:
        secret: signs them.
        names: separate these entries from those of other apps, stages and tenants.

    Attributes:
        digest: stands for secret and names; part of every key.
        ignored: how many entries were rejected.
    """

    def __init__(self, secret: str, *names: str) -> None:
        self._secret = secret
        self.digest: str = name_of(secret, *names)
        self._serializers: dict[str, Serializer[str]] = {}
        self._ignored_kinds: set[str] = set()
        self.ignored: int = 0

    def sign(self, kind: str, name: str, value: Any) -> str:
        """Return *value* as a signed text."""
        return str(self._serializer(kind).dumps([name, value]))

    def verify(self, kind: str, name: str, text: Any) -> Any:
        """Return the value that *text* holds; ``None`` if there is none that can be trusted."""
        if text is None:
            return None
        # ValueError: a text that cannot be encoded.
        with suppress(BadData, ValueError):
            signed_name, value = self._serializer(kind).loads(text) if isinstance(text, str) else (None, None)
            # The name is signed as well: an entry copied to the key of another one is rejected.
            if signed_name == name:
                self._ignored_kinds.discard(kind)
                return value
        self.ignore(kind)
        return None

    def ignore(self, kind: str) -> None:
        """Count a rejected entry; log the first of several in a row."""
        self.ignored += 1
        if kind not in self._ignored_kinds:
            self._ignored_kinds.add(kind)
            logger.warning("ignored a forged, damaged or outdated entry in the shared cache (%s)", kind)

    def _serializer(self, kind: str) -> Serializer[str]:
        if kind not in self._serializers:
            # The salt contains the kind, so an entry of one kind is never accepted as another.
            salt = f"auth0_blueprint.{kind}.{self.digest}"
            self._serializers[kind] = Serializer(
                self._secret, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
            )
        return self._serializers[kind]
