"""The user that ``docs/how-to/redis.md`` advises may do all that the package needs, and what it says of keys is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import AppFactory
from documents import ROOT, blocks_of
from servers import complete

from auth0_blueprint.testing import LocalIssuer

from .members import Fleet
from .redis_server import RedisServer
from .test_sentinel_and_cluster import cluster_settings, give_all_slots

pytestmark = pytest.mark.usefixtures("unmeasured")

PAGE = ROOT / "docs" / "how-to" / "redis.md"


@pytest.fixture
def rule() -> list[str]:
    """The words of the rule."""
    (block,) = [block for block in blocks_of(PAGE) if "ACL SETUSER" in block.code]
    return block.code.split()


def exercise(fleet: Fleet) -> set[str]:
    """Do all that the package can do; return the names of all keys that were there meanwhile."""
    first, second = fleet.start(2, AUTH0_REVOCATION_ON_ERROR="deny")
    seen = keys_of(fleet)
    for number in range(3):
        first.revoke(f"auth0|{number}")
    assert first.state.revocations.lift("subject", "auth0|0") is not None
    proof = fleet.proof()
    assert first.prove(proof).status_code == 200
    assert second.prove(proof).get_json()["code"] == "invalid_dpop_proof"
    first.state.fleet_sync.post("an order", {})
    fleet.pass_interval()
    first.state.store.write(lambda store: store.check())
    first.state.key_sources[fleet.issuer.issuer].refresh_now(5)
    complete()
    fleet.pass_interval()
    for member in (first, second):
        assert not member.admits_subject("auth0|1")
        assert member.admits_subject("auth0|0")
        assert member.health()["status"] == "pass"
    checks = first.app.test_cli_runner().invoke(args=["auth0", "doctor"]).output
    assert not re.search("^(warn|fail)  (cache|store|eviction)", checks, re.MULTILINE), checks
    return seen | keys_of(fleet)


def keys_of(fleet: Fleet) -> set[str]:
    client: Any = fleet.operator
    return {key.decode() for key in client.keys("*")}


@pytest.fixture
def restricted(make_app: AppFactory, issuer: LocalIssuer, clean_redis: RedisServer, rule: list[str]) -> Iterator[Fleet]:
    """Processes that use that user."""
    clean_redis.client.execute_command(*rule)
    url = clean_redis.url.replace("redis://", "redis://auth0:password@")
    fleet = Fleet(make_app, issuer, {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url})
    fleet.operator = clean_redis.client
    yield fleet
    clean_redis.client.acl_deluser("auth0")


def test_the_user_of_the_page_may_do_all_that_is_needed(restricted: Fleet) -> None:
    """In every operation, and in another database than the first."""
    exercise(restricted)


def test_each_part_of_the_rule_is_needed(restricted: Fleet, clean_redis: RedisServer, rule: list[str]) -> None:
    """But for what the page says of ``SELECT`` and ``INFO``, and ``EVAL``, which loads the scripts."""
    exercise(restricted)
    client = clean_redis.client
    commands = {word.removeprefix("+") for word in rule if word.startswith("+")}
    used = {name.removeprefix("cmdstat_").partition("|")[0] for name in client.info("commandstats")}
    assert commands - {"select"} <= used


def test_all_keys_are_those_of_the_page(restricted: Fleet) -> None:
    """Each has a row."""
    said = PAGE.read_text(encoding="utf-8")
    names = {
        name.strip("-") for name in re.findall(r"`(?:auth0_blueprint_auth0(?:-|:\{…\}))?:?([a-z-]+)[-:]?…?`", said)
    }
    for key in exercise(restricted):
        found = re.fullmatch(
            r"auth0_blueprint_auth0(?:-([a-z-]+)-[0-9a-f]{64}|:\{[0-9a-f]{64}\}:([a-z]+)(?::.*)?)", key
        )
        assert found, key
        assert (found[1] or found[2]) in names, key


def test_the_user_of_the_page_may_use_a_cluster(
    make_app: AppFactory, issuer: LocalIssuer, redis_server: str, tmp_path: Any, rule: list[str]
) -> None:
    """With what the page adds for one."""
    with RedisServer(redis_server, tmp_path, "--cluster-enabled", "yes") as server:
        give_all_slots(server)
        server.client.execute_command(*rule, "+cluster", "+command")
        options = {"CACHE_OPTIONS": {"username": "auth0"}, "CACHE_REDIS_PASSWORD": "password"}
        fleet = Fleet(make_app, issuer, {**cluster_settings(server.port), **options})
        fleet.operator = server.client
        exercise(fleet)
