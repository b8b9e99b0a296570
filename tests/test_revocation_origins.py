"""What events and people have revoked: up to when, by whom, which of it refuses a token, and what is the newest."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from conftest import MovableClock
from fleet_of_revokers import LEEWAY, LIFETIME, RevokerFleet

from auth0_blueprint.errors import RevocationUnavailableError
from auth0_blueprint.revocation.index import KINDS, SOURCES, Origin, Revocation, RevocationIndex, joined_reason
from auth0_blueprint.revocation.inquiries import matching, newest
from auth0_blueprint.routes.route_table import ROUTES
from auth0_blueprint.settings.event_sources import SETTINGS, Source
from auth0_blueprint.verification.access_token import AccessToken

EVENT, ADMIN = Origin("security", "e1", "https://idp.example/"), Origin("admin", None, "auth0|grace")


@pytest.fixture
def fleet(clock: MovableClock) -> RevokerFleet:
    return RevokerFleet(clock)


def test_every_route_for_events_is_a_source() -> None:
    paths = {route.path.partition("/events/")[2] for route in ROUTES} - {""}
    assert paths == set(SETTINGS) == set(get_args(Source)) == set(SOURCES) - {"admin", "command"}


# Revoking up to the time of an event


def test_a_late_event_ends_no_newer_login(fleet: RevokerFleet) -> None:
    """In any process; who sent it is known, and when the last such token has expired it is forgotten."""
    process, now = fleet.process(), fleet.clock.now
    made = process.revocations.revoke_up_to(now - 100.5, "subject", "s", "session-revoked", EVENT)
    end = now - 100 + LIFETIME + LEEWAY
    assert made == Revocation("subject", "s", int(now) - 101, end, now - 100.5, "session-revoked", False, EVENT)
    for one in (process, fleet.process()):
        assert one.revocations.find("subject", "s") == made
        assert [one.lets_in("x", iat=int(now) - age) for age in (200, 101, 100, 0)] == [False, False, True, True]


@pytest.mark.parametrize("ahead_seconds", [0.5, 3600, 1e12])
def test_an_event_from_the_future_reaches_up_to_now(fleet: RevokerFleet, ahead_seconds: float) -> None:
    process, now = fleet.process(), fleet.clock.now
    made = process.revocations.revoke_up_to(now + ahead_seconds, "subject", "s", None, EVENT)
    assert made is not None
    assert (made.issued_up_to, made.changed_at) == (int(now), now)


@pytest.mark.parametrize("moment", [-50, -51, -1000])
@pytest.mark.parametrize("origin", [EVENT, EVENT._replace(event_id="e0")])
def test_what_is_revoked_already_is_left_as_it_is(fleet: RevokerFleet, moment: float, origin: Origin) -> None:
    """In whichever process: the same event again, or an earlier one of its kind and sender, writes nothing."""
    now = fleet.clock.now
    made = fleet.process().revocations.revoke_up_to(now - 50, "session", "s", "logout", origin)
    process = fleet.process()
    fleet.store.asked.clear()
    assert process.revocations.revoke_up_to(now + moment, "session", "s", "logout", EVENT) is None
    assert (process.revocations.find("session", "s"), "append" in fleet.store.asked) == (made, False)


def test_a_later_event_reaches_further(fleet: RevokerFleet) -> None:
    """And none makes what an admin revoked shorter."""
    process, now = fleet.process(), fleet.clock.now
    process.revocations.revoke_up_to(now - 50, "subject", "s", "a", EVENT)
    made = process.revocations.revoke_up_to(now - 49, "subject", "s", "b", EVENT._replace(event_id="e2"))
    assert made is not None
    assert (made.issued_up_to, made.reason, made.origin) == (
        int(now) - 49,
        "a; b",
        Origin("security", "e2", EVENT.actor),
    )


def test_an_event_whose_tokens_have_all_expired_changes_nothing(fleet: RevokerFleet) -> None:
    """To the second: a token of that second may live as long as any, and the leeway."""
    process, now = fleet.process(), int(fleet.clock.now)
    for age, is_made in ((LIFETIME + LEEWAY + 1, False), (LIFETIME + LEEWAY, True), (1e15, False)):
        made = process.revocations.revoke_up_to(now - age, "subject", str(age), None, EVENT)
        assert (made is not None) == is_made, age
    assert len(process.index) == 1


def test_another_event_counts_after_a_lift_within_its_own_bounds(fleet: RevokerFleet) -> None:
    """What was lifted once does not make anybody safe for ever; nor does the lifted one come back with it."""
    process, now = fleet.process(), fleet.clock.now
    process.revocations.revoke_up_to(now - 10, "subject", "s", "account-disabled", EVENT)
    assert process.revocations.lift("subject", "s", ADMIN) is not None
    made = process.revocations.revoke_up_to(now - 50, "subject", "s", "credential-change", EVENT)
    assert made is not None
    assert process.revocations.find("subject", "s") == made
    assert made.issued_up_to == int(now) - 50
    assert [process.lets_in("x", iat=int(now) - age) for age in (50, 49)] == [False, True]


@pytest.mark.parametrize("fault", ["is_away", "refuses_writes"])
def test_an_event_that_cannot_be_stored_is_not_in_force(fleet: RevokerFleet, fault: str) -> None:
    """Its sender is to send it again."""
    process = fleet.process()
    process.revoke("other")
    setattr(fleet.store, fault, True)
    with pytest.raises(RevocationUnavailableError):
        process.revocations.revoke_up_to(fleet.clock.now, "subject", "s", None, EVENT)
    assert process.index.find("subject", "s") is None


@pytest.mark.parametrize(
    ("known", "reason", "joined"),
    [
        *(("x", "x", "x; x"), ("z", "a", "z; a"), ("x; y", "y", "x; y"), ("x; y", "z", "x; y; z")),
        *((None, "x", "revoked; x"), ("x", None, "x; revoked")),
    ],
)
def test_reasons_of_several_are_all_kept(known: str | None, reason: str | None, joined: str) -> None:
    """One that comes again from the same sender is still one."""
    revocation = Revocation("subject", "s", 1, 2, 1, known, origin=ADMIN)
    assert joined_reason(revocation, reason, EVENT) == joined
    assert joined_reason(revocation, known, ADMIN) == known
    assert joined_reason(revocation._replace(reason="z"), "a", ADMIN) == "z; a"


def test_a_lift_says_who_lifted_and_may_be_asked_first(fleet: RevokerFleet) -> None:
    """What may not be lifted stays as it is; the one lifted is returned as it was."""
    process = fleet.process()
    made = process.revocations.revoke("subject", "s", "why", EVENT)
    asked: list[Revocation] = []

    def refuse(one: Revocation) -> bool:
        asked.append(one)
        return False

    assert process.revocations.lift("subject", "s", ADMIN, refuse) is None
    assert (asked, process.revocations.find("subject", "s")) == ([made], made)
    assert process.revocations.lift("subject", "s", ADMIN, lambda one: True) == made
    (kept,) = fleet.process().known or process.known
    assert (kept.is_lifted, kept.origin, kept.reason) == (True, ADMIN, "why")


@pytest.mark.parametrize("kind", ["email", "subject", "client_id"])
def test_addresses_alone_are_the_same_in_any_case(fleet: RevokerFleet, kind: str) -> None:
    revocations = fleet.process().revocations
    made = [
        revocations.revoke(kind, "A@X", None),
        revocations.revoke_up_to(fleet.clock.now + 9, kind, "B@X", None, EVENT),
    ]
    expected = ["a@x", "b@x"] if kind == "email" else ["A@X", "B@X"]
    assert [one.value for one in made if one is not None] == expected
    assert (revocations.find(kind, "a@X") is not None) == (kind == "email")
    assert (revocations.lift(kind, "b@x") is not None) == (kind == "email")


# Which one refuses a token

CLAIMS: dict[str, Any] = {
    "sub": "u",
    "jti": "j",
    "client_id": "c",
    "azp": "p",
    "sid": "s",
    "org_id": "o",
    "email": "A@x",
    "mail": "B@x",
}
NAMED = [
    *(("token", "digest"), ("jti", "j"), ("subject", "u"), ("client_id", "c"), ("client_id", "p"), ("session", "s")),
    *(("organization", "o"), ("email", "a@x"), ("email", "b@x")),
]


def both(index: RevocationIndex, **claims: Any) -> tuple[bool, list[Revocation]]:
    token = AccessToken({**CLAIMS, "iat": 1000, **claims}, {})
    return index.is_revoked(token, lambda: "digest"), matching(index, token, "digest")


@pytest.mark.parametrize(("kind", "value"), NAMED)
def test_the_one_that_matches_is_the_one_that_refuses(kind: str, value: str) -> None:
    """It alone, until it is lifted; of a second that is later, only what names the token itself."""
    index = RevocationIndex(MovableClock(1000), ("email", "mail"))
    made = Revocation(kind, value, 1000, 2000, 1000, "why", False, EVENT)
    for other in KINDS:
        index.apply(other, [("other", made.entry), ("A@x", made.entry)])
    assert both(index) == (False, [])
    index.apply(kind, [(value, made.entry)])
    assert both(index) == (True, [made])
    assert both(index, iat=1001) == ((True, [made]) if kind in ("token", "jti") else (False, []))
    missing = {claim: 7 for claim in CLAIMS if claim not in ("sub", "jti")}
    assert (
        both(index, **missing, sub="x", jti=None)[0]
        == (kind == "token")
        == bool(both(index, **missing, sub="x", jti=None)[1])
    )
    index.apply(kind, [(value, made._replace(changed_at=1001, is_lifted=True).entry)])
    assert both(index) == (False, [])


def test_of_several_that_match_all_are_named_the_newest_first() -> None:
    """Each has to be lifted; and a client that a token names twice is named once."""
    index = RevocationIndex(MovableClock(1000), ("email", "mail"))
    for number, (kind, value) in enumerate(NAMED):
        index.apply(kind, [(value, (1000, 2000, number, None, False, None))])
    assert [(one.kind, one.value) for one in both(index)[1]] == NAMED[::-1]
    assert [one.value for one in both(index, azp="c")[1]].count("c") == 1


def test_without_a_setting_no_claim_is_an_address() -> None:
    index = RevocationIndex(MovableClock(1000))
    index.apply("email", [("a@x", (1000, 2000, 1, None, False, None))])
    assert both(index) == (False, [])


# Which is the newest


def test_the_newest_leave_out_what_is_not_in_force() -> None:
    """Lifted or expired; whatever else is chosen."""
    clock = MovableClock(1000)
    index = RevocationIndex(clock)
    for value, end, changed_at, is_lifted in (("a", 2000, 3, False), ("b", 1500, 5, False), ("c", 2000, 9, True)):
        index.apply("jti", [(value, (None, end, changed_at, None, is_lifted, EVENT))])
    assert [one.value for one in newest(index, 9)] == ["b", "a"]
    assert [one.value for one in newest(index, 1)] == ["b"]
    clock.now = 1500
    assert [one.value for one in newest(index, 9)] == ["a"]
    assert newest(index, 0) == newest(index, 9, source="auth0") == newest(index, 9, kind="subject") == []
    assert [one.value for one in newest(index, 9, before=(3, "jti", "b"))] == ["a"]
    assert newest(index, 9, before=(3, "jti", "a")) == []
