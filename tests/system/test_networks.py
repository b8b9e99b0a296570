"""The networks of ``benchmarks/networks.py``: real addresses, name servers and proxies, in a namespace of Linux."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import pytest
from documents import ROOT
from network_lab import missing
from processes import completed

from benchmarks.networks import SITUATIONS

Results = Mapping[str, Mapping[str, tuple[float, int, str]]]

#: For each situation, within how many seconds keys come. Beyond 1.5 s only where the resolver itself waits for 5.
LIMITS = {situation.name: 1.5 for situation in SITUATIONS} | {"the first of two name servers is dead": 6.5}


@pytest.fixture(scope="module")
def results() -> Results:
    """What this package gets, and requests as it comes, which shows that the network is as bad as it should be."""
    lacking = missing()
    if lacking:
        pytest.skip(f"these tests need a network of their own: {lacking}")
    command = [sys.executable, "-m", "benchmarks.networks", "--clients", "ours,requests", "--json"]
    said = completed(command, cwd=ROOT, timeout=300)
    assert said.returncode == 0, said.stderr
    found: Results = json.loads(said.stdout)
    return found


@pytest.mark.parametrize("situation", LIMITS)
def test_the_keys_come_in_time(results: Results, situation: str) -> None:
    seconds, keys, error = results[situation]["ours"]
    assert (keys, error) == (2, "")
    assert seconds < LIMITS[situation]


@pytest.mark.parametrize(
    "situation",
    ["the first of two addresses swallows packets", "the first of two name servers is dead"],
)
def test_the_network_is_as_bad_as_it_should_be(results: Results, situation: str) -> None:
    """Others are held up by it: a dead address costs them a whole timeout."""
    seconds, _, _ = results[situation]["requests"]
    assert seconds >= 5
