"""The revocations that one process knows: which tokens they concern, which change counts, and when they are let go."""

from __future__ import annotations

import hashlib
import math
from itertools import permutations
from typing import Any

import pytest
from conftest import MovableClock
from servers import in_a_child_process

from auth0_blueprint.revocation.index import KINDS, Revocation, RevocationIndex, outranks, token_digest
from auth0_blueprint.verification.access_token import AccessToken


def access_token(**claims: Any) -> AccessToken:
    return AccessToken({"sub": "s", "iat": 1000, **claims}, {})


def apply(index: RevocationIndex, *revocations: Revocation) -> list[str]:
    """Have *index* take them over, one by one; return the values that changed."""
    return [value for one in revocations for value in index.apply(one.kind, [(one.value, one.entry)])]


def test_memory_is_let_go_within_ten_minutes_of_the_last_tokens_end() -> None:
    """Of each kind, and of those lifted too, and not before it. Nobody hears of what has expired meanwhile."""
    clock = MovableClock(1000)
    index = RevocationIndex(clock)
    for number, kind in enumerate(KINDS):
        up_to = None if kind in {"token", "jti"} else 1000
        apply(index, Revocation(kind, kind, up_to, 1100 + 600 * number, 1000))
    apply(index, Revocation("jti", "lifted", None, 1100, 1001, is_lifted=True))
    ends = [1100 + 600 * number for number in range(len(KINDS))]
    assert (len(index), index.in_force) == (len(ends) + 1, len(ends))
    for moment in range(1000, ends[-1] + 1300):
        clock.now = moment
        index.forget_expired()
        unexpired = [one for one in index.entries if index.entries[one].get(one, (0, 0))[1] > moment]
        assert [one.kind for one in index if one.value != "lifted"] == unexpired
        overdue = [end for end in ends if end + 600 <= moment]
        assert len(unexpired) <= index.in_force <= len(ends) - len(overdue)
    assert (len(index), index.in_force, list(index)) == (0, 0, [])


def test_forgetting_looks_at_nothing_that_is_in_force() -> None:
    """And once at what is not: each sync asks for it."""
    clock = MovableClock(1000)
    index = RevocationIndex(clock)
    for changed_at in range(5):
        entries = ((number, (None, 1150 + number % 50, changed_at, None, False, None)) for number in range(1000))
        index.apply("jti", ((str(number), entry) for number, entry in entries))
    looked_at = list[str]()

    class Watched(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            looked_at.append(key)
            return super().get(key, default)

    index.entries["jti"] = Watched(index.entries["jti"])
    for moment in range(1100, 3000):
        clock.now = moment
        index.forget_expired()
    assert len(looked_at) == 1000
    assert index.in_force == 0


def test_what_was_prolonged_is_kept_as_long() -> None:
    """Though it was to be forgotten earlier; and forgotten once."""
    clock = MovableClock(1000)
    index = RevocationIndex(clock)
    assert apply(index, Revocation("jti", "a", None, 1100, 1000)) == ["a"]
    assert apply(index, Revocation("jti", "a", None, 5000, 1001)) == ["a"]
    assert apply(index, Revocation("jti", "a", None, 5000, 1002, "why")) == ["a"]
    clock.now = 4999
    index.forget_expired()
    assert (index.in_force, index.find("jti", "a")) == (1, Revocation("jti", "a", None, 5000, 1002, "why"))
    clock.now = 5000
    assert index.find("jti", "a") is None
    clock.now = 5600
    index.forget_expired()
    assert (len(index), index.in_force) == (0, 0)


def test_what_has_expired_is_not_taken_over() -> None:
    """A moment before it is."""
    index = RevocationIndex(MovableClock(1000))
    assert apply(index, Revocation("jti", "a", None, 1000, 999)) == []
    assert apply(index, Revocation("jti", "a", None, 1000.001, 999)) == ["a"]


def test_the_number_in_force_is_that_of_what_is_not_lifted() -> None:
    """Whatever was changed into what, and in which order it is learned."""
    changes = [Revocation("jti", "a", None, 2000, 1000 + number, is_lifted=number % 3 == 2) for number in range(6)]
    for order in permutations(changes[1:]):
        index = RevocationIndex(MovableClock(1000))
        apply(index, changes[0], *order)
        assert (index.in_force, len(index), next(iter(index))) == (0, 1, changes[5])
        apply(index, changes[0]._replace(changed_at=1010))
        assert index.in_force == 1


MOMENT = [
    Revocation("subject", "s", issued_up_to, expires_at, 1000, reason, is_lifted)
    for is_lifted in (False, True)
    for issued_up_to in (999, 1000, None)
    for expires_at in (2000, 3000)
    for reason in (None, "", "a", "b")
]


@pytest.mark.parametrize("first", MOMENT)
def test_of_two_changes_of_one_moment_the_same_counts_everywhere(first: Revocation) -> None:
    """In whatever order they come: the lifting, then that which concerns more."""
    for second in MOMENT:
        found = []
        for pair in ((first, second), (second, first)):
            index = RevocationIndex(MovableClock(1000))
            apply(index, *pair)
            found += list(index)
        assert found[0] == found[1] == max(first, second, key=MOMENT.index)


@pytest.mark.parametrize("issued_at", [1000, 1000.0, 1000.999, 999])
def test_fractions_of_a_second_do_not_count(issued_at: float) -> None:
    """Issuers may write them."""
    index = RevocationIndex(MovableClock(1000))
    apply(index, Revocation("subject", "s", 1000, 2000, 1000))
    assert index.is_revoked(access_token(iat=issued_at), lambda: "")
    assert not index.is_revoked(access_token(iat=math_next(issued_at)), lambda: "")


def math_next(issued_at: float) -> float:
    return 1001.0 + issued_at % 1


def test_the_digest_is_not_made_where_no_token_is_revoked() -> None:
    """Requests that are not concerned pay nothing for it."""
    index = RevocationIndex(MovableClock(1000))
    apply(index, Revocation("subject", "other", 1000, 2000, 1000))

    def digest() -> str:
        raise AssertionError("asked for")

    assert not index.is_revoked(access_token(), digest)


def test_a_token_is_named_by_the_digest_of_what_is_signed() -> None:
    """Whatever follows the last dot."""
    assert token_digest("a.b.c") == token_digest("a.b.d") == token_digest("a.b.")
    assert token_digest("a.b.c") == hashlib.sha256(b"a.b").hexdigest()


@pytest.mark.parametrize(
    ("kind", "claims"),
    [
        ("token", {}),
        ("jti", {"jti": "v"}),
        ("subject", {"sub": "v"}),
        ("client_id", {"azp": "v"}),
        ("client_id", {"client_id": "v"}),
        ("client_id", {"client_id": "v", "azp": "x"}),
        ("client_id", {"client_id": "x", "azp": "v"}),
    ],
)
def test_a_revocation_concerns_the_tokens_that_hold_its_value(kind: str, claims: dict[str, str]) -> None:
    """Where it belongs, until it is lifted; and no other."""
    index = RevocationIndex(MovableClock(1000))
    made = Revocation(kind, "v", 1000 if kind in {"subject", "client_id"} else None, 2000, 1000)
    everything = {"jti": "other", "sub": "other", "azp": "other"}

    def is_revoked(digest: str = "v", **claims: Any) -> bool:
        return index.is_revoked(access_token(**claims), lambda: digest)

    assert not is_revoked(**claims)
    apply(index, made)
    assert is_revoked(**claims)
    assert not is_revoked("other", **everything)
    assert not is_revoked("other")
    values = {"digest": "v", "jti": "v", "sub": "v", "azp": "v", "client_id": "v"}
    belongs = {"token": {"digest"}, "jti": {"jti"}, "subject": {"sub"}, "client_id": {"azp", "client_id"}}[kind]
    assert not is_revoked(**{"digest": "other", **{name: values[name] for name in values.keys() - belongs}})
    apply(index, made._replace(changed_at=1001, is_lifted=True))
    assert not is_revoked(**claims)


@pytest.mark.parametrize(("issued_up_to", "is_revoked"), [(None, True), (999, False), (1000, True), (1001, True)])
def test_a_subject_is_revoked_up_to_a_second(issued_up_to: int | None, is_revoked: bool) -> None:
    """Or for ever. A token that is named is revoked whenever it was issued."""
    for kind, claims, expected in (("subject", {"sub": "v"}, is_revoked), ("jti", {"jti": "v"}, True)):
        index = RevocationIndex(MovableClock(1000))
        apply(index, Revocation(kind, "v", issued_up_to, 2000, 1000))
        assert index.is_revoked(access_token(**claims), lambda: "") is expected


def test_the_later_change_counts_whatever_else_it_says() -> None:
    """Also where the earlier one says more."""
    earlier, later = (3000, 5000, 1000.0, "why", True, None), (None, 2000, 1000.5, None, False, None)
    assert outranks(later, earlier)
    assert not outranks(earlier, later)
    assert not outranks(earlier, earlier)


def test_what_is_not_known_is_not_found() -> None:
    """Nor what is of no kind, was lifted, or has expired."""
    index = RevocationIndex(MovableClock(1000))
    made = Revocation("jti", "v", None, 2000, 1000)
    apply(index, made, made._replace(value="lifted", is_lifted=True))
    assert index.find("jti", "v") == made
    found = [index.find(kind, value) for kind, value in (("jti", "x"), ("subject", "v"), ("x", "v"), ("jti", "lifted"))]
    assert found == [None] * 4


@pytest.mark.parametrize("known_is_lifted", [False, True])
@pytest.mark.parametrize("is_lifted", [False, True])
@pytest.mark.parametrize(
    ("known_up_to", "up_to", "greater"), [(900, 800, 900), (900, 1000, 1000), (None, None, None), (None, 1000, 1000)]
)
def test_a_change_counts_whatever_is_known_and_lets_nothing_in_again(
    known_is_lifted: bool, is_lifted: bool, known_up_to: int | None, up_to: int | None, greater: int | None
) -> None:
    """By a clock that is behind, as by one that is ahead; a lifting, and what is revoked after one, is as it says."""
    for known_at, known_end, end in ((1500.0, 3000, 2500), (500.0, 3000, 2500), (500.0, 2500, 3000)):
        index = RevocationIndex(MovableClock(1000))
        known = Revocation("subject", "v", known_up_to, known_end, known_at, None, known_is_lifted)
        apply(index, known)
        change = Revocation("subject", "v", up_to, end, 1000, "why", is_lifted)
        made = index.successor(change)
        assert outranks(made.entry, known.entry)
        assert made.changed_at == (1000 if known_at < 1000 else math.nextafter(known_at, math.inf))
        if not (is_lifted or known_is_lifted):
            assert (made.issued_up_to, made.expires_at) == (greater, 3000)
        else:
            assert (made.issued_up_to, made.expires_at) == (up_to, end)
        assert (made.kind, made.value, made.reason, made.is_lifted) == ("subject", "v", "why", is_lifted)
        assert index.successor(change._replace(value="other")) == change._replace(value="other")


def test_what_expired_is_forgotten_at_the_end_of_its_ten_minutes() -> None:
    """Also what was prolonged to that very moment, and what ends earlier than was thought."""
    clock = MovableClock(1000)
    index = RevocationIndex(clock)
    apply(index, Revocation("jti", "a", None, 1199, 1000), Revocation("jti", "b", None, 1100, 1000))
    apply(index, Revocation("jti", "b", None, 1200, 1001), Revocation("jti", "c", None, 9000, 1000))
    apply(index, Revocation("jti", "c", None, 1150, 1001))
    clock.now = 1199.9
    index.forget_expired()
    assert len(index) == 3
    clock.now = 1200
    index.forget_expired()
    assert (len(index), index.in_force) == (0, 0)


def test_a_child_is_not_held_up_by_a_lock_of_its_parent() -> None:
    """Whose thread does not exist there."""
    index = RevocationIndex(MovableClock(1000))
    with index._lock():
        assert in_a_child_process(lambda: str(apply(index, Revocation("jti", "a", None, 2000, 1000)))) == "['a']"
