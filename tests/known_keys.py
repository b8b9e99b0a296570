"""A key set that is already there, for verifiers without a key source."""

from __future__ import annotations

import json
from typing import Any

from auth0_blueprint import UnknownKeyError
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot


class KnownKeys:
    """Keys of JWKs. Notes how it was asked, in ``asked``; a test may set ``generation``."""

    def __init__(self, *members: dict[str, Any]) -> None:
        self._key_set = parse_key_set(json.dumps({"keys": members}).encode())
        self.asked: list[str] = []
        self.generation = 1

    def key_for(self, key_id: str | None, algorithm: Algorithm, how: str = "key_for") -> FoundKey:
        self.asked.append(how)
        key = self._key_set.select(key_id, algorithm)
        if key is None:
            raise UnknownKeyError(self._key_set.why_none(key_id, algorithm))
        return FoundKey(key, self.generation)

    def cached_key(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        return self.key_for(key_id, algorithm, "cached_key")

    def snapshot(self) -> Snapshot:
        return Snapshot(self._key_set, 0, 0, 0, 0, 0, "network", self.generation)
