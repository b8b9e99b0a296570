"""``POST /auth/events/global-token-revocation``: an identity provider ends all tokens of one of its users."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import refusals
from conftest import AppFactory, bearer
from flask import Flask
from refusals import answer_to, guarded, passes, seen
from sent_tokens import (
    MARK,
    UNAUTHORIZED,
    USER,
    assert_without_effect,
    bad_event,
    in_force,
    receiver,
    revoke,
    sender_jwt,
)

from auth0_blueprint.testing import LocalIssuer

PATH = "/auth/events/global-token-revocation"


@pytest.fixture(scope="module")
def okta() -> Iterator[LocalIssuer]:
    with LocalIssuer() as provider:
        yield provider


@pytest.fixture
def api(make_app: AppFactory, issuer: LocalIssuer, okta: LocalIssuer) -> Flask:
    return receiver(make_app, issuer, okta)


def iss_sub(issuer: LocalIssuer, name: str) -> dict[str, str]:
    return {"format": "iss_sub", "iss": issuer.issuer, "sub": name}


def test_the_tokens_of_before_are_refused_and_a_new_login_passes(
    api: Flask, issuer: LocalIssuer, okta: LocalIssuer
) -> None:
    """A user of the provider has the name that access tokens have for such users."""
    client, now = guarded(api), int(time.time())
    response = revoke(client, sender_jwt(okta, iat=now - 2, jti="j"), **iss_sub(okta, "00u1"))
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (204, b"", "no-store")
    assert answer_to(client, issuer.token(sub="okta|acme|00u1", iat=now - 2)) == refusals.REVOKED
    assert passes(client, issuer.token(sub="okta|acme|00u1", iat=now - 1))
    assert passes(client, issuer.token(sub="00u1", iat=now - 2))
    (one,) = in_force(api)
    assert (one.origin, one.reason) == (("global-token-revocation", "j", okta.issuer), "global-token-revocation")


def test_an_email_address_names_whoever_has_it_in_the_claim(api: Flask, issuer: LocalIssuer, okta: LocalIssuer) -> None:
    client = guarded(api)
    assert revoke(client, sender_jwt(okta), format="email", email="Ada@Example.com").status_code == 204
    assert answer_to(client, issuer.token(email="ada@example.COM", iat=int(time.time()) - 1)) == refusals.REVOKED
    assert passes(client, issuer.token(email="eve@example.com", iat=int(time.time()) - 1))


def test_an_unknown_user_is_acknowledged(api: Flask, okta: LocalIssuer) -> None:
    """Access tokens are all that an API knows of its users."""
    assert revoke(api.test_client(), sender_jwt(okta), **iss_sub(okta, "00u-nobody")).status_code == 204


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_jwt_is_for_one_user(
    make_app: AppFactory,
    issuer: LocalIssuer,
    okta: LocalIssuer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    is_shared: bool,
) -> None:
    """Whoever has seen it cannot use it against another one, nor is a sender told that this user's tokens ended."""
    cache = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path), "AUTH0_CACHE_SECRET": "c" * 32}
    apps = [receiver(make_app, issuer, okta, **(cache if is_shared else {})) for _ in range(1 + is_shared)]
    client, other, jwt = guarded(apps[0]), apps[-1].test_client(), sender_jwt(okta)
    assert seen(revoke(client, jwt, **iss_sub(okta, ""))) == bad_event("subject")  # binds it to nobody
    assert revoke(client, jwt, **iss_sub(okta, "00u-ada")).status_code == 204
    before = in_force(apps[0])
    assert seen(revoke(other, jwt, **iss_sub(okta, "00u-eve"))) == UNAUTHORIZED
    assert caplog.messages[-1] == "refused an event (global-token-revocation): reused"
    assert revoke(other, jwt, **iss_sub(okta, "00u-ada")).status_code == 204
    assert in_force(apps[0]) == before
    assert passes(client, issuer.token(sub="okta|acme|00u-eve"))


def test_a_provider_ends_nobodys_tokens_but_its_own_users(api: Flask, issuer: LocalIssuer, okta: LocalIssuer) -> None:
    """Not those of the tenant's other users, although their issuer is one of ours."""
    response = revoke(api.test_client(), sender_jwt(okta), **iss_sub(issuer, USER))
    assert seen(response) == bad_event("foreign_subject")
    assert_without_effect(api, issuer, response, "")


NO_SUB_IDS: list[Any] = [{}, {"sub_id": None}, {"sub_id": MARK}, {"sub_id": [MARK]}, {"subject": {}}]
BAD_BODIES: list[tuple[str, Any]] = [
    *(("not_json", body) for body in (b"", b"{", b"[]", b"null", b'{"sub_id": 1, "sub_id": 1}', b"\xff")),
    ("not_json", b'{"sub_id": ' + b'{"a": ' * 40 + b"1" + b"}" * 41),
    ("too_large", b'{"sub_id": "' + MARK.encode() * 10_000 + b'"}'),
    *(("sub_id", body) for body in NO_SUB_IDS),
    *(("subject", {"sub_id": value}) for value in ({}, {"format": MARK}, {"format": ["email"]}, {"format": "iss_sub"})),
    *(("subject", {"sub_id": {"format": "email", "email": value}}) for value in ("", None, 1, MARK * 100)),
    ("foreign_subject", {"sub_id": {"format": "iss_sub", "iss": f"https://{MARK}/", "sub": USER}}),
]


@pytest.mark.parametrize(("reason", "body"), BAD_BODIES)
def test_a_body_that_names_nobody_changes_nothing(
    api: Flask, issuer: LocalIssuer, okta: LocalIssuer, caplog: pytest.LogCaptureFixture, reason: str, body: Any
) -> None:
    sent = {"data": body, "content_type": "application/json"} if isinstance(body, bytes) else {"json": body}
    response = api.test_client().post(PATH, headers=bearer(sender_jwt(okta)), **sent)
    assert seen(response) == bad_event(reason)
    assert_without_effect(api, issuer, response, caplog.text)


def test_a_body_of_another_type_is_refused(api: Flask, okta: LocalIssuer) -> None:
    response = api.test_client().post(PATH, headers=bearer(sender_jwt(okta)), data=b"{}", content_type="text/plain")
    assert seen(response) == bad_event("not_json")


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (None, refusals.NO_CREDENTIALS),
        ("Basic YTpi", refusals.OTHER_SCHEME),
        ("Bearer", refusals.NO_TOKEN),
        ("Bearer opaque", UNAUTHORIZED),
    ],
)
def test_without_a_jwt_of_the_provider_the_body_is_not_even_read(api: Flask, header: str | None, answer: Any) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert seen(api.test_client().post(PATH, data=b"{", headers=headers)) == answer


def test_issuers_of_access_tokens_are_no_senders_and_the_provider_issues_none(
    api: Flask, issuer: LocalIssuer, okta: LocalIssuer
) -> None:
    client = guarded(api)
    assert seen(revoke(client, sender_jwt(issuer))) == UNAUTHORIZED
    assert seen(revoke(client, issuer.token())) == UNAUTHORIZED
    for typ in ("global-token-revocation+jwt", "JWT"):
        assert answer_to(client, sender_jwt(okta, typ, aud=issuer.audience)).status == 401
    assert in_force(api) == []


def test_a_jwt_without_its_type_is_of_another_kind(api: Flask, okta: LocalIssuer) -> None:
    for typ in (refusals.ABSENT, "JWT", "logout+jwt"):
        assert seen(revoke(api.test_client(), sender_jwt(okta, typ))) == UNAUTHORIZED


def test_without_a_setting_there_is_no_such_route(make_app: AppFactory, issuer: LocalIssuer) -> None:
    assert revoke(make_app().test_client(), sender_jwt(issuer)).status_code == 404
