"""The store of one machine, without Redis: a SQLite database, whose transactions are the atomic operations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.sharing.store import Head, LayoutChangedError, StoreError, chained

_BUSY_SECONDS = 0.5
_BATCH = 20
_FORM = 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS taken (name TEXT PRIMARY KEY, value TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notice (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (
  only INTEGER PRIMARY KEY CHECK (only = 0), incarnation TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL,
  layout INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS change (version INTEGER PRIMARY KEY, digest TEXT NOT NULL, blob TEXT NOT NULL);
PRAGMA user_version = {_FORM};
COMMIT;
"""


class SQLiteStore:
    """The store of the processes of one machine that use the same folder.

    Args:
        path: the database; its folder is made if need be.
        clock: tells the time.
    """

    reach = "machine"

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._clock = clock

    def take(self, name: str, value: str, seconds: float) -> bool:
        """Store *value* under *name* unless another value is there; tell whether *value* is there now."""
        now = self._clock.time()
        with self._transaction() as database:
            database.execute("DELETE FROM taken WHERE until <= ?", (now,))
            database.execute("INSERT OR IGNORE INTO taken VALUES (?, ?, ?)", (name, value, now + seconds))
            (there,) = database.execute("SELECT value FROM taken WHERE name = ?", (name,)).fetchone()
        return bool(there == value)

    def value_of(self, name: str) -> str | None:
        """Return the value under *name*."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT value FROM taken WHERE name = ? AND until > ?", (name, self._clock.time())
            ).fetchone()
        return None if row is None else str(row[0])

    def put(self, name: str, value: str, seconds: float) -> None:
        """Store *value* under *name*, whatever is there."""
        with self._transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO taken VALUES (?, ?, ?)", (name, value, self._clock.time() + seconds)
            )

    def give_back(self, name: str, value: str) -> None:
        """Remove *value*, if it is still what is under *name*."""
        with self._transaction() as database:
            database.execute("DELETE FROM taken WHERE name = ? AND value = ?", (name, value))

    def look(self, notices: list[str]) -> tuple[Head | None, list[str | None]]:
        """Return where the log stands, ``None`` if there is none, and the *notices* of these names."""
        with self._transaction() as database:
            posted = dict(database.execute("SELECT name, value FROM notice").fetchall())
            return _head(database), [posted.get(notice) for notice in notices]

    def post(self, notice: str, value: str) -> None:
        """Put *value* where `look` finds it, under the name *notice*."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO notice VALUES (?, ?)", (notice, value))

    def begin(self, incarnation: str, blobs: list[str], keep_seconds: float) -> bool:  # noqa: ARG002 - files are kept
        """Begin a log that holds *blobs*, all at once, unless there is one; tell whether it is ours."""
        with self._transaction() as database:
            there = _head(database)
            if there is not None:
                return there.incarnation == incarnation
            database.execute("INSERT INTO head VALUES (0, ?, 0, '', 0)", (incarnation,))
            _append(database, Head(incarnation, 0, "", 0), blobs)
        return True

    def append(self, incarnation: str, blobs: list[str], keep_seconds: float) -> Head | None:  # noqa: ARG002
        """Append *blobs* to the log of that *incarnation*; ``None`` if there is no such log."""
        with self._transaction() as database:
            head = _head(database)
            return None if head is None or head.incarnation != incarnation else _append(database, head, blobs)

    def changes(self, since: Head, until: Head) -> list[str] | None:
        """Return what was appended between two heads; ``None`` if that is not known any more, or never was so."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT version, digest, blob FROM change WHERE version BETWEEN ? AND ? ORDER BY version",
                (since.version, until.version),
            ).fetchall()
        if since.version:
            if not rows or rows[0][:2] != (since.version, since.digest):
                return None
            del rows[0]
        return [blob for _, _, blob in rows] if len(rows) == until.version - since.version else None

    def contents(self, head: Head) -> Iterator[dict[int, str]]:
        """Yield all blobs of the log by their versions, some at a time."""
        last = -1
        while True:
            with self._transaction() as database:
                now = _head(database)
                rows = database.execute(
                    "SELECT version, blob FROM change WHERE version > ? ORDER BY version LIMIT ?", (last, _BATCH)
                ).fetchall()
            if now is None or (now.incarnation, now.layout) != (head.incarnation, head.layout):
                raise LayoutChangedError
            if not rows:
                return
            last = rows[-1][0]
            yield dict(rows)

    def blobs(self, versions: list[int]) -> dict[int, str]:
        """Return the blobs of those *versions* that are in the log."""
        with self._transaction() as database:
            found = (
                database.execute("SELECT version, blob FROM change WHERE version = ?", (version,)).fetchone()
                for version in versions
            )
            return {row[0]: row[1] for row in found if row is not None}

    def check(self) -> None:
        """Try every operation on names of its own, and clean up; for ``flask auth0 doctor``."""
        self.put("doctor", "x", 60)
        if self.value_of("doctor") != "x":
            raise StoreError("failed", "the database in CACHE_DIR does not keep what is written")
        self.give_back("doctor", "x")
        self.look([])

    def merge(self, head: Head, versions: list[int], blob: str | None) -> bool:
        """Put *blob* in the place of the changes with these *versions*, unless the layout has changed; tell whether."""
        last = max(versions)
        with self._transaction() as database:
            now = _head(database)
            if now is None or (now.incarnation, now.layout) != (head.incarnation, head.layout):
                return False
            dropped = [version for version in versions if blob is None or version != last]
            database.executemany("DELETE FROM change WHERE version = ?", [(version,) for version in dropped])
            if blob is not None:
                database.execute("UPDATE change SET blob = ? WHERE version = ?", (blob, last))
            database.execute("UPDATE head SET layout = layout + 1")
        return True

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction, which no other process interrupts.

        Raises:
            StoreError: it failed.
        """
        try:
            with closing(self._connect()) as database, database:
                database.execute("BEGIN IMMEDIATE")
                yield database
        except (sqlite3.Error, OSError) as exc:
            code = "timeout" if "locked" in str(exc) else "full" if "full" in str(exc) else "failed"
            raise StoreError(code, f"the database in CACHE_DIR cannot be used ({type(exc).__name__})") from None

    def _connect(self) -> sqlite3.Connection:
        # One for each transaction: a connection must cross neither a fork nor a thread.
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return self._opened()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            # No database, or a damaged one: begun anew, as a store is that has lost everything.
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = NORMAL")
            self._set_up(database)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _set_up(self, database: sqlite3.Connection) -> None:
        # Several processes that start together do this together. SQLite does not wait for another one that changes the
        # mode of the journal: it fails at once.
        until = self._clock.monotonic() + _BUSY_SECONDS
        while database.execute("PRAGMA user_version").fetchone() != (_FORM,):
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(_SCHEMA)
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or self._clock.monotonic() >= until:
                    raise
                self._clock.sleep(0.01)


def _head(database: sqlite3.Connection) -> Head | None:
    row = database.execute("SELECT incarnation, version, digest, layout FROM head").fetchone()
    return None if row is None else Head(*row)


def _append(database: sqlite3.Connection, head: Head, blobs: list[str]) -> Head:
    version, digest = head.version, head.digest
    for blob in blobs:
        version, digest = version + 1, chained(digest, blob)
        database.execute("INSERT INTO change VALUES (?, ?, ?)", (version, digest, blob))
    database.execute("UPDATE head SET version = ?, digest = ?", (version, digest))
    return head._replace(version=version, digest=digest)
