"""What remembered tokens cost: by how much a process grows while it verifies 1,024 tokens of 1 KiB.

The tokens are made here, and sent one at a time to a process of its own, which keeps none of them itself. Run it by
``make bench``, or by ``python -m benchmarks.memory``. docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
from collections.abc import Sequence
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from auth0_blueprint.testing import LocalIssuer
from benchmarks.guard import requests_to
from benchmarks.guarded_apps import Minter, Tenant, ours
from benchmarks.reporting import Target, print_machine, print_table, verdict

TOKENS, TOKEN_BYTES = 1024, 1024
WARM_UP = 1000
PROCESSES, QUICK_PROCESSES = 7, 1
LIMIT_MIB = 3.0
MIB = 2**20

COLUMNS = ("AUTH0_TOKEN_CACHE_SIZE", "grown by", "for a token", "tokens remembered")

#: An admin of Auth0's RBAC, who may ask how many tokens were remembered.
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}


class Growth(NamedTuple):
    """What became of a process.

    Attributes:
        grown_bytes: how much more memory it holds.
        remembered: how many of the tokens it knew when they came again.
    """

    grown_bytes: int
    remembered: int


def make_tokens(minter: Minter, number: int = TOKENS) -> list[str]:
    """Make so many tokens of the size, each of another user, with permissions as Auth0's RBAC adds them."""

    def token(user: int, padding: int) -> str:
        claims = {"https://example.com/department": "x" * padding}
        return minter.token(user, permissions=[f"read:resource-{number}" for number in range(10)], **claims)

    # base64url makes 4 characters of 3 bytes: not every length can be had.
    padding = next(padding for padding in count() if len(token(0, padding)) >= TOKEN_BYTES - 1)
    return [token(user, padding) for user in range(1, 1 + number)]


def resident_bytes() -> int:
    """Return how much memory this process holds, when there is no garbage in it."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def verify_all(tenant: Tenant, size: int, tokens: Connection) -> None:
    """Grow, and send the `Growth` back. Runs in a process of its own.

    Args:
        tenant: whose tokens they are.
        size: how many may be remembered.
        tokens: gives one for the warm-up, then all others twice, and at last an admin's.
    """
    app = ours(tenant, AUTH0_TOKEN_CACHE_SIZE=size)
    ask = requests_to(app)
    for warm in [tokens.recv()] * WARM_UP:
        ask([warm])
    before = resident_bytes()
    for _ in range(TOKENS):
        ask([tokens.recv()])
    grown = resident_bytes() - before
    for _ in range(TOKENS):
        ask([tokens.recv()])
    stats = app.test_client().get("/auth/admin/stats", headers={"Authorization": f"Bearer {tokens.recv()}"}).json
    hits = (stats or {}).get("token_cache_hits", 0)
    tokens.send(Growth(grown, max(0, hits - (WARM_UP - 1))))


def grow(tenant: Tenant, size: int, minter: Minter, tokens: Sequence[str]) -> Growth:
    """Return what becomes of a new process that is sent *tokens*."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=verify_all, args=(tenant, size, there))
    process.start()
    there.close()  # so that a child that has died is no longer waited for
    with here:
        for token in (minter.token(), *tokens, *tokens, minter.token(**ADMIN)):
            here.send(token)
        growth: Growth = here.recv()
    process.join()
    return growth


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--processes", type=int, default=PROCESSES, help="of each kind (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one of each kind, to see that it works")
    options = parser.parse_args(arguments)
    processes = QUICK_PROCESSES if options.quick else options.processes
    growths: dict[int, list[Growth]] = {TOKENS: [], 0: []}
    with LocalIssuer() as issuer:
        tenant, minter = Tenant.of(issuer), Minter(issuer)
        tokens = make_tokens(minter)
        for _ in range(processes):
            for size, those in growths.items():
                those.append(grow(tenant, size, minter, tokens))
    print_machine(
        f"{TOKENS:,} tokens of {len(tokens[0]):,} bytes, {processes} processes each; medians of resident memory"
    )
    print_table(COLUMNS, [_row(size, those) for size, those in growths.items()])
    remembered = min(growth.remembered for growth in growths[TOKENS])
    return verdict(
        [
            Target(f"{TOKENS:,} remembered tokens", _grown(growths[TOKENS]) / MIB, LIMIT_MIB, " MiB"),
            Target("of them remembered", remembered, TOKENS, is_least=True),
        ]
    )


def _row(size: int, growths: Sequence[Growth]) -> tuple[str, ...]:
    grown = _grown(growths)
    remembered = min(growth.remembered for growth in growths)
    return str(size), f"{grown / MIB:.2f} MiB", f"{grown / TOKENS:,.0f} bytes", f"{remembered:,}"


def _grown(growths: Sequence[Growth]) -> float:
    return statistics.median(growth.grown_bytes for growth in growths)


if __name__ == "__main__":
    sys.exit(main())
