"""Which flask-caching backend an app shares through, whether reading from it is safe, and how far it reaches."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from cachelib.serializers import JSONSerializer
from flask import Flask
from flask_caching import Cache
from flask_caching.backends import FileSystemCache, NullCache, RedisCache, RedisSentinelCache, SimpleCache
from werkzeug.utils import import_string

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.sharing.redis_store import RedisStore
from auth0_blueprint.sharing.shared_cache import UNREADABLE, CacheBackend
from auth0_blueprint.sharing.sqlite_store import SQLiteStore
from auth0_blueprint.sharing.store import Store

logger: logging.Logger = logging.getLogger("auth0_blueprint")

# Two attempts of this length, where a connection turns out to be dead, fit into the limit of one operation.
_SOCKET_TIMEOUT_SECONDS = 0.4

# Beyond this number flask-caching deletes arbitrary files. Its default of 500 would be too few for revocations.
_MIN_FILES = 100_000

_NULL_CACHES = ("NullCache", "flask_caching.backends.NullCache")
_NOTHING_SHARED = (None, "", *_NULL_CACHES)


class _QuietJSONSerializer(JSONSerializer):
    """cachelib's serializer, without its warnings on the root logger about absent or invalid entries."""

    def load(self, f: Any, *_args: Any, **_kwargs: Any) -> Any:
        return self.loads(f.read())

    def loads(self, bvalue: Any, *_args: Any, **_kwargs: Any) -> Any:
        try:
            return None if bvalue is None else json.loads(bvalue)
        except (ValueError, RecursionError):
            return UNREADABLE


def backend_opener(app: Flask, cache: Cache | None) -> Callable[[], CacheBackend | None]:
    """Return a function that finds *app*'s backend at first use: that of the host's *cache*, or a private one.

    The private one is of the type ``CACHE_TYPE``, with its own key prefix and JSON serializer and without the Jinja
    extension. Without ``CACHE_TYPE`` there is none.
    """

    def open_backend() -> CacheBackend | None:
        if cache is not None:
            return _backend_of_host(app, cache)
        return _private_backend(app) if is_configured(app, cache) else None

    return open_backend


def store_opener(
    cache: Cache | None, open_backend: Callable[[], CacheBackend | None], name: str, clock: Clock
) -> Callable[[], Store | None]:
    """Return a function that makes the store called *name* on the engine behind the backend: Redis, or a folder.

    Args:
        cache: the host's cache, if it has one for us.
        open_backend: returns the backend, or raises what connecting raises.
        name: tells this store from others.
        clock: tells the time.
    """

    @functools.cache
    def store_on(backend: Any) -> Store | None:
        if isinstance(backend, RedisCache):
            # Sentinel's client asks for the primary each time it connects; that of a cluster finds the node.
            return RedisStore(lambda: backend._write_client, name=name, prefix=_prefix_of(backend))  # noqa: SLF001
        if isinstance(backend, FileSystemCache):
            folder = Path(backend._path)  # noqa: SLF001
            return SQLiteStore((folder if cache is None else _beside(folder)) / f"{name[:32]}.sqlite3", clock)
        return None

    return lambda: store_on(cast("Any", open_backend()))


def _prefix_of(backend: Any) -> str:
    prefix = backend.key_prefix
    return str(prefix() if callable(prefix) else prefix or "")


def _beside(folder: Path) -> Path:
    """Return a folder of our own beside the host's, whose files may be pickles and are pruned by their number."""
    return folder.with_name(f"{folder.name}-auth0_blueprint")


def is_configured(app: Flask, cache: Cache | None) -> bool:
    """Return whether there is a cache to share through."""
    return cache is not None or (
        app.config.get("CACHE_TYPE") not in _NOTHING_SHARED and _can_write_json(_backend_class(app))
    )


def check_cache_type(app: Flask, cache: Cache | None) -> None:
    """Refuse ``CACHE_*`` settings that cannot work, and warn of a type that is not safe to share through.

    Raises:
        ConfigurationError: there is no such type, or it lacks a setting, or its client is not installed.
    """
    if cache is not None or app.config.get("CACHE_TYPE") in _NOTHING_SHARED:
        return
    backend_class = _backend_class(app)
    if not _can_write_json(backend_class):
        logger.warning(
            "nothing is shared between processes: %s unpickles what its server sends. To share, pass "
            "Auth0Blueprint(cache=...) a flask_caching.Cache on Redis",
            backend_class.__name__,
        )
    elif issubclass(backend_class, RedisCache):
        _check_redis(None if issubclass(backend_class, RedisSentinelCache) else app.config.get("CACHE_REDIS_URL"))
    elif issubclass(backend_class, FileSystemCache) and not app.config.get("CACHE_DIR"):
        raise ConfigurationError(
            {"CACHE_DIR": "is missing: set it to a folder that all processes of this machine can write to"}
        )


def _check_redis(url: Any) -> None:
    # Under the load of the first requests, importing it could exceed the time limit of a cache operation, and the
    # process would start with the cache marked as unavailable.
    try:
        parse_url = import_module("redis.connection").parse_url
    except ImportError:
        raise ConfigurationError(
            {"CACHE_TYPE": "needs the client of Redis: pip install 'auth0_blueprint[redis]'"}
        ) from None
    if not url:
        return
    # An unencoded #, / or ? ends the part of the URL with the password; what follows it then still holds the @.
    problem = "cannot be parsed: it must look like redis://user:password@host:6379/0, with special characters of the "
    problem += "password percent-encoded"
    try:
        parts = urlsplit(url)
        parse_url(url)
    except (AttributeError, TypeError, ValueError):
        # Not chained: the text of the error may hold a piece of the password.
        raise ConfigurationError({"CACHE_REDIS_URL": problem}) from None
    database = parts.path.strip("/")
    if parts.scheme != "unix" and (parts.fragment or "@" in parts.query or (database and not database.isdecimal())):
        raise ConfigurationError({"CACHE_REDIS_URL": problem})


def refuse_null_cache(app: Flask, cache: Cache | None) -> None:
    """Refuse an app whose cache stores nothing, although used DPoP proofs must be remembered.

    Raises:
        ConfigurationError: its cache, or that of the host, is a ``NullCache``.
    """
    names = {app.config.get("CACHE_TYPE"), (getattr(cache, "config", None) or {}).get("CACHE_TYPE")}
    if not names.isdisjoint(_NULL_CACHES):
        raise ConfigurationError(
            {
                "AUTH0_DPOP": "required needs a cache, so that no proof can be used twice: set CACHE_TYPE to "
                "RedisCache, or to SimpleCache if there is only one process"
            }
        )


def reach_of(app: Flask, cache: Cache | None, *, is_signed: bool) -> Callable[[], str]:
    """Return a function that says who shares: only this ``process``, this ``machine`` or the ``fleet``."""

    def reach() -> str:
        # By the class, which is known even while the cache is unavailable.
        return _reach_of_class(type(_backend_of_host(app, cache)) if cache is not None else _backend_class(app))

    if not (is_signed and is_configured(app, cache)):
        return lambda: "process"
    return functools.cache(reach)


def _reach_of_class(backend_class: type[Any]) -> str:
    if issubclass(backend_class, RedisCache):  # Sentinel and Cluster are subclasses
        return "fleet"
    return "machine" if issubclass(backend_class, FileSystemCache) else "process"


def _backend_class(app: Flask) -> type[Any]:
    name = app.config["CACHE_TYPE"]
    try:
        found = import_string(name if "." in name else f"flask_caching.backends.{name}")
    except ImportError as exc:
        raise ConfigurationError({"CACHE_TYPE": f"flask-caching has no {name!r}: try RedisCache"}) from exc
    if not isinstance(found, type):
        raise ConfigurationError({"CACHE_TYPE": f"{name!r} is not a cache class: try RedisCache"})
    return found


def _can_write_json(backend_class: type[Any]) -> bool:
    return getattr(backend_class, "serializer", None) is not None


def _backend_of_host(app: Flask, cache: Cache) -> CacheBackend:
    backend: Any = app.extensions.get("cache", {}).get(cache)
    if backend is None:
        raise ConfigurationError({"cache": "was never initialized for this app: call cache.init_app(app)"})
    stays_in_process = isinstance(backend, (SimpleCache, NullCache))
    if not (stays_in_process or isinstance(getattr(backend, "serializer", None), JSONSerializer)):
        raise ConfigurationError(
            {
                "CACHE_SERIALIZER": "the cache of this app uses pickle, and a pickle planted there would run code when "
                "it is read: set it to cachelib.serializers.JSONSerializer, or pass no cache to Auth0Blueprint()"
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
            config["CACHE_DIR"] = str(_beside(Path(app.config["CACHE_DIR"])))
    private = Cache(with_jinja2_ext=False, config=config)
    try:
        private.init_app(app)
    except (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError) as exc:
        # Each backend reports a missing module or setting in its own way. Any other error, from those that connect at
        # once, means that the cache is unavailable.
        # The texts of other errors than these two may contain part of the URL, and so of a password.
        reason = exc if isinstance(exc, (ImportError, RuntimeError)) else type(exc).__name__
        raise ConfigurationError({"CACHE_TYPE": f"{backend_class.__name__} cannot be set up: {reason}"}) from None
    backend = _backend_of_host(app, private)
    if isinstance(backend, RedisSentinelCache):
        # flask-caching reads from a replica, whose link to the primary may be broken without anybody being told.
        backend._read_client = backend._write_client  # noqa: SLF001
    return backend


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
