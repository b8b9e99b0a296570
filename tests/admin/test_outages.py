"""The operators' routes on the wire while the shared cache is away, and two processes that share one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from memory_store import MemoryStore
from operators import ADMIN, NOT_STORED, OUT_OF_TOUCH, REVOCATIONS, admin_headers, post_revocation
from refusals import REVOKED, answer_to, guarded, passes, seen
from servers import complete

from auth0_blueprint.testing import LocalIssuer


def on_folder(make_app: AppFactory, tmp_path: Path, **settings: Any) -> tuple[Flask, FlaskClient]:
    shared = {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    app = make_app(**shared, **settings)
    return app, guarded(app)


def lose_the_store(app: Flask) -> None:
    """Put one that is away where the app shares revocations."""
    store = MemoryStore()
    store.is_away = True
    app.extensions["auth0"].store._open_store = lambda: store


def test_a_revocation_binds_another_process(make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path) -> None:
    """With an interval of zero, at once; and so does its lifting."""
    (_, first), (_, second) = (on_folder(make_app, tmp_path, AUTH0_SYNC_INTERVAL=0) for _ in range(2))
    token = issuer.token()
    assert passes(second, token)
    made = post_revocation(first, issuer, token=token)
    assert made.get_json()["reach"] == "machine"
    assert answer_to(second, token) == REVOKED
    assert second.delete(made.headers["Location"], headers=admin_headers(issuer)).status_code == 200
    assert passes(first, token)


def test_while_the_cache_is_away_nothing_can_be_changed(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """503 with Retry-After, and everything is as before."""
    app, client = on_folder(make_app, tmp_path)
    # Before the calls: what is issued a second later is another matter.
    revoked, other = issuer.token(sub="s"), issuer.token(sub="t")
    location = post_revocation(client, issuer, subject="s").headers["Location"]
    lose_the_store(app)
    lifted = client.delete(location, headers=admin_headers(issuer))
    made = post_revocation(client, issuer, subject="t")
    for response in (lifted, made):
        assert (seen(response), response.headers["Retry-After"]) == (NOT_STORED, "1")
    assert client.get(location, headers=admin_headers(issuer)).status_code == 200
    assert client.get(f"{REVOCATIONS}/subject/t", headers=admin_headers(issuer)).status_code == 404
    assert answer_to(client, revoked) == REVOKED
    assert passes(client, other)


def test_while_the_cache_is_away_key_sets_are_refreshed_all_the_same(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """In the process that is asked, though no other one learns of it."""
    app, client = on_folder(make_app, tmp_path)
    lose_the_store(app)
    response = client.post("/auth/admin/jwks/refresh", headers=admin_headers(issuer))
    assert (response.status_code, len(response.get_json()["key_sets"])) == (200, 1)


@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_a_process_out_of_touch_does_as_it_is_told(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path, on_error: str
) -> None:
    """From its first request, also where services ask about tokens; health warns, or keeps to itself."""
    app, client = on_folder(make_app, tmp_path, AUTH0_REVOCATION_ON_ERROR=on_error, AUTH0_HEALTH_DETAILS="always")
    lose_the_store(app)
    values = ["introspect:tokens", *ADMIN["permissions"]]
    caller = bearer(issuer.token(scope=" ".join(values), permissions=values))
    answers = [
        client.get("/ours", headers=caller),
        client.get("/theirs", headers=caller),
        client.post("/auth/introspect", data={"token": issuer.token()}, headers=caller),
    ]
    for response in answers:
        if on_error == "deny":
            assert (seen(response), response.headers["Retry-After"]) == (OUT_OF_TOUCH, "1")
        else:
            assert response.status_code == 200
    check = client.get("/auth/health").get_json()["checks"]["revocations"]
    assert (check["status"], check["age_seconds"], len(check["notes"])) == ("warn", None, 1)


def test_health_warns_after_the_cache_was_emptied(make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path) -> None:
    """What only ended processes knew may be lost."""
    _, client = on_folder(make_app, tmp_path, AUTH0_HEALTH_DETAILS="always", AUTH0_SYNC_INTERVAL=0)
    post_revocation(client, issuer, jti="a")
    assert client.get("/auth/health").get_json()["status"] == "pass"
    complete()  # what that look has left to do may write
    for file in tmp_path.glob("cache-auth0_blueprint/*.sqlite3*"):
        file.unlink()
    health = client.get("/auth/health").get_json()
    check = health["checks"]["revocations"]
    assert (health["status"], check["status"], check["known"]) == ("warn", "warn", 1)
    assert "lost revocations; this process restored those it knew" in check["notes"][0]


def test_nothing_is_said_to_be_shared_that_is_not(issuer: LocalIssuer, make_app: AppFactory) -> None:
    """A cache in the memory of a process reaches no other; neither does one without a secret."""
    for settings in ({"CACHE_TYPE": "SimpleCache", "SECRET_KEY": "s"}, {"CACHE_TYPE": "SimpleCache"}, {}):
        response = post_revocation(make_app(**settings).test_client(), issuer, jti="a")
        assert (response.status_code, response.get_json()["reach"]) == (201, "process")
