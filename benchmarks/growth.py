"""How the cost of a request grows: with permissions, requirements, keys and revocations.

Each size is an app of its own, and they take turns. Measured are whole requests, in processor time, for a token seen
before and for tokens never seen. Run it by ``python -m benchmarks.growth``. docs/performance.md says what came out.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from flask import Flask

from auth0_blueprint import Auth0Blueprint, requires_auth, requires_permission
from auth0_blueprint.testing import LocalIssuer
from benchmarks.guard import Work, requests_to
from benchmarks.guarded_apps import PATH, Decorator
from benchmarks.reporting import print_machine, print_table

ROUNDS, QUICK_ROUNDS = 15, 2
BLOCK, RUN_IN = 60, 10
#: By what is counted: how many of it there are.
SIZES = {
    "permissions in the token": (1, 10, 100, 1000),
    "requirements of the view": (1, 10, 100),
    "keys in the key set": (1, 8, 64),
    "revocations in force": (0, 10, 1000, 100_000),
}
COLUMNS = ("what grows", "to", "seen before, us", "over the smallest", "never seen, us", "over the smallest")


@dataclass(slots=True)
class Size:
    """One row: an app, what its tokens hold, and the seconds of each block, for tokens seen before and never seen."""

    what: str
    count: int
    work: Work
    token: Callable[[int], str]
    warm: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)

    def measure(self, number: int) -> None:
        """Measure a block of each."""
        seen, first = self.token(0), 1 + number * (BLOCK + RUN_IN)
        never_seen = [self.token(user) for user in range(first, first + BLOCK + RUN_IN)]
        for seconds, tokens in ((self.warm, [seen] * (BLOCK + RUN_IN)), (self.fresh, never_seen)):
            gc.collect()
            self.work(tokens[:RUN_IN])
            seconds.append(self.work(tokens[RUN_IN:]) / BLOCK)


def app_with(issuer: LocalIssuer, guards: Sequence[Decorator]) -> Flask:
    """Make an app for the tokens of *issuer*, whose view is behind all the *guards*."""
    app = Flask("measured", static_folder=None)
    app.config.update(issuer.settings, AUTH0_MAX_TOKEN_BYTES=65536)
    app.register_blueprint(Auth0Blueprint())

    def view() -> dict[str, list[str]]:
        return {"messages": ["Hello"]}

    for guard in guards:
        view = guard(view)  # type: ignore[assignment]
    app.add_url_rule(PATH, view_func=view)
    return app


def sizes(issuer: LocalIssuer, crowded: LocalIssuer, sizes_of: dict[str, tuple[int, ...]]) -> Iterator[Size]:
    """Yield what is measured; *crowded* publishes as many keys as needed, and signs with the first."""
    for what, counts in sizes_of.items():
        for count in counts:
            yield _size(what, count, crowded if "keys" in what else issuer)


def _size(what: str, count: int, issuer: LocalIssuer) -> Size:
    permissions = [f"read:things-{number}" for number in range(count if "permissions" in what else 1)]
    guards: list[Decorator] = [requires_auth]
    if "permissions" in what:
        guards = [requires_permission(permissions[-1])]
    elif "requirements" in what:
        guards = [requires_permission(permissions[0]) for _ in range(count)]
    while "keys" in what and len(issuer.key_ids) < count:
        issuer.rotate("ES256")
    app = app_with(issuer, guards)

    def token(user: int) -> str:
        return issuer.token(key_id=issuer.key_ids[0], sub=f"auth0|{user:024x}", permissions=permissions)

    work = requests_to(app)
    work([token(0)])  # fetches the keys that there are now
    for number in range(count if "revocations" in what else 0):
        app.extensions["auth0"].revocations.revoke("subject", f"auth0|gone-{number}", None)
    return Size(what, count, work, token)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, to see that it works")
    options = parser.parse_args(arguments)
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    with LocalIssuer() as issuer, LocalIssuer() as crowded:
        found = list(sizes(issuer, crowded, SIZES))
        gc.freeze()
        for number in range(rounds):
            for size in found:
                size.measure(number)
    print_machine(f"What grows: {rounds} rounds of {BLOCK} requests; medians")
    smallest = {size.what: size for size in reversed(found)}
    print_table(COLUMNS, [_row(size, smallest[size.what]) for size in found])
    return 0


def _row(size: Size, smallest: Size) -> tuple[str, ...]:
    cells = [size.what, f"{size.count:,}"]
    for own, other in ((size.warm, smallest.warm), (size.fresh, smallest.fresh)):
        ratios = [seconds / least for seconds, least in zip(own, other, strict=True)]
        cells += [f"{statistics.median(own) * 1e6:.0f}", f"{statistics.median(ratios):.2f}"]
    return tuple(cells)


if __name__ == "__main__":
    sys.exit(main())
