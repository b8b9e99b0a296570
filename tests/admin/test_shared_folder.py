"""Revocations through a folder that the processes of one machine share."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import AppFactory, MovableClock

from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.sharing.shared_cache import PAUSE_AFTER_FAILURE_SECONDS

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_many_revocations_in_a_folder_are_one_file(make_app: AppFactory, tmp_path: Path) -> None:
    """Beside the others of the cache, of which only so many are kept."""
    shared = {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    state, newcomer = (make_app(**shared).extensions["auth0"] for _ in range(2))
    now = time.time()
    state.revocations._shared_set.publish(
        [Revocation("jti", str(number), None, now + 999, now) for number in range(5100)]
    )
    newcomer.fleet_sync.sync_if_due()
    status = newcomer.revocations.status()
    assert (status.known, status.reach, status.is_loaded) == (5100, "machine", True)
    files = {file.name.partition(".sqlite3")[0] for file in (tmp_path / "cache-auth0_blueprint").glob("*.sqlite3*")}
    assert len(files) == 1


def test_a_cache_that_could_not_be_opened_at_first_is_opened_later(
    make_app: AppFactory, tmp_path: Path, clock: MovableClock
) -> None:
    """A file lies where the folder is to be: until it is gone, nothing can be revoked; then it is for the machine."""
    shared = {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "no" / "cache")}
    (tmp_path / "no").write_text("a file")
    app = make_app(**shared, clock=clock.monotonic_only)
    state = app.extensions["auth0"]
    assert app.test_client().get("/auth/health/live").status_code == 200
    assert state.cache.has_failed
    state.fleet_sync.sync_if_due()
    assert state.fleet_sync.is_failing
    (tmp_path / "no").unlink()
    clock.move(PAUSE_AFTER_FAILURE_SECONDS)
    state.revocations.revoke("jti", "a", None)
    other = make_app(**shared).extensions["auth0"]
    assert other.revocations.find("jti", "a") is not None
