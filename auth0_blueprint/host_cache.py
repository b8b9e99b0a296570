"""Which flask-caching backend an app shares key sets through, and whether it is safe to read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cachelib.serializers import JSONSerializer
from flask import Flask
from flask_caching import Cache
from flask_caching.backends import NullCache, SimpleCache
from werkzeug.utils import import_string

from auth0_blueprint.cache import CacheBackend
from auth0_blueprint.errors import ConfigurationError

_SOCKET_TIMEOUT_SECONDS = 0.5


class _QuietJSONSerializer(JSONSerializer):
    """cachelib's serializer, without its warning through the root logger for each key that Redis does not have."""

    def loads(self, bvalue: Any, *args: Any, **kwargs: Any) -> Any:
        return None if bvalue is None else super().loads(bvalue, *args, **kwargs)


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
    return cache is not None or app.config.get("CACHE_TYPE") not in (None, "", "NullCache")


def check_cache_type(app: Flask, cache: Cache | None) -> None:
    """Refuse a ``CACHE_TYPE`` that flask-caching will not find, before anything depends on it."""
    if cache is not None or not is_configured(app, cache):
        return
    name = app.config["CACHE_TYPE"]
    try:
        import_string(name if "." in name else f"flask_caching.backends.{name}")
    except ImportError as exc:
        raise ConfigurationError({"CACHE_TYPE": f"flask-caching has no {name!r}: try RedisCache"}) from exc


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
    if app.config["CACHE_TYPE"] == "RedisCache":
        timeouts = {"socket_timeout": _SOCKET_TIMEOUT_SECONDS, "socket_connect_timeout": _SOCKET_TIMEOUT_SECONDS}
        config["CACHE_OPTIONS"] = {**(app.config.get("CACHE_OPTIONS") or {}), **timeouts}
    elif app.config["CACHE_TYPE"] == "FileSystemCache" and app.config.get("CACHE_DIR"):
        # Beside the host's folder: its files may be pickles, and each side counts and prunes all that it finds.
        host_folder = Path(app.config["CACHE_DIR"])
        config["CACHE_DIR"] = str(host_folder.with_name(f"{host_folder.name}-auth0_blueprint"))
    private = Cache(with_jinja2_ext=False, config=config)
    try:
        private.init_app(app)
    except Exception as exc:  # each backend has its own way to say that a module or a setting is missing
        raise ConfigurationError({"CACHE_TYPE": f"{app.config['CACHE_TYPE']} cannot be set up: {exc}"}) from exc
    return _backend_of_host(app, private)
