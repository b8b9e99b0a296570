"""Processes that share revocations, without the processes: one cache that a test can break, and one clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auth0_blueprint.revocation.log import RevocationLog
from conftest import MovableClock
from shared_sources import ISSUER, SECRET, DictBackend

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.errors import RevokedTokenError
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation

INTERVAL, STALE, LIFETIME, LEEWAY = 5, 60, 86_400, 5


class FragileBackend(DictBackend):
    """A cache that fails for as long, or from that operation on, as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.dies_after: int | None = None
        #: Whether `add` is what it is on a file system: two at once are both told that they have added.
        self.before_adding: Callable[[str], object] | None = None
        self.before_setting: Callable[[str], object] = lambda _key: None

    def _fail(self) -> None:
        if self.dies_after is not None:
            self.is_away = self.is_away or self.dies_after <= 0
            self.dies_after -= 1
        if self.is_away:
            raise ConnectionError

    def get(self, key: str) -> Any:
        self._fail()
        return super().get(key)

    def get_many(self, *keys: str) -> Any:
        self._fail()
        return super().get_many(*keys)

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self._fail()
        self.before_setting(key)
        return super().set(key, value, timeout)

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self._fail()
        if self.before_adding is None:
            return self.values.setdefault(key, value) is value  # no other thread comes in between
        if key in self.values:
            return False
        self.before_adding(key)
        self.values[key] = value
        return True

    def entries(self) -> list[str]:
        """Return the keys of the log's entries, in order."""
        keys = [key for key in self.values if key.startswith("auth0-revocation-")]
        return sorted(keys, key=lambda key: int(key.split("-")[3]))

    @property
    def head_key(self) -> str:
        (key,) = (key for key in self.values if key.startswith("auth0-board-revocations-"))
        return key


class Process:
    """One process: requests, and an admin's calls."""

    def __init__(self, fleet: RevokerFleet, *, is_denying: bool = False, ahead_seconds: float = 0) -> None:
        self._fleet = fleet
        clock = fleet.clock
        entries = SignedCache(
            SharedCache(lambda: fleet.backend, clock=clock, call_within=lambda _seconds, call: call(), pause_seconds=1),
            secret=SECRET,
            names=("fleet", ISSUER),
        )
        # What happens in the background happens at once.
        single_flight = SingleFlight(start=lambda work: work())
        self.entries = entries
        self.fleet_sync = FleetSync(entries, interval_seconds=fleet.interval, clock=clock, single_flight=single_flight)
        own_clock = Clock(time=lambda: clock.now + ahead_seconds)
        self.changed: list[Revocation] = []
        self.revocations = Revocations(
            RevocationLog(entries, keep_seconds=LIFETIME + 2 * LEEWAY, clock=own_clock),
            self.fleet_sync,
            reach=lambda: "fleet",
            max_lifetime_seconds=LIFETIME,
            leeway_seconds=LEEWAY,
            max_stale_seconds=STALE,
            is_denying=is_denying,
            clock=own_clock,
            on_changed=self.changed.append,
        )

    def lets_in(self, token_id: str, **claims: Any) -> bool:
        """Answer a request with a token of that ``jti``, as the verifier does."""
        self.fleet_sync.sync_if_due()
        token = AccessToken({"sub": "s", "iat": int(self._fleet.clock.now), "jti": token_id, **claims}, {})
        try:
            self.revocations.check_not_revoked(token, Presentation("h.p.s"))
        except RevokedTokenError:
            return False
        return True

    def revoke(self, *token_ids: str) -> None:
        for token_id in token_ids:
            self.revocations.revoke("jti", token_id, None)

    def lift(self, token_id: str) -> bool:
        return self.revocations.lift("jti", token_id) is not None


class RevokerFleet:
    """Processes with one cache and one clock."""

    def __init__(self, clock: MovableClock, interval: float = INTERVAL) -> None:
        self.backend = FragileBackend()
        self.clock = clock
        self.interval = interval

    def process(self, **options: Any) -> Process:
        return Process(self, **options)

    def pass_interval(self) -> None:
        self.clock.move(self.interval)
