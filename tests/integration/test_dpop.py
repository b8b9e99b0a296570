"""Tokens that a certified OpenID provider has bound to a key, and proofs that npm's `dpop` makes with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jwt
import pytest
from fleet.redis_server import empty_redis

from .servers import App, Proof, ProofMaker, Provider, assert_refused, running_app

API = "https://messages.example"
PATH = "/api/private"
ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
ALGS = 'algs="ES256 RS256 PS256 EdDSA Ed25519"'
BY_BEARER = f'Bearer realm="api", %s, DPoP realm="api", {ALGS}'
BY_DPOP = f'DPoP realm="api", %s, {ALGS}, Bearer realm="api"'


class Holder(NamedTuple):
    token: str
    thumbprint: str
    prove: Callable[[], str]


@pytest.fixture(scope="module")
def app(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The reference app behind some proxy: workers that share a Redis."""
    settings = {
        "AUTH0_DPOP": "allowed",
        "AUTH0_PUBLIC_URL": API,
        "AUTH0_CACHE_SECRET": "the workers share this long secret",
    }
    with (
        empty_redis(tmp_path_factory.mktemp("redis")) as redis,
        running_app(tmp_path_factory.mktemp("app"), provider, redis.settings, **settings) as app,
    ):
        yield app


@pytest.fixture(params=ALGORITHMS)
def holder(request: pytest.FixtureRequest, provider: Provider, proof_maker: ProofMaker) -> Holder:
    return make_holder(request.param, provider, proof_maker)


def make_holder(algorithm: str, provider: Provider, proof_maker: ProofMaker) -> Holder:
    asking: Proof = proof_maker.make(algorithm, "POST", provider.token_url)
    token = provider.access_token(proof=asking.text)
    return Holder(token, asking.thumbprint, lambda: proof_maker.make(algorithm, "GET", f"{API}{PATH}", token).text)


def test_a_bound_token_passes_with_a_new_proof_each_time(app: App, holder: Holder) -> None:
    """The provider, the client and this package mean the same key."""
    claims = jwt.decode(holder.token, options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": holder.thumbprint}
    for _ in range(2):
        assert app.get(PATH, holder.token, holder.prove()).status_code == 200


def test_a_bound_token_is_no_bearer_token(app: App, holder: Holder) -> None:
    """Whoever has stolen it has no proof."""
    assert_refused(app.get(PATH, holder.token), 401, "binding_mismatch", "invalid_token", BY_BEARER)


def test_a_proof_is_good_once_in_all_workers(app: App, holder: Holder) -> None:
    """The other worker has not seen it, and knows of it by Redis."""
    proof = holder.prove()
    assert app.get(PATH, holder.token, proof).status_code == 200
    for refusal in app.get_from_every_worker(PATH, holder.token, proof):
        assert_refused(refusal, 401, "invalid_dpop_proof", "invalid_dpop_proof", BY_DPOP)


def test_the_proof_of_another_key_is_refused(app: App, provider: Provider, proof_maker: ProofMaker) -> None:
    token = make_holder("ES256", provider, proof_maker).token
    other = proof_maker.make("Ed25519", "GET", f"{API}{PATH}", token).text
    assert_refused(app.get(PATH, token, other), 401, "binding_mismatch", "invalid_token", BY_DPOP)


def test_the_proof_for_the_provider_opens_nothing_here(app: App, provider: Provider, proof_maker: ProofMaker) -> None:
    asking = proof_maker.make("ES256", "POST", provider.token_url)
    token = provider.access_token(proof=asking.text)
    assert_refused(app.get(PATH, token, asking.text), 401, "invalid_dpop_proof", "invalid_dpop_proof", BY_DPOP)


def test_a_plain_token_still_passes(app: App, provider: Provider) -> None:
    assert app.get(PATH, provider.access_token()).status_code == 200
