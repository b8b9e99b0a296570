"""Checks of ``flask auth0 doctor``: do the processes of this app share what they must, and does it last?"""

from __future__ import annotations

import os
import re
import secrets
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.cli.output import printable
from auth0_blueprint.concurrency.deadline import call_within
from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.guards.authentication import AppState
from auth0_blueprint.sharing.reach import NOT_SHARED, WITHHELD
from auth0_blueprint.sharing.redis_errors import REASONS, code_of
from auth0_blueprint.sharing.shared_cache import OPERATION_TIMEOUT_SECONDS, CacheBackend, SharedCache
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import StoreError

_KEEP_SECONDS = 60
#: For five operations; each connection attempt has its own, shorter, limit.
_ROUND_TRIP_SECONDS = 2 * OPERATION_TIMEOUT_SECONDS
_REMEDY = "check that it is running, and the CACHE_* settings"
_REMEDIES = {
    "denied": "give the Redis user the commands and keys that docs/how-to/redis.md lists",
    "password": "set the user name and password in CACHE_REDIS_URL or CACHE_REDIS_PASSWORD",
    "full": "raise maxmemory, or use a separate Redis",
    "read_only": "connect to the primary; with failover behind one address, see docs/how-to/redis.md",
    "no_replicas": "bring the replicas back, or lower min-replicas-to-write",
    "not_saved": "see why in the log of Redis, often a full disk",
    "loading": "try again when it has loaded them",
    "certificate": "set ssl_ca_certs to the file with its CA, as ?ssl_ca_certs= in CACHE_REDIS_URL or in CACHE_OPTIONS",
    "client_certificate": "set ssl_certfile and ssl_keyfile, in CACHE_REDIS_URL or in CACHE_OPTIONS",
    "no_tls": "use its TLS port, or redis:// instead of rediss:// in CACHE_REDIS_URL",
    "tls": "use rediss:// instead of redis:// in CACHE_REDIS_URL",
    "cluster": "set CACHE_TYPE to RedisClusterCache",
    "no_cluster": "set CACHE_TYPE to RedisCache",
    "database": "use another number at the end of CACHE_REDIS_URL or in CACHE_REDIS_DB; a cluster has only 0",
}
_WHOM = {"process": "this process only", "machine": "all processes on this machine", "fleet": "the whole fleet"}
_WORKERS = re.compile(r"(?:^|\s)(?:-w|--workers)[\s=]*(\d+)")


def examine_cache(state: AppState, config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings about the cache of an app with *config*."""
    cache = state.cache
    try:
        reach = state.reach()
        found, backend = _examine_use(cache, config, reach, is_withheld=state.is_withheld())
    except ConfigurationError as exc:
        yield Finding("cache", FAIL, printable("; ".join(f"{key} {text}" for key, text in exc.problems.items())))
        return
    yield found
    if found.status == OK and reach != "process" and state.settings.cache_secret is not None:
        yield _store(state.store)
    if cache.has_backend and state.settings.cache_secret is None:
        remedy = "set AUTH0_CACHE_SECRET or SECRET_KEY to the same random text in all processes"
        yield Finding("cache", WARN, "not used for sharing: there is no secret to sign entries with", remedy)
    if backend is not None and reach == "fleet" and _has_to_last(state):  # only Redis reaches that far
        yield _eviction(backend)
    yield _workers(reach)


def _without_cache(config: Mapping[str, Any], *, is_withheld: bool) -> Finding:
    if is_withheld:
        return Finding("cache", WARN, f"not used. {WITHHELD}")
    name = config.get("CACHE_TYPE")
    if not name:
        return Finding("cache", OK, "none: nothing is shared between processes")
    return Finding("cache", WARN, printable(f"{name} cannot be shared: nothing is shared between processes"))


def _examine_use(
    cache: SharedCache, config: Mapping[str, Any], reach: str, *, is_withheld: bool
) -> tuple[Finding, CacheBackend | None]:
    """Return whether the cache can be used, and its backend if it answers.

    Raises:
        ConfigurationError: the cache cannot be used safely, or was never initialised.
    """
    backend = None
    try:
        backend = call_within(OPERATION_TIMEOUT_SECONDS, cache.open_now)
        if backend is None:
            return _without_cache(config, is_withheld=is_withheld), None
        return call_within(_ROUND_TRIP_SECONDS, lambda: _round_trip(backend, reach)), backend
    except ConfigurationError:
        raise
    except Exception as exc:  # noqa: BLE001 - each backend has its own errors
        return _unusable(exc, backend, reach), None


def _round_trip(backend: CacheBackend, reach: str) -> Finding:
    """Write, read and delete an entry; raise whatever the backend raises."""
    name = type(backend).__name__
    key, value = f"auth0-doctor-{secrets.token_hex(8)}", secrets.token_hex(8)
    backend.set(key, value, timeout=_KEEP_SECONDS)
    found = backend.get(key), *backend.get_many(key)
    backend.delete(key)
    if found != (value, value):
        return Finding("cache", FAIL, f"{name} does not keep what is written", "set CACHE_TYPE to RedisCache")
    if backend.get(key) is not None:
        return Finding("cache", FAIL, f"{name} does not delete entries", _REMEDY)
    return Finding("cache", OK, f"{name} writes, reads and deletes; shared by {_WHOM[reach]}")


def _unusable(exc: Exception, backend: Any, reach: str) -> Finding:
    """Return why the cache cannot be used. The text of *exc* may hold an address or a password."""
    name = "the cache" if backend is None else type(backend).__name__
    code = code_of(exc) if reach == "fleet" else "unreachable"  # only Redis reaches that far
    if backend is not None and reach == "fleet" and code in {"unreachable", "timeout", "failed"}:
        code = _tls_trouble(backend, code) or code
    if code in {"unreachable", "timeout"}:
        return Finding("cache", FAIL, f"{name} cannot be reached, or does not answer within 1 s", _REMEDY)
    return Finding("cache", FAIL, f"{name} cannot be used: {REASONS[code]}", _REMEDIES.get(code, _REMEDY))


def _tls_trouble(backend: Any, code: str) -> str | None:
    """Return what the server expects of TLS, if that is not what the client does."""
    pool: Any = getattr(backend._write_client, "connection_pool", None)  # noqa: SLF001 - flask-caching has no other way
    if pool is None:
        return None
    host, port = pool.connection_kwargs.get("host"), pool.connection_kwargs.get("port")
    if host is None or port is None:  # Sentinel and Cluster find theirs
        return None
    from redis.connection import SSLConnection  # redis-py is an optional dependency

    if issubclass(pool.connection_class, SSLConnection):
        if _answers_in_plain(host, port):
            return "no_tls"
        return "client_certificate" if code == "unreachable" and _answers_in_tls(host, port) else None
    return "tls" if _answers_in_tls(host, port) else None


def _answers_in_plain(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), OPERATION_TIMEOUT_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(1) in {b"+", b"-"}
    except OSError:
        return False


def _answers_in_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        with (
            socket.create_connection((host, port), OPERATION_TIMEOUT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except ssl.SSLError as exc:
        return "ALERT" in (exc.reason or "")
    except OSError:
        return False


def _store(store: SharedStore) -> Finding:
    """Try every operation that revocations, used DPoP proofs and leases need."""
    try:
        store.write(lambda engine: engine.check(), 5 * OPERATION_TIMEOUT_SECONDS)
    except StoreError as exc:
        return Finding("store", FAIL, str(exc), _REMEDIES.get(exc.code, _REMEDY))
    return Finding("store", OK, "reads, writes and runs scripts")


def _has_to_last(state: AppState) -> bool:
    """Return whether losing entries matters: revocations and used proofs. A key set is simply fetched again."""
    return state.settings.revocation or state.settings.dpop != "disabled"


def _eviction(backend: Any) -> Finding:
    try:
        client: Any = backend._write_client  # noqa: SLF001 - flask-caching offers no other way to its client
        info = call_within(OPERATION_TIMEOUT_SECONDS, lambda: client.info("memory"))
    except Exception:  # noqa: BLE001 - each client has its own errors; a provider may forbid INFO
        return Finding(
            "eviction", WARN, "unknown: Redis does not answer INFO", "make sure that maxmemory-policy is noeviction"
        )
    nodes = [node for node in info.values() if isinstance(node, dict)] or [info]
    policies = {str(node.get("maxmemory_policy", "unknown")) for node in nodes}
    if policies == {"noeviction"}:
        return Finding("eviction", OK, "Redis does not evict entries (noeviction)")
    text = f"Redis may evict revocations (maxmemory-policy {printable(', '.join(sorted(policies)))})"
    return Finding("eviction", WARN, text, "set maxmemory-policy to noeviction, or use a separate Redis")


def _workers(reach: str) -> Finding:
    workers = _number_of_workers(os.environ)
    if reach == "process" and workers > 1:
        return Finding("workers", WARN, f"{workers} according to the environment. {NOT_SHARED}")
    if workers > 1:
        return Finding("workers", OK, f"{workers} according to the environment; the cache is shared by {_WHOM[reach]}")
    if reach == "process":
        return Finding("workers", OK, "fine for one process; several need a shared cache")
    return Finding("workers", OK, f"any number: the cache is shared by {_WHOM[reach]}")


def _number_of_workers(environ: Mapping[str, str]) -> int:
    """Return how many workers gunicorn would start by default; its command line may say otherwise."""
    numbers = _WORKERS.findall(environ.get("GUNICORN_CMD_ARGS", "")) or [environ.get("WEB_CONCURRENCY", "")]
    number = numbers[-1]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
