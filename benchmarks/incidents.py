"""What happens to a fleet in a day, and the hand that makes it happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.simulated_fleet import QUIET_GAP_SECONDS, Fleet

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
CLOSE_LOOK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happens to a fleet.

    Attributes:
        at: when, in seconds.
        act: makes it happen, and takes as long as it lasts.
        edges: the seconds after *at* at which refusals may begin: each process is asked once a second then.
        is_harmless: whether issuer and cache work all the time.
    """

    at: float
    title: str
    act: Callable[[Fleet], object]
    edges: tuple[float, ...] = (0.0,)
    is_harmless: bool = False


def rotate(fleet: Fleet, *, after: float = 0.0, notice: float = 0.0) -> None:
    """After some seconds publish a new key, sign with it at short *notice*, and withdraw the last but one."""
    fleet.time.sleep(after)
    key_id = fleet.issuer.publish()
    fleet.time.sleep(notice)
    fleet.issuer.sign_with(key_id)
    for old in fleet.issuer.good[:-2]:
        fleet.issuer.withdraw(old)


def replace_stolen_key(fleet: Fleet) -> None:
    """Withdraw all keys at once, for a new one."""
    key_id = fleet.issuer.publish()
    fleet.issuer.sign_with(key_id)
    for old in fleet.issuer.good[:-1]:
        fleet.issuer.withdraw(old)


def withdraw_oldest(fleet: Fleet) -> None:
    """Withdraw the oldest key, and give no other sign."""
    fleet.issuer.withdraw(fleet.issuer.good[0])


def withdraw_before_outage(fleet: Fleet) -> None:
    """Withdraw a key that no process will hear of, and be away for three hours."""
    rotate(fleet)
    fleet.time.sleep(MINUTE)
    withdraw_oldest(fleet)
    fleet.issuer.go_away("hangs", 3 * HOUR)


def together(*acts: Callable[[Fleet], object]) -> Callable[[Fleet], None]:
    """Return what lets all of *acts* happen at the same time."""

    def act(fleet: Fleet) -> None:
        for one in acts:
            fleet.time.start(partial(one, fleet))

    return act


def later(seconds: float, act: Callable[[Fleet], object]) -> Callable[[Fleet], None]:
    """Return what lets *act* happen after some seconds."""

    def wait_and_act(fleet: Fleet) -> None:
        fleet.time.sleep(seconds)
        act(fleet)

    return wait_and_act


def plant_nonsense(fleet: Fleet) -> None:
    """Overwrite the entries every ten seconds for ten minutes, as somebody with access to the cache could."""
    for _ in range(60):
        fleet.redis.plant("not ours")
        fleet.time.sleep(10)


INCIDENTS = (
    Incident(0, "cold start of all", lambda _fleet: None, is_harmless=True),
    Incident(2 * HOUR, "rotation, 5 s after the new key was published", partial(rotate, notice=5), is_harmless=True),
    Incident(3 * HOUR, "old key withdrawn, no new one", withdraw_oldest, (), is_harmless=True),
    Incident(4 * HOUR, "emergency: all keys replaced at once", replace_stolen_key, is_harmless=True),
    Incident(
        5 * HOUR,
        "issuer answers 503 for 1 h; a tenth restarts after 20 min",
        together(lambda f: f.issuer.go_away("refuses", HOUR), later(20 * MINUTE, lambda f: f.restart(0.1))),
        (20 * MINUTE, HOUR),
    ),
    Incident(
        7 * HOUR,
        "300 random key ids a second for 1 min, and a rotation",
        together(lambda f: f.flood(300, 60), partial(rotate, after=30)),
        (30,),
        is_harmless=True,
    ),
    Incident(
        9 * HOUR,
        "cache away for 20 min, and a rotation",
        together(lambda f: f.redis.fail("away", 20 * MINUTE), partial(rotate, after=10 * MINUTE)),
        (10 * MINUTE,),
    ),
    Incident(11 * HOUR, "cache emptied, and a rotation", together(lambda f: f.redis.clear(), rotate), is_harmless=True),
    Incident(
        12 * HOUR,
        "cache hangs for 2 min, and a rotation",
        together(lambda f: f.redis.fail("hangs", 120), partial(rotate, after=60)),
        (60,),
    ),
    Incident(
        13 * HOUR,
        "cache overwritten for 10 min, and a rotation",
        together(plant_nonsense, partial(rotate, after=5 * MINUTE)),
        (5 * MINUTE,),
    ),
    Incident(14 * HOUR, "issuer hangs for 3 h", withdraw_before_outage, (3 * HOUR + MINUTE,)),
    Incident(
        18 * HOUR,
        "issuer answers 503 for 10 min, 300 random key ids a second for 1 min",
        together(lambda f: f.issuer.go_away("refuses", 10 * MINUTE), lambda f: f.flood(300, 60)),
        (10 * MINUTE,),
    ),
    Incident(20 * HOUR, "restart of all at once", lambda f: f.restart(1), is_harmless=True),
    Incident(
        22 * HOUR,
        "issuer and cache away for 10 min",
        together(lambda f: f.issuer.go_away("refuses", 10 * MINUTE), lambda f: f.redis.fail("away", 10 * MINUTE)),
        (10 * MINUTE,),
    ),
)


def live(fleet: Fleet, incidents: tuple[Incident, ...] = INCIDENTS, seconds: float = DAY) -> Fleet:
    """Let *fleet* live through *incidents*, and return it."""
    for incident in incidents:
        fleet.time.start(partial(incident.act, fleet), at=incident.at)
    fleet.time.start(partial(_look_closely, fleet, incidents))
    fleet.time.run(until=seconds)
    fleet.end()
    return fleet


def _look_closely(fleet: Fleet, incidents: tuple[Incident, ...]) -> None:
    for edge in sorted(incident.at + edge for incident in incidents for edge in incident.edges):
        fleet.look_closely(edge - QUIET_GAP_SECONDS, edge + CLOSE_LOOK_SECONDS)
        fleet.time.sleep(max(0.0, edge + CLOSE_LOOK_SECONDS - fleet.time.now))
