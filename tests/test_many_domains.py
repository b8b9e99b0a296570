"""Fifty domains in ``AUTH0_DOMAIN``: one that does not answer holds up nobody else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import bearer
from flask import Flask
from flask.testing import FlaskClient
from processes import eventually
from refusals import KEY_SET_UNAVAILABLE, guarded, seen

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.concurrency.places import PartOfPlaces, Places
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.keysets.fetch import FetchedKeySet, fetch
from auth0_blueprint.testing import LocalIssuer

DOMAINS = [f"tenant-{number}.example.com" for number in range(50)]
DEAD = DOMAINS[17]


class Domains:
    """All of them publish the keys of one server, except for one that takes connections and never answers.

    Attributes:
        is_dead: whether that one does so now.
    """

    def __init__(self, issuer: LocalIssuer, silent: str) -> None:
        self.issuer = issuer
        self.silent = silent
        self.is_dead = True

    def fetch(self, url: str, timeout_seconds: float, max_bytes: int, *, no_cache: bool) -> FetchedKeySet:
        is_silent = self.is_dead and url.startswith(f"https://{DEAD}/")
        server = self.silent if is_silent else f"{self.issuer.issuer}.well-known/jwks.json"
        return fetch(server, timeout_seconds, max_bytes, no_cache=no_cache)

    def client(self, **settings: Any) -> FlaskClient:
        app, blueprint = Flask("tested", static_folder=None), Auth0Blueprint()
        app.config.update(AUTH0_DOMAIN=DOMAINS, AUTH0_AUDIENCE=self.issuer.audience, AUTH0_ALGORITHMS="EdDSA")
        app.config.update(settings)
        app.register_blueprint(blueprint)
        state = app.extensions["auth0"]
        app.extensions["auth0"] = assemble(app, state.settings, None, state.rules, fetch=self.fetch)
        return guarded(app)

    def token(self, domain: str, **token: Any) -> str:
        return self.issuer.token(iss=f"https://{domain}/", **token)


@pytest.fixture
def domains() -> Iterator[Domains]:
    with LocalIssuer(algorithm="EdDSA") as issuer, socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        yield Domains(issuer, f"http://127.0.0.1:{silent.getsockname()[1]}/keys")


def ask(client: FlaskClient, token: str) -> Any:
    return client.get("/ours", headers=bearer(token))


def test_the_others_are_served_while_one_hangs(domains: Domains) -> None:
    """Cold: the key set of each of them is fetched, while requests wait for that of the dead one."""
    client, answers = domains.client(AUTH0_JWKS_TIMEOUT=4), list[Any]()
    waiting = [
        threading.Thread(target=lambda: answers.append(seen(ask(client, domains.token(DEAD))))) for _ in range(4)
    ]
    for thread in waiting:
        thread.start()
    assert {ask(client, domains.token(domain)).status_code for domain in DOMAINS if domain != DEAD} == {200}
    assert all(thread.is_alive() for thread in waiting)
    assert client.get("/auth/health").status_code == 200
    for thread in waiting:
        thread.join(10)
    assert answers == [KEY_SET_UNAVAILABLE] * 4


def test_new_keys_of_the_others_are_found_while_one_hangs(domains: Domains) -> None:
    """A flood of unknown keys of the one takes half of the places to wait in, and no more."""
    client = domains.client(AUTH0_JWKS_TIMEOUT=2)
    domains.is_dead = False
    for domain in (DEAD, DOMAINS[0]):
        assert ask(client, domains.token(domain)).status_code == 200
    domains.is_dead = True
    flood = [
        threading.Thread(target=ask, args=(client, domains.token(DEAD, headers={"kid": f"unknown-{number}"})))
        for number in range(12)
    ]
    for thread in flood:
        thread.start()
    source = client.application.extensions["auth0"].key_sources[f"https://{DEAD}/"]
    eventually(lambda: len(source._places._free) == 0)
    domains.issuer.rotate()
    assert ask(client, domains.token(DOMAINS[0])).status_code == 200
    for thread in flood:
        thread.join(10)


def test_while_it_fails_few_wait_for_it(domains: Domains) -> None:
    """Its requests would hold all threads of a server for as long as each attempt takes."""
    client = domains.client(AUTH0_JWKS_TIMEOUT=0.5, AUTH0_JWKS_MAX_WAITING=2)
    token = domains.token(DEAD)
    assert seen(ask(client, token)) == KEY_SET_UNAVAILABLE  # it is known to fail from now on
    source = client.application.extensions["auth0"].key_sources[f"https://{DEAD}/"]
    eventually(lambda: not source._backoff.is_in_backoff)
    with source._places.take() as has_place:
        assert has_place
        call = source._refreshing_call()
        assert call is not None
        assert seen(ask(client, token)) == KEY_SET_UNAVAILABLE
        assert not call.is_complete  # it has not waited for the attempt
    call.wait(10)


class TestPartOfPlaces:
    def test_a_part_that_is_full_leaves_the_others_theirs(self) -> None:
        whole = Places(2)
        one, other = PartOfPlaces(whole, 1), PartOfPlaces(whole, 1)
        with one.take() as first, one.take() as second, other.take() as third:
            assert (first, second, third) == (True, False, True)
            assert len(whole._free) == 0
        with one.take() as first, whole.take() as second, other.take() as third:
            assert (first, second, third) == (True, True, False)
        assert (len(whole._free), len(one._free), len(other._free)) == (2, 1, 1)

    def test_only_what_fails_needs_a_place_to_wait(self) -> None:
        part = PartOfPlaces(Places(1), 1)
        with part.take(), part.take_to_wait(is_failing=True) as failing, part.take_to_wait(is_failing=False) as fine:
            assert (failing, fine) == (False, True)
        with part.take_to_wait(is_failing=True) as failing, Places(0).take_to_wait(is_failing=True) as alone:
            assert (failing, alone) == (True, True)
