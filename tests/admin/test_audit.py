"""The audit trail: who did what, to what, and why; never a token, and no line that is not ours."""

from __future__ import annotations

from typing import Any

import pytest
from blinker import Signal
from conftest import bearer
from flask.testing import FlaskClient
from operators import REVOCATIONS, as_operator

from auth0_blueprint import admin_acted, revocation_changed
from auth0_blueprint.revocation.index import token_digest
from auth0_blueprint.testing import LocalIssuer

HOSTILE = "a\r\nadmin 'root': forged\x1b[2K\u202e\u2028\0"


@pytest.fixture
def operator(client: FlaskClient, issuer: LocalIssuer) -> FlaskClient:
    return as_operator(client, issuer)


def listen(signal: Signal, client: FlaskClient) -> list[dict[str, Any]]:
    """Return the list that what *signal* says of the client's app is put into."""
    heard: list[dict[str, Any]] = []
    signal.connect(lambda _sender, **said: heard.append(said), sender=client.application, weak=False)
    return heard


def test_each_action_is_announced_and_logged(
    operator: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """With who, what and why, and a revocation as it is now; looking at something is no action."""
    heard, changed = listen(admin_acted, operator), listen(revocation_changed, operator)
    token = issuer.token()
    operator.post(REVOCATIONS, json={"subject": "s", "reason": "left"})
    operator.delete(operator.post(REVOCATIONS, json={"token": token}).headers["Location"])
    operator.post("/auth/admin/jwks/refresh")
    for path in ("config", "jwks", "stats", "revocations/subject/s"):
        assert operator.get(f"/auth/admin/{path}").status_code == 200
    digest = token_digest(token)
    said = [(entry["revocation"].kind, entry["revocation"].value, entry["revocation"].is_lifted) for entry in changed]
    assert said == [("subject", "s", False), ("token", digest, False), ("token", digest, True)]
    done = [
        ("revoke", "subject s", "left"),
        ("revoke", f"token {digest}", None),
        ("lift", f"token {digest}", None),
        ("refresh", f"key set of {issuer.issuer}", None),
    ]
    assert heard == [
        {
            "subject": "auth0|admin",
            "client_id": "ops",
            "actor": None,
            "action": action,
            "target": target,
            "reason": reason,
        }
        for action, target, reason in done
    ]
    assert [line for line in caplog.messages if line.startswith("admin ")] == [
        f"admin 'auth0|admin' (client 'ops'): {action} '{target}'" + (f", because '{reason}'" if reason else "")
        for action, target, reason in done
    ]


def test_a_refusal_is_no_action(operator: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture) -> None:
    heard = listen(admin_acted, operator)
    operator.post(REVOCATIONS, json={"jti": "a"}, headers=bearer(issuer.token()))
    operator.post(REVOCATIONS, json={"token": "no token"})
    operator.post(REVOCATIONS, json={"jti": ""})
    operator.delete(f"{REVOCATIONS}/jti/a")
    assert (heard, "admin " in caplog.text) == ([], False)


def test_who_acts_for_an_admin_is_told(
    operator: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """The current actor, beside the admin in whose name it acts."""
    heard = listen(admin_acted, operator)
    act, rights = {"sub": "agent", "act": {"sub": "first"}}, ["manage:auth0"]
    token = issuer.token(scope="manage:auth0", permissions=rights, act=act)
    operator.post(REVOCATIONS, json={"subject": "s"}, headers=bearer(token))
    assert [(entry["subject"], entry["actor"]) for entry in heard] == [("auth0|local-user", "agent")]
    assert "admin 'auth0|local-user' (client 'local-client', actor 'agent'): revoke 'subject s'" in caplog.messages


@pytest.mark.parametrize("where", ["subject", "reason", "sub", "azp", "act"])
def test_no_value_can_forge_a_line(
    operator: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """Line ends and escape codes are escaped, wherever they come from."""
    caplog.set_level("DEBUG")
    who: dict[str, Any] = {where: HOSTILE} if where in {"sub", "azp"} else {}
    who |= {"act": {"sub": HOSTILE}} if where == "act" else {}
    members = {"subject": "s", "reason": "r"} | ({} if who else {where: HOSTILE})
    headers = bearer(issuer.token(scope="manage:auth0", permissions=["manage:auth0"], **who))
    made = operator.post(REVOCATIONS, json=members, headers=headers)
    operator.delete(made.headers["Location"])
    assert made.status_code == 201
    lines = [record.getMessage() for record in caplog.records if record.name == "auth0_blueprint"]
    assert any("forged" in line for line in lines)
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_a_long_value_is_cut(operator: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    operator.post(REVOCATIONS, json={"subject": "\U0001f600" * 1024, "reason": "\U0001f600" * 500})
    assert max(map(len, caplog.messages)) < 2000


def test_the_trail_holds_no_token(operator: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the admin's nor the revoked one; no part of it."""
    caplog.set_level("DEBUG")
    heard, changed = listen(admin_acted, operator), listen(revocation_changed, operator)
    token = issuer.token(jti="marker")
    operator.post(REVOCATIONS, json={"token": token})
    operator.get("/auth/me", headers=bearer(token))
    assert (len(heard), len(changed)) == (1, 1)
    parts = [*token.split("."), *operator.environ_base["HTTP_AUTHORIZATION"].split(" ")[1].split("."), "marker"]
    assert not any(part in f"{heard}{changed}{caplog.text}" for part in parts)
