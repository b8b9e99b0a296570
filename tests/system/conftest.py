"""Fixtures: certificates of a server, of a client and of an attacker, and a directory with a short path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Credential, make_credential


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody with a certificate, and the files that they connect with."""

    credential: Credential
    files: tuple[Path, Path]


@pytest.fixture(scope="session")
def server() -> Credential:
    return make_credential("server")


def _client(name: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    credential = make_credential(name)
    return Client(credential, credential.write_to(tmp_path_factory.mktemp(name), name))


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return _client("client", tmp_path_factory)


@pytest.fixture(scope="session")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return _client("attacker", tmp_path_factory)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory for sockets: the path of one has a hundred characters at most."""
    with tempfile.TemporaryDirectory(prefix="system-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
