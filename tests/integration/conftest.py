"""Fixtures: fresh private keys, the real provider with them, and the reference app that trusts it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from .servers import ALGORITHMS, PROVIDER, App, Key, ProofMaker, Provider, running_app

MakeKey = Callable[[str], Key]


@pytest.fixture(scope="session")
def make_key() -> MakeKey:
    """Return what makes a private JWK for an algorithm, with a key id of its own."""
    numbers = count(1)

    def make(algorithm: str) -> Key:
        if algorithm == "ES256":
            members = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        else:
            members = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
            del members["key_ops"]
        return {**members, "kid": f"{algorithm}-{next(numbers)}", "alg": algorithm, "use": "sig"}

    return make


@pytest.fixture(scope="session")
def installed_provider() -> None:
    """Skip what needs the provider where it is not installed."""
    if shutil.which("node") is None:
        pytest.skip("the real provider needs node: install Node.js 20 or later")
    if not all((PROVIDER / "node_modules" / name).is_dir() for name in ("oidc-provider", "dpop", "jose")):
        pytest.skip("the real provider is not installed: run npm ci --prefix tests/integration/provider")


@pytest.fixture(scope="session")
def provider(installed_provider: None, make_key: MakeKey) -> Iterator[Provider]:
    with Provider() as provider:
        provider.start(*map(make_key, ALGORITHMS))
        yield provider


@pytest.fixture(scope="session")
def reference_app(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The reference app with default times, which trusts ``provider``."""
    with running_app(tmp_path_factory.mktemp("app"), provider) as app:
        yield app


@pytest.fixture(scope="session")
def proof_maker(installed_provider: None) -> Iterator[ProofMaker]:
    """A DPoP client that is not ours."""
    with ProofMaker() as proof_maker:
        yield proof_maker


@pytest.fixture
def rotating_provider(installed_provider: None) -> Iterator[Provider]:
    with Provider() as provider:
        yield provider
