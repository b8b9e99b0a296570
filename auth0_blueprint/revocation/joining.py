"""What counts where two revocations about the same were made by different senders, or for different reasons."""

from __future__ import annotations

import math

from auth0_blueprint.revocation.index import Origin, Revocation

#: Ends the reason of a revocation that stands for several: no event that undoes one of them may lift it.
AMONG_OTHERS = " (among others)"


def joined(known: Revocation, revocation: Revocation) -> Revocation:
    """Return what counts once both hold: whichever reaches further, so that nobody lifts both by lifting one."""
    further = revocation if _reach(revocation) > _reach(known) else known
    if _owner(known) == _owner(revocation):
        return further
    is_of_event = further.origin is not None and further.origin.event_id is not None
    reason = further.reason or ""
    if not is_of_event or reason.endswith(AMONG_OTHERS):
        return further
    return further._replace(reason=f"{reason}{AMONG_OTHERS}")


def _reach(revocation: Revocation) -> float:
    return math.inf if revocation.issued_up_to is None else revocation.issued_up_to


def _owner(revocation: Revocation) -> tuple[str | None, ...]:
    origin = revocation.origin or Origin("")
    return origin.source, origin.actor, revocation.reason
