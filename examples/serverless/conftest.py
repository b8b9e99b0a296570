import pytest

from app import create_app


@pytest.fixture
def app(auth0_issuer):
    return create_app(auth0_issuer.settings)
