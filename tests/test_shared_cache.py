"""The shared cache: what a faulty one costs, which one is used, and that nothing is ever unpickled."""

from __future__ import annotations

import logging
import os
import pickle
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import greenlet
import pytest
from cached_apps import Bomb
from conftest import AppFactory, MovableClock, bearer
from flask import Flask, render_template_string
from flask_caching import Cache
from memory_store import MemoryStore
from processes import eventually
from servers import ScriptedIssuer, complete, document, in_a_child_process
from shared_sources import EDDSA, SECRET, DictBackend, Fleet

from auth0_blueprint import ConfigurationError
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.extension.cache_backend import backend_opener
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.sharing.shared_cache import OPERATION_TIMEOUT_SECONDS, CacheUnavailableError, SharedCache
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def fleet(clock: MovableClock) -> Fleet:
    return Fleet(DictBackend(), ScriptedIssuer(document("a")), clock)


# A cache that is down


class BadBackend(DictBackend):
    """Fails each call in the way that the test wants."""

    def __init__(self, misbehave: Callable[[], object]) -> None:
        super().__init__()
        self.misbehave = misbehave

    def get(self, key: str) -> Any:
        self.calls += 1
        return self.misbehave()

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self.calls += 1
        return self.misbehave()

    def delete(self, key: str) -> Any:
        self.calls += 1
        return self.misbehave()

    def get_many(self, *keys: str) -> Any:
        self.calls += 1
        return self.misbehave()


def raising(error: BaseException) -> Callable[[], object]:
    """Return what raises *error*."""

    def misbehave() -> object:
        raise error

    return misbehave


@pytest.fixture
def hang() -> Iterator[Callable[[], object]]:
    """What hangs until the test is over."""
    is_over = threading.Event()
    yield lambda: is_over.wait(20)
    is_over.set()


Operation = Callable[[SharedCache], object]
OPERATIONS = pytest.mark.parametrize(
    "operate",
    [
        lambda cache: cache.get("key"),
        lambda cache: cache.set("key", "value", 60),
        lambda cache: cache.delete("key"),
        lambda cache: cache.get_many(["key"]),
    ],
    ids=["get", "set", "delete", "get_many"],
)


@OPERATIONS
@pytest.mark.parametrize("error", [OSError("SPY"), KeyError("SPY"), RuntimeError("SPY")], ids=repr)
def test_a_cache_that_raises_is_left_alone_for_30_seconds(
    clock: MovableClock, caplog: pytest.LogCaptureFixture, operate: Operation, error: Exception
) -> None:
    """Each failure costs one call; the first one of a row is logged, without the error's own text."""
    backend = BadBackend(raising(error))
    cache = SharedCache(lambda: backend, clock=clock)
    for seconds, calls in ((0, 1), (0, 1), (29.9, 1), (0.1 + 1e-6, 2)):
        clock.move(seconds)
        with pytest.raises(CacheUnavailableError) as failed:
            operate(cache)
        assert "SPY" not in "".join(traceback.format_exception(failed.value))
        assert backend.calls == calls
    assert not cache.is_reachable
    reason = f"shared cache unavailable ({type(error).__name__})"
    assert caplog.messages == [f"{reason}: not retried for 30 s; nothing is shared until then"]


@OPERATIONS
def test_a_cache_that_hangs_costs_one_second_and_is_left_alone(
    clock: MovableClock, hang: Callable[[], object], operate: Operation
) -> None:
    """No operation takes over a second, and the next ones take none."""
    backend = BadBackend(hang)
    cache = SharedCache(lambda: backend, clock=clock)
    begin = time.monotonic()
    for _ in range(3):
        with pytest.raises(CacheUnavailableError):
            operate(cache)
    assert OPERATION_TIMEOUT_SECONDS == 1.0
    assert time.monotonic() - begin < 2 * OPERATION_TIMEOUT_SECONDS  # as one of them waited, and no other
    assert backend.calls == 1


def test_a_cache_that_works_again_is_used_again(clock: MovableClock, caplog: pytest.LogCaptureFixture) -> None:
    """After the pause, one good answer is all it takes, and the log says so once."""
    caplog.set_level(logging.INFO)
    backend = BadBackend(raising(OSError()))
    cache = SharedCache(lambda: backend, clock=clock)
    with pytest.raises(CacheUnavailableError):
        cache.get("key")
    backend.misbehave = lambda: "value"
    clock.move(30)
    assert cache.has_failed
    assert [cache.get("key"), cache.get("key")] == ["value", "value"]
    assert not cache.has_failed
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[-1] == "shared cache available again"


@pytest.mark.parametrize("error", [ValueError("SPY"), RecursionError("SPY")], ids=repr)
def test_what_a_backend_cannot_read_is_an_entry_that_nobody_signed(clock: MovableClock, error: Exception) -> None:
    """A text that is no JSON, or nested too deeply, is ignored; the cache is not left alone for it."""
    fleet = Fleet(BadBackend(raising(error)), ScriptedIssuer(document("a")), clock)
    shared = fleet.shared()
    assert shared.read() is None
    assert shared.ignored == 1
    assert shared.is_readable


def test_a_backend_that_says_it_has_stored_nothing_has_failed(clock: MovableClock) -> None:
    """Cachelib's file system swallows its errors, as when the disk is full."""
    cache = SharedCache(lambda: BadBackend(lambda: False), clock=clock)
    with pytest.raises(CacheUnavailableError):
        cache.set("key", "value", 60)
    assert cache.has_failed


def test_a_cache_that_has_failed_is_tried_again_only_after_the_pause(clock: MovableClock) -> None:
    """For health: a cache that nobody else asks would be called away for ever."""
    backend = BadBackend(raising(OSError()))
    cache = SharedCache(lambda: backend, clock=clock)
    cache.probe()
    assert (backend.calls, cache.backend) == (0, backend)
    with pytest.raises(CacheUnavailableError):
        cache.get("key")
    backend.misbehave = lambda: None
    cache.probe()
    assert cache.has_failed
    clock.move(30)
    cache.probe()
    assert (cache.has_failed, backend.calls) == (False, 2)


def test_where_there_is_no_backend_nothing_fails(clock: MovableClock) -> None:
    """Reads find nothing, and writes have no effect."""
    cache = SharedCache(lambda: None, clock=clock)
    assert cache.has_backend
    cache.set("key", "value", 60)
    cache.delete("key")
    assert (cache.get("key"), cache.get_many(["key", "other"])) == (None, [None, None])
    assert (cache.has_backend, cache.backend, cache.has_failed, cache.is_reachable) == (False, None, False, True)


def test_a_backend_that_cannot_be_opened_is_unavailable(clock: MovableClock) -> None:
    """Each operation says so, during the pause as well; health does not fail for it."""
    opened = 0

    def open_backend() -> DictBackend:
        nonlocal opened
        opened += 1
        raise ConnectionError("SPY")

    cache = SharedCache(open_backend, clock=clock)
    for operate in (cache.open, lambda: cache.get("key"), lambda: cache.set("key", "value", 60)):
        with pytest.raises(CacheUnavailableError):
            operate()
    cache.probe()
    assert (opened, cache.has_failed, cache.has_backend, cache.backend) == (1, True, True, None)


# Two users at once


class MeetingBackend(DictBackend):
    """Lets an operation on a key end when the test says, and then fail if the key says so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = {name: threading.Event() for name in ("good", "bad")}
        self.may_end = {name: threading.Event() for name in ("good", "bad")}

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        self.is_asked[key].set()
        assert self.may_end[key].wait(0.9)
        if key == "bad":
            raise ConnectionError
        return super().set(key, value, timeout)


@pytest.mark.parametrize("first", ["good", "bad"])
def test_of_two_users_at_once_each_learns_its_own_outcome(clock: MovableClock, first: str) -> None:
    """Whichever operation ends first, a failed write is never taken for a done one, nor the other way round."""
    backend = MeetingBackend()
    cache = SharedCache(lambda: backend, clock=clock)
    cache.open()
    with ThreadPoolExecutor(2) as pool:
        writes = {key: pool.submit(cache.set, key, "value", 60) for key in backend.is_asked}
        assert all(is_asked.wait(5) for is_asked in backend.is_asked.values())
        for key in sorted(writes, key=lambda key: key != first):
            backend.may_end[key].set()
            assert isinstance(writes[key].exception(5), CacheUnavailableError if key == "bad" else type(None))
    assert backend.values == {"good": "value"}


def test_two_greenlets_of_one_thread_learn_their_own_outcome(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """As with gevent: the other one succeeds while the failure of the first is being logged."""
    backend, outcomes = DictBackend(), list[str]()
    hub = greenlet.getcurrent()

    def call_later(_seconds: float, operation: Callable[[], Any]) -> Any:
        hub.switch()
        return operation()

    cache = SharedCache(lambda: backend, clock=clock, call_within=call_later)

    def write(value: Any) -> None:
        try:
            cache.set("key", value, 60)
            outcomes.append("done")
        except CacheUnavailableError:
            outcomes.append("failed")

    def fail_for_bad_values(key: str, value: Any, timeout: int | None = None) -> Any:
        return value != "bad"

    class SwitchingHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "unavailable" in record.getMessage():
                hub.switch()

    cache.open_now()
    backend.set = fail_for_bad_values  # type: ignore[method-assign]
    good, bad = greenlet.greenlet(lambda: write("good")), greenlet.greenlet(lambda: write("bad"))
    handler = SwitchingHandler()
    logger = logging.getLogger("auth0_blueprint")
    logger.addHandler(handler)
    try:
        good.switch()  # both have started
        bad.switch()
        bad.switch()  # has failed, and logs it
        good.switch()
        bad.switch()
    finally:
        logger.removeHandler(handler)
    assert outcomes == ["done", "failed"]


def test_threads_that_open_a_cache_at_once_open_it_once(clock: MovableClock) -> None:
    """Each private cache has connections of its own."""
    opened: list[DictBackend] = []
    everybody = threading.Barrier(9)

    def open_backend() -> DictBackend:
        opened.append(DictBackend())
        return opened[-1]

    cache = SharedCache(open_backend, clock=clock)

    def open_with_all() -> object:
        everybody.wait(10)
        return cache.open()

    with ThreadPoolExecutor(8) as pool:
        backends = [pool.submit(open_with_all) for _ in range(8)]
        everybody.wait(10)
        assert {id(backend.result(10)) for backend in backends} == {id(opened[0])}
    assert len(opened) == 1


@pytest.mark.parametrize("fails_after", [0, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("answer", [document("a"), FetchError("http_status", status=503)], ids=["keys", "outage"])
def test_a_cache_that_is_away_costs_nothing_but_the_sharing(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, answer: Any, fails_after: int
) -> None:
    """Each process fetches for itself, whichever operation fails first, and the log says nothing else of it."""
    fleet.scripted.answer = answer

    def misbehave() -> object:
        if fleet.backend.calls > fails_after:
            raise ConnectionError
        return None

    class BadStore(MemoryStore):
        def _check(self) -> None:
            fleet.backend.calls += 1
            misbehave()

    fleet.backend, fleet.store = BadBackend(misbehave), BadStore(fleet.clock)
    for number in range(1, 3):
        fleet.backend.calls = 0
        process = fleet.process()
        with suppress(KeySetUnavailableError):
            assert process.key_for("a", EDDSA).key.key_id == "a"
        complete()
        assert fleet.scripted.fetch_count == number
        fleet.store.flush()
    assert {message.partition(":")[0] for message in caplog.messages} <= {
        "shared cache unavailable (ConnectionError)",
        "reads of the shared store fail",
        "writes of the shared store fail",
        "the key set of https",
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_while_the_cache_is_opened_can_open_it_itself() -> None:
    """The thread that opens it does not exist in the child, which would wait for it in vain."""
    is_opening, may_open = threading.Event(), threading.Event()
    parent = os.getpid()
    backend = DictBackend()
    backend.values["key"] = "value"

    def open_backend() -> DictBackend:
        if os.getpid() == parent:
            is_opening.set()
            may_open.wait(10)
        return backend

    cache = SharedCache(open_backend)
    thread = threading.Thread(target=cache.open)
    thread.start()
    assert is_opening.wait(5)
    try:
        assert in_a_child_process(lambda: str(cache.get("key"))) == "value"
    finally:
        may_open.set()
        thread.join()


def test_a_backend_is_opened_once_without_the_lock_and_anew_in_a_child() -> None:
    """Opening may connect. Whoever comes meanwhile gets what comes of it; a child shares no client with its parent."""
    opened, go_on = list[int](), threading.Event()

    def open_backend() -> DictBackend:
        opened.append(os.getpid())
        go_on.wait(5)
        return DictBackend()

    cache = SharedCache(open_backend)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(cache.open_now) for _ in range(8)]
        eventually(lambda: bool(opened))
        assert not cache._lock().locked()
        go_on.set()
        assert len({id(one.result()) for one in waiting}) == 1
    assert len(opened) == 1
    assert in_a_child_process(lambda: str(cache.open_now() is not None and opened[-1] == os.getpid())) == "True"


def host_app(**config: Any) -> Flask:
    """Return an app with a cache configuration and nothing else."""
    app = Flask("host", static_folder=None)
    app.config.update(config)
    return app


def file_system(path: Path, **config: Any) -> dict[str, Any]:
    """Return the configuration of a cache in files below *path*."""
    return {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(path), **config}


# The package's own cache


def test_memcached_is_never_read(make_app: AppFactory, caplog: pytest.LogCaptureFixture, issuer: LocalIssuer) -> None:
    """Its clients unpickle what the server marks as a pickle. The app works, shares nothing, and is told."""
    app = make_app(CACHE_TYPE="MemcachedCache", AUTH0_CACHE_SECRET=SECRET)
    assert "MemcachedCache unpickles" in caplog.text
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    assert backend_opener(app, None)() is None


def test_a_cache_type_that_is_no_class_is_refused(make_app: AppFactory) -> None:
    """Nothing but a class of cache can be set up."""
    with pytest.raises(ConfigurationError, match="is not a cache class: try RedisCache"):
        make_app(CACHE_TYPE="flask_caching.make_template_fragment_key")


def test_without_a_cache_type_there_is_no_cache() -> None:
    """One process has nothing to share, and flask-caching's warning has no place here."""
    assert backend_opener(host_app(), None)() is None


@pytest.mark.parametrize("is_used_before", [False, True])
def test_a_cache_type_set_after_registration_counts_until_the_first_use(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path, is_used_before: bool
) -> None:
    """Hosts configure late. What was decided by then holds, for the backend and for all that is shared beside it."""
    app = make_app(AUTH0_CACHE_SECRET=SECRET)
    client, headers, state = app.test_client(), bearer(issuer.token()), app.extensions["auth0"]
    for _ in range(is_used_before):
        client.get("/auth/me", headers=headers)
    app.config.update(file_system(tmp_path / "cache"))
    assert client.get("/auth/me", headers=headers).status_code == 200
    assert (state.cache.backend is None, state.reach() == "process") == (is_used_before, is_used_before)
    assert any(tmp_path.rglob("*.sqlite3")) is not is_used_before


@pytest.mark.parametrize("secret", [SECRET, "short"])
def test_a_late_cache_reaches_no_further_than_the_secret_allows(make_app: AppFactory, secret: str) -> None:
    app = make_app(AUTH0_CACHE_SECRET=secret)
    app.config.update(CACHE_TYPE="RedisCache")
    state = app.extensions["auth0"]
    assert (state.reach(), state.is_withheld()) == (("fleet", False) if secret is SECRET else ("process", True))
    assert secret is SECRET or state.cache.open() is None


def test_the_private_cache_leaves_the_fragment_cache_of_the_host_alone(make_app: AppFactory) -> None:
    """What a template of the host caches is still in the host's cache, and goes when that is cleared."""
    app = make_app(CACHE_TYPE="SimpleCache", AUTH0_CACHE_SECRET=SECRET)
    host = Cache(app)
    app.test_client().get("/auth/health")  # opens the private one
    template = "{% cache 60, 'fragment' %}{{ word }}{% endcache %}"
    with app.app_context():
        assert render_template_string(template, word="first") == "first"
        assert render_template_string(template, word="second") == "first"
        host.clear()
        assert render_template_string(template, word="third") == "third"


def test_the_private_cache_does_not_disturb_a_host_cache_in_the_same_directory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The host may pickle, prune and clear: neither of the two ever meets what the other one wrote."""
    app = host_app(**file_system(tmp_path, CACHE_THRESHOLD=3))
    host: Any = Cache(app)
    private = backend_opener(app, None)()
    assert private is not None
    with caplog.at_level(logging.WARNING), app.app_context():
        private.set("private", "text", timeout=60)
        caplog.clear()
        for number in range(10):
            host.set(f"host-{number}", number)
        assert host.clear()
    assert private.get("private") == "text"
    assert caplog.messages == []


def test_a_pickle_planted_in_the_cache_is_never_run(make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path) -> None:
    """CVE-2021-33026: whoever can write to the cache cannot run code here, and the keys come from the issuer."""
    crater = tmp_path / "crater"
    config = file_system(tmp_path / "cache", AUTH0_CACHE_SECRET=SECRET)

    def ask() -> int:
        status = make_app(**config).test_client().get("/auth/me", headers=bearer(issuer.token())).status_code
        complete()
        return status

    assert ask() == 200
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(struct.pack("I", int(time.time()) + 600) + pickle.dumps(Bomb(crater)))
    assert ask() == 200
    assert not crater.exists()
    assert issuer.fetch_count == 2
