"""Whoever sends random key ids cannot make the fleet ask the issuer, nor hinder those who send good tokens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from .redis_server import RedisServer
from .servers import KeySetServer, forged_tokens, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

KEY_IDS, SECONDS = (10_000, 30) if os.environ.get("AUTH0_TESTS_FULL") else (10_000, 12)


def test_random_key_ids_cost_at_most_one_fetch_and_no_good_token_is_refused(
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
    assert key_set_server.fetches <= 2, fleet.trouble()
