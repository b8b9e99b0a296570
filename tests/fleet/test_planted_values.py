"""Whoever can write to Redis plants what makes no sense under our names: nothing stays broken, and nothing is slow."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import AppFactory

from auth0_blueprint.sharing.entry_signer import name_of
from auth0_blueprint.testing import LocalIssuer

from .members import Fleet
from .redis_server import RedisServer
from .servers import SECRET

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.fixture
def fleet(make_app: AppFactory, issuer: LocalIssuer, clean_redis: RedisServer) -> Fleet:
    """Processes on a Redis that all of these tests use."""
    return Fleet(make_app, issuer, clean_redis.settings)


@pytest.fixture
def client(clean_redis: RedisServer) -> Any:
    """Who plants."""
    return clean_redis.client


def plant_list(client: Any, *keys: bytes | str) -> None:
    """Put a list where there is, or is to be, something else."""
    for key in keys:
        client.delete(key)
        client.rpush(key, "of another type")


def test_a_log_of_another_type_is_begun_anew(fleet: Fleet, client: Any) -> None:
    """By those who know what was in it."""
    first, second = fleet.start(2, AUTH0_REVOCATION_ON_ERROR="deny")
    first.revoke("before")
    fleet.pass_interval()
    (log,) = client.keys("*:log")
    plant_list(client, log)
    second.revoke("after")
    fleet.pass_interval()
    (late,) = fleet.start(AUTH0_REVOCATION_ON_ERROR="deny")
    for member in (first, second, late):
        assert not any(map(member.admits_subject, ("before", "after")))
    assert client.type(log) == b"hash"
    assert {member.health()["status"] for member in (first, second)} <= {"pass", "warn"}


def test_a_process_starts_over_a_log_of_another_type(fleet: Fleet, client: Any) -> None:
    """Where nobody knows anything, there is nothing, also with ``deny``."""
    first = fleet.start_cold(AUTH0_REVOCATION_ON_ERROR="deny")
    first.revoke("first")
    (log,) = client.keys("*:log")
    plant_list(client, log)
    (late,) = fleet.start(AUTH0_REVOCATION_ON_ERROR="deny")
    assert late.admits_subject("bystander")
    fleet.pass_interval()
    fleet.pass_interval()
    assert not late.admits_subject("first")


def test_six_starts_over_keys_of_another_type_cost_one_fetch(fleet: Fleet, client: Any) -> None:
    """The key set, its lease and the last failure are shared all the same."""
    issuer = fleet.issuer
    names = issuer.issuer, f"{issuer.issuer}.well-known/jwks.json"
    digest = name_of(SECRET, *names)
    keys = (f"auth0_blueprint_auth0-key-set-{digest}", f"auth0_blueprint_auth0-failure-{digest}")
    lease = f"auth0_blueprint_auth0:{{{digest}}}:lease"
    plant_list(client, *keys, lease)
    fleet.start(6)
    assert issuer.fetch_count == 1
    assert client.type(keys[0]) == b"string"
    assert not client.exists(lease)


def test_a_proof_of_another_type_can_be_used_once(fleet: Fleet, client: Any) -> None:
    """Nobody keeps a request out by what is planted under the name of its proof, nor has it accepted twice."""
    first, second = fleet.start(2, AUTH0_REVOCATION_ON_ERROR="deny")
    proof = fleet.proof()
    assert first.prove(proof).status_code == 200
    (key,) = client.keys("*:proof:*")
    plant_list(client, key)
    third = fleet.start_cold(AUTH0_REVOCATION_ON_ERROR="deny")
    assert third.prove(proof).status_code == 200
    assert client.type(key) == b"string"
    for member in (first, second, third):
        assert member.prove(proof).get_json()["code"] == "invalid_dpop_proof"


DAMAGE: dict[str, dict[Any, Any]] = {
    "version not a number": {"version": "many"},
    "version empty": {"version": ""},
    "version negative": {"version": "-1"},
    "version a fraction": {"version": "1.5"},
    "version in Lua's own form": {"version": "1e+15"},
    "version beyond Lua's numbers": {"version": "9" * 30},
    "version at the end": {"version": "9" * 13},
    "version huge": {"version": "1000000000000"},
    "version earlier": {"version": "1"},
    "version of a megabyte": {"version": "1" * 1_000_000},
    "layout not a number": {"layout": "x"},
    "layout beyond": {"layout": "9" * 30},
    "digest not ours": {"digest": "x"},
    "digest no text": {"digest": b"\xff\xfe"},
    "digest of a megabyte": {"digest": "x" * 1_000_000},
    "incarnation another": {"incarnation": "another"},
    "incarnation no text": {"incarnation": b"\xff\xfe"},
    "incarnation empty": {"incarnation": ""},
    "incarnation of a megabyte": {"incarnation": "x" * 1_000_000},
    "fields without a signature": {f"c:{number}": "x" * 200 for number in range(3, 5000)},
    "fields with other numbers": {"c:": "x", "c:-1": "x", "c:1e9": "x", "c:99999999999999999999": "x", b"c:\xff": "x"},
    "fields that are empty": {"c:1": "", "c:2": "", "c:3": ""},
    "fields of others": {f"field{number}": "x" for number in range(10_000)},
    "notices": {"n:" + name: b"\xff" for name in ("", "refresh", "revocations")},
    "merged": {"merged": "x" * 1000},
}


@pytest.mark.parametrize("fields", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_log_hinders_nobody(
    fleet: Fleet, client: Any, caplog: pytest.LogCaptureFixture, fields: dict[Any, Any]
) -> None:
    """An operator's call is answered within 2 s, the others hear of it, and no revoked token is admitted."""
    first, second = fleet.start(2)
    for subject in ("one", "two", "three"):
        first.revoke(subject)
    fleet.pass_interval()
    (log,) = client.keys("*:log")
    client.hset(log, mapping=fields)

    for member, subject in ((second, "four"), (first, "five")):
        fleet.clock.move(0.5)  # before the next sync
        started = time.monotonic()
        member.revoke(subject)
        assert time.monotonic() - started < 2
    fleet.pass_interval()
    (late,) = fleet.start()
    fleet.pass_interval()
    for member in (first, second, late):
        assert not any(map(member.admits_subject, ("one", "two", "three", "four", "five")))
        assert member.admits_subject("bystander")
    assert "unexpected error" not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("field", ["incarnation", "version", "digest", "layout"])
def test_a_log_that_lacks_a_part_is_begun_anew(fleet: Fleet, client: Any, field: str) -> None:
    """By a process that knows what was in it, also if nobody revokes anything."""
    first, second = fleet.start(2)
    first.revoke("one")
    fleet.pass_interval()
    (log,) = client.keys("*:log")
    client.hdel(log, field)
    fleet.pass_interval()
    (late,) = fleet.start()
    assert not any(member.admits_subject("one") for member in (first, second, late))
