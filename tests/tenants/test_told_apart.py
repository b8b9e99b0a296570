"""What one tenant may see and change of another: nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from refusals import REVOKED, Answer, forbidden, seen

from auth0_blueprint import current_token, requires_organization, revocation_changed
from auth0_blueprint.routes.revocations import RevocationRequestSchema
from auth0_blueprint.testing import LocalIssuer
from tenants.apps import ADMIN, Tenants, answer_to, ask, at_umbrella

REVOCATIONS = "/auth/admin/revocations"
UMBRELLA = {"host": "umbrella.example.com"}
NOT_FOUND = Answer(
    404, (), {"error": "not_found", "error_description": "There is no such revocation.", "code": "not_found"}
)
WHOLE_APP = forbidden(
    "insufficient_claims",
    "This route concerns every tenant of the app, and admins of this token's tenant may not use it.",
)
#: The same in both tenants, as a customer's own connection may choose them.
CLAIMS: dict[str, Any] = {"sub": "user|1", "jti": "id-1", "azp": "client-1", "sid": "session-1", "org_id": "org_1"}
VALUES = {"jti": "id-1", "subject": "user|1", "client_id": "client-1", "session": "session-1", "organization": "org_1"}


@pytest.fixture(params=["process", "machine"])
def app(tenants: Tenants, request: pytest.FixtureRequest, tmp_path: Path) -> Flask:
    shared: dict[str, Any] = {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": str(tmp_path / "cache"),
        "SECRET_KEY": "s" * 32,
    }
    return tenants.make_app(AUTH0_SYNC_INTERVAL=0, **(shared if request.param == "machine" else {}))


def admin_of(issuer: LocalIssuer) -> str:
    return issuer.token(**ADMIN)


def revoke(app: Flask, issuer: LocalIssuer, host: str = "acme.example.com", **members: Any) -> Any:
    response = ask(app, admin_of(issuer), REVOCATIONS, host=host, method="POST", json=members)
    assert response.status_code == 201, response.text
    return response.get_json()


class TestRevocations:
    @pytest.mark.parametrize("kind", sorted(RevocationRequestSchema().fields.keys() - {"reason", "email", "token"}))
    def test_one_by_an_admin_matches_tokens_of_that_tenant_only(self, app: Flask, tenants: Tenants, kind: str) -> None:
        acme, umbrella = tenants.acme.token(**CLAIMS), tenants.umbrella.token(**CLAIMS)
        made = revoke(app, tenants.acme, **{kind: VALUES[kind]})
        assert (made["value"], made["issuer"], made["kind"]) == (VALUES[kind], tenants.acme.issuer, kind)
        assert answer_to(app, acme) == REVOKED
        assert answer_to(app, umbrella, **UMBRELLA).status == 200

    def test_a_token_is_revoked_by_its_own_tenant_only(self, app: Flask, tenants: Tenants) -> None:
        token = tenants.umbrella.token()
        assert at_umbrella(app, token).status_code == 200  # and remembered
        body = {"token": token}
        refused = ask(app, admin_of(tenants.acme), REVOCATIONS, method="POST", json=body)
        assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_request")
        assert at_umbrella(app, token).status_code == 200
        assert revoke(app, tenants.umbrella, "umbrella.example.com", **body)["issuer"] == tenants.umbrella.issuer
        assert answer_to(app, token, **UMBRELLA) == REVOKED

    def test_not_even_where_the_function_accepts_both_everywhere(self, tenants: Tenants) -> None:
        app = tenants.make_app(AUTH0_DOMAIN=lambda _issuer, _request: True)
        for is_remembered in (False, True):
            token = tenants.umbrella.token(sub=f"remembered {is_remembered}")
            if is_remembered:
                assert ask(app, token).status_code == 200
            refused = ask(app, admin_of(tenants.acme), REVOCATIONS, method="POST", json={"token": token})
            assert refused.status_code == 400
            assert ask(app, token).status_code == 200

    def test_admins_list_look_up_and_lift_their_own_only(self, app: Flask, tenants: Tenants) -> None:
        for subject in ("user|1", "user|2", "user|3"):
            revoke(app, tenants.acme, subject=subject)
        made = revoke(app, tenants.umbrella, "umbrella.example.com", subject="user|1", reason="why")
        own, other = admin_of(tenants.umbrella), admin_of(tenants.acme)

        def listed(token: str, query: str = "", **options: Any) -> list[tuple[str, str]]:
            answer = ask(app, token, f"{REVOCATIONS}?limit=200{query}", **options).get_json()
            return [(one["value"], one["issuer"]) for one in answer["revocations"]]

        assert listed(own, **UMBRELLA) == [("user|1", tenants.umbrella.issuer)]
        for query in ("", "&kind=subject", "&prefix=user", "&kind=subject&prefix=user"):
            assert {issuer for _, issuer in listed(other, query)} == {tenants.acme.issuer}
            assert len(listed(other, query)) == 3
        assert listed(other, "&prefix=http") == listed(other, "&kind=session") == []
        path = f"{REVOCATIONS}/subject/user%7C1"
        assert at_umbrella(app, own, path).get_json() == made
        assert ask(app, other, path).get_json()["reason"] is None
        assert ask(app, other, path, method="DELETE").status_code == 200
        assert seen(ask(app, other, path)) == seen(ask(app, other, path, method="DELETE")) == NOT_FOUND
        assert at_umbrella(app, own, path).status_code == 200
        # Nor by naming what it is stored under.
        stored = f"{REVOCATIONS}/subject/{tenants.umbrella.issuer.replace('/', '%2F')}%20user%7C1"
        assert seen(ask(app, other, stored)) == seen(ask(app, other, stored, method="DELETE")) == NOT_FOUND
        assert at_umbrella(app, own, path, method="DELETE").status_code == 200
        assert listed(own, **UMBRELLA) == []

    def test_pages_continue_within_the_tenant(self, app: Flask, tenants: Tenants) -> None:
        for number in range(5):
            revoke(app, tenants.acme, subject=f"user|{number}")
            revoke(app, tenants.umbrella, "umbrella.example.com", subject=f"user|{number}")
        found, cursor = [], ""
        while cursor is not None:
            page = ask(app, admin_of(tenants.acme), f"{REVOCATIONS}?limit=2{cursor}").get_json()
            found += [(one["value"], one["issuer"]) for one in page["revocations"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert sorted(found) == [(f"user|{number}", tenants.acme.issuer) for number in range(5)]

    def test_another_process_knows_whose_they_are(self, tenants: Tenants, tmp_path: Path) -> None:
        shared: dict[str, Any] = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path), "SECRET_KEY": "s" * 32}
        one, other = (tenants.make_app(AUTH0_SYNC_INTERVAL=0, **shared) for _ in range(2))
        learned: list[tuple[str, str | None]] = []

        def learn(_app: Flask, revocation: Any) -> None:
            learned.append((revocation.value, revocation.issuer))

        with revocation_changed.connected_to(learn, sender=other):
            revoke(one, tenants.acme, subject="user|1")
            assert answer_to(other, tenants.acme.token(**CLAIMS)) == REVOKED
        assert answer_to(other, tenants.umbrella.token(**CLAIMS), **UMBRELLA).status == 200
        assert learned == [("user|1", tenants.acme.issuer)]

    def test_a_logout_ends_tokens_of_the_issuer_that_told_of_it(self, tenants: Tenants) -> None:
        app = tenants.make_app(AUTH0_LOGOUT_CLIENT_IDS="web")
        body = {"logout_token": tenants.acme.logout_token(client_id="web", sub="user|1")}

        def post(host: str) -> int:
            return app.test_client().post("/auth/events/logout", data=body, base_url=f"http://{host}").status_code

        assert post("umbrella.example.com") == 400
        assert answer_to(app, tenants.acme.token(**CLAIMS)).status == 200
        assert post("acme.example.com") == 200
        assert answer_to(app, tenants.acme.token(**CLAIMS)) == REVOKED
        assert answer_to(app, tenants.umbrella.token(**CLAIMS), **UMBRELLA).status == 200


class TestAdmins:
    def test_the_audit_trail_says_whose_admin_did_what_to_whom(
        self, app: Flask, tenants: Tenants, caplog: pytest.LogCaptureFixture
    ) -> None:
        revoke(app, tenants.acme, subject="user|1", reason="left")
        path = f"{REVOCATIONS}/subject/user%7C1"
        assert ask(app, admin_of(tenants.acme), path, method="DELETE").status_code == 200
        who = f"admin 'auth0|admin' of {tenants.acme.issuer} (client 'local-client')"
        said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("admin ")]
        target = f"'subject user|1 of {tenants.acme.issuer}'"
        assert said == [f"{who}: revoke {target}, because 'left'", f"{who}: lift {target}"]

    def test_they_see_and_refresh_the_key_set_of_their_issuer_only(self, app: Flask, tenants: Tenants) -> None:
        assert at_umbrella(app, tenants.umbrella.token()).status_code == 200
        fetched = tenants.umbrella.fetch_count
        for path, method in (("/auth/admin/jwks", "GET"), ("/auth/admin/jwks/refresh", "POST")):
            (shown,) = ask(app, admin_of(tenants.acme), path, method=method).get_json()["key_sets"]
            assert shown["issuer"] == tenants.acme.issuer
            assert shown["url"] == f"{tenants.acme.issuer}.well-known/jwks.json"
            assert tenants.umbrella.issuer not in str(shown)
        assert tenants.umbrella.fetch_count == fetched
        # The limit is for each tenant.
        assert (
            at_umbrella(app, admin_of(tenants.umbrella), "/auth/admin/jwks/refresh", method="POST").status_code == 200
        )
        assert ask(app, admin_of(tenants.acme), "/auth/admin/jwks/refresh", method="POST").status_code == 429

    def test_what_concerns_the_whole_app_is_for_the_issuers_that_the_settings_name(self, tenants: Tenants) -> None:
        app = tenants.make_app()
        for path in ("/auth/admin/config", "/auth/admin/stats"):
            assert seen(ask(app, admin_of(tenants.acme), path)) == WHOLE_APP
        app = tenants.make_app(AUTH0_ADMIN_ISSUERS=[tenants.acme.issuer])
        for path in ("/auth/admin/config", "/auth/admin/stats"):
            assert ask(app, admin_of(tenants.acme), path).status_code == 200
            assert seen(at_umbrella(app, admin_of(tenants.umbrella), path)) == WHOLE_APP
            assert ask(app, tenants.acme.token(), path).status_code == 403

    def test_health_shows_them_their_own_issuer(self, tenants: Tenants) -> None:
        app = tenants.make_app(AUTH0_ADMIN_ISSUERS=[tenants.acme.issuer])
        assert ask(app, "", "/auth/health").get_json() == {"status": "pass"}
        for issuer, host in ((tenants.acme, "acme.example.com"), (tenants.umbrella, "umbrella.example.com")):
            assert ask(app, issuer.token(), host=host).status_code == 200
            checks = ask(app, admin_of(issuer), "/auth/health", host=host).get_json()["checks"]
            assert [one["issuer"] for one in checks["key_sets"]] == [issuer.issuer]
            assert (checks.keys() > {"cache", "revocations"}) is (issuer is tenants.acme)
            assert "note" not in checks

    def test_a_tenant_that_is_out_does_not_take_the_app_out_of_service(self, tenants: Tenants) -> None:
        app = tenants.make_app()
        with tenants.acme.outage():
            assert answer_to(app, tenants.acme.token()).status == 503
            health = ask(app, "", "/auth/health")
        assert (health.status_code, health.get_json()) == (200, {"status": "warn"})


class TestIntrospection:
    @pytest.mark.parametrize("accepts_everywhere", [False, True])
    def test_a_token_of_another_tenant_is_inactive(self, tenants: Tenants, accepts_everywhere: bool) -> None:
        function = (lambda _issuer, _request: True) if accepts_everywhere else tenants.is_ours
        app = tenants.make_app(AUTH0_DOMAIN=function)
        caller = admin_of(tenants.acme)

        def introspected(token: str) -> Any:
            response = ask(app, caller, "/auth/introspect", method="POST", data={"token": token})
            return response.status_code, response.get_json()

        assert introspected(tenants.acme.token())[1]["active"] is True
        token = tenants.umbrella.token()
        fetched = tenants.umbrella.fetch_count
        assert introspected(token) == (200, {"active": False})
        assert tenants.umbrella.fetch_count == fetched
        assert at_umbrella(app, token).status_code == 200  # and remembered
        assert introspected(token) == (200, {"active": False})
        with tenants.umbrella.outage():
            assert introspected(tenants.umbrella.token(iss=tenants.umbrella.issuer)) == (200, {"active": False})


class TestOrganizations:
    def test_a_guard_names_the_tenant_of_its_organization(self, tenants: Tenants) -> None:
        app = tenants.make_app()
        guard = requires_organization("org_1", issuer=tenants.acme.issuer)
        app.add_url_rule("/org", "org", guard(lambda: {"subject": current_token.subject}))
        assert ask(app, tenants.acme.token(**CLAIMS), "/org").status_code == 200
        refused = forbidden(
            "insufficient_claims", "The access token is not for an organization that this route accepts."
        )
        assert seen(at_umbrella(app, tenants.umbrella.token(**CLAIMS), "/org")) == refused
        assert seen(ask(app, tenants.acme.token(org_id="org_2"), "/org")) == refused

    def test_one_that_does_not_is_refused_at_the_first_request(self, tenants: Tenants) -> None:
        app = tenants.make_app()
        app.testing = True
        app.add_url_rule("/org", "org", requires_organization("org_1")(lambda: "seen"))
        for _ in range(2):
            with pytest.raises(RuntimeError, match="add the issuer: requires_organization"):
                app.test_client().get("/ours")

    def test_one_on_a_function_that_is_no_view_is_refused_when_it_is_called(self, tenants: Tenants) -> None:
        app = tenants.make_app()
        called = requires_organization("org_1")(lambda: "seen")
        app.add_url_rule("/org", "org", lambda: called())
        app.config["PROPAGATE_EXCEPTIONS"] = False
        assert ask(app, tenants.acme.token(**CLAIMS), "/org").status_code == 500

    @pytest.mark.parametrize("issuer", ["", 1, ["https://a.example/"]])
    def test_its_issuer_is_text(self, issuer: Any) -> None:
        with pytest.raises(TypeError, match="issuer= takes the issuer"):
            requires_organization("org_1", issuer=issuer)

    def test_its_issuer_is_no_host_name(self) -> None:
        """Else nobody is ever admitted."""
        with pytest.raises(ValueError, match=r"'acme\.example' is not an issuer: give the exact iss"):
            requires_organization("org_1", issuer="acme.example")


def test_the_log_of_all_this_names_no_token(app: Flask, tenants: Tenants, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = tenants.umbrella.token()
    answer_to(app, token)
    ask(app, admin_of(tenants.acme), "/auth/introspect", method="POST", data={"token": token})
    assert token.rpartition(".")[2] not in caplog.text
