"""Whoever sends random key ids cannot make the fleet ask the issuer, nor hinder those who send good tokens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from .redis_server import RedisServer
from .servers import KeySetServer, forged_tokens, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

HANGS_SECONDS = 5
KEY_IDS, SECONDS = (10_000, 30) if os.environ.get("AUTH0_TESTS_FULL") else (10_000, 12)


def test_random_key_ids_cost_at_most_three_fetches_and_no_good_token_is_refused(
    key_set_server: KeySetServer, redis: RedisServer, tmp_path: Path
) -> None:
    """10,000 of them, each followed by a good token, or as many as this machine answers in the time."""
    issuer, deadline = key_set_server.issuer, time.monotonic() + SECONDS
    good_token = issuer.token()

    def flood() -> Iterator[str]:
        for forged in islice(forged_tokens(issuer), KEY_IDS):
            if time.monotonic() > deadline:
                return
            yield forged
            yield good_token

    # One cooldown is at least as long as the flood.
    settings = {**key_set_server.settings, **redis.settings, "AUTH0_JWKS_COOLDOWN": str(SECONDS)}
    with workers(tmp_path, settings) as fleet:
        assert fleet.ask_every_worker(good_token).statuses.keys() == {200}
        answers = fleet.load(flood(), clients=16)

    good, forged = answers.with_token(good_token), answers.without_token(good_token)
    assert len(forged.all) > 1000, "this machine is too slow to show anything"
    assert good.statuses.keys() == {200}
    assert set(forged.statuses) <= {401, 503}
    assert key_set_server.fetches <= 1 + 3, fleet.trouble()


def test_made_up_key_ids_do_not_take_all_threads_while_a_fetch_hangs(
    key_set_server: KeySetServer, tmp_path: Path
) -> None:
    """3,000 of them at a worker with 8 threads, of which half may wait: known keys are served throughout."""
    issuer = key_set_server.issuer
    good_token, forged = issuer.token(), list(islice(forged_tokens(issuer), 3000))
    settings = {**key_set_server.settings, "AUTH0_JWKS_MAX_WAITING": "4"}
    with workers(tmp_path, settings, number=1) as fleet, ThreadPoolExecutor(1) as background:
        assert fleet.ask(good_token).status == 200
        key_set_server.behave = key_set_server.publish_after(HANGS_SECONDS)
        flood = background.submit(fleet.load, forged, clients=8)
        good = fleet.load_while(lambda: not flood.done(), good_token, clients=4)
        statuses = flood.result().statuses
    assert good.are_all_ok
    assert set(statuses) <= {401, 503}
    assert statuses[503] > 4, "nobody was told to come again"
    assert good.slowest < 1
    assert key_set_server.fetches <= 1 + 3
