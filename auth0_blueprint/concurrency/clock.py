"""What an app knows of time: the seam that lets a test move it."""

from __future__ import annotations

import math
import random
import time as system_time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


def _sleep(seconds: float) -> None:
    # Looked up at each call: gevent replaces it, and only after this import where gunicorn preloads the app. The
    # original would stop every request of the process.
    system_time.sleep(seconds)


class Moment(NamedTuple):
    """A moment in Unix time and in monotonic time; by default one that is long over."""

    time: float = -math.inf
    monotonic: float = -math.inf


@dataclass(slots=True, eq=False, repr=False)
class Clock:
    """The time, waiting, and chance. Plain attributes: a reading costs a request no call in between.

    Attributes:
        time: Unix time.
        monotonic: seconds that never go back.
        sleep: waits for a number of seconds.
        uniform: a random number between two others: the jitter of intervals.
    """

    time: Callable[[], float] = system_time.time
    monotonic: Callable[[], float] = system_time.monotonic
    sleep: Callable[[float], None] = _sleep
    uniform: Callable[[float, float], float] = random.uniform

    def moment(self, seconds_from_now: float = 0.0) -> Moment:
        """Return the present, or the moment so many seconds from now."""
        return Moment(self.time() + seconds_from_now, self.monotonic() + seconds_from_now)

    def seconds_since(self, moment: Moment) -> float:
        """Return how long ago *moment* was, by the clock that is ahead; negative while it is still to come.

        Monotonic time may stand still while a machine sleeps or a process is frozen; Unix time may be set back.
        """
        return max(self.time() - moment.time, self.monotonic() - moment.monotonic)


#: That of this machine.
SYSTEM_CLOCK: Clock = Clock()
