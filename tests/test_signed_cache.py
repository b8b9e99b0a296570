"""Entries that the processes of one app share: under which keys, and which are believed."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import pytest
from conftest import MovableClock
from shared_sources import DictBackend

from auth0_blueprint.sharing.shared_cache import CacheUnavailableError, SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache

SECRET = "a secret of the fleet"


@pytest.fixture
def backend() -> DictBackend:
    return DictBackend()


def entries_on(backend: DictBackend | None, secret: str | None = SECRET) -> SignedCache:
    """Return the entries as one more process sees them."""
    return SignedCache(SharedCache(lambda: backend), secret=secret, names=("issuer", "url"))


def test_processes_of_two_releases_meet(backend: DictBackend) -> None:
    """They look under the same keys for as long as what is there has the same form."""
    entries = entries_on(backend)
    entries.write("lease", {}, 60)
    entries.write("board", {}, 60, name="refreshed")
    digest = hashlib.sha256(b"2\0issuer\0url\0a secret of the fleet").hexdigest()
    assert list(backend.values) == [f"auth0-lease-{digest}", f"auth0-board-refreshed-{digest}"]


def test_names_that_are_read_at_once_keep_their_order(backend: DictBackend) -> None:
    """Each has its own value, or none, in one operation."""
    writer, reader = entries_on(backend), entries_on(backend)
    for number, name in enumerate(("one", "two")):
        writer.write("board", {"number": number}, 60, name=name)
    backend.calls = 0
    assert reader.read_many("board", ["two", "none", "one"]) == [{"number": 1}, None, {"number": 0}]
    assert (backend.calls, reader.ignored) == (1, 0)


def test_a_backend_that_returns_too_few_values_is_an_error(
    backend: DictBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no telling whose they are."""
    monkeypatch.setattr(backend, "get_many", lambda *_keys: [None])
    with pytest.raises(ValueError, match="shorter"):
        entries_on(backend).read_many("board", ["one", "two"])


@pytest.mark.parametrize(("name", "other"), [("a", "b"), ("b", "a"), ("a", ""), ("", "a")])
def test_an_entry_under_the_name_of_another_is_nobodys(backend: DictBackend, name: str, other: str) -> None:
    """Whoever can write to the cache may move what we have signed, and changes nothing by it."""
    entries = entries_on(backend)
    entries.write("board", {"of": name}, 60, name=name)
    key = backend.only_key
    entries.write("board", {"of": other}, 60, name=other)
    (other_key,) = backend.values.keys() - {key}
    backend.values[other_key] = backend.values[key]
    assert entries.read("board", name) == {"of": name}
    assert entries.read("board", other) is None
    assert entries.ignored == 1


@pytest.mark.parametrize("text", ["\ud800.x", "x.\ud800", "", ".", "..", "null", 17, b"bytes", None])
def test_a_text_that_is_no_entry_is_none(backend: DictBackend, text: Any) -> None:
    """Also one that has no encoding. It is counted, and logged under our name; nothing there is no such text."""
    entries = entries_on(backend)
    entries.write("board", {}, 60)
    backend.values[backend.only_key] = text
    assert entries.read("board") is None
    assert entries.ignored == (text is not None)


def test_what_is_ignored_is_logged_once_in_a_row(backend: DictBackend, caplog: pytest.LogCaptureFixture) -> None:
    """For each kind, and again after a good one; where whoever runs the app has been told to look."""
    entries = entries_on(backend)
    for texts, lines in ((["bad", "worse"], 1), ([None, "bad again"], 2)):
        for text in texts:
            entries.write("board", {}, 60)
            if text is not None:
                backend.values[backend.only_key] = text
            entries.read("board")
        assert len(caplog.records) == lines
    entries.ignore("lease")
    assert {(record.name, record.levelno) for record in caplog.records} == {("auth0_blueprint", logging.WARNING)}
    message = "ignored a forged, damaged or outdated entry in the shared cache ({})"
    assert caplog.messages == [message.format(kind) for kind in ("board", "board", "lease")]


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_a_process_is_alone(backend: DictBackend, secret: str | None) -> None:
    """It finds nothing, writes whatever it likes, and the cache never hears of it."""
    entries = entries_on(backend, secret)
    entries.write("board", {}, 60)
    assert entries.read("board") is None
    assert entries.read_many("board", ["one", "two"]) == [None, None]
    assert (backend.calls, entries.is_readable) == (0, False)


def test_there_is_nothing_to_read_where_there_is_no_cache() -> None:
    """As far as is known: it is looked for at first use."""
    entries = entries_on(None)
    assert entries.is_readable
    assert entries.read("board") is None
    assert not entries.is_readable


def test_a_cache_that_is_away_is_not_readable_until_it_may_be_asked_again(
    backend: DictBackend, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And raises what says that it has not answered."""
    cache = SharedCache(lambda: backend, clock=clock, pause_seconds=30)
    entries = SignedCache(cache, secret=SECRET, names=())
    assert entries.is_readable
    with monkeypatch.context() as patched:
        patched.setattr(backend, "get", lambda _key: 1 / 0)
        with pytest.raises(CacheUnavailableError):
            entries.read("board")
        assert not entries.is_readable
        for operate in (
            lambda: entries.read_many("board", ["one"]),
            lambda: entries.write("board", {}, 60),
        ):
            with pytest.raises(CacheUnavailableError):
                operate()
    clock.move(30)
    assert entries.is_readable
    assert entries.read("board") is None
