"""What the other caches of flask-caching give: the machine, or nothing, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from .servers import KeySetServer, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

NOT_SHARED = "Several worker processes but no shared cache"


def test_processes_of_one_machine_share_through_files(key_set_server: KeySetServer, tmp_path: Path) -> None:
    """Three cold workers and one directory: one fetch."""
    settings = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), **key_set_server.settings}
    with workers(tmp_path, settings, number=3) as fleet:
        assert fleet.ask_every_worker(key_set_server.issuer.token()).statuses.keys() == {200}
        assert key_set_server.fetches == 1, fleet.trouble()
        checks = [health["checks"]["cache"] for health in fleet.health().values()]
    for check in checks:
        assert (check["status"], check["reach"], check["notes"]) == ("pass", "machine", [])
    assert NOT_SHARED not in fleet.log()


@pytest.mark.parametrize("cache_type", ["", "NullCache", "SimpleCache"])
def test_processes_without_a_common_cache_fetch_each_for_itself_and_say_so(
    key_set_server: KeySetServer, tmp_path: Path, cache_type: str
) -> None:
    """Nothing fails; the log of each process tells once what is lost, and so does its health."""
    settings = {"CACHE_TYPE": cache_type, **key_set_server.settings}
    with workers(tmp_path, settings, "--preload", number=2) as fleet:
        for _ in range(3):
            assert fleet.ask_every_worker(key_set_server.issuer.token()).statuses.keys() == {200}
        assert key_set_server.fetches == 2
        healths = fleet.health()
    assert len(healths) == 2
    for worker, health in healths.items():
        check = health["checks"]["cache"]
        assert (health["status"], check["reach"], len(check["notes"])) == ("pass", "process", 1)
        assert check["notes"][0].startswith(NOT_SHARED)
        lines = [line for line in fleet.log().splitlines() if f"pid={worker} " in line and NOT_SHARED in line]
        assert len(lines) == 1
