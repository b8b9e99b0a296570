"""What every engine of the shared store promises, asked of each on the real thing, and of the one that tests use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fleet.redis_server import RedisServer, empty_redis
from memory_store import MemoryStore

from auth0_blueprint.sharing.redis_store import RedisStore
from auth0_blueprint.sharing.sqlite_store import SQLiteStore
from auth0_blueprint.sharing.store import Head, LayoutChangedError, Store

KEEP = 3600
MakeStore = Callable[[], Store]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with empty_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["redis", "sqlite", "memory"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Return what connects to the same store again, as another process does."""
    if request.param == "memory":
        memory = MemoryStore()
        return lambda: memory
    if request.param == "sqlite":
        return lambda: SQLiteStore(tmp_path / "folder" / "shared.sqlite3")
    server: RedisServer = request.getfixturevalue("redis_server")
    server.client.flushall()
    return lambda: RedisStore(lambda: server.client, name="fleet", prefix="app_")


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()


def begun(store: Store, *blobs: str) -> Head:
    assert store.begin("first", list(blobs), KEEP)
    return head_of(store)


def head_of(store: Store) -> Head:
    head, _ = store.look([])
    assert head is not None
    return head


def appended(store: Store, *blobs: str) -> Head:
    head = store.append("first", list(blobs), KEEP)
    assert head is not None
    assert head == head_of(store)
    return head


def blobs_of(store: Store) -> list[str]:
    found = {version: blob for part in store.contents(head_of(store)) for version, blob in part.items()}
    return [blob for _, blob in sorted(found.items())]


class TestSingleValues:
    def test_a_name_is_taken_by_one(self, make_store: MakeStore) -> None:
        """Whoever comes later is told so, and sees whose it is."""
        assert make_store().take("lease", "a", 60)
        assert not make_store().take("lease", "b", 60)
        assert make_store().value_of("lease") == "a"

    def test_taking_again_what_one_has_succeeds(self, store: Store) -> None:
        """A client sends a command again when the reply was lost."""
        assert store.take("lease", "a", 60)
        assert store.take("lease", "a", 60)

    def test_of_many_at_once_one_takes_it(self, make_store: MakeStore) -> None:
        """However they race."""
        won, barrier = list[str](), threading.Barrier(8)

        def race(value: str) -> None:
            store = make_store()
            barrier.wait()
            if store.take("proof", value, 60):
                won.append(value)

        threads = [threading.Thread(target=race, args=(str(number),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1

    def test_only_its_holder_gives_it_back(self, store: Store) -> None:
        """A holder that comes late does not take it from the next one."""
        store.take("lease", "a", 60)
        store.give_back("lease", "b")
        assert store.value_of("lease") == "a"
        store.give_back("lease", "a")
        assert store.take("lease", "b", 60)

    def test_what_is_put_replaces_what_is_there(self, store: Store) -> None:
        """Unlike taking."""
        store.take("lease", "a", 60)
        store.put("lease", "b", 60)
        assert store.value_of("lease") == "b"
        assert store.value_of("nothing") is None


class TestLog:
    def test_there_is_none_before_one_is_begun(self, store: Store) -> None:
        """Nothing can be appended to it."""
        assert store.look(["a"]) == (None, [None])
        assert store.append("first", ["x"], KEEP) is None
        assert store.look([]) == (None, [])

    def test_one_is_begun_whole(self, store: Store) -> None:
        """With all that it is to hold."""
        head = begun(store, *map(str, range(50)))
        assert (head.incarnation, head.version) == ("first", 50)
        assert blobs_of(store) == [str(number) for number in range(50)]

    def test_a_second_is_not_begun(self, make_store: MakeStore) -> None:
        """The first stays as it is; beginning the same again succeeds."""
        head = begun(make_store(), "a")
        assert not make_store().begin("second", ["b"], KEEP)
        assert make_store().begin("first", ["a"], KEEP)
        assert head_of(make_store()) == head

    def test_what_is_appended_can_be_read_from_where_one_stood(self, store: Store) -> None:
        """And from the beginning."""
        begin = begun(store)
        first = appended(store, "a")
        last = appended(store, "b", "c")
        assert store.changes(first, last) == ["b", "c"]
        assert store.changes(begin, last) == ["a", "b", "c"]
        assert store.changes(last, last) == []

    def test_nothing_is_appended_to_another_log(self, store: Store) -> None:
        """Whoever wrote for the one before has to look first."""
        head = begun(store)
        assert store.append("second", ["x"], KEEP) is None
        assert head_of(store) == head

    def test_another_history_of_the_same_length_is_told_apart(self, store: Store) -> None:
        """As after a restart from an older copy, and as many new changes as were lost."""
        begun(store)
        known = appended(store, "a", "b")
        other = known._replace(digest="0" * len(known.digest))
        last = appended(store, "c")
        assert store.changes(known, last) == ["c"]
        assert store.changes(other, last) is None

    def test_the_digest_depends_on_every_change(self, make_store: MakeStore) -> None:
        """And on their order."""
        digests = set()
        for blobs in (["a", "b"], ["b", "a"], ["ab"], ["a"]):
            store = make_store()
            head = begun(store, *blobs) if store.look([])[0] is None else appended(store, *blobs)
            digests.add(head.digest)
        assert len(digests) == 4

    def test_notices_are_seen_with_the_head(self, store: Store) -> None:
        """In one round trip; also without a log."""
        store.post("refreshed", "x")
        assert store.look(["other", "refreshed"]) == (None, [None, "x"])


class TestMerging:
    def test_changes_are_merged_into_the_last_of_them(self, store: Store) -> None:
        """Whoever stood behind them reads on; whoever stood among them reads all."""
        begun(store)
        heads = [appended(store, blob) for blob in "abcd"]
        assert store.merge(heads[-1], [1, 2], "ab")
        assert blobs_of(store) == ["ab", "c", "d"]
        last = head_of(store)
        assert last.layout == 1
        assert store.changes(heads[1], last) == ["c", "d"]
        assert store.changes(heads[0], last) is None

    def test_they_can_be_dropped(self, store: Store) -> None:
        """Where nothing of them is in force any more."""
        begun(store)
        head = appended(store, "a", "b", "c")
        assert store.merge(head, [1, 2], None)
        assert blobs_of(store) == ["c"]

    def test_of_two_who_merge_one_does(self, store: Store) -> None:
        """The other one has not seen what was merged."""
        begun(store)
        head = appended(store, "a", "b", "c")
        assert store.merge(head, [1, 2], "ab")
        assert not store.merge(head, [2, 3], "bc")
        assert blobs_of(store) == ["ab", "c"]

    def test_a_log_that_is_rearranged_while_it_is_read_is_read_again(self, store: Store) -> None:
        """Nothing of it is missed without a word."""
        begun(store)
        head = appended(store, *map(str, range(120)))
        parts = store.contents(head)
        next(parts)
        assert store.merge(head, [1, 2], "01")
        with pytest.raises(LayoutChangedError):
            list(parts)

    def test_what_is_appended_meanwhile_does_no_harm(self, store: Store) -> None:
        """It comes with the next look."""
        begun(store)
        head = appended(store, *map(str, range(120)))
        parts = store.contents(head)
        first = next(parts)
        appended(store, "new")
        assert len({version for part in (first, *parts) for version in part}) >= 120


@pytest.mark.parametrize("damage", [b"", b"not a database", b"\0" * 4096])
def test_a_file_that_is_no_database_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    """As a store that has lost everything: a process that knows writes it back."""
    store = SQLiteStore(tmp_path / "shared.sqlite3")
    begun(store, "a")
    for file in tmp_path.iterdir():
        file.write_bytes(damage)
    assert store.look([]) == (None, [])
    begun(store, "b")
    assert blobs_of(store) == ["b"]


def test_processes_that_start_together_find_a_database(tmp_path: Path) -> None:
    """SQLite fails at once where another process switches a new database to its journal: that is tried again."""
    with ThreadPoolExecutor(4) as threads:
        for number in range(100):
            start = threading.Barrier(4)
            stores = [SQLiteStore(tmp_path / f"{number}.sqlite3") for _ in range(4)]
            looks = [threads.submit(lambda store: start.wait() is not None and store.look([]), one) for one in stores]  # noqa: B023
            assert [look.result() for look in looks] == [(None, [])] * 4
