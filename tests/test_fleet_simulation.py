"""The simulation behind ``docs/scaling.md``, in a small form: it runs, and what it says is plausible."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from benchmarks.fleet import SEARCHES, Account
from benchmarks.incidents import Incident, live, replace_stolen_key, rotate
from benchmarks.simulated_fleet import AHEAD, COOLDOWN, MAX_STALE, QUIET_GAP_SECONDS, TTL, Fleet

MINUTE, HOUR = 60.0, 3600.0
REFRESH = TTL - AHEAD
#: A process is asked once a minute at the least, and refreshes when it is asked.
LATEST_REFRESH = 1.1 * REFRESH + QUIET_GAP_SECONDS


def test_a_lone_process_refreshes_in_the_rhythm_of_its_settings() -> None:
    """Every 480 s, give or take a tenth, and at the next request."""
    fleet = live(Fleet(1, is_sharing=False), (), 6 * HOUR)
    times = fleet.issuer.asked_at
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert 38 <= len(times) <= 50
    assert all(0.9 * REFRESH <= gap <= LATEST_REFRESH for gap in gaps)
    assert not fleet.refusals


def test_processes_that_share_nothing_fetch_each_for_itself() -> None:
    """Without a cache, five processes are five clients."""
    alone = live(Fleet(5, is_sharing=False), (), HOUR)
    assert len(alone.issuer.asked_at) >= 5 * HOUR // LATEST_REFRESH
    assert Account(alone).most_fetches_in(2) == 5


def test_a_fleet_lives_through_two_hours_of_incidents_as_one_client() -> None:
    """One fetch at a time, few in a cooldown, no good token refused, and no withdrawn key trusted beyond a refresh."""
    incidents = (
        Incident(20 * MINUTE, "rotation", partial(rotate, notice=COOLDOWN + 1)),
        Incident(40 * MINUTE, "emergency", replace_stolen_key),
        Incident(50 * MINUTE, "emptied", lambda fleet: fleet.redis.clear()),
        Incident(70 * MINUTE, "flood", lambda fleet: fleet.flood(20, 60)),
    )
    fleet = live(Fleet(5, is_sharing=True), incidents, 2 * HOUR)
    account = Account(fleet)
    flood = incidents[-1].at
    assert Account(fleet, until=flood).most_fetches_in(COOLDOWN - 1) == 1
    assert account.most_fetches_in(COOLDOWN - 1) <= 1 + SEARCHES
    assert (
        2 * HOUR / LATEST_REFRESH <= len(account.asked_at) <= 2 * HOUR / (0.9 * REFRESH) + len(incidents) + 2 * SEARCHES
    )
    assert not fleet.refusals
    assert account.longest_trust(is_issuer_away=False) <= LATEST_REFRESH


def test_a_fleet_refuses_in_an_outage_only_what_it_must_and_recovers_in_time() -> None:
    """Keys are used until they are as old as allowed, and again at most 35 s after the issuer is back."""
    outage = Incident(
        5 * MINUTE, "outage", lambda fleet: fleet.issuer.go_away("refuses", 80 * MINUTE), (0, 50 * MINUTE, 80 * MINUTE)
    )
    fleet = live(Fleet(5, is_sharing=True), (outage,), 2 * HOUR)
    assert fleet.refusals
    last_answer_at = max(at for at in fleet.issuer.asked_at if at < outage.at)
    assert min(refusal.since for refusal in fleet.refusals) >= last_answer_at + MAX_STALE
    back_at = fleet.issuer.outages[0][1]
    assert back_at < max(refusal.until for refusal in fleet.refusals) <= back_at + 35


def test_the_same_seed_gives_the_same_day() -> None:
    """Figures in the documents can be had again."""
    one, other = (live(Fleet(3, is_sharing=True), (Incident(0, "", rotate),), HOUR) for _ in range(2))
    assert one.issuer.asked_at == other.issuer.asked_at
    assert one.refusals == other.refusals
