"""The revocations that one process knows: which tokens they concern, which change counts, and when they are let go."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from conftest import MovableClock

from auth0_blueprint.revocation.index import KINDS, Revocation, RevocationIndex
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
        up_to = 1000 if kind in {"subject", "client_id"} else None
        apply(index, Revocation(kind, kind, up_to, 1100 + 600 * number, 1000))
    apply(index, Revocation("jti", "lifted", None, 1100, 1001, is_lifted=True))
    assert (len(index), index.in_force) == (5, 4)
    for moment in range(1000, 4000):
        clock.now = moment
        index.forget_expired()
        unexpired = [one for one in index.entries if index.entries[one].get(one, (0, 0))[1] > moment]
        assert [one.kind for one in index if one.value != "lifted"] == unexpired
        overdue = [end for end in (1100, 1700, 2300, 2900) if end + 600 <= moment]
        assert len(unexpired) <= index.in_force <= 4 - len(overdue)
    assert (len(index), index.in_force, list(index)) == (0, 0, [])


def test_forgetting_looks_at_nothing_that_is_in_force() -> None:
    """And once at what is not: each sync asks for it."""
    clock = MovableClock(1000)
    index = RevocationIndex(clock)
    index.apply("jti", [(str(number), (None, 1150 + number % 50, 1000, None, False)) for number in range(1000)])
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
    for issued_up_to in (None, 999, 1000)
    for expires_at in (2000, 3000)
    for reason in (None, "a", "b")
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
