"""Why an operation on Redis failed, from what redis-py raised."""

from __future__ import annotations

from typing import Any

#: Why an operation failed, and what to do.
REASONS = {
    "unreachable": "Redis cannot be reached",
    "timeout": "Redis did not answer in time",
    "read_only": "Redis accepts no writes: this is a read-only replica",
    "no_replicas": "Redis accepts no writes: too few replicas are in sync (min-replicas-to-write)",
    "not_saved": "Redis accepts no writes: it cannot save to disk (stop-writes-on-bgsave-error)",
    "full": "Redis is full and accepts no writes (maxmemory)",
    "denied": "the Redis user may not run the command or use the key: see the ACL rules in docs/how-to/redis.md",
    "password": "Redis rejects the user name or password",
    "certificate": "the TLS certificate of Redis is not trusted, or is for another name",
    "client_certificate": "Redis ends the TLS connection, as it does without a client certificate",
    "no_tls": "Redis does not speak TLS on this port",
    "tls": "Redis expects TLS on this port",
    "cluster": "this Redis is part of a cluster",
    "no_cluster": "this Redis is not part of a cluster",
    "loading": "Redis has started and still loads its data",
    "database": "Redis has no database of this number",
    "wrong_type": "a key of ours in Redis holds another type of value",
    "failed": "Redis answered with an error",
}


def code_of(exc: BaseException) -> str:
    """Return why redis-py raised *exc*, as a key of `REASONS`."""
    from redis import exceptions as errors

    if isinstance(exc, errors.RedisClusterException) and exc.__cause__ is not None:
        return code_of(exc.__cause__)
    # Within a script, older servers and clients give the class of the inner error away only in the text.
    causes: tuple[tuple[Any, str, str], ...] = (
        (errors.AuthenticationError, "", "password"),
        (errors.NoPermissionError, "", "denied"),
        (errors.ReadOnlyError, "", "read_only"),
        (errors.OutOfMemoryError, "", "full"),
        (errors.BusyLoadingError, "", "loading"),
        (errors.ResponseError, "MOVED", "cluster"),
        (errors.MovedError, "", "cluster"),
        (errors.RedisClusterException, "not enabled", "no_cluster"),
        (errors.ResponseError, "NOAUTH", "password"),
        (errors.ResponseError, "WRONGPASS", "password"),
        (errors.ResponseError, "NOPERM", "denied"),
        (errors.ResponseError, "The user executing the script", "denied"),
        (errors.ResponseError, "READONLY", "read_only"),
        (errors.ResponseError, "NOREPLICAS", "no_replicas"),
        (errors.ResponseError, "MISCONF", "not_saved"),
        (errors.ResponseError, "OOM", "full"),
        (errors.ResponseError, "WRONGTYPE", "wrong_type"),
        (errors.ResponseError, "DB index", "database"),
        (errors.ConnectionError, "CERTIFICATE_VERIFY_FAILED", "certificate"),
        (errors.ConnectionError, "WRONG_VERSION_NUMBER", "no_tls"),
        (errors.ConnectionError, "record layer failure", "no_tls"),
        ((errors.TimeoutError, TimeoutError), "", "timeout"),
        ((errors.ConnectionError, errors.RedisClusterException, OSError), "", "unreachable"),
    )
    return next((code for classes, word, code in causes if isinstance(exc, classes) and word in str(exc)), "failed")
