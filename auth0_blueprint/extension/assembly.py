"""Settings to the state of one app: the parts, and what each of them is told by the others."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from flask_caching import Cache
from werkzeug.wsgi import get_host

from auth0_blueprint import signals
from auth0_blueprint.extension.cache_backend import backend_opener, is_configured, reach_of
from auth0_blueprint.guards.authentication import AppRules, AppState
from auth0_blueprint.guards.counters import Counters
from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.keysets.key_set import KeySetError
from auth0_blueprint.keysets.shared import SharedKeySet
from auth0_blueprint.keysets.source import KeySource, refreshed
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.revocation.log import RevocationLog
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.sender_constraining.binding import PROOF, Binding
from auth0_blueprint.sender_constraining.dpop import ProofChecker
from auth0_blueprint.sender_constraining.replay import ReplayMemory
from auth0_blueprint.sender_constraining.target_uri import base_of_host, target_uri
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.certificate_source import certificate_source
from auth0_blueprint.sharing.fleet_sync import RETRY_SECONDS, FleetSync
from auth0_blueprint.sharing.shared_cache import Outage, SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.token_cache import TokenCache
from auth0_blueprint.verification.verifier import Verifier

logger: logging.Logger = logging.getLogger("auth0_blueprint")


def assemble(
    app: Flask,
    settings: Settings,
    cache: Cache | None,
    rules: AppRules,
    *,
    fetch: Callable[[str, float, int], bytes] = fetch,
) -> AppState:
    """Return the state of *app*. Opens nothing, and starts no thread.

    Args:
        app: the app.
        settings: its settings.
        cache: the host's cache, if it has one for us.
        rules: what the app itself has to say about tokens.
        fetch: gets a key set, as `keysets.fetch.fetch` does.
    """
    if settings.cache_secret is None and is_configured(app, cache):
        logger.warning("nothing is shared: set AUTH0_CACHE_SECRET or SECRET_KEY to sign what goes into the cache")
    counters = Counters()
    outage = Outage()
    shared_cache = SharedCache(backend_opener(app, cache), outage=outage)
    token_cache = TokenCache(settings.token_cache_size)
    key_sources = {
        issuer: _key_source(app, settings, shared_cache, token_cache, counters, issuer=issuer, url=url, fetch=fetch)
        for issuer, url in settings.key_set_urls.items()
    }
    # Reads for the board try again sooner than those for key sets: only they tell what was revoked.
    # One for all domains of the tenant, whose users they share. Processes meet here by the first domain, so that in a
    # rolling deployment those that know one more meet those that do not.
    entries = SignedCache(
        SharedCache(shared_cache.open_now, pause_seconds=RETRY_SECONDS, outage=outage),
        secret=settings.cache_secret,
        names=("fleet", settings.issuers[0]),
    )
    fleet_sync = FleetSync(entries, interval_seconds=settings.sync_interval_seconds)
    for issuer, source in key_sources.items():
        fleet_sync.subscribe(refreshed(issuer), source.on_ordered_refresh)
    reach = reach_of(app, cache, is_signed=settings.cache_secret is not None)
    revocations = _revocations(app, settings, fleet_sync, entries, reach) if settings.revocation else None
    return AppState(
        settings=settings,
        cache=shared_cache,
        reach=reach,
        key_sources=key_sources,
        verifier=Verifier(
            settings,
            key_sources,
            remembered=token_cache,
            sync_if_due=fleet_sync.sync_if_due,
            refuse_revoked=_refuse_none if revocations is None else revocations.refuse_revoked,
            on_remembered=counters.count_remembered,
            on_proven=counters.count_proven,
        ),
        binding=_binding(app, settings, entries, reach),
        rules=rules,
        fleet_sync=fleet_sync,
        revocations=revocations,
        counters=counters,
    )


def _refuse_none(_access_token: AccessToken, _token: str) -> None:
    """Stand in for revocations where there are none."""


def _binding(app: Flask, settings: Settings, entries: SignedCache, reach: Callable[[], str]) -> Binding:
    source = None if settings.mtls_cert is None else certificate_source(settings.mtls_cert)
    if settings.dpop == "disabled":
        return Binding(certificate_source=source)
    proofs = ProofChecker(ReplayMemory(entries, reach=reach, is_denying=settings.revocation_on_error == "deny"))
    trusted_hosts = app.config.get("TRUSTED_HOSTS") or []

    def check_proof(environ: Mapping[str, Any], token: str, confirmation: Any) -> None:
        target = target_uri(settings.public_url or _base_url(environ, trusted_hosts), environ)
        proofs.check(
            environ.get(PROOF),
            method=environ["REQUEST_METHOD"],
            target=target,
            access_token=token,
            confirmation=confirmation,
        )

    return Binding(check_proof=check_proof, certificate_source=source, is_proof_required=settings.dpop == "required")


def _base_url(environ: Mapping[str, Any], trusted_hosts: list[str]) -> str:
    """Return scheme and authority, of which Flask has seen that they are trusted.

    Raises:
        SecurityError: they are not; Flask has answered 400 long before.
    """
    return base_of_host(environ["wsgi.url_scheme"], get_host(dict(environ), trusted_hosts), trusted_hosts)


def _revocations(
    app: Flask, settings: Settings, fleet_sync: FleetSync, entries: SignedCache, reach: Callable[[], str]
) -> Revocations:
    def notify_changed(revocation: Revocation) -> None:
        signals.revocation_changed.send(app, revocation=revocation)

    return Revocations(
        RevocationLog(entries, keep_seconds=_keep_seconds(settings)),
        fleet_sync,
        reach=reach,
        max_lifetime_seconds=settings.max_token_lifetime_seconds,
        leeway_seconds=settings.leeway_seconds,
        max_stale_seconds=settings.revocation_max_stale_seconds,
        is_denying=settings.revocation_on_error == "deny",
        on_changed=notify_changed,
    )


def _keep_seconds(settings: Settings) -> int:
    # Twice the leeway: a token may have been issued that much in the future, and is accepted that much after its end.
    return math.ceil(settings.max_token_lifetime_seconds + 2 * settings.leeway_seconds)


def _key_source(
    app: Flask,
    settings: Settings,
    cache: SharedCache,
    token_cache: TokenCache,
    counters: Counters,
    *,
    issuer: str,
    url: str,
    fetch: Callable[[str, float, int], bytes],
) -> KeySource:
    shared = SharedKeySet(
        cache,
        issuer=issuer,
        url=url,
        secret=settings.cache_secret,
        keep_seconds=settings.jwks_max_stale_seconds,
        attempt_seconds=settings.jwks_timeout_seconds,
    )

    def counted_fetch() -> bytes:
        counters.count_key_fetch(issuer)
        return fetch(url, settings.jwks_timeout_seconds, settings.jwks_max_bytes)

    def notify_refreshed(added: tuple[str, ...], removed: tuple[str, ...]) -> None:
        # What a withdrawn key has proven goes at once, and an operator's refresh has all tokens proven anew.
        token_cache.purge()
        signals.key_set_refreshed.send(app, issuer=issuer, added=added, removed=removed)

    def notify_failed(error: FetchError | KeySetError) -> None:
        counters.count_key_fetch_failure(issuer, error.code, getattr(error, "status", None))
        signals.key_set_refresh_failed.send(app, issuer=issuer, reason=str(error))

    return KeySource(
        issuer,
        ttl_seconds=settings.jwks_ttl_seconds,
        refresh_ahead_seconds=settings.jwks_refresh_ahead_seconds,
        max_stale_seconds=settings.jwks_max_stale_seconds,
        cooldown_seconds=settings.jwks_cooldown_seconds,
        fetch=counted_fetch,
        shared=shared,
        on_refreshed=notify_refreshed,
        on_failed=notify_failed,
    )
