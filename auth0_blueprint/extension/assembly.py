"""Builds the state of one app from its settings: creates the parts and connects them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from flask import Flask

from auth0_blueprint import signals
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.places import PartOfPlaces, Places
from auth0_blueprint.extension.binding_assembly import assemble_binding
from auth0_blueprint.extension.sharing_assembly import Sharing
from auth0_blueprint.extension.token_requests_assembly import token_requests_of
from auth0_blueprint.guards.authentication import AppRules, AppState
from auth0_blueprint.guards.counters import Counters
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.fetch import fetch as fetch_key_set
from auth0_blueprint.keysets.key_set import KeySetError
from auth0_blueprint.keysets.shared_copy import SharedKeySet, refreshed
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.revocation.blobs import BlobSigner
from auth0_blueprint.revocation.index import Revocation, RevocationIndex
from auth0_blueprint.revocation.previous_log import PreviousLog
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.revocation.shared_set import SharedSet
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.settings import Settings
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import Outage, SharedCache
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.signed_cache import SignedCache
from auth0_blueprint.verification.secret_keys import secret_keys_of
from auth0_blueprint.verification.sequence import Step, VerificationSequence
from auth0_blueprint.verification.token_cache import TokenCache
from auth0_blueprint.verification.verifier import KeyFinders, Verifier

if TYPE_CHECKING:
    from flask_caching import Cache

    from auth0_blueprint.keysets.directory import IssuerDirectory
    from auth0_blueprint.revocation.events.app_events import AppEvents

logger: logging.Logger = logging.getLogger("auth0_blueprint")


class Fetch(Protocol):
    """Gets a key set, as `keysets.fetch.fetch` does."""

    def __call__(self, url: str, timeout_seconds: float, max_bytes: int, *, no_cache: bool) -> FetchedKeySet: ...  # noqa: D102


def assemble(
    app: Flask,
    settings: Settings,
    cache: Cache | None,
    rules: AppRules,
    *,
    fetch: Fetch | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AppState:
    """Return the state of *app*. Opens nothing, and starts no thread.

    Args:
        app: the app.
        settings: its settings.
        cache: the host's cache, if it has one for us.
        rules: the app's own rules for tokens.
        fetch: gets a key set; else that of `keysets.fetch` does, with the User-Agent of the settings.
        clock: the time for all parts.
    """
    fetch = fetch or partial(fetch_key_set, user_agent=settings.jwks_user_agent)
    parts = _common_parts(app, settings, cache, fetch, clock)
    static = {issuer: _key_source(parts, issuer, url) for issuer, url in settings.key_set_urls.items()}
    fleet_sync = _fleet_sync(parts, static)
    directory = _directory(parts, fleet_sync)
    key_sources: Mapping[str, KeySource] = static if directory is None else directory.sources
    revocations = _revocations(parts, fleet_sync) if settings.revocation else None
    binding = assemble_binding(app, settings, parts.store, clock)
    verifier = _verifier(parts, directory or static, fleet_sync)
    return AppState(
        settings=settings,
        cache=parts.cache,
        store=parts.store,
        reach=parts.reach,
        is_withheld=parts.is_withheld,
        key_sources=key_sources,
        directory=directory,
        sequence=VerificationSequence(verifier.prove, _steps(directory, revocations, binding, rules)),
        binding=binding,
        rules=rules,
        fleet_sync=fleet_sync,
        revocations=revocations,
        counters=parts.counters,
        token_requests=token_requests_of(settings, revocations, parts.store, clock, parts.counters.count_token_request),
        events=None if revocations is None else _events(parts, revocations, directory or static),
        clock=clock,
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _CommonParts:
    """What the other parts are built from, or share."""

    app: Flask
    settings: Settings
    fetch: Fetch
    clock: Clock
    counters: Counters
    token_cache: TokenCache
    #: For the requests that wait for a new key, of whatever issuer.
    places: Places
    cache: SharedCache
    #: Where earlier releases stored the same entries, if that was elsewhere: among those of the host.
    earlier_cache: SharedCache | None
    reach: Callable[[], str]
    is_withheld: Callable[[], bool]
    store_named: Callable[[str], SharedStore]
    #: What the fleet shares besides key sets, and who signs it.
    store: SharedStore
    signer: EntrySigner


def _common_parts(app: Flask, settings: Settings, cache: Cache | None, fetch: Fetch, clock: Clock) -> _CommonParts:
    sharing = Sharing(app, cache, settings.sharing_limit)
    if settings.cache_secret is None and sharing.is_configured():
        logger.warning("nothing is shared: set AUTH0_CACHE_SECRET or SECRET_KEY to sign the entries in the cache")
    outage = Outage()
    shared_cache = SharedCache(sharing.open_backend, clock=clock, outage=outage)
    # For one API, and all domains of a tenant, which share their users. Named after the first: processes of a rolling
    # deployment with one more domain share it with those without.
    signer = EntrySigner(settings.cache_secret or "", "store", settings.fleet_name, settings.audience[0])

    def store_named(name: str) -> SharedStore:
        return SharedStore(sharing.store_opener(shared_cache.open_now, name, clock), reach=sharing.reach, clock=clock)

    return _CommonParts(
        app=app,
        settings=settings,
        fetch=fetch,
        clock=clock,
        counters=Counters(),
        token_cache=TokenCache(settings.token_cache_size),
        places=Places(settings.jwks_max_waiting),
        cache=shared_cache,
        earlier_cache=None if cache is None else SharedCache(sharing.open_earlier, clock=clock, outage=outage),
        reach=sharing.reach,
        is_withheld=sharing.is_withheld,
        store_named=store_named,
        store=store_named(signer.digest),
        signer=signer,
    )


def _fleet_sync(parts: _CommonParts, key_sources: Mapping[str, KeySource]) -> FleetSync:
    interval_seconds = parts.settings.sync_interval_seconds
    fleet_sync = FleetSync(parts.store, parts.signer, interval_seconds=interval_seconds, clock=parts.clock)
    for issuer, source in key_sources.items():
        fleet_sync.subscribe(refreshed(issuer), source.on_ordered_refresh)
    return fleet_sync


def _directory(parts: _CommonParts, fleet_sync: FleetSync) -> IssuerDirectory | None:
    """Return where the key sets are kept if a function says which issuers are ours."""
    if parts.settings.domain_function is None:
        return None
    from auth0_blueprint.extension.issuers import assemble_directory  # few apps have such a function

    return assemble_directory(parts.settings, partial(_key_source, parts), fleet_sync, parts.clock)


def _verifier(parts: _CommonParts, keys: KeyFinders, fleet_sync: FleetSync) -> Verifier:
    return Verifier(
        parts.settings,
        secret_keys_of(parts.settings) or keys,
        clock=parts.clock,
        remembered=parts.token_cache,
        sync_if_due=fleet_sync.sync_if_due,
        on_remembered=parts.counters.count_remembered,
        on_proven=parts.counters.count_proven,
    )


def _steps(
    directory: IssuerDirectory | None, revocations: Revocations | None, binding: Binding, rules: AppRules
) -> tuple[Step, ...]:
    """Return the steps that may refuse a proven token, in order. One added here applies wherever tokens are checked."""
    issuer = () if directory is None else (Step("tenant", lambda token, _: directory.check(token.issuer)),)
    revocation = () if revocations is None else (Step("revocation", revocations.check_not_revoked),)
    return (*issuer, *revocation, Step("binding", binding.check), Step("rules", rules.check_app_rules))


def _revocations(parts: _CommonParts, fleet_sync: FleetSync) -> Revocations:
    settings = parts.settings

    def notify_changed(revocation: Revocation) -> None:
        signals.revocation_changed.send(parts.app, revocation=revocation)

    new_index = RevocationIndex
    if settings.domain_function is not None:
        from auth0_blueprint.revocation.tenants import TenantIndex  # few apps have many tenants

        new_index = TenantIndex
    index = new_index(parts.clock, settings.events.email_claims, settings.events.session_claim or "sid")
    # Twice the leeway: a token may be issued that far in the future, and is accepted that long after it expired.
    keep_seconds = math.ceil(settings.max_token_lifetime_seconds + 2 * settings.leeway_seconds)
    blobs = BlobSigner(settings.cache_secret or "", parts.signer.digest)
    return Revocations(
        index,
        SharedSet(parts.store, blobs, index, keep_seconds=keep_seconds, clock=parts.clock),
        fleet_sync,
        previous_log=_previous_log(parts) if settings.issuers else None,  # no earlier release knew functions
        reach=parts.reach,
        max_lifetime_seconds=settings.max_token_lifetime_seconds,
        leeway_seconds=settings.leeway_seconds,
        max_stale_seconds=settings.revocation_max_stale_seconds,
        is_denying=settings.revocation_on_error == "deny",
        clock=parts.clock,
        on_changed=lambda: notify_changed if signals.revocation_changed.receivers else None,
    )


def _previous_log(parts: _CommonParts) -> PreviousLog:
    secret, names = parts.settings.cache_secret, ("fleet", parts.settings.issuers[0])  # as in the earlier layout
    caches = [parts.cache] if parts.earlier_cache is None else [parts.cache, parts.earlier_cache]
    return PreviousLog(*(SignedCache(cache, secret=secret, names=names) for cache in caches))


def _events(
    parts: _CommonParts, revocations: Revocations, keys: IssuerDirectory | Mapping[str, KeySource]
) -> AppEvents | None:
    if not parts.settings.events.sources:
        return None
    from auth0_blueprint.extension.events_assembly import assemble_events  # few apps have senders of events

    make_key_source = partial(_key_source, parts)
    return assemble_events(parts.settings, revocations, parts.store, keys, make_key_source, parts.clock)


def _key_source(parts: _CommonParts, issuer: str, url: str) -> KeySource:
    settings = parts.settings

    def counted_fetch(no_cache: bool) -> FetchedKeySet:
        parts.counters.count_key_fetch(issuer)
        return parts.fetch(url, settings.jwks_timeout_seconds, settings.jwks_max_bytes, no_cache=no_cache)

    def notify_refreshed(added: tuple[str, ...], removed: tuple[str, ...]) -> None:
        # Tokens verified with a removed key are dropped at once; a refresh by an operator has all verified again.
        parts.token_cache.purge()
        signals.key_set_refreshed.send(parts.app, issuer=issuer, added=added, removed=removed)

    def notify_failed(error: FetchError | KeySetError) -> None:
        parts.counters.count_key_fetch_failure(issuer, error.code, getattr(error, "status", None))
        signals.key_set_refresh_failed.send(parts.app, issuer=issuer, reason=str(error))

    return KeySource(
        issuer,
        ttl_seconds=settings.jwks_ttl_seconds,
        refresh_ahead_seconds=settings.jwks_refresh_ahead_seconds,
        max_stale_seconds=settings.jwks_max_stale_seconds,
        cooldown_seconds=settings.jwks_cooldown_seconds,
        honors_max_age=settings.jwks_honor_max_age,
        places=_places_of_one(parts),
        fetch=counted_fetch,
        shared=_shared_key_set(parts, issuer, url),
        clock=parts.clock,
        on_refreshed=notify_refreshed,
        on_failed=notify_failed,
    )


def _places_of_one(parts: _CommonParts) -> Places:
    is_only_one, number = len(parts.settings.issuers) == 1, max(1, parts.settings.jwks_max_waiting // 2)
    # Half of them, where there are others: one that hangs leaves them some.
    return parts.places if is_only_one else PartOfPlaces(parts.places, number)


def _shared_key_set(parts: _CommonParts, issuer: str, url: str) -> SharedKeySet:
    secret = parts.settings.cache_secret
    # Key sets belong to the issuer: all of its APIs on this cache share them, and the lease.
    signer = EntrySigner(secret or "", issuer, url)
    return SharedKeySet(
        SignedCache(parts.cache, secret=secret, names=(issuer, url)),
        parts.store_named(signer.digest),
        signer,
        keep_seconds=parts.settings.jwks_max_stale_seconds,
        # A lease outlasts the longest fetch.
        attempt_seconds=parts.settings.jwks_timeout_seconds,
        clock=parts.clock,
    )
