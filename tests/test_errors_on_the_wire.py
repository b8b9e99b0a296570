"""What a client sees when it is refused: each row of the table of errors, on every kind of guard."""

from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import refusals
from conftest import AppFactory, bearer
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from refusals import (
    Answer,
    answer_to,
    by_hand,
    claims_of,
    forbidden,
    guarded,
    header_of,
    passes,
    seen,
    segment,
    with_member,
)

from auth0_blueprint import (
    Auth0Blueprint,
    Auth0Error,
    requires_claim,
    requires_permission,
    requires_scope,
)
from auth0_blueprint.testing import LocalIssuer

MintToken = Callable[[LocalIssuer], str]


@pytest.mark.parametrize("path", ["/ours", "/theirs"])
class TestHeader:
    @pytest.mark.parametrize("authorization", [None, "", " ", "   "])
    def test_no_credentials_get_a_bare_challenge(self, app: Flask, path: str, authorization: str | None) -> None:
        """Without an Authorization header there is no error code (RFC 6750 §3.1)."""
        headers = {} if authorization is None else {"Authorization": authorization}
        assert seen(guarded(app).get(path, headers=headers)) == refusals.NO_CREDENTIALS

    @pytest.mark.parametrize(
        "authorization", ["Basic dXNlcjpwdw==", "Bearer\tx", "Bearerx y", "DPoP x", "x.y.z", "Digest a=b, c=d", ","]
    )
    def test_another_scheme_gets_a_bare_challenge(self, app: Flask, path: str, authorization: str) -> None:
        assert seen(guarded(app).get(path, headers={"Authorization": authorization})) == refusals.OTHER_SCHEME

    @pytest.mark.parametrize("authorization", ["Bearer", "bearer", "Bearer ", "Bearer    "])
    def test_a_scheme_without_a_token_gets_a_bare_challenge(self, app: Flask, path: str, authorization: str) -> None:
        assert seen(guarded(app).get(path, headers={"Authorization": authorization})) == refusals.NO_TOKEN

    @pytest.mark.parametrize(
        "authorization", ["Bearer x y", "Bearer x, y", "Bearer x,y", "Bearer x,", "Bearer ,x", "Basic x, Bearer y"]
    )
    def test_more_than_one_token_is_a_bad_request(self, app: Flask, path: str, authorization: str) -> None:
        assert seen(guarded(app).get(path, headers={"Authorization": authorization})) == refusals.SEVERAL_CREDENTIALS

    def test_two_headers_are_a_bad_request(self, app: Flask, issuer: LocalIssuer, path: str) -> None:
        both = [("Authorization", f"Bearer {issuer.token()}")] * 2
        assert seen(guarded(app).get(path, headers=both)) == refusals.SEVERAL_CREDENTIALS

    @pytest.mark.parametrize("rest", [" second", ", second", ",second", ", Basic second", ","])
    def test_a_good_token_beside_something_else_is_a_bad_request(
        self, app: Flask, issuer: LocalIssuer, path: str, rest: str
    ) -> None:
        headers = {"Authorization": f"Bearer {issuer.token()}{rest}"}
        assert seen(guarded(app).get(path, headers=headers)) == refusals.SEVERAL_CREDENTIALS

    @pytest.mark.parametrize(
        "authorization", [", ,Bearer x", ",\t,Bearer x", " , , ", "Bearer x,, ,y", "\x0b", "\xa0 x"]
    )
    def test_a_header_of_odd_separators_is_answered_as_any_other(
        self, app: Flask, path: str, authorization: str
    ) -> None:
        answer = seen(guarded(app).get(path, headers={"Authorization": authorization}))
        assert answer in (refusals.NO_CREDENTIALS, refusals.OTHER_SCHEME, refusals.SEVERAL_CREDENTIALS)

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
    def test_the_scheme_is_taken_in_any_case(self, app: Flask, issuer: LocalIssuer, path: str, scheme: str) -> None:
        """Scheme names know no case (RFC 9110 §11.1)."""
        headers = {"Authorization": f"{scheme} {issuer.token()}"}
        assert guarded(app).get(path, headers=headers).status_code == 200

    def test_a_token_in_the_query_string_or_form_is_not_read(self, app: Flask, issuer: LocalIssuer, path: str) -> None:
        """Only the header carries credentials (RFC 9700 §4.3.2)."""
        token = issuer.token()
        response = guarded(app).get(path, query_string={"access_token": token}, data={"access_token": token})
        assert seen(response) == refusals.NO_CREDENTIALS


def _without_signature(issuer: LocalIssuer) -> str:
    return issuer.token().rpartition(".")[0] + "."


def _with_broken_payload(issuer: LocalIssuer) -> str:
    return by_hand(issuer, claims=b'{"iss": ')


def _with_number_out_of_range(issuer: LocalIssuer) -> str:
    return by_hand(issuer, claims=with_member(claims_of(issuer.token()), "exp", "1e400"))


REFUSED_TOKENS: dict[str, tuple[MintToken, Answer]] = {
    "too long": (lambda issuer: "x" * 16_385, refusals.TOO_LONG),
    "encrypted": (lambda issuer: "a.b.c.d.e", refusals.ENCRYPTED),
    "opaque": (lambda issuer: "opaque", refusals.OPAQUE),
    "not base64url": (lambda issuer: "a+b.c/d.e=", refusals.NOT_BASE64URL),
    "header is no JSON": (lambda issuer: by_hand(issuer, header=b"{"), refusals.BAD_HEADER),
    "payload is no JSON": (_with_broken_payload, refusals.BAD_PAYLOAD),
    "key id is no text": (lambda issuer: by_hand(issuer, {"alg": "RS256", "kid": 7}), refusals.BAD_KEY_ID),
    "critical extension": (lambda issuer: issuer.token(headers={"crit": ["exp"]}), refusals.CRITICAL_EXTENSION),
    "other type": (lambda issuer: issuer.token(headers={"typ": "id_token"}), refusals.WRONG_TYPE),
    "unsupported algorithm": (lambda issuer: by_hand(issuer, {"alg": "HS256"}), refusals.UNSUPPORTED_ALGORITHM),
    "unknown key": (lambda issuer: issuer.token(headers={"kid": "nobody's"}), refusals.UNKNOWN_KEY),
    "no signature": (_without_signature, refusals.INVALID_SIGNATURE),
    "expired": (lambda issuer: issuer.token(expires_in=-60), refusals.EXPIRED),
    "not yet valid": (lambda issuer: issuer.token(nbf=32_503_680_000), refusals.NOT_BEFORE),
    "issued in the future": (
        lambda issuer: issuer.token(iat=32_503_680_000, exp=32_503_690_000),
        refusals.ISSUED_IN_FUTURE,
    ),
    "other issuer": (lambda issuer: issuer.token(iss="https://other.example.com/"), refusals.OTHER_ISSUER),
    "other audience": (lambda issuer: issuer.token(aud="https://other.example.com"), refusals.OTHER_AUDIENCE),
    "missing claim": (lambda issuer: issuer.token(without=("azp",)), refusals.MISSING_CLAIM),
    "no subject": (lambda issuer: issuer.token(without=("sub",)), refusals.BAD_SUBJECT),
    "no expiry": (lambda issuer: issuer.token(without=("exp",)), refusals.BAD_TIME),
    "number out of range": (_with_number_out_of_range, refusals.BAD_NUMBER),
    "lives too long": (lambda issuer: issuer.token(expires_in=2_600_000), refusals.TOO_LONG_LIVED),
    "ill-typed scope": (lambda issuer: issuer.token(scope=1), refusals.BAD_SCOPE),
    "ill-typed permissions": (lambda issuer: issuer.token(permissions="admin"), refusals.BAD_PERMISSIONS),
    "ill-typed identifier": (lambda issuer: by_hand(issuer, claims=_claims(issuer, jti=7)), refusals.BAD_IDENTIFIER),
    "bound": (lambda issuer: issuer.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), refusals.BOUND),
}


def _claims(issuer: LocalIssuer, **changed: Any) -> dict[str, Any]:
    return {**claims_of(issuer.token()), **changed}


@pytest.mark.parametrize("case", REFUSED_TOKENS)
def test_a_refused_token_is_answered_alike_by_every_guard(make_app: AppFactory, issuer: LocalIssuer, case: str) -> None:
    mint, expected = REFUSED_TOKENS[case]
    client = guarded(make_app(AUTH0_REQUIRED_CLAIMS=["azp"]))
    assert answer_to(client, mint(issuer)) == expected


def test_the_causes_that_newcomers_meet_read_differently() -> None:
    """The wrong audience or tenant, a missing claim and an encrypted token each have a sentence of their own."""
    answers = (
        refusals.OTHER_AUDIENCE,
        refusals.OTHER_ISSUER,
        refusals.MISSING_CLAIM,
        refusals.ENCRYPTED,
        refusals.OPAQUE,
    )
    assert len({answer.body["error_description"] for answer in answers}) == len(answers)


def test_a_token_on_the_blocklist_is_revoked_for_every_guard(make_app: AppFactory, issuer: LocalIssuer) -> None:
    blueprint = Auth0Blueprint()
    blueprint.jwt_manager.token_in_blocklist_loader(lambda header, claims: claims["jti"] == "withdrawn")
    client = guarded(make_app(blueprint))
    assert answer_to(client, issuer.token(jti="withdrawn")) == refusals.REVOKED
    assert passes(client, issuer.token(jti="another"))


def test_a_token_against_a_rule_of_the_app_has_invalid_claims_for_every_guard(
    make_app: AppFactory, issuer: LocalIssuer
) -> None:
    blueprint = Auth0Blueprint()
    blueprint.jwt_manager.token_verification_loader(lambda header, claims: claims["sub"] != "auth0|barred")
    client = guarded(make_app(blueprint))
    assert answer_to(client, issuer.token(sub="auth0|barred")) == refusals.REFUSED_BY_APP
    assert passes(client, issuer.token())


def test_a_user_that_the_app_does_not_know_is_refused_by_every_guard(make_app: AppFactory, issuer: LocalIssuer) -> None:
    blueprint = Auth0Blueprint()
    blueprint.jwt_manager.user_lookup_loader(lambda header, claims: {"auth0|known": "a user"}.get(claims["sub"]))
    client = guarded(make_app(blueprint))
    assert answer_to(client, issuer.token(sub="auth0|gone")) == refusals.USER_NOT_FOUND
    assert passes(client, issuer.token(sub="auth0|known"))


class TestForbidden:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        app.add_url_rule("/scope", "scope", requires_scope("read:messages", "write:messages")(lambda: "seen"))
        app.add_url_rule("/permission", "permission", requires_permission("delete:messages")(lambda: "seen"))
        app.add_url_rule("/claim", "claim", requires_claim("tier", "gold")(lambda: "seen"))
        return app

    @pytest.mark.parametrize(
        "scope", ["", "read:messages", "read:messages write:messages2", "read:messages,write:messages"]
    )
    def test_a_token_without_the_scope_learns_what_the_route_needs(
        self, app: Flask, issuer: LocalIssuer, scope: str
    ) -> None:
        """The challenge names every scope that the route needs (RFC 6750 §3)."""
        response = app.test_client().get("/scope", headers=bearer(issuer.token(scope=scope)))
        assert seen(response) == forbidden(
            "insufficient_scope",
            "The access token lacks a scope that this route requires.",
            "read:messages write:messages",
        )

    @pytest.mark.parametrize("claims", [{}, {"permissions": []}, {"scope": "delete:messages"}])
    def test_a_token_without_the_permission_is_forbidden(
        self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any]
    ) -> None:
        """Permissions are not asked for, so the challenge names none."""
        response = app.test_client().get("/permission", headers=bearer(issuer.token(**claims)))
        assert seen(response) == forbidden(
            "insufficient_permissions", "The access token lacks a permission that this route requires."
        )

    @pytest.mark.parametrize("claims", [{}, {"tier": None}, {"tier": "silver"}, {"tier": ["silver"]}])
    def test_a_token_without_the_claim_value_is_forbidden(
        self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any]
    ) -> None:
        """A claim that is absent or has another value is named neither in the challenge nor in the body."""
        response = app.test_client().get("/claim", headers=bearer(issuer.token(**claims)))
        assert seen(response) == forbidden(
            "insufficient_claims", "The access token lacks a claim value that this route requires."
        )

    @pytest.mark.parametrize("path", ["/scope", "/permission", "/claim"])
    def test_a_request_without_credentials_is_unauthorized_rather_than_forbidden(self, app: Flask, path: str) -> None:
        """Who is calling comes before what they may do."""
        assert seen(app.test_client().get(path)) == refusals.NO_CREDENTIALS


@pytest.fixture
def busy_url() -> Iterator[str]:
    """A key set that answers 503 and asks to come back in two minutes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", "120")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Stay silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks"
        server.shutdown()
        thread.join()


class TestOutage:
    @pytest.mark.parametrize("path", ["/ours", "/theirs"])
    def test_an_outage_is_not_the_fault_of_the_client(
        self, make_app: AppFactory, issuer: LocalIssuer, busy_url: str, path: str
    ) -> None:
        client = guarded(make_app(AUTH0_JWKS_URL=busy_url))
        response = client.get(path, headers=bearer(issuer.token()))
        assert seen(response) == refusals.KEY_SET_UNAVAILABLE
        assert response.headers["Retry-After"] == "120"

    @pytest.mark.parametrize("path", ["/ours", "/theirs"])
    def test_a_refusal_that_needs_no_key_is_the_same_in_an_outage(
        self, make_app: AppFactory, busy_url: str, path: str
    ) -> None:
        client = guarded(make_app(AUTH0_JWKS_URL=busy_url))
        assert seen(client.get(path, headers=bearer("opaque"))) == refusals.OPAQUE

    def test_a_refusal_has_no_time_to_come_back(self, app: Flask) -> None:
        assert "Retry-After" not in guarded(app).get("/ours").headers


@pytest.mark.parametrize("path", ["/auth/health", "/auth/health/live", "/auth/me"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_method_on_a_route_of_the_package_is_answered_in_its_words(app: Flask, path: str, method: str) -> None:
    response = app.test_client().open(path, method=method)
    assert seen(response) == Answer(
        405,
        (),
        {
            "error": "method_not_allowed",
            "error_description": "This route does not support the request method.",
            "code": "method_not_allowed",
        },
    )
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


MARK = "zq7mark"


@pytest.mark.parametrize(
    "authorization",
    [
        lambda issuer: MARK,
        lambda issuer: f"{MARK} x",
        lambda issuer: f"Bearer {MARK}",
        lambda issuer: f"Bearer x {MARK}",
        lambda issuer: f"Bearer {segment(MARK.encode())}.{MARK}.{MARK}",
        lambda issuer: f"Bearer {by_hand(issuer, {'alg': MARK})}",
        lambda issuer: f"Bearer {by_hand(issuer, {**header_of(issuer.token()), 'kid': MARK})}",
        lambda issuer: f"Bearer {by_hand(issuer, {**header_of(issuer.token()), 'typ': MARK})}",
        lambda issuer: f"Bearer {by_hand(issuer, {**header_of(issuer.token()), 'crit': [MARK]})}",
        lambda issuer: f"Bearer {by_hand(issuer, claims=MARK.encode())}",
        lambda issuer: f"Bearer {issuer.token(iss=MARK)}",
        lambda issuer: f"Bearer {issuer.token(aud=MARK)}",
        lambda issuer: f"Bearer {by_hand(issuer, claims=_claims(issuer, sub=[MARK]))}",
        lambda issuer: f"Bearer {by_hand(issuer, claims=_claims(issuer, exp=MARK))}",
        lambda issuer: f"Bearer {issuer.token(scope={'x': MARK})}",
        lambda issuer: f"Bearer {issuer.token(scope=MARK, sub=MARK)}",
    ],
)
def test_nothing_of_a_request_is_echoed(
    app: Flask, issuer: LocalIssuer, authorization: Callable[[LocalIssuer], str]
) -> None:
    app.add_url_rule("/scope", "scope", requires_scope("read:messages")(lambda: "seen"))
    headers = {"Authorization": authorization(issuer), "X-Request-Id": MARK}
    response = app.test_client().get("/scope", query_string={MARK: MARK}, headers=headers)
    assert response.status_code in {400, 401, 403}
    assert MARK not in response.get_data(as_text=True) + str(response.headers)


def test_no_log_holds_a_token(app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = guarded(app)
    tokens = [issuer.token(), issuer.token(expires_in=-60), _without_signature(issuer), "opaque-and-secret"]
    for token in tokens:
        client.get("/ours", headers=bearer(token))
        client.get("/theirs", headers=bearer(token))
    parts = {part for token in tokens for part in token.split(".") if part}
    assert "refused: token_expired" in caplog.text
    assert [part for part in parts if part in caplog.text] == []


@pytest.mark.parametrize(
    ("realm", "quoted"),
    [("messages", "messages"), ('the "best" API', r"the \"best\" API"), ("back\\slash", r"back\\slash")],
)
def test_the_realm_is_a_quoted_string(make_app: AppFactory, realm: str, quoted: str) -> None:
    """Quotes and backslashes in the realm are escaped (RFC 9110 §5.6.4)."""
    response = guarded(make_app(AUTH0_REALM=realm)).get("/ours")
    assert response.headers.getlist("WWW-Authenticate") == [f'Bearer realm="{quoted}"']


class TestOwnRendering:
    """An app may answer `Auth0Error` in its own way."""

    @staticmethod
    def render(error: Auth0Error) -> ResponseReturnValue:
        return jsonify(problem=error.code), error.status, {"X-Rendered-By": "the app"}

    @pytest.mark.parametrize("path", ["/ours", "/theirs"])
    def test_a_handler_from_before_the_blueprint_stays(self, issuer: LocalIssuer, path: str) -> None:
        app = Flask("tested", static_folder=None)
        app.config.update(issuer.settings)
        app.register_error_handler(Auth0Error, self.render)
        app.register_blueprint(Auth0Blueprint())
        response = guarded(app).get(path, headers=bearer("opaque"))
        assert (response.status_code, response.get_json()) == (401, {"problem": "token_malformed"})

    @pytest.mark.parametrize("path", ["/ours", "/theirs"])
    def test_a_handler_from_after_the_blueprint_replaces_ours(self, app: Flask, path: str) -> None:
        app.register_error_handler(Auth0Error, self.render)
        response = guarded(app).get(path)
        assert (response.status_code, response.get_json()) == (401, {"problem": "authorization_header_missing"})
        assert response.headers["X-Rendered-By"] == "the app"

    def test_a_handler_gets_all_that_the_standard_answer_is_made_of(self, app: Flask, issuer: LocalIssuer) -> None:
        found: list[Auth0Error] = []

        @app.errorhandler(Auth0Error)
        def note(error: Auth0Error) -> ResponseReturnValue:
            found.append(error)
            return "", error.status

        app.add_url_rule("/scope", "scope", requires_scope("read:messages")(lambda: "seen"))
        app.test_client().get("/scope", headers=bearer(issuer.token()))
        [error] = found
        assert (error.status, error.error, error.code, error.reason, error.description, error.scope) == (
            403,
            "insufficient_scope",
            "insufficient_scope",
            "insufficient_scope",
            "The access token lacks a scope that this route requires.",
            ("read:messages",),
        )
