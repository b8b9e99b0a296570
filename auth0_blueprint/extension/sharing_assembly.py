"""What one app shares through; flask-caching is imported where the app has a cache."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.extension.cache_types import NOTHING_SHARED, NULL_CACHES
from auth0_blueprint.sharing.shared_cache import CacheBackend
from auth0_blueprint.sharing.store import Store

if TYPE_CHECKING:
    from flask_caching import Cache

Opener = Callable[[], CacheBackend | None]


class Sharing:
    """How the processes of one app share. Decided at the first use, as hosts may set ``CACHE_*`` after registration.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        limit: how far the secret allows to share: ``process``, ``machine`` or ``fleet``.

    Attributes:
        is_withheld: tells whether the cache must not be used: it may reach further than the secret allows.
        reach: says who shares: only this ``process``, this ``machine`` or the ``fleet``.
    """

    def __init__(self, app: Flask, cache: Cache | None, limit: str) -> None:
        self._app, self._cache, self._limit = app, cache, limit
        # One answer each: what is shared must not change while requests are served.
        self._has_cache = functools.cache(lambda: _has_cache(app, cache))
        self.is_withheld: Callable[[], bool] = functools.cache(self._is_withheld)
        self.reach: Callable[[], str] = functools.cache(self._reach)

    def is_configured(self) -> bool:
        """Return whether there is a cache to share through, as things are now."""
        if not _has_cache(self._app, self._cache):
            return False
        from auth0_blueprint.extension.cache_backend import is_configured

        return is_configured(self._app, self._cache)

    def open_backend(self) -> CacheBackend | None:
        """Make the backend; ``None`` if there is none."""
        if not self._has_cache():
            return None
        from auth0_blueprint.extension.cache_backend import backend_opener

        return backend_opener(self._app, self._cache, is_withheld=self.is_withheld)()

    def open_earlier(self) -> CacheBackend | None:
        """Make the one where earlier releases stored the same, if that was elsewhere: in the host's cache."""
        if self._cache is None:
            return None
        from auth0_blueprint.extension.cache_backend import backend_opener
        from auth0_blueprint.extension.own_backend import earlier_backend_on

        return backend_opener(self._app, self._cache, is_withheld=self.is_withheld, on_host=earlier_backend_on)()

    def store_opener(self, open_backend: Opener, name: str, clock: Clock) -> Callable[[], Store | None]:
        """Return what makes the store called *name* beside the backend.

        Args:
            open_backend: returns the backend, or raises what connecting raises.
            name: tells this store from others.
            clock: tells the time.
        """

        @functools.cache
        def opener() -> Callable[[], Store | None]:
            from auth0_blueprint.extension.own_backend import store_opener

            return store_opener(open_backend, name, clock)

        return lambda: opener()() if self._has_cache() else None

    def _is_withheld(self) -> bool:
        if not self._has_cache():
            return False
        from auth0_blueprint.extension.cache_backend import withholder

        return withholder(self._app, self._cache, self._limit)()

    def _reach(self) -> str:
        if not self._has_cache():
            return "process"
        from auth0_blueprint.extension.cache_backend import reach_of

        return reach_of(self._app, self._cache, self._limit)()


def check_cache(app: Flask, cache: Cache | None, *, needs_memory: bool) -> None:
    """Refuse a cache, of the host or by the ``CACHE_*`` settings, that cannot work.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        needs_memory: whether one that stores nothing is refused, too: used DPoP proofs must be remembered.

    Raises:
        ConfigurationError: what is wrong with it.
    """
    if _has_cache(app, cache):
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


def _has_cache(app: Flask, cache: Cache | None) -> bool:
    return cache is not None or app.config.get("CACHE_TYPE") not in NOTHING_SHARED
