"""What the readers of all kinds of events return, and `receiver` puts into force."""

from __future__ import annotations

from typing import Literal, NamedTuple

from auth0_blueprint.settings.event_sources import Source

#: What became of an event: its effects, or some of them, are in force now; there was nothing to do; it was handled
#: before.
OutcomeName = Literal["effective", "without_effect", "repeated"]

#: Stands for a type of event that is unknown here, in metrics and signals.
UNKNOWN_TYPE = "unknown"

#: How old an event may be, and so how long the ids of those handled are kept: senders repeat for a few days at most.
MAX_EVENT_AGE_SECONDS = 7 * 86_400
#: An ``id`` or ``jti`` must not be longer.
MAX_EVENT_ID_LENGTH = 256


class Effect(NamedTuple):
    """One thing that an event does.

    Attributes:
        action: ``revoke`` the tokens issued up to the time of the event; ``lift`` what an event of the type *undoes*,
            from the same sender, has revoked.
        kind: of the revocation; see `Revocation`.
        value: of the revocation.
        undoes: the type of the events that a ``lift`` undoes.
    """

    action: Literal["revoke", "lift"]
    kind: str
    value: str
    undoes: str | None = None


class Event(NamedTuple):
    """A verified event.

    Attributes:
        source: which route it came by.
        sender: who sent it: an issuer, or the tenant's name.
        id: its ``jti`` or ``id``, unique for its sender.
        type: the short name of its type, as ``session-revoked`` or ``user.deleted``; `UNKNOWN_TYPE` for others.
        occurred_at: its time, in Unix time.
        effects: what it does; none for one that is only acknowledged.
    """

    source: Source
    sender: str
    id: str
    type: str
    occurred_at: float
    effects: tuple[Effect, ...] = ()


class Outcome(NamedTuple):
    """What became of an event.

    Attributes:
        name: in one word.
        effects: kind and value of each revocation that it made, or lifted, now.
    """

    name: OutcomeName
    effects: tuple[tuple[str, str], ...] = ()
