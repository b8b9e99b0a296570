"""What people ask of the revocations that a process knows. Requests ask the index itself, which stops at the first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from auth0_blueprint.revocation.index import (
    Origin,
    Revocation,
    RevocationIndex,
    is_in_force,
    text_or_nothing,
)
from auth0_blueprint.verification.access_token import AccessToken


def matching(
    index: RevocationIndex, access_token: AccessToken, digest: str, *, changed_since: float = math.inf
) -> list[Revocation]:
    """Return all for which *index* refuses *access_token*, or did before they were lifted; the newest first.

    *digest* is the `token_digest` of one that was not encrypted. For people who ask why: requests ask `is_revoked`,
    which stops at the first. Of those that were lifted only the ones lifted after *changed_since* (Unix time).
    """
    found = map(index.shown, matches(index, access_token, digest, changed_since))
    return sorted(found, key=lambda one: one.changed_at, reverse=True)


def matches(
    index: RevocationIndex, access_token: AccessToken, digest: str, changed_since: float = math.inf
) -> Iterator[Revocation]:
    """Yield each revocation in *index* that *access_token* matches, as it is stored; arguments as for `matching`."""
    named = [
        ("token", access_token.signing_digest or digest),
        ("jti", access_token.token_id),
        ("subject", access_token.subject),
    ]
    named += [(kind, access_token.get(claim)) for kind, claims in index.claims.items() for claim in claims]
    named += [("email", access_token.get(claim)) for claim in index.email_claims]
    issued_at, issuer = math.floor(access_token["iat"]), access_token.get("iss")
    stored = ((kind, index.stored(kind, text_or_nothing(value), issuer)) for kind, value in named)
    for kind, value in dict.fromkeys(stored):
        entry = index.entries[kind].get(value)
        if entry is not None and entry[4] and entry[2] > changed_since:
            entry = (*entry[:4], False, entry[5])  # as it was
        if entry is not None and is_in_force(entry, None if kind in ("token", "jti") else issued_at):
            yield Revocation(kind, value, *entry)


def newest(
    index: RevocationIndex,
    limit: int,
    *,
    kind: str | None = None,
    source: str | None = None,
    prefix: str = "",
    before: tuple[float, str, str] | None = None,
    issuer: str | None = None,
) -> list[Revocation]:
    """Return at most *limit* revocations that are in force, the newest first.

    Args:
        index: what this process knows.
        limit: how many.
        kind: only these.
        source: only those that came from there.
        prefix: only those whose value begins so.
        before: only those that come after this one in the order: its time of change, kind and value.
        issuer: only those of this one, where each is a tenant of its own.
    """
    prefix = index.stored(kind, prefix, issuer)
    if before is not None:
        before = (*before[:2], index.stored(before[1], before[2], issuer))
    found = (
        one
        for one in index
        if not one.is_lifted
        and kind in (None, one.kind)
        and (source is None or (one.origin is not None and one.origin.source == source))
        and one.value.startswith(prefix)
        and (before is None or (one.changed_at, one.kind, one.value) < before)
    )
    return [index.shown(one) for one in heapq.nlargest(limit, found, key=lambda one: (one.changed_at, *one[:2]))]


def last_origin(index: RevocationIndex, kind: str, value: str, issuer: str | None = None) -> Origin | None:
    """Return where the last change about *value* came from, be it a lifting."""
    entry = index.entries[kind].get(index.stored(kind, value, issuer))
    return None if entry is None else entry[5]
