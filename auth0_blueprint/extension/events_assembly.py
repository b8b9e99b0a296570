"""Builds what one app has for events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.places import Places
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.jose.algorithms import ALGORITHMS, Algorithm
from auth0_blueprint.keysets.directory import IssuerDirectory
from auth0_blueprint.keysets.snapshot import FoundKey
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.revocation.events.app_events import AppEvents
from auth0_blueprint.revocation.events.event_token import EventTokenVerifier, Issuer, Issuers
from auth0_blueprint.revocation.events.receiver import EventReceiver
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.event_senders import EventSender
from auth0_blueprint.sharing.shared_store import SharedStore

# RFC 7515 §4.1.9: a type without a slash is short for the one below ``application/``.
# Auth0 writes ``JWT`` into logout tokens; their claims tell them from access tokens and ID tokens.
_LOGOUT_TYPES = frozenset({"logout+jwt", "application/logout+jwt", "jwt", "application/jwt", None})
_SECURITY_TYPES = frozenset({"secevent+jwt", "application/secevent+jwt"})
_REVOCATION_TYPES = frozenset({"global-token-revocation+jwt", "application/global-token-revocation+jwt"})


def assemble_events(
    settings: Settings,
    revocations: Revocations,
    store: SharedStore,
    keys: IssuerDirectory | Mapping[str, KeySource],
    make_key_source: Callable[[str, str], KeySource],
    clock: Clock,
) -> AppEvents:
    """Return what an app has for events, if somebody may send any.

    Args:
        settings: of the app.
        revocations: what events change.
        store: where the fleet remembers which events were handled.
        keys: the issuers of access tokens, each with its keys.
        make_key_source: makes the keys of another issuer, given its identifier and the URL of its key set.
        clock: tells the time.
    """
    made: dict[str, KeySource] = {}
    # Where a function decides which issuers are ours, nobody else sends events: see `settings.domain_function`.
    own_keys: Mapping[str, KeySource] = {} if isinstance(keys, IssuerDirectory) else keys
    places = Places(max(1, settings.jwks_max_waiting // 2))

    def issuer_of(sender: EventSender) -> Issuer:
        is_own = settings.key_set_urls.get(sender.issuer) == sender.jwks_url
        if not is_own and sender.jwks_url not in made:
            made[sender.jwks_url] = make_key_source(sender.issuer, sender.jwks_url)
        key_for = own_keys[sender.issuer].key_for if is_own else _few_at_once(made[sender.jwks_url], places)
        return Issuer(key_for, frozenset(sender.audience), tuple(ALGORITHMS))

    def verifier(issuers: Issuers, types: frozenset[str | None], *, requires_expiry: bool = True) -> EventTokenVerifier:
        return EventTokenVerifier(
            issuers,
            types=types,
            max_bytes=settings.max_token_bytes,
            leeway_seconds=settings.leeway_seconds,
            requires_expiry=requires_expiry,
            clock=clock,
        )

    own = _IssuersOfAccessTokens(keys, frozenset(settings.events.logout_client_ids), settings.algorithms)
    security = {sender.issuer: issuer_of(sender) for sender in settings.events.transmitters}
    revoking = {sender.issuer: issuer_of(sender) for sender in settings.events.global_revocation}
    return AppEvents(
        receiver=EventReceiver(revocations, store, clock=clock),
        logout=verifier(own, _LOGOUT_TYPES),
        security=verifier(security, _SECURITY_TYPES, requires_expiry=False),  # RFC 8417 §2.2
        global_revocation=verifier(revoking, _REVOCATION_TYPES),
        key_sources=made,
    )


class _IssuersOfAccessTokens(NamedTuple):
    """They tell of logouts as well: to *clients*, signed as access tokens are."""

    keys: IssuerDirectory | Mapping[str, KeySource]
    clients: frozenset[str]
    algorithms: tuple[str, ...]

    def get(self, issuer: str, /) -> Issuer | None:
        keys = self.keys.get(issuer)
        return None if keys is None else Issuer(keys.key_for, self.clients, self.algorithms)


def _few_at_once(source: KeySource, places: Places) -> Callable[[str | None, Algorithm], FoundKey]:
    """Return what finds keys in *source*, and waits for them only if one of *places* is free.

    Anybody may send tokens that name made-up keys of a sender whose key set comes slowly, or not at all. They must
    leave threads, and places for those who wait for a key, to the requests with access tokens.
    """

    def key_for(key_id: str | None, algorithm: Algorithm) -> FoundKey:
        with places.take() as has_place:
            if has_place:
                return source.key_for(key_id, algorithm)
        try:
            return source.cached_key(key_id, algorithm)
        except UnknownKeyError as exc:
            raise KeySetUnavailableError from exc  # a good event comes again

    return key_for
