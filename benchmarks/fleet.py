"""A day in the life of a fleet: what its key sets cost the issuer, and what its callers notice of incidents.

Run with ``make bench-fleet``. The seed is fixed: the same code gives the same tables, which
``docs/scaling.md`` explains.
"""

from __future__ import annotations

import bisect
import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from benchmarks.incidents import DAY, HOUR, INCIDENTS, Incident, live
from benchmarks.simulated_fleet import AHEAD, COOLDOWN, MAX_STALE, QUIET_GAP_SECONDS, TTL, Fleet, Refusal

SIZES = (1, 100, 1000)
REFRESH_SECONDS = TTL - AHEAD
#: For unknown key ids, in a cooldown.
SEARCHES = 3

DAY_COLUMNS = (
    "processes",
    "cache",
    "fetches",
    "an hour",
    "worst hour",
    "worst second",
    "good token refused: issuer there",
    "issuer away",
    "withdrawn key trusted: issuer there",
    "issuer away",
)
INCIDENT_COLUMNS = (
    "incident",
    "worst second",
    "worst 30 s",
    "refused: issuer there",
    "issuer away",
    "cache operations in the worst second",
    "worst second",
    "worst 30 s",
    "refused: issuer there",
    "issuer away",
)


class Account:
    """What a fleet has seen between two moments."""

    def __init__(self, fleet: Fleet, since: float = 0, until: float = DAY) -> None:
        self._fleet = fleet
        self._since, self._until = since, until
        self.asked_at = [at for at in fleet.issuer.asked_at if since <= at < until]

    def most_fetches_in(self, seconds: float) -> int:
        """Return how often the issuer was asked in the worst span of so many seconds."""
        times = self.asked_at
        return max((index + 1 - bisect.bisect_left(times, at - seconds) for index, at in enumerate(times)), default=0)

    def most_cache_operations(self) -> int:
        """Return how often the cache was asked in the worst second."""
        operations = self._fleet.redis.operations
        return max((count for second, count in operations.items() if self._since <= second < self._until), default=0)

    def longest_refusal(self, *, is_issuer_away: bool) -> tuple[float, frozenset[str]]:
        """Return for how long one process refused a good token while the issuer could (not) be asked, and why."""
        parts = [
            (self._part(refusal, is_issuer_away=is_issuer_away), refusal.codes)
            for refusal in self._fleet.refusals
            if self._since <= refusal.since < self._until
        ]
        return max(parts, key=lambda part: part[0], default=(0.0, frozenset()))

    def longest_trust(self, *, is_issuer_away: bool) -> float:
        """Return for how long a process trusted a withdrawn key, where the issuer could (not) be asked."""
        return max(
            (
                last - self._fleet.issuer.withdrawn[key_id]
                for key_id, last in self._fleet.trusted.items()
                if self._is_outage_within(self._fleet.issuer.withdrawn[key_id], last) == is_issuer_away
            ),
            default=0.0,
        )

    def _part(self, refusal: Refusal, *, is_issuer_away: bool) -> float:
        away = sum(
            max(0.0, min(refusal.until, end) - max(refusal.since, start)) for start, end in self._fleet.issuer.outages
        )
        return away if is_issuer_away else refusal.until - refusal.since - away

    def _is_outage_within(self, since: float, until: float) -> bool:
        return any(start < until and since < end for start, end in self._fleet.issuer.outages)


def day_row(fleet: Fleet) -> str:
    """Return what a day was like, as a row of the first table."""
    account, hours = Account(fleet), DAY / HOUR
    by_hour = [len(Account(fleet, hour * HOUR, (hour + 1) * HOUR).asked_at) for hour in range(int(hours))]
    fetches = len(account.asked_at)
    cells = (
        f"{fleet.process_count:,}",
        "yes" if fleet.is_sharing else "no",
        f"{fetches:,}",
        f"{fetches / hours:,.1f}",
        f"{max(by_hour):,}",
        f"{account.most_fetches_in(1):,}",
        _shown(account.longest_refusal(is_issuer_away=False)),
        _shown(account.longest_refusal(is_issuer_away=True)),
        f"{account.longest_trust(is_issuer_away=False):,.0f} s",
        f"{account.longest_trust(is_issuer_away=True):,.0f} s",
    )
    return f"| {' | '.join(cells)} |"


def incident_cells(fleet: Fleet) -> list[list[str]]:
    """Return what each incident was like, as cells of the second table."""
    rows = []
    for incident, end in zip(INCIDENTS, _ends(), strict=True):
        account = Account(fleet, incident.at, end)
        cells = [f"{account.most_fetches_in(1):,}", f"{account.most_fetches_in(COOLDOWN):,}"]
        cells += [_shown(account.longest_refusal(is_issuer_away=away)) for away in (False, True)]
        rows.append([*cells, f"{account.most_cache_operations():,}"] if fleet.is_sharing else cells)
    return rows


def implausible(fleet: Fleet) -> Iterator[str]:
    """Yield what in a day cannot be: then either the package or the simulation is wrong."""
    account = Account(fleet)
    if account.longest_trust(is_issuer_away=True) > MAX_STALE:
        yield "a withdrawn key was trusted beyond its age"
    if account.longest_trust(is_issuer_away=False) > 1.1 * REFRESH_SECONDS + QUIET_GAP_SECONDS + 1:
        yield "a withdrawn key was trusted beyond a refresh"
    if fleet.is_sharing and fleet.process_count > 1 and not account.most_cache_operations():
        yield "nobody used the cache"
    for incident, end in zip(INCIDENTS, _ends(), strict=True):
        own = Account(fleet, incident.at, end)
        longest = own.longest_refusal(is_issuer_away=False)[0]
        if fleet.is_sharing and incident.is_harmless and own.most_fetches_in(COOLDOWN - 1) > most_fetches(incident):
            yield f"too many fetches in a cooldown: {incident.title}"
        if fleet.is_sharing and incident.is_harmless and longest > COOLDOWN + 2:
            yield f"a good token was refused for {longest:.0f} s: {incident.title}"


def most_fetches(incident: Incident) -> int:
    """Return how often a fleet may ask the issuer in a cooldown while it and the cache work."""
    return 1 + SEARCHES if "random key ids" in incident.title else 1


def implausible_rhythm() -> Iterator[str]:
    """Yield what is wrong with the rhythm of one process on a day without incidents."""
    fetches = len(live(Fleet(1, is_sharing=False), ()).issuer.asked_at)
    if not DAY / (1.1 * REFRESH_SECONDS + QUIET_GAP_SECONDS) < fetches < DAY / (0.9 * REFRESH_SECONDS):
        yield f"{fetches} fetches of one process without incidents"


def _ends() -> list[float]:
    return [*(incident.at for incident in INCIDENTS[1:]), DAY]


def _shown(longest: tuple[float, frozenset[str]]) -> str:
    seconds, codes = longest
    if not seconds:
        return "never"
    return f"{seconds:,.0f} s ({', '.join('401' if code == 'unknown_key' else '503' for code in sorted(codes))})"


def _print_header(*names: str) -> None:
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")


class Day(NamedTuple):
    """What a fleet's day was like, as cells of the tables, and what in it cannot be."""

    row: str
    incidents: list[list[str]]
    problems: list[str]


def day_of(size: int, is_sharing: bool) -> Day:
    """Let a fleet live through the day. Runs in a process of its own."""
    logging.disable(logging.CRITICAL)  # each process of the fleet says what it goes through
    fleet = live(Fleet(size, is_sharing=is_sharing))
    return Day(
        day_row(fleet), incident_cells(fleet), [f"{size} processes: {problem}" for problem in implausible(fleet)]
    )


def main() -> int:
    """Print the tables; return 1 if something in them cannot be."""
    fleets = [(size, is_sharing) for size in SIZES for is_sharing in (True, False)]
    with ProcessPoolExecutor() as pool:
        # The largest first: they take longest.
        running = {fleet: pool.submit(day_of, *fleet) for fleet in reversed(fleets)}
        days = {fleet: running[fleet].result() for fleet in fleets}
    _print_header(*DAY_COLUMNS)
    for day in days.values():
        print(day.row)
    print(f"\nEach incident, {SIZES[-1]:,} processes, with a cache and without:\n")
    _print_header(*INCIDENT_COLUMNS)
    sharing, alone = days[SIZES[-1], True], days[SIZES[-1], False]
    for incident, *cells in zip(INCIDENTS, sharing.incidents, alone.incidents, strict=True):
        print(f"| {' | '.join([incident.title, *cells[0], *cells[1]])} |")
    problems = [*implausible_rhythm(), *(problem for day in days.values() for problem in day.problems)]
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
