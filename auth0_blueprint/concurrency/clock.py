"""What an app knows of time: the seam that lets a test move it."""

from __future__ import annotations

import random
import time as system_time
from collections.abc import Callable
from dataclasses import dataclass


def _sleep(seconds: float) -> None:
    # Looked up at each call: gevent replaces it, and only after this import where gunicorn preloads the app. The
    # original would stop every request of the process.
    system_time.sleep(seconds)


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


#: That of this machine.
SYSTEM_CLOCK: Clock = Clock()
