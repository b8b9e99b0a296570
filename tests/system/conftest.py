"""Fixtures: certificates of a server, a client and an attacker, tokens of both, and a directory with a short path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Credential, make_credential

from auth0_blueprint.testing import LocalIssuer


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody with a certificate, the files that they connect with, and a token that is bound to it."""

    credential: Credential
    files: tuple[Path, Path]
    token: str


@pytest.fixture(scope="session")
def server() -> Credential:
    return make_credential("server")


def _client(name: str, issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Client:
    credential = make_credential(name)
    token = issuer.token(cnf={"x5t#S256": credential.thumbprint})
    return Client(credential, credential.write_to(tmp_path_factory.mktemp(name), name), token)


@pytest.fixture(scope="session")
def client(session_issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return _client("client", session_issuer, tmp_path_factory)


@pytest.fixture(scope="session")
def attacker(session_issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return _client("attacker", session_issuer, tmp_path_factory)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory for sockets: the path of one has a hundred characters at most."""
    with tempfile.TemporaryDirectory(prefix="system-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
