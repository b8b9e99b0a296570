"""A new key, while the key set takes its time: whoever brings a token of it waits, and nobody is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .redis_server import RedisServer
from .servers import KeySetServer, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

SECONDS = (0.1, 0.6, 1, 2, 4) if os.environ.get("AUTH0_TESTS_FULL") else (0.1, 4)


@pytest.mark.parametrize("takes_seconds", SECONDS)
@pytest.mark.parametrize("is_sharing", [True, False], ids=["on one Redis", "without a cache"])
def test_nobody_with_a_new_key_is_refused_and_one_fetch_is_enough(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path, takes_seconds: float, is_sharing: bool
) -> None:
    """Right after another fetch, in 4 processes with 8 threads each; without a cache it is one fetch for each."""
    issuer = key_set_server.issuer
    with workers(tmp_path, {**key_set_server.settings, **(redis.settings if is_sharing else {})}) as fleet:
        assert fleet.ask_every_worker(issuer.token()).statuses.keys() == {200}
        before = key_set_server.fetches
        key_set_server.behave = key_set_server.publish_after(takes_seconds)
        issuer.rotate()
        answers = fleet.ask_every_worker(issuer.token())
        assert answers.statuses.keys() == {200}, answers.statuses
        assert key_set_server.fetches - before == (1 if is_sharing else 4), fleet.trouble()
        assert answers.slowest < takes_seconds + 2
