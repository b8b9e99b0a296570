"""The operators' routes on the wire while the shared cache is away, and two processes that share one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import AppFactory
from flask.testing import FlaskClient
from memory_store import MemoryStore
from operators import NOT_STORED, OUT_OF_TOUCH, REVOCATIONS, as_operator, post_revocation
from refusals import REVOKED, answer_to, guarded, passes, seen
from servers import complete

from auth0_blueprint.testing import LocalIssuer

MakeClient = Callable[..., FlaskClient]


@pytest.fixture
def on_folder(make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path) -> MakeClient:
    """What makes an operator's client of another process on one cache."""
    shared = {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    return lambda **settings: as_operator(guarded(make_app(**shared, **settings)), issuer)


def break_fleet_sync(client: FlaskClient) -> None:
    """Put a store that is away where the app of *client* shares revocations."""
    store = MemoryStore()
    store.is_away = True
    client.application.extensions["auth0"].store._open_store = lambda: store


def test_a_revocation_binds_another_process(on_folder: MakeClient, issuer: LocalIssuer) -> None:
    """With an interval of zero, at once; and so does its lifting."""
    first, second = (on_folder(AUTH0_SYNC_INTERVAL=0) for _ in range(2))
    token = issuer.token()
    assert passes(second, token)
    made = first.post(REVOCATIONS, json={"token": token})
    assert made.get_json()["reach"] == "machine"
    assert answer_to(second, token) == REVOKED
    assert second.delete(made.headers["Location"]).status_code == 200
    assert passes(first, token)


def test_while_the_cache_is_away_nothing_can_be_changed(on_folder: MakeClient, issuer: LocalIssuer) -> None:
    client = on_folder()
    # Before the calls: what is issued a second later is another matter.
    revoked, other = issuer.token(sub="s"), issuer.token(sub="t")
    location = client.post(REVOCATIONS, json={"subject": "s"}).headers["Location"]
    break_fleet_sync(client)
    for response in (client.delete(location), client.post(REVOCATIONS, json={"subject": "t"})):
        assert (seen(response), response.headers["Retry-After"]) == (NOT_STORED, "1")
    assert client.get(location).status_code == 200
    assert client.get(f"{REVOCATIONS}/subject/t").status_code == 404
    assert answer_to(client, revoked) == REVOKED
    assert passes(client, other)


def test_while_the_cache_is_away_key_sets_are_refreshed_all_the_same(on_folder: MakeClient) -> None:
    """In the process that is asked, though no other one learns of it."""
    client = on_folder()
    break_fleet_sync(client)
    response = client.post("/auth/admin/jwks/refresh")
    assert (response.status_code, len(response.get_json()["key_sets"])) == (200, 1)


@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_a_process_out_of_touch_does_as_it_is_told(on_folder: MakeClient, issuer: LocalIssuer, on_error: str) -> None:
    """From its first request, also where services ask about tokens; health warns, or keeps to itself."""
    client = on_folder(AUTH0_REVOCATION_ON_ERROR=on_error, AUTH0_HEALTH_DETAILS="always")
    break_fleet_sync(client)
    introspected = client.post("/auth/introspect", data={"token": issuer.token()})
    for response in (client.get("/ours"), client.get("/theirs"), introspected):
        if on_error == "deny":
            assert (seen(response), response.headers["Retry-After"]) == (OUT_OF_TOUCH, "1")
        else:
            assert response.status_code == 200
    check = client.get("/auth/health").get_json()["checks"]["revocations"]
    assert (check["status"], check["age_seconds"], len(check["notes"])) == ("warn", None, 1)


def test_health_warns_after_the_cache_was_emptied(on_folder: MakeClient) -> None:
    """What only ended processes knew may be lost."""
    client = on_folder(AUTH0_HEALTH_DETAILS="always", AUTH0_SYNC_INTERVAL=0)
    client.post(REVOCATIONS, json={"jti": "a"})
    assert client.get("/auth/health").get_json()["status"] == "pass"
    complete()  # what that look has left to do may write
    client.application.extensions["auth0"].cache.open().clear()
    health = client.get("/auth/health").get_json()
    check = health["checks"]["revocations"]
    assert (health["status"], check["status"], check["known"]) == ("warn", "warn", 1)
    assert "lost revocations; this process restored those it knew" in check["notes"][0]


def test_nothing_is_said_to_be_shared_that_is_not(issuer: LocalIssuer, make_app: AppFactory) -> None:
    """A cache in the memory of a process reaches no other; neither does one without a secret."""
    for settings in ({"CACHE_TYPE": "SimpleCache", "SECRET_KEY": "s"}, {"CACHE_TYPE": "SimpleCache"}, {}):
        response = post_revocation(make_app(**settings).test_client(), issuer, jti="a")
        assert (response.status_code, response.get_json()["reach"]) == (201, "process")
