"""Which flask-caching backend an app shares through, whether reading from it is safe, and how far it reaches."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from flask import Flask
from flask_caching import Cache
from flask_caching.backends import (
    FileSystemCache,
    NullCache,
    RedisCache,
    RedisClusterCache,
    RedisSentinelCache,
    SimpleCache,
)
from werkzeug.utils import import_string

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.extension.cache_types import NOTHING_SHARED
from auth0_blueprint.extension.own_backend import (
    KEY_PREFIX,
    MIN_FILES,
    QuietJSONSerializer,
    beside,
    own_backend_on,
    read_from_primary,
    refuse_unsafe_backend,
    refuse_without_serializer,
)
from auth0_blueprint.extension.redis_settings import check_redis_client, check_redis_settings
from auth0_blueprint.sharing.shared_cache import CacheBackend

logger: logging.Logger = logging.getLogger("auth0_blueprint")

# Two attempts of this length, where a connection turns out to be dead, fit into the limit of one operation.
_SOCKET_TIMEOUT_SECONDS = 0.4

#: What does not leave this machine.
_LOCAL_CLASSES = (FileSystemCache, SimpleCache, NullCache)


def backend_opener(
    app: Flask,
    cache: Cache | None,
    *,
    is_withheld: Callable[[], bool] = lambda: False,
    on_host: Callable[[Any], CacheBackend | None] = own_backend_on,
) -> Callable[[], CacheBackend | None]:
    """Return a function that makes *app*'s backend at first use: on the engine of the host's *cache*, or a private one.

    Either has a key prefix or folder of its own, and our JSON serializer. The private one is of the type
    ``CACHE_TYPE``, without the Jinja extension; without ``CACHE_TYPE`` there is none.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        is_withheld: tells whether there is to be none: see `withholder`.
        on_host: makes one on the engine of the host's backend.
    """

    def open_backend() -> CacheBackend | None:
        if not is_configured(app, cache) or is_withheld():
            return None
        return _private_backend(app) if cache is None else on_host(_backend_of_host(app, cache))

    return open_backend


def is_configured(app: Flask, cache: Cache | None) -> bool:
    """Return whether there is a cache to share through."""
    return cache is not None or (
        app.config.get("CACHE_TYPE") not in NOTHING_SHARED and _can_write_json(_backend_class(app))
    )


def check_cache_type(app: Flask, cache: Cache | None) -> None:
    """Refuse a cache of the host, or ``CACHE_*`` settings, that cannot work, and warn of what shares nothing.

    A host's cache that is initialized later is checked as far as its settings are known, the rest at its first use.

    Raises:
        ConfigurationError: there is no such type, it lacks a setting or has a wrong one, its client is not installed,
            or the host's cache cannot be used safely.
    """
    # At once: the first requests would have to import them within the time limit of a cache operation.
    from auth0_blueprint.sharing import redis_store, sqlite_store  # noqa: F401

    if cache is not None:
        _check_host_cache(app, cache)
        return
    backend_class = _backend_class(app)
    if not _can_write_json(backend_class):
        logger.warning(
            "nothing is shared between processes: %s unpickles what its server sends. To share, pass "
            "Auth0Blueprint(cache=...) a flask_caching.Cache on Redis",
            backend_class.__name__,
        )
    elif issubclass(backend_class, RedisCache):
        check_redis_settings(app.config, backend_class)
        if not issubclass(backend_class, RedisClusterCache):  # whose client connects when it is made
            check_redis_client(cast("Any", _private_backend(app))._write_client, app.config)  # noqa: SLF001
    elif issubclass(backend_class, FileSystemCache) and not app.config.get("CACHE_DIR"):
        raise ConfigurationError(
            {"CACHE_DIR": "is missing: set it to a folder that all processes of this machine can write to"}
        )


def _check_host_cache(app: Flask, cache: Cache) -> None:
    backend = _backends_of_hosts(app).get(cache)
    config: Mapping[str, Any] = {**app.config, **(cache.config or {})}
    if backend is not None:
        refuse_unsafe_backend(backend)
        if isinstance(backend, RedisCache):
            check_redis_client(backend._write_client, config)  # noqa: SLF001
    elif config.get("CACHE_TYPE") not in NOTHING_SHARED:
        backend_class = _class_named(config["CACHE_TYPE"])
        if not issubclass(backend_class, NullCache):
            refuse_without_serializer(backend_class)
        if issubclass(backend_class, RedisCache):
            check_redis_settings(config, backend_class)


def withholder(app: Flask, cache: Cache | None, limit: str) -> Callable[[], bool]:
    """Return a function that tells whether the cache must not be used: it may reach further than the secret allows.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        limit: how far the secret allows to share: ``process``, ``machine`` or ``fleet``.
    """

    def is_withheld() -> bool:
        return not issubclass(_class_in_use(app, cache), _LOCAL_CLASSES)

    return functools.cache(is_withheld) if limit == "machine" and is_configured(app, cache) else lambda: False


def reach_of(app: Flask, cache: Cache | None, limit: str) -> Callable[[], str]:
    """Return a function that says who shares: only this ``process``, this ``machine`` or the ``fleet``.

    Args:
        app: the app.
        cache: the host's cache, if it has one for us.
        limit: how far the secret allows to share, in the same words.
    """
    is_withheld = withholder(app, cache, limit)

    def reach() -> str:
        # By the class, which is known even while the cache is unavailable.
        return "process" if is_withheld() else _reach_of_class(_class_in_use(app, cache))

    if limit == "process" or not is_configured(app, cache):
        return lambda: "process"
    return functools.cache(reach)


def _reach_of_class(backend_class: type[Any]) -> str:
    if issubclass(backend_class, RedisCache):  # Sentinel and Cluster are subclasses
        return "fleet"
    return "machine" if issubclass(backend_class, FileSystemCache) else "process"


def _class_in_use(app: Flask, cache: Cache | None) -> type[Any]:
    return _backend_class(app) if cache is None else type(_backend_of_host(app, cache))


def _backend_class(app: Flask) -> type[Any]:
    return _class_named(app.config["CACHE_TYPE"])


def _class_named(name: Any) -> type[Any]:
    # Anything else may be a URL with a password, which no error may repeat.
    if not isinstance(name, str) or not all(map(str.isidentifier, name.split("."))):
        raise ConfigurationError({"CACHE_TYPE": "must be the name of a cache of flask-caching: try RedisCache"})
    try:
        found = import_string(name if "." in name else f"flask_caching.backends.{name}")
    except ImportError as exc:
        raise ConfigurationError({"CACHE_TYPE": f"flask-caching has no {name!r}: try RedisCache"}) from exc
    if not isinstance(found, type):
        raise ConfigurationError({"CACHE_TYPE": f"{name!r} is not a cache class: try RedisCache"})
    return found


def _can_write_json(backend_class: type[Any]) -> bool:
    return getattr(backend_class, "serializer", None) is not None


def _backends_of_hosts(app: Flask) -> dict[Cache, Any]:
    found: dict[Cache, Any] = app.extensions.get("cache", {})
    return found


def _backend_of_host(app: Flask, cache: Cache) -> Any:
    backend = _backends_of_hosts(app).get(cache)
    if backend is None:
        raise ConfigurationError({"cache": "was never initialized for this app: call cache.init_app(app)"})
    return backend


def _private_backend(app: Flask) -> CacheBackend:
    config: dict[str, Any] = {
        "CACHE_SERIALIZER": QuietJSONSerializer(),
        "CACHE_KEY_PREFIX": KEY_PREFIX,
        "CACHE_NO_NULL_WARNING": True,
    }
    backend_class = _backend_class(app)
    if issubclass(backend_class, RedisCache):
        config["CACHE_OPTIONS"] = {**(app.config.get("CACHE_OPTIONS") or {}), **_impatient_redis_options(backend_class)}
    elif issubclass(backend_class, FileSystemCache):
        config["CACHE_THRESHOLD"] = max(app.config.get("CACHE_THRESHOLD") or 0, MIN_FILES)
        if app.config.get("CACHE_DIR"):
            config["CACHE_DIR"] = str(beside(app.config["CACHE_DIR"]))
    private = Cache(with_jinja2_ext=False, config=config)
    others, problem = app.extensions.get("cache"), ""
    try:
        private.init_app(app)
    except (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError) as exc:
        # Each backend reports a missing module or setting in its own way. Any other error, from those that connect at
        # once, means that the cache is unavailable.
        problem = f"{backend_class.__name__} cannot be set up: {_safe_reason(exc)}"
    finally:
        backend: Any = app.extensions.get("cache", {}).pop(private, None)
        if others is None:
            app.extensions.pop("cache", None)
    if problem:
        raise ConfigurationError({"CACHE_TYPE": problem})
    if isinstance(backend, RedisSentinelCache):
        read_from_primary(backend)
    return cast("CacheBackend", backend)


def _safe_reason(exc: Exception) -> str:
    """Return why a backend cannot be set up. Only texts that name a module are known to hold no piece of a password."""
    return str(exc) if isinstance(exc, ImportError) or str(exc).endswith(" module found") else type(exc).__name__


def _impatient_redis_options(backend_class: type[Any]) -> dict[str, Any]:
    # Imported only where Redis is used: redis-py is not a dependency.
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_timeout": _SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": _SOCKET_TIMEOUT_SECONDS,
        # A connection from before a restart is replaced at once. A timeout is not retried.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        "retry_on_error": [RedisConnectionError],  # without it, redis-py before 6 tries again to connect only
    }
    if issubclass(backend_class, RedisSentinelCache):
        # It takes separate options, with this prefix, for the connections to the sentinels.
        options |= {f"sentinel_{name}": value for name, value in options.items()}
    return options
