"""``/auth/admin/...``: the settings in force, the key sets, and the counters of this process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from auth0_blueprint.errors import KeySetUnavailableError, RateLimitedError
from auth0_blueprint.guards.authentication import AppState, app_state
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.shared_copy import refreshed
from auth0_blueprint.keysets.snapshot import Snapshot
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.routes.audit import notify_admin_acted
from auth0_blueprint.routes.bodies import answer
from auth0_blueprint.routes.health import KeySetStateSchema, key_set_check
from auth0_blueprint.routes.tenant import check_sees_whole_app, own_key_sources
from auth0_blueprint.sharing.store import StoreError
from auth0_blueprint.verification.secret_keys import NO_KEY_SET

REFRESH_INTERVAL_SECONDS = 5.0


class SettingSchema(Schema):
    """One setting in force."""

    key: fields.String = fields.String(required=True)
    value: fields.Raw = fields.Raw(required=True, allow_none=True, metadata={"description": "secrets are masked"})
    source: fields.String = fields.String(
        required=True, validate=validate.OneOf(["app.config", "environment", "default"])
    )


class ConfigSchema(Schema):
    """The settings in force."""

    settings: fields.List[Any] = fields.List(fields.Nested(SettingSchema), required=True)


class KeySchema(Schema):
    """One key that verifies tokens."""

    kid: fields.String = fields.String(required=True, allow_none=True)
    kty: fields.String = fields.String(required=True)
    crv: fields.String = fields.String(required=True, allow_none=True)
    alg: fields.String = fields.String(required=True, allow_none=True)
    use: fields.String = fields.String(required=True)
    thumbprint: fields.String = fields.String(required=True, metadata={"description": "RFC 7638, SHA-256"})


class KeySetSchema(KeySetStateSchema):
    """One issuer's key set, with its keys."""

    url: fields.String = fields.String(required=True)
    keys: fields.List[Any] = fields.List(fields.Nested(KeySchema), required=True)
    fetches: fields.Integer = fields.Integer(required=True)
    ignored: fields.Integer = fields.Integer(
        required=True, metadata={"description": "shared entries rejected as invalid"}
    )


class KeySetsSchema(Schema):
    """The key sets of all issuers. With ``AUTH0_SIGNING_SECRET`` there are none, and a note says so."""

    key_sets: fields.List[Any] = fields.List(fields.Nested(KeySetSchema), required=True)
    note: fields.String = fields.String()


def _counts(description: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Integer()),
        required=True,
        metadata={"description": description},
    )


class StatsSchema(Schema):
    """The counters of this process since it started."""

    verified: fields.Integer = fields.Integer(required=True)
    delegated: fields.Integer = fields.Integer(
        required=True, metadata={"description": "those of them that an actor uses on behalf of the subject"}
    )
    rejected: fields.Dict = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    token_cache_hits: fields.Integer = fields.Integer(
        required=True, metadata={"description": "tokens that were remembered, and so not verified again"}
    )
    key_fetches: fields.Integer = fields.Integer(required=True)
    token_requests: fields.Dict = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "for tokens of the API itself, by outcome: issued, or the code of the error"},
    )
    revocations: fields.Integer = fields.Integer(
        required=True, metadata={"description": "in force, as far as this process knows"}
    )
    events: fields.Dict = _counts("events, by route and by what became of them")
    events_refused: fields.Dict = _counts("requests of senders of events that were refused, by route and reason")


def config() -> Response:
    """Return the settings in force.

    Raises:
        InsufficientClaimsError: the caller is an admin of one of several tenants.
    """
    check_sees_whole_app()
    return answer(ConfigSchema(), {"settings": app_state().settings.effective})


def jwks() -> Response:
    """Return the key sets that this process has; fetches nothing."""
    state = app_state()
    reports = [key_set_report(state, source) for source in own_key_sources(state).values()]
    return answer(KeySetsSchema(), key_sets_document(reports))


def key_sets_document(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return *reports*, one for each key set, as `KeySetsSchema` describes them."""
    return {"key_sets": reports, **({} if reports else {"note": NO_KEY_SET})}


def refresh() -> Response:
    """Fetch every key set that the caller may see now, in all processes. Where there is none this only says so.

    Raises:
        KeySetUnavailableError: one could not be fetched. The others are in force all the same.
    """
    state = app_state()
    sources = own_key_sources(state)
    if not sources:
        return jwks()
    _limit_rate(state, sources)
    failure: KeySetUnavailableError | None = None
    for issuer, outcome in _fetched_now(state, sources).items():
        if isinstance(outcome, Snapshot):
            with suppress(StoreError):  # then it takes effect in this process only
                state.fleet_sync.post(refreshed(issuer), {"fetched_at": outcome.fetched_at})
            notify_admin_acted("refresh", f"key set of {issuer}", None)
        else:
            failure = outcome
    if failure is not None:
        raise failure
    return jwks()


def _fetched_now(state: AppState, sources: Mapping[str, KeySource]) -> dict[str, Snapshot | KeySetUnavailableError]:
    """Ask all issuers at once, so that one that hangs does not delay the others."""
    from concurrent.futures import (
        ThreadPoolExecutor,
    )  # imported here: few processes need it, and it adds 2 ms to a start

    def fetch_now(source: KeySource) -> Snapshot | KeySetUnavailableError:
        try:
            return source.refresh_now(state.settings.jwks_timeout_seconds)
        except KeySetUnavailableError as exc:
            return exc

    with ThreadPoolExecutor(len(sources), "auth0-refresh") as threads:
        return dict(zip(sources, threads.map(fetch_now, sources.values()), strict=True))


def stats() -> Response:
    """Return the counters.

    Raises:
        InsufficientClaimsError: the caller is an admin of one of several tenants.
    """
    check_sees_whole_app()
    state = app_state()
    revocations = 0 if state.revocations is None else state.revocations.status().known
    return answer(
        StatsSchema(),
        {
            "verified": state.counters.verified,
            "delegated": state.counters.delegated,
            "rejected": state.counters.rejected,
            "token_cache_hits": state.counters.remembered,
            "key_fetches": sum(state.counters.key_fetches.values()),
            "token_requests": state.counters.token_requests,
            "revocations": revocations,
            "events": state.counters.events,
            "events_refused": state.counters.events_refused,
        },
    )


def key_set_report(state: AppState, source: KeySource) -> dict[str, Any]:
    """Return the cached key set in *source*, as `KeySetSchema` describes it."""
    return {
        **key_set_check(source.status()),
        "url": state.settings.key_set_url(source.issuer),
        "keys": [_key(key) for key in source.cached_keys()],
        "fetches": state.counters.key_fetches.get(source.issuer, 0),
        "ignored": source.ignored_entries,
    }


def _key(key: VerificationKey) -> dict[str, Any]:
    return {
        "kid": key.key_id,
        "kty": key.key_type,
        "crv": key.curve,
        "alg": key.algorithm.name if key.algorithm else None,
        "use": "sig",
        "thumbprint": key.thumbprint,
    }


def _limit_rate(state: AppState, sources: Mapping[str, KeySource]) -> None:
    ages = [source.seconds_since_refresh for source in sources.values()]
    with suppress(StoreError):
        posted = [state.fleet_sync.read(refreshed(issuer)) for issuer in sources]
        # These times are by other machines' clocks, which may be ahead.
        ages += [abs(state.clock.time() - entry["fetched_at"]) for entry in posted if entry is not None]
    wait_seconds = REFRESH_INTERVAL_SECONDS - min(ages)
    if wait_seconds > 0:
        raise RateLimitedError(retry_after_seconds=math.ceil(wait_seconds))
