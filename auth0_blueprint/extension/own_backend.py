"""A backend of our own on the engine of the host's cache: nothing of ours is ever unpickled, nor in the host's way."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, cast

from cachelib.serializers import JSONSerializer
from flask_caching.backends import (
    FileSystemCache,
    NullCache,
    RedisCache,
    RedisClusterCache,
    RedisSentinelCache,
    SimpleCache,
)

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.sharing.shared_cache import UNREADABLE, CacheBackend
from auth0_blueprint.sharing.store import Store

#: What the keys of ours in Redis begin with, also beside those of the host, which ``clear()`` removes by their prefix.
KEY_PREFIX = "auth0_blueprint_"
# Beyond this number flask-caching deletes arbitrary files. Its default of 500 would be too few for revocations.
MIN_FILES = 100_000

#: Their methods are known to read and write through the serializer alone.
_REDIS_CLASSES = (RedisClusterCache, RedisSentinelCache, RedisCache)
_KNOWN_CLASSES = (RedisCache, FileSystemCache, SimpleCache, NullCache)


class QuietJSONSerializer(JSONSerializer):
    """cachelib's serializer, without its warnings on the root logger about absent or invalid entries."""

    def load(self, f: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Return the value that the file *f* holds."""
        return self.loads(f.read())

    def loads(self, bvalue: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Return the value of the text *bvalue*; ``None`` if there is none."""
        try:
            return None if bvalue is None else json.loads(bvalue)
        except (ValueError, RecursionError):
            return UNREADABLE


def beside(folder: str | Path) -> Path:
    """Return a folder of our own beside the host's, whose files may be pickles and are pruned by their number."""
    path = Path(folder)
    return path.with_name(f"{path.name}-auth0_blueprint")


def refuse_unsafe_backend(backend: Any) -> None:
    """Refuse a backend of the host on whose engine no safe one can be made.

    Raises:
        ConfigurationError: reading from it may unpickle what somebody else has written.
    """
    serializer = getattr(backend, "serializer", None)
    is_known = isinstance(backend, _KNOWN_CLASSES) or (serializer is not None and _reads_as_cachelib(backend))
    if is_known or isinstance(serializer, JSONSerializer):
        return
    refuse_without_serializer(type(backend))
    raise ConfigurationError(
        {
            "CACHE_SERIALIZER": f"{type(backend).__name__} uses pickle, and a pickle planted there would run code when "
            "it is read: set it to cachelib.serializers.JSONSerializer, or pass no cache to Auth0Blueprint()"
        }
    )


def refuse_without_serializer(backend_class: type[Any]) -> None:
    """Refuse a class of backends that have no serializer to replace, such as those for memcached.

    Raises:
        ConfigurationError: it is one.
    """
    if getattr(backend_class, "serializer", None) is None:
        raise ConfigurationError(
            {
                "cache": f"{backend_class.__name__} may unpickle what its server sends: pass Auth0Blueprint() a "
                "flask_caching.Cache on Redis, or none"
            }
        )


def own_backend_on(backend: Any) -> CacheBackend:
    """Return a backend of ours on the engine of *backend*: the same client, or a folder beside its own.

    Raises:
        ConfigurationError: there can be no safe one.
    """
    refuse_unsafe_backend(backend)
    own: Any
    if isinstance(backend, NullCache):
        own = NullCache()
    elif isinstance(backend, RedisCache):
        own = _plain_copy(backend)
        own.key_prefix = KEY_PREFIX
        read_from_primary(own)
    elif isinstance(backend, FileSystemCache):
        own = FileSystemCache(str(beside(backend._path)), threshold=MIN_FILES, hash_method=backend._hash_method)  # noqa: SLF001
    elif isinstance(backend, SimpleCache):
        own = SimpleCache()
    else:
        own = copy(backend)
    own.serializer = QuietJSONSerializer()
    return cast("CacheBackend", own)


def earlier_backend_on(backend: Any) -> CacheBackend | None:
    """Return a backend that reads where earlier releases stored their entries: among those of the host.

    They are read as JSON, never unpickled. Only to read: the keys and files there are the host's. ``None`` if there can
    be no such entries, or `own_backend_on` reads at that very place.
    """
    refuse_unsafe_backend(backend)
    if not isinstance(backend, (RedisCache, FileSystemCache)):
        return None
    earlier = _plain_copy(backend)
    if isinstance(backend, RedisCache):
        read_from_primary(earlier)
    earlier.serializer = QuietJSONSerializer()
    return cast("CacheBackend", earlier)


def _plain_copy(backend: Any) -> Any:
    """Return a copy of flask-caching's own class, whatever a class derived from it may do with an entry."""
    plain_class = next(known for known in (*_REDIS_CLASSES, FileSystemCache) if isinstance(backend, known))
    plain: Any = plain_class.__new__(plain_class)
    vars(plain).update(vars(backend))
    return plain


def read_from_primary(backend: Any) -> None:
    """Have *backend* read from the primary: a replica's link to it may be broken without anybody being told."""
    backend._read_client = backend._write_client  # noqa: SLF001 - flask-caching offers no other way


def _reads_as_cachelib(backend: Any) -> bool:
    """Return whether cachelib reads the entries, which does so through the serializer alone."""
    return all(
        getattr(getattr(type(backend), name, None), "__module__", "").partition(".")[0] == "cachelib"
        for name in ("get", "get_many")
    )


def store_opener(
    open_backend: Callable[[], CacheBackend | None], name: str, clock: Clock
) -> Callable[[], Store | None]:
    """Return a function that makes the store called *name* on the engine behind the backend: Redis, or a folder.

    Args:
        open_backend: returns the backend, or raises what connecting raises.
        name: tells this store from others.
        clock: tells the time.
    """

    @functools.cache
    def store_on(backend: Any) -> Store | None:
        from auth0_blueprint.sharing import redis_store, sqlite_store  # see `cache_backend.check_cache_type`

        if isinstance(backend, RedisCache):
            # Sentinel's client asks for the primary each time it connects; that of a cluster finds the node.
            return redis_store.RedisStore(lambda: backend._write_client, name=name, prefix=KEY_PREFIX)  # noqa: SLF001
        is_folder = isinstance(backend, FileSystemCache)
        path = Path(backend._path) / f"{name[:32]}.sqlite3" if is_folder else None  # noqa: SLF001
        return None if path is None else sqlite_store.SQLiteStore(path, clock)

    return lambda: store_on(cast("Any", open_backend()))
