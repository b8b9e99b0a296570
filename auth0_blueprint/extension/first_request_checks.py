"""Mistakes in how an app is put together that show only when it is complete: checked at the first request."""

from __future__ import annotations

import logging
from contextlib import suppress

from flask import Flask, current_app, request

from auth0_blueprint.extension.decorator_order import check_decorator_order
from auth0_blueprint.extension.error_routers import let_refusals_through
from auth0_blueprint.extension.jwt_manager import still_answers
from auth0_blueprint.extension.jwt_required import check_arguments
from auth0_blueprint.extension.jwt_settings import refuse_contradictions
from auth0_blueprint.extension.misplaced_guards import check_that_guards_have_effect
from auth0_blueprint.extension.shadowed_routes import warn_of_shadowed_routes
from auth0_blueprint.extension.telemetry import put_server_spans_first
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.guards.misused_guards import check_that_no_guard_is_dropped
from auth0_blueprint.guards.organizations import check_organizations
from auth0_blueprint.sharing.reach import NOT_SHARED, is_lost_between_processes
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError

logger: logging.Logger = logging.getLogger("auth0_blueprint")


def check_at_first_request(app: Flask) -> None:
    """Check *app* before it answers its first request. Once the check passes, later requests skip it."""
    pending = [NOT_SHARED]

    def check() -> None:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        state = app_state()
        check_that_guards_have_effect(app)
        check_that_no_guard_is_dropped(app)
        check_decorator_order(app)
        check_arguments(app)
        check_organizations(app, state)
        refuse_contradictions(app.config, state.settings)
        let_refusals_through(app)
        warn_of_shadowed_routes(app, state.settings)
        if not still_answers(app, state.rules):
            raise RuntimeError(
                "Another JWTManager or app_ctx_globals_class was set on this app after Auth0Blueprint(). To solve "
                "this, use the blueprint's own .jwt_manager, and set the class before registering the blueprint."
            )
        with suppress(CacheUnavailableError):
            state.cache.open()
        if is_lost_between_processes(state.reach(), request.environ) and not state.is_withheld():
            with suppress(IndexError):  # a concurrent first request has already logged it
                logger.warning("%s", pending.pop())
        if state.settings.otel:
            put_server_spans_first(app.before_request_funcs[None], check)
        # A new list: the old one may be in use by this very request.
        app.before_request_funcs[None] = [hook for hook in app.before_request_funcs[None] if hook is not check]

    # First, before a hook of the app that answers the request itself.
    app.before_request_funcs.setdefault(None, []).insert(0, check)
