"""What a process holds of one issuer's keys, and what may be said about it."""

from __future__ import annotations

from dataclasses import dataclass

from auth0_blueprint.keysets.key_set import KeySet


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A key set as this process holds it.

    Attributes:
        key_set: the keys.
        fetched_at: when the issuer gave it, as Unix time; a copy never restarts that clock.
        monotonic_fetched_at: the same moment on the monotonic clock.
        refresh_after_seconds: the age from which a refresh is due, with jitter.
        source: ``network`` or ``cache``.
        generation: rises only when key material changes.
    """

    key_set: KeySet
    fetched_at: float
    monotonic_fetched_at: float
    refresh_after_seconds: float
    source: str
    generation: int


@dataclass(frozen=True, slots=True)
class KeySourceStatus:
    """What health and admin endpoints may say. Times in seconds; ``None`` where there is no key set."""

    issuer: str
    state: str
    age_seconds: float | None
    refresh_in_seconds: float | None
    source: str | None
    generation: int
    key_count: int
    skipped: tuple[str, ...]
    consecutive_failures: int
    last_error: str | None

    @property
    def is_usable(self) -> bool:
        """Whether tokens can be verified right now."""
        return self.state in {"fresh", "due", "stale"}
