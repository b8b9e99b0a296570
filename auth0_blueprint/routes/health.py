"""``GET /auth/health`` (readiness, dashboards) and ``GET /auth/health/live`` (liveness)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from flask import Response, jsonify, request
from marshmallow import Schema, fields, validate

from auth0_blueprint.errors import Auth0Error, KeySetUnavailableError
from auth0_blueprint.guards.authentication import AppState, app_state, verify_request
from auth0_blueprint.keysets.snapshot import KeySourceStatus
from auth0_blueprint.routes.access import holds
from auth0_blueprint.routes.tenant import sees_whole_app
from auth0_blueprint.sharing.reach import NOT_SHARED, WITHHELD, is_lost_between_processes
from auth0_blueprint.sharing.shared_store import OperationStatus
from auth0_blueprint.verification.access_token import ANONYMOUS, AccessToken
from auth0_blueprint.verification.secret_keys import NO_KEY_SET

MAX_WAIT_SECONDS = 1.0
OUT_OF_TOUCH = (
    "The shared cache has been out of reach for AUTH0_REVOCATION_MAX_STALE: this process may miss what others revoked. "
    "Check the cache."
)
RESTORED = "The shared store lost revocations; this process restored those it knew. Check that none is missing."

LOADING = "The revocations are still being loaded: requests with tokens get 503 until then."

_STATUS = fields.String(required=True, validate=validate.OneOf(["pass", "warn", "fail"]))


class KeySetStateSchema(Schema):
    """The state of one issuer's key set. Times in seconds."""

    issuer: fields.String = fields.String(required=True)
    status: fields.String = _STATUS
    state: fields.String = fields.String(
        required=True, validate=validate.OneOf(["fresh", "due", "stale", "expired", "none"])
    )
    age_seconds: fields.Float = fields.Float(required=True, allow_none=True)
    refresh_in_seconds: fields.Float = fields.Float(required=True, allow_none=True)
    source: fields.String = fields.String(required=True, allow_none=True, validate=validate.OneOf(["network", "cache"]))
    generation: fields.Integer = fields.Integer(required=True)
    skipped: fields.List[Any] = fields.List(fields.String(), required=True)
    consecutive_failures: fields.Integer = fields.Integer(required=True)
    last_error: fields.String = fields.String(required=True, allow_none=True)


class KeySetCheckSchema(KeySetStateSchema):
    """One issuer's key set, as readiness depends on it."""

    keys: fields.Integer = fields.Integer(required=True)


class CacheCheckSchema(Schema):
    """The shared cache: how far it reaches, and how many of its entries were rejected as invalid."""

    status: fields.String = _STATUS
    type: fields.String = fields.String(required=True, allow_none=True)
    reachable: fields.Boolean = fields.Boolean(required=True)
    writable: fields.Boolean = fields.Boolean(required=True)
    signed: fields.Boolean = fields.Boolean(required=True)
    reach: fields.String = fields.String(required=True, validate=validate.OneOf(["process", "machine", "fleet"]))
    ignored: fields.Integer = fields.Integer(required=True)
    notes: fields.List[Any] = fields.List(fields.String(), required=True)


class RevocationsCheckSchema(Schema):
    """How current the revocations in this process are. ``null`` where revocation is off."""

    status: fields.String = _STATUS
    known: fields.Integer = fields.Integer(required=True)
    reach: fields.String = fields.String(required=True, validate=validate.OneOf(["process", "machine", "fleet"]))
    age_seconds: fields.Float = fields.Float(required=True, allow_none=True)
    notes: fields.List[Any] = fields.List(fields.String(), required=True)


class ChecksSchema(Schema):
    """The checks behind the status."""

    key_sets: fields.List[Any] = fields.List(fields.Nested(KeySetCheckSchema), required=True)
    note: fields.String = fields.String(metadata={"description": "why there is no key set"})
    cache: fields.Nested = fields.Nested(
        CacheCheckSchema, metadata={"description": "absent for admins of one of several tenants"}
    )
    revocations: fields.Nested = fields.Nested(
        RevocationsCheckSchema, allow_none=True, metadata={"description": "likewise"}
    )


class HealthSchema(Schema):
    """The response, as ``application/health+json``."""

    status: fields.String = _STATUS
    checks: fields.Nested = fields.Nested(ChecksSchema)


def live() -> Response:
    """Return ``pass`` as long as the process answers."""
    return _answer({"status": "pass"})


def health() -> Response:
    """Return whether tokens can be verified; with details for callers who may see them.

    Causes at most one fetch for each issuer, which all requests share, and waits at most `MAX_WAIT_SECONDS` for all of
    them together.
    """
    state = app_state()
    _have_key_sets_fetched(state)
    key_sets = [source.status() for source in state.key_sources.values()]
    cache = _cache_check(state)
    revocations = _revocations_check(state)
    status = _worst(
        _status_of_all(state, key_sets), cache["status"], "pass" if revocations is None else revocations["status"]
    )
    body: dict[str, Any] = {"status": status}
    viewer = _viewer(state)
    if viewer is not None:
        shown = [key_set for key_set in key_sets if state.directory is None or key_set.issuer == viewer.issuer]
        body["checks"] = {
            "key_sets": [key_set_check(key_set) for key_set in shown],
            **({} if state.settings.key_set_urls or state.directory is not None else {"note": NO_KEY_SET}),
        }
        if sees_whole_app(state, viewer):
            body["checks"] |= {"cache": cache, "revocations": revocations}
    return _answer(body)


def _answer(body: dict[str, Any]) -> Response:
    response = jsonify(HealthSchema().dump(body))
    response.status_code = 503 if body["status"] == "fail" else 200
    response.content_type = "application/health+json"
    response.headers["Cache-Control"] = "no-store"
    return response


def _have_key_sets_fetched(state: AppState) -> None:
    until = state.clock.monotonic() + MAX_WAIT_SECONDS
    # All fetches start before any is waited for: one that hangs must not make the others look unavailable.
    for is_waiting in (False, True):
        for source in state.key_sources.values():
            with suppress(KeySetUnavailableError):
                source.snapshot(max(0.0, until - state.clock.monotonic()) if is_waiting else 0.0)


def _status_of_all(state: AppState, key_sets: list[KeySourceStatus]) -> str:
    """Return ``fail`` only if none is usable: this process can still serve the tokens of the other issuers.

    Where a function decides, there are always others.
    """
    status = _worst(*map(_status_of, key_sets))
    is_serving = state.directory is not None or any(key_set.is_usable for key_set in key_sets)
    return "warn" if status == "fail" and is_serving else status


def _status_of(key_set: KeySourceStatus) -> str:
    if not key_set.is_usable:
        return "fail"
    return "warn" if key_set.consecutive_failures or key_set.state == "stale" else "pass"


def _worst(*statuses: str) -> str:
    return max(statuses, key=("pass", "warn", "fail").index, default="pass")


def key_set_check(key_set: KeySourceStatus) -> dict[str, Any]:
    """Return *key_set* as `KeySetCheckSchema` describes it."""
    return cast("dict[str, Any]", KeySetCheckSchema().dump({"status": _status_of(key_set), **key_set._asdict()}))


def _cache_check(state: AppState) -> dict[str, Any]:
    state.cache.probe()
    backend, reach = state.cache.backend, state.reach()
    if reach != "process":
        state.fleet_sync.sync_if_due()
        state.store.probe_writes(2 * state.settings.sync_interval_seconds)
    is_signed = state.settings.cache_secret is not None
    is_reachable = not state.cache.has_failed and state.store.reads.reason is None
    is_withheld = state.is_withheld()
    notes = [NOT_SHARED] if is_lost_between_processes(reach, request.environ) and not is_withheld else []
    notes += [WITHHELD] * is_withheld
    notes += [f"{name}: {status.reason}." for name, status in _failing(state)]
    is_used = (backend is None or is_signed) and not is_withheld
    is_healthy = is_reachable and state.store.writes.reason is None and is_used
    return {
        "status": "fail" if _denies_without_writes(state) else "pass" if is_healthy else "warn",
        "type": None if backend is None else type(backend).__name__,
        "reachable": is_reachable,
        "writable": is_reachable and state.store.writes.reason is None,
        "signed": is_signed,
        "reach": reach,
        "ignored": sum(source.ignored_entries for source in state.key_sources.values()),
        "notes": notes,
    }


def _failing(state: AppState) -> list[tuple[str, OperationStatus]]:
    statuses = (("Reads fail", state.store.reads), ("Writes fail", state.store.writes))
    return [(name, status) for name, status in statuses if status.reason is not None]


def _denies_without_writes(state: AppState) -> bool:
    """Return whether every DPoP request is rejected, because its proof cannot be remembered."""
    settings = state.settings
    is_needed = settings.revocation_on_error == "deny" and settings.dpop == "required"
    return is_needed and state.store.writes.reason is not None


def _revocations_check(state: AppState) -> dict[str, Any] | None:
    if state.revocations is None:
        return None
    state.fleet_sync.sync_if_due()
    found = state.revocations.status()
    notes = [OUT_OF_TOUCH] * (not found.is_current) + [RESTORED] * found.was_restored
    notes += [LOADING] * (not found.is_loaded and not state.fleet_sync.is_failing)
    return {
        "status": "warn" if notes else "pass",
        "known": found.known,
        "reach": found.reach,
        "age_seconds": found.age_seconds,
        "notes": notes,
    }


def _viewer(state: AppState) -> AccessToken | None:
    """Return the token of a caller who may see details, `ANONYMOUS` where anyone may; else ``None``."""
    if state.settings.health_details != "authorized":
        return ANONYMOUS if state.settings.health_details == "always" else None
    try:
        # With cached keys only: a token must not make this answer wait, or cause a fetch.
        access_token = verify_request(state, request.environ, cached_only=True)
    except Auth0Error:
        return None
    return access_token if holds(access_token, state.settings.admin_scope, state.settings) else None
