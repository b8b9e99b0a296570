"""The document about this API as a protected resource, and where challenges point to it (RFC 9728)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from conftest import EVENT_SETTINGS, AppFactory, bearer
from flask import Blueprint, Flask
from flask.views import MethodView, View
from flask_cors import CORS
from refusals import EXPIRED, Answer, forbidden, seen
from test_openapi import described, document_of, registered
from test_registration import traces
from werkzeug.datastructures import Headers

from auth0_blueprint import (
    Auth0Blueprint,
    Auth0Error,
    ConfigurationError,
    headers_for,
    protect,
    requires_acr,
    requires_auth,
    requires_permission,
    requires_scope,
)
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer

API = "https://api.example.com"
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata(app: Flask, path: str = WELL_KNOWN) -> dict[str, Any]:
    response = app.test_client().get(path)
    assert (response.status_code, response.content_type) == (200, "application/json")
    document: dict[str, Any] = response.get_json()
    return document


@pytest.fixture
def described_app(make_app: AppFactory) -> Flask:
    """An app that serves its metadata; its audience is ``https://api.example.com``."""
    return make_app(AUTH0_RESOURCE_METADATA=True)


@pytest.fixture
def undescribed(issuer: LocalIssuer) -> Flask:
    """An app that is to serve its metadata, and has no blueprint yet."""
    app = Flask("tested")
    app.config.update(issuer.settings, AUTH0_RESOURCE_METADATA=True)
    return app


def problems_of(app: Flask, match: str) -> set[str]:
    """Register the blueprint, which fails and leaves nothing on *app*; return the settings that are named."""
    before = traces(app)
    with pytest.raises(ConfigurationError, match=match) as caught:
        app.register_blueprint(Auth0Blueprint())
    assert traces(app) == before
    return set(caught.value.problems)


def answer_of(app: Flask, path: str = "/auth/me", **headers: str) -> Answer:
    return seen(app.test_client().get(path, headers=headers))


def render(error: Auth0Error) -> tuple[dict[str, str], int, Headers]:
    """Stand in for an app with words of its own."""
    return {"code": error.code}, error.status, headers_for(error)


class TestDocument:
    def test_it_tells_a_client_where_to_get_a_token_and_how_to_send_it(
        self, described_app: Flask, issuer: LocalIssuer
    ) -> None:
        """The issuer as it is in ``iss``; no key set, which would be one of this API's own keys."""
        assert metadata(described_app) == {
            "resource": API,
            "authorization_servers": [issuer.issuer],
            "bearer_methods_supported": ["header"],
        }

    @pytest.mark.parametrize("mode", ["allowed", "required"])
    def test_it_tells_how_tokens_may_be_bound(self, make_app: AppFactory, mode: str) -> None:
        """To a key, and whether they have to be; to a certificate."""
        bound = {"AUTH0_DPOP": mode, "AUTH0_MTLS_CERT": "environ:SSL_CLIENT_CERT"}
        found = metadata(make_app(AUTH0_RESOURCE_METADATA=True, AUTH0_PUBLIC_URL=API, **bound))
        assert found["dpop_signing_alg_values_supported"] == ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"]
        assert found["dpop_bound_access_tokens_required"] is (mode == "required")
        assert found["tls_client_certificate_bound_access_tokens"] is True

    @pytest.mark.parametrize(("mode", "schemes"), [("allowed", ["Bearer", "DPoP"]), ("required", ["DPoP"])])
    def test_each_challenge_points_to_it(self, make_app: AppFactory, mode: str, schemes: list[str]) -> None:
        app = make_app(AUTH0_RESOURCE_METADATA=True, AUTH0_PUBLIC_URL=API, AUTH0_DPOP=mode)
        app.add_url_rule("/x", view_func=requires_auth(lambda: ""), endpoint="x")
        challenges = answer_of(app, "/x").challenges
        assert [challenge.split(" ")[0] for challenge in challenges] == schemes
        assert all(f'resource_metadata="{API}{WELL_KNOWN}"' in challenge for challenge in challenges)

    def test_it_lists_the_scopes_that_guards_name(self, described_app: Flask) -> None:
        """On functions, classes, methods, blueprints and the app; once each, in order; no permissions."""

        class Messages(MethodView):
            decorators: ClassVar = [requires_scope("from:class")]

            @requires_scope("from:method", "from:view")
            def post(self) -> str:
                return ""

        class Plain(View):
            dispatch_request = staticmethod(lambda: "")

        app = described_app
        app.add_url_rule("/plain", view_func=Plain.as_view("plain"))
        app.add_url_rule("/view", "view", requires_scope("from:view", any_of=True)(requires_auth(lambda: "")))
        app.add_url_rule("/inner", "inner", requires_acr("gold")(requires_scope("from:inner")(lambda: "")))
        app.add_url_rule("/class", view_func=Messages.as_view("class"))
        app.add_url_rule("/permission", "permission", requires_permission("delete:all")(lambda: ""))
        part = Blueprint("part", "part")
        part.add_url_rule("/part", "part", lambda: "")
        protect(part, "from:blueprint")
        app.register_blueprint(part)
        protect(app, "from:app")
        named = ["app", "blueprint", "class", "inner", "method", "view"]
        assert metadata(app)["scopes_supported"] == [f"from:{name}" for name in named]

    def test_routes_that_come_after_the_blueprint_count(self, described_app: Flask) -> None:
        described_app.add_url_rule("/late", "late", requires_scope("late")(lambda: ""))
        assert metadata(described_app)["scopes_supported"] == ["late"]

    def test_it_is_never_stored_and_has_no_other_methods(self, described_app: Flask, app: Flask) -> None:
        """And is there only where it is asked for."""
        assert app.test_client().get(WELL_KNOWN).status_code == 404
        client = described_app.test_client()
        assert client.get(WELL_KNOWN).headers["Cache-Control"] == "no-store"
        assert (client.head(WELL_KNOWN).status_code, client.head(WELL_KNOWN).data) == (200, b"")
        assert client.options(WELL_KNOWN).headers["Allow"] == "GET, HEAD, OPTIONS"
        description = "This route does not support the request method."
        body = {"error": "method_not_allowed", "error_description": description, "code": "method_not_allowed"}
        assert seen(client.post(WELL_KNOWN)) == Answer(405, (), body)

    def test_a_protected_app_leaves_it_open(self, described_app: Flask) -> None:
        """Who asks for it has no token yet."""
        protect(described_app, "use:api")
        client = described_app.test_client()
        assert metadata(described_app)["scopes_supported"] == ["use:api"]
        assert client.options(WELL_KNOWN).status_code == 200

    def test_scripts_of_other_origins_can_read_it_by_flask_cors(self, described_app: Flask) -> None:
        """As docs/mcp.md says; with a preflight, too."""
        CORS(described_app, resources={r"/.well-known/*": {"origins": "*"}})
        client = described_app.test_client()
        headers = {"Origin": "https://inspector.example.com"}
        allowed = client.get(WELL_KNOWN, headers=headers).headers["Access-Control-Allow-Origin"]
        assert allowed in {"*", headers["Origin"]}
        asked = {**headers, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-version"}
        preflight = client.options(WELL_KNOWN, headers=asked)
        assert (preflight.status_code, preflight.headers["Access-Control-Allow-Headers"]) == (200, "x-version")

    @pytest.mark.parametrize("is_on", [True, False])
    def test_the_openapi_document_describes_it_where_it_is(self, make_app: AppFactory, is_on: bool) -> None:
        """At the root, not under the prefix."""
        app = make_app(AUTH0_OPENAPI=True, AUTH0_RESOURCE_METADATA=is_on, **EVENT_SETTINGS)
        document = document_of(app)
        assert described(document) == registered(app)
        assert (("GET", WELL_KNOWN) in described(document)) is is_on


class TestResourceIdentifier:
    """Which URL it is, and so where the document is (RFC 9728 §3.1)."""

    @pytest.mark.parametrize(
        ("public_url", "audience", "resource", "path"),
        [
            *((None, API, API, ""), (None, f"{API}/", f"{API}/", "")),
            *((None, f"{API}/mcp", f"{API}/mcp", "/mcp"), (None, f"{API}/mcp/", f"{API}/mcp/", "/mcp/")),
            (None, f"my-api, {API}:8443/v1", f"{API}:8443/v1", "/v1"),
            (None, "http://localhost:5000/mcp", "http://localhost:5000/mcp", "/mcp"),
            *((API, "my-api", API, ""), (f"{API}/", "my-api", API, ""), (f"{API}/v1", "my-api", f"{API}/v1", "/v1")),
            *((API, "https://logical.example.com", API, ""), (API, f"{API}.evil.org", API, "")),
            *((f"{API}/v1", f"{API}/v10", f"{API}/v1", "/v1"), (f"{API}/v1", API, f"{API}/v1", "/v1")),
            # What Auth0 knows the API by goes first, where it is a URL at the public one.
            (API, f"{API}/", f"{API}/", ""),
            (API, f"{API}/mcp", f"{API}/mcp", "/mcp"),
            (API, f"https://x.org, {API}", API, ""),
        ],
    )
    def test_the_document_is_where_a_client_looks_for_it(
        self, make_app: AppFactory, public_url: str | None, audience: str, resource: str, path: str
    ) -> None:
        """The well-known path goes between host and path, and ``resource`` is what it was put into (§3.3)."""
        app = make_app(AUTH0_RESOURCE_METADATA=True, AUTH0_PUBLIC_URL=public_url, AUTH0_AUDIENCE=audience)
        assert metadata(app, f"{WELL_KNOWN}{path}")["resource"] == resource
        origin = "/".join(resource.split("/")[:3])
        challenge = app.test_client().get("/auth/me").headers["WWW-Authenticate"]
        assert challenge == f'Bearer realm="api", resource_metadata="{origin}{WELL_KNOWN}{path}"'

    @pytest.mark.parametrize(
        "audience",
        ["my-api", "urn:my-api", "http://api.example.com", "https://user@api.example.com"]
        + [f"{API}/{end}" for end in ("?v=1", "#x", "<x>")],
    )
    def test_without_a_url_of_the_api_registration_fails_and_names_both_settings(
        self, undescribed: Flask, audience: str
    ) -> None:
        undescribed.config["AUTH0_AUDIENCE"] = audience
        assert problems_of(undescribed, r"AUTH0_PUBLIC_URL.*AUTH0_AUDIENCE") == {"AUTH0_RESOURCE_METADATA"}

    def test_a_url_that_is_wrong_is_named_alone(self) -> None:
        """That there is none then is no second mistake."""
        wrong = {"AUTH0_DOMAIN": "a.example.com", "AUTH0_AUDIENCE": "a", "AUTH0_PUBLIC_URL": "http://a.example.com"}
        with pytest.raises(ConfigurationError) as caught:
            load_settings({**wrong, "AUTH0_RESOURCE_METADATA": True}, {})
        assert caught.value.problems.keys() == {"AUTH0_PUBLIC_URL"}

    @pytest.mark.parametrize(("audience", "is_warned"), [("my-api", True), ("my-api,https://api.example.com", False)])
    def test_a_resource_that_is_no_audience_is_warned_about(
        self, make_app: AppFactory, caplog: pytest.LogCaptureFixture, audience: str, is_warned: bool
    ) -> None:
        """Clients ask Auth0 for a token for what they have read (RFC 8707)."""
        settings = {"AUTH0_PUBLIC_URL": API, "AUTH0_AUDIENCE": audience}
        make_app(**settings)
        assert "RFC 8707" not in caplog.text
        make_app(**settings, AUTH0_RESOURCE_METADATA=True)
        assert ("RFC 8707" in caplog.text) is is_warned


class TestChallenge:
    """Every challenge has it; without the setting none."""

    POINTER = f'resource_metadata="{API}{WELL_KNOWN}"'

    def test_a_challenge_without_credentials_points_to_the_document(self, described_app: Flask) -> None:
        body = {"error_description": "The request has no Authorization header.", "code": "authorization_header_missing"}
        assert answer_of(described_app) == Answer(401, (f'Bearer realm="api", {self.POINTER}',), body)

    def test_a_refused_caller_is_told_after_what_was_wrong(self, described_app: Flask, issuer: LocalIssuer) -> None:
        described_app.add_url_rule("/scoped", "scoped", requires_scope("pay")(lambda: ""))
        lacks_scope = forbidden("insufficient_scope", "The access token lacks a scope that this route requires.", "pay")
        for path, token, plain in (
            ("/auth/me", issuer.token(expires_in=-60), EXPIRED),
            ("/scoped", issuer.token(), lacks_scope),
        ):
            expected = replace(plain, challenges=(f"{plain.challenges[0]}, {self.POINTER}",))
            assert answer_of(described_app, path, **bearer(token)) == expected

    def test_an_app_with_words_of_its_own_can_pass_it_on(self, described_app: Flask) -> None:
        described_app.register_error_handler(Auth0Error, render)
        challenges = (f'Bearer realm="api", {self.POINTER}',)
        assert answer_of(described_app) == Answer(401, challenges, {"code": "authorization_header_missing"})

    @pytest.mark.parametrize(("scheme", "other"), [("Bearer", "DPoP"), ("DPoP", "Bearer")])
    def test_it_passes_on_the_challenge_of_every_scheme(
        self, make_app: AppFactory, issuer: LocalIssuer, scheme: str, other: str
    ) -> None:
        """Both, that of the request first, each with the pointer: the same as without a handler of its own."""
        settings = {"AUTH0_RESOURCE_METADATA": True, "AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": API}
        plain, own = (make_app(**settings, AUTH0_REALM="mine") for _ in range(2))
        own.register_error_handler(Auth0Error, render)
        token = issuer.token(expires_in=-60)
        expected, answer = (answer_of(app, Authorization=f"{scheme} {token}") for app in (plain, own))
        assert [challenge.split()[0] for challenge in answer.challenges] == [scheme, other]
        assert all('realm="mine"' in text and self.POINTER in text for text in answer.challenges)
        assert answer == Answer(401, expected.challenges, {"code": "token_expired"})


class TestRegistration:
    def test_a_route_of_the_app_in_its_place_leaves_no_trace(self, undescribed: Flask) -> None:
        undescribed.add_url_rule(WELL_KNOWN, "mine", lambda: "")
        assert problems_of(undescribed, WELL_KNOWN) == {"AUTH0_RESOURCE_METADATA"}

    def test_an_endpoint_of_that_name_leaves_no_trace(self, undescribed: Flask) -> None:
        undescribed.add_url_rule("/mine", "auth0.resource_metadata", lambda: "")
        problems_of(undescribed, r"auth0\.resource_metadata")

    def test_name_and_prefix_of_the_blueprint_move_only_the_other_routes(self, make_app: AppFactory) -> None:
        app = make_app(Auth0Blueprint("guard", url_prefix="/internal"), AUTH0_RESOURCE_METADATA=True)
        assert metadata(app)["resource"] == API
        assert app.test_client().get("/internal/health/live").status_code == 200

    def test_a_nested_blueprint_has_it_at_the_root_as_well(self, undescribed: Flask) -> None:
        undescribed.config.update(AUTH0_OPENAPI=True, **EVENT_SETTINGS)
        parent = Blueprint("parent", "parent", url_prefix="/v1")
        parent.register_blueprint(Auth0Blueprint())
        undescribed.register_blueprint(parent)
        assert metadata(undescribed)["resource"] == API
        assert described(document_of(undescribed, "/v1/auth/openapi.json")) == registered(undescribed, "parent.auth0")

    def test_one_blueprint_on_two_apps_gives_each_its_own(self, make_app: AppFactory) -> None:
        blueprint, urls = Auth0Blueprint(), ["https://a.example.com", "https://b.example.com"]
        apps = [make_app(blueprint, AUTH0_RESOURCE_METADATA=True, AUTH0_AUDIENCE=url) for url in urls]
        without = make_app(blueprint)
        assert [metadata(app)["resource"] for app in apps] == urls
        assert without.test_client().get(WELL_KNOWN).status_code == 404
