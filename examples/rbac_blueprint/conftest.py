import pytest

from app import create_app


@pytest.fixture
def app(auth0_issuer):
    return create_app(auth0_issuer.settings)


@pytest.fixture
def writer(auth0_client):
    """Somebody with the role "writer": Auth0 puts the permissions of all roles of a user into the token."""
    return auth0_client(sub="auth0|ada", permissions=["read:documents", "create:documents"])


@pytest.fixture
def archivist(auth0_client):
    """Somebody who may read what others have written, and delete it."""
    return auth0_client(sub="auth0|eve", permissions=["read:documents", "read:all_documents", "delete:documents"])
