"""The parts of one app that handle events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.revocation.events.event_token import EventTokenVerifier
from auth0_blueprint.revocation.events.receiver import EventReceiver


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AppEvents:
    """The parts of an app that handle events.

    Attributes:
        receiver: puts events into force.
        logout: verifies logout tokens.
        security: verifies security event tokens.
        global_revocation: verifies the JWTs of identity providers.
        key_sources: the keys of senders that are not issuers of access tokens, by the URL of the key set.
    """

    receiver: EventReceiver
    logout: EventTokenVerifier
    security: EventTokenVerifier
    global_revocation: EventTokenVerifier
    key_sources: Mapping[str, KeySource]
