"""Checks what the settings say of Redis, without connecting: mistakes show at startup, not at the first request.

Every text is fixed, and no error has a cause or a context: the texts of ``urllib`` and redis-py may repeat a piece of
the password.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from flask_caching.backends import RedisClusterCache, RedisSentinelCache

from auth0_blueprint.errors import ConfigurationError

_URL = "cannot be parsed: it must look like redis://user:password@host:6379/0, with special characters of the password "
_URL += "percent-encoded"
_PORT = "must be a port number from 1 to 65535"
_OPTIONS = "has an option that redis-py does not know, or a value that it cannot use"
_TLS_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")


def check_redis_settings(config: Mapping[str, Any], backend_class: type[Any]) -> None:
    """Check the ``CACHE_REDIS_*`` settings that *backend_class* reads from *config*.

    Raises:
        ConfigurationError: some cannot work, or redis-py is not installed.
    """
    # Under the load of the first requests, importing it could exceed the time limit of a cache operation, and the
    # process would start with the cache marked as unavailable.
    try:
        parse_url = import_module("redis.connection").parse_url
    except ImportError:
        raise ConfigurationError(
            {"CACHE_TYPE": "needs the client of Redis: pip install 'auth0_blueprint[redis]'"}
        ) from None
    url = None if issubclass(backend_class, RedisSentinelCache) else config.get("CACHE_REDIS_URL")
    if url:
        problems = {} if _is_url(url, parse_url) else {"CACHE_REDIS_URL": _URL}
    elif issubclass(backend_class, RedisClusterCache):
        problems = dict(_problems_of_cluster(config))
    elif issubclass(backend_class, RedisSentinelCache):
        problems = dict(_problems_of_sentinel(config))
    else:
        problems = dict(_problems_of_server(config))
    if not issubclass(backend_class, RedisClusterCache) and not _is_number(config.get("CACHE_REDIS_DB", 0), 0, 2**31):
        problems["CACHE_REDIS_DB"] = "must be the number of a database"
    if problems:
        raise ConfigurationError(problems)


def check_redis_client(client: Any, config: Mapping[str, Any]) -> None:
    """Check the options with which *client* will connect, as far as that is possible without connecting.

    Raises:
        ConfigurationError: it never could.
    """
    pool = getattr(client, "connection_pool", None)
    options: dict[str, Any] | None = getattr(pool, "connection_kwargs", None)
    if pool is None or options is None:  # a cluster finds its nodes by itself
        return
    key = "CACHE_REDIS_URL" if config.get("CACHE_REDIS_URL") else "CACHE_OPTIONS"
    missing = [name for name in _TLS_FILES if options.get(name) and not os.access(options[name], os.R_OK)]
    if missing:
        raise ConfigurationError({key: f"names a file in {', '.join(missing)} that this process cannot read"})
    if options.get("decode_responses"):
        raise ConfigurationError({key: "has decode_responses, which flask-caching does not support: remove it"})
    if not _makes_connection(pool.connection_class, options):
        raise ConfigurationError({key: _OPTIONS})


def _makes_connection(connection_class: Any, options: dict[str, Any]) -> bool:
    # It connects at its first command only. Each class has its own errors.
    with suppress(Exception):
        connection_class(**options)
        return True
    return False


def _is_url(url: Any, parse_url: Any) -> bool:
    """Return whether redis-py and we read *url* alike.

    An unencoded #, / or ? ends the part of the URL with the password; what follows it then still holds the @.
    """
    with suppress(AttributeError, TypeError, ValueError):
        parts = urlsplit(url)
        parse_url(url)
        database = parts.path.strip("/")
        is_split = parts.fragment or "@" in parts.query or (database and not database.isdecimal())
        return parts.scheme == "unix" or not is_split
    return False


def _problems_of_server(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    host = config.get("CACHE_REDIS_HOST", "localhost")
    if isinstance(host, (str, bytes, int, float, type(None))):  # else it is a client
        if not isinstance(host, str) or not _is_host(host):
            yield "CACHE_REDIS_HOST", "must be a host name or an IP address; a URL belongs into CACHE_REDIS_URL"
        if not _is_number(config.get("CACHE_REDIS_PORT", 6379), 1, 65535):
            yield "CACHE_REDIS_PORT", _PORT
    yield from _problems_of_passwords(config)


def _problems_of_sentinel(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sentinels = config.get("CACHE_REDIS_SENTINELS", [("localhost", 26379)])
    if not sentinels or not isinstance(sentinels, (list, tuple)) or not all(map(_is_sentinel, sentinels)):
        yield "CACHE_REDIS_SENTINELS", 'must be a list of pairs such as ("sentinel-1.example.com", 26379)'
    master = config.get("CACHE_REDIS_SENTINEL_MASTER", "mymaster")
    if not master or not isinstance(master, str):
        yield "CACHE_REDIS_SENTINEL_MASTER", "must be the name under which the sentinels know the primary"
    yield from _problems_of_passwords(config)


def _problems_of_cluster(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    nodes = config.get("CACHE_REDIS_CLUSTER")
    pairs = [node.strip().rpartition(":")[::2] for node in nodes.split(",")] if isinstance(nodes, str) else []
    # flask-caching splits a node at its first colon, so it can be no IPv6 address.
    if not pairs or not all(host and ":" not in host and _is_sentinel((host, port)) for host, port in pairs):
        yield "CACHE_REDIS_CLUSTER", "must be nodes such as redis-1.example.com:6379,redis-2.example.com:6379"
    yield from _problems_of_passwords(config)


def _problems_of_passwords(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("CACHE_REDIS_PASSWORD", "CACHE_REDIS_SENTINEL_PASSWORD"):
        value = config.get(key)
        if isinstance(value, bool) or not isinstance(value, (str, bytes, int, type(None))):
            yield key, "must be a string"


def _is_sentinel(address: Any) -> bool:
    if not isinstance(address, (list, tuple)) or len(address) != 2:
        return False
    host, port = address
    return isinstance(host, str) and _is_host(host) and _is_number(port, 1, 65535)


def _is_host(text: str) -> bool:
    return bool(text) and not any(character in "/@?#" or character.isspace() for character in text)


def _is_number(value: Any, least: int, most: int) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal() and len(value) < 10 and least <= int(value) <= most
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
