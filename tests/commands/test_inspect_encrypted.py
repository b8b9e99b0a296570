"""``flask auth0 inspect`` and ``doctor`` for encrypted tokens: what is inside, and why one cannot be decrypted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import AppFactory
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask

from auth0_blueprint.cli.check_encryption import examine_encryption
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import EncryptionKey, LocalIssuer


@pytest.fixture(scope="module")
def key() -> EncryptionKey:
    return EncryptionKey()


def inspect(app: Flask, token: str, *options: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["auth0", "inspect", *options, "-"], input=token)
    return result.exit_code, result.stdout


def test_the_token_inside_is_shown(make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey) -> None:
    app, token = make_app(**key.settings), key.encrypt(issuer.token(), {"kid": "mine"})
    status, text = inspect(app, token)
    assert (status, "This app: accepted\n" in text) == (0, True)
    assert "Encryption: decrypted with a key of this app; not signed" in text
    assert "decrypted with a key of this app\n" in text
    found = json.loads(inspect(app, token, "--json")[1])
    assert found["encryption"]["kid"] == "mine"
    assert (found["header"]["alg"], found["claims"]["iss"], found["steps"][0]["step"]) == (
        "RS256",
        issuer.issuer,
        "decryption",
    )


def test_a_signed_token_is_told_whether_that_is_enough(
    make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey
) -> None:
    token = issuer.token()
    assert "not encrypted, which is accepted" in inspect(make_app(**key.settings), token)[1]
    status, text = inspect(make_app(**key.settings, AUTH0_ENCRYPTION="required"), token)
    assert (status, "AUTH0_ENCRYPTION is required" in text) == (1, True)
    text = inspect(make_app(**key.settings), issuer.token(encrypted_for=key, filling="x" * 20_000))[1]
    assert "decrypted" not in text  # it is too long


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"alg": "RSA-OAEP"}, "alg must be one of RSA-OAEP-256"),
        ({"alg": "RSA-OAEP-384"}, "for another key, or with another algorithm"),
        ({"enc": "A128CBC-HS256"}, "Its parts do not have the lengths"),
        ({"enc": "A128GCM"}, "for another key, or with another algorithm"),
        ({"zip": "DEF"}, "zip, crit or b64"),
        ({"kid": "other"}, "No key in AUTH0_DECRYPTION_KEYS"),
        ({"kid": 7}, "or its kid is not"),
        ({"cty": "json"}, "typ and cty"),
        ({"iss": "https://other.example/"}, "iss, sub, aud in its header must be those of the token inside"),
    ],
)
def test_the_operator_is_told_why_it_cannot_be_decrypted(
    make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey, headers: dict[str, Any], cause: str
) -> None:
    app = make_app(AUTH0_DECRYPTION_KEYS={"mine": key.pem})
    status, text = inspect(app, key.encrypt(issuer.token(), headers))
    assert (status, cause in text, "undecryptable: " in text) == (1, True, True)


def test_changed_content_and_no_token_inside_are_told_apart(
    make_app: AppFactory, issuer: LocalIssuer, key: EncryptionKey
) -> None:
    app, token = make_app(**key.settings), issuer.token(encrypted_for=key)
    assert "its header or content was changed" in inspect(app, token[:-8] + "AAAAAAAA")[1]
    assert "There is no signed token in it" in inspect(app, key.encrypt("x"))[1]


def test_doctor_names_the_keys_and_what_to_choose_in_auth0(issuer: LocalIssuer, key: EncryptionKey) -> None:
    assert list(examine_encryption(load_settings(issuer.settings, {}))) == []
    long = EncryptionKey(private_key=rsa.generate_private_key(65537, 4104))
    keys = {"AUTH0_DECRYPTION_KEYS": [{"mine": key.pem}, long.pem], "AUTH0_ENCRYPTION": "required"}
    fine, warning = examine_encryption(load_settings({**issuer.settings, **keys}, {}))
    assert fine.text == (
        "RSA 2048 bits, kid mine, RSA 4104 bits, any kid; in Auth0 choose RSA-OAEP-256 (or -384, -512); "
        "signed tokens are refused"
    )
    assert (warning.status, warning.remedy) == ("warn", "use 2048 to 4096 bits")
