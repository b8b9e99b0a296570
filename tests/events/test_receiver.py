"""What puts events into force: once in the fleet, never half, and never more than the event says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from conftest import MovableClock
from fleet_of_revokers import Process, RevokerFleet
from servers import in_a_child_process

from auth0_blueprint.errors import RevocationUnavailableError
from auth0_blueprint.revocation.events.event import Effect, Event
from auth0_blueprint.revocation.events.receiver import EventReceiver
from auth0_blueprint.revocation.index import Origin

NOW = 1_800_000_000.0
ADMIN = Origin("admin", actor="auth0|admin")
REVOKE = Effect("revoke", "subject", "s")
ENABLE: dict[str, Any] = {
    "type": "account-enabled",
    "effects": (Effect("lift", "subject", "s", undoes="account-disabled"),),
}


def event(event_id: str = "e1", *, after: float = 0, **changes: Any) -> Event:
    """Return what disables the account of ``s``, so many seconds *after* the start, with *changes*."""
    disabled = Event("security", "https://idp.example/", event_id, "account-disabled", NOW + after, (REVOKE,))
    return disabled._replace(**changes)


class Receiving(Process):
    """A process that gets events."""

    def __init__(self, fleet: RevokerFleet, **options: Any) -> None:
        super().__init__(fleet, **options)
        self.receiver = EventReceiver(self.revocations, self.store, clock=self.clock)

    def gets(self, *events: Event) -> list[str]:
        """Return what became of them; ``503`` for those that it could not take."""
        outcomes = list[str]()
        for one in events:
            try:
                outcomes.append(self.receiver.handle(one).name)
            except RevocationUnavailableError:
                outcomes.append("503")
        return outcomes

    def admits(self, issued_after: float) -> bool:
        """Tell whether it lets a token of ``s`` in that was issued so many seconds after the start of the test."""
        self.fleet_sync.sync_now()
        return self.lets_in("x", iat=NOW + issued_after)


class Receivers(RevokerFleet):
    make_process = Receiving

    def process(self, **options: Any) -> Receiving:
        return Receiving(self, **options)


@pytest.fixture
def fleet() -> Receivers:
    fleet = Receivers(MovableClock(NOW))
    fleet.clock.move(100)
    return fleet


def test_an_event_takes_effect_once_in_the_fleet(fleet: Receivers) -> None:
    """It ends what was issued up to its own time, and nothing newer, also when it comes again much later."""
    first, second = fleet.process(), fleet.process()
    assert first.gets(event(), event()) == ["effective", "repeated"]
    assert second.gets(event()) == ["repeated"]
    assert [(one.admits(0), one.admits(0.9), one.admits(1)) for one in (first, second)] == [(False, False, True)] * 2
    fleet.clock.move(7 * 86_400)
    assert fleet.process().gets(event()) == ["repeated"]


@pytest.mark.parametrize("member", ["source", "sender", "id"])
def test_events_are_told_apart_by_source_sender_and_id(fleet: Receivers, member: str) -> None:
    changes: dict[str, Any] = {member: "auth0"}
    other = event(effects=(Effect("revoke", "subject", "other"),))._replace(**changes)
    assert fleet.process().gets(event(), other) == ["effective", "effective"]


def test_what_changes_nothing_is_acknowledged_once(fleet: Receivers) -> None:
    """Nothing to lift, revoked already, older than any token. What has no effects is not even remembered."""
    process = fleet.process()
    assert process.gets(event(effects=()), event(effects=())) == ["without_effect"] * 2
    for number, one in enumerate([event(**ENABLE), event(after=-1e6), event("2"), event("3")]):
        expected = "effective" if number == 2 else "without_effect"
        assert process.gets(one._replace(id=f"{number}"), one._replace(id=f"{number}")) == [expected, "repeated"]


def meanwhile(heard: list[str], process: Receiving, one: Event, passed: float = 0) -> None:
    """Have *process* get *one* after so many seconds."""
    process.fleet.clock.move(passed)
    heard += process.gets(one)


def test_the_same_event_at_once_in_two_processes_is_effective_in_one(fleet: Receivers) -> None:
    """Wherever the other one comes in between."""
    for number, operation in enumerate(["value_of", "look", "append", "take"]):
        first, second = fleet.process(), fleet.process()
        first.revoke("there is a log")
        first.admits(0), second.admits(0)
        one, heard = event(f"{number}", after=number), list[str]()
        fleet.store.before[operation] = partial(meanwhile, heard, second, one)
        assert sorted([*first.gets(one), *heard]) == ["effective", "repeated"], operation
        assert not first.admits(number)
        assert not second.admits(number)


@pytest.mark.parametrize("is_older_first", [True, False])
@pytest.mark.parametrize("is_admin", [True, False])
def test_of_two_at_once_the_one_that_reaches_further_counts(
    fleet: Receivers, is_older_first: bool, is_admin: bool
) -> None:
    """Neither process knows of the other's; whichever is written last must not undo the other."""
    first, second = fleet.process(), fleet.process()
    first.revoke("there is a log")
    first.admits(0), second.admits(0)

    def newer() -> None:
        if is_admin:
            second.revocations.revoke("subject", "s", "left", ADMIN)
        else:
            second.gets(event("newer", after=50))

    older = event("older", after=10)
    if is_older_first:
        fleet.store.before["append"] = newer
        first.gets(older)
    else:
        fleet.store.before["append"] = partial(meanwhile, [], first, older, 1)
        newer()
    fleet.pass_interval(first, second)
    assert not any(process.admits(50) for process in (first, second, fleet.process()))


@pytest.mark.parametrize("effects", [1, 3])
def test_an_event_that_cannot_be_stored_is_to_be_sent_again(fleet: Receivers, effects: int) -> None:
    """After any number of operations the store may go: 2xx means that it is in force; all in all it is so once."""
    kinds = ("subject", "session", "organization")[:effects]
    many = event(effects=tuple(Effect("revoke", kind, "s") for kind in kinds))
    for survived in range(30):
        fleet.store.flush()
        first, second = fleet.process(), fleet.process()
        first.admits(0), second.admits(0)
        fleet.store.dies_after = survived
        outcomes = first.gets(many)
        fleet.store.mend()
        fleet.clock.move(10)
        outcomes += second.gets(many)
        assert outcomes in (["503", "effective"], ["effective", "repeated"]), survived
        assert all(second.revocations.find(kind, "s") for kind in kinds)
        if survived == 0:
            assert outcomes[0] == "503"
    assert outcomes[0] == "effective"


@pytest.mark.parametrize("trouble", ["refuses_writes", "is_slow", "is_hanging", "is_away"])
def test_nothing_is_acknowledged_while_the_store_takes_nothing(fleet: Receivers, trouble: str) -> None:
    process = fleet.process()
    assert process.admits(0)
    setattr(fleet.store, trouble, True)
    assert process.gets(event()) == ["503"]
    assert process.admits(0)
    fleet.store.mend()
    fleet.clock.move(10)
    assert process.gets(event()) == ["effective"]


def test_a_write_that_is_not_confirmed_is_to_be_sent_again(fleet: Receivers) -> None:
    first, second = fleet.process(), fleet.process()
    first.admits(0)
    fleet.store.loses_replies = True
    assert first.gets(event()) == ["503"]
    fleet.store.mend()
    fleet.clock.move(10)
    assert second.gets(event()) == ["repeated"]
    assert not first.admits(0)


def test_the_store_may_lose_its_marks(fleet: Receivers) -> None:
    """With all that it holds: the revocations, which are written back, say by which event they were made."""
    first, second = fleet.process(), fleet.process()
    assert first.gets(event(), event("2", **ENABLE), event("3", after=5)) == ["effective"] * 3
    fleet.pass_interval(first, second)
    fleet.store.flush()
    fleet.pass_interval(first, second, times=2)
    assert second.gets(event("3", after=5)) == ["repeated"]
    assert second.gets(event("2", **ENABLE)) == ["without_effect"]
    assert (second.admits(5), second.admits(6)) == (False, True)


def test_an_account_that_is_enabled_is_let_in_again(fleet: Receivers) -> None:
    first, second = fleet.process(), fleet.process()
    assert first.gets(event()) == ["effective"]
    assert second.gets(event("2", after=1, **ENABLE), event("2", after=1, **ENABLE)) == ["effective", "repeated"]
    assert first.admits(0)


Step = Callable[[Receiving], object]


def gets(*arguments: Any, **changes: Any) -> Step:
    return lambda process: process.gets(event(*arguments, **changes))


def by_admin(process: Receiving) -> object:
    return process.revocations.revoke("subject", "s", "account-disabled", ADMIN)


@pytest.mark.parametrize(
    "steps",
    [
        [by_admin],
        [by_admin, gets("1", after=200)],
        [gets("1"), by_admin],
        [gets("1", sender="https://other.example/")],
        [gets("1", sender="https://other.example/"), gets("2", after=5)],
        [gets("1", source="auth0")],
        [gets("1", source="auth0"), gets("2", after=5)],
        [gets("1", type="session-revoked")],
        [gets("1", type="session-revoked"), gets("2", after=5)],
        [gets("1", type="session-revoked"), gets("2", after=5), gets("3", after=6)],
        [gets("1"), gets("2", after=5, type="session-revoked")],
        [gets("1", after=5), gets("2", type="session-revoked")],
        [gets("1", after=5), gets("2", type="session-revoked"), gets("3", after=5, type="session-revoked")],
        [lambda process: process.revocations.revoke("subject", "s", "account-disabled")],  # by an earlier release
        [gets("1", type="account-closed")],
        [gets(effects=())] * 3 + [gets("1", after=400)],
    ],
)
def test_an_event_lifts_only_what_the_same_sender_did(fleet: Receivers, steps: list[Step]) -> None:
    """Not what an admin, another sender, or another event has revoked as well, before or after; nor what came later."""
    process = fleet.process()
    for step in steps:
        fleet.clock.move(100)
        step(process)
    fleet.clock.move(500)
    assert process.gets(event("enabled", after=300, **ENABLE)) == ["without_effect"]
    assert not process.admits(0)


def test_a_token_is_let_in_again_that_was_named_by_its_id(fleet: Receivers) -> None:
    """Whenever it was issued: its revocation has no such bound."""
    process = fleet.process()
    assert process.gets(event(effects=(Effect("revoke", "jti", "j"),))) == ["effective"]
    enabled = event("2", after=1, **{**ENABLE, "effects": (Effect("lift", "jti", "j", undoes="account-disabled"),)})
    assert process.gets(enabled) == ["effective"]
    assert process.revocations.find("jti", "j") is None


def test_what_an_admin_has_lifted_stays_so_for_a_process_that_knows_the_event(fleet: Receivers) -> None:
    """Also if the store has lost its mark, and another event was the last."""
    process = fleet.process()
    assert process.gets(event(), event("2")) == ["effective", "without_effect"]
    process.revocations.lift("subject", "s", ADMIN)
    fleet.store.flush()
    assert process.gets(event(), event("2")) == ["repeated"] * 2
    assert process.admits(0)


def test_a_process_alone_remembers_what_it_handled(fleet: Receivers, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as it may, and for as long as senders repeat."""
    process = fleet.process(is_alone=True)
    assert process.gets(event(**ENABLE), event(**ENABLE)) == ["without_effect", "repeated"]
    fleet.clock.move(8 * 86_400)
    process.gets(event("2", **ENABLE))
    assert process.gets(event(**ENABLE)) == ["without_effect"]
    monkeypatch.setattr("auth0_blueprint.revocation.events.receiver.MAX_REMEMBERED", 3)
    process.gets(*(event(f"n{number}", **ENABLE) for number in range(10)))
    assert process.gets(*(event(f"n{number}", **ENABLE) for number in (9, 8, 7, 6))) == [
        *["repeated"] * 3,
        "without_effect",
    ]


def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent(fleet: Receivers) -> None:
    process = fleet.process(is_alone=True)
    with process.receiver._lock():
        assert in_a_child_process(lambda: process.gets(event(effects=()))[0]) == "without_effect"
