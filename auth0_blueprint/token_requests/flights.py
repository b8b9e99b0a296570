"""One request for a token at a time, for each name: whoever asks for the same meanwhile waits for its outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from auth0_blueprint.concurrency.after_fork import ProcessLock, reset_in_children
from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import TokenExchangeError, TokenExchangeUnavailableError
from auth0_blueprint.token_requests.issued_token import IssuedToken


@dataclass(slots=True, eq=False, repr=False)
class _Flight:
    #: Made when it is needed: gevent may have replaced the class since the import.
    landed: threading.Event = field(default_factory=lambda: threading.Event())
    token: IssuedToken | None = None
    error: TokenExchangeError | None = None


class Flights:
    """Runs at most one call for each name. It runs in the thread that comes first.

    Args:
        max_wait_seconds: how long others wait for it.
        clock: tells the time.
    """

    def __init__(self, max_wait_seconds: float, clock: Clock) -> None:
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._flights: dict[str, _Flight] = {}
        self._lock = ProcessLock()
        reset_in_children(self)

    def run(self, name: str, work: Callable[[], IssuedToken]) -> IssuedToken:
        """Return what *work* returns, or what a call under way for the same *name* does.

        Raises:
            TokenExchangeError: that call, or ours, failed with it; or the other one takes too long.
        """
        give_up_at = self._clock.monotonic() + self._max_wait_seconds
        while True:
            with self._lock():
                flight = self._flights.get(name)
                if flight is None:
                    flight = self._flights[name] = _Flight()
                    break
            if not flight.landed.wait(max(0.0, give_up_at - self._clock.monotonic())):
                raise TokenExchangeUnavailableError("unreachable")
            if flight.error is not None:
                raise flight.error.again()
            if flight.token is not None:
                return flight.token
            # It ended in an error that nobody expected: now it is our turn.
        return self._lead(name, flight, work)

    def _lead(self, name: str, flight: _Flight, work: Callable[[], IssuedToken]) -> IssuedToken:
        try:
            flight.token = work()
        except TokenExchangeError as exc:
            flight.error = exc
            raise
        else:
            return flight.token
        finally:
            with self._lock():
                self._flights.pop(name, None)
            flight.landed.set()

    def reset_after_fork(self) -> None:
        """Forget the calls of the parent process, whose threads do not exist here."""
        self._flights = {}
