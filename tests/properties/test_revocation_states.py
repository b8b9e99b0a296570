"""Section 8 as a state machine: processes, clocks, admins and a store that fails and loses, in any order.

The model knows what each process was told and what the store was given, and by its own rule which change counts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from conftest import MovableClock
from fleet_of_revokers import INTERVAL, STALE, FragileStore, Process, RevokerFleet
from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from auth0_blueprint.errors import RevocationUnavailableError, RevokedTokenError
from auth0_blueprint.revocation.index import Entry, Revocation, RevocationIndex, token_digest
from auth0_blueprint.revocation.log_layout import LogLayout
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.revocation.shared_set import SharedSet
from auth0_blueprint.revocation.tidying import Replacement
from auth0_blueprint.sharing.shared_store import PAUSE_SECONDS
from auth0_blueprint.sharing.store import Head, StoreError
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation

TOKEN = "h.p.s"
MAX_PROCESSES = 4

Key = tuple[str, str]
Known = dict[Key, Entry]
TARGETS: list[Key] = [("token", token_digest(TOKEN)), ("jti", "j"), ("subject", "s"), ("client_id", "c"), ("jti", "k")]

_INDEXES = st.integers(0, MAX_PROCESSES - 1)
_TARGETS = st.sampled_from(TARGETS)


def rank(entry: Entry | None) -> tuple[Any, ...]:
    """Return what is greater the more *entry* counts."""
    if entry is None:
        return (-math.inf,)
    issued_up_to, expires_at, changed_at, reason, is_lifted, _origin = entry
    return changed_at, is_lifted, math.inf if issued_up_to is None else issued_up_to, expires_at, reason or ""


def merged(*maps: Known) -> Known:
    """Return what counts of all that *maps* hold."""
    found: Known = {}
    for key, entry in itertools.chain.from_iterable(one.items() for one in maps):
        found[key] = max(found.get(key), entry, key=rank) or entry
    return found


class Witness:
    """A process, and what it must know: what it was told, and what it has read."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.must_know: Known = {}
        self.outcomes: list[bool] = []
        self.first_asked_at: float | None = None
        process.fleet_sync.subscribe_to_outcomes(self.outcomes.append)

    def entry(self, key: Key) -> Entry | None:
        kind, value = key
        return self.process.index.entries[kind].get(value)


class RevocationMachine(RuleBasedStateMachine):
    """One interval after the store is well, nothing is admitted that any live process knows to be revoked."""

    make_index: type[RevocationIndex] = RevocationIndex
    make_set: type[SharedSet] = SharedSet
    make_revocations: type[Revocations] = Revocations

    def __init__(self) -> None:
        super().__init__()
        self.fleet = RevokerFleet(MovableClock(), recent_changes=2, max_changes=4)
        parts = {name: getattr(self, name) for name in ("make_index", "make_set", "make_revocations")}
        self.fleet.make_process = type("Made", (Process,), parts)
        self.witnesses: list[Witness] = []
        #: What the store must hold; and the snapshots of it, with what each of them must.
        self.stored: Known = {}
        self.snapshots: list[tuple[Any, Known]] = []
        self.was_lost = False
        #: Every change that an admin was told of; and what may have been changed without an answer.
        self.made: dict[Key, set[Entry]] = {key: set() for key in TARGETS}
        self.unanswered: set[Key] = set()
        #: When the store was last mended: for a moment after a failure a process does not ask it.
        self.mended_at = -math.inf
        #: The latest time by any clock: what has expired by it may be forgotten.
        self.latest = -math.inf

    @property
    def store(self) -> FragileStore:
        return self.fleet.store

    @property
    def is_well(self) -> bool:
        store = self.store
        is_troubled = store.is_away or store.refuses_writes or store.is_slow or store.is_hanging or store.loses_replies
        return not is_troubled and store.dies_after is None

    def witness(self, index: int) -> Witness:
        return self.witnesses[index % len(self.witnesses)]

    def unexpired(self, known: Known) -> Iterable[tuple[Key, Entry]]:
        return ((key, entry) for key, entry in known.items() if entry[1] > self.latest)

    # Processes and clocks

    @initialize(count=st.integers(1, 3))
    def processes_start(self, count: int) -> None:
        for _ in range(count):
            self.a_process_starts(0)

    @precondition(lambda self: len(self.witnesses) < MAX_PROCESSES)
    @rule(ahead=st.sampled_from([0, 0, 30, -30]))
    def a_process_starts(self, ahead: float) -> None:
        self.witnesses.append(Witness(self.fleet.process(ahead_seconds=ahead)))

    @precondition(lambda self: len(self.witnesses) > 1)
    @rule(index=_INDEXES)
    def a_process_ends(self, index: int) -> None:
        self.witnesses.remove(self.witness(index))

    @rule(seconds=st.sampled_from([0.5, 1, 5, 40, 700, 4000, 90_000]))
    def time_passes(self, seconds: float) -> None:
        self.fleet.clock.move(seconds)

    @rule(index=_INDEXES, ahead=st.sampled_from([-300, -30, 0, 30, 300]))
    def a_clock_is_set(self, index: int, ahead: float) -> None:
        self.witness(index).process.ahead_seconds = ahead

    # Admins and requests

    @rule(index=_INDEXES, key=_TARGETS)
    def an_admin_revokes(self, index: int, key: Key) -> None:
        witness, (kind, value) = self.witness(index), key
        revocations = witness.process.revocations
        try:
            if kind == "token":
                claims = {"exp": int(self.fleet.clock.now) + 1000}
                made = revocations.revoke_token(AccessToken(claims, {}), TOKEN, None)
            else:
                made = revocations.revoke(kind, value, None)
        except RevocationUnavailableError as exc:
            self.it_was_refused(witness, key, exc)
        else:
            self.it_was_made(witness, made)

    @rule(index=_INDEXES, key=_TARGETS)
    def an_admin_lifts(self, index: int, key: Key) -> None:
        witness, (kind, value) = self.witness(index), key
        expected = merged(self.stored, witness.must_know).get(key)
        try:
            found = witness.process.revocations.lift(kind, value)
        except RevocationUnavailableError as exc:
            self.it_was_refused(witness, key, exc)
            return
        if found is not None:
            lifted = witness.entry(key)
            assert lifted is not None
            self.it_was_made(witness, Revocation(kind, value, *lifted))
        elif expected is not None and key not in self.unanswered:
            assert expected[4] or expected[1] <= self.now(witness)

    def now(self, witness: Witness) -> float:
        self.latest = max(self.latest, witness.process.clock.time())
        return self.latest

    def it_was_made(self, witness: Witness, made: Revocation) -> None:
        key = made.kind, made.value
        assert not any((self.store.is_away, self.store.refuses_writes, self.store.loses_replies))
        # Whatever the clocks say, and whoever has made the one before.
        before = merged(self.stored, witness.must_know).get(key)
        if before is not None and before[1] > self.latest:
            assert rank(made.entry) > rank(before)
        self.made[key].add(made.entry)
        witness.must_know = merged(witness.must_know, {key: made.entry})
        self.stored = merged(self.stored, {key: made.entry})

    def it_was_refused(self, witness: Witness, key: Key, error: RevocationUnavailableError) -> None:
        event("refused")
        assert error.reason == "not_stored"
        if self.store.loses_replies:
            self.unanswered.add(key)
        entry = witness.entry(key)
        assert entry is None or entry in self.made[key] or key in self.unanswered

    @rule(index=_INDEXES, key=_TARGETS)
    def a_request_comes(self, index: int, key: Key) -> None:
        witness = self.witness(index)
        process = witness.process
        witness.outcomes.clear()
        process.fleet_sync.sync_if_due()
        self.it_may_have_synced(witness)
        has_read = process.fleet_sync.age_seconds < math.inf
        must_know = witness.must_know.get(key)
        try:
            process.revocations.check_not_revoked(self.token_of(key, must_know), Presentation(TOKEN))
        except RevokedTokenError:
            return
        except RevocationUnavailableError as exc:
            refused = exc.reason
        else:
            refused = ""
        if refused or not has_read:
            assert not has_read
            assert self.counts_as_away(witness) or refused == "loading"
        elif must_know is not None and must_know[1] > self.now(witness):
            assert must_know[4] or key in self.unanswered or rank(witness.entry(key)) > rank(must_know)

    def counts_as_away(self, witness: Witness) -> bool:
        now = self.fleet.clock.uptime
        witness.first_asked_at = now if witness.first_asked_at is None else witness.first_asked_at
        return witness.process.fleet_sync.failure_code == "unreachable" or now - witness.first_asked_at > STALE

    def token_of(self, key: Key, entry: Entry | None) -> AccessToken:
        """Return a token that *entry* concerns, as nothing else does."""
        kind, value = key
        issued_at = 0 if entry is None else entry[0] or 0
        claims = {"sub": "x", "iat": issued_at, "exp": 0}
        if kind != "token":
            claims[{"jti": "jti", "subject": "sub", "client_id": "azp"}[kind]] = value
        return AccessToken(claims, {})

    @rule(index=_INDEXES)
    def a_process_syncs(self, index: int) -> None:
        witness = self.witness(index)
        witness.outcomes.clear()
        witness.process.fleet_sync.sync_now()
        self.it_may_have_synced(witness)

    def it_may_have_synced(self, witness: Witness) -> None:
        if witness.outcomes and witness.outcomes[-1] and self.is_well:
            self.stored = witness.must_know = merged(self.stored, witness.must_know)

    @rule(index=_INDEXES)
    def a_process_tidies(self, index: int) -> None:
        try:
            self.witness(index).process.shared_set.tidy()
        except StoreError:
            assert not self.is_well or self.fleet.clock.uptime < self.mended_at + PAUSE_SECONDS

    # The store

    @rule(trouble=st.sampled_from(["is_away", "refuses_writes", "is_slow", "is_hanging", "loses_replies"]))
    def the_store_fails(self, trouble: str) -> None:
        setattr(self.store, trouble, True)

    @rule(operations=st.integers(1, 6))
    def the_store_dies_soon(self, operations: int) -> None:
        self.store.dies_after = operations

    @rule()
    def the_store_is_well_again(self) -> None:
        self.store.mend()
        self.mended_at = self.fleet.clock.uptime

    @rule()
    def the_store_is_saved(self) -> None:
        self.snapshots.append((self.store.snapshot(), self.stored))

    @precondition(lambda self: self.snapshots)
    @rule(number=st.integers(0, 10))
    def the_store_is_restored(self, number: int) -> None:
        snapshot, self.stored = self.snapshots[number % len(self.snapshots)]
        self.store.restore(snapshot)
        self.was_lost = True

    @rule()
    def the_store_is_emptied(self) -> None:
        self.store.flush()
        self.stored = {}
        self.was_lost = True

    # What is promised

    @invariant()
    def nobody_forgets_what_it_must_know(self) -> None:
        for witness in self.witnesses:
            self.now(witness)
        for witness in self.witnesses:
            for key, entry in self.unexpired(witness.must_know):
                assert rank(witness.entry(key)) >= rank(entry)

    @rule()
    def all_agree_one_interval_after_the_store_is_well(self) -> None:
        self.the_store_is_well_again()
        expected = merged(self.stored, *(witness.must_know for witness in self.witnesses))
        # Where something was lost, what only the last to sync knew comes to the first with the next look.
        for _ in range(2 if self.was_lost else 1):
            self.fleet.clock.move(INTERVAL)
            for witness in self.witnesses:
                witness.process.fleet_sync.sync_if_due()
                assert not witness.process.fleet_sync.is_failing
            newcomer = Witness(self.fleet.process())
            newcomer.process.fleet_sync.sync_if_due()
            self.it_knows(newcomer, expected)
        for witness in self.witnesses:
            self.it_knows(witness, expected)
            for key, entry in self.unexpired(expected):
                assert rank(newcomer.entry(key)) == rank(witness.entry(key)), (key, entry)
            witness.must_know = expected
        self.stored, self.was_lost = expected, False

    def it_knows(self, witness: Witness, expected: Known) -> None:
        for other in (witness, *self.witnesses):
            self.now(other)
        for key, entry in self.unexpired(expected):
            found = witness.entry(key)
            assert rank(found) >= rank(entry), (key, entry, found)
            assert found in self.made[key] or key in self.unanswered, (key, entry, found)

    def teardown(self) -> None:
        self.all_agree_one_interval_after_the_store_is_well()


TestRevocationStates = RevocationMachine.TestCase
TestRevocationStates.settings = settings(max_examples=max(2000, settings().max_examples), stateful_step_count=20)


# Faults, each of which the model finds


class ComparesVersionsOnly(SharedSet):
    """Fault: another history of the same length is taken for the same."""

    def _is_known(self, head: Head) -> bool:
        return self._head is not None and self._head.version == head.version


class ReadsOnWhateverTheHistory(SharedSet):
    """Fault: a longer log is taken for a continuation of the one that was known."""

    def _read_on(self, head: Head) -> bool:
        known = self._head
        if known is None or known.incarnation != head.incarnation or known.version >= head.version:
            return False
        blobs: dict[int, str] = {}
        self._store.read(lambda store: [blobs.update(part) for part in store.contents(head)])
        for _ in self._take_over(head, {version: blobs[version] for version in blobs if version > known.version}, None):
            pass
        self._head = head
        return True


class ForgetsToWriteBack(SharedSet):
    """Fault: what the store has lost is read again, and not written."""

    def write_back(self) -> int:
        return 0


class WritesBackWithoutReading(SharedSet):
    """Fault: another log gets all that is known here, and what it holds is not looked at."""

    def _merge_once(self, head: Head) -> None:
        if self._head is None:
            super()._merge_once(head)
        else:
            self._head, self._unconfirmed = head, None
            self._lacking = {(one.kind, one.value) for one in self._index}


class WritesBackOnce(SharedSet):
    """Fault: what cannot be written back at once is forgotten."""

    def write_back(self) -> int:
        count = super().write_back()
        self._lacking.clear()
        return count


class BelievesItsOwnChangesAreSafe(SharedSet):
    """Fault: a change appended behind others, which were not read, is not looked for."""

    def _append(self, head: Head, revocations: list[Revocation]) -> bool:
        is_done = super()._append(head, revocations)
        self._unconfirmed = None
        return is_done


class TakesTheEarlierChange(RevocationIndex):
    """Fault: what comes last counts, and not what was made last."""

    def apply(self, kind: str, changes: Iterable[tuple[str, Entry]]) -> list[str]:
        taken = []
        for value, entry in changes:
            known = self.entries[kind].pop(value, None)
            self.in_force -= known is not None and not known[4]
            taken += super().apply(kind, [(value, entry)])
        return taken


class TakesUnreadableForEmpty(SharedSet):
    """Fault: a log that cannot be read is taken for one that says nothing."""

    def _merge_whole(self, head: Head) -> None:
        try:
            super()._merge_whole(head)
        except StoreError:
            self._head = head


class TidiesBlindly(SharedSet):
    """Fault: what is where is taken to be as it was, whoever has rearranged it since, and nobody looks."""

    def _replace(self, head: Head, layout: LogLayout, replacement: Replacement) -> None:
        left = list(self._index)[: self._signer.max_changes]
        blob = next(iter(self._signer.write(head.incarnation, left)), None)
        super()._replace(head, layout, Replacement(replacement.versions, left, blob))


class DropsWhatIsInForce(SharedSet):
    """Fault: what expires within a day is dropped as if it had."""

    def tidy(self) -> None:
        self._clock, clock = type(self._clock)(time=lambda: clock.time() + 90_000), self._clock
        try:
            super().tidy()
        finally:
            self._clock = clock


class BeginsWithItsChangeAlone(SharedSet):
    """Fault: whoever finds that there is no log begins one with what it has to say, and believes that it is all."""

    def _write_log(self, revocations: list[Revocation]) -> bool:
        is_written = super()._write_log(revocations[-1:])
        self._head, self._layout = self._look(), None
        return is_written


class IsReadyTooEarly(Revocations):
    """Fault: a process that starts admits before it has read anything."""

    def _check_ready(self) -> None:
        return


class RestoresAsNewer(SharedSet):
    """Fault: what is written back is made to count again, whatever was changed since."""

    def _known(self, kind: str, value: str) -> Revocation | None:
        found = super()._known(kind, value)
        return None if found is None else found._replace(changed_at=self._clock.time())


class IsInForceAtOnce(Revocations):
    """Fault: what could not be stored is in force here."""

    def _change(self, revocation: Revocation) -> Revocation:
        self._index.apply(revocation.kind, [(revocation.value, revocation.entry)])
        return super()._change(revocation)


class DoesNotLookBefore(Revocations):
    """Fault: by a clock that is slow, a change does not count."""

    def sync(self) -> None:
        return


def _comes_to_light(**faults: Any) -> bool:
    machine: Any = type("Faulty", (RevocationMachine,), faults)
    at_once = settings(max_examples=12_000, stateful_step_count=20, phases=[Phase.generate], print_blob=False)
    try:
        run_machine(machine, settings=at_once)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(
    "fault",
    [
        ComparesVersionsOnly,
        ReadsOnWhateverTheHistory,
        ForgetsToWriteBack,
        WritesBackWithoutReading,
        WritesBackOnce,
        TakesUnreadableForEmpty,
        DropsWhatIsInForce,
        BeginsWithItsChangeAlone,
        RestoresAsNewer,
    ],
)
def test_a_fault_in_sharing_comes_to_light(fault: type[SharedSet]) -> None:
    """The model is worth something: it finds what others have done wrong."""
    assert _comes_to_light(make_set=fault)


@pytest.mark.parametrize("fault", [IsReadyTooEarly, IsInForceAtOnce, DoesNotLookBefore])
def test_a_fault_in_answering_comes_to_light(fault: type[Revocations]) -> None:
    """Of requests as of admins."""
    assert _comes_to_light(make_revocations=fault)


def test_an_earlier_change_that_counts_comes_to_light() -> None:
    """Whichever of the two was learned first."""
    assert _comes_to_light(make_index=TakesTheEarlierChange)


# Faults that need so much at once that few sequences show them: these do, with the rules and the checks of the model.


def _unread_changes_are_lost(machine: RevocationMachine) -> None:
    machine.processes_start(count=2)
    machine.an_admin_revokes(index=0, key=TARGETS[1])
    machine.all_agree_one_interval_after_the_store_is_well()
    machine.the_store_is_saved()
    # Whoever changes anything looks first: only a change that comes between is not read.
    machine.store.before["append"] = lambda: machine.an_admin_revokes(index=1, key=TARGETS[2])
    machine.an_admin_revokes(index=0, key=TARGETS[3])
    machine.the_store_is_restored(number=0)


def _more_is_known_than_one_blob_holds(machine: RevocationMachine) -> None:
    machine.processes_start(count=1)
    token, jti, subject, client, other_jti = TARGETS
    for key in (token, jti, other_jti, subject, client, subject, subject, subject):
        machine.an_admin_revokes(index=0, key=key)


@pytest.mark.parametrize(
    ("sequence", "fault"),
    [
        (_unread_changes_are_lost, BelievesItsOwnChangesAreSafe),
        (_more_is_known_than_one_blob_holds, TidiesBlindly),
    ],
)
def test_a_rare_fault_comes_to_light(sequence: Callable[[RevocationMachine], None], fault: type[SharedSet]) -> None:
    """And without it, the same sequence breaks no promise."""
    sound, faulty = RevocationMachine(), type("Faulty", (RevocationMachine,), {"make_set": fault})()
    sequence(sound)
    sound.teardown()
    sequence(faulty)
    with pytest.raises(AssertionError):
        faulty.teardown()
