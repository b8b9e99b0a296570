"""What one app shares through; flask-caching is imported where the app has a cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.extension.cache_types import NOTHING_SHARED, NULL_CACHES
from auth0_blueprint.sharing.shared_cache import CacheBackend
from auth0_blueprint.sharing.store import Store

if TYPE_CHECKING:
    from flask_caching import Cache

Opener = Callable[[], CacheBackend | None]


class Sharing(NamedTuple):
    """How the processes of one app share; as it stands here, they do not.

    Attributes:
        is_configured: whether there is a cache to share through.
        is_withheld: tells whether it must not be used: it may reach further than the secret allows.
        reach: says who shares: only this ``process``, this ``machine`` or the ``fleet``.
        open_backend: makes the backend at its first use.
        open_earlier: makes the one where earlier releases stored the same, if that was elsewhere.
        store_opener: given what opens the backend, a name and a clock, returns what makes the store beside it.
    """

    is_configured: bool = False
    is_withheld: Callable[[], bool] = lambda: False
    reach: Callable[[], str] = lambda: "process"
    open_backend: Opener = lambda: None
    open_earlier: Opener | None = None
    store_opener: Callable[[Opener, str, Clock], Callable[[], Store | None]] = lambda *_: lambda: None


def check_cache(app: Flask, cache: Cache | None, *, needs_memory: bool) -> None:
    """Refuse a cache, of the host or by the ``CACHE_*`` settings, that cannot work.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        needs_memory: whether one that stores nothing is refused, too: used DPoP proofs must be remembered.

    Raises:
        ConfigurationError: what is wrong with it.
    """
    if not _has_no_cache(app, cache):
        from auth0_blueprint.extension.cache_backend import check_cache_type

        check_cache_type(app, cache)
    names = {app.config.get("CACHE_TYPE"), (getattr(cache, "config", None) or {}).get("CACHE_TYPE")}
    if needs_memory and not names.isdisjoint(NULL_CACHES):
        raise ConfigurationError(
            {
                "AUTH0_DPOP": "required needs a cache, so that no proof can be used twice: set CACHE_TYPE to "
                "RedisCache, or to SimpleCache if there is only one process"
            }
        )


def assemble_sharing(app: Flask, cache: Cache | None, limit: str) -> Sharing:
    """Return how *app* shares. Opens nothing.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        limit: how far the secret allows to share: ``process``, ``machine`` or ``fleet``.
    """
    if _has_no_cache(app, cache):
        return Sharing()
    from auth0_blueprint.extension.cache_backend import backend_opener, is_configured, reach_of, withholder
    from auth0_blueprint.extension.own_backend import earlier_backend_on, store_opener

    is_withheld = withholder(app, cache, limit)
    open_earlier = backend_opener(app, cache, is_withheld=is_withheld, on_host=earlier_backend_on)
    return Sharing(
        is_configured=is_configured(app, cache),
        is_withheld=is_withheld,
        reach=reach_of(app, cache, limit),
        open_backend=backend_opener(app, cache, is_withheld=is_withheld),
        open_earlier=None if cache is None else open_earlier,
        store_opener=store_opener,
    )


def _has_no_cache(app: Flask, cache: Cache | None) -> bool:
    return cache is None and app.config.get("CACHE_TYPE") in NOTHING_SHARED
