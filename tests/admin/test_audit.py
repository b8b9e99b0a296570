"""The audit trail: who did what, to what, and why; never a token, and no line that is not ours."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from blinker import Signal
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from operators import REVOCATIONS, admin_headers, post_revocation

from auth0_blueprint import admin_acted, revocation_changed
from auth0_blueprint.revocation.index import token_digest
from auth0_blueprint.testing import LocalIssuer


def listen(signal: Signal, app: Flask) -> list[dict[str, Any]]:
    """Return the list that what *signal* says is put into; the listener lives as long as the app."""
    heard: list[dict[str, Any]] = []

    def hear(_sender: Flask, **said: Any) -> None:
        heard.append(said)

    signal.connect(hear, sender=app)
    app.extensions.setdefault("listeners", []).append(hear)
    return heard


WHO = {"subject": "auth0|admin", "client_id": "ops"}


def test_each_action_is_announced_and_logged(
    app: Flask, client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """With who, what and why; looking at something is no action."""
    heard = listen(admin_acted, app)
    token = issuer.token()
    digest = token_digest(token)
    with caplog.at_level(logging.WARNING):
        post_revocation(client, issuer, subject="s", reason="left")
        location = post_revocation(client, issuer, token=token).headers["Location"]
        client.delete(location, headers=admin_headers(issuer))
        client.post("/auth/admin/jwks/refresh", headers=admin_headers(issuer))
        for path in ("config", "jwks", "stats", "revocations/subject/s"):
            assert client.get(f"/auth/admin/{path}", headers=admin_headers(issuer)).status_code == 200
    key_set = f"key set of {issuer.issuer}"
    assert heard == [
        {**WHO, "action": "revoke", "target": "subject s", "reason": "left"},
        {**WHO, "action": "revoke", "target": f"token {digest}", "reason": None},
        {**WHO, "action": "lift", "target": f"token {digest}", "reason": None},
        {**WHO, "action": "refresh", "target": key_set, "reason": None},
    ]
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("admin ")]
    begin = "admin 'auth0|admin' (client 'ops'):"
    assert lines == [
        f"{begin} revoke 'subject s', because 'left'",
        f"{begin} revoke 'token {digest}'",
        f"{begin} lift 'token {digest}'",
        f"{begin} refresh '{key_set}'",
    ]


def test_what_was_refused_is_no_action(
    app: Flask, client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """For whatever reason."""
    heard = listen(admin_acted, app)
    with caplog.at_level(logging.WARNING):
        client.post(REVOCATIONS, json={"jti": "a"}, headers=bearer(issuer.token()))
        post_revocation(client, issuer, token="no token")
        post_revocation(client, issuer, jti="")
        client.delete(f"{REVOCATIONS}/jti/a", headers=admin_headers(issuer))
    assert (heard, "admin " in caplog.text) == ([], False)


HOSTILE = "a\r\nadmin 'root': forged\x1b[2K\u202e\u2028\0"


@pytest.mark.parametrize("where", ["subject", "reason", "sub", "azp"])
def test_no_value_can_forge_a_line(
    client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """Line ends and escape codes are escaped, wherever they come from."""
    who = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}
    claims: dict[str, Any] = {**who, **({where: HOSTILE} if where in {"sub", "azp"} else {})}
    members = {"subject": "s", "reason": "r", **({where: HOSTILE} if where in {"subject", "reason"} else {})}
    with caplog.at_level(logging.DEBUG):
        made = client.post(REVOCATIONS, json=members, headers=bearer(issuer.token(**claims)))
        client.delete(made.headers["Location"], headers=admin_headers(issuer))
    assert made.status_code == 201
    lines = [record.getMessage() for record in caplog.records if record.name == "auth0_blueprint"]
    assert any("forged" in line for line in lines)
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_a_long_value_is_cut(client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture) -> None:
    """A line stays a line."""
    with caplog.at_level(logging.WARNING):
        post_revocation(client, issuer, subject="\U0001f600" * 1024, reason="\U0001f600" * 500)
    assert max(len(record.getMessage()) for record in caplog.records) < 2000


def test_no_token_gets_into_the_trail(
    app: Flask, client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the admin's nor the revoked one; no part of it."""
    heard, changed = listen(admin_acted, app), listen(revocation_changed, app)
    token, headers = issuer.token(jti="marker"), admin_headers(issuer)
    with caplog.at_level(logging.DEBUG):
        client.post(REVOCATIONS, json={"token": token}, headers=headers)
        client.get("/auth/me", headers=bearer(token))
    told = f"{heard}{changed}{caplog.text}"
    assert (len(heard), len(changed)) == (1, 1)
    parts = [*token.split("."), *headers["Authorization"].split(" ")[1].split(".")]
    assert not any(part in told for part in (*parts, "marker"))


def test_a_change_is_announced(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """With the revocation, as it is now."""
    app = make_app()
    heard = listen(revocation_changed, app)
    location = post_revocation(app.test_client(), issuer, jti="a", reason="r").headers["Location"]
    app.test_client().delete(location, headers=admin_headers(issuer))
    said = [(entry["revocation"].kind, entry["revocation"].value, entry["revocation"].is_lifted) for entry in heard]
    assert said == [("jti", "a", False), ("jti", "a", True)]
