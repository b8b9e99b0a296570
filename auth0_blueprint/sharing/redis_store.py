"""The store on Redis: its own atomic operations, on the primary, under keys of one hash slot.

The log is one hash, so that no part of it can be evicted, restored or lost by itself. Its fields: ``incarnation``,
``version``, ``digest``, ``layout``; ``c:<version>`` for each change, the digest after it (40 characters) and its blob;
``n:<name>`` for each notice; and ``merged``, which tells the last merging from one that was sent twice.

Whoever can write to Redis can damage the log. A log whose head makes no sense counts as none, and the next process that
begins one replaces it; fields that are not ours are skipped.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, TypeVar

from auth0_blueprint.sharing.redis_errors import REASONS, code_of
from auth0_blueprint.sharing.store import Head, LayoutChangedError, StoreError

T = TypeVar("T")

_HEAD = ("incarnation", "version", "digest", "layout")
_DIGEST_LENGTH = 40
_INCARNATION = re.compile(rb"[0-9A-Za-z]{1,64}")
# A number that Lua, which has only floating point, writes as it reads it.
_NUMBER = re.compile(rb"[0-9]{1,13}")
_CHANGE = re.compile(rb"c:([0-9]{1,14})")
#: How many blobs are read in one operation: of a thousand entries each about 4 MB.
_BATCH = 50
_STAGING_MILLISECONDS = 60_000

# Each script may run twice. A value is its own proof that it was stored.
_TAKE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
"""
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
# What tells a head that makes sense, as `_head` does.
_READ_HEAD = """
local function read_head(key)
  local head = redis.call('HMGET', key, 'incarnation', 'version', 'digest', 'layout')
  for number = 1, 4 do if not head[number] then return {} end end
  for number = 2, 4, 2 do
    if #head[number] > 13 or not string.match(head[number], '^[0-9]+$') then return {} end
  end
  if not string.match(head[1], '^%w+$') or #head[1] > 64 or #head[3] > 40 then return {} end
  return head
end
"""
# A connection may still lead to a former primary, which answers reads as if nothing had happened: a write that changes
# nothing tells.
_LOOK = """
local write = redis.pcall('DEL', KEYS[2])
local values = redis.call('HMGET', KEYS[1], unpack(ARGV))
values[#ARGV + 1] = type(write) == 'table' and string.find(write.err, 'READONLY', 1, true) and 1 or 0
return values
"""
_APPEND = f"""{_READ_HEAD}
local key, keep, head = KEYS[1], tonumber(ARGV[2]), read_head(KEYS[1])
if head[1] ~= ARGV[1] then return {{}} end
local version, digest = tonumber(head[2]), head[3]
for number = 3, #ARGV do
  version, digest = version + 1, redis.sha1hex(digest .. ARGV[number])
  redis.call('HSET', key, 'c:' .. version, digest .. ARGV[number])
end
redis.call('HSET', key, 'version', version, 'digest', digest)
if redis.call('PTTL', key) < keep then redis.call('PEXPIRE', key, keep) end
return redis.call('HMGET', key, 'incarnation', 'version', 'digest', 'layout')
"""
# What was staged becomes the log, whole. Notices of a log that is gone go with it.
_BEGIN = f"""{_READ_HEAD}
local there = read_head(KEYS[1])[1]
if there then redis.call('DEL', KEYS[2]) return there == ARGV[1] and 1 or 0 end
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_MERGE = """
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'layout') ~= ARGV[2] then
  return redis.call('HGET', KEYS[1], 'merged') == ARGV[3] and 1 or 0
end
local last = redis.call('HGET', KEYS[1], 'c:' .. ARGV[#ARGV])
if not last then return 0 end
for number = 5, #ARGV do redis.call('HDEL', KEYS[1], 'c:' .. ARGV[number]) end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'c:' .. ARGV[#ARGV], string.sub(last, 1, 40) .. ARGV[4]) end
redis.call('HINCRBY', KEYS[1], 'layout', 1)
redis.call('HSET', KEYS[1], 'merged', ARGV[3])
return 1
"""


class RedisStore:
    """The store of one fleet.

    Args:
        client: finds the connected redis-py client of the primary; called for each operation.
        name: tells this fleet from others; the hash tag of all keys.
        prefix: what the keys of the backend begin with.
    """

    reach = "fleet"

    def __init__(self, client: Callable[[], Any], *, name: str, prefix: str = "") -> None:
        self._client = client
        self._prefix = f"{prefix}auth0:{{{name}}}:"
        self._log = f"{self._prefix}log"

    def check(self) -> None:
        """Try every operation on names of its own, and clean up; for ``flask auth0 doctor``."""
        name = f"doctor:{secrets.token_hex(8)}"
        self.put(name, "x", 60)
        self.give_back(name, "x")
        if not self.take(name, "x", 60) or self.value_of(name) != "x":
            raise StoreError("failed", "Redis does not keep what is written")
        self.give_back(name, "x")
        log = copy(self)
        log._log = f"{self._prefix}{name}"  # noqa: SLF001 - its own
        try:
            log.begin("doctor", ["x"], 60)
            log.append("doctor", ["y"], 60)
            log.post("doctor", "x")
            head, _ = log.look(["doctor"])
            if head is None or sorted(blob for part in log.contents(head) for blob in part.values()) != ["x", "y"]:
                raise StoreError("failed", "Redis does not keep what is written")
            log.merge(head, [1], None)
        finally:
            log._do(log._log, lambda client: client.delete(log._log))  # noqa: SLF001 - its own

    def take(self, name: str, value: str, seconds: float) -> bool:
        """Store *value* under *name* unless another value is there; tell whether *value* is there now."""
        return bool(self._run(_TAKE, [self._prefix + name], [value, _milliseconds(seconds)]))

    def value_of(self, name: str) -> str | None:
        """Return the value under *name*."""
        value: str | None = _text(self._do(self._prefix + name, lambda client: client.get(self._prefix + name)))
        return value

    def put(self, name: str, value: str, seconds: float) -> None:
        """Store *value* under *name*, whatever is there."""
        self._do(self._prefix + name, lambda client: client.set(self._prefix + name, value, px=_milliseconds(seconds)))

    def give_back(self, name: str, value: str) -> None:
        """Remove *value*, if it is still what is under *name*."""
        self._run(_GIVE_BACK, [self._prefix + name], [value])

    def look(self, notices: list[str]) -> tuple[Head | None, list[str | None]]:
        """Return where the log stands, ``None`` if there is none, and the *notices* of these names."""
        fields = [*_HEAD, *(f"n:{notice}" for notice in notices)]
        *values, is_read_only = self._run(_LOOK, [self._log, f"{self._prefix}none"], fields)
        if is_read_only:
            *values, is_read_only = self._run(_LOOK, [self._log, f"{self._prefix}none"], fields, is_redialled=True)
        head = _head(values[: len(_HEAD)])
        if head is None and is_read_only:
            # That there is no log is for the primary to say.
            raise StoreError("read_only", REASONS["read_only"])
        return head, [_text(value) for value in values[len(_HEAD) :]]

    def post(self, notice: str, value: str) -> None:
        """Put *value* where `look` finds it, under the name *notice*."""
        self._do(self._log, lambda client: client.hset(self._log, f"n:{notice}", value))

    def begin(self, incarnation: str, blobs: list[str], keep_seconds: float) -> bool:
        """Begin a log that holds *blobs*, all at once, unless there is one; tell whether it is ours."""
        staging = f"{self._log}:{incarnation}"
        fields: dict[str, Any] = {"incarnation": incarnation, "version": 0, "digest": "", "layout": 0}
        self._do(staging, lambda client: client.hset(staging, mapping=fields))
        self._do(staging, lambda client: client.pexpire(staging, _STAGING_MILLISECONDS))
        for number in range(0, len(blobs), _BATCH):
            self._run(_APPEND, [staging], [incarnation, _STAGING_MILLISECONDS, *blobs[number : number + _BATCH]])
        return bool(self._run(_BEGIN, [self._log, staging], [incarnation, _milliseconds(keep_seconds)]))

    def append(self, incarnation: str, blobs: list[str], keep_seconds: float) -> Head | None:
        """Append *blobs* to the log of that *incarnation*; ``None`` if there is no such log."""
        values = self._run(_APPEND, [self._log], [incarnation, _milliseconds(keep_seconds), *blobs])
        return _head(values) if values else None

    def changes(self, since: Head, until: Head) -> list[str] | None:
        """Return what was appended between two heads; ``None`` if that is not known any more, or never was so."""
        fields = [f"c:{version}" for version in range(since.version, until.version + 1)]
        first, *values = self._fields(fields)
        if since.version and (first is None or _text(first)[:_DIGEST_LENGTH] != since.digest):
            return None
        return None if None in values else [_text(value)[_DIGEST_LENGTH:] for value in values]

    def contents(self, head: Head) -> Iterator[dict[int, str]]:
        """Yield all blobs of the log by their versions, some at a time."""
        keys: list[bytes] = self._do(self._log, lambda client: client.hkeys(self._log))
        now, _ = self.look([])
        # What stands beyond the version is not in the log: the next changes overwrite it.
        end = 0 if now is None else now.version
        fields = [field for field in keys if (found := _CHANGE.fullmatch(field)) and int(found[1]) <= end]
        for number in range(0, len(fields), _BATCH):
            batch = fields[number : number + _BATCH]
            values = self._fields(batch)
            if None in values:
                raise LayoutChangedError
            yield {int(field[2:]): _text(value)[_DIGEST_LENGTH:] for field, value in zip(batch, values, strict=True)}
        now, _ = self.look([])
        if now is None or (now.incarnation, now.layout) != (head.incarnation, head.layout):
            raise LayoutChangedError

    def blobs(self, versions: list[int]) -> dict[int, str]:
        """Return the blobs of those *versions* that are in the log."""
        values = self._fields([f"c:{version}" for version in versions])
        found = zip(versions, values, strict=True)
        return {version: _text(value)[_DIGEST_LENGTH:] for version, value in found if value is not None}

    def merge(self, head: Head, versions: list[int], blob: str | None) -> bool:
        """Put *blob* in the place of the changes with these *versions*, unless the layout has changed; tell whether."""
        arguments = [head.incarnation, head.layout, secrets.token_hex(8), blob or "", *sorted(versions)]
        return bool(self._run(_MERGE, [self._log], arguments))

    def _fields(self, fields: list[Any]) -> list[Any]:
        values: list[Any] = self._do(self._log, lambda client: client.hmget(self._log, fields))
        return values

    def _run(self, script: str, keys: list[str], arguments: list[Any], *, is_redialled: bool = False) -> Any:
        digest = _SHA1[script]

        def run(client: Any) -> Any:
            from redis.exceptions import NoScriptError  # redis-py is an optional dependency

            if is_redialled:
                _redial(client)
            try:
                return client.evalsha(digest, len(keys), *keys, *arguments)
            except NoScriptError:
                return client.eval(script, len(keys), *keys, *arguments)

        return self._do(keys[0], run)

    def _do(self, key: str, operation: Callable[[Any], T]) -> T:
        """Run *operation*, on *key*, with the client of the primary.

        Raises:
            StoreError: it failed.
        """
        client = self._client()
        try:
            try:
                return operation(client)
            except Exception as exc:
                if not _is_mended(client, key, code_of(exc)):
                    raise
                return operation(client)
        except Exception as exc:  # noqa: BLE001 - redis-py, its pools and sockets each have their own errors
            code = code_of(exc)
            # The text of the error may hold an address or a password.
            raise StoreError(code, REASONS[code]) from None


def _is_mended(client: Any, key: str, code: str) -> bool:
    """Remove what makes an operation fail on every try, if it can be removed; tell whether it was."""
    if code == "read_only":
        return _redial(client)
    if code == "wrong_type":
        client.delete(key)  # nothing of ours has another type
        return True
    return False


def _redial(client: Any) -> bool:
    """Drop the pooled connections: after a failover behind one address they still lead to the old primary."""
    pool = getattr(client, "connection_pool", None)  # that of a cluster finds the primary by itself
    if pool is not None:
        pool.disconnect(inuse_connections=False)
    return pool is not None


def _milliseconds(seconds: float) -> int:
    return max(1000, math.ceil(seconds * 1000))


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _head(values: list[Any]) -> Head | None:
    """Return the head that *values* make; ``None`` if they make none, as `_READ_HEAD` says."""
    if None in values:
        return None
    incarnation, version, digest, layout = values
    is_sound = _INCARNATION.fullmatch(incarnation) and _NUMBER.fullmatch(version) and _NUMBER.fullmatch(layout)
    if not is_sound or len(digest) > _DIGEST_LENGTH:
        return None
    return Head(_text(incarnation), int(version), _text(digest), int(layout))


_SHA1 = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (_TAKE, _GIVE_BACK, _LOOK, _APPEND, _BEGIN, _MERGE)
}
