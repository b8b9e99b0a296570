"""Tokens of Auth0 organizations: a guard for single routes, and a setting for the whole API."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from refusals import MISSING_CLAIM, NO_CREDENTIALS, OTHER_ORGANIZATION, answer_to, forbidden, guarded, passes, seen

from auth0_blueprint import InvalidClaimsError, requires_organization, requires_scope, verify_token
from auth0_blueprint.testing import LocalIssuer

NOT_ADMITTED = "The access token is not for an organization that this route accepts."

#: Claims of tokens that are not of the organization ``org_acme``. The name is the organization's own choice.
OTHERS: list[dict[str, Any]] = [
    *({}, {"org_id": "org_other"}, {"org_id": ""}, {"org_id": "org_acme2"}, {"org_id": "org_acm"}),
    *({"org_id": "ORG_ACME"}, {"org_id": " org_acme"}, {"org_name": "org_acme"}),
    *({"org_id": "org_other", "org_name": "org_acme"}, {"https://example.com/org_id": "org_acme"}),
]


class TestGuard:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        app.add_url_rule("/one", "one", requires_organization("org_acme")(lambda: "seen"))
        app.add_url_rule("/two", "two", requires_organization("org_acme", "org_beta")(lambda: "seen"))
        app.add_url_rule("/scoped", "scoped", requires_scope("pay")(requires_organization("org_acme")(lambda: "seen")))
        return app

    @pytest.mark.parametrize(
        ("path", "organization"), [("/one", "org_acme"), ("/two", "org_acme"), ("/two", "org_beta")]
    )
    def test_a_token_of_a_named_organization_is_admitted(
        self, app: Flask, issuer: LocalIssuer, path: str, organization: str
    ) -> None:
        token = issuer.token(org_id=organization, org_name="whatever")
        assert app.test_client().get(path, headers=bearer(token)).status_code == 200

    @pytest.mark.parametrize("claims", OTHERS)
    def test_any_other_token_is_forbidden(self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any]) -> None:
        """The answer names no organization."""
        refused = app.test_client().get("/one", headers=bearer(issuer.token(**claims)))
        assert seen(refused) == forbidden("insufficient_claims", NOT_ADMITTED)

    def test_the_challenge_names_the_scopes_of_the_route(self, app: Flask, issuer: LocalIssuer) -> None:
        refused = app.test_client().get("/scoped", headers=bearer(issuer.token(scope="pay")))
        assert seen(refused) == forbidden("insufficient_claims", NOT_ADMITTED, "pay")

    def test_without_credentials_a_caller_is_unauthorized(self, app: Flask) -> None:
        """Who is calling comes first."""
        assert seen(app.test_client().get("/one")) == NO_CREDENTIALS

    @pytest.mark.parametrize("values", [(), ("",), ("acme",), ("org_",), ("org_acme,org_beta",), ("org_acme\n",)])
    def test_what_is_no_id_is_refused_when_the_guard_is_applied(self, values: tuple[str, ...]) -> None:
        """A name would never match an id."""
        with pytest.raises(ValueError if values else TypeError):
            requires_organization(*values)

    @pytest.mark.parametrize("value", [["org_acme"], lambda: None, None])
    def test_whatever_is_no_text_is_refused_with_the_remedy(self, value: Any) -> None:
        """A list, the view itself where the parentheses were forgotten, a setting that is not set."""
        with pytest.raises(TypeError, match=rf"as a string of its own, not as {type(value).__name__}\."):
            requires_organization(value)


class TestSetting:
    """``AUTH0_ORGANIZATION`` binds every token."""

    @pytest.mark.parametrize("claims", OTHERS)
    def test_a_token_of_another_organization_or_of_none_is_refused_by_every_guard(
        self, make_app: AppFactory, issuer: LocalIssuer, claims: dict[str, Any]
    ) -> None:
        """Machines' tokens as well, unless they are of an organization."""
        client = guarded(make_app(AUTH0_ORGANIZATION="org_acme"))
        assert answer_to(client, issuer.token(**claims)) == OTHER_ORGANIZATION

    @pytest.mark.parametrize("organizations", ["org_acme", "org_beta, org_acme", ["org_acme", "org_beta"]])
    def test_a_token_of_one_of_them_passes(
        self, make_app: AppFactory, issuer: LocalIssuer, organizations: str | list[str]
    ) -> None:
        client = guarded(make_app(AUTH0_ORGANIZATION=organizations))
        assert passes(client, issuer.token(org_id="org_acme"))

    def test_the_environment_may_say_it(
        self, make_app: AppFactory, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AUTH0_ORGANIZATION", "org_acme,org_beta")
        client = guarded(make_app())
        assert passes(client, issuer.token(org_id="org_beta"))
        assert answer_to(client, issuer.token(org_id="org_other")) == OTHER_ORGANIZATION

    def test_an_app_without_it_accepts_every_organization_and_none(self, app: Flask, issuer: LocalIssuer) -> None:
        """As Auth0's own SDKs for APIs do; the documents say so."""
        client = guarded(app)
        assert passes(client, issuer.token(org_id="org_other"))
        assert passes(client, issuer.token())

    def test_a_claim_that_is_demanded_by_name_is_missed_by_name(
        self, make_app: AppFactory, issuer: LocalIssuer
    ) -> None:
        """``AUTH0_REQUIRED_CLAIMS`` asks for any organization, and only for that."""
        client = guarded(make_app(AUTH0_REQUIRED_CLAIMS="org_id"))
        assert passes(client, issuer.token(org_id="org_other"))
        assert answer_to(client, issuer.token()) == MISSING_CLAIM

    def test_introspection_finds_other_tokens_inactive(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        client = make_app(AUTH0_ORGANIZATION="org_acme", AUTH0_ADMIN_RBAC=False).test_client()
        caller = bearer(issuer.token(org_id="org_acme", scope="introspect:tokens"))

        def introspected(**claims: Any) -> dict[str, Any]:
            answer = client.post("/auth/introspect", data={"token": issuer.token(**claims)}, headers=caller)
            return dict(answer.get_json())

        assert introspected(org_id="org_other") == introspected() == {"active": False}
        assert introspected(org_id="org_acme")["org_id"] == "org_acme"

    def test_verify_token_refuses_them(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        with make_app(AUTH0_ORGANIZATION="org_acme").app_context():
            assert verify_token(issuer.token(org_id="org_acme")).organization_id == "org_acme"
            with pytest.raises(InvalidClaimsError) as caught:
                verify_token(issuer.token(org_id="org_other"))
        assert caught.value.reason == "organization"

    def test_our_own_routes_refuse_them(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        client = make_app(AUTH0_ORGANIZATION="org_acme", AUTH0_ADMIN_RBAC=False).test_client()
        for path in ("/auth/me", "/auth/admin/config"):
            own = bearer(issuer.token(org_id="org_acme", scope="manage:auth0"))
            other = bearer(issuer.token(org_id="org_other", scope="manage:auth0"))
            assert client.get(path, headers=own).status_code == 200
            assert seen(client.get(path, headers=other)) == OTHER_ORGANIZATION
