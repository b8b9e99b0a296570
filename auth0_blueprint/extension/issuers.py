"""Asks the app's own function in ``AUTH0_DOMAIN`` whether an issuer is one of ours; imported where there is one."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable
from typing import cast

from flask import has_request_context, request

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.keysets.directory import IssuerDirectory
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.domain_function import DomainFunction
from auth0_blueprint.settings.key_set_urls import key_set_url_of
from auth0_blueprint.sharing.fleet_sync import FleetSync

logger: logging.Logger = logging.getLogger("auth0_blueprint")

RETRY_AFTER_SECONDS = 1
#: Of a request, what the function can hardly tell tenants apart by: it may be another in each one.
_EVER_NEW = frozenset({"HTTP_AUTHORIZATION", "HTTP_DPOP", "REMOTE_PORT"})


def assemble_directory(
    settings: Settings, make_key_source: Callable[[str, str], KeySource], fleet_sync: FleetSync, clock: Clock
) -> IssuerDirectory:
    """Return where the key sets are kept if a function says which issuers are ours.

    Args:
        settings: of the app; with a function.
        make_key_source: makes the keys of an issuer, given its identifier and the URL of its key set.
        fleet_sync: tells of orders to fetch a key set anew.
        clock: tells the time.
    """
    return IssuerDirectory(
        question(cast("DomainFunction", settings.domain_function)),
        circumstances=circumstances,
        make=lambda issuer: make_key_source(issuer, key_set_url_of(issuer)),
        max_issuers=settings.max_issuers,
        fleet_sync=fleet_sync,
        clock=clock,
    )


def question(function: DomainFunction) -> Callable[[str], bool]:
    """Return what asks *function* about an issuer, for the request under way. Only ``True`` accepts."""

    def is_ours(issuer: str) -> bool:
        here = request._get_current_object() if has_request_context() else None  # type: ignore[attr-defined]
        try:
            answer = function.function(issuer, here)
        except Exception as exc:
            # Neither its text nor its traceback: both may hold what was sent.
            logger.error("AUTH0_DOMAIN: %s raised %s: the request is answered 503", function.name, type(exc).__name__)  # noqa: TRY400
            raise KeySetUnavailableError(retry_after_seconds=RETRY_AFTER_SECONDS) from exc
        if answer is True:
            return True
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            logger.error(
                "AUTH0_DOMAIN: %s must be a plain function, not async: the request is answered 503", function.name
            )
            raise KeySetUnavailableError(retry_after_seconds=RETRY_AFTER_SECONDS)
        if answer is not False:
            logger.warning(
                "AUTH0_DOMAIN: %s returned %s: refused, because only True accepts", function.name, type(answer).__name__
            )
        return False

    return is_ours


def circumstances(issuer: str) -> bytes:
    """Return a digest of *issuer* and of all in the request by which a function may tell tenants apart.

    All of it, so that no sender can have an issuer remembered as refused for the requests of others.
    """
    environ = request.environ if has_request_context() else {}
    known = sorted((name, value) for name, value in environ.items() if isinstance(value, str) and name not in _EVER_NEW)
    return hashlib.sha256(repr((issuer, known)).encode("utf-8", "surrogatepass")).digest()
