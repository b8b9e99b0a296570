"""Tokens that a certified OpenID provider has encrypted, and some of npm's `jose`; the key is in the environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from refusals import unsegment

from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS, KEY_ENCRYPTIONS
from auth0_blueprint.testing import EncryptionKey

from .conftest import MakeKey
from .servers import AUDIENCE, App, Encrypter, Provider, assert_refused, running_app

CHALLENGE = 'Bearer realm="api", %s'
PATH = "/api/private"


@pytest.fixture(scope="module")
def key() -> EncryptionKey:
    return EncryptionKey()


@pytest.fixture(scope="module")
def provider(installed_provider: None, make_key: MakeKey, key: EncryptionKey) -> Iterator[Provider]:
    with Provider() as provider:
        provider.start(make_key("RS256"), encryption_key=key.public_pem)
        yield provider


@pytest.fixture(scope="module")
def app(provider: Provider, key: EncryptionKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    settings = {"AUTH0_DECRYPTION_KEYS": key.pem, "AUTH0_ENCRYPTION": "required"}
    with running_app(tmp_path_factory.mktemp("app"), provider, **settings) as app:
        yield app


@pytest.fixture(scope="module")
def jose(installed_provider: None) -> Iterator[Encrypter]:
    with Encrypter() as encrypter:
        yield encrypter


def assert_undecryptable(app: App, token: str) -> None:
    response = app.get(PATH, token)
    assert_refused(response, 401, "token_malformed", "invalid_token", CHALLENGE)
    assert response.json()["error_description"].startswith("The access token cannot be decrypted")


@pytest.mark.parametrize("encryption", CONTENT_ENCRYPTIONS)
@pytest.mark.parametrize("algorithm", KEY_ENCRYPTIONS)
def test_what_the_provider_has_encrypted_passes(provider: Provider, app: App, algorithm: str, encryption: str) -> None:
    token = provider.access_token(f"RS256/{algorithm}/{encryption}", scope="read:messages")
    header = json.loads(unsegment(token.partition(".")[0]))
    assert header == {
        "alg": algorithm, "enc": encryption, "cty": "at+jwt", "iss": provider.issuer, "aud": AUDIENCE,
    }  # fmt: skip
    assert [app.get(path, token).status_code for path in (PATH, "/api/private-scoped", PATH)] == [200] * 3


@pytest.mark.parametrize("part", range(5))
def test_it_is_refused_when_one_part_is_that_of_another(provider: Provider, app: App, part: int) -> None:
    """Two tokens of the same kind, of which each passes."""
    first, second = (provider.access_token(f"RS256/RSA-OAEP-256/{enc}") for enc in ("A256GCM", "A128GCM"))
    if part:
        second = provider.access_token("RS256/RSA-OAEP-256/A256GCM")
    assert app.get(PATH, second).status_code == 200
    segments = first.split(".")
    segments[part] = second.split(".")[part]
    assert_undecryptable(app, ".".join(segments))
    assert_undecryptable(app, first[:-1])
    assert app.get(PATH, first).status_code == 200


def test_a_signed_token_of_the_provider_is_refused(provider: Provider, app: App) -> None:
    response = app.get(PATH, provider.access_token())
    assert_refused(response, 401, "token_malformed", "invalid_token", CHALLENGE)
    assert "is not encrypted" in response.json()["error_description"]


@pytest.mark.parametrize("encryption", CONTENT_ENCRYPTIONS)
@pytest.mark.parametrize("algorithm", KEY_ENCRYPTIONS)
def test_what_jose_has_encrypted_passes(
    provider: Provider, app: App, key: EncryptionKey, jose: Encrypter, algorithm: str, encryption: str
) -> None:
    """As Auth0 does it: nothing of the claims in the header."""
    header = {"alg": algorithm, "enc": encryption, "cty": "JWT"}
    token = jose.encrypt(provider.access_token(), key.public_pem, header)
    assert [app.get(PATH, token).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "members",
    [
        {"alg": "RSA-OAEP"},
        {"enc": "A192GCM"},
        {"enc": "A192CBC-HS384"},
        {"cty": "json"},
        {"typ": "logout+jwt"},
        {"iss": "https://other.example/"},
        {"sub": "somebody"},
        {"aud": [AUDIENCE]},
    ],
)
def test_what_jose_has_encrypted_otherwise_is_refused(
    provider: Provider, app: App, key: EncryptionKey, jose: Encrypter, members: dict[str, Any]
) -> None:
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", **members}
    assert_undecryptable(app, jose.encrypt(provider.access_token(), key.public_pem, header))


def test_what_jose_has_encrypted_for_another_key_or_twice_is_refused(
    provider: Provider, app: App, key: EncryptionKey, jose: Encrypter
) -> None:
    header, signed = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}, provider.access_token()
    assert_undecryptable(app, jose.encrypt(signed, EncryptionKey().public_pem, header))
    assert_undecryptable(app, jose.encrypt(jose.encrypt(signed, key.public_pem, header), key.public_pem, header))
