"""Which flask-caching backend an app shares through, whether it is safe to read from, and how far it reaches."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from cachelib.serializers import JSONSerializer
from flask import Flask
from flask_caching import Cache
from flask_caching.backends import FileSystemCache, NullCache, RedisCache, RedisSentinelCache, SimpleCache
from werkzeug.utils import import_string

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.sharing.shared_cache import UNREADABLE, CacheBackend

logger: logging.Logger = logging.getLogger("auth0_blueprint")

# Two tries of this length, where a connection turns out to be dead, stay within the limit of one operation.
_SOCKET_TIMEOUT_SECONDS = 0.4

# Files beyond this number are thrown away, whichever they are. flask-caching's 500 would be few revocations.
_MIN_FILES = 100_000

_NULL_CACHES = ("NullCache", "flask_caching.backends.NullCache")
_NOTHING_SHARED = (None, "", *_NULL_CACHES)


class _QuietJSONSerializer(JSONSerializer):
    """cachelib's serializer, without its warnings through the root logger for what is absent or no JSON."""

    def load(self, f: Any, *_args: Any, **_kwargs: Any) -> Any:
        return self.loads(f.read())

    def loads(self, bvalue: Any, *_args: Any, **_kwargs: Any) -> Any:
        try:
            return None if bvalue is None else json.loads(bvalue)
        except (ValueError, RecursionError):
            return UNREADABLE


def backend_opener(app: Flask, cache: Cache | None) -> Callable[[], CacheBackend | None]:
    """Return what finds *app*'s backend at first use: that of the host's *cache*, or a private one.

    The private one is what ``CACHE_TYPE`` names, with a key prefix and JSON of its own and without the Jinja extension.
    Without ``CACHE_TYPE`` there is none: one process has nothing to share.
    """

    def open_backend() -> CacheBackend | None:
        if cache is not None:
            return _backend_of_host(app, cache)
        return _private_backend(app) if is_configured(app, cache) else None

    return open_backend


def is_configured(app: Flask, cache: Cache | None) -> bool:
    """Tell whether there is a cache to share through."""
    return cache is not None or (
        app.config.get("CACHE_TYPE") not in _NOTHING_SHARED and _can_write_json(_backend_class(app))
    )


def check_cache_type(app: Flask, cache: Cache | None) -> None:
    """Refuse a ``CACHE_TYPE`` that flask-caching will not find, and tell of one that cannot be shared through."""
    if cache is not None or app.config.get("CACHE_TYPE") in _NOTHING_SHARED:
        return
    backend_class = _backend_class(app)
    if not _can_write_json(backend_class):
        logger.warning(
            "nothing is shared between processes: %s unpickles what its server marks as a pickle. To share, give "
            "Auth0Blueprint(cache=...) a flask_caching.Cache on Redis",
            backend_class.__name__,
        )
    elif issubclass(backend_class, RedisCache):
        # While the first requests come in, all at once, importing it could take longer than an operation of the cache
        # may, and the process would begin with a cache that is left alone.
        with suppress(ImportError):  # said when it is used
            import_module("redis")


def refuse_null_cache(app: Flask, cache: Cache | None) -> None:
    """Refuse an app that keeps nothing on purpose, although used DPoP proofs have to be remembered.

    Raises:
        ConfigurationError: its cache, or that of the host, is a ``NullCache``.
    """
    names = {app.config.get("CACHE_TYPE"), (getattr(cache, "config", None) or {}).get("CACHE_TYPE")}
    if not names.isdisjoint(_NULL_CACHES):
        raise ConfigurationError(
            {
                "AUTH0_DPOP": "required needs a cache, so that no proof is good twice: set CACHE_TYPE to RedisCache, "
                "or to SimpleCache where there is one process"
            }
        )


def reach_of(app: Flask, cache: Cache | None, *, is_signed: bool) -> Callable[[], str]:
    """Return what tells who shares: this ``process`` (nobody else), this ``machine`` or the ``fleet``."""

    def reach() -> str:
        # By the class, which is known also while the cache is away.
        return _reach_of_class(type(_backend_of_host(app, cache)) if cache is not None else _backend_class(app))

    if not (is_signed and is_configured(app, cache)):
        return lambda: "process"
    return functools.cache(reach)


def _reach_of_class(backend_class: type[Any]) -> str:
    if issubclass(backend_class, RedisCache):  # Sentinel and Cluster are of that class, too
        return "fleet"
    return "machine" if issubclass(backend_class, FileSystemCache) else "process"


def _backend_class(app: Flask) -> type[Any]:
    name = app.config["CACHE_TYPE"]
    try:
        found = import_string(name if "." in name else f"flask_caching.backends.{name}")
    except ImportError as exc:
        raise ConfigurationError({"CACHE_TYPE": f"flask-caching has no {name!r}: try RedisCache"}) from exc
    if not isinstance(found, type):
        raise ConfigurationError({"CACHE_TYPE": f"{name!r} is not a class of cache: try RedisCache"})
    return found


def _can_write_json(backend_class: type[Any]) -> bool:
    return getattr(backend_class, "serializer", None) is not None


def _backend_of_host(app: Flask, cache: Cache) -> CacheBackend:
    backend: Any = app.extensions.get("cache", {}).get(cache)
    if backend is None:
        raise ConfigurationError({"cache": "was never initialised for this app: call cache.init_app(app)"})
    stays_in_process = isinstance(backend, (SimpleCache, NullCache))
    if not (stays_in_process or isinstance(getattr(backend, "serializer", None), JSONSerializer)):
        raise ConfigurationError(
            {
                "CACHE_SERIALIZER": "the cache of this app pickles, and a pickle that somebody planted there would run "
                "when it is read: set it to cachelib.serializers.JSONSerializer, or give Auth0Blueprint() no cache"
            }
        )
    return backend  # type: ignore[no-any-return]


def _private_backend(app: Flask) -> CacheBackend:
    config: dict[str, Any] = {
        "CACHE_SERIALIZER": _QuietJSONSerializer(),
        "CACHE_KEY_PREFIX": "auth0_blueprint_",
        "CACHE_NO_NULL_WARNING": True,
    }
    backend_class = _backend_class(app)
    if issubclass(backend_class, RedisCache):
        config["CACHE_OPTIONS"] = {**(app.config.get("CACHE_OPTIONS") or {}), **_impatient_redis_options(backend_class)}
    elif issubclass(backend_class, FileSystemCache):
        config["CACHE_THRESHOLD"] = max(app.config.get("CACHE_THRESHOLD") or 0, _MIN_FILES)
        if app.config.get("CACHE_DIR"):
            # Beside the host's folder: its files may be pickles, and each side counts and prunes all that it finds.
            host_folder = Path(app.config["CACHE_DIR"])
            config["CACHE_DIR"] = str(host_folder.with_name(f"{host_folder.name}-auth0_blueprint"))
    private = Cache(with_jinja2_ext=False, config=config)
    try:
        private.init_app(app)
    except (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError) as exc:
        # Each backend has its own way to say that a module or a setting is missing. Whatever else is raised, by those
        # that connect at once, is a cache that is away.
        # The text of other errors may hold a piece of the URL, and so of a password.
        reason = exc if isinstance(exc, (ImportError, RuntimeError)) else type(exc).__name__
        raise ConfigurationError({"CACHE_TYPE": f"{backend_class.__name__} cannot be set up: {reason}"}) from exc
    return _backend_of_host(app, private)


def _impatient_redis_options(backend_class: type[Any]) -> dict[str, Any]:
    # Imported only where Redis is used: redis-py is not a dependency.
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_timeout": _SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": _SOCKET_TIMEOUT_SECONDS,
        # A connection from before a restart is replaced at once. Silence is not asked again.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    if issubclass(backend_class, RedisSentinelCache):
        # It keeps the connections to the sentinels apart, by this prefix.
        options |= {f"sentinel_{name}": value for name, value in options.items()}
    return options
