"""Section 8 as a state machine: processes, clock, admins and a cache that fails, in any order."""

from __future__ import annotations

import sys
from pathlib import Path

from conftest import MovableClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from auth0_blueprint.errors import RevocationUnavailableError
from properties.conftest import SLOW

sys.path.insert(0, str(Path(__file__).parent.parent / "admin"))  # for fleet_of_revokers.py

from fleet_of_revokers import INTERVAL, Process, RevokerFleet

processes = st.integers(min_value=0, max_value=2)
token_ids = st.sampled_from("ab")


class RevocationMachine(RuleBasedStateMachine):
    """A revocation that was reported binds every process that has looked since, until somebody asks to lift it."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = RevokerFleet(MovableClock())
        self.processes = [self.fleet.process() for _ in range(3)]
        #: When each one was revoked, as far as the admin was told so, and nobody tried to lift it since.
        self.revoked_at: dict[str, float] = {}
        #: Those that nobody has ever tried to revoke, or that were lifted for certain: when.
        self.free_since: dict[str, float] = {"a": float("-inf"), "b": float("-inf")}

    @rule(index=processes, token_id=token_ids)
    def revoke(self, index: int, token_id: str) -> None:
        self.free_since.pop(token_id, None)
        try:
            self.processes[index].revoke(token_id)
        except RevocationUnavailableError:
            return
        self.revoked_at[token_id] = self.fleet.clock.now

    @rule(index=processes, token_id=token_ids)
    def lift(self, index: int, token_id: str) -> None:
        try:
            was_lifted = self.processes[index].lift(token_id)
        except RevocationUnavailableError:
            # It may come to pass, or not.
            self.revoked_at.pop(token_id, None)
            return
        if was_lifted:
            self.revoked_at.pop(token_id, None)
            self.free_since[token_id] = self.fleet.clock.now
        elif not self.fleet.backend.is_away and self.has_touch(index):
            assert token_id not in self.revoked_at

    @rule(index=processes, token_id=token_ids)
    def request(self, index: int, token_id: str) -> None:
        process = self.processes[index]
        is_let_in = process.lets_in(token_id)
        looked_at = self.fleet.clock.now - process.fleet_sync.age_seconds
        if token_id in self.revoked_at and looked_at > self.revoked_at[token_id]:
            assert not is_let_in
        if token_id in self.free_since and looked_at > self.free_since[token_id]:
            assert is_let_in
        if self.has_touch(index):
            assert process.fleet_sync.age_seconds < INTERVAL

    def has_touch(self, index: int) -> bool:
        return not self.processes[index].fleet_sync.is_failing

    @rule(seconds=st.sampled_from([0.5, 1, 4, 5, 6, 40]))
    def pass_time(self, seconds: float) -> None:
        self.fleet.clock.move(seconds)

    @rule(index=processes, token_id=token_ids)
    def wait_and_request(self, index: int, token_id: str) -> None:
        self.fleet.pass_interval()
        self.request(index, token_id)

    @precondition(lambda self: not self.fleet.backend.is_away)
    @rule()
    def lose_the_cache(self) -> None:
        self.fleet.backend.is_away = True

    @precondition(lambda self: not self.fleet.backend.is_away)
    @rule(operations=st.integers(min_value=1, max_value=6))
    def have_the_cache_die_soon(self, operations: int) -> None:
        self.fleet.backend.dies_after = operations

    @precondition(lambda self: self.fleet.backend.is_away)
    @rule()
    def find_the_cache_again(self) -> None:
        self.fleet.backend.is_away, self.fleet.backend.dies_after = False, None
        self.fleet.clock.move(1)

    @rule()
    def wipe_the_cache(self) -> None:
        """Each process is alive and fills it again: an interval, and the time it takes to see that a filler died."""
        backend = self.fleet.backend
        backend.values.clear()
        backend.is_away, backend.dies_after = False, None
        for _ in range(10):
            self.fleet.pass_interval()
            for process in self.processes:
                process.lets_in("x")

    @precondition(lambda self: not self.fleet.backend.is_away)
    @rule(index=processes)
    def restart(self, index: int) -> None:
        """The others have to have looked before: what only it knew, and the cache lost, is gone."""
        self.fleet.pass_interval()
        for process in self.processes:
            process.lets_in("x")
        if not self.fleet.backend.is_away:  # it may have died before all had looked
            self.processes[index] = Process(self.fleet)


TestRevocationStates = RevocationMachine.TestCase
TestRevocationStates.settings = settings(SLOW, stateful_step_count=30)
